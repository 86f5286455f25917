//! What a file says of its model besides the graph: metadata properties, as names and text.

use crate::data::{Interface, Task};
use crate::nn::Model;
use crate::onnx::proto::StringStringEntryProto;
use serde_json::{Value, json};

/// The properties of a model whose outputs are `output`: logits, probabilities or values;
/// `inputs` are what its graph takes where preprocessing is in it.
pub fn properties(
    model: &Model,
    interface: &Interface,
    output: &str,
    inputs: Option<&Value>,
) -> Vec<StringStringEntryProto> {
    let task = match interface.task {
        Task::Classification => "classification",
        Task::Regression => "regression",
        Task::Language => "language",
    };
    let mut all = vec![
        ("wgrad_version", env!("CARGO_PKG_VERSION").to_string()),
        ("model", model.description.name.clone()),
        ("task", task.to_string()),
        ("output", output.to_string()),
        ("preprocessing", if inputs.is_some() { "included" } else { "none" }.to_string()),
    ];
    all.extend(inputs.map(|inputs| ("inputs", inputs.to_string())));
    let names = if interface.task == Task::Regression { "targets" } else { "classes" };
    all.push((names, json!(interface.outputs).to_string()));
    if !interface.normal.scale.is_empty() {
        let normal = json!({
            "formula": "x * scale + shift",
            "per": if interface.normal.scale.len() == model.input.elements() { "element" } else { "channel" },
            "scale": interface.normal.scale,
            "shift": interface.normal.shift,
        });
        all.push(("normalization", normal.to_string()));
    }
    if interface.task == Task::Regression {
        let target = json!({
            "formula": match interface.sigmoid {
                true => "sigmoid(output) * scale + shift + centre",
                false => "output * scale + shift + centre",
            },
            "scale": interface.target.scale,
            "shift": interface.target.shift,
            "centre": interface.centres(),
        });
        all.push(("target_scale", target.to_string()));
    }
    if let Some(vocabulary) = interface.vocabulary() {
        all.push(("vocabulary", json!(vocabulary).to_string()));
    }
    if let Some(positive) = interface.positive_class() {
        all.push(("positive_class", interface.outputs[positive].clone()));
    }
    let entry = |(key, value): (&str, String)| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
    all.into_iter().map(entry).collect()
}
