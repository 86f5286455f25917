//! What the targets of arrays are: classes, by number or by name, or values; the
//! same in all splits.

use super::array::{Array, Elements};
use crate::data::Targets;
use crate::data::idx::class_names;
use crate::data::table::Task;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// The highest number that a model has outputs up to, so that a stray number does
/// not become a model with as many.
const MOST_CLASSES: i64 = 100_000;
/// Most classes whose numbers do not begin with 0.
const MOST_NUMBERED: usize = 1000;
/// Floats beyond this may have lost their last digit.
const WHOLE: f32 = 16_777_216.0;
/// Whole floats of at most this many values, each in two samples or more on
/// average, are classes, as they are in a table.
const FEW: usize = 10;
/// Whole numbers of more values than this, on average in fewer than three
/// samples, may be meant as values.
const MANY: usize = 30;

/// The targets of a split, as they are in the file.
enum Raw {
    Numbers(Vec<i64>),
    Words(Vec<String>),
    OneHot(Vec<u32>, usize),
    Values(Vec<f32>, usize),
}

/// The targets of the splits that are there, each with the name of its set.
/// Classes that only one split has count for all. Also what a user should know of
/// what was taken for what.
///
/// Without a task, whole floats of few values are classes, unless
/// `floats_are_values`.
///
/// Fails when targets are neither, when splits have different kinds, and when
/// they are not what `task` asks for.
pub(super) fn targets(
    splits: Vec<(String, Array)>,
    task: Task,
    floats_are_values: bool,
) -> Result<(Vec<Targets>, Vec<String>)> {
    let mut notes = vec![];
    let place = splits[0].0.clone();
    let mut raw = splits.into_iter().map(|(name, y)| read(&name, y)).collect::<Result<Vec<Raw>>>()?;
    let few = if task == Task::Auto { few_floats(&raw[0]) } else { None };
    if let Some(few) = few.filter(|_| !floats_are_values) {
        raw = raw.into_iter().map(Raw::into_numbers).collect();
        notes.push(format!(
            "targets are whole floats of {few} values, taken for classes; for values to be predicted say --task regression"
        ));
    }
    if task == Task::Classification || raw.iter().any(|r| matches!(r, Raw::Numbers(_))) && task == Task::Auto {
        raw = raw.into_iter().map(Raw::into_numbers).collect();
    }
    if task == Task::Regression {
        raw = raw.into_iter().map(Raw::into_values).collect();
    }
    let refused = |what: String| Error::data(format!("{place}: {what}"));
    match (&raw[0], task) {
        (Raw::Values(values, width), Task::Classification) => {
            let stray = values.iter().find(|v| !is_whole(**v)).map_or("".into(), |v| format!(", such as {v}"));
            return Err(refused(format!(
                "targets are {width} number(s) for each sample{stray}; for classification expected one whole number, one \
                 word or a row with a single 1 for each"
            )));
        }
        (Raw::Words(words), Task::Regression) => {
            let first = words.first().map_or("", String::as_str);
            return Err(refused(format!("targets are words, such as \"{first}\"; expected numbers for regression")));
        }
        _ => {}
    }
    let all: Vec<Targets> = if raw.iter().all(|r| matches!(r, Raw::Numbers(_))) {
        numbered(&place, &raw, task, &mut notes)?
    } else if raw.iter().all(|r| matches!(r, Raw::Words(_))) {
        worded(&raw)
    } else {
        let width = |r: &Raw| if let Raw::OneHot(_, width) | Raw::Values(_, width) = r { Some(*width) } else { None };
        let same = raw
            .iter()
            .all(|r| width(r) == width(&raw[0]) && std::mem::discriminant(r) == std::mem::discriminant(&raw[0]));
        if !same {
            return Err(Error::data(format!(
                "targets of {place} and of its other splits are of different kinds; expected classes, or equally many \
                 numbers, in all"
            )));
        }
        raw.into_iter().map(Raw::plain).collect()
    };
    Ok((all, notes))
}

/// How many values whole floats have that are few enough to be classes.
fn few_floats(raw: &Raw) -> Option<usize> {
    let Raw::Values(values, 1) = raw else { return None };
    let different: BTreeSet<u32> = values.iter().map(|v| (v + 0.0).to_bits()).collect();
    let few = (2..=FEW).contains(&different.len()) && 2 * different.len() <= values.len();
    (few && values.iter().all(|v| is_whole(*v))).then_some(different.len())
}

fn is_whole(v: f32) -> bool {
    v.fract() == 0.0 && v.abs() < WHOLE
}

impl Raw {
    /// Whole floats as numbers.
    fn into_numbers(self) -> Raw {
        match self {
            Raw::Values(v, 1) if v.iter().all(|v| is_whole(*v)) => Raw::Numbers(v.iter().map(|&v| v as i64).collect()),
            other => other,
        }
    }

    /// Numbers, and rows with a single one, as values.
    fn into_values(self) -> Raw {
        match self {
            Raw::Numbers(v) => Raw::Values(v.iter().map(|&v| v as f32).collect(), 1),
            Raw::OneHot(labels, width) => {
                let one = |label: u32| (0..width).map(move |i| f32::from(u8::from(i == label as usize)));
                Raw::Values(labels.into_iter().flat_map(one).collect(), width)
            }
            other => other,
        }
    }

