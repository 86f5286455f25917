//! The plots of a run: what the report shows and what lies in `plots/`.

use super::{Axis, Chart, Ink, Kind, Scene, Series, heatmap, percent, stroke};
use crate::eval::history::{EpochRecord, curve_names, training, validation};
use crate::eval::metrics::{Classification, Metrics, Regression, title_of};
use crate::eval::run::RunFiles;
use crate::files::name::plain_name;

/// Metrics, targets and classes beyond these have no plot of their own.
const METRICS: usize = 12;
const TARGETS: usize = 4;
const CURVES: usize = 10;
/// Classes up to which the confusion matrix is drawn.
const MATRIX: usize = 120;

/// A plot and the name of its file.
pub struct Plot {
    /// The stem of its PNG: `loss`.
    pub name: String,
    /// What it shows.
    pub scene: Scene,
    /// Whether it belongs to the curves of training rather than to the
    /// evaluation.
    pub training: bool,
}

/// The plots that a run's files make.
pub fn gallery(run: &RunFiles) -> Vec<Plot> {
    let mut plots = of_the_training(run);
    if let Some(evaluation) = &run.evaluation {
        let made = match &evaluation.metrics {
            Metrics::Classification(c) => classification(c),
            Metrics::Regression(r) => regression(r),
            Metrics::Language(_) => vec![],
        };
        let made = evaluation.forecast.iter().flat_map(super::forecast::plots).chain(made);
        plots.extend(made.map(|(name, scene)| Plot { name, scene, training: false }));
    }
    plots
}

fn of_the_training(run: &RunFiles) -> Vec<Plot> {
    if run.epochs.is_empty() && run.points.is_empty() {
        return vec![];
    }
    let of_training = |label: &str, ink: usize, name: &str| {
        let points = training(&run.epochs, &run.points, name);
        // So many points are noise with a trend: a thin line is enough.
        let kind = if points.len() > run.epochs.len() { Kind::Thin } else { Kind::Line };
        Series { name: label.into(), ink: Ink::Series(ink), kind, points }
    };
    let best = run.info.best_epoch.or(run.best().map(|e| e.epoch)).filter(|_| run.epochs.len() > 2);
    let best = best.map(|e| (e as f64, format!("best: {e}")));
    let mut plots = vec![];
    for name in curve_names(&run.epochs, &run.points).into_iter().take(METRICS) {
        let (ink, kind, points) = (Ink::Series(1), Kind::Line, validation(&run.epochs, &name));
        let of_val = Series { name: "validation".into(), ink, kind, points };
        let series = [of_training("training", 0, &name), of_val];
        let series: Vec<Series> = series.into_iter().filter(|s| !s.points.is_empty()).collect();
        let mut chart = epochs_chart(&title_of(&name, run.info.positive_class.as_deref()), series);
        chart.y.log = name == "loss" && spans_decades(&chart.series);
        if chart.y.log {
            chart.title += ", logarithmic";
        }
        chart.mark = best.clone().filter(|_| name == "loss");
        plots.push(Plot { name: stem(&name), scene: chart.scene(), training: true });
    }
    for (file, title, name) in
        [("learning_rate", "Learning rate", "lr"), ("gradient_norm", "Gradient norm", "grad_norm")]
    {
        let series = of_training(title, 2, name);
        if !series.points.is_empty() {
            let scene = epochs_chart(title, vec![series]).scene();
            plots.push(Plot { name: file.into(), scene, training: true });
        }
    }
    plots
}

/// A chart over epochs, or over parts of the first one or two.
pub fn epochs_chart(title: &str, series: Vec<Series>) -> Chart {
    let longer = series.iter().flat_map(|s| &s.points).any(|p| p[0] > 2.0);
    let by_epoch = series.iter().flat_map(|s| &s.points).all(|p| p[0].fract() == 0.0);
    let x = Axis { label: "epoch".into(), whole: longer || by_epoch, ..Axis::default() };
    Chart { title: title.into(), x, series, ..Chart::default() }
}

/// A line over epochs, where any of them has a value.
pub fn curve(
    name: &str,
    ink: usize,
    epochs: &[EpochRecord],
    value: impl Fn(&EpochRecord) -> Option<f64>,
) -> Option<Series> {
    let points: Vec<[f64; 2]> = epochs.iter().filter_map(|e| value(e).map(|v| [e.epoch as f64, v])).collect();
    let ink = Ink::Series(ink);
    (!points.is_empty()).then(|| Series { name: name.into(), ink, kind: Kind::Line, points })
}

/// Whether a linear axis would press most of the curve flat.
fn spans_decades(series: &[Series]) -> bool {
    let all = || series.iter().flat_map(|s| s.points.iter().map(|p| p[1])).filter(|v| v.is_finite());
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    low > 0.0 && high / low > 20.0
}

