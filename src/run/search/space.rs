//! What a search varies: keys, each with a range or a list of values.

use crate::error::{Error, Result, unknown};
use crate::tensor::random::{pcg4d, stream};
use toml::{Table, Value};

/// The most trials of a search, and the most values of a range in steps.
pub const MOST: usize = 10_000;

/// The values that a key may take.
#[derive(Debug, Clone, PartialEq)]
pub enum Range {
    /// Numbers whose logarithms are evenly spread.
    Log([f64; 2]),
    /// Numbers evenly spread.
    Uniform([f64; 2]),
    /// Whole numbers, both ends included.
    Int([i64; 2]),
    /// One of a list.
    Choice(Vec<Value>),
}

/// A key with the values that it may take.
#[derive(Debug, Clone, PartialEq)]
pub struct Dimension {
    /// The key of the configuration: `optimizer.lr`.
    pub key: String,
    /// Its values.
    pub range: Range,
    /// Only so many values of the range, evenly spaced, its ends among them.
    pub steps: Option<usize>,
}

/// The keys that a search varies, in the order of the configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Space(pub Vec<Dimension>);

const KINDS: [&str; 5] = ["log", "uniform", "int", "choice", "steps"];

impl Space {
    /// Reads `[search.space]`: `"optimizer.lr" = { log = [1e-4, 1e-1] }`.
    pub fn read(table: Table) -> Result<Space> {
        let mut all = vec![];
        for (key, value) in table {
            match value {
                // `optimizer.lr = ..` without quotes is a table in a table.
                Value::Table(inner) if !key.contains('.') && !inner.keys().any(|k| KINDS.contains(&k.as_str())) => {
                    for (name, value) in inner {
                        all.push(Dimension::read(&format!("{key}.{name}"), value)?);
                    }
                }
                value => all.push(Dimension::read(&key, value)?),
            }
        }
        let inside = |a: &str, b: &str| a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('.'));
        for (i, a) in all.iter().enumerate() {
            if let Some(b) = all[..i].iter().find(|b| inside(&a.key, &b.key) || inside(&b.key, &a.key)) {
                let (a, b) = (&a.key, &b.key);
                return Err(Error::model(format!(
                    "[search.space]: \"{a}\" and \"{b}\" set the same thing; expected one of them"
                )));
            }
        }
        Ok(Space(all))
    }

    /// As TOML: read back, it is the same space.
    pub fn to_table(&self) -> Table {
        self.0.iter().map(|d| (d.key.clone(), d.to_value())).collect()
    }

    /// A value for every key: those of one trial, whichever were drawn before.
    pub fn draw(&self, seed: u32, trial: usize) -> Vec<Value> {
        self.0.iter().map(|d| d.draw(seed, trial)).collect()
    }

    /// All combinations; the last key changes fastest.
    ///
    /// Fails when a range has no steps, or when there are too many.
    pub fn grid(&self) -> Result<Vec<Vec<Value>>> {
        let lists = self.0.iter().map(Dimension::list).collect::<Result<Vec<_>>>()?;
        let size = lists.iter().try_fold(1usize, |n, l| n.checked_mul(l.len()).filter(|&n| n <= MOST));
        let Some(size) = size else {
            return Err(Error::model(format!(
                "[search.space]: this grid has more than {MOST} combinations; take fewer values, or method = \"random\""
            )));
        };
        let combination = |i: usize| {
            let (mut rest, mut values) = (i, vec![]);
            for list in lists.iter().rev() {
                values.push(list[rest % list.len()].clone());
                rest /= list.len();
            }
            values.reverse();
            values
        };
        Ok((0..size).map(combination).collect())
    }
}

