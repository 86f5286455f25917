//! The numbers of a column in other rows than those of training: with the other decimal
//! mark, with another unit or none, percentages for shares, hours and minutes for hours,
//! minutes and seconds. They are read for what they mean where that is certain, and it
//! is said; where it is not, that is an error.

use super::number::evidence::undecided;
use super::number::{Clock, Decimal, Format, Rescale, show};
use super::table::clip;

/// From so many cells on their spread tells how they are meant.
const MANY: usize = 10;
/// Shares of the range of training: numbers that are meant so fill more than the one and
/// not less than the other.
const NARROW: f64 = 0.05;
const WIDE: f64 = 0.2;
/// No share is larger.
const WHOLE: f64 = 1.0;
/// Numbers up to this may be shares above one, as growth has.
const GROWTH: f64 = 10.0;

/// A column of numbers as it was learned.
pub(in crate::data) struct Learned<'a> {
    /// Its name.
    pub name: &'a str,
    /// How its numbers were written.
    pub format: &'a Format,
    /// The smallest and the largest, where they are known.
    pub range: Option<[f64; 2]>,
}

/// How it stands with the decimal mark of some rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Mark {
    /// As in training.
    Learned,
    /// The other one.
    Other,
    /// Nothing tells.
    Unclear,
}

/// What cells tell of the decimal marks of columns.
pub(in crate::data) struct Marks {
    columns: Vec<Told>,
    /// Whether some column speaks for the learned mark, and for the other.
    speaks: [bool; 2],
}

/// Cells that only the learned decimal mark reads, up to the first, those that only the
/// other reads, and whether some may be either.
#[derive(Default)]
struct Told {
    learned: usize,
    other: usize,
    either: bool,
}

impl Marks {
    /// Those of columns, in order; `cells` gives the cells of one by its name.
    pub fn of<'c>(columns: &[Option<Learned>], cells: &dyn Fn(&str) -> Vec<&'c str>) -> Marks {
        let told = |c: &Option<Learned>| c.as_ref().map_or(Told::default(), |c| count(c, &cells(c.name)));
        let columns: Vec<Told> = columns.iter().map(told).collect();
        let speaks = [columns.iter().any(|t| t.learned > 0), columns.iter().any(|t| t.other > 0)];
        Marks { columns, speaks }
    }

    /// How it stands with a column. Where a whole file speaks for a mark, so do its
    /// columns that could be read either way: one program wrote them all.
    pub fn mark(&self, column: usize) -> Mark {
        let told = &self.columns[column];
        match (told.learned, told.other) {
            (0, 0) => match self.speaks {
                [false, false] if told.either => Mark::Unclear,
                [false, true] => Mark::Other,
                _ => Mark::Learned,
            },
            (0, _) => Mark::Other,
            _ => Mark::Learned,
        }
    }
}

/// What either mark reads, as another number, counts by the range of training, unless
/// training had groups of thousands, too.
fn count(column: &Learned, cells: &[&str]) -> Told {
    let format = column.format;
    // Without a mark a cell says nothing, and the first that speaks for the learned one decides.
    let cells = cells.iter().filter(|c| c.contains(['.', ',']));
    let other = with_other_mark(format);
    let usual = |x: f64| column.range.is_none_or(|[low, high]| (2.0 * low - high..=2.0 * high - low).contains(&x));
    let mut told = Told::default();
    for cell in cells {
        match (format.parse(cell), other.parse(cell)) {
            (Some(_), None) => told.learned += 1,
            (None, Some(_)) => told.other += 1,
            (Some(a), Some(b)) if a != b && !format.groups => match (usual(a), usual(b)) {
                (true, false) => told.learned += 1,
                (false, true) => told.other += 1,
                _ => told.either = true,
            },
            _ => {}
        }
        if told.learned > 0 {
            break;
        }
    }
    told
}

pub(super) fn with_other_mark(format: &Format) -> Format {
    let decimal = if format.decimal == Decimal::Point { Decimal::Comma } else { Decimal::Point };
    Format { decimal, ..format.clone() }
}

/// Cells that are no numbers in a format.
fn unread(format: &Format, cells: &[&str]) -> usize {
    cells.iter().filter(|c| format.parse(c).is_none()).count()
}

