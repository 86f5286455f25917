//! The rows of a table in the order of time.

use super::infer::{Inferred, infer};
use super::kind::Kind;
use super::names::says_period;
use super::{Format, Table, TableOptions, date};
use crate::data::split::{self, Split};
use crate::error::{Error, Result};
use chrono::NaiveDateTime;

/// How the dates of a column are written, if it holds dates. Eight digits are
/// dates where the name says so.
pub fn date_format(table: &Table, name: &str, seen: &Inferred) -> Option<String> {
    if seen.kind == Kind::Date {
        return seen.date_format.clone();
    }
    let says = date::says_time(name) || says_period(name);
    let cells = table.column(name).ok()?.cells.present();
    let (format, fits) = says.then(|| date::detect(cells.clone())).flatten()?;
    (fits == cells.count()).then_some(format)
}

/// When a row is from.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum When {
    /// Nobody knows. It counts as older than any other, so that it is trained on:
    /// what is held out is known to be the latest.
    Unknown,
    Date(NaiveDateTime),
    Number(f64),
}

/// The column that says when a row is from.
struct Clock {
    column: usize,
    /// How its dates are written; `None` where it holds numbers, which say it
    /// where `data.date` names their column.
    format: Option<String>,
    numbers: Format,
    /// Other columns of dates.
    others: Vec<String>,
}

impl Clock {
    /// The column that the options name, or the first that holds dates; `None`
    /// where none does. Targets say nothing of when.
    fn of(table: &Table, options: &TableOptions) -> Result<Option<Clock>> {
        if options.date.as_deref() == Some("none") {
            return Ok(None);
        }
        let look = |i: usize| {
            let column = &table.columns[i];
            let rules = options.cleaning.rules(&column.name);
            infer(column, rules, table.likely())
        };
        if let Some(name) = &options.date {
            let column = table.find(name).map_err(|e| e.context("[data]: date"))?;
            let (seen, name) = (look(column), &table.columns[column].name);
            let format = date_format(table, name, &seen);
            let numbers = seen.stats.numbers == seen.stats.rows - seen.stats.missing;
            if format.is_none() && seen.kind != Kind::Number && !numbers {
                return Err(Error::data(format!(
                    "[data]: date = \"{name}\": that column of {} holds neither dates nor numbers ({}: {}); expected \
                     one that says when a row is from",
                    table.name,
                    seen.kind.name(),
                    seen.why
                )));
            }
            return Ok(Some(Clock { column, format, numbers: seen.format.clone(), others: vec![] }));
        }
        let targets: Vec<usize> = options.target.iter().filter_map(|t| table.find(t).ok()).collect();
        let mut found = (0..table.columns.len()).filter(|i| !targets.contains(i)).filter_map(|column| {
            let seen = look(column);
            let format = date_format(table, &table.columns[column].name, &seen)?;
            Some(Clock { column, format: Some(format), numbers: seen.format.clone(), others: vec![] })
        });
        let Some(mut first) = found.next() else { return Ok(None) };
        first.others = found.map(|c| table.columns[c.column].name.clone()).collect();
        Ok(Some(first))
    }

    fn when(&self, cell: Option<&str>) -> When {
        let Some(cell) = cell else { return When::Unknown };
        match &self.format {
            Some(format) => date::instant(cell, format).map_or(When::Unknown, When::Date),
            None => self.numbers.parse(cell).map_or(When::Unknown, When::Number),
        }
    }
}

/// The name of the column that says when a row is from, if one does.
///
/// Fails when the column that the options name is not there or says nothing of when.
pub fn column(table: &Table, options: &TableOptions) -> Result<Option<String>> {
    Ok(Clock::of(table, options)?.map(|clock| table.columns[clock.column].name.clone()))
}

/// Rows in the order of time.
pub struct InTime {
    /// Their places among those that were asked for, the oldest first; of equal
    /// dates in the order of the file.
    pub order: Vec<usize>,
    /// What decided, and what there is to say about it.
    pub notes: Vec<String>,
    whens: Vec<When>,
}

