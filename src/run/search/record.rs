//! The log of a search: `search.toml`, what was asked for, and
//! `trials.jsonl`, a line per trial and rung. It is written whole after each
//! trial, so a search that was killed goes on from its last line.

use crate::error::{Error, Result};
use crate::eval::plot::number;
use crate::files::{self, Lock};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use toml::Table;

/// What a trial gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1.
    pub trial: usize,
    /// The rung of a halving, from 1; 1 in other searches.
    pub rung: usize,
    /// The epochs that it has been trained for.
    pub epochs: usize,
    /// What trials are compared by; none if the trial failed.
    pub metric: Option<f64>,
    /// The searched keys with their values.
    pub values: Map<String, Value>,
    /// All figures of the validation set.
    pub validation: Map<String, Value>,
    /// Why training ended before its last epoch, if it did so by itself.
    pub stopped: Option<String>,
    /// Why the trial failed, if it did.
    pub failed: Option<String>,
    /// Its folder, below that of the search.
    pub run: PathBuf,
    /// The fingerprint of its data; none in searches of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// The files of a search.
pub struct Log {
    path: PathBuf,
    asked: Table,
    /// What is known, in the order in which it became known.
    pub records: Vec<Record>,
}

impl Log {
    /// Opens a search's folder. `asked` is all that decides it: one that lies
    /// there already must be the same, but for the number of random draws.
    pub fn open(path: &Path, asked: Table) -> Result<Log> {
        let file = path.join("search.toml");
        let log = |records| Log { path: path.to_path_buf(), asked: asked.clone(), records };
        if !file.exists() {
            let begun = path.join("trials.jsonl").exists() || path.join("config.toml").exists();
            return match begun {
                true => Err(Error::data(format!(
                    "{} holds something else than a search; choose another folder with --out",
                    path.display()
                ))),
                false => Ok(log(vec![])),
            };
        }
        let text = files::read(&file)?.unwrap_or_default();
        let before: Table =
            text.parse().map_err(|e| Error::data(format!("{} is not valid TOML: {e}", file.display())))?;
        if deciding(before) != deciding(asked.clone()) {
            return Err(Error::usage(format!(
                "{} holds a search with other settings (see {}); choose another folder with --out, or remove it",
                path.display(),
                file.display()
            )));
        }
        let path = path.join("trials.jsonl");
        let records =
            files::read(&path)?.map_or(Ok(vec![]), |text| parse(&text).map_err(|e| e.context(path.display())))?;
        Ok(log(records))
    }

    /// Makes the folder of a new search, and takes it.
    ///
    /// Fails when it is there by now: it is another search's.
    pub fn make_folder(&self) -> Result<Lock> {
        let fail = |e| Error::io(format!("making the search's folder {}", self.path.display()), e);
        self.path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(fail)?;
        match std::fs::create_dir(&self.path) {
            Ok(()) => Lock::take(&self.path),
            // Says who holds it, as long as somebody does.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(Lock::take(&self.path).err().unwrap_or_else(|| {
                Error::data(format!(
                    "{} was made by another search meanwhile, which has ended; start this one again to go on with it, or \
                     choose another folder with --out",
                    self.path.display()
                ))
            })),
            Err(e) => Err(fail(e)),
        }
    }

    /// Writes what was asked for.
    pub fn begin(&self) -> Result<()> {
        let text = toml::to_string(&self.asked).expect("a table of plain values prints");
        files::write(&self.path.join("search.toml"), text.as_bytes())
    }

    /// Fails if a trial was trained on other data than it has now.
    pub fn check_data(&self, trial: usize, data: &str) -> Result<()> {
        let of = |r: &&Record| r.trial == trial && r.data.as_ref().is_some_and(|d| d != data);
        match self.records.iter().find(of) {
            None => Ok(()),
            Some(_) => Err(other_data(&self.path, trial)),
        }
    }

    /// What is known of a trial's rung.
    pub fn find(&self, trial: usize, rung: usize) -> Option<&Record> {
        self.records.iter().find(|r| (r.trial, r.rung) == (trial, rung))
    }

    /// The latest of each trial.
    pub fn latest(&self) -> Vec<&Record> {
        let last = |r: &&Record| !self.records.iter().any(|o| o.trial == r.trial && o.rung > r.rung);
        self.records.iter().filter(last).collect()
    }

    /// Adds a record and writes them all.
    pub fn add(&mut self, record: Record) -> Result<()> {
        self.records.push(record);
        let line = |r: &Record| serde_json::to_string(r).expect("plain data prints") + "\n";
        let text: String = self.records.iter().map(line).collect();
        files::write(&self.path.join("trials.jsonl"), text.as_bytes())
    }
}

