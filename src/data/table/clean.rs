//! How a table is cleaned: the `[clean]` section of a configuration.

use super::choices::{choice, name_of, named};
use super::kind::Kind;
use super::normalize::Normalize;
use crate::error::{Error, Result, unknown};
use crate::keys::Keys;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// What is done about missing cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Numbers and dates get the median; missing categories become a category,
    /// or the most frequent one where only a few are missing.
    Auto,
    /// The row is dropped.
    Drop,
    /// The mean of the training rows; categories as with `Mode`.
    Mean,
    /// The median of the training rows; categories as with `Mode`.
    Median,
    /// The most frequent value of the training rows.
    Mode,
    /// The value `fill`.
    Constant,
}

/// Whether a feature says which cells were missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indicator {
    /// Where enough training cells are missing to learn from.
    Auto,
    /// Always.
    Yes,
    /// Never.
    No,
}

/// What is done about numbers far from the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outliers {
    /// Nothing.
    Keep,
    /// They are moved to the fences: this many times the distance of the
    /// quartiles below the first and above the third.
    Iqr(f64),
    /// They are moved to these two quantiles.
    Quantiles([f64; 2]),
}

/// How categories become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Categories {
    /// A feature each, 0 or 1.
    OneHot,
    /// Their place in an order, from 1; what has no place is 0.
    Ordinal,
}

/// How dates become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// Year, month, day, weekday, hour, and days since 1970, as far as they vary.
    Parts,
    /// Days since 1970 alone.
    Days,
    /// They are dropped.
    Drop,
}

/// How text becomes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextUse {
    /// Values of which most recur are categories. Codes (`C85`) become a category by the letters before the first digit,
    /// short texts by the frequent word in them, and of long texts the frequent
    /// words are marked. What does not help on held-out training rows is left out.
    Auto,
    /// The same, whether it helps or not.
    Tokens,
    /// It is dropped.
    Drop,
}

const MISSING: &[(&str, Missing)] = &[
    ("auto", Missing::Auto),
    ("drop", Missing::Drop),
    ("mean", Missing::Mean),
    ("median", Missing::Median),
    ("mode", Missing::Mode),
    ("constant", Missing::Constant),
];
const CATEGORIES: &[(&str, Categories)] = &[("onehot", Categories::OneHot), ("ordinal", Categories::Ordinal)];
const DATES: &[(&str, Dates)] = &[("parts", Dates::Parts), ("days", Dates::Days), ("drop", Dates::Drop)];
const TEXT: &[(&str, TextUse)] = &[("auto", TextUse::Auto), ("tokens", TextUse::Tokens), ("drop", TextUse::Drop)];
const OUTLIERS: &[&str] = &["keep", "clip"];
/// The reach of the fences unless the user says otherwise (Tukey 1977).
pub const FENCE: f64 = 1.5;

/// How one column is treated.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// What it holds; `None` finds out.
    pub kind: Option<Kind>,
    /// What is done about missing cells.
    pub missing: Missing,
    /// The value for missing cells under `missing = "constant"`.
    pub fill: Option<String>,
    /// Whether a feature says which cells were missing.
    pub indicator: Indicator,
    /// What is done about numbers far from the others.
    pub outliers: Outliers,
    /// How categories become numbers.
    pub categories: Categories,
    /// The most categories with a place of their own.
    pub max_categories: usize,
    /// How often a category must occur for that; 0 means one in a hundred
    /// training rows, at most 10.
    pub min_count: usize,
    /// The order of ordinal categories; what it leaves out comes behind.
    pub order: Vec<String>,
    /// How dates become numbers.
    pub dates: Dates,
    /// How text becomes numbers.
    pub text: TextUse,
    /// The most words of long texts that get a feature.
    pub max_words: usize,
    /// How its numbers are normalised, where not as the others.
    pub normalize: Option<Normalize>,
    /// Whether a column stays that is the same in all training rows.
    pub keep_constant: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            kind: None,
            missing: Missing::Auto,
            fill: None,
            indicator: Indicator::Auto,
            outliers: Outliers::Keep,
            categories: Categories::OneHot,
            max_categories: 20,
            min_count: 0,
            order: vec![],
            dates: Dates::Parts,
            text: TextUse::Auto,
            max_words: 50,
            normalize: None,
            keep_constant: false,
        }
    }
}

impl Rules {
    /// How often a category must occur among so many training rows.
    pub fn least(&self, rows: usize) -> usize {
        if self.min_count > 0 { self.min_count } else { rows.div_ceil(100).clamp(1, 10) }
    }

