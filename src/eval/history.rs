//! What happened: `metrics.jsonl`, a line per epoch, one per point of the
//! curves by step, and one per device that failed; the epochs flattened in `metrics.csv` too.

use super::fingerprint::Fingerprint;
use super::lost::LostDevice;
use super::point::Point;
use crate::error::{Error, Result};
use crate::files;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Scores by name: `loss` always, `accuracy` where there are classes, and
/// whatever else a task has. Values that are no numbers are left out when read.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct EpochScores(BTreeMap<String, f64>);

impl EpochScores {
    /// A loss and nothing else.
    pub fn new(loss: f64) -> EpochScores {
        EpochScores::default().with("loss", loss)
    }

    /// With one more score.
    pub fn with(mut self, name: &str, value: f64) -> EpochScores {
        self.0.insert(name.to_string(), value);
        self
    }

    /// A score by name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// The loss.
    pub fn loss(&self) -> Option<f64> {
        self.get("loss")
    }

    /// The names, `loss` first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let first = self.0.get_key_value("loss").into_iter();
        first.chain(self.0.iter().filter(|(k, _)| *k != "loss")).map(|(k, _)| k.as_str())
    }
}

impl<'de> Deserialize<'de> for EpochScores {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<EpochScores, D::Error> {
        let all = BTreeMap::<String, serde_json::Value>::deserialize(d)?;
        Ok(EpochScores(all.into_iter().filter_map(|(k, v)| v.as_f64().map(|v| (k, v))).collect()))
    }
}

/// One epoch: a line of `metrics.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Optimiser steps since the run began.
    #[serde(default)]
    pub step: u64,
    /// Averages over the training samples.
    #[serde(default)]
    pub train: EpochScores,
    /// Scores on the validation set, if there is one.
    #[serde(default)]
    pub val: Option<EpochScores>,
    /// The class that precision, recall and F1 are of, where they are among the scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive_class: Option<String>,
    /// Learning rate of the epoch's last step.
    #[serde(default)]
    pub lr: Option<f64>,
    /// Norm of the gradient, before clipping.
    #[serde(default)]
    pub grad_norm: Option<f64>,
    /// Time that the epoch's steps took.
    #[serde(default)]
    pub seconds: f64,
}

impl EpochRecord {
    /// The loss that epochs are compared by: on validation data if there is
    /// any.
    pub fn judged(&self) -> Option<f64> {
        self.val.as_ref().map_or(self.train.loss(), EpochScores::loss)
    }

    /// A number of its training by name: a score, `lr` or `grad_norm`.
    fn train_number(&self, name: &str) -> Option<f64> {
        match name {
            "lr" => self.lr,
            "grad_norm" => self.grad_norm,
            score => self.train.get(score),
        }
    }

    /// Adds this epoch to `metrics.jsonl` in the folder and to `metrics.csv`
    /// beside it, which is written anew where its columns or its order change.
    pub fn append(&self, folder: &Path) -> Result<()> {
        append_line(folder, self)?;
        let path = folder.join("metrics.csv");
        let text = csv(std::slice::from_ref(self));
        let (header, row) = text.split_once('\n').expect("a header and a row");
        match follows(&path, header, self.epoch) {
            false => write_csv(folder),
            true => files::append(&path, row.as_bytes()),
        }
    }
}

impl Point {
    /// Adds this point to `metrics.jsonl` in the folder.
    pub fn append(&self, folder: &Path) -> Result<()> {
        append_line(folder, self)
    }
}

impl LostDevice {
    /// Adds this to `metrics.jsonl` in the folder.
    pub fn append(&self, folder: &Path) -> Result<()> {
        append_line(folder, self)
    }
}

impl Fingerprint {
    /// Adds this fingerprint to `metrics.jsonl` in the folder.
    pub fn append(&self, folder: &Path) -> Result<()> {
        append_line(folder, self)
    }
}

