//! What a column holds: numbers, categories, dates, text, or marks that only
//! tell rows apart.

use super::clean::{Cleaning, Rules, TextUse};
use super::date;
use super::kind::Kind;
use super::missing::is_error_of_sheet;
use super::names::says_period;
use super::number::evidence::{FileMark, Likely, undecided};
use super::number::plain;
use super::number::{Decimal, Format, says_nothing, show, spelled};
use super::table::{Column, Table, clip};
use super::text::{self, TextRule};
use super::values::Values;
use rayon::prelude::*;
use serde::Serialize;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

/// The counts behind the kind of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// Rows looked at.
    pub rows: usize,
    /// Missing cells among them.
    pub missing: usize,
    /// Cells that are finite numbers.
    pub numbers: usize,
    /// Cells that say infinity, or a number beyond 3.4e38.
    pub infinite: usize,
    /// Whether all those numbers are whole.
    pub whole: bool,
    /// Cells that are dates.
    pub dates: usize,
}

/// What was found out about a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Inferred {
    /// What it holds.
    pub kind: Kind,
    /// Why, for people.
    pub why: String,
    /// The counts.
    pub stats: Stats,
    /// How its numbers are written.
    pub format: Format,
    /// How its dates are written.
    pub date_format: Option<String>,
    /// It is a category of which most values are rare, such as names that recur.
    pub sparse: bool,
    /// What a user should know where it could be taken for something else.
    pub doubt: Option<String>,
    /// What a user should know where its numbers could be read as others.
    pub assumed: Option<String>,
}

impl Inferred {
    /// What a user should know about the dates of the column: that day and month could be
    /// exchanged, or that it looks like dates and is not understood.
    pub fn dates(&self, column: &Column) -> Option<String> {
        let cells = || column.cells.present();
        if let Some(format) = self.date_format.as_ref().filter(|_| self.kind == Kind::Date) {
            return date::either_order(&column.name, format, cells());
        }
        let words = matches!(self.kind, Kind::Text | Kind::Identifier | Kind::Category) && self.why != CONFIGURED;
        let example = date::looks_like(cells()).filter(|_| words && self.stats.numbers < self.stats.rows / 2)?;
        Some(format!(
            "{}: its cells look like dates (\"{}\") and are in no way of writing that is known, so it is taken for {}; \
             write them as 2020-01-31 23:00",
            column.name,
            clip(example),
            self.kind.name()
        ))
    }
}

/// Why a column holds what a configuration says.
pub(super) const CONFIGURED: &str = "as configured";

/// The share of present cells that decides.
const MOST: f64 = 0.95;
/// How often values occur on average that are names which recur.
const RECURS: f64 = 1.3;

/// What a column was found to hold, with what that depends on beside its cells.
struct Known {
    name: String,
    declared: Vec<String>,
    rules: Rules,
    likely: Likely,
    seen: Arc<Inferred>,
}

/// Finds out what a column holds. `rules` may say it outright; `likely` is what the file
/// says of decimal marks. It is done once as long as the column stays as it is.
pub fn infer(column: &Column, rules: &Rules, likely: Likely) -> Arc<Inferred> {
    let is = |known: &Known| {
        (&known.name, &known.declared, &known.rules, known.likely) == (&column.name, &column.declared, rules, likely)
    };
    let find = || Known {
        name: column.name.clone(),
        declared: column.declared.clone(),
        rules: rules.clone(),
        likely,
        seen: Arc::new(find_out(column, rules, likely)),
    };
    column.cells.remembered(is, find).seen.clone()
}

/// [`infer`] for all columns of a table, on all cores.
pub fn infer_all(table: &Table, cleaning: &Cleaning) -> Vec<Arc<Inferred>> {
    table.columns.par_iter().map(|c| infer(c, cleaning.rules(&c.name), table.likely())).collect()
}

