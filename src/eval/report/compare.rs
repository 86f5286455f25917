//! Several runs beside each other: which settings differ, what came out, and
//! the curves over one another.

use super::layers;
use crate::error::{Error, Result};
use crate::eval::html::{Cell, escape, figure, interval, page, section, table, value};
use crate::eval::metrics::Figure;
use crate::eval::plot::{Ink, Series, curve, epochs_chart, number, stroke};
use crate::eval::run::RunFiles;
use crate::terminal::{self, shortened};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Characters of a setting that a line has room for.
const SETTING: usize = 48;

/// One run of a comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    /// Its folder.
    #[serde(serialize_with = "as_text")]
    pub folder: PathBuf,
    /// Its name.
    pub name: String,
    /// The settings that are not the same in all runs; `None` where a run has
    /// no such setting.
    pub settings: BTreeMap<String, Option<String>>,
    /// Epochs trained.
    pub epochs: usize,
    /// The epoch with the lowest loss.
    pub best_epoch: Option<usize>,
    /// Its training loss.
    pub train_loss: Option<f64>,
    /// Its validation loss.
    pub val_loss: Option<f64>,
    /// The split that was scored.
    pub split: Option<String>,
    /// Its figures.
    pub figures: Vec<Figure>,
    /// Seconds of training.
    pub seconds: f64,
}

/// A path in JSON, which knows text only.
fn as_text<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
}

/// Several runs.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The runs, as asked for.
    pub runs: Vec<Compared>,
    #[serde(skip)]
    files: Vec<RunFiles>,
}

/// Compares runs.
pub fn comparison(folders: &[PathBuf]) -> Result<Comparison> {
    if folders.len() < 2 {
        return Err(Error::usage(format!("{} run to compare; expected at least 2", folders.len())));
    }
    let files = folders.iter().map(|f| RunFiles::load(f)).collect::<Result<Vec<_>>>()?;
    let mut settings: Vec<BTreeMap<String, String>> = files.iter().map(settings).collect();
    let in_short = layers::in_short(&files);
    let of_layers = settings.iter_mut().zip(in_short).filter_map(|(s, text)| Some((s.get_mut(layers::KEY)?, text)));
    of_layers.for_each(|(setting, text)| *setting = text);
    let keys: std::collections::BTreeSet<&String> = settings.iter().flat_map(|s| s.keys()).collect();
    let differ = |key: &&&String| settings.iter().any(|s| s.get(**key) != settings[0].get(**key));
    let keys: Vec<&String> = keys.iter().filter(differ).copied().collect();
    let names = distinct(&files);
    let run = |(i, f): (usize, &RunFiles)| {
        let best = f.best();
        Compared {
            folder: f.folder.clone(),
            name: names[i].clone(),
            settings: keys.iter().map(|k| (k.to_string(), settings[i].get(*k).cloned())).collect(),
            epochs: f.epochs.len(),
            best_epoch: best.map(|e| e.epoch),
            train_loss: best.and_then(|e| e.train.loss()),
            val_loss: best.and_then(|e| e.val.as_ref()?.loss()),
            split: f.evaluation.as_ref().map(|e| e.split.clone()),
            figures: f.evaluation.as_ref().map_or(vec![], |e| e.figures()),
            seconds: f.epochs.iter().map(|e| e.seconds).sum(),
        }
    };
    let runs = files.iter().enumerate().map(run).collect();
    Ok(Comparison { runs, files })
}

/// A page that compares runs.
pub fn compare(folders: &[PathBuf]) -> Result<String> {
    Ok(comparison(folders)?.page())
}

/// Names of folders; where two are equal, their paths.
fn distinct(files: &[RunFiles]) -> Vec<String> {
    let names: Vec<String> = files.iter().map(RunFiles::name).collect();
    let twice = |n: &String| names.iter().filter(|m| *m == n).count() > 1;
    let name = |(f, n): (&RunFiles, &String)| if twice(n) { f.folder.display().to_string() } else { n.clone() };
    files.iter().zip(&names).map(name).collect()
}