impl Dimension {
    fn read(key: &str, value: Value) -> Result<Dimension> {
        let wrong = |found: &dyn std::fmt::Display, expected: &str| {
            Error::model(format!("[search.space]: \"{key}\" = {found}; expected {expected}"))
        };
        const EXPECTED: &str =
            "a list of values, or one of { log = [a, b] }, { uniform = [a, b] }, { int = [a, b] }, { choice = [..] }";
        let mut table = match value {
            Value::Array(list) => Table::from_iter([("choice".to_string(), Value::Array(list))]),
            Value::Table(t) => t,
            other => return Err(wrong(&other, EXPECTED)),
        };
        let steps = match table.remove("steps") {
            None => None,
            Some(Value::Integer(n @ 2..)) if n as usize <= MOST => Some(n as usize),
            Some(v) => return Err(wrong(&v, &format!("steps from 2 to {MOST}"))),
        };
        let shown = Value::Table(table.clone());
        let mut entries = table.into_iter();
        let (Some((kind, value)), None) = (entries.next(), entries.next()) else { return Err(wrong(&shown, EXPECTED)) };
        let reals = |v: &Value| -> Option<[f64; 2]> {
            let number = |v: &Value| v.as_float().or(v.as_integer().map(|i| i as f64)).filter(|x| x.is_finite());
            let [a, b] = &v.as_array()?[..] else { return None };
            Some([number(a)?, number(b)?]).filter(|[a, b]| a < b && (b - a).is_finite())
        };
        let range = match kind.as_str() {
            "log" => reals(&value).filter(|[a, _]| *a > 0.0).map(Range::Log),
            "uniform" => reals(&value).map(Range::Uniform),
            "int" => match value.as_array().map(|a| &a[..]) {
                Some([Value::Integer(a), Value::Integer(b)]) if a < b && b.checked_sub(*a).is_some() => {
                    Some(Range::Int([*a, *b]))
                }
                _ => None,
            },
            "choice" => value.as_array().filter(|a| !a.is_empty()).map(|a| Range::Choice(a.clone())),
            other => {
                return Err(
                    unknown("range", other, KINDS[..4].iter().copied()).context(format!("[search.space]: \"{key}\""))
                );
            }
        };
        let expected = match kind.as_str() {
            "log" => "log = [a, b] with 0 < a < b",
            "choice" => "a list of at least one value",
            "int" => "int = [a, b], two whole numbers with a < b",
            _ => "uniform = [a, b] with a < b",
        };
        let range = range.ok_or_else(|| wrong(&shown, expected))?;
        if steps.is_some() && matches!(range, Range::Choice(_)) {
            return Err(wrong(&shown, "no steps: a list has its values"));
        }
        Ok(Dimension { key: key.into(), range, steps })
    }

    fn to_value(&self) -> Value {
        let reals = |r: &[f64; 2]| Value::Array(r.iter().map(|&x| x.into()).collect());
        let (kind, value) = match &self.range {
            Range::Log(r) => ("log", reals(r)),
            Range::Uniform(r) => ("uniform", reals(r)),
            Range::Int(r) => ("int", Value::Array(r.iter().map(|&x| x.into()).collect())),
            Range::Choice(list) => ("choice", Value::Array(list.clone())),
        };
        let mut table = Table::from_iter([(kind.to_string(), value)]);
        table.extend(self.steps.map(|n| ("steps".to_string(), Value::Integer(n as i64))));
        Value::Table(table)
    }

    /// The value at a share of the range, 0 its begin and 1 its end.
    fn at(&self, share: f64) -> Value {
        match &self.range {
            // The same bits everywhere: `libm` does not depend on the platform.
            Range::Log([a, b]) => {
                let (low, high) = (libm::log(*a), libm::log(*b));
                let inside = libm::exp(low + (high - low) * share).clamp(*a, *b);
                (if share == 0.0 { *a } else { inside }).into()
            }
            Range::Uniform([a, b]) => (a + (b - a) * share).clamp(*a, *b).into(),
            Range::Int([a, b]) => (a + ((b - a) as f64 * share).round() as i64).clamp(*a, *b).into(),
            Range::Choice(list) => list[((list.len() - 1) as f64 * share).round() as usize].clone(),
        }
    }

    /// The values, where they can be counted without a number of steps.
    fn listed(&self) -> Option<Vec<Value>> {
        match (&self.range, self.steps) {
            (Range::Choice(list), _) => Some(list.clone()),
            (_, Some(n)) => {
                let mut all: Vec<Value> = (0..n).map(|i| self.at(i as f64 / (n - 1) as f64)).collect();
                all.dedup();
                Some(all)
            }
            _ => None,
        }
    }

    /// All values, for a grid.
    pub fn list(&self) -> Result<Vec<Value>> {
        match (&self.range, self.listed()) {
            (_, Some(all)) => Ok(all),
            (Range::Int([a, b]), None) if b - a < MOST as i64 => Ok((*a..=*b).map(Value::Integer).collect()),
            _ => Err(Error::model(format!(
                "[search.space]: \"{}\" is a range; for a grid expected steps = N in it, or a list of values",
                self.key
            ))),
        }
    }

