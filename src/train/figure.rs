//! The figures that may decide something, by name: which there are, and which way is better.
//! `val_` stands before those of the validation set; without it they are the training's.

use crate::error::{Error, Result, unknown};
use crate::eval::metrics::known;

/// What the training step counts itself.
pub(super) const OF_TRAINING: [&str; 3] = ["loss", "accuracy", "perplexity"];

/// Checks that there is such a figure at all, of whatever task.
pub(super) fn check_name(monitor: &str) -> Result<()> {
    let held = |name: &str| monitor.strip_prefix("val_") == Some(name);
    if OF_TRAINING.contains(&monitor) || known::all().iter().any(|k| held(k.key)) {
        return Ok(());
    }
    if let Some(known) = known::of(monitor).filter(|k| k.key == monitor) {
        let key = known.key;
        return Err(Error::model(format!(
            "monitor = \"{key}\": it is not measured on the training set; expected \"val_{key}\", that of the validation set"
        )));
    }
    let all: Vec<String> = known::all().iter().map(|k| format!("val_{}", k.key)).collect();
    Err(unknown("monitor", monitor, all.iter().map(String::as_str).chain(OF_TRAINING)))
}

/// Whether more of a figure is better; `None` where nearer to zero is.
pub(super) fn more_is_better(monitor: &str) -> Option<bool> {
    known::of(monitor).and_then(|k| k.more_is_better)
}