/// What decides the trials of a search: more random draws do not change the
/// first ones, and of the data its content counts, not its place.
fn deciding(mut asked: Table) -> Table {
    if let Some(toml::Value::Table(data)) = asked.get_mut("data") {
        data.remove("source");
    }
    if asked.get("data").and_then(toml::Value::as_table).is_some_and(Table::is_empty) {
        asked.remove("data");
    }
    if let Some(toml::Value::Table(search)) = asked.get_mut("search")
        && search.get("method").and_then(toml::Value::as_str) == Some("random")
    {
        search.remove("trials");
    }
    asked
}

/// The error for a trial that has other data than it was trained on.
pub fn other_data(search: &Path, trial: usize) -> Error {
    Error::data(format!(
        "trial {trial} of {} was trained on other data than this command names: samples or their targets are others, or \
         in another order; name the data that it was with --data, or choose another folder with --out",
        search.display()
    ))
}

/// A figure as the table has it.
pub fn figure(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{v:.5}"))
}

/// `optimizer.lr 0.01, model mlp`
pub fn values(all: &Map<String, Value>) -> String {
    all.iter().map(|(k, v)| format!("{k} {}", cell(v))).collect::<Vec<_>>().join(", ")
}

/// A value as a person writes it.
pub fn cell(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Number(n) if n.is_f64() => number(n.as_f64().unwrap_or(f64::NAN)),
        other => other.to_string(),
    }
}

fn parse(text: &str) -> Result<Vec<Record>> {
    let one = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| {
            Error::data(format!("line {} is not the record of a trial: {e}; remove it to train it again", i + 1))
        })
    };
    text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(trial: usize, rung: usize) -> Record {
        Record {
            trial,
            rung,
            epochs: rung,
            metric: (trial != 2).then_some(0.1 / trial as f64),
            values: Map::from_iter([("optimizer.lr".to_string(), Value::from(0.1))]),
            validation: Map::new(),
            stopped: None,
            failed: (trial == 2).then(|| "no finite loss".to_string()),
            run: format!("trial-{trial:03}").into(),
            data: None,
        }
    }

    #[test]
    fn a_log_goes_on_where_it_was_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("search");
        let asked = |text: &str| text.parse::<Table>().unwrap();
        let text = "model = \"mlp\"\n[search]\nmethod = \"random\"\ntrials = 3\n";
        let mut log = Log::open(&path, asked(text)).unwrap();
        let _lock = log.make_folder().unwrap();
        log.begin().unwrap();
        for (trial, rung) in [(1, 1), (2, 1), (1, 2)] {
            log.add(record(trial, rung)).unwrap();
        }
        let more = text.replace("trials = 3", "trials = 9");
        let again = Log::open(&path, asked(&more)).unwrap();
        assert_eq!(again.records, log.records);
        assert_eq!(again.latest().iter().map(|r| (r.trial, r.rung)).collect::<Vec<_>>(), [(2, 1), (1, 2)]);
        assert!(again.find(1, 2).is_some() && again.find(2, 2).is_none());
        let other = Log::open(&path, asked(&text.replace("mlp", "lenet"))).err().unwrap().to_string();
        assert!(other.contains("other settings"), "{other}");
        std::fs::write(path.join("trials.jsonl"), "{\"trial\":1}\n").unwrap();
        let broken = Log::open(&path, asked(text)).err().unwrap().to_string();
        assert!(broken.contains("line 1 is not the record of a trial"), "{broken}");
    }
}