fn classification(c: &Classification) -> Vec<(String, Scene)> {
    let mut plots = vec![];
    let names: Vec<String> = c.classes.iter().map(|c| c.name.clone()).collect();
    if !c.confusion.is_empty() && c.confusion.len() <= MATRIX {
        plots.push(("confusion".to_string(), heatmap("Confusion matrix", &names, &c.confusion)));
    }
    plots.push(("reliability".into(), reliability(c)));
    let several = c.curves.len() > 1;
    let lines = |of: fn(&crate::eval::metrics::Curve) -> &Vec<[f64; 2]>| -> Vec<Series> {
        let shown = c.curves.iter().take(CURVES).enumerate();
        let name = |class: &String| if several { class.clone() } else { String::new() };
        shown
            .map(|(i, curve)| {
                let (name, points) = (name(&curve.class), of(curve).clone());
                Series { name, ink: Ink::Series(i), kind: stroke(i, c.curves.len().min(CURVES)), points }
            })
            .collect()
    };
    let about = match &c.curves[..] {
        [one] => format!(" of {}", one.class),
        _ => ", each class against the rest".into(),
    };
    if !c.curves.is_empty() {
        let mut roc = unit_chart(&format!("ROC{about}"), "false positive rate", "true positive rate");
        roc.series = vec![diagonal([0.0, 0.0], [1.0, 1.0], "chance")];
        roc.series.extend(lines(|c| &c.roc));
        plots.push(("roc".into(), roc.scene()));
        let mut pr = unit_chart(&format!("Precision and recall{about}"), "recall", "precision");
        pr.series = lines(|c| &c.pr);
        plots.push(("precision_recall".into(), pr.scene()));
    }
    if let Some(t) = &c.thresholds {
        let line = |name: &str, ink: usize, of: fn(&crate::eval::metrics::ThresholdPoint) -> f64| {
            let points = t.curve.iter().map(|p| [p.threshold, of(p)]).collect();
            Series { name: name.into(), ink: Ink::Series(ink), kind: Kind::Line, points }
        };
        let mut chart = unit_chart(&format!("What a threshold gives{about}"), "threshold", "");
        chart.series = vec![
            line("precision", 0, |p| p.precision),
            line("recall", 1, |p| p.recall),
            line("F1", 2, |p| p.f1),
            line("accuracy", 3, |p| p.accuracy),
        ];
        plots.push(("thresholds".into(), chart.scene()));
    }
    plots
}

/// Confidence against accuracy: on the diagonal, probabilities can be believed.
fn reliability(c: &Classification) -> Scene {
    let title = format!("Reliability (calibration error {})", percent(c.ece));
    let mut chart = unit_chart(&title, "confidence", "accuracy");
    let bars = c.reliability.iter().map(|b| [(b.low + b.high) / 2.0, b.accuracy]).collect();
    chart.series = vec![
        Series { name: "accuracy".into(), ink: Ink::Hit(0.45), kind: Kind::Bars, points: bars },
        diagonal([0.0, 0.0], [1.0, 1.0], "perfect calibration"),
    ];
    chart.scene()
}

fn regression(r: &Regression) -> Vec<(String, Scene)> {
    let mut plots = vec![];
    let one = r.targets.len() == 1;
    for (i, (pairs, target)) in r.pairs.iter().zip(&r.targets).take(TARGETS).enumerate() {
        let suffix = if i == 0 { String::new() } else { format!("_{}", i + 1) };
        let of = if one { String::new() } else { format!(": {}", target.name) };
        let all = || pairs.iter().flatten().copied();
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let room = ((high - low) * 0.03).max(1e-9);
        let range = Some([low - room, high + room]);
        let axis = |label: &str| Axis { label: label.into(), range, ..Axis::default() };
        let dots =
            |points: Vec<[f64; 2]>| Series { name: String::new(), ink: Ink::Series(0), kind: Kind::Dots, points };
        let chart = Chart {
            title: format!("Predicted and true{of}"),
            x: axis("true"),
            y: axis("predicted"),
            series: vec![dots(pairs.clone()), diagonal([low, low], [high, high], "")],
            square: true,
            ..Chart::default()
        };
        plots.push((format!("predicted{suffix}"), chart.scene()));
        let residuals: Vec<[f64; 2]> = pairs.iter().map(|[t, p]| [*p, p - t]).collect();
        let (from, to) =
            residuals.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p[0]), h.max(p[0])));
        let chart = Chart {
            title: format!("Residuals{of}"),
            x: Axis { label: "predicted".into(), ..Axis::default() },
            y: Axis { label: "predicted less true".into(), ..Axis::default() },
            series: vec![dots(residuals), diagonal([from, 0.0], [to, 0.0], "")],
            square: true,
            ..Chart::default()
        };
        plots.push((format!("residuals{suffix}"), chart.scene()));
    }
    plots
}

fn unit_chart(title: &str, x: &str, y: &str) -> Chart {
    let axis = |label: &str| Axis { label: label.into(), range: Some([0.0, 1.0]), ..Axis::default() };
    Chart { title: title.into(), x: axis(x), y: axis(y), square: true, ..Chart::default() }
}

fn diagonal(from: [f64; 2], to: [f64; 2], name: &str) -> Series {
    Series { name: name.into(), ink: Ink::Muted, kind: Kind::Dashed, points: vec![from, to] }
}

/// A file name of a score's name, which may be anything.
fn stem(name: &str) -> String {
    let stem = plain_name(name, "score");
    if matches!(name, "loss" | "accuracy") { stem } else { format!("metric_{stem}") }
}
