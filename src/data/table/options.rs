//! What a user may say about a table: the target, the task, how to read, clean
//! and normalise it.

use super::choices::{choice, name_of, named};
use super::clean::Cleaning;
use super::layout::{Header, ReadOptions};
use super::normalize::Normalize;
use super::number::Decimal;
use crate::data::GroupBy;
use crate::error::{Error, Result};
use crate::keys::Keys;
use toml::{Table, Value};

/// What is to be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Task {
    /// Found out from the target: words, and up to ten different whole numbers,
    /// are classes; other numbers are values.
    #[default]
    Auto,
    /// A class for each row.
    Classification,
    /// Numbers for each row.
    Regression,
}

const TASKS: &[(&str, Task)] =
    &[("auto", Task::Auto), ("classification", Task::Classification), ("regression", Task::Regression)];
const HEADERS: &[(&str, Header)] = &[("auto", Header::Auto), ("yes", Header::Yes), ("no", Header::No)];
const DELIMITERS: &[(&str, Option<char>)] = &[
    ("auto", None),
    ("comma", Some(',')),
    ("tab", Some('\t')),
    ("semicolon", Some(';')),
    ("pipe", Some('|')),
    ("space", Some(' ')),
];

const DECIMALS: &[(&str, Option<Decimal>)] =
    &[("auto", None), ("point", Some(Decimal::Point)), ("comma", Some(Decimal::Comma))];
const QUOTES: &[(&str, Option<char>)] = &[("auto", None), ("double", Some('"')), ("single", Some('\''))];

/// What a user may say about a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableOptions {
    /// The target columns, each by name, by number from 1, or as `last`. Several
    /// are for regression.
    pub target: Vec<String>,
    /// The column that says when a row is from, by name or number from 1; `None`
    /// takes the first that holds dates, and `none` is no column.
    pub date: Option<String>,
    /// The columns that say which rows belong together.
    pub group: GroupBy,
    /// Whether groups whose names are read alike, such as `P001` and `p1`, are one.
    pub normalize_groups: bool,
    /// What is to be learned.
    pub task: Task,
    /// Whether the first line names the columns.
    pub header: Header,
    /// What separates cells; `None` finds out.
    pub delimiter: Option<char>,
    /// Lines above the table to leave out.
    pub skip_rows: usize,
    /// What begins a line that is a comment; empty: nothing, `None`: `#` and `%`
    /// where that is no row.
    pub comment: Option<String>,
    /// The quote around cells, double or single; `None` finds out.
    pub quote: Option<char>,
    /// Cells that mean "missing"; the empty cell always does.
    pub missing_values: Vec<String>,
    /// The decimal mark of numbers that can be read either way; `None` finds out.
    pub decimal: Option<Decimal>,
    /// How numbers are normalised.
    pub normalize: Normalize,
    /// How the table is cleaned.
    pub cleaning: Cleaning,
}

impl Default for TableOptions {
    fn default() -> TableOptions {
        let base = ReadOptions::default();
        let ReadOptions { header, delimiter, skip_rows, comment, quote, missing_values, decimal, .. } = base;
        TableOptions {
            target: vec!["last".into()],
            date: None,
            group: GroupBy::Auto,
            normalize_groups: false,
            task: Task::Auto,
            header,
            delimiter,
            skip_rows,
            comment,
            quote,
            missing_values,
            decimal,
            normalize: Normalize::Standard,
            cleaning: Cleaning::default(),
        }
    }
}

impl TableOptions {
    /// Reads the keys `target`, `date`, `group`, `normalize_groups`, `task`, `header`, `delimiter`, `skip_rows`,
    /// `comment`, `quote`, `missing_values`, `decimal`, `normalize` and the table `clean`.
    pub fn read(keys: &mut Keys) -> Result<TableOptions> {
        let base = TableOptions::default();
        let target = target(keys)?.unwrap_or(base.target);
        let date = keys.text("date")?.filter(|name| !name.is_empty());
        let group = GroupBy::read(keys)?;
        let normalize_groups = keys.flag("normalize_groups", base.normalize_groups)?;
        let task = choice(keys, "task", TASKS, base.task)?;
        let header = match keys.take("header") {
            None => base.header,
            Some(Value::Boolean(yes)) => {
                if yes {
                    Header::Yes
                } else {
                    Header::No
                }
            }
            Some(Value::String(word)) => named(keys, "header", &word, HEADERS)?,
            Some(v) => {
                let place = keys.place();
                return Err(Error::model(format!("{place}: header = {v}; expected \"auto\", \"yes\" or \"no\"")));
            }
        };
        let delimiter = match keys.text("delimiter")? {
            None => base.delimiter,
            Some(text) => match (text.chars().next(), text.chars().count()) {
                (Some(c), 1) => Some(c),
                _ => named(keys, "delimiter", &text, DELIMITERS)?,
            },
        };
        let skip_rows = keys.count("skip_rows", 0, Some(base.skip_rows))?;
        let comment = match keys.text("comment")?.as_deref() {
            None | Some("auto") => None,
            Some("none") => Some(String::new()),
            Some(mark) => Some(mark.into()),
        };
        let quote = choice(keys, "quote", QUOTES, base.quote)?;
        let missing_values = keys.strings("missing_values")?.unwrap_or(base.missing_values);
        let decimal = choice(keys, "decimal", DECIMALS, base.decimal)?;
        let normalize = choice(keys, "normalize", Normalize::NAMES, base.normalize)?;
        let mut clean = Keys::new(keys.table("clean")?.unwrap_or_default(), "[clean]");
        let cleaning = Cleaning::read(&mut clean)?;
        clean.finish()?;
        Ok(TableOptions {
            target,
            date,
            group,
            normalize_groups,
            task,
            header,
            delimiter,
            skip_rows,
            comment,
            quote,
            missing_values,
            decimal,
            normalize,
            cleaning,
        })
    }

