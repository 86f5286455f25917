//! Models as modules in Python, beside a file of their weights: what a reader of PyTorch or
//! Keras would have written for the same layers.

mod keras;
mod keras_plain;
mod keras_weights;
mod names;
mod settings;
mod torch;
mod torch_layers;
mod torch_module;
mod torch_plain;

use crate::data::{Interface, Task};
use crate::error::{Error, Result};
use crate::files;
use crate::nn::{LayerDescription, Model, Weights};
use crate::train::answering;
use crate::train::checkpoint::{Loaded, TRAINING, encode_model};
use std::path::{Path, PathBuf};

/// A layer of a model with the shapes around it.
pub struct Placed<'a> {
    /// The layer.
    pub layer: &'a LayerDescription,
    /// The shapes of what it reads, batch first.
    pub inputs: Vec<Vec<usize>>,
    /// The shape of what it makes.
    pub output: Vec<usize>,
    /// The number of tokens of the data, where it is known.
    pub rows: Option<usize>,
}

/// Writes `NAME.py` as a module of PyTorch, and `NAME.safetensors` beside it.
///
/// Fails with a layer that PyTorch has nothing for.
pub fn write_torch(path: &Path, model: &Model, loaded: &Loaded) -> Result<Vec<PathBuf>> {
    write(path, model, loaded, torch::module)
}

/// Writes `NAME.py` as a model of Keras, and `NAME.safetensors` beside it.
///
/// Fails with a layer that Keras has nothing for.
pub fn write_keras(path: &Path, model: &Model, loaded: &Loaded) -> Result<Vec<PathBuf>> {
    write(path, model, loaded, keras::module)
}

type Module = fn(&Model, &[Placed], &Interface, &str) -> Result<String>;

fn write(path: &Path, model: &Model, loaded: &Loaded, module: Module) -> Result<Vec<PathBuf>> {
    if path.extension().is_none_or(|e| e != "py") {
        return Err(Error::usage(format!("{}: expected a name that ends in .py, as modules do", path.display())));
    }
    let weights = path.with_extension("safetensors");
    check_place(&weights)?;
    let file = weights.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let interface = &loaded.about.interface;
    let model = ended(model.clone(), interface);
    let layers = placed(&model, &loaded.weights)?;
    let text = module(&model, &layers, interface, &file)?;
    files::write(&weights, &encode_model(&loaded.weights, &loaded.about)?)?;
    files::write(path, text.as_bytes())?;
    Ok(vec![path.to_path_buf(), weights])
}

/// Fails where weights would take the place of those of a checkpoint.
pub fn check_place(weights: &Path) -> Result<()> {
    match weights.with_file_name(TRAINING).is_file() {
        false => Ok(()),
        true => Err(Error::usage(format!(
            "{}: a checkpoint lies there ({TRAINING}), whose weights stay as they are; name a file in another folder with \
             --out",
            weights.display()
        ))),
    }
}

/// The model without the activation at its end that makes answers of logits.
fn ended(mut model: Model, interface: &Interface) -> Model {
    if let (Some(activation), Some(last)) = (answering(interface), model.description.layers.last_mut())
        && let Some((_, without)) = last.layer.last_activation().filter(|(a, _)| *a == activation)
    {
        last.layer = without;
    }
    model
}

/// The layers with their shapes.
fn placed<'a>(model: &'a Model, weights: &Weights) -> Result<Vec<Placed<'a>>> {
    let (_, built) = model.inspect(1, &mut weights.clone())?;
    let input: Vec<usize> = [1].into_iter().chain(model.input.iter().copied()).collect();
    let shape_of = |name: &str| match built.layers.iter().find(|l| l.name == name) {
        Some(layer) => layer.output.to_vec(),
        None => input.clone(),
    };
    let mut last = input.clone();
    let mut all = vec![];
    for (layer, info) in model.description.layers.iter().zip(&built.layers) {
        let inputs = match &layer.inputs {
            Some(names) => names.iter().map(|n| shape_of(n)).collect(),
            None => vec![last.clone()],
        };
        last = info.output.to_vec();
        all.push(Placed { layer, inputs, output: last.clone(), rows: model.vocabulary });
    }
    Ok(all)
}

/// What a module says of its model's answers and inputs, as lines of constants.
fn constants(interface: &Interface) -> String {
    let list = |values: &[f32]| format!("[{}]", values.iter().map(|v| number(*v)).collect::<Vec<_>>().join(", "));
    let names: Vec<String> = interface.outputs.iter().map(|n| quoted(n)).collect();
    let mut text = match interface.task {
        Task::Language => String::new(),
        Task::Classification => format!("CLASSES = [{}]\n", names.join(", ")),
        Task::Regression => format!("TARGETS = [{}]\n", names.join(", ")),
    };
    let normal = &interface.normal;
    if !normal.scale.is_empty() && normal.scale.len() <= 64 {
        text += "# Inputs are x * SCALE + SHIFT of what the data has, per channel or per element.\n";
        text += &format!("SCALE = {}\nSHIFT = {}\n", list(&normal.scale), list(&normal.shift));
    }
    if interface.task == Task::Regression {
        text += "# Answers are y * TARGET_SCALE + TARGET_SHIFT in the units of the data.\n";
        let centres = interface.centres();
        let shift: Vec<f64> = interface.target.shift.iter().zip(&centres).map(|(s, c)| f64::from(*s) + c).collect();
        let shift: Vec<String> = shift.iter().map(f64::to_string).collect();
        text += &format!("TARGET_SCALE = {}\nTARGET_SHIFT = [{}]\n", list(&interface.target.scale), shift.join(", "));
    }
    text
}

/// A number as Python writes it.
fn number(v: f32) -> String {
    let text = format!("{v:?}");
    text.replace("inf", "float(\"inf\")")
}

/// A text as Python writes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