/// The format of the numbers of a column in some rows, and what to say about it where it
/// is another than the learned one.
///
/// Fails, with what was found, where the numbers may mean either of two things.
pub(in crate::data) fn rewritten(
    learned: &Learned,
    mark: Mark,
    cells: &[&str],
) -> Result<(Format, Vec<String>), String> {
    let (mut format, mut notes) = match otherwise(learned.format, mark == Mark::Other, cells) {
        Some((format, note)) => (format, vec![note]),
        None => (learned.format.clone(), vec![]),
    };
    if mark == Mark::Unclear && learned.format.unmarked {
        notes.extend(unclear(&format, cells));
    }
    let found = if format.durations { clocks(learned, &format, cells)? } else { percents(learned, &format, cells)? };
    if let Some((rescale, note)) = found {
        format.rescale = rescale;
        notes.push(note);
    }
    Ok((format, notes))
}

/// What to say of whole numbers that now have a mark which may group thousands.
fn unclear(format: &Format, cells: &[&str]) -> Option<String> {
    let cell = undecided(cells.iter().copied())?;
    let [now, then] = [format.clone(), with_other_mark(format)].map(|f| f.parse(cell).map(show));
    Some(format!(
        "\"{}\" is read as {}, which is assumed: it could be {}, and nothing in the file tells; write it without a mark \
         if it groups thousands",
        clip(cell),
        now?,
        then?
    ))
}

/// The format of some numbers where it is another than the learned one, and what to
/// say about it.
fn otherwise(learned: &Format, other_mark: bool, cells: &[&str]) -> Option<(Format, String)> {
    let mut format = if other_mark { with_other_mark(learned) } else { learned.clone() };
    if unread(&format, cells) > 0 {
        let found = Format::learn(cells, format.decimal == Decimal::Comma);
        if found.measures_as(&format) {
            format.unit = format.unit.or(found.unit);
            format.magnitudes |= found.magnitudes;
        }
    }
    if format == *learned {
        return None;
    }
    let [now, before] = [&format, learned].map(|f| unread(f, cells));
    if now > before || (now == before && !other_mark) {
        return None;
    }
    let mark = |f: &Format| if f.decimal == Decimal::Point { "decimal points" } else { "decimal commas" };
    let note = match &format.unit {
        _ if other_mark => format!("its numbers have {} here and had {} in training", mark(&format), mark(learned)),
        Some(unit) if learned.unit.is_none() => {
            format!("its numbers stand with \"{unit}\" here and had no unit in training; taken for the same unit")
        }
        _ => "its numbers are multiplied by k, M and the like here".into(),
    };
    Some((format, note))
}

/// Two readings of some numbers, as they stand and multiplied, by the range of training.
struct Readings {
    /// The share of each that lies in the range.
    inside: [f64; 2],
    /// How far the numbers of each are apart, by the range.
    spread: [f64; 2],
    count: usize,
}

impl Readings {
    fn of(values: &[f64], factor: f64, [low, high]: [f64; 2]) -> Readings {
        let span = high - low;
        // A range that begins above zero is one of sizes: what is far smaller is outside.
        let from = if low > 0.0 { 0.9 * low } else { low - NARROW * span };
        let to = high + NARROW * span;
        let n = values.len().max(1) as f64;
        let share = |by: f64| values.iter().filter(|&&x| (from..=to).contains(&(x * by))).count() as f64 / n;
        let ends = values.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], &x| [x.min(a), x.max(b)]);
        let apart = |by: f64| if span > 0.0 { (ends[1] - ends[0]) * by / span } else { 0.0 };
        Readings { inside: [share(1.0), share(factor)], spread: [apart(1.0), apart(factor)], count: values.len() }
    }

    /// Which of the two is meant: the one that lies in the range, or where both do, the
    /// one that fills it.
    fn meant(&self) -> Option<usize> {
        match self.inside.map(|share| share >= 0.5) {
            [true, false] => Some(0),
            [false, true] => Some(1),
            [true, true] if self.count >= MANY => {
                let fills = |a: usize, b: usize| self.spread[a] > WIDE && self.spread[b] < NARROW;
                [(0, 1), (1, 0)].into_iter().find(|&(a, b)| fills(a, b)).map(|(a, _)| a)
            }
            _ => None,
        }
    }
}