fn find_out(column: &Column, rules: &Rules, likely: Likely) -> Inferred {
    let values = Values::of_column(&column.cells);
    let n = values.cells();
    let (format, numbers) = written(&values, likely);
    let numeric = numbers.finite as f64 >= MOST * n as f64;
    let named = date::says_time(&column.name) || says_period(&column.name);
    let seek_dates = rules.kind == Some(Kind::Date) || !numeric || named;
    let dates = if seek_dates { date::detected(&values) } else { None };
    // Digits are dates only where all of them are: seconds since 1970, dates with hours, months.
    let since_1970 = |(way, fits): &(String, usize)| *fits == n && date::is_digits(way);
    let dates = dates.filter(|d| !numeric || rules.kind == Some(Kind::Date) || since_1970(d));
    let stats = Stats {
        rows: column.cells.len(),
        missing: column.cells.len() - n,
        numbers: numbers.finite,
        infinite: numbers.infinite,
        whole: numbers.whole,
        dates: dates.as_ref().map_or(0, |d| d.1),
    };
    let mut sparse = false;
    let (kind, why) = match rules.kind {
        _ if n == 0 => (Kind::Empty, "all cells are missing".into()),
        Some(kind) => (kind, CONFIGURED.into()),
        None if !column.declared.is_empty() => {
            (Kind::Category, format!("the file declares its {} values", column.declared.len()))
        }
        None => decide(column, &values, &numbers, &stats, &format, rules, &mut sparse),
    };
    let is_open = rules.kind.is_none() && column.declared.is_empty();
    let doubt = is_open.then(|| doubt(column, kind, &why, &values, &format, &stats)).flatten();
    let assumed = if kind == Kind::Number { assumed(column, &values, &format, likely) } else { None };
    Inferred { kind, why, stats, format, date_format: dates.map(|d| d.0), sparse, doubt, assumed }
}

/// The numbers among the values of a column.
struct Numbers {
    /// Cells that are finite numbers.
    finite: usize,
    /// Cells that say infinity, or more than a float can hold.
    infinite: usize,
    /// Whether all finite ones are whole.
    whole: bool,
    /// The smallest and the largest.
    range: [f64; 2],
    /// Whether they stand in order.
    sorted: bool,
    /// Whether all cells are digits with a sign, a point and an exponent at most.
    unadorned: bool,
    /// Whether none of these has a point.
    unmarked: bool,
}

impl Numbers {
    fn of(values: &Values, format: &Format) -> Numbers {
        let range = [f64::INFINITY, f64::NEG_INFINITY];
        let (unadorned, unmarked) = (true, true);
        let mut all = Numbers { finite: 0, infinite: 0, whole: true, range, sorted: true, unadorned, unmarked };
        let (mut last, is_usual) = (f64::NEG_INFINITY, *format == Format::default());
        for (word, n) in values.iter() {
            let number = match plain::short(word.as_bytes()).filter(|_| is_usual) {
                Some((x, point)) => {
                    all.unmarked &= !point;
                    Some(x)
                }
                None => {
                    let is_plain = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E');
                    all.unadorned = all.unadorned && word.bytes().all(is_plain);
                    all.unmarked &= all.unadorned && !word.contains('.');
                    format.parse(word)
                }
            };
            match number {
                Some(x) if x.is_finite() => {
                    all.finite += n;
                    all.whole &= x.fract() == 0.0;
                    all.range = [all.range[0].min(x), all.range[1].max(x)];
                    all.sorted &= last <= x;
                    last = x;
                }
                Some(_) => all.infinite += n,
                None => all.unadorned = false,
            }
        }
        all
    }
}

/// How the numbers of a column are written, and what they are.
fn written(values: &Values, likely: Likely) -> (Format, Numbers) {
    // Most columns of numbers are digits and points, and are passed over once.
    let plain = Format::default();
    let numbers = Numbers::of(values, &plain);
    if values.cells() > 0 && likely.file.known() != Some(Decimal::Comma) && numbers.unadorned {
        return (Format { unmarked: numbers.unmarked, ..plain }, numbers);
    }
    let format = Format::learned(values, likely);
    let numbers = Numbers::of(values, &format);
    (format, numbers)
}

