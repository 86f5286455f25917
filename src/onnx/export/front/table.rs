//! The columns of a table: a graph's input for each, filled, encoded and scaled as in
//! training.

use super::cells::{self, Cells, Encoded};
use super::{Front, normalised, words};
use crate::data::Interface;
use crate::data::table::{Encoder, Fitted, FittedColumn, Gap, Part};
use crate::error::{Context, Error, Result};
use crate::onnx::export::writer::{Writer, int, value_info};
use crate::onnx::model::Axis;
use crate::onnx::proto::tensor_proto::DataType;
use serde_json::json;

/// Writes the inputs of a graph and what makes features of them.
///
/// Fails with a column whose cells no op of this version can read.
pub fn write(out: &mut Writer, fitted: &Fitted, interface: &Interface, opset: i64) -> Result<Front> {
    let mut front = Front { inputs: vec![], x: String::new(), usable: None, about: None };
    let (mut features, mut about) = (vec![], vec![]);
    let mut cx = Columns { out, front: &mut front, missing: &fitted.missing_values, about: &mut about, opset };
    for column in fitted.columns.iter().filter(|c| c.is_used()) {
        let encoded = cx.column(column).context(|| format!("column \"{}\"", column.name))?;
        features.extend(encoded);
    }
    let features: Vec<&str> = features.iter().map(String::as_str).collect();
    let x = out.node("Concat", &features, vec![int("axis", 1)]);
    front.x = normalised(out, &x, &[fitted.features.len()], interface);
    front.about = Some(json!(about));
    Ok(front)
}

struct Columns<'a> {
    out: &'a mut Writer,
    front: &'a mut Front,
    missing: &'a [String],
    about: &'a mut Vec<serde_json::Value>,
    opset: i64,
}

impl Columns<'_> {
    /// An input `[batch, 1]` of the graph.
    fn input(&mut self, name: &str, kind: DataType, holds: &str) -> String {
        let name = self.out.fresh(name);
        let axes = [Axis::Named("batch".into()), Axis::Fixed(1)];
        self.front.inputs.push(value_info(&name, kind, &axes));
        self.about.push(json!({ "name": name, "holds": holds }));
        name
    }

    /// Rows of which `missing` says so cannot be used.
    fn needs(&mut self, missing: &str) {
        let there = self.out.node("Not", &[missing], vec![]);
        self.front.usable = Some(match self.front.usable.take() {
            None => there,
            Some(usable) => self.out.node("And", &[&usable, &there], vec![]),
        });
    }

    /// A column of texts, and where it is missing.
    fn texts(&mut self, name: &str, holds: &str) -> Cells {
        let input = self.input(name, DataType::String, &format!("{holds}; \"\" where it is missing"));
        cells::of_texts(self.out, input, self.missing)
    }

    /// The features of a column, each `[batch, width]`.
    fn column(&mut self, column: &FittedColumn) -> Result<Vec<String>> {
        let name = &column.name;
        let (encoded, missing) = match &column.encoder {
            Encoder::Dropped { .. } => {
                let cells = self.texts(name, "what must be there for a row to be used");
                (vec![], cells.missing)
            }
            Encoder::Number { censored, gap, indicator, clip, offset, .. } => {
                let kind = if *offset == 0.0 { DataType::Float } else { DataType::Double };
                let input = self.input(name, kind, "a number; NaN where it is missing");
                let fill = if let Gap::Fill { value, .. } = gap { Some(*value) } else { None };
                let Encoded { values, missing } = cells::number(self.out, &input, fill, *clip, *offset);
                let mut all = vec![values];
                if *censored {
                    let holds = "-1 where the number is an upper bound (<x), 1 where it is a lower one (>x), else 0";
                    all.push(self.input(&format!("{name} bound"), DataType::Float, holds));
                }
                if *indicator {
                    all.push(cells::flag(self.out, &missing));
                }
                if fill.is_none() {
                    self.needs(&missing);
                }
                (all, missing)
            }
            Encoder::Category { slots, ordinal, gap, indicator } => {
                let cells = self.texts(name, "a category");
                let fill = if let Gap::Fill { value, .. } = gap { Some(value.as_str()) } else { None };
                let mut all = vec![match ordinal {
                    true => cells::order(self.out, &cells, slots, fill),
                    false => cells::places(self.out, &cells, slots, fill),
                }];
                if *indicator {
                    all.push(cells::flag(self.out, &cells.missing));
                }
                if *gap == Gap::Drop {
                    self.needs(&cells.missing);
                }
                (all, cells.missing)
            }
            Encoder::Date { parts, gap, indicator, format } => {
                let fill = if let Gap::Fill { value, .. } = gap { Some(value.as_str()) } else { None };
                let fill =
                    fill.and_then(|date| parts.iter().map(|p| p.of_cell(date, format)).collect::<Option<Vec<f64>>>());
                let (mut all, mut missing) = (vec![], String::new());
                for (i, part) in parts.iter().enumerate() {
                    let holds = format!("of the date: {}; NaN where it is missing", meaning(*part));
                    let input = self.input(&format!("{name}.{}", part.name()), DataType::Float, &holds);
                    let found = cells::number(self.out, &input, fill.as_ref().map(|f| f[i]), None, 0.0);
                    all.push(found.values);
                    missing = match missing.is_empty() {
                        true => found.missing,
                        false => self.out.node("Or", &[&missing, &found.missing], vec![]),
                    };
                }
                if parts.is_empty() {
                    return Err(Error::usage("no part of its dates varies; leave it out of the training"));
                }
                if *indicator {
                    all.push(cells::flag(self.out, &missing));
                }
                if fill.is_none() {
                    self.needs(&missing);
                }
                (all, missing)
            }
            Encoder::Text(rule) => {
                let cells = self.texts(name, "a text");
                (vec![words::write(self.out, &cells, rule, self.opset)?], cells.missing)
            }
        };
        if column.required {
            self.needs(&missing);
        }
        Ok(encoded)
    }
}

/// What a part of a date is, for people.
fn meaning(part: Part) -> &'static str {
    match part {
        Part::Year => "the year",
        Part::Month => "the month, 1 to 12",
        Part::Day => "the day of the month, 1 to 31",
        Part::Weekday => "the day of the week, 0 (Monday) to 6",
        Part::Hour => "the hour with its minutes as a fraction",
        Part::Days => "days since 1970-01-01, the time as a fraction",
    }
}
