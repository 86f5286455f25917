//! How the numbers of a column are written: learned from its training cells, applied
//! to any cell. One column has one way: cells that are written in another are no
//! numbers in it.

use super::super::values::Values;
use super::decimal::Decimal;
use super::evidence::Likely;
use super::plain;
use super::written::{Bound, seconds, take_apart, value};
use serde::{Deserialize, Serialize};

/// How the durations of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Nobody knows, or there are none.
    #[default]
    Unknown,
    /// All as `48:07`.
    Short,
    /// All as `1:48:07`.
    Long,
    /// Both.
    Both,
}

/// What some cells of new rows are multiplied by, to mean what those of training meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rescale {
    /// None of them.
    #[default]
    No,
    /// Percentages among shares, by 1/100.
    Percentages,
    /// Shares among percentages, by 100.
    Shares,
    /// Durations of two parts that are hours and minutes, by 60.
    HoursMinutes,
    /// Durations of three parts among those that are taken for minutes and seconds, by
    /// 1/60.
    WithSeconds,
}

/// How the numbers of a column are written. Signs, parentheses and a minus behind,
/// blanks and apostrophes between thousands and exponents are read in each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Format {
    /// What divides.
    pub decimal: Decimal,
    /// The currency or unit that stands beside them; cells may leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Whether `k`, `M` and the like multiply.
    #[serde(skip_serializing_if = "is_false")]
    pub magnitudes: bool,
    /// Whether they are durations, `1:48:07`, in seconds.
    #[serde(skip_serializing_if = "is_false")]
    pub durations: bool,
    /// Whether a mark groups thousands in some of them.
    #[serde(skip_serializing_if = "is_false")]
    pub groups: bool,
    /// Whether some of them stand without the unit.
    #[serde(skip_serializing_if = "is_false")]
    pub bare: bool,
    /// Whether none of them has a mark of either kind.
    #[serde(skip_serializing_if = "is_false")]
    pub unmarked: bool,
    /// How durations are written.
    #[serde(skip_serializing_if = "is_unknown")]
    pub clock: Clock,
    /// What cells are multiplied by; never of what was learned.
    #[serde(skip)]
    pub rescale: Rescale,
}

fn is_unknown(clock: &Clock) -> bool {
    *clock == Clock::Unknown
}

fn is_false(b: &bool) -> bool {
    !b
}

/// What files say: earlier versions had the decimal mark alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Mark(Decimal),
    Whole {
        decimal: Decimal,
        #[serde(default)]
        unit: Option<String>,
        #[serde(default)]
        magnitudes: bool,
        #[serde(default)]
        durations: bool,
        #[serde(default)]
        groups: bool,
        #[serde(default)]
        bare: bool,
        #[serde(default)]
        unmarked: bool,
        #[serde(default)]
        clock: Clock,
    },
}

impl From<Stored> for Format {
    fn from(stored: Stored) -> Format {
        match stored {
            Stored::Mark(decimal) => Format::of(decimal),
            Stored::Whole { decimal, unit, magnitudes, durations, groups, bare, unmarked, clock } => {
                Format { decimal, unit, magnitudes, durations, groups, bare, unmarked, clock, rescale: Rescale::No }
            }
        }
    }
}

/// Powers of ten that are the signs of units, too: kelvin, tesla, bytes.
const UNITS_TOO: [&str; 3] = ["K", "T", "B"];

impl Format {
    /// Numbers without units.
    pub fn of(decimal: Decimal) -> Format {
        Format { decimal, ..Format::default() }
    }

    /// How most of some cells are written; `likely` says what is likelier where cells
    /// can be read with either decimal mark.
    pub fn learn(cells: &[&str], likely: impl Into<Likely>) -> Format {
        Format::learned(&Values::of(cells.iter().copied()), likely.into())
    }