    /// The names of the targets in a table.
    pub fn target_names<'a>(&self, table: &'a super::Table) -> Vec<&'a str> {
        let places = self.target.iter().filter_map(|word| table.find(word).ok());
        places.map(|i| table.columns[i].name.as_str()).collect()
    }

    /// The same, with columns kept that are the same in all rows.
    pub fn keeping_constants(&self) -> TableOptions {
        let mut options = self.clone();
        options.cleaning.rules.keep_constant = true;
        options.cleaning.columns.values_mut().for_each(|rules| rules.keep_constant = true);
        options
    }

    /// As TOML: read back, it gives the same.
    pub fn to_table(&self) -> Table {
        let mut t = Table::new();
        let target = match &self.target[..] {
            [one] => one.clone().into(),
            all => all.to_vec().into(),
        };
        t.insert("target".into(), target);
        t.insert("date".into(), self.date.clone().unwrap_or_default().into());
        t.insert("group".into(), self.group.to_value());
        t.insert("normalize_groups".into(), self.normalize_groups.into());
        t.insert("task".into(), name_of(TASKS, self.task).into());
        t.insert("header".into(), name_of(HEADERS, self.header).into());
        let delimiter = self.delimiter.map_or("auto".to_string(), String::from);
        t.insert("delimiter".into(), delimiter.into());
        t.insert("skip_rows".into(), (self.skip_rows as i64).into());
        let comment = self.comment.as_deref().map_or("auto", |c| if c.is_empty() { "none" } else { c });
        t.insert("comment".into(), comment.into());
        t.insert("quote".into(), name_of(QUOTES, self.quote).into());
        t.insert("missing_values".into(), self.missing_values.clone().into());
        t.insert("decimal".into(), name_of(DECIMALS, self.decimal).into());
        t.insert("normalize".into(), self.normalize.name().into());
        t.insert("clean".into(), Value::Table(self.cleaning.to_table()));
        t
    }

    /// How the file is to be read.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions {
            header: self.header,
            delimiter: self.delimiter,
            skip_rows: self.skip_rows,
            comment: self.comment.clone(),
            quote: self.quote,
            missing_values: self.missing_values.clone(),
            decimal: self.decimal,
            ..ReadOptions::default()
        }
    }
}

fn target(keys: &mut Keys) -> Result<Option<Vec<String>>> {
    let Some(value) = keys.take("target") else { return Ok(None) };
    let one = |v: &Value| match v {
        Value::String(s) => Some(s.clone()),
        Value::Integer(i) => Some(i.to_string()),
        _ => None,
    };
    let all = match &value {
        Value::Array(a) => a.iter().map(one).collect::<Option<Vec<String>>>(),
        v => one(v).map(|s| vec![s]),
    };
    match all.filter(|a| !a.is_empty()) {
        Some(all) => Ok(Some(all)),
        None => Err(Error::model(format!(
            "{}: target = {value}; expected a column's name or number, \"last\", or a list of them",
            keys.place()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TableOptions> {
        let mut keys = Keys::new(text.parse().unwrap(), "[data]");
        let options = TableOptions::read(&mut keys)?;
        keys.finish()?;
        Ok(options)
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let text = "target = [\"a\", 2]\ndate = \"when\"\ngroup = [\"a\", 3]\ntask = \"regression\"\nheader = false\ndelimiter = \"tab\"\n\
                    skip_rows = 2\ncomment = \"//\"\nquote = \"single\"\n\
                    missing_values = [\"99\"]\ndecimal = \"comma\"\nnormalize = \"minmax\"\n[clean]\ndrop_duplicates = true";
        let options = read(text).unwrap();
        assert_eq!((&options.target[..], options.delimiter), (&["a".to_string(), "2".into()][..], Some('\t')));
        for options in [options, TableOptions::default()] {
            assert_eq!(read(&toml::to_string(&options.to_table()).unwrap()).unwrap(), options);
        }
        assert_eq!(read("").unwrap(), TableOptions::default());
    }

    #[test]
    fn the_documented_keys_are_the_defaults() {
        let page = include_str!("../../../docs/tables.md");
        let text = page.split("```toml").nth(1).and_then(|t| t.split("```").next()).unwrap();
        let mut options = read(text).unwrap();
        assert_eq!(options.missing_values, ["NA", "?"]);
        options.missing_values = TableOptions::default().missing_values;
        assert!(options.cleaning.columns.remove("Age").unwrap().kind.is_some());
        assert_eq!(options, TableOptions::default());
    }

    #[test]
    fn mistakes_are_named() {
        let fails = |text: &str, part: &str| {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        fails("target = []", "or a list of them");
        fails("task = \"regresion\"", "did you mean \"regression\"?");
        fails("header = 3", "expected \"auto\"");
        fails("delimiter = \"two\"", "[data]: unknown delimiter");
        fails("[clean]\nmising = \"drop\"", "did you mean \"missing\"?");
    }
}