/// Adds a record to `metrics.jsonl` in a folder.
fn append_line(folder: &Path, record: &impl Serialize) -> Result<()> {
    let path = folder.join("metrics.jsonl");
    let line = serde_json::to_string(record).expect("plain data prints") + "\n";
    files::append(&path, line.as_bytes())
}

/// Whether a table with this header is there and ends before this epoch.
fn follows(path: &Path, header: &str, epoch: usize) -> bool {
    let ends = || -> std::io::Result<(Vec<u8>, Vec<u8>)> {
        let mut file = files::open(path)?;
        let mut start = vec![0; header.len() + 1];
        file.read_exact(&mut start)?;
        let mut end = vec![];
        file.seek(SeekFrom::Start(file.metadata()?.len().saturating_sub(4096)))?;
        file.take(4096).read_to_end(&mut end)?;
        Ok((start, end))
    };
    let Ok((start, end)) = ends() else { return false };
    let end = String::from_utf8_lossy(&end);
    // A line that was cut off, or is longer than what was read, is no number.
    let mut lines = end.split_inclusive('\n').filter(|l| l.ends_with('\n'));
    let last = lines.next_back().and_then(|l| l.split(',').next()).and_then(|n| n.parse::<usize>().ok());
    start == format!("{header}\n").as_bytes() && end.ends_with('\n') && last.is_some_and(|n| n < epoch)
}

/// What a run's `metrics.jsonl` holds, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Its epochs.
    pub epochs: Vec<EpochRecord>,
    /// The points of its curves; none of a run of an earlier version.
    pub points: Vec<Point>,
    /// The devices that failed on the way.
    pub lost: Vec<LostDevice>,
    /// The fingerprints of its weights, where such were asked for.
    pub fingerprints: Vec<Fingerprint>,
}

/// How a number went in training, over epochs: point by point where the points
/// begin with the run and have it, else epoch by epoch. What is no finite number
/// makes a gap.
pub fn training(epochs: &[EpochRecord], points: &[Point], name: &str) -> Vec<[f64; 2]> {
    let by_step = points.first().is_some_and(|p| p.step <= 1);
    if by_step && points.iter().any(|p| p.get(name).is_some()) {
        return points.iter().map(|p| [p.epoch, p.get(name).unwrap_or(f64::NAN)]).collect();
    }
    epochs.iter().filter_map(|e| e.train_number(name).map(|v| [e.epoch as f64, v])).collect()
}

/// How a score went on validation data.
pub fn validation(epochs: &[EpochRecord], name: &str) -> Vec<[f64; 2]> {
    epochs.iter().filter_map(|e| Some([e.epoch as f64, e.val.as_ref()?.get(name)?])).collect()
}

/// The history in a run's folder. A last line that is being written is left
/// out; of what a resumed run went through again, the later record counts.
pub fn read(folder: &Path) -> Result<History> {
    let path = folder.join("metrics.jsonl");
    match files::read(&path)? {
        Some(text) => parse(&text).map_err(|e| e.context(path.display())),
        None => Ok(History::default()),
    }
}

/// The history in the text of a `metrics.jsonl`.
pub fn parse(text: &str) -> Result<History> {
    let (mut epochs, mut points, mut fingerprints) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut lost = vec![];
    let lines: Vec<&str> = text.lines().collect();
    for (i, line) in lines.iter().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        match Record::of(line) {
            Ok(Record::Epoch(e)) => drop(epochs.insert(e.epoch, e)),
            Ok(Record::Point(p)) => drop(points.insert(p.step, p)),
            Ok(Record::Lost(l)) => lost.push(l),
            Ok(Record::Fingerprint(f)) => drop(fingerprints.insert(f.step, f)),
            Err(_) if i + 1 == lines.len() && !text.ends_with('\n') => {}
            Err(e) => {
                return Err(Error::data(format!("line {} is not the record of an epoch or of a step: {e}", i + 1)));
            }
        }
    }
    Ok(History {
        epochs: epochs.into_values().collect(),
        points: points.into_values().collect(),
        fingerprints: fingerprints.into_values().collect(),
        lost,
    })
}