/// Whether numbers with a percent sign stand where training had none, or the other way
/// round, and what they are multiplied by.
fn percents(learned: &Learned, format: &Format, cells: &[&str]) -> Result<Option<(Rescale, String)>, String> {
    // A sign without a number is a missing cell.
    let has = |cell: &&&str| cell.contains('%') && format.parse(cell).is_some();
    let had = learned.format.unit.as_deref() == Some("%") && !learned.format.bare;
    let mixed = learned.format.unit.as_deref() == Some("%") && !had;
    let Some(example) = cells.iter().find(has).or(cells.iter().find(|c| had && format.parse(c).is_some())) else {
        return Ok(None);
    };
    if mixed || has(&example) == had {
        return Ok(None);
    }
    let of = if had { "no percent sign" } else { "percent signs" };
    let other = if had { "percent signs" } else { "none" };
    let found = format!("its numbers have {of} here and had {other} in training (\"{}\")", clip(example));
    let Some(range) = learned.range else {
        return Ok(Some((Rescale::No, format!("{found}; taken as they stand, as no range of training is known"))));
    };
    let values: Vec<f64> =
        cells.iter().filter(|c| had || has(c)).filter_map(|c| format.parse(c)).filter(|x| x.is_finite()).collect();
    let (factor, rescale) = if had { (100.0, Rescale::Shares) } else { (0.01, Rescale::Percentages) };
    let readings = Readings::of(&values, factor, range);
    let largest = range[0].abs().max(range[1].abs());
    let meant = match (had, largest) {
        // Training had shares: a percentage divides by 100, unless only what it says
        // without its sign would be as in training.
        (false, largest) if largest <= WHOLE => (readings.meant() != Some(0)).then_some(1),
        (false, largest) if largest > GROWTH && readings.inside[0] >= 0.5 => Some(0),
        _ => readings.meant(),
    };
    let [low, high] = range.map(show);
    match meant {
        Some(0) if had => Ok(Some((Rescale::No, format!("{found}; taken for percentages")))),
        Some(0) => Ok(Some((Rescale::No, format!("{found}; taken for the same unit, as they lie in its range")))),
        Some(_) if had => Ok(Some((rescale, format!("{found}; taken for shares, and multiplied by 100")))),
        Some(_) => Ok(Some((rescale, format!("{found}, as shares have; they are divided by 100")))),
        None => Err(format!(
            "{found}, where they went from {low} to {high}: whether they are to be multiplied by {factor} cannot be told"
        )),
    }
}

