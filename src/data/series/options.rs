//! What a user may say about a series.

use super::difference::Difference;
use crate::error::{Error, Result, unknown};
use crate::keys::Keys;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// Rows that a forecast looks back on unless the user says otherwise.
const WINDOW: usize = 30;

/// How many rows a season has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Season {
    /// Found by autocorrelation on the training rows, if there is one.
    #[default]
    Auto,
    /// There is none.
    None,
    /// So many.
    Rows(usize),
}

/// What becomes of rows that have the time of another one of their series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// They are refused.
    #[default]
    Error,
    /// The first in the file is taken.
    First,
    /// Their mean is taken, column by column, of the numbers that are there.
    Mean,
}

const DUPLICATES: [(&str, Duplicates); 3] =
    [("error", Duplicates::Error), ("first", Duplicates::First), ("mean", Duplicates::Mean)];

/// What a user may say about a series, besides what is said about any table.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesOptions {
    /// Rows of the past that a forecast looks at.
    pub window: usize,
    /// Rows ahead that are forecast.
    pub horizon: usize,
    /// The columns to look at; empty for all that hold numbers.
    pub inputs: Vec<String>,
    /// Whether dates become inputs: sine and cosine of the day of the year, the
    /// day of the week and the hour, as far as they vary.
    pub calendar: bool,
    /// Rows per season.
    pub season: Season,
    /// What a forecast is the change from; what is forecast is seen as its distance from
    /// there.
    pub difference: Difference,
    /// What becomes of rows that have the time of another one.
    pub duplicates: Duplicates,
    /// The share of the series, at its end, that is for the test.
    pub test_split: f64,
}

impl Default for SeriesOptions {
    fn default() -> SeriesOptions {
        SeriesOptions {
            window: WINDOW,
            horizon: 1,
            inputs: vec![],
            calendar: false,
            season: Season::Auto,
            difference: Difference::Auto,
            duplicates: Duplicates::Error,
            test_split: 0.2,
        }
    }
}

/// The keys of a series; any of them makes a table one.
const KEYS: [&str; 8] = ["window", "horizon", "inputs", "calendar", "season", "difference", "duplicates", "test_split"];

impl SeriesOptions {
    /// Whether a table `[data]` says anything of a series.
    pub fn asked(data: &Table) -> bool {
        KEYS.iter().any(|key| data.contains_key(*key))
    }

    /// Reads the keys `window`, `horizon`, `inputs`, `calendar`, `season`,
    /// `difference`, `duplicates` and `test_split`; `None` where none of them is there.
    pub fn read(keys: &mut Keys) -> Result<Option<SeriesOptions>> {
        let asked = KEYS.iter().any(|key| keys.has(key));
        let base = SeriesOptions::default();
        let options = SeriesOptions {
            window: keys.count("window", 1, Some(base.window))?,
            horizon: keys.count("horizon", 1, Some(base.horizon))?,
            inputs: inputs(keys)?,
            calendar: keys.flag("calendar", base.calendar)?,
            season: season(keys)?,
            difference: Difference::read(keys)?,
            duplicates: duplicates(keys)?,
            test_split: keys.real("test_split", 0.0, 0.95, Some(base.test_split))?,
        };
        Ok(asked.then_some(options))
    }

    /// As TOML: read back, it gives the same.
    pub fn to_table(&self) -> Table {
        let season = match self.season {
            Season::Auto => "auto".into(),
            Season::None => "none".into(),
            Season::Rows(n) => Value::Integer(n as i64),
        };
        let duplicates = DUPLICATES.iter().find(|(_, d)| *d == self.duplicates).expect("each has a name").0;
        let all: [(&str, Value); 8] = [
            ("window", (self.window as i64).into()),
            ("horizon", (self.horizon as i64).into()),
            ("inputs", self.inputs.clone().into()),
            ("calendar", self.calendar.into()),
            ("season", season),
            ("difference", self.difference.to_value()),
            ("duplicates", duplicates.into()),
            ("test_split", self.test_split.into()),
        ];
        Table::from_iter(all.map(|(k, v)| (k.to_string(), v)))
    }
}

/// Columns: a list, or one alone; each by name or number.
fn inputs(keys: &mut Keys) -> Result<Vec<String>> {
    let Some(value) = keys.take("inputs") else { return Ok(vec![]) };
    let one = |v: &Value| match v {
        Value::String(s) => Some(s.clone()),
        Value::Integer(i) => Some(i.to_string()),
        _ => None,
    };
    let all = match &value {
        Value::Array(a) => a.iter().map(one).collect::<Option<Vec<String>>>(),
        v => one(v).map(|s| vec![s]),
    };
    all.ok_or_else(|| {
        Error::model(format!(
            "{}: inputs = {value}; expected a column's name or number, or a list of them",
            keys.place()
        ))
    })
}

fn season(keys: &mut Keys) -> Result<Season> {
    match keys.take("season") {
        None => Ok(Season::Auto),
        Some(Value::String(word)) if word == "auto" => Ok(Season::Auto),
        Some(Value::String(word)) if word == "none" => Ok(Season::None),
        Some(Value::Integer(n)) if n >= 2 => Ok(Season::Rows(n as usize)),
        Some(v) => Err(Error::model(format!(
            "{}: season = {v}; expected a number of rows of at least 2, \"auto\" or \"none\"",
            keys.place()
        ))),
    }
}

fn duplicates(keys: &mut Keys) -> Result<Duplicates> {
    let Some(word) = keys.text("duplicates")? else { return Ok(Duplicates::Error) };
    let found = DUPLICATES.iter().find(|(name, _)| *name == word).map(|&(_, d)| d);
    found.ok_or_else(|| unknown("duplicates", &word, DUPLICATES.map(|(name, _)| name)).context(keys.place()))
}
