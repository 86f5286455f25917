//! The top of a report: what the run was, how it ended, and its key figures.

use crate::eval::html::{escape, interval, value};
use crate::eval::metrics::{Figure, title_of};
use crate::eval::plot::{duration, number};
use crate::eval::run::{KEY_FIGURES, RunFiles, Task};

/// The header of a run's report.
pub(super) fn header(run: &RunFiles) -> String {
    let info = &run.info;
    let what = match info.task {
        Task::Classification => "Classification",
        Task::Regression => "Regression",
        Task::Language => "Language model",
    };
    let on = if info.data.is_empty() { String::new() } else { format!(" of {}", info.data) };
    let mut chips = vec![];
    let stopped = info.stopped.as_deref().unwrap_or("still running, or cut off");
    chips.push(stopped.to_string());
    if let Some(last) = run.epochs.last() {
        let best = info.best_epoch.or(run.best().map(|e| e.epoch));
        let best = best.map_or(String::new(), |b| format!(", best {b}"));
        chips.push(format!("{} epochs{best}", last.epoch));
    }
    if let Some(seconds) =
        info.seconds.or_else(|| run.epochs.last().map(|_| run.epochs.iter().map(|e| e.seconds).sum()))
    {
        chips.push(duration(seconds));
    }
    if info.parameters > 0 {
        chips.push(format!("{} parameters", number(info.parameters as f64)));
    }
    if !info.device.name.is_empty() {
        chips.push(info.device.name.clone());
    }
    match run.lost.len() {
        0 => {}
        1 => chips.push("device lost once".into()),
        n => chips.push(format!("device lost {n} times")),
    }
    let chips: String = chips.iter().map(|c| format!("<li>{}</li>", escape(c))).collect();
    let model = if info.model.is_empty() { String::new() } else { format!(" · {}", info.model) };
    format!(
        "<header>\n<p class=\"kicker\">{}</p>\n<h1>{}</h1>\n<ul class=\"chips\">{chips}</ul>\n</header>\n{}",
        escape(&format!("{what}{on}{model}")),
        escape(&run.name()),
        tiles(&key_figures(run))
    )
}

/// The figures of the evaluation, or without one those of the best epoch.
fn key_figures(run: &RunFiles) -> Vec<Figure> {
    if let Some(e) = &run.evaluation {
        let mut figures = e.figures();
        figures.truncate(KEY_FIGURES);
        return figures;
    }
    let Some(best) = run.best() else { return vec![] };
    let (scores, of) = match &best.val {
        Some(val) => (val, "validation"),
        None => (&best.train, "training"),
    };
    let figure = |key: &str| Figure {
        key: key.to_string(),
        name: format!("{} on {of} data, epoch {}", title_of(key, run.info.positive_class.as_deref()), best.epoch),
        value: scores.get(key).unwrap_or(f64::NAN),
        interval: None,
        more_is_better: None,
        share: key == "accuracy",
    };
    scores.names().take(KEY_FIGURES).map(figure).collect()
}

fn tiles(figures: &[Figure]) -> String {
    let tile = |f: &Figure| {
        let range = f.interval.map_or(String::new(), |i| {
            let text = escape(&interval(i, f.share));
            format!("<span class=\"range\" title=\"95 % interval\">{text}</span>")
        });
        format!(
            "<div class=\"tile\"><span class=\"name\">{}</span><span class=\"big\">{}</span>{range}</div>\n",
            escape(&f.name),
            escape(&value(f.value, f.share))
        )
    };
    match figures.is_empty() {
        true => String::new(),
        false => format!("<div class=\"tiles\">\n{}</div>\n", figures.iter().map(tile).collect::<String>()),
    }
}
