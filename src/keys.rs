//! Reads the keys of a TOML table one by one and, at the end, refuses those
//! that nobody asked for, with the nearest valid name.

use crate::error::{Error, Result, unknown};
use toml::{Table, Value};

/// The longest report of a mistake in TOML that is shown whole: it quotes the
/// line, which may be of any length.
const REPORT: usize = 600;

/// Reads TOML text. The message says where it is wrong; it does not name the
/// file.
pub fn parse(text: &str) -> Result<Table> {
    text.parse::<Table>().map_err(|e| {
        let whole = e.to_string();
        if whole.len() <= REPORT {
            return Error::model(format!("not valid TOML: {}", whole.trim_end()));
        }
        let at = e.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count();
        Error::model(format!("not valid TOML: line {line}: {}", e.message()))
    })
}

/// A TOML table being read.
pub struct Keys {
    table: Table,
    /// Where the table stands, for messages: `layer 2 (Conv2D)`.
    place: String,
    asked: Vec<&'static str>,
}

impl Keys {
    /// Starts to read a table.
    pub fn new(table: Table, place: impl Into<String>) -> Keys {
        Keys { table, place: place.into(), asked: vec![] }
    }

    /// Where the table stands.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether the table holds a key.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The raw value of a key, if present, without taking it.
    pub fn peek(&self, key: &str) -> Option<&Value> {
        self.table.get(key)
    }

    /// The raw value of a key, if present.
    pub fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.table.remove(key)
    }

    fn wrong(&self, key: &str, found: &Value, expected: &str) -> Error {
        Error::model(format!("{}: {key} = {found}; expected {expected}", self.place))
    }

    /// A value that must be present.
    fn required(&self, key: &str, expected: &str) -> Error {
        Error::model(format!("{}: the key \"{key}\" is missing; expected {expected}", self.place))
    }

    /// A whole number of at least `least`, or the default.
    pub fn count(&mut self, key: &'static str, least: usize, default: Option<usize>) -> Result<usize> {
        let expected = format!("a whole number of at least {least}");
        match self.take(key) {
            None => default.ok_or_else(|| self.required(key, &expected)),
            Some(Value::Integer(i)) if usize::try_from(i).is_ok_and(|n| n >= least) => Ok(i as usize),
            Some(v) => Err(self.wrong(key, &v, &expected)),
        }
    }

    /// A whole number of either sign that `fits`, or the default; `expected` says which do.
    pub fn integer(
        &mut self,
        key: &'static str,
        fits: impl Fn(i64) -> bool,
        expected: &str,
        default: Option<i64>,
    ) -> Result<i64> {
        match self.take(key) {
            None => default.ok_or_else(|| self.required(key, expected)),
            Some(Value::Integer(i)) if fits(i) => Ok(i),
            Some(v) => Err(self.wrong(key, &v, expected)),
        }
    }

    /// A number or a pair of them, or the default.
    pub fn pair(&mut self, key: &'static str, least: usize, default: Option<[usize; 2]>) -> Result<[usize; 2]> {
        let expected = format!("a whole number of at least {least}, or two of them");
        match self.take(key) {
            None => default.ok_or_else(|| self.required(key, &expected)),
            Some(v) => as_pair(&v, least).ok_or_else(|| self.wrong(key, &v, &expected)),
        }
    }

    /// A list of whole numbers.
    pub fn list(&mut self, key: &'static str) -> Result<Option<Vec<usize>>> {
        let Some(v) = self.take(key) else { return Ok(None) };
        let whole = |v: &Value| v.as_integer().and_then(|i| usize::try_from(i).ok()).filter(|&n| n > 0);
        let list = v.as_array().and_then(|a| a.iter().map(whole).collect::<Option<Vec<usize>>>());
        list.map(Some).ok_or_else(|| self.wrong(key, &v, "a list of positive whole numbers"))
    }

    /// A list of sizes, one of which may be -1.
    pub fn sizes(&mut self, key: &'static str) -> Result<Option<Vec<i64>>> {
        let Some(v) = self.take(key) else { return Ok(None) };
        let list = v.as_array().and_then(|a| a.iter().map(Value::as_integer).collect::<Option<Vec<i64>>>());
        let fits = |l: &Vec<i64>| l.iter().all(|&n| n > 0 || n == -1) && l.iter().filter(|&&n| n == -1).count() <= 1;
        let expected = "a list of positive whole numbers, one of which may be -1";
        list.filter(fits).map(Some).ok_or_else(|| self.wrong(key, &v, expected))
    }

    /// A list of strings.
    pub fn strings(&mut self, key: &'static str) -> Result<Option<Vec<String>>> {
        let Some(v) = self.take(key) else { return Ok(None) };
        let text = |v: &Value| v.as_str().map(String::from);
        let list = v.as_array().and_then(|a| a.iter().map(text).collect::<Option<Vec<String>>>());
        list.map(Some).ok_or_else(|| self.wrong(key, &v, "a list of strings"))
    }

    /// A number in `low..=high`, or the default.
    pub fn real(&mut self, key: &'static str, low: f64, high: f64, default: Option<f64>) -> Result<f64> {
        let expected = format!("a number from {low} to {high}");
        match self.take(key) {
            None => default.ok_or_else(|| self.required(key, &expected)),
            Some(v) => {
                let number = v.as_float().or(v.as_integer().map(|i| i as f64));
                number.filter(|n| (low..=high).contains(n)).ok_or_else(|| self.wrong(key, &v, &expected))
            }
        }
    }

    /// True or false, or the default.
    pub fn flag(&mut self, key: &'static str, default: bool) -> Result<bool> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Boolean(b)) => Ok(b),
            Some(v) => Err(self.wrong(key, &v, "true or false")),
        }
    }

    /// A string, if present.
    pub fn text(&mut self, key: &'static str) -> Result<Option<String>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(s)) => Ok(Some(s)),
            Some(v) => Err(self.wrong(key, &v, "a string")),
        }
    }

    /// A table, if present.
    pub fn table(&mut self, key: &'static str) -> Result<Option<Table>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Table(t)) => Ok(Some(t)),
            Some(v) => Err(self.wrong(key, &v, "a table")),
        }
    }

    /// Refuses keys that nobody asked for.
    pub fn finish(self) -> Result<()> {
        match self.table.keys().next() {
            None => Ok(()),
            Some(key) => Err(unknown("key", key, self.asked.iter().copied()).context(&self.place)),
        }
    }
}

/// A whole number as an equal pair, or a list of two.
pub fn as_pair(v: &Value, least: usize) -> Option<[usize; 2]> {
    let whole = |v: &Value| v.as_integer().and_then(|i| usize::try_from(i).ok()).filter(|&n| n >= least);
    match v {
        Value::Array(a) if a.len() == 2 => Some([whole(&a[0])?, whole(&a[1])?]),
        v => whole(v).map(|n| [n, n]),
    }
}