    /// [`Format::learn`] from the values of a column.
    pub(in crate::data) fn learned(values: &Values, likely: Likely) -> Format {
        let unmarked = !values.words().any(|c| c.bytes().any(|b| b == b'.' || b == b','));
        if values.words().all(|c| plain::parse(c).is_some()) {
            let comma = Format { groups: !unmarked, unmarked, ..Format::of(Decimal::Comma) };
            let fits = likely.file.known() == Some(Decimal::Comma) && values.words().all(|c| comma.parse(c).is_some());
            return if fits { comma } else { Format { unmarked, ..Format::default() } };
        }
        let parts = values.iter().filter(|(c, _)| seconds(c).is_some()).map(|(c, n)| (c.matches(':').count(), n));
        let [mut short, mut long] = [0, 0];
        parts.for_each(|(colons, n)| *(if colons == 1 { &mut short } else { &mut long }) += n);
        if 2 * (short + long) > values.cells() {
            let clock = match (short, long) {
                (_, 0) => Clock::Short,
                (0, _) => Clock::Long,
                _ => Clock::Both,
            };
            return Format { durations: true, clock, ..Format::default() };
        }
        let written: Vec<_> = values.iter().filter_map(|(c, n)| Some((take_apart(c)?, n))).collect();
        let multiplied = written.iter().any(|(w, _)| w.times.is_some());
        let mut units: Vec<(String, usize)> = vec![];
        // A small m beside k and M is a million.
        let is_unit = |u: &String| !(u.is_empty() || multiplied && u == "m");
        for (unit, n) in written.iter().map(|(w, n)| (one_spelling(w.unit), *n)).filter(|(u, _)| is_unit(u)) {
            match units.iter_mut().find(|(u, _)| *u == unit) {
                Some((_, all)) => *all += n,
                None => units.push((unit, n)),
            }
        }
        // Of units as frequent as each other the first: any would do as badly.
        let unit = units.iter().rev().max_by_key(|(_, n)| *n).map(|(u, _)| u.clone());
        let alike = |name: &str| written.iter().all(|(w, _)| w.times.is_some_and(|(found, _)| found == name));
        let sign = UNITS_TOO.iter().find(|name| multiplied && alike(name));
        let magnitudes = multiplied && sign.is_none();
        let unit = sign.map_or(unit, |name| Some((*name).to_string()));
        let bare = unit.is_some() && written.iter().any(|(w, _)| w.unit.is_empty());
        let of = |decimal: Decimal| {
            let groups = written.iter().any(|(w, _)| w.digits.contains(decimal.marks().0));
            Format { decimal, unit: unit.clone(), magnitudes, groups, bare, unmarked, ..Format::default() }
        };
        let (point, with_comma) = (of(Decimal::Point), of(Decimal::Comma));
        let usual =
            if likely.commas && values.words().any(|c| c.contains(',')) { Decimal::Comma } else { Decimal::Point };
        let count = |f: &Format| values.count(|c| f.parse(c).is_some());
        let decimal = match unmarked {
            true => likely.file.known().unwrap_or(usual),
            // What the column itself proves, then the file, then what is usual.
            false => match count(&point).cmp(&count(&with_comma)) {
                std::cmp::Ordering::Greater => Decimal::Point,
                std::cmp::Ordering::Less => Decimal::Comma,
                std::cmp::Ordering::Equal => likely.file.known().unwrap_or(usual),
            },
        };
        if decimal == Decimal::Comma { with_comma } else { point }
    }

    /// The number in a cell, infinite where it says so or is beyond `f32`; `None` where
    /// it is none. A percent sign divides by nothing: `12%` is 12.
    pub fn parse(&self, cell: &str) -> Option<f64> {
        self.read(cell).map(|(x, _)| x)
    }

    /// [`Format::parse`], and the side on which the value lies of the number where the
    /// cell says no more: `<0.01`.
    pub fn read(&self, cell: &str) -> Option<(f64, Option<Bound>)> {
        if self.durations {
            let by = match (self.rescale, cell.matches(':').count()) {
                (Rescale::HoursMinutes, 1) => 60.0,
                (Rescale::WithSeconds, 2) => 1.0 / 60.0,
                _ => 1.0,
            };
            return Some((seconds(cell)? * by, None));
        }
        let found = if self.decimal == Decimal::Point { plain::parse(cell) } else { None };
        let (x, bound) = match found {
            Some(x) => (if self.rescale == Rescale::Shares { x * 100.0 } else { x }, None),
            None => self.apart(cell)?,
        };
        let x = Some(x).filter(|x| !x.is_nan())?;
        Some((if x.abs() > f64::from(f32::MAX) { f64::INFINITY.copysign(x) } else { x }, bound))
    }

    fn apart(&self, cell: &str) -> Option<(f64, Option<Bound>)> {
        let infinite = || cell.trim().parse::<f64>().ok().filter(|x| x.is_infinite());
        let Some(w) = take_apart(cell) else { return infinite().map(|x| (x, None)) };
        let (group, point) = self.decimal.marks();
        let x = value(w.digits, group, point)?;
        let (times, unit) = match w.times {
            Some((_, times)) if self.magnitudes => (times, one_spelling(w.unit)),
            // `300 K` where K is the unit.
            Some((name, _)) => (1.0, name.to_string()),
            None if self.magnitudes && w.unit == "m" && self.unit.as_deref() != Some("m") => (1e6, String::new()),
            None => (1.0, one_spelling(w.unit)),
        };
        let times = match self.rescale {
            Rescale::Percentages if unit == "%" => times / 100.0,
            Rescale::Shares if unit != "%" => times * 100.0,
            _ => times,
        };
        let known = unit.is_empty() || unit == "%" || self.unit.as_deref() == Some(unit.as_str());
        known.then_some((if w.negative { -x * times } else { x * times }, w.bound))
    }