/// Whether durations have parts that training had not, and how they are meant.
fn clocks(learned: &Learned, format: &Format, cells: &[&str]) -> Result<Option<(Rescale, String)>, String> {
    let read: Vec<(&str, f64)> = cells.iter().filter_map(|c| Some((*c, format.parse(c)?))).collect();
    let parts = |colons: usize| read.iter().filter(|(c, _)| c.matches(':').count() == colons).count();
    let (short, long) = (parts(1), parts(2));
    let (Some(range), Some((example, seconds))) = (learned.range, read.first().copied()) else { return Ok(None) };
    let values: Vec<f64> = read.iter().map(|(_, x)| *x).collect();
    let [low, high] = range.map(|x| show(x / 60.0));
    let trained = format!("training went from {low} to {high} minutes");
    match (learned.format.clock, short, long) {
        (Clock::Long, 1.., 0) => match Readings::of(&values, 60.0, range).meant() {
            Some(0) => Ok(Some((
                Rescale::No,
                format!("\"{example}\" is taken for minutes and seconds, as {trained} (written as 1:00:00)"),
            ))),
            Some(_) => Ok(Some((
                Rescale::HoursMinutes,
                format!("\"{example}\" is taken for hours and minutes, as {trained} (written as 1:00:00)"),
            ))),
            None => Err(format!(
                "\"{example}\" may be hours and minutes ({} minutes) or minutes and seconds ({}), and {trained} (written \
                 as 1:00:00)",
                show(seconds),
                show(seconds / 60.0)
            )),
        },
        (Clock::Short, 0, 1..) => {
            let readings = Readings::of(&values, 1.0 / 60.0, range);
            let whole = read.iter().all(|(c, _)| c.trim_end().ends_with(":00"));
            match readings.inside.map(|share| share >= 0.5) {
                [false, true] if whole => Ok(Some((
                    Rescale::WithSeconds,
                    format!("\"{example}\" is hours, minutes and seconds, and training had hours and minutes"),
                ))),
                [false, true] => Err(format!(
                    "\"{example}\" has hours, minutes and seconds, and training had two parts, which were taken for \
                     minutes and seconds: {trained}"
                )),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cells of new rows are read as, and what is said.
    fn read(training: &[&str], range: [f64; 2], cells: &[&str]) -> Result<(Vec<f64>, String), String> {
        let format = Format::learn(training, false);
        let learned = Learned { name: "x", format: &format, range: Some(range) };
        let marks = Marks::of(&[Some(Learned { name: "x", format: &format, range: Some(range) })], &|_| cells.to_vec());
        let (format, notes) = rewritten(&learned, marks.mark(0), cells)?;
        Ok((cells.iter().map(|c| format.parse(c).unwrap()).collect(), notes.join("; ")))
    }

    fn reads(training: &[&str], range: [f64; 2], cells: &[&str], numbers: &[f64], said: &str) {
        let (found, notes) = read(training, range, cells).unwrap();
        assert!(found.iter().zip(numbers).all(|(a, b)| (a - b).abs() < 1e-9), "{cells:?}: {found:?}");
        assert!(if said.is_empty() { notes.is_empty() } else { notes.contains(said) }, "{notes}");
    }

    #[test]
    fn percentages_and_shares_are_the_same_or_refused() {
        let shares: &[&str] = &["0.123", "0.98", "0.02"];
        reads(shares, [0.02, 0.98], &["12.3%", "50 %"], &[0.123, 0.5], "divided by 100");
        reads(shares, [0.0, 0.98], &["0.5%"], &[0.005], "divided by 100");
        reads(shares, [0.2, 0.3], &["5%"], &[0.05], "divided by 100");
        assert!(read(shares, [0.2, 0.9], &["0.5%"]).unwrap_err().contains("cannot be told"));
        let percentages: &[&str] = &["12.3%", "98%", "2%"];
        reads(percentages, [2.0, 98.0], &["0.123", "0.5"], &[12.3, 50.0], "multiplied by 100");
        reads(percentages, [2.0, 98.0], &["12.3", "50"], &[12.3, 50.0], "taken for percentages");
        reads(percentages, [2.0, 98.0], &["12.3%", "50%"], &[12.3, 50.0], "");
        assert!(read(percentages, [0.1, 98.0], &["0.5"]).unwrap_err().contains("cannot be told"));
        let many: Vec<String> = (1..50).map(|i| format!("0.{i:02}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(read(percentages, [0.1, 98.0], &many).unwrap().1.contains("multiplied by 100"));
        // Numbers of percent without their sign.
        reads(&["12.3", "98"], [2.0, 98.0], &["12.3%", "50%"], &[12.3, 50.0], "same unit");
        reads(&["-0.5", "2.3"], [-0.5, 2.3], &["12%", "150%"], &[0.12, 1.5], "divided by 100");
        assert!(read(&["-0.5", "2.3"], [-0.5, 2.3], &["1.2%"]).is_err());
    }

    #[test]
    fn a_sign_without_a_number_says_nothing() {
        let format = Format::learn(&["0.5", "10.5"], false);
        let learned = Learned { name: "x", format: &format, range: Some([0.5, 10.5]) };
        assert_eq!(rewritten(&learned, Mark::Learned, &["1.5", "%", "2.5"]), Ok((format.clone(), vec![])));
    }

    #[test]
    fn durations_of_two_parts_go_by_the_range() {
        let long: &[&str] = &["1:26:00", "4:59:00"];
        reads(long, [1800.0, 18_000.0], &["1:26", "2:00"], &[5160.0, 7200.0], "hours and minutes");
        reads(long, [30.0, 120.0], &["1:26", "0:40"], &[86.0, 40.0], "minutes and seconds");
        assert!(read(long, [30.0, 18_000.0], &["1:26"]).unwrap_err().contains("may be hours and minutes"));
        assert!(read(long, [10_000.0, 18_000.0], &["1:26"]).is_err());
        reads(long, [1800.0, 18_000.0], &["1:26:00", "48:07"], &[5160.0, 2887.0], "");
        reads(&["48:07", "1:48:07"], [2887.0, 6487.0], &["48:07"], &[2887.0], "");
        let short: &[&str] = &["1:26", "4:59"];
        reads(short, [86.0, 299.0], &["1:26:00"], &[86.0], "hours, minutes and seconds");
        reads(short, [86.0, 3599.0], &["1:00:01"], &[3601.0], "");
        assert!(read(short, [86.0, 299.0], &["1:26:30"]).is_err());
    }

    #[test]
    fn marks_of_new_rows_go_by_the_range_or_are_told() {
        reads(&["312", "7"], [1.0, 3000.0], &["1.908"], &[1.908], "which is assumed: it could be 1908");
        reads(&["2312", "2907"], [2000.0, 3000.0], &["1.908"], &[1908.0], "decimal commas here");
        reads(&["312.5", "7"], [1.0, 3000.0], &["1.908"], &[1.908], "");
    }
}