/// A line of `metrics.jsonl`.
pub enum Record {
    /// What a whole epoch gave, or as much of it as was trained.
    Epoch(EpochRecord),
    /// A point of the curves by step.
    Point(Point),
    /// A device that failed.
    Lost(LostDevice),
    /// A fingerprint of the weights.
    Fingerprint(Fingerprint),
}

impl Record {
    /// Reads a line.
    pub fn of(line: &str) -> serde_json::Result<Record> {
        let value: serde_json::Value = serde_json::from_str(line)?;
        let has = |key: &str| value.get(key).is_some();
        if has("device_lost") {
            return serde_json::from_value(value).map(Record::Lost);
        }
        match (has("fingerprint"), !has("train") && has("loss")) {
            (true, _) => serde_json::from_value(value).map(Record::Fingerprint),
            (_, true) => serde_json::from_value(value).map(Record::Point),
            _ => serde_json::from_value(value).map(Record::Epoch),
        }
    }
}

/// Writes `metrics.csv` from `metrics.jsonl`.
pub fn write_csv(folder: &Path) -> Result<()> {
    files::write(&folder.join("metrics.csv"), csv(&read(folder)?.epochs).as_bytes())
}

/// The names of the scores of some epochs, `loss` first.
pub fn score_names(epochs: &[EpochRecord]) -> Vec<String> {
    let scores = || epochs.iter().flat_map(|e| std::iter::once(&e.train).chain(&e.val));
    let all: BTreeSet<&str> = scores().flat_map(EpochScores::names).collect();
    let loss = all.get("loss").into_iter();
    loss.chain(all.iter().filter(|n| **n != "loss")).map(|n| n.to_string()).collect()
}

/// The names of the scores that there are curves of: those of the points until an
/// epoch has ended.
pub fn curve_names(epochs: &[EpochRecord], points: &[Point]) -> Vec<String> {
    match (epochs.is_empty(), points.first()) {
        (true, Some(first)) => first.scores().map(|(name, _)| name.to_string()).collect(),
        _ => score_names(epochs),
    }
}

/// The epochs as a table: `epoch,step,train_loss,val_loss,..`.
pub fn csv(epochs: &[EpochRecord]) -> String {
    let names = score_names(epochs);
    let mut out = "epoch,step".to_string();
    for name in &names {
        let _ = write!(out, ",{},{}", field(&format!("train_{name}")), field(&format!("val_{name}")));
    }
    out.push_str(",lr,grad_norm,seconds\n");
    for e in epochs {
        let _ = write!(out, "{},{}", e.epoch, e.step);
        let mut number = |v: Option<f64>| match v {
            Some(v) => write!(out, ",{v}"),
            None => write!(out, ","),
        };
        for name in &names {
            let _ = number(e.train.get(name));
            let _ = number(e.val.as_ref().and_then(|v| v.get(name)));
        }
        for v in [e.lr, e.grad_norm, Some(e.seconds)] {
            let _ = number(v);
        }
        out.push('\n');
    }
    out
}