/// Settings by dotted key.
fn settings(run: &RunFiles) -> BTreeMap<String, String> {
    fn walk(at: &str, value: &toml::Value, out: &mut BTreeMap<String, String>) {
        let below = |key: &str| if at.is_empty() { key.to_string() } else { format!("{at}.{key}") };
        match value {
            toml::Value::Table(t) => t.iter().for_each(|(k, v)| walk(&below(k), v, out)),
            // Tables that have no names have numbers.
            toml::Value::Array(list) if list.iter().any(toml::Value::is_table) && at != layers::KEY => {
                list.iter().zip(1..).for_each(|(v, n)| walk(&below(&n.to_string()), v, out));
            }
            toml::Value::String(s) => drop(out.insert(at.into(), s.clone())),
            other => drop(out.insert(at.into(), other.to_string())),
        }
    }
    let mut out = BTreeMap::new();
    walk("", &toml::Value::Table(run.config.clone()), &mut out);
    out
}

impl Comparison {
    /// Keys, names and what is better of the figures of any run, in order.
    fn figures(&self) -> Vec<&Figure> {
        let mut all: Vec<&Figure> = vec![];
        for f in self.runs.iter().flat_map(|r| &r.figures) {
            // Runs may have other positive classes.
            if !all.iter().any(|g| g.key == f.key && g.name == f.name) {
                all.push(f);
            }
        }
        all
    }

    /// Runs whose value is the best of a row. Equal ones share it.
    fn best(values: &[Option<f64>], more_is_better: Option<bool>) -> Vec<bool> {
        let known = || values.iter().flatten().copied().filter(|v| v.is_finite());
        let best = match more_is_better {
            Some(true) => known().fold(f64::NEG_INFINITY, f64::max),
            Some(false) => known().fold(f64::INFINITY, f64::min),
            None => return vec![false; values.len()],
        };
        let several = known().count() > 1 && known().any(|v| v != best);
        values.iter().map(|v| several && *v == Some(best)).collect()
    }

    /// The page.
    pub fn page(&self) -> String {
        let names: Vec<&str> = self.runs.iter().map(|r| r.name.as_str()).collect();
        let head = |first: &'static str| [&[first], &names[..]].concat();
        let header =
            format!("<header>\n<p class=\"kicker\">Comparison</p>\n<h1>{} runs</h1>\n</header>\n", self.runs.len());
        let body = header
            + &section("Figures", &self.figures_table(&head("metric")))
            + &section("Settings that differ", &self.settings_table(&head("setting")))
            + &section("Layers that differ", &layers::differences(&self.names(), &self.files))
            + &section("Curves", &self.curves());
        page("Comparison – wgrad", &body)
    }

    fn names(&self) -> Vec<String> {
        self.runs.iter().map(|r| r.name.clone()).collect()
    }

    fn settings_table(&self, heads: &[&str]) -> String {
        let keys = self.runs[0].settings.keys();
        let row = |key: &String| {
            let value = |r: &Compared| Cell::Text(r.settings[key].clone().unwrap_or("–".into()));
            [vec![Cell::Text(key.clone())], self.runs.iter().map(value).collect()].into_iter().flatten().collect()
        };
        let rows: Vec<Vec<Cell>> = keys.map(row).collect();
        match rows.is_empty() {
            true => "<p class=\"note\">None: all runs have the same settings.</p>\n".into(),
            false => table(heads, &rows),
        }
    }