    /// Reads keys; what they leave out is as in `base`. `one` says that they are
    /// those of a single column, which has a few more.
    fn read(keys: &mut Keys, base: &Rules, one: bool) -> Result<Rules> {
        let mut rules = base.clone();
        rules.missing = choice(keys, "missing", MISSING, base.missing)?;
        rules.fill = match keys.take("fill") {
            None => base.fill.clone(),
            Some(Value::String(s)) => Some(s),
            Some(v @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_))) => Some(v.to_string()),
            Some(v) => return Err(wrong(keys, "fill", &v, "a value")),
        };
        if rules.missing == Missing::Constant && rules.fill.is_none() {
            return Err(Error::model(format!(
                "{}: missing = \"constant\" needs the value: expected also fill = ...",
                keys.place()
            )));
        }
        rules.indicator = match keys.take("indicator") {
            None => base.indicator,
            Some(Value::Boolean(yes)) => {
                if yes {
                    Indicator::Yes
                } else {
                    Indicator::No
                }
            }
            Some(Value::String(s)) if s == "auto" => Indicator::Auto,
            Some(v) => return Err(wrong(keys, "indicator", &v, "true, false or \"auto\"")),
        };
        rules.outliers = outliers(keys, base.outliers)?;
        rules.categories = choice(keys, "categories", CATEGORIES, base.categories)?;
        rules.max_categories = keys.count("max_categories", 1, Some(base.max_categories))?;
        rules.min_count = keys.count("min_count", 0, Some(base.min_count))?;
        rules.dates = choice(keys, "dates", DATES, base.dates)?;
        rules.text = choice(keys, "text", TEXT, base.text)?;
        rules.max_words = keys.count("max_words", 1, Some(base.max_words))?;
        rules.keep_constant = keys.flag("keep_constant", base.keep_constant)?;
        if one {
            rules.kind = match keys.text("type")?.as_deref() {
                None | Some("auto") => base.kind,
                Some(name) => Some(named(keys, "type", name, Kind::NAMES)?),
            };
            rules.order = keys.strings("order")?.unwrap_or_else(|| base.order.clone());
            rules.normalize = match keys.text("normalize")? {
                None => base.normalize,
                Some(name) => Some(named(keys, "normalize", &name, Normalize::NAMES)?),
            };
        }
        Ok(rules)
    }

    fn to_table(&self, one: bool) -> Table {
        let mut t = Table::new();
        let mut put = |key: &str, value: Value| t.insert(key.into(), value);
        put("missing", name_of(MISSING, self.missing).into());
        if let Some(fill) = &self.fill {
            put("fill", fill.clone().into());
        }
        let indicator = match self.indicator {
            Indicator::Auto => "auto".into(),
            Indicator::Yes => true.into(),
            Indicator::No => false.into(),
        };
        put("indicator", indicator);
        match self.outliers {
            Outliers::Keep => drop(put("outliers", "keep".into())),
            Outliers::Iqr(k) => {
                put("outliers", "clip".into());
                put("clip_iqr", k.into());
            }
            Outliers::Quantiles([low, high]) => {
                put("outliers", "clip".into());
                put("clip_quantiles", vec![low, high].into());
            }
        }
        put("categories", name_of(CATEGORIES, self.categories).into());
        put("max_categories", (self.max_categories as i64).into());
        put("min_count", (self.min_count as i64).into());
        put("dates", name_of(DATES, self.dates).into());
        put("text", name_of(TEXT, self.text).into());
        put("max_words", (self.max_words as i64).into());
        put("keep_constant", self.keep_constant.into());
        if one {
            put("type", self.kind.map_or("auto", Kind::name).into());
            put("order", self.order.clone().into());
            if let Some(n) = self.normalize {
                put("normalize", n.name().into());
            }
        }
        t
    }
}

/// How a table is cleaned.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cleaning {
    /// How columns are treated that say nothing of their own.
    pub rules: Rules,
    /// Whether equal rows are kept once among the training rows.
    pub drop_duplicates: bool,
    /// Columns that are not used.
    pub drop: Vec<String>,
    /// How single columns are treated, by name.
    pub columns: BTreeMap<String, Rules>,
}

impl Cleaning {
    /// Reads the keys of `[clean]`; `[clean.columns.NAME]` is for one column.
    pub fn read(keys: &mut Keys) -> Result<Cleaning> {
        let rules = Rules::read(keys, &Rules::default(), false)?;
        let drop_duplicates = keys.flag("drop_duplicates", false)?;
        let drop = keys.strings("drop")?.unwrap_or_default();
        let mut columns = BTreeMap::new();
        for (name, value) in keys.table("columns")?.unwrap_or_default() {
            let place = format!("[clean.columns.{name}]");
            let Value::Table(table) = value else {
                return Err(Error::model(format!("{place}: found {value}; expected a table of keys such as type")));
            };
            let mut inner = Keys::new(table, place);
            columns.insert(name, Rules::read(&mut inner, &rules, true)?);
            inner.finish()?;
        }
        Ok(Cleaning { rules, drop_duplicates, drop, columns })
    }

