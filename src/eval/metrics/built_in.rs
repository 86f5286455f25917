//! The figures that come with the program: their keys, their names for people, and
//! which way is better.

/// A figure that an evaluation may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its key: `f1_macro`.
    pub key: &'static str,
    /// Its name for people: `F1, macro`.
    pub name: &'static str,
    /// Whether more is better; `None` where nearer to zero is.
    pub more_is_better: Option<bool>,
    /// Whether it is a share, to be shown in percent.
    pub share: bool,
}

const fn known(key: &'static str, name: &'static str, more_is_better: Option<bool>, share: bool) -> Known {
    Known { key, name, more_is_better, share }
}

const UP: Option<bool> = Some(true);
const DOWN: Option<bool> = Some(false);

/// All figures that come with the program.
pub const KNOWN: &[Known] = &[
    known("loss", "Loss", DOWN, false),
    // Of classes.
    known("accuracy", "Accuracy", UP, true),
    known("f1", "F1", UP, true),
    known("precision", "Precision", UP, true),
    known("recall", "Recall", UP, true),
    known("f1_macro", "F1, macro", UP, true),
    known("roc_auc", "ROC AUC", UP, false),
    known("log_loss", "Log loss", DOWN, false),
    known("top_2", "Top-2 accuracy", UP, true),
    known("top_3", "Top-3 accuracy", UP, true),
    known("top_5", "Top-5 accuracy", UP, true),
    known("balanced_accuracy", "Balanced accuracy", UP, true),
    known("precision_macro", "Precision, macro", UP, true),
    known("recall_macro", "Recall, macro", UP, true),
    known("f1_weighted", "F1, weighted", UP, true),
    known("roc_auc_weighted", "ROC AUC, weighted", UP, false),
    known("pr_auc", "Average precision", UP, false),
    known("pr_auc_weighted", "Average precision, weighted", UP, false),
    known("mcc", "Matthews correlation", UP, false),
    known("kappa", "Cohen's kappa", UP, false),
    known("brier", "Brier score", DOWN, false),
    known("ece", "Calibration error", DOWN, true),
    // Of numbers.
    known("r2", "R²", UP, false),
    known("mae", "Mean absolute error", DOWN, false),
    known("rmse", "Root mean squared error", DOWN, false),
    known("median_ae", "Median absolute error", DOWN, false),
    known("mape", "Mean relative error", DOWN, true),
    known("max_error", "Largest error", DOWN, false),
    known("explained_variance", "Explained variance", UP, false),
    known("bias", "Bias", None, false),
    // Of forecasts.
    known("skill", "Skill over persistence", UP, true),
    known("mase", "Mean absolute scaled error", DOWN, false),
    // Of texts.
    known("nats_per_token", "Cross-entropy, nats per token", DOWN, false),
    known("perplexity", "Perplexity", DOWN, false),
    known("bits_per_token", "Bits per token", DOWN, false),
    known("bits_per_byte", "Bits per byte", DOWN, false),
];