    /// Whether two ways of writing differ in marks alone, so that numbers of the one
    /// mean the same in the other.
    pub fn measures_as(&self, other: &Format) -> bool {
        let unit = |f: &Format| f.unit.clone().filter(|u| u != "%");
        self.durations == other.durations
            && (unit(self) == unit(other) || unit(self).is_none() || unit(other).is_none())
    }
}

/// A unit in one spelling: without blanks, dots and case, ordinals alike.
fn one_spelling(unit: &str) -> String {
    let plain: String = unit.chars().filter(|c| !c.is_whitespace() && *c != '.').collect::<String>().to_lowercase();
    if matches!(plain.as_str(), "st" | "nd" | "rd") { "th".into() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::super::FileMark;
    use super::*;

    fn point(cell: &str) -> Option<f64> {
        Format::default().parse(cell)
    }

    /// What a column of these cells is read as.
    fn column(cells: &[&str]) -> Vec<Option<f64>> {
        let format = Format::learn(cells, false);
        cells.iter().map(|c| format.parse(c)).collect()
    }

    fn all(cells: &[&str], numbers: &[f64]) {
        assert_eq!(column(cells), numbers.iter().map(|&x| Some(x)).collect::<Vec<_>>(), "{cells:?}");
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(point(" -1.5e3"), Some(-1500.0));
        assert_eq!(point("1,234,567.5"), Some(1_234_567.5));
        assert_eq!(point("12 %"), Some(12.0));
        assert_eq!((point("1,5"), point("12,34"), point(",123"), point("1.2.3")), (None, None, None, None));
        assert_eq!((point("x"), point(""), point("NaN"), point("1_000")), (None, None, None, None));
        assert_eq!(
            (point("inf"), point("-1e400"), point("1e39")),
            (Some(f64::INFINITY), Some(f64::NEG_INFINITY), Some(f64::INFINITY))
        );
        let comma = |s: &str| Format::of(Decimal::Comma).parse(s);
        assert_eq!((comma("1,5"), comma("-1.234,5"), comma("12")), (Some(1.5), Some(-1234.5), Some(12.0)));
        assert_eq!((comma("1.5"), comma("1,2,3"), comma("1,5E+03")), (None, None, Some(1500.0)));
        assert_eq!(
            (point("0,500"), point("1,500"), comma("0,500"), comma("-0.512")),
            (None, Some(1500.0), Some(0.5), None)
        );
    }

    #[test]
    fn signs_currencies_and_units_are_understood() {
        all(&["$1,234.50", "-$12.00", "$-3", "($5.25)", "$ 7", "+$1"], &[1234.5, -12.0, -3.0, -5.25, 7.0, 1.0]);
        all(&["1.234,50 €", "12,00 €", "-3,5 €", "1.000.000,1€"], &[1234.5, 12.0, -3.5, 1_000_000.1]);
        all(&["EUR 5", "EUR 1,000", "6.5 EUR", "-EUR 2", "7"], &[5.0, 1000.0, 6.5, -2.0, 7.0]);
        all(&["US$ 5", "US$7.25"], &[5.0, 7.25]);
        all(&["Rs. 500", "Rs.1,23,456.5", "Rs 7"], &[500.0, 123_456.5, 7.0]);
        all(&["850 sqft", "1767 sqft", "900sqft", "12"], &[850.0, 1767.0, 900.0, 12.0]);
        all(&["12 km/h", "13.5 km/h"], &[12.0, 13.5]);
        all(&["5.5 sq ft", "6 sq. ft."], &[5.5, 6.0]);
        all(&["21 °C", "-3.5°C", "20 m²", "1.5"][..2], &[21.0, -3.5]);
        all(&["1st", "2nd", "3rd", "14th"], &[1.0, 2.0, 3.0, 14.0]);
        all(&["(1,234.50)", "12.50-", "\u{2212}3.2", "\u{2013}4", "5"], &[-1234.5, -12.5, -3.2, -4.0, 5.0]);
        all(&["12.5 %", "+3.2 %", "-1%"], &[12.5, 3.2, -1.0]);
    }

    #[test]
    fn thousands_are_grouped_in_many_ways() {
        for blank in [" ", "\u{a0}", "\u{202f}", "\u{2009}"] {
            all(
                &[&format!("12{blank}345,67"), &format!("1{blank}234{blank}567,5"), "3,5"],
                &[12_345.67, 1_234_567.5, 3.5],
            );
        }
        all(&["12'345.67", "1\u{2019}234\u{2019}567", "9.5"], &[12_345.67, 1_234_567.0, 9.5]);
        all(&["1.5K", "2.3M", "950", "4 bn", "-7k", "3m"], &[1500.0, 2.3e6, 950.0, 4e9, -7000.0, 3e6]);
        all(&["$1.5M", "$700K"], &[1.5e6, 7e5]);
        all(&["300 K", "277.5 K"], &[300.0, 277.5]);
        all(&["12 m", "3.5 m"], &[12.0, 3.5]);
        all(&["1.5E+03", "2e-2", "7"], &[1500.0, 0.02, 7.0]);
    }

    #[test]
    fn two_marks_in_a_cell_group_thousands_in_the_whole_column() {
        all(&["1.198.818", "47.661", "312"], &[1_198_818.0, 47_661.0, 312.0]);
        all(&["9.643.941"], &[9_643_941.0]);
        all(&["€ 1.198.818", "-47.661 €", "47.661-"], &[1_198_818.0, -47_661.0, -47_661.0]);
        all(&["1,198,818", "47,661"], &[1_198_818.0, 47_661.0]);
    }

    #[test]
    fn the_rest_of_the_file_decides_where_a_column_does_not() {
        let read = |cells: &[&str], decimal, commas| {
            let format = Format::learn(cells, Likely { file: FileMark::Proven(decimal), commas });
            cells.iter().map(|c| format.parse(c)).collect::<Vec<_>>()
        };
        let comma = |cells: &[&str]| read(cells, Decimal::Comma, true);
        let point = |cells: &[&str]| read(cells, Decimal::Point, true);
        assert_eq!(comma(&["312", "1.908", "2.841"]), [Some(312.0), Some(1908.0), Some(2841.0)]);
        assert_eq!(comma(&["1.908 €", "-2.841€", "5.000-"]), [Some(1908.0), Some(-2841.0), Some(-5000.0)]);
        assert_eq!(point(&["312", "1,739"]), [Some(312.0), Some(1739.0)]);
        assert_eq!(point(&["1.908", "2.841"]), [Some(1.908), Some(2.841)]);
        // What a column proves itself wins.
        assert_eq!(comma(&["0.123", "1.908"]), [Some(0.123), Some(1.908)]);
        assert_eq!(comma(&["1.5", "1.908"]), [Some(1.5), Some(1.908)]);
        assert_eq!(point(&["1,5", "1,908"]), [Some(1.5), Some(1.908)]);
        // New rows of a column without marks are read as the file has them.
        let whole = Format::learn(&["312", "7"], Likely { file: FileMark::Proven(Decimal::Comma), commas: true });
        assert_eq!((whole.parse("1.908"), whole.unmarked), (Some(1908.0), true));
    }

    #[test]
    fn durations_are_seconds() {
        all(&["1:52:07", "0:59:59.5", "48:07"], &[6727.0, 3599.5, 2887.0]);
        assert_eq!(column(&["1:75:00", "1:2:3", "1:00:00"])[..2], [None, None]);
    }

    #[test]
    fn bounds_are_kept() {
        let format = Format::learn(&["<0.1", "0.35", "> 5"], false);
        let read = |c: &str| format.read(c);
        assert_eq!(read("<0.1"), Some((0.1, Some(Bound::Below))));
        assert_eq!((read("> 5"), read("0.35")), (Some((5.0, Some(Bound::Above))), Some((0.35, None))));
    }

    #[test]
    fn one_column_has_one_unit() {
        assert_eq!(column(&["12 kg", "14 kg", "13 lb"]), [Some(12.0), Some(14.0), None]);
        assert_eq!(column(&["$1", "$2", "€3"]), [Some(1.0), Some(2.0), None]);
    }

    #[test]
    fn what_is_no_number_is_none() {
        let none = [
            "C85",
            "A 12",
            "12-345",
            "2020-01-02",
            "18.00.00",
            "192.168.1.10",
            "1/2",
            "3-5",
            "v1.0",
            "5'11\"",
            "12 34",
            "--5",
            "()",
            "$",
            "kg",
            "1:2",
            "12 and 13",
            "USD",
            "1,2,3",
            "+",
            "12a7",
        ];
        for cell in none {
            // Beside one of its own kind, so that nothing is learned of other cells.
            assert_eq!(Format::learn(&[cell, cell], false).parse(cell), None, "{cell}");
        }
    }

    #[test]
    fn earlier_files_are_read() {
        let old: Format = serde_json::from_str("\"comma\"").unwrap();
        assert_eq!(old, Format::of(Decimal::Comma));
        for format in [old, Format::learn(&["$5k", "$3"], false), Format::learn(&["1:00:00"], false)] {
            let text = serde_json::to_string(&format).unwrap();
            assert_eq!(serde_json::from_str::<Format>(&text).unwrap(), format, "{text}");
        }
    }
}