/// The order of some rows of a table by its column of dates. The notes say which
/// column decided, or that there is none and the order of the file did.
///
/// Fails when the column that the options name is not there or says nothing of
/// when, and when no row has a date.
pub fn order(table: &Table, rows: &[usize], options: &TableOptions) -> Result<InTime> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let Some(clock) = Clock::of(table, options)? else {
        let why = if options.date.is_some() { "data.date = \"none\"" } else { "no column holds dates" };
        let notes = vec![format!(
            "{} is split by time: {why}, so the rows are taken to be in the order of time; data.date names a column",
            table.name
        )];
        return Ok(InTime { order, notes, whens: vec![When::Unknown; rows.len()] });
    };
    let column = &table.columns[clock.column];
    let whens: Vec<When> = rows.iter().map(|&row| clock.when(column.cells.at(row))).collect();
    let known: Vec<When> = whens.iter().copied().filter(|w| *w != When::Unknown).collect();
    if known.is_empty() {
        return Err(Error::data(format!(
            "{} is split by time, and no row has a date in column \"{}\"; name another with data.date",
            table.name, column.name
        )));
    }
    // A sort that leaves equal ones as they stand.
    order.sort_by(|&a, &b| whens[a].partial_cmp(&whens[b]).expect("dates and numbers have an order"));
    let stand = match known.is_sorted() {
        true => "",
        false if known.iter().rev().is_sorted() => ", of which the latest stand first",
        false => ", in whose order the rows do not stand",
    };
    let written = clock.format.as_ref().map_or("numbers".into(), |f| format!("dates written as {f}"));
    let mut notes = vec![format!("{} is split by time, by \"{}\" ({written}{stand})", table.name, column.name)];
    if !clock.others.is_empty() {
        notes.push(format!(
            "\"{}\" is the first column of dates; there is also {}, and data.date names the one that decides",
            column.name,
            clock.others.iter().map(|o| format!("\"{o}\"")).collect::<Vec<_>>().join(", ")
        ));
    }
    let cells = column.cells.present();
    notes.extend(clock.format.as_ref().and_then(|format| date::either_order(&column.name, format, cells)));
    if known.len() < rows.len() {
        notes.push(format!(
            "{} without a date in \"{}\" count as the oldest",
            counted(rows.len() - known.len()),
            column.name
        ));
    }
    Ok(InTime { order, notes, whens })
}

fn counted(rows: usize) -> String {
    if rows == 1 { "1 row".into() } else { format!("{rows} rows") }
}

/// Holds out the latest share of some rows of a table. The split is of places in
/// `rows`; the notes are those of [`order`], and where dates stand on both sides.
///
/// Fails when the share is not between 0 and 1, there are fewer than two rows, and
/// as [`order`] does.
pub fn split(table: &Table, rows: &[usize], options: &TableOptions, share: f64) -> Result<(Split, Vec<String>)> {
    let cut = split::by_time(&table.name, rows.len(), share)?.kept.len();
    let InTime { order, mut notes, whens } = self::order(table, rows, options)?;
    let (early, late) = order.split_at(cut);
    let border = whens[late[0]];
    let at_border = |part: &[usize]| part.iter().filter(|&&i| whens[i] == border).count();
    if border != When::Unknown && at_border(early) > 0 {
        notes.push(format!(
            "{}: one date is on both sides of the split: {} of it are trained on, {} held out",
            table.name,
            counted(at_border(early)),
            at_border(late)
        ));
    }
    Ok((Split { kept: in_file(early), held: in_file(late) }, notes))
}

/// Folds that keep the order of time: each is tested on the rows behind those
/// that it is trained on, and trains on all before them.
///
/// Fails when there are fewer than two folds, or fewer rows than parts, and as
/// [`order`] does.
pub fn expanding(table: &Table, options: &TableOptions, folds: usize) -> Result<Vec<Split>> {
    let rows = table.all_rows();
    let block = rows.len() / folds.saturating_add(1);
    if folds < 2 || block == 0 {
        return Err(Error::usage(format!(
            "cannot make {folds} folds of {} in the order of time: expected 2 to {}, one less than its rows",
            table.name,
            rows.len().saturating_sub(1)
        )));
    }
    let order = self::order(table, &rows, options)?.order;
    let fold = |i: usize| {
        let end = rows.len() - (folds - 1 - i) * block;
        Split { kept: in_file(&order[..end - block]), held: in_file(&order[end - block..end]) }
    };
    Ok((0..folds).map(fold).collect())
}