    /// What needs no look at other splits.
    fn plain(self) -> Targets {
        match self {
            Raw::OneHot(labels, width) => Targets::Classes { labels, names: class_names(width) },
            Raw::Values(values, width) => {
                let names = if width == 1 { vec!["y".into()] } else { (1..=width).map(|i| format!("y{i}")).collect() };
                Targets::Values { values, names }
            }
            Raw::Numbers(_) | Raw::Words(_) => unreachable!("they are named together"),
        }
    }
}

/// Numbers as classes. Those from 0 on are the numbers of the model's outputs,
/// gaps included; others are the names of as many classes, in their order.
fn numbered(place: &str, raw: &[Raw], task: Task, notes: &mut Vec<String>) -> Result<Vec<Targets>> {
    let labels = || raw.iter().map(|r| if let Raw::Numbers(v) = r { &v[..] } else { &[] });
    let different: BTreeSet<i64> = labels().flatten().copied().collect();
    let (low, high) = (different.first().copied().unwrap_or(0), different.last().copied().unwrap_or(0));
    let samples: usize = labels().map(<[i64]>::len).sum();
    let from_zero = low == 0 && high <= MOST_CLASSES && high < 2 * different.len() as i64 + 10;
    if !from_zero && different.len() > MOST_NUMBERED {
        let stray = if low < 0 { low } else { high };
        return Err(Error::data(format!(
            "{place}: targets are {} whole numbers, such as {stray}; expected class numbers from 0 to {MOST_CLASSES}, or at \
             most {MOST_NUMBERED} others; for values to be predicted say --task regression, or store floats",
            different.len()
        )));
    }
    if task == Task::Auto && different.len() > MANY && 3 * different.len() > samples {
        notes.push(format!(
            "targets are {} different whole numbers for {samples} samples, taken for classes; for values to be predicted \
             say --task regression",
            different.len()
        ));
    }
    let classes: Vec<i64> = if from_zero { (0..=high).collect() } else { different.iter().copied().collect() };
    if from_zero && different.len() < classes.len() {
        let lacking: Vec<String> =
            classes.iter().filter(|c| !different.contains(c)).take(10).map(i64::to_string).collect();
        notes.push(format!("no sample is of class {}: the model has outputs for it all the same", lacking.join(", ")));
    }
    let names: Vec<String> = classes.iter().map(i64::to_string).collect();
    let number: BTreeMap<i64, u32> = classes.iter().copied().zip(0..).collect();
    let of = |v: &[i64]| v.iter().map(|l| number[l]).collect();
    Ok(labels().map(|v| Targets::Classes { labels: of(v), names: names.clone() }).collect())
}

/// Words as classes, in the order of the alphabet.
fn worded(raw: &[Raw]) -> Vec<Targets> {
    let words = || raw.iter().map(|r| if let Raw::Words(v) = r { &v[..] } else { &[] });
    let names: BTreeSet<&String> = words().flatten().collect();
    let number: BTreeMap<&String, u32> = names.iter().copied().zip(0..).collect();
    let names: Vec<String> = names.into_iter().cloned().collect();
    words().map(|v| Targets::Classes { labels: v.iter().map(|w| number[w]).collect(), names: names.clone() }).collect()
}

fn read(name: &str, y: Array) -> Result<Raw> {
    let width: usize = y.shape[1..].iter().product();
    if y.shape.len() > 2 && width != 1 || width == 0 {
        return Err(Error::data(format!("{name}: targets of shape {:?}; expected one or two dimensions", y.shape)));
    }
    Ok(match y.elements {
        Elements::Words(v) if width == 1 => Raw::Words(v),
        Elements::Words(_) => {
            return Err(Error::data(format!(
                "{name}: targets are rows of {width} words; expected one for each sample"
            )));
        }
        Elements::Bytes(v) if width == 1 => Raw::Numbers(v.into_iter().map(i64::from).collect()),
        Elements::Ints(v) if width == 1 => Raw::Numbers(v.iter().collect()),
        Elements::Floats(v) => {
            if let Some(at) = v.iter().position(|x| !x.is_finite()) {
                return Err(Error::data(format!(
                    "{name}: target {} is {}; expected finite numbers",
                    at / width,
                    v[at]
                )));
            }
            match one_hot(&v, width, 0.0, 1.0).filter(|_| width > 1) {
                Some(labels) => Raw::OneHot(labels, width),
                None => Raw::Values(v, width),
            }
        }
        // Rows of zeros and ones fit into bytes.
        rows => {
            let small: Option<Vec<u8>> = match &rows {
                Elements::Ints(v) => v.iter().map(|i| u8::try_from(i).ok()).collect(),
                Elements::Bytes(v) => Some(v.clone()),
                Elements::Floats(_) | Elements::Doubles(_) | Elements::Words(_) => None,
            };
            match small.and_then(|v| one_hot(&v, width, 0, 1)) {
                Some(labels) => Raw::OneHot(labels, width),
                None => Raw::Values(rows.into_floats().unwrap_or_default(), width),
            }
        }
    })
}

/// The place of the only one among zeros in each row; `None` where a row is
/// something else.
fn one_hot<T: PartialEq + Copy>(all: &[T], width: usize, zero: T, one: T) -> Option<Vec<u32>> {
    let place = |row: &[T]| {
        let only = row.iter().filter(|&&x| x == one).count() == 1 && row.iter().all(|&x| x == zero || x == one);
        if only { row.iter().position(|&x| x == one).map(|i| i as u32) } else { None }
    };
    all.chunks(width).map(place).collect()
}
