//! Cells of a column as features: numbers, and categories as places.

use crate::data::table::Slots;
use crate::onnx::export::writer::{Writer, int, signed, texts};
use crate::onnx::proto::tensor_proto::DataType;

/// A column of texts `[batch, 1]`.
pub struct Cells {
    /// The texts.
    pub text: String,
    /// Where they are missing, bool.
    pub missing: String,
}

/// A column of numbers as a feature.
pub struct Encoded {
    /// The feature, float `[batch, 1]`.
    pub values: String,
    /// Where the number is missing, bool.
    pub missing: String,
}

/// The number of each text in a list, -1 of others.
fn lookup(out: &mut Writer, text: &str, keys: &[String], values: Vec<i64>) -> String {
    let attributes = vec![texts("keys_strings", keys), signed("values_int64s", values), int("default_int64", -1)];
    out.ml_node("LabelEncoder", &[text], attributes, 1).remove(0)
}

/// Texts, which are missing where they are empty or a marker says so.
pub fn of_texts(out: &mut Writer, text: String, markers: &[String]) -> Cells {
    let mut keys = vec![String::new()];
    keys.extend(markers.iter().filter(|m| !m.is_empty()).cloned());
    let values = vec![1; keys.len()];
    let marked = lookup(out, &text, &keys, values);
    let one = out.integers(&[], &[1]);
    let missing = out.node("Equal", &[&marked, &one], vec![]);
    Cells { text, missing }
}

/// 1 where a condition holds, else 0.
pub fn flag(out: &mut Writer, condition: &str) -> String {
    out.node("Cast", &[condition], vec![int("to", DataType::Float as i64)])
}

/// A number, filled, moved within fences and taken off an offset. What is not finite is
/// missing.
pub fn number(out: &mut Writer, x: &str, fill: Option<f64>, clip: Option<[f64; 2]>, offset: f64) -> Encoded {
    let of = |out: &mut Writer, value: f64| match offset == 0.0 {
        true => out.scalar(value as f32),
        false => out.doubles(&[], &[value]),
    };
    let (nan, infinite) = (out.node("IsNaN", &[x], vec![]), out.node("IsInf", &[x], vec![]));
    let missing = out.node("Or", &[&nan, &infinite], vec![]);
    // Of a row that cannot be used nothing is seen, and nothing is worked out of NaN.
    let fill = of(out, fill.unwrap_or(offset));
    let mut y = out.node("Where", &[&missing, &fill, x], vec![]);
    if let Some([low, high]) = clip {
        let (low, high) = (of(out, low), of(out, high));
        y = out.node("Clip", &[&y, &low, &high], vec![]);
    }
    if offset != 0.0 {
        let offset = of(out, offset);
        y = out.node("Sub", &[&y, &offset], vec![]);
        y = out.node("Cast", &[&y], vec![int("to", DataType::Float as i64)]);
    }
    Encoded { values: y, missing }
}

/// Spellings of a category: a whole number may have a fraction of zeros.
fn spellings(value: &str) -> Vec<String> {
    match value.parse::<i64>() {
        Ok(_) => ["", ".0", ".00"].iter().map(|zeros| format!("{value}{zeros}")).collect(),
        Err(_) => vec![value.into()],
    }
}

/// Texts with a category in the place of what is missing, and the place of each category.
fn filled(out: &mut Writer, cells: &Cells, slots: &Slots, fill: Option<&str>, place: impl Fn(usize) -> i64) -> String {
    let (mut keys, mut values) = (vec![], vec![]);
    for (i, value) in slots.values.iter().enumerate() {
        for spelled in spellings(value).into_iter().filter(|s| !slots.values[..i].contains(s)) {
            keys.push(spelled);
            values.push(place(i));
        }
    }
    let text = match fill {
        None => cells.text.clone(),
        Some(fill) => {
            let fill = out.strings(&[fill]);
            out.node("Where", &[&cells.missing, &fill, &cells.text], vec![])
        }
    };
    if keys.is_empty() {
        let none = out.integers(&[1, 1], &[-1]);
        let shape = out.node("Shape", &[&text], vec![]);
        return out.node("Expand", &[&none, &shape], vec![]);
    }
    lookup(out, &text, &keys, values)
}

/// One feature for each place.
pub fn places(out: &mut Writer, cells: &Cells, slots: &Slots, fill: Option<&str>) -> String {
    let at = filled(out, cells, slots, fill, |i| i as i64);
    one_hot(out, at, cells, slots, fill.is_some())
}

/// One feature for each place, of the number of a category, or -1.
pub fn one_hot(out: &mut Writer, mut at: String, cells: &Cells, slots: &Slots, is_filled: bool) -> String {
    if slots.other {
        let (zero, rest) = (out.integers(&[], &[0]), out.integers(&[], &[slots.values.len() as i64]));
        let unknown = out.node("Less", &[&at, &zero], vec![]);
        at = out.node("Where", &[&unknown, &rest, &at], vec![]);
    }
    if !is_filled {
        // A missing cell has a place of its own, or goes where the rest goes.
        let place = match (slots.missing, slots.other) {
            (true, _) => slots.width() as i64 - 1,
            (false, true) => slots.values.len() as i64,
            (false, false) => -1,
        };
        let place = out.integers(&[], &[place]);
        at = out.node("Where", &[&cells.missing, &place, &at], vec![]);
    }
    let all = out.list(&(0..slots.width() as i64).collect::<Vec<_>>());
    let is_there = out.node("Equal", &[&at, &all], vec![]);
    flag(out, &is_there)
}

/// The place in the order from 1 on, 0 of what has none.
pub fn order(out: &mut Writer, cells: &Cells, slots: &Slots, fill: Option<&str>) -> String {
    let at = filled(out, cells, slots, fill, |i| i as i64 + 1);
    let zero = out.integers(&[], &[0]);
    let at = out.node("Max", &[&at, &zero], vec![]);
    let at = match fill {
        // A category may be written as what is missing elsewhere.
        None => out.node("Where", &[&cells.missing, &zero, &at], vec![]),
        Some(_) => at,
    };
    flag(out, &at)
}
