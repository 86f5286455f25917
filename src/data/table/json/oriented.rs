//! A table in one object, as pandas' `to_json` writes it: objects of cells by row
//! (`orient="index"`) or by column (`"columns"`, its default), or arrays of cells beside
//! the names of the columns (`"split"`). The keys of rows say which cells stand together.

use super::super::scan::breaks;
use super::{Reader, Value};
use crate::error::{Error, Result};
use std::collections::{HashMap, HashSet};

/// Objects of equal keys from which on they are rows or columns, and no cells of one record.
const MANY: usize = 20;
/// What a column of the keys of rows is called.
const INDEX: &str = "index";

/// Keys and where their values begin.
type Entries = [(String, usize)];

fn counts(keys: &[&str]) -> bool {
    !keys.is_empty() && keys.iter().all(|key| key.parse::<u64>().is_ok())
}

/// Whether the keys of rows say something: they are no numbers.
fn says_something(keys: &[&str]) -> bool {
    !counts(keys)
}

impl Reader<'_> {
    /// Reads an object of objects whose keys are rows or columns; `false` where it is one
    /// record.
    ///
    /// Fails where it has too many objects for one record and their keys differ.
    pub(super) fn oriented(&mut self, entries: &Entries, notes: &mut Vec<String>) -> Result<bool> {
        let end = self.at;
        let mut inner = vec![];
        for (_, at) in entries {
            self.at = *at;
            inner.push(self.keys()?);
        }
        self.at = end;
        let outer: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
        let keys: Vec<Vec<&str>> = inner.iter().map(|e| e.iter().map(|(key, _)| key.as_str()).collect()).collect();
        let sets: Vec<HashSet<&str>> = keys.iter().map(|keys| keys.iter().copied().collect()).collect();
        let (rows, columns) = (outer.len(), sets[0].len());
        let are_equal = columns > 0 && sets.iter().all(|set| *set == sets[0]);
        let by_column = keys.iter().all(|keys| counts(keys)) || are_equal && columns >= MANY && columns > rows;
        let by_row = !by_column && (counts(&outer) || are_equal && rows >= MANY);
        match (by_column, by_row) {
            (true, _) => self.by_column(entries, &inner, notes)?,
            (_, true) => self.by_row(entries, says_something(&outer), notes)?,
            _ if rows >= MANY => {
                return Err(Error::data(format!(
                    "{}: one object of {rows} objects, whose keys differ, would be one row; expected {}",
                    self.name,
                    super::EXPECTED
                )));
            }
            _ => return Ok(false),
        }
        self.at = end;
        Ok(true)
    }

    /// Each object is a row.
    fn by_row(&mut self, entries: &Entries, named: bool, notes: &mut Vec<String>) -> Result<()> {
        notes.push(self.said("row", entries.len(), named));
        for (key, at) in entries {
            self.begins(*at);
            if named {
                self.put(INDEX, Value::Text(key.clone().into()), 0)?;
            }
            self.at = *at;
            self.object("", 0)?;
        }
        Ok(())
    }

    /// Each object is a column; cells of one key are a row, in the order in which the keys
    /// first appear.
    fn by_column(&mut self, entries: &Entries, inner: &[Vec<(String, usize)>], notes: &mut Vec<String>) -> Result<()> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut rows: Vec<(&str, usize)> = vec![];
        let mut cells: Vec<Vec<Option<usize>>> = vec![];
        for ((name, _), column) in entries.iter().zip(inner) {
            let mut here = vec![None; rows.len()];
            for (key, at) in column {
                let place = *places.entry(key).or_insert(rows.len());
                if place == rows.len() {
                    rows.push((key, *at));
                    here.push(None);
                }
                if here[place].replace(*at).is_some() {
                    self.at = *at;
                    return Err(self.fault(&format!("the key \"{key}\" of \"{name}\" comes twice"), "each key once"));
                }
            }
            cells.push(here);
        }
        let keys: Vec<&str> = rows.iter().map(|(key, _)| *key).collect();
        let named = says_something(&keys);
        if named || cells.iter().any(|column| column.len() < rows.len() || column.contains(&None)) {
            notes.push(self.said("column", entries.len(), named));
        }
        let lines = self.lines_at(&rows);
        for (row, (key, _)) in rows.iter().enumerate() {
            self.rows.lines.push(lines[row]);
            if named {
                self.put(INDEX, Value::Text((*key).to_string().into()), 0)?;
            }
            for ((name, _), column) in entries.iter().zip(&cells) {
                let Some(at) = column.get(row).copied().flatten() else { continue };
                self.at = at;
                let value = self.value()?;
                self.put(name, value, 0)?;
            }
        }
        Ok(())
    }

    /// Reads names of columns beside an array of rows; `false` where these are not there.
    ///
    /// Fails where a row has more or fewer cells than there are names.
    pub(super) fn split(&mut self, entries: &Entries, notes: &mut Vec<String>) -> Result<bool> {
        let at = |name: &str| entries.iter().find(|(key, _)| key == name).map(|(_, at)| *at);
        let is_array = |at: &usize| self.text.as_bytes()[*at] == b'[';
        let of_arrays = |at: &usize| is_array(at) && self.text[at + 1..].trim_start().starts_with('[');
        let (Some(names), Some(data)) = (at("columns").filter(is_array), at("data").filter(of_arrays)) else {
            return Ok(false);
        };
        let end = self.at;
        let names: Vec<String> = self.texts(names)?;
        let index = at(INDEX).filter(is_array).map(|at| self.texts(at)).transpose()?;
        let index = index.filter(|keys| says_something(&keys.iter().map(String::as_str).collect::<Vec<_>>()));
        notes.push(format!(
            "the rows are the arrays of \"data\", under the names of \"columns\"{}",
            if index.is_some() { "; their keys are the column \"index\"" } else { "" }
        ));
        self.at = data + 1;
        loop {
            self.next();
            self.begins(self.at);
            let row = self.rows.lines.len() - 1;
            if let Some(index) = &index {
                let key = index.get(row).cloned().unwrap_or_default();
                self.put(INDEX, Value::Text(key.into()), 0)?;
            }
            if self.next() != Some(b'[') {
                return Err(self.fails(&format!("an array of {} cells", names.len())));
            }
            self.at += 1;
            let mut found = 0;
            if self.next() == Some(b']') {
                self.at += 1;
            } else {
                loop {
                    let value = self.value()?;
                    if let Some(name) = names.get(found) {
                        self.put(name, value, 0)?;
                    }
                    found += 1;
                    if !self.goes_on(b']')? {
                        break;
                    }
                }
            }
            if found != names.len() {
                let columns = format!("{}, one for each of \"columns\"", names.len());
                return Err(self.fault(&format!("found {found} cells"), &columns));
            }
            if !self.goes_on(b']')? {
                break;
            }
        }
        let rows = self.rows.lines.len();
        if let Some(index) = index.filter(|index| index.len() != rows) {
            return Err(Error::data(format!(
                "{}: \"index\" has {} keys for {rows} rows; expected one for each",
                self.name,
                index.len()
            )));
        }
        self.at = end;
        Ok(true)
    }

    /// The values of an array as texts.
    fn texts(&mut self, at: usize) -> Result<Vec<String>> {
        let mut all = vec![];
        self.at = at + 1;
        if self.next() == Some(b']') {
            return Ok(all);
        }
        loop {
            all.push(match self.value()? {
                Value::Text(text) => text.trim().to_string(),
                Value::Array(text) => text,
                Value::Null => String::new(),
                Value::Object(_) => return Err(self.fails("names: strings or numbers")),
            });
            if !self.goes_on(b']')? {
                return Ok(all);
            }
        }
    }

    /// What to say of objects that are rows or columns.
    fn said(&self, what: &str, n: usize, named: bool) -> String {
        let keys = if named { format!("; the keys of rows are the column \"{INDEX}\"") } else { String::new() };
        format!("one object of {n} objects: each is a {what}, and keys say which cells stand together{keys}")
    }

    /// The line of each place of the text, from 1.
    fn lines_at(&self, places: &[(&str, usize)]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_by_key(|&i| places[i].1);
        let (mut lines, mut counted, mut line) = (vec![0; places.len()], 0, 1);
        for i in order {
            let at = places[i].1;
            line += breaks(&self.text.as_bytes()[counted..at]);
            counted = at;
            lines[i] = line;
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{ReadOptions, Table};

    fn parse(text: &str) -> crate::error::Result<Table> {
        Table::parse("t.json", text.as_bytes(), &ReadOptions::default())
    }

    /// Names and cells, a line per row.
    fn shown(text: &str) -> String {
        let table = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let cell = |row: usize| {
            let cells = table.columns.iter().map(move |c| c.cells.at(row).unwrap_or("-"));
            cells.collect::<Vec<_>>().join(" ")
        };
        let rows: Vec<String> = (0..table.rows()).map(cell).collect();
        [vec![table.names().join(" ")], rows].concat().join(" | ")
    }

    fn many(n: usize, cell: impl Fn(usize) -> String) -> String {
        format!("{{{}}}", (0..n).map(cell).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn rows_and_columns_are_told_by_their_keys() {
        for (text, expected) in [
            (r#"{"0": {"a": 1, "b": "x"}, "1": {"a": 2, "b": null}}"#, "a b | 1 x | 2 -"),
            (r#"{"7": {"a": 1, "at": {"x": 3}}, "3": {"b": 2}}"#, "a at.x b | 1 3 - | - - 2"),
            (r#"{"a": {"0": 1, "1": 2}, "b": {"1": "y", "0": "x"}}"#, "a b | 1 x | 2 y"),
            (r#"{"a": {"5": 1, "9": 2}, "b": {"9": "y", "7": "z"}}"#, "a b | 1 - | 2 y | - z"),
            (r#"{"0": {"0": 1, "1": 2}, "1": {"0": 3, "1": 4}}"#, "0 1 | 1 3 | 2 4"),
            (r#"{"columns": ["a", "b"], "index": [0, 1], "data": [[1, "x"], [2, null]]}"#, "a b | 1 x | 2 -"),
            (r#"{"columns": ["a"], "index": ["p", "q"], "data": [[1], [2]]}"#, "index a | p 1 | q 2"),
            (r#"{"columns": ["a", "b"], "data": [[1, 2]]}"#, "a b | 1 2"),
            // A record is one, whatever stands in it.
            (r#"{"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}}"#, "a.x a.y b.x b.y | 1 2 3 4"),
            (r#"{"columns": [1, 2], "data": [3, 4]}"#, "columns data | 1 3 | 2 4"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let rows = many(30, |i| format!("\"r{i}\": {{\"a\": {i}, \"b\": 2}}"));
        assert!(shown(&rows).starts_with("index a b | r0 0 2 | r1 1 2"));
        let days = |of: usize| many(30, |i| format!("\"2020-01-{:02}\": {}", i + 1, i * of));
        let columns = format!("{{\"a\": {},\n \"b\": {}}}", days(1), days(2));
        assert!(shown(&columns).starts_with("index a b | 2020-01-01 0 0 | 2020-01-02 1 2"));
        let table = parse("{\"0\": {\"a\": 1},\n\"1\":\n{\"a\": 2}}").unwrap();
        assert_eq!(table.lines, [1, 3]);
        let table = parse("{\"b\": {\"2\": 1,\n\"1\": 2},\n\"a\": {\"0\": 3}}").unwrap();
        assert_eq!((table.lines, table.notes.len()), (vec![1, 2, 3], 1));
    }

    #[test]
    fn what_would_be_one_row_of_many_columns_is_refused() {
        let fails = |text: &str, part: &str| {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        let uneven = many(30, |i| format!("\"r{i}\": {{\"k{i}\": {i}}}"));
        fails(&uneven, "one object of 30 objects, whose keys differ, would be one row; expected an array of objects");
        fails(
            r#"{"columns": ["a", "b"], "data": [[1, 2], [3]]}"#,
            "record 2, line 1: found 1 cells; expected 2, one for",
        );
        fails(r#"{"columns": ["a"], "index": ["x", "y"], "data": [[1]]}"#, "\"index\" has 2 keys for 1 rows");
        fails(r#"{"a": {"0": 1, "0": 2}}"#, "the key \"0\" of \"a\" comes twice");
        fails("[[1, 2], [3, 4]]", "expected an object");
    }
}
