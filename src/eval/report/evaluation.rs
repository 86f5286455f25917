//! Tables of an evaluation, and the worst mistakes.

use super::language;
use crate::eval::forecast::{Forecaster, OfGroup};
use crate::eval::html::{Cell, bar, escape, interval, list, table, value};
use crate::eval::metrics::{Classification, Figure, Metrics, Regression, TargetScores};
use crate::eval::plot::{number, percent};
use crate::eval::run::{Evaluation, Mistake, Place};
use crate::terminal::shortened;

/// Mistakes, pairs of confused classes and bytes of a picture that are shown.
const MISTAKES: usize = 60;
const CONFUSED: usize = 10;
const PICTURE: usize = 200_000;
/// Characters of a cell of a table, and of a text.
const CELL: usize = 80;
const TEXT: usize = 401;

/// All metrics with their intervals.
pub(super) fn metrics(e: &Evaluation) -> String {
    let samples = match &e.metrics {
        Metrics::Classification(c) => c.samples,
        Metrics::Regression(r) => r.samples,
        Metrics::Language(l) => l.samples,
    };
    let row = |f: &Figure| {
        let range = f.interval.map_or(String::new(), |i| escape(&interval(i, f.share)));
        let (name, value) = (escape(&f.name), escape(&value(f.value, f.share)));
        format!("<div><span>{name}</span><b>{value}</b><small>{range}</small></div>\n")
    };
    let rows: String = e.figures().iter().map(row).collect();
    format!(
        "<p class=\"note\">{} samples. Small: 95 % intervals of a bootstrap over them, how far another test \
         set of this size could move the figure.</p>\n<div class=\"metrics\">\n{rows}</div>\n{}",
        escape(&number(samples as f64)),
        list("note", e.metrics.notes())
    )
}

/// Groups of a panel that are listed.
const GROUPS: usize = 30;

/// The model beside forecasts that need none.
pub(super) fn forecast(e: &Evaluation) -> String {
    let Some(f) = &e.forecast else { return String::new() };
    let best = f.forecasts.iter().map(|w| w.mae).fold(f64::INFINITY, f64::min);
    let row = |w: &Forecaster| {
        let optional = |v: Option<f64>| Cell::Number(v.map_or("–".into(), number));
        let name = match w.mae <= best {
            true => Cell::Html(format!("<b class=\"best\">{}</b>", escape(&w.name))),
            false => Cell::Text(w.name.clone()),
        };
        vec![name, Cell::Number(number(w.mae)), Cell::Number(number(w.rmse)), optional(w.mase)]
    };
    let rows: Vec<Vec<Cell>> = f.forecasts.iter().map(row).collect();
    let of_group = |g: &OfGroup| {
        let figures = [g.windows.to_string(), number(g.mae), number(g.persistence)].map(Cell::Number);
        [Cell::Text(g.name.clone())].into_iter().chain(figures).collect()
    };
    let groups: Vec<Vec<Cell>> = f.groups.iter().take(GROUPS).map(of_group).collect();
    let groups = match (f.groups.len(), f.groups.len().saturating_sub(GROUPS)) {
        (0, _) => String::new(),
        (_, 0) => table(&["group", "windows", "mean absolute error", "persistence"], &groups),
        (_, n) => {
            table(&["group", "windows", "mean absolute error", "persistence"], &groups)
                + &format!("<p class=\"note\">and {n} more groups, in evaluation.json</p>\n")
        }
    };
    let season = f.season.map_or("no season".into(), |m| format!("a season of {m}"));
    format!(
        "<h3>Beside forecasts without a model</h3>\n<p class=\"note\">{} row{} ahead from {} rows of the past, {}, on the \
         same windows. MASE: the error in units of a naive forecast within the training rows.</p>\n{}{groups}{}",
        f.horizon,
        if f.horizon == 1 { "" } else { "s" },
        f.window,
        escape(&season),
        table(&["forecast", "mean absolute error", "root mean squared", "MASE"], &rows),
        list("note", &f.notes)
    )
}

/// What stands below the plots.
pub(super) fn tables(e: &Evaluation) -> String {
    match &e.metrics {
        Metrics::Classification(c) => thresholds(c) + &confused(c) + &classes(c),
        Metrics::Regression(r) => targets(r),
        Metrics::Language(l) => language::tables(l),
    }
}

fn classes(c: &Classification) -> String {
    let optional = |v: Option<f64>| Cell::Number(v.map_or("–".into(), number));
    let rows: Vec<Vec<Cell>> = c
        .classes
        .iter()
        .map(|s| {
            let support = Cell::Number(number(s.support as f64));
            let [precision, recall, f1] = [s.precision, s.recall, s.f1].map(bar);
            vec![Cell::Text(s.name.clone()), precision, recall, f1, optional(s.roc_auc), optional(s.pr_auc), support]
        })
        .collect();
    let heads = ["class", "precision", "recall", "F1", "ROC AUC", "average precision", "samples"];
    let means = [("macro", c.macro_average), ("micro", c.micro), ("weighted", c.weighted)];
    let means: Vec<Vec<Cell>> = means
        .iter()
        .map(|(name, a)| {
            let [precision, recall, f1] = [a.precision, a.recall, a.f1].map(bar);
            vec![Cell::Text(name.to_string()), precision, recall, f1]
        })
        .collect();
    format!(
        "<h3>Classes</h3>\n{}<h3>Averages over classes</h3>\n{}",
        table(&heads, &rows),
        table(&["average", "precision", "recall", "F1"], &means)
    )
}