fn decide(
    column: &Column,
    values: &Values,
    numbers: &Numbers,
    stats: &Stats,
    format: &Format,
    rules: &Rules,
    sparse: &mut bool,
) -> (Kind, String) {
    let n = values.cells();
    // Counting values takes as long as reading numbers, and those rarely ask.
    let count = OnceCell::new();
    let distinct = || *count.get_or_init(|| values.distinct());
    let share = |count: usize| count as f64 / n as f64;
    if n > 0 && stats.dates == n && stats.numbers == n {
        return (Kind::Date, "all cells are dates in digits, and its name says so".into());
    }
    let marked = says_identifier(&column.name) && n > 1 && distinct() == n;
    let numeric = stats.numbers + stats.infinite;
    // What stands where there is no number does not count.
    let is_other = |c: &str| format.parse(c).is_none() && !says_nothing(c) && !is_error_of_sheet(c);
    let others = if numeric < n { values.count(is_other) } else { 0 };
    let mostly = numeric as f64 >= MOST * (numeric + others) as f64;
    let one_word = || {
        let mut words = values.words().filter(|c| is_other(c));
        let first = words.next();
        first.is_some() && words.all(|word| Some(word) == first)
    };
    if share(numeric) >= 0.5 && (mostly || (one_word() && distinct() > 2)) {
        return match identifies(&column.name, numbers, stats, marked, &distinct) {
            Some(why) => (Kind::Identifier, why),
            None if numeric < n => (Kind::Number, format!("{numeric} of {n} cells are numbers")),
            None => (Kind::Number, "all cells are numbers".into()),
        };
    }
    if share(stats.dates) >= MOST {
        return (Kind::Date, format!("{} of {n} cells are dates", stats.dates));
    }
    if marked {
        return (Kind::Identifier, "every value is different, and its name says so".into());
    }
    let text = rules.text == TextUse::Auto;
    let mut spellings: HashMap<Cow<str>, usize> = HashMap::new();
    values.iter().for_each(|(word, n)| *spellings.entry(spelled(word)).or_default() += n);
    let repeats = n as f64 / spellings.len() as f64;
    if repeats >= 3.0 || (repeats >= 2.0 && spellings.len() <= 20) {
        let mut counts: Vec<usize> = spellings.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        *sparse = text && 2 * counts.iter().take(rules.max_categories).sum::<usize>() < n;
        return (Kind::Category, format!("{} values recur in {n} cells", spellings.len()));
    }
    let column_cells: Vec<Option<&str>> = column.cells.iter().collect();
    let rule = text::learn(&column_cells, rules.max_categories, rules.least(column.cells.len()), rules.max_words);
    let recurring: usize = spellings.values().filter(|&&count| count > 1).sum();
    // Names are themselves before they are made of words; codes are made of letters first.
    if text && repeats >= RECURS && 2 * recurring >= n && !matches!(rule, Some(TextRule::Prefix(_))) {
        *sparse = true;
        return (Kind::Category, format!("{} values, of which most recur: {recurring} of {n} cells", spellings.len()));
    }
    if rule.is_some() {
        return (Kind::Text, format!("{} different values in {n} cells, with parts that recur", distinct()));
    }
    match distinct() == n {
        true if n > 1 => (Kind::Identifier, format!("all {n} values are different and have nothing in common")),
        _ => (Kind::Text, format!("{} different values in {n} cells", distinct())),
    }
}

/// What to say of a column that is mostly numbers and not taken for them.
fn doubt(column: &Column, kind: Kind, why: &str, values: &Values, format: &Format, stats: &Stats) -> Option<String> {
    let numeric = stats.numbers + stats.infinite;
    if kind == Kind::Number || kind == Kind::Date || 2 * numeric < values.cells().max(1) {
        return None;
    }
    let name = &column.name;
    let others: Vec<&str> = values.words().filter(|c| format.parse(c).is_none()).take(3).collect();
    let keep = format!("set [clean.columns.\"{name}\"] type = \"number\" to take it for numbers");
    Some(match others.is_empty() {
        true => format!("{name}: numbers, taken for an {} because {why}; {keep}", kind.name()),
        false => format!(
            "{name}: {numeric} of {} cells are numbers and others are like \"{}\", so it is taken for {}; {keep} (the \
             others then count as missing)",
            values.cells(),
            others.iter().map(|c| clip(c)).collect::<Vec<_>>().join("\", \""),
            kind.name()
        ),
    })
}

