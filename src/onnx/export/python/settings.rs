//! The settings of a layer, as its table has them.

use toml::{Table, Value};

/// A layer's table.
pub struct Settings(pub Table);

impl Settings {
    /// A whole number; 0 where there is none.
    pub fn count(&self, key: &str) -> usize {
        self.0.get(key).and_then(Value::as_integer).map_or(0, |n| n as usize)
    }

    /// One or two whole numbers.
    pub fn pair(&self, key: &str) -> [usize; 2] {
        match self.0.get(key) {
            Some(Value::Integer(n)) => [*n as usize; 2],
            Some(Value::Array(all)) => [0, 1].map(|i| all.get(i).and_then(Value::as_integer).unwrap_or(0) as usize),
            _ => [0; 2],
        }
    }

    /// Whole numbers.
    pub fn list(&self, key: &str) -> Vec<usize> {
        let all = self.0.get(key).and_then(Value::as_array);
        all.map_or(vec![], |all| all.iter().filter_map(Value::as_integer).map(|n| n as usize).collect())
    }

    /// An axis, batch first, of so many.
    pub fn axis(&self, rank: usize) -> usize {
        let axis = self.0.get("axis").and_then(Value::as_integer).unwrap_or(1);
        (if axis < 0 { axis + rank as i64 } else { axis }) as usize
    }

    /// Elements before and after, down and across.
    pub fn sides(&self, key: &str) -> [[usize; 2]; 2] {
        let of = |v: &Value| match v {
            Value::Array(all) => [0, 1].map(|i| all.get(i).and_then(Value::as_integer).unwrap_or(0) as usize),
            v => [v.as_integer().unwrap_or(0) as usize; 2],
        };
        match self.0.get(key) {
            Some(Value::Array(all)) if all.len() == 2 => [of(&all[0]), of(&all[1])],
            Some(v) => [of(v); 2],
            None => [[0; 2]; 2],
        }
    }

    /// Yes or no.
    pub fn flag(&self, key: &str) -> bool {
        self.0.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A number.
    pub fn real(&self, key: &str) -> f64 {
        match self.0.get(key) {
            Some(Value::Float(x)) => *x,
            Some(Value::Integer(n)) => *n as f64,
            _ => 0.0,
        }
    }

    /// A word; empty where there is none.
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

/// `3`, or `(3, 5)`.
pub fn pair(p: [usize; 2]) -> String {
    if p[0] == p[1] { p[0].to_string() } else { format!("({}, {})", p[0], p[1]) }
}