/// Places in the order of the file.
fn in_file(part: &[usize]) -> Vec<usize> {
    let mut part = part.to_vec();
    part.sort_unstable();
    part
}

#[cfg(test)]
mod tests {
    use super::super::ReadOptions;
    use super::*;

    fn table(text: &str) -> Table {
        Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap()
    }

    fn held(text: &str, options: &TableOptions, share: f64) -> (Vec<usize>, String) {
        let table = table(text);
        let (split, notes) = super::split(&table, &table.all_rows(), options, share).unwrap();
        let mut all = [split.kept.clone(), split.held.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, table.all_rows(), "every row is on one side");
        (split.held, notes.join("\n"))
    }

    fn dated(name: &str) -> TableOptions {
        TableOptions { date: Some(name.into()), ..TableOptions::default() }
    }

    #[test]
    fn the_latest_dates_are_held_out_wherever_they_stand() {
        let base = TableOptions::default();
        let shuffled = "when,x,y\n2020-03-01,1,2\n2020-01-01,2,3\n2020-04-01,3,5\n2020-02-01,4,7\n";
        let (rows, said) = held(shuffled, &base, 0.5);
        assert_eq!(rows, [0, 2]);
        assert!(said.contains("by \"when\"") && said.contains("in whose order the rows do not stand"), "{said}");
        let falling = "x,when,y\n1,04.01.2020,2\n2,03.01.2020,3\n3,02.01.2020,5\n4,01.01.2020,7\n";
        let (rows, said) = held(falling, &base, 0.25);
        assert_eq!(rows, [0]);
        assert!(said.contains("the latest stand first"), "{said}");
        // Eight digits are dates where the name says so.
        assert_eq!(held("date,x,y\n20200401,1,2\n20200101,2,3\n20200201,3,4\n", &base, 0.34).0, [0]);
    }

    #[test]
    fn gaps_ties_and_other_dates_are_told() {
        let base = TableOptions::default();
        let gaps = "when,x,y\n,1,2\n2020-02-01,2,3\n2020-01-01,3,5\n2020-02-01,4,7\n";
        let (rows, said) = held(gaps, &base, 0.25);
        assert_eq!(rows, [3], "of equal dates the later row");
        assert!(said.contains("1 row without a date") && said.contains("on both sides"), "{said}");
        let two = "made,sold,x,y\n2020-01-01,2021-03-01,1,2\n2020-02-01,2021-02-01,2,3\n2020-03-01,2021-01-01,3,4\n";
        let (rows, said) = held(two, &base, 0.34);
        assert_eq!(rows, [2]);
        assert!(said.contains("there is also \"sold\""), "{said}");
        let (rows, said) = held(two, &dated("sold"), 0.34);
        assert_eq!(rows, [0]);
        assert!(said.contains("by \"sold\"") && !said.contains("also"), "{said}");
    }

    #[test]
    fn without_dates_the_file_decides_and_it_is_said() {
        let plain = "year,x,y\n3,1,2\n1,2,3\n2,3,5\n";
        let (rows, said) = held(plain, &TableOptions::default(), 0.34);
        assert_eq!(rows, [2]);
        assert!(said.contains("no column holds dates"), "{said}");
        assert_eq!(held(plain, &dated("year"), 0.34).0, [0], "numbers say when, where they are named");
        let words = table("w,y\nred,1\nblue,2\nred,1\nblue,3\n");
        let refused = |name| split(&words, &[0, 1, 2, 3], &dated(name), 0.5).unwrap_err().to_string();
        assert!(refused("w").contains("neither dates nor numbers"));
        assert!(refused("z").contains("[data]: date"));
    }

    #[test]
    fn folds_never_train_on_what_is_later() {
        let row = |i: usize| format!("2020-01-{:02},{},{}\n", 30 - i, i * i % 7, i);
        let falling = table(&format!("when,x,y\n{}", (0..20).map(row).collect::<String>()));
        let folds = expanding(&falling, &TableOptions::default(), 3).unwrap();
        assert_eq!(folds.len(), 3);
        for f in &folds {
            // Rows with high numbers are the old ones.
            assert!(f.held.len() == 5 && f.held.iter().max() < f.kept.iter().min(), "{f:?}");
        }
        assert!(expanding(&falling, &TableOptions::default(), 20).is_err());
    }
}