/// What to say of numbers that can be read with either decimal mark: which was assumed,
/// where the file does not tell, or that other columns decided against what is usual.
fn assumed(column: &Column, values: &Values, format: &Format, likely: Likely) -> Option<String> {
    if matches!(likely.file, FileMark::Given(_)) || format.unmarked {
        return None;
    }
    let usual = Format::learned(values, Likely { file: FileMark::Unknown, ..likely });
    let decided = likely.file != FileMark::Unknown;
    if decided && usual.decimal == format.decimal {
        return None;
    }
    let cell = undecided(values.words())?;
    let other = if format.decimal == Decimal::Point { Decimal::Comma } else { Decimal::Point };
    let read = |decimal| Format { decimal, ..format.clone() }.parse(cell).map(show);
    let (now, then) = (read(format.decimal)?, read(other)?);
    let mark = |decimal| if decimal == Decimal::Point { "point" } else { "comma" };
    let why = match decided {
        true => format!("because the other columns have decimal {}s", mark(format.decimal)),
        false => "which is assumed: no cell of the file shows which mark is the decimal one".into(),
    };
    Some(format!(
        "{}: \"{}\" is read as {now}, {why}; data.decimal = \"{}\" reads {then}",
        column.name,
        clip(cell),
        mark(other)
    ))
}

/// Why whole numbers, all different, are marks and no measurements: the name
/// says so, or they count rows.
fn identifies(
    column: &str,
    numbers: &Numbers,
    stats: &Stats,
    marked: bool,
    distinct: &dyn Fn() -> usize,
) -> Option<String> {
    let n = numbers.finite;
    if !stats.whole || stats.infinite > 0 || stats.missing > 0 || n < 3 {
        return None;
    }
    if marked {
        return Some("every value is different, and its name says so".into());
    }
    if says_measure(column) {
        return None;
    }
    let [min, max] = numbers.range;
    // Training rows are a part of all rows, so there may be holes.
    let holes = if numbers.sorted { 5.0 } else { 1.5 };
    let counts = n >= 20 && min >= 0.0 && max < holes * n as f64;
    (counts && distinct() == stats.rows).then(|| "it counts the rows".into())
}

/// Whether the name of a column says that its numbers mean something even where they
/// count the rows.
fn says_measure(name: &str) -> bool {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    words.into_iter().any(|w| {
        matches!(
            w,
            "rank"
                | "ranking"
                | "place"
                | "position"
                | "pos"
                | "level"
                | "score"
                | "grade"
                | "year"
                | "month"
                | "week"
                | "day"
                | "days"
                | "hour"
                | "hours"
                | "minute"
                | "second"
                | "time"
                | "age"
                | "step"
                | "epoch"
                | "distance"
                | "depth"
                | "height"
                | "length"
                | "price"
                | "size"
                | "count"
                | "mileage"
                | "km"
                | "rang"
                | "platz"
        )
    })
}

