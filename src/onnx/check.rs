//! A file that has been written, beside the model that it was written from.

use super::element::Elem;
use super::export;
use super::model::Model;
use super::run::Output;
use super::tensor::{Data, Tensor};
use super::value::Value;
use crate::device::Device;
use crate::error::{Context, Error, Result};
use crate::nn;
use crate::tensor::random::{Random, stream};
use crate::tensor::{Data as HostData, HostTensor};
use crate::train::checkpoint::Loaded;
use std::path::Path;

/// Samples that are compared; a batch that no graph was built with.
const SAMPLES: usize = 5;

/// Runs a file of [`export::write`] on samples drawn at random, and the model that it was
/// written from; gives the largest difference, as a share of the largest output or of 1.
///
/// Fails when the file does not run, or gives an output of another shape.
pub fn difference(path: &Path, model: &nn::Model, loaded: &Loaded) -> Result<f64> {
    let file = Model::open(path)?;
    let mut random = Random::new(1, stream::CASES);
    let spec = model.batch_spec(SAMPLES);
    let n = spec.elements();
    let name = file.inputs().first().map(|p| p.name.clone()).unwrap_or_default();
    let (native, given) = if model.description.takes_tokens() {
        let tokens = loaded.about.interface.vocabulary().map_or(2, |v| v.len()) as u32;
        let values: Vec<u32> = (0..n).map(|_| random.below(tokens.max(1))).collect();
        let ints = Data::Int(values.iter().map(|&v| i64::from(v)).collect());
        (HostTensor::u32(spec.shape.clone(), values), Tensor::new(Elem::Int64, spec.shape.to_vec(), ints))
    } else {
        let values: Vec<f32> = (0..n).map(|_| random.normal()).collect();
        (HostTensor::f32(spec.shape.clone(), values.clone()), Tensor::floats(spec.shape.to_vec(), values))
    };
    let expected = export::outputs(model, loaded, &Device::Cpu, &native)?;
    let ran = file.run(&Device::Cpu, vec![(name, Value::host(given))]).context(|| path.display().to_string())?;
    let found = match ran.outputs.first() {
        Some((_, Output::Tensor(t))) if t.shape == expected.shape.to_vec() => t.to_f64()?,
        _ => {
            let shape = &expected.shape;
            return Err(Error::model(format!("{}: its output has another shape than {shape}", path.display())));
        }
    };
    let HostData::F32(expected) = &expected.data else { return Ok(0.0) };
    let largest = expected.iter().fold(1.0, |m: f64, v| m.max(f64::from(v.abs())));
    let far = found.iter().zip(expected).map(|(a, &b)| (a - f64::from(b)).abs()).fold(0.0, f64::max);
    Ok(far / largest)
}