    /// As TOML: read back, it gives the same.
    pub fn to_table(&self) -> Table {
        let mut t = self.rules.to_table(false);
        t.insert("drop_duplicates".into(), self.drop_duplicates.into());
        t.insert("drop".into(), self.drop.clone().into());
        let columns = self.columns.iter().map(|(name, rules)| (name.clone(), Value::Table(rules.to_table(true))));
        t.insert("columns".into(), Value::Table(columns.collect()));
        t
    }

    /// How a column is treated.
    pub fn rules(&self, column: &str) -> &Rules {
        self.columns.get(column).unwrap_or(&self.rules)
    }
}

fn outliers(keys: &mut Keys, base: Outliers) -> Result<Outliers> {
    let word = keys.text("outliers")?;
    if let Some(word) = word.as_deref().filter(|w| !OUTLIERS.contains(w)) {
        return Err(unknown("outliers", word, OUTLIERS.iter().copied()).context(keys.place()));
    }
    let base_reach = if let Outliers::Iqr(k) = base { k } else { FENCE };
    let reach = keys.real("clip_iqr", 0.0, 1e6, Some(base_reach))?;
    let quantiles = match keys.take("clip_quantiles") {
        None => None,
        Some(v) => {
            let number = |v: &Value| v.as_float().or(v.as_integer().map(|i| i as f64));
            let pair = v.as_array().filter(|a| a.len() == 2).and_then(|a| Some([number(&a[0])?, number(&a[1])?]));
            let good = pair.filter(|[low, high]| 0.0 <= *low && low < high && *high <= 1.0);
            Some(good.ok_or_else(|| {
                wrong(keys, "clip_quantiles", &v, "two numbers from 0 to 1, the smaller first, such as [0.01, 0.99]")
            })?)
        }
    };
    Ok(match (word.as_deref(), quantiles) {
        (Some("keep"), _) => Outliers::Keep,
        (None, None) if base == Outliers::Keep => Outliers::Keep,
        (_, Some(pair)) => Outliers::Quantiles(pair),
        (None, None) if matches!(base, Outliers::Quantiles(_)) => base,
        _ => Outliers::Iqr(reach),
    })
}

fn wrong(keys: &Keys, key: &str, found: &Value, expected: &str) -> Error {
    Error::model(format!("{}: {key} = {found}; expected {expected}", keys.place()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Cleaning> {
        let mut keys = Keys::new(text.parse().unwrap(), "[clean]");
        let cleaning = Cleaning::read(&mut keys)?;
        keys.finish()?;
        Ok(cleaning)
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let text = r#"
            missing = "constant"
            fill = -1
            indicator = true
            outliers = "clip"
            clip_iqr = 3
            max_categories = 7
            drop_duplicates = true
            drop = ["a"]
            [columns.Age]
            type = "category"
            outliers = "keep"
            categories = "ordinal"
            order = ["x", "y"]
            normalize = "robust"
            [columns.b]
            clip_quantiles = [0.01, 0.99]
            indicator = "auto"
        "#;
        let cleaning = read(text).unwrap();
        assert_eq!(cleaning.rules.fill.as_deref(), Some("-1"));
        assert_eq!(cleaning.rules.outliers, Outliers::Iqr(3.0));
        assert_eq!(cleaning.rules("Age").outliers, Outliers::Keep);
        assert_eq!((cleaning.rules("Age").max_categories, cleaning.rules("Age").missing), (7, Missing::Constant));
        assert_eq!(cleaning.rules("b").outliers, Outliers::Quantiles([0.01, 0.99]));
        assert_eq!(cleaning.rules("c"), &cleaning.rules);
        for cleaning in [cleaning, Cleaning::default()] {
            let text = toml::to_string(&cleaning.to_table()).unwrap();
            assert_eq!(read(&text).unwrap(), cleaning);
        }
        assert_eq!(read("").unwrap(), Cleaning::default());
    }

    #[test]
    fn mistakes_are_named() {
        let fails = |text: &str, part: &str| {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        fails("missing = \"medain\"", "did you mean \"median\"?");
        fails("missing = \"constant\"", "expected also fill");
        fails("type = \"number\"", "unknown key \"type\"");
        fails("[columns.Age]\ntyp = \"number\"", "[clean.columns.Age]: unknown key \"typ\"; did you mean \"type\"?");
        fails("[columns]\nAge = 3", "expected a table");
        fails("clip_quantiles = [0.9, 0.1]", "the smaller first");
        fails("outliers = \"cut\"", "keep, clip");
        fails("indicator = 3", "true, false or \"auto\"");
    }
}