/// A field of a CSV file, in quotes where it must be.
fn field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize) -> EpochRecord {
        let loss = 1.0 / epoch as f64;
        EpochRecord {
            epoch,
            step: 10 * epoch as u64,
            train: EpochScores::new(loss).with("accuracy", 0.5),
            val: (epoch > 1).then(|| EpochScores::new(loss + 0.25).with("f1", 0.75)),
            lr: Some(0.001),
            positive_class: None,
            grad_norm: None,
            seconds: 1.5,
        }
    }

    #[test]
    fn epochs_survive_their_files() {
        let dir = tempfile::tempdir().unwrap();
        (1..=2).for_each(|e| record(e).append(dir.path()).unwrap());
        assert_eq!(read(dir.path()).unwrap().epochs, [record(1), record(2)]);
        let csv = std::fs::read_to_string(dir.path().join("metrics.csv")).unwrap();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(
            lines,
            [
                "epoch,step,train_loss,val_loss,train_accuracy,val_accuracy,train_f1,val_f1,lr,grad_norm,seconds",
                "1,10,1,,0.5,,,,0.001,,1.5",
                "2,20,0.5,0.75,0.5,,,0.75,0.001,,1.5",
            ]
        );
    }

    #[test]
    fn the_table_is_what_the_lines_are() {
        let dir = tempfile::tempdir().unwrap();
        let whole = || csv(&read(dir.path()).unwrap().epochs);
        let table = || std::fs::read_to_string(dir.path().join("metrics.csv")).unwrap();
        // Rows that follow, a resumed run that goes back, and a table somebody cut off.
        for epoch in [1, 2, 3, 4, 3, 4, 5] {
            record(epoch).append(dir.path()).unwrap();
            assert_eq!(table(), whole(), "after epoch {epoch}");
        }
        let cut = table();
        std::fs::write(dir.path().join("metrics.csv"), &cut[..cut.len() - 5]).unwrap();
        record(6).append(dir.path()).unwrap();
        assert_eq!(table(), whole());
        // Cut within the first row, nothing but the header, and nothing.
        for text in [&cut[..90], &cut[..cut.find('\n').unwrap() + 1], ""] {
            std::fs::write(dir.path().join("metrics.csv"), text).unwrap();
            record(7).append(dir.path()).unwrap();
            assert_eq!(table(), whole());
        }
    }

    #[test]
    fn points_lie_between_epochs() {
        let dir = tempfile::tempdir().unwrap();
        let point = |step: u64| Point { step, epoch: step as f64 / 10.0, loss: Some(0.5), ..Point::default() };
        let diverged = Point { loss: Some(f64::NAN), grad_norm: Some(f64::INFINITY), ..point(15) };
        point(5).append(dir.path()).unwrap();
        record(1).append(dir.path()).unwrap();
        diverged.append(dir.path()).unwrap();
        let found = read(dir.path()).unwrap();
        let nothing = Point { loss: None, grad_norm: None, ..diverged };
        assert_eq!((&found.epochs[..], &found.points[..]), (&[record(1)][..], &[point(5), nothing][..]));
        // The table is that of the epochs.
        assert_eq!(std::fs::read_to_string(dir.path().join("metrics.csv")).unwrap().lines().count(), 2);
        // Points that do not begin with the run are no curve of it.
        assert_eq!(training(&found.epochs, &found.points, "loss"), [[1.0, 1.0]]);
        assert_eq!(training(&found.epochs, &[point(1), point(5)], "loss"), [[0.1, 0.5], [0.5, 0.5]]);
        // Lines are told apart; one that was cut off is neither.
        let text = std::fs::read_to_string(dir.path().join("metrics.jsonl")).unwrap();
        let points: Vec<bool> = text.lines().map(|l| matches!(Record::of(l), Ok(Record::Point(_)))).collect();
        assert_eq!(points, [true, false, true], "{text}");
        assert!(Record::of(&text[..20]).is_err());
    }

    #[test]
    fn odd_lines_are_told_apart() {
        // Being written; gone through again; with fields of other programs and no numbers.
        let whole = r#"{"epoch":1,"train":{"loss":2.0,"finite":true},"val":null,"extra":[1]}"#;
        let again = r#"{"epoch":1,"train":{"loss":null,"accuracy":0.5}}"#;
        let found = parse(&format!("{whole}\n\n{again}\n{{\"epoch\":2,\"tr")).unwrap().epochs;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].train.loss(), found[0].train.get("accuracy")), (None, Some(0.5)));
        let message = parse(&format!("{whole}\nnonsense\n{whole}\n")).unwrap_err().to_string();
        assert!(message.starts_with("line 2 is not the record of an epoch"), "{message}");
        assert!(parse("{\"train\":{}}\n").unwrap_err().to_string().contains("missing field `epoch`"));
    }
}
