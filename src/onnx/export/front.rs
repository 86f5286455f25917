//! What stands between the samples of a user and the model, in the graph: pictures of any
//! size, arrays on the scale of the training samples, the columns of a table.

mod cells;
mod images;
mod table;
mod words;

use super::writer::{Writer, value_info};
use crate::data::{Input, Interface, Task, ValueScale};
use crate::error::{Error, Result};
use crate::nn::Model;
use crate::onnx::model::Axis;
use crate::onnx::proto::ValueInfoProto;
use crate::onnx::proto::tensor_proto::DataType;
use crate::train::checkpoint::About;
use serde_json::Value;

/// What has been written in front of a model.
pub struct Front {
    /// The graph's inputs.
    pub inputs: Vec<ValueInfoProto>,
    /// The model's input.
    pub x: String,
    /// Whether a sample can be used, bool `[batch, 1]`, where some cannot.
    pub usable: Option<String>,
    /// What the inputs are, for people.
    pub about: Option<Value>,
}

impl Front {
    /// Nothing: the model's input is the graph's.
    pub fn none(input: ValueInfoProto, name: &str) -> Front {
        Front { inputs: vec![input], x: name.into(), usable: None, about: None }
    }
}

/// Writes it.
///
/// Fails where ONNX has nothing to do it with, and says with what there is.
pub fn write(out: &mut Writer, model: &Model, about: &About, opset: i64, axes: &[Axis]) -> Result<Front> {
    let interface = &about.interface;
    out.set_scope("preprocessing");
    match &interface.input {
        Input::Row(fitted) => table::write(out, fitted, interface, opset),
        Input::Tokens(_) => {
            let name = out.fresh("input");
            let inputs = vec![value_info(&name, DataType::Int64, axes)];
            let about = serde_json::json!([{ "name": name, "holds": "tokens by their numbers in the vocabulary" }]);
            Ok(Front { inputs, x: name, usable: None, about: Some(about) })
        }
        Input::Window(fitted) if fitted.difference || fitted.inputs.iter().any(|c| c.centre != 0.0) => {
            Err(Error::usage(format!(
                "--with-preprocessing: the windows of \"{}\" are taken off a number, or its forecasts are changes from earlier \
             rows, which no op of the graph can know; export without it: the properties \"normalization\" and \
             \"target_scale\" have the numbers",
                fitted.table
            )))
        }
        Input::Samples if interface.values == Some(ValueScale::Pixels) && model.input.len() == 3 => {
            images::write(out, model, about)
        }
        Input::Samples | Input::Window(_) => numbers(out, model, interface, axes),
    }
}

/// Arrays as the training samples are written.
fn numbers(out: &mut Writer, model: &Model, interface: &Interface, axes: &[Axis]) -> Result<Front> {
    let name = out.fresh("input");
    let inputs = vec![value_info(&name, DataType::Float, axes)];
    let normal = &interface.normal;
    // Per channel of pixels, else per element.
    let shape = match normal.scale.len() == model.input.elements() {
        true => model.input.to_vec(),
        false => [&[normal.scale.len()], &vec![1; model.input.len() - 1][..]].concat(),
    };
    let x = normalised(out, &name, &shape, interface);
    let about = serde_json::json!([{ "name": name, "holds": "numbers on the scale of the training samples" }]);
    Ok(Front { inputs, x, usable: None, about: Some(about) })
}

/// `x * scale + shift`.
fn normalised(out: &mut Writer, x: &str, shape: &[usize], interface: &Interface) -> String {
    if interface.normal.scale.is_empty() {
        return x.into();
    }
    let (scale, shift) = (out.numbers(shape, &interface.normal.scale), out.numbers(shape, &interface.normal.shift));
    let x = out.node("Mul", &[x, &scale], vec![]);
    out.node("Add", &[&x, &shift], vec![])
}

/// What has been written behind a model.
pub fn answers(
    out: &mut Writer,
    interface: &Interface,
    raw: &str,
    front: &Front,
    axes: &[Axis],
) -> Vec<ValueInfoProto> {
    use super::writer::int;
    out.set_scope("answer");
    let nan = |out: &mut Writer, value: &str| match &front.usable {
        None => value.to_string(),
        Some(usable) => {
            let nothing = out.scalar(f32::NAN);
            out.node("Where", &[usable, value, &nothing], vec![])
        }
    };
    if interface.task != Task::Regression {
        let p = out.node("Softmax", &[raw], vec![int("axis", -1)]);
        let p = nan(out, &p);
        out.rename(&p, PROBABILITIES);
        let mut all = vec![value_info(PROBABILITIES, DataType::Float, axes)];
        if interface.task == Task::Classification {
            let best = out.node("ArgMax", &[PROBABILITIES], vec![int("axis", -1), int("keepdims", 0)]);
            let names = out.strings(&interface.outputs);
            let mut label = out.node("Gather", &[&names, &best], vec![int("axis", 0)]);
            if let Some(usable) = &front.usable {
                let (none, axis) = (out.strings(&[""]), out.list(&[1]));
                let flat = out.node("Squeeze", &[usable, &axis], vec![]);
                label = out.node("Where", &[&flat, &label, &none], vec![]);
            }
            out.rename(&label, LABEL);
            all.push(value_info(LABEL, DataType::String, &axes[..1]));
        }
        return all;
    }
    let mut y = raw.to_string();
    if interface.sigmoid {
        y = out.node("Sigmoid", &[&y], vec![]);
    }
    let n = interface.target.scale.len();
    let (scale, shift) = (out.numbers(&[n], &interface.target.scale), out.numbers(&[n], &interface.target.shift));
    y = out.node("Mul", &[&y, &scale], vec![]);
    y = out.node("Add", &[&y, &shift], vec![]);
    y = nan(out, &y);
    let centres = interface.centres();
    let mut kind = DataType::Float;
    if centres.iter().any(|c| *c != 0.0) {
        // Far from zero: 32 bits would lose what tells the values apart.
        kind = DataType::Double;
        y = out.node("Cast", &[&y], vec![int("to", kind as i64)]);
        let centre = out.doubles(&[centres.len()], &centres);
        y = out.node("Add", &[&y, &centre], vec![]);
    }
    out.rename(&y, VALUES);
    vec![value_info(VALUES, kind, axes)]
}

/// The names of the graph's outputs.
pub const PROBABILITIES: &str = "probabilities";
/// See [`PROBABILITIES`].
pub const LABEL: &str = "label";
/// See [`PROBABILITIES`].
pub const VALUES: &str = "values";
