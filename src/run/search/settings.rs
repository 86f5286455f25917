//! `[search]` of a configuration: how settings are searched for.

use super::space::{MOST, Space};
use crate::error::{Error, Result, unknown};
use crate::keys::Keys;
use toml::{Table, Value};

/// How trials are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Every combination.
    Grid,
    /// So many draws.
    Random {
        /// How many.
        trials: usize,
    },
    /// Successive halving (Jamieson and Talwalkar, arXiv:1502.07943): many draws
    /// train for a few epochs, the best of them for twice as many, and so on.
    Halving {
        /// How many draws.
        trials: usize,
        /// Epochs of the first rung.
        min_epochs: usize,
        /// One in so many goes on to the next rung.
        factor: usize,
    },
}

/// `[search]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSettings {
    /// How trials are chosen.
    pub method: Method,
    /// What they are compared by: a figure of the validation set; `None` finds one
    /// that means the same in all trials.
    pub metric: Option<String>,
    /// Whether more of it is better; `None` finds out.
    pub more_is_better: Option<bool>,
    /// Seeds the draws.
    pub seed: u32,
    /// What is varied.
    pub space: Space,
}

const METHODS: [&str; 3] = ["grid", "random", "halving"];
const MODES: &[(&str, Option<bool>)] = &[("auto", None), ("min", Some(false)), ("max", Some(true))];

impl Default for SearchSettings {
    fn default() -> SearchSettings {
        SearchSettings {
            method: Method::Random { trials: 20 },
            metric: None,
            more_is_better: None,
            seed: 0,
            space: Space::default(),
        }
    }
}

impl SearchSettings {
    /// Takes `[search]` out of a configuration that is called `config`.
    pub fn take(table: &mut Table, config: &str) -> Result<SearchSettings> {
        let found = match table.remove("search") {
            Some(Value::Table(t)) => t,
            Some(other) => return Err(Error::model(format!("search = {other}; expected a table [search]"))),
            None => {
                return Err(Error::model(format!(
                    "{} has no table [search]; expected [search.space] with keys such as \"optimizer.lr\" = {{ log = [1e-4, \
                 1e-1] }}",
                    config
                )));
            }
        };
        let mut keys = Keys::new(found, "[search]");
        let search = SearchSettings::read(&mut keys)?;
        keys.finish()?;
        if search.space.0.is_empty() {
            return Err(Error::model(
                "[search.space] is empty; expected keys such as \"optimizer.lr\" = { log = [1e-4, 1e-1] }",
            ));
        }
        Ok(search)
    }

    /// Reads the keys of `[search]`.
    pub fn read(keys: &mut Keys) -> Result<SearchSettings> {
        let method = keys.text("method")?.unwrap_or_else(|| "random".into());
        let refuse = |keys: &Keys, names: &[&str], of: &str| match names.iter().find(|n| keys.has(n)) {
            Some(name) => Err(Error::model(format!("[search]: {name} is for {of}; method is \"{method}\""))),
            None => Ok(()),
        };
        if method != "halving" {
            refuse(keys, &["min_epochs", "factor"], "method = \"halving\"")?;
        }
        let method = match method.as_str() {
            "grid" => {
                refuse(keys, &["trials"], "random and halving, and a grid has one trial per combination")?;
                Method::Grid
            }
            "random" => Method::Random { trials: trials(keys)? },
            "halving" => Method::Halving {
                trials: trials(keys)?,
                min_epochs: keys.count("min_epochs", 1, Some(1))?,
                factor: keys.count("factor", 2, Some(3))?,
            },
            other => return Err(unknown("method", other, METHODS)),
        };
        let mode = keys.text("mode")?.unwrap_or_else(|| "auto".into());
        let found = MODES.iter().find(|(n, _)| *n == mode).map(|(_, m)| *m);
        let seed = keys.count("seed", 0, Some(0))?;
        Ok(SearchSettings {
            method,
            metric: keys.text("metric")?.filter(|name| name != "auto"),
            more_is_better: found.ok_or_else(|| unknown("mode", &mode, MODES.iter().map(|(n, _)| *n)))?,
            seed: u32::try_from(seed)
                .map_err(|_| Error::model(format!("[search]: seed = {seed}; expected at most {}", u32::MAX)))?,
            space: Space::read(keys.table("space")?.unwrap_or_default())?,
        })
    }

    /// As TOML: read back, it is the same search.
    pub fn to_table(&self) -> Table {
        let mut table = Table::new();
        let mut put = |key: &str, value: Value| drop(table.insert(key.into(), value));
        let count = |n: usize| Value::Integer(n as i64);
        match self.method {
            Method::Grid => put("method", "grid".into()),
            Method::Random { trials } => {
                put("method", "random".into());
                put("trials", count(trials));
            }
            Method::Halving { trials, min_epochs, factor } => {
                put("method", "halving".into());
                put("trials", count(trials));
                put("min_epochs", count(min_epochs));
                put("factor", count(factor));
            }
        }
        put("metric", self.metric.clone().unwrap_or_else(|| "auto".into()).into());
        let mode = MODES.iter().find(|(_, m)| *m == self.more_is_better).expect("every mode has a name").0;
        put("mode", mode.into());
        put("seed", Value::Integer(self.seed.into()));
        put("space", Value::Table(self.space.to_table()));
        table
    }
}

fn trials(keys: &mut Keys) -> Result<usize> {
    match keys.count("trials", 1, Some(20))? {
        n if n <= MOST => Ok(n),
        n => Err(Error::model(format!("[search]: trials = {n}; expected at most {MOST}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SearchSettings> {
        let mut keys = Keys::new(text.parse().unwrap(), "[search]");
        let settings = SearchSettings::read(&mut keys)?;
        keys.finish().map(|()| settings)
    }

    #[test]
    fn settings_survive_toml() {
        let space = "[space]\n\"optimizer.lr\" = { log = [0.001, 1] }\n";
        for head in [
            "",
            "method = \"grid\"\nmetric = \"f1\"\nmode = \"max\"\nseed = 7\n",
            "method = \"halving\"\ntrials = 9\nmin_epochs = 2\nfactor = 4\nmode = \"min\"\n",
        ] {
            let settings = read(&format!("{head}{space}")).unwrap();
            assert_eq!(read(&settings.to_table().to_string()).unwrap(), settings);
        }
        assert_eq!(read("").unwrap(), SearchSettings::default());
    }

    #[test]
    fn mistakes_are_named() {
        let fails = |text: &str, part: &str| {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        fails("method = \"gird\"", "did you mean \"grid\"?");
        fails("method = \"grid\"\ntrials = 3", "trials is for random and halving");
        fails("factor = 3", "factor is for method = \"halving\"");
        fails("method = \"halving\"\nfactor = 1", "at least 2");
        fails("trials = 0", "at least 1");
        fails("trials = 10001", "at most 10000");
        fails("mode = \"up\"", "unknown mode");
        fails("metrik = \"f1\"", "did you mean \"metric\"?");
    }
}