/// The pairs of classes that are most often confused.
fn confused(c: &Classification) -> String {
    let mut pairs: Vec<(u64, usize, usize)> = vec![];
    for (row, counts) in c.confusion.iter().enumerate() {
        pairs
            .extend(counts.iter().enumerate().filter(|(col, n)| *col != row && **n > 0).map(|(col, n)| (*n, row, col)));
    }
    pairs.sort_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let name = |i: usize| c.classes.get(i).map_or(String::new(), |c| c.name.clone());
    let rows: Vec<Vec<Cell>> = pairs
        .iter()
        .take(CONFUSED)
        .map(|&(n, row, col)| {
            let share = n as f64 / c.classes.get(row).map_or(1, |c| c.support.max(1)) as f64;
            vec![
                Cell::Text(name(row)),
                Cell::Text(name(col)),
                Cell::Number(number(n as f64)),
                Cell::Number(percent(share)),
            ]
        })
        .collect();
    match rows.is_empty() || c.classes.len() < 3 {
        true => String::new(),
        false => {
            "<h3>Most often confused</h3>\n".to_string()
                + &table(&["class", "predicted as", "samples", "of the class"], &rows)
        }
    }
}

fn thresholds(c: &Classification) -> String {
    let Some(t) = &c.thresholds else { return String::new() };
    let name = |best: &str| match best {
        "f1" => "F1".to_string(),
        "youden" => "Youden's J".to_string(),
        other => other.to_string(),
    };
    let rows: Vec<Vec<Cell>> = t
        .choices
        .iter()
        .map(|c| {
            let p = &c.point;
            let mut row = vec![Cell::Text(name(&c.best)), Cell::Number(number(p.threshold))];
            row.extend([p.precision, p.recall, p.f1, p.accuracy].map(|v| Cell::Number(percent(v))));
            row.push(Cell::Number(number(p.youden)));
            row
        })
        .collect();
    let positive = c.positive().map_or("positive", |p| &p.name);
    format!(
        "<h3>Choosing a threshold</h3>\n<p class=\"note\">Samples whose probability of {} is at or above a threshold are called \
         so; precision, recall and F1 are of that class. A threshold chosen on these samples looks a little better on \
         them than it will on others.</p>\n",
        escape(positive)
    ) + &table(&["best", "threshold", "precision", "recall", "F1", "accuracy", "Youden's J"], &rows)
}

fn targets(r: &Regression) -> String {
    let row = |t: &TargetScores| {
        let mut row = vec![Cell::Text(t.name.clone()), Cell::Number(t.r2.map_or("–".into(), number))];
        row.extend([t.mae, t.rmse, t.median_ae, t.max_error, t.bias].map(|v| Cell::Number(number(v))));
        row
    };
    let rows: Vec<Vec<Cell>> = r.targets.iter().map(row).collect();
    let heads =
        ["target", "R²", "mean absolute error", "root mean squared", "median absolute", "largest error", "bias"];
    "<h3>Targets</h3>\n".to_string() + &table(&heads, &rows)
}

/// The worst mistakes as pictures or words.
pub(super) fn mistakes(e: &Evaluation) -> String {
    let shown = &e.mistakes[..e.mistakes.len().min(MISTAKES)];
    let mistakes: String = shown.iter().map(mistake).collect();
    if mistakes.is_empty() {
        return mistakes;
    }
    // Words need more room than pictures.
    let in_words = |m: &Mistake| m.text.is_some() || !m.cells.is_empty();
    let class = if shown.iter().any(in_words) { "mistakes words" } else { "mistakes" };
    let note = match &e.metrics {
        Metrics::Classification(_) => "Most confident errors first.",
        Metrics::Regression(_) | Metrics::Language(_) => "Largest error first.",
    };
    let counted = match shown[0].place {
        Some(Place::Row { .. }) => {
            " Rows are counted from 1 without the header; lines are those of the file, with the header and with the line \
             breaks of quoted cells."
        }
        Some(Place::Index { .. }) => " Indices are counted from 0.",
        Some(Place::File { .. }) | None => "",
    };
    format!("<p class=\"note\">{note}{counted}</p>\n<div class=\"{class}\">\n{mistakes}</div>\n")
}

fn mistake(m: &Mistake) -> String {
    let picture = m.picture.as_deref().filter(|p| is_picture(p));
    let picture = picture.map_or(String::new(), |p| format!("<img src=\"{p}\" alt=\"\" loading=\"lazy\">"));
    let text = m.text.as_deref().map_or(String::new(), |t| format!("<p>{}</p>", escape(&shortened(t, TEXT))));
    let cell = |(name, cell): &(String, Option<String>)| {
        let cell = cell.as_deref().map_or("–".into(), |c| escape(&shortened(c, CELL)));
        format!("<span><i>{}</i> {cell}</span> ", escape(&shortened(name, CELL)))
    };
    let cells: String = m.cells.iter().map(cell).collect();
    let cells = if cells.is_empty() { cells } else { format!("<p class=\"cells\">{cells}</p>") };
    let place = m.place.as_ref().map_or_else(|| format!("sample {} of the split", m.sample), ToString::to_string);
    let probability = m.probability.map_or(String::new(), |p| format!(" <small>{}</small>", escape(&percent(p))));
    format!(
        "<div class=\"mistake\">{picture}{text}{cells}<div><b>{}</b>{probability}</div><div class=\"truth\">is {}</div>\
         <div class=\"row\">{}</div></div>\n",
        escape(&m.predicted),
        escape(&m.label),
        escape(&place)
    )
}

/// Whether this is a picture inside an address and nothing else: it goes into
/// an attribute as it is.
fn is_picture(address: &str) -> bool {
    let data = ["data:image/png;base64,", "data:image/jpeg;base64,"].iter().find_map(|p| address.strip_prefix(p));
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    data.is_some_and(|d| d.len() <= PICTURE && d.chars().all(base64))
}
