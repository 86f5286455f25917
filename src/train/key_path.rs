//! Keys of a configuration by their path, `section.key`.

use crate::error::{Error, Result};
use toml::{Table, Value};

/// A count as TOML has it; one that is beyond 64 bits is the greatest.
pub fn count(n: usize) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Sets `a.b.c = value` in a table, making the tables on the way.
pub fn set(table: &mut Table, path: &str, value: Value) -> Result<()> {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    if head.is_empty() {
        return Err(Error::usage(format!("\"{path}\": a key is missing; expected SECTION.KEY=VALUE")));
    }
    match rest {
        None => {
            table.insert(head.into(), value);
            Ok(())
        }
        Some(rest) => match table.entry(head).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => set(inner, rest, value),
            other => Err(Error::usage(format!("\"{head}\" is {other}, not a section; \"{rest}\" cannot be set in it"))),
        },
    }
}