    fn figures_table(&self, heads: &[&str]) -> String {
        let marked = |text: String, best: bool| {
            let text = escape(&text);
            Cell::Html(if best { format!("<b class=\"best\">{text}</b>") } else { text })
        };
        let mut rows = vec![];
        for f in self.figures() {
            let found: Vec<Option<&Figure>> =
                self.runs.iter().map(|r| r.figures.iter().find(|g| g.key == f.key && g.name == f.name)).collect();
            let values: Vec<Option<f64>> = found.iter().map(|f| f.map(|f| f.value)).collect();
            let best = Self::best(&values, f.more_is_better);
            let cell = |(f, best): (&Option<&Figure>, &bool)| match f {
                None => Cell::Html("–".into()),
                Some(f) => {
                    let Cell::Html(text) = marked(value(f.value, f.share), *best) else { unreachable!() };
                    let range = f.interval.map_or(String::new(), |i| escape(&interval(i, f.share)));
                    Cell::Html(format!("{text} <small>{range}</small>"))
                }
            };
            let mut row = vec![Cell::Text(f.name.clone())];
            row.extend(found.iter().zip(&best).map(cell));
            rows.push(row);
        }
        type Of = fn(&Compared) -> Option<f64>;
        let plain: [(&str, Of, Option<bool>); 5] = [
            ("Validation loss, best epoch", |r| r.val_loss, Some(false)),
            ("Training loss, best epoch", |r| r.train_loss, Some(false)),
            ("Best epoch", |r| r.best_epoch.map(|e| e as f64), None),
            ("Epochs", |r| Some(r.epochs as f64), None),
            ("Seconds", |r| Some(r.seconds), Some(false)),
        ];
        for (name, of, better) in plain {
            let values: Vec<Option<f64>> = self.runs.iter().map(of).collect();
            let best = Self::best(&values, better);
            let cell = |(v, best): (&Option<f64>, &bool)| marked(v.map_or("–".into(), number), *best);
            let mut row = vec![Cell::Text(name.into())];
            row.extend(values.iter().zip(&best).map(cell));
            rows.push(row);
        }
        let of = |what: &dyn Fn(&RunFiles) -> Option<String>| -> std::collections::BTreeSet<String> {
            self.files.iter().filter(|f| f.evaluation.is_some()).filter_map(what).collect()
        };
        let scored = [
            ("data", of(&|f| Some(f.info.data.clone()))),
            ("splits", of(&|f| f.evaluation.as_ref().map(|e| e.split.clone()))),
        ];
        let note = match scored.iter().find(|(_, found)| found.len() > 1) {
            None => {
                "Small: 95 % intervals of a bootstrap over the samples. Runs whose intervals overlap far may well be \
                     equally good."
                    .to_string()
            }
            Some((what, found)) => {
                let found: Vec<String> = found.iter().map(|f| format!("\"{f}\"")).collect();
                format!("Careful: these runs were scored on different {what}: {}.", found.join(", "))
            }
        };
        format!("{}<p class=\"note\">{}</p>\n", table(heads, &rows), escape(&note))
    }

    fn curves(&self) -> String {
        type Of = fn(&crate::eval::history::EpochRecord) -> Option<f64>;
        let charts: [(&str, Of); 6] = [
            ("Validation loss", |e| e.val.as_ref()?.loss()),
            ("Training loss", |e| e.train.loss()),
            ("Validation accuracy", |e| e.val.as_ref()?.get("accuracy")),
            ("Training accuracy", |e| e.train.get("accuracy")),
            ("Learning rate", |e| e.lr),
            ("Gradient norm", |e| e.grad_norm),
        ];
        let mut out = String::new();
        for (title, of) in charts {
            let line = |(i, f): (usize, &RunFiles)| {
                let mut series: Series = curve(&self.runs[i].name, i, &f.epochs, of)?;
                (series.ink, series.kind) = (Ink::Series(i), stroke(i, self.files.len()));
                Some(series)
            };
            let series: Vec<Series> = self.files.iter().enumerate().filter_map(line).collect();
            if !series.is_empty() {
                out += &figure(&epochs_chart(title, series).scene().svg());
            }
        }
        if out.is_empty() { out } else { format!("<div class=\"plots\">\n{out}</div>\n") }
    }

    /// The comparison as lines of text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let width = self.runs.iter().map(|r| terminal::width(&r.name)).max().unwrap_or(0);
        for r in &self.runs {
            let name = terminal::left(&r.name, width);
            let best = r.figures.iter().take(3).map(|f| {
                let range = f.interval.map_or(String::new(), |i| format!(" ({})", interval(i, f.share)));
                format!("{} {}{range}", f.name, value(f.value, f.share))
            });
            let loss = r.val_loss.map(|l| format!("validation loss {}", number(l)));
            let settings = r
                .settings
                .iter()
                .take(4)
                .map(|(k, v)| format!("{k}={}", v.as_deref().map_or("–".into(), |v| shortened(v, SETTING))));
            let parts: Vec<String> = best.chain(loss).chain(settings).collect();
            out += &format!("{name}  {}\n", parts.join("  "));
        }
        out
    }
}