    /// The value of a trial: a function of seed, trial and key alone.
    fn draw(&self, seed: u32, trial: usize) -> Value {
        let key = self.key.bytes().fold(0x811c_9dc5u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        let [high, low, ..] = pcg4d([seed, stream::SEARCH, trial as u32, key]);
        let share = ((u64::from(high) << 32 | u64::from(low)) >> 11) as f64 / (1u64 << 53) as f64;
        let pick = |n: u64| ((u128::from(u64::from(high) << 32 | u64::from(low)) * u128::from(n)) >> 64) as u64;
        match (&self.range, self.listed()) {
            (_, Some(list)) => list[pick(list.len() as u64) as usize].clone(),
            (Range::Int([a, b]), None) => Value::Integer(a + pick((b - a) as u64 + 1) as i64),
            _ => self.at(share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(text: &str) -> Result<Space> {
        Space::read(text.parse().unwrap())
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let text = "\"optimizer.lr\" = { log = [0.001, 0.1], steps = 3 }\nmodel = [\"mlp\", \"lenet\"]\n\
                    train.epochs = { int = [1, 2] }";
        let grid = space(text).unwrap().grid().unwrap();
        assert_eq!(grid.len(), 12);
        assert!(grid.iter().enumerate().all(|(i, g)| !grid[..i].contains(g)));
        assert_eq!(grid[0], [Value::Float(0.001), "mlp".into(), Value::Integer(1)]);
        assert_eq!(grid[11], [Value::Float(0.1), "lenet".into(), Value::Integer(2)]);
        assert!((grid[4][0].as_float().unwrap() - 0.01).abs() < 1e-15);
        let all = space("a = { int = [0, 3], steps = 9 }").unwrap().grid().unwrap();
        assert_eq!(all.len(), 4);
        assert!(space("a = { uniform = [0, 1] }").unwrap().grid().unwrap_err().to_string().contains("steps = N"));
        let many = "a = { int = [1, 9999] }\nb = [1, 2]";
        assert!(space(many).unwrap().grid().unwrap_err().to_string().contains("more than 10000"));
    }

    #[test]
    fn draws_depend_on_seed_trial_and_key_alone() {
        let text = "\"optimizer.lr\" = { log = [1e-4, 1] }\n\"loss.gamma\" = { uniform = [-1, 1] }\n\
                    n = { int = [0, 4] }\nc = [\"x\", \"y\", \"z\"]\ns = { uniform = [0, 1], steps = 3 }";
        let all = space(text).unwrap();
        let one = space("\"optimizer.lr\" = { log = [1e-4, 1] }").unwrap();
        let rows: Vec<Vec<Value>> = (1..=2000).map(|t| all.draw(3, t)).collect();
        assert_eq!(rows[41][0], one.draw(3, 42)[0]);
        assert_ne!(all.draw(4, 42)[0], rows[41][0]);
        let share = |of: &dyn Fn(&[Value]) -> bool| rows.iter().filter(|r| of(r)).count() as f64 / 2000.0;
        assert!((share(&|r| r[0].as_float().unwrap() < 0.01) - 0.5).abs() < 0.04);
        assert!((share(&|r| r[1].as_float().unwrap() < 0.0) - 0.5).abs() < 0.04);
        for n in 0..5 {
            assert!((share(&|r| r[2].as_integer() == Some(n)) - 0.2).abs() < 0.03);
        }
        assert!((share(&|r| r[3].as_str() == Some("y")) - 1.0 / 3.0).abs() < 0.04);
        assert!((share(&|r| r[4].as_float() == Some(0.5)) - 1.0 / 3.0).abs() < 0.04);
        assert!(rows.iter().all(|r| (1e-4..=1.0).contains(&r[0].as_float().unwrap())));
    }

    #[test]
    fn a_space_survives_toml_and_mistakes_are_named() {
        let text =
            "\"a.b\" = { log = [0.1, 1], steps = 4 }\nb = { uniform = [0, 1] }\nc = { int = [1, 9] }\nd = [1, true]";
        let read = space(text).unwrap();
        assert_eq!(Space::read(read.to_table()).unwrap(), read);
        let fails = |text: &str, part: &str| {
            let message = space(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        fails("\"a.b\" = { lgo = [0.1, 1] }", "unknown range \"lgo\". Valid: log, uniform, int, choice");
        fails("a = { log = [0, 1] }", "0 < a < b");
        fails("a = { uniform = [1, 1] }", "a < b");
        fails("a = { uniform = [0, inf] }", "a < b");
        fails("a = { uniform = [-1.7e308, 1.7e308] }", "a < b");
        fails("a = { int = [-9223372036854775808, 9223372036854775807] }", "whole numbers");
        fails("a = { int = [1.5, 2] }", "whole numbers");
        fails("a = []", "at least one value");
        fails("a = 3", "expected a list of values");
        fails("a = { log = [0.1, 1], int = [1, 2] }", "expected a list of values, or one of");
        fails("a = { choice = [1, 2], steps = 2 }", "no steps");
        fails("a = { log = [0.1, 1], steps = 1 }", "steps from 2");
        fails("\"a.b\" = [1]\na.b = [2]", "set the same thing");
    }
}