/// Whether the name of a column says that it tells rows apart.
fn says_identifier(name: &str) -> bool {
    let lower = name.to_lowercase();
    let camel = ["Id", "ID"].iter().any(|end| {
        name.strip_suffix(end)
            .and_then(|head| head.chars().last())
            .is_some_and(|c| c.is_lowercase() || !c.is_alphanumeric())
    });
    let ends = ["_id", " id", "-id", ".id", "uuid", "guid"].iter().any(|end| lower.ends_with(end));
    camel
        || ends
        || matches!(
            lower.as_str(),
            "id" | "index" | "key" | "no" | "no." | "nr" | "number" | "#" | "row" | "unnamed: 0"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, cells: impl IntoIterator<Item = impl ToString>) -> Column {
        let some = |c: String| (!c.is_empty()).then_some(c);
        Column::new(name, cells.into_iter().map(|c| some(c.to_string())).collect())
    }

    fn found(name: &str, cells: impl IntoIterator<Item = impl ToString>) -> Arc<Inferred> {
        infer(&column(name, cells), &Rules::default(), Likely::default())
    }

    #[test]
    fn kinds_are_told_apart() {
        let cycle = |all: &[&'static str], n| all.iter().copied().cycle().take(n).collect::<Vec<_>>();
        assert_eq!(found("x", ["1.5", "2", "", "3"]).kind, Kind::Number);
        assert_eq!(found("x", cycle(&["yes", "no", "no"], 30)).kind, Kind::Category);
        assert_eq!(found("x", cycle(&["2020-01-01", "2020-02-03", ""], 30)).kind, Kind::Date);
        assert_eq!(found("x", ["", ""]).kind, Kind::Empty);
        assert_eq!(found("PassengerId", [3, 1, 2]).kind, Kind::Identifier);
        assert_eq!(found("paid", [3, 1, 2]).kind, Kind::Number);
        assert_eq!(found("n", 100..200).kind, Kind::Identifier);
        assert_eq!(found("World rank", 1..200).kind, Kind::Number);
        assert_eq!(found("income", (0..100).map(|i| 20_000 + 137 * i)).kind, Kind::Number);
        assert_eq!(found("x", (0..40).map(|i| format!("k{}z q{}", i * 7919, i * 31))).kind, Kind::Identifier);
        let names = (0..40).map(|i| format!("X{i}y, {}. Z{i}q", ["Mr", "Mrs"][i % 2]));
        assert_eq!(found("x", names).kind, Kind::Text);
    }

    #[test]
    fn a_word_among_numbers_does_not_spoil_them() {
        let mut cells: Vec<String> = (0..30).map(|i| format!("{}.5", i * 3)).collect();
        cells.extend(["unknown".to_string(), "unknown".into(), "inf".into()]);
        let found = found("x", cells);
        assert_eq!((found.kind, found.stats.numbers, found.stats.infinite), (Kind::Number, 30, 1));
    }

    #[test]
    fn what_is_assumed_of_decimal_marks_is_said() {
        let read = |file, commas| {
            let column = column("n", ["312", "1.908", "2.841"]);
            infer(&column, &Rules::default(), Likely { file, commas })
        };
        let assumed = read(FileMark::Unknown, true).assumed.clone().unwrap();
        assert!(assumed.contains("\"1.908\" is read as 1.908, which is assumed"), "{assumed}");
        assert!(assumed.ends_with("data.decimal = \"comma\" reads 1908"), "{assumed}");
        let decided = read(FileMark::Proven(Decimal::Comma), true);
        assert_eq!((decided.stats.whole, decided.format.parse("1.908")), (true, Some(1908.0)));
        assert!(decided.assumed.as_ref().unwrap().contains("because the other columns have decimal commas"));
        assert_eq!(read(FileMark::Proven(Decimal::Point), true).assumed, None);
        assert_eq!(read(FileMark::Given(Decimal::Comma), false).assumed, None);
        assert_eq!(found("x", ["1.5", "1.908"]).assumed, None);
    }

    #[test]
    fn rules_and_commas_are_heard() {
        let rules = Rules { kind: Some(Kind::Category), ..Rules::default() };
        let numbers = column("x", ["1", "2", "3"]);
        assert_eq!(infer(&numbers, &rules, Likely::default()).kind, Kind::Category);
        let prices = column("x", ["1,5", "2,25", "3"]);
        assert_eq!(infer(&prices, &Rules::default(), Likely::default()).format.decimal, Decimal::Comma);
        let either = column("x", ["1,500", "2,250"]);
        assert_eq!(infer(&either, &Rules::default(), Likely::default()).format.decimal, Decimal::Point);
        assert_eq!(infer(&either, &Rules::default(), Likely::from(true)).format.decimal, Decimal::Comma);
    }
}
