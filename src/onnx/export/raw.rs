//! What a model answers to inputs as they are: what a written file is compared with.

use crate::device::Device;
use crate::error::Result;
use crate::graph::Graph;
use crate::nn::{Mode, Model};
use crate::plan::Plan;
use crate::tensor::HostTensor;
use crate::train::answering;
use crate::train::checkpoint::Loaded;

/// The outputs of a model, before anything makes probabilities or units of them, for a batch
/// of inputs that are normalised or tokens already.
///
/// Fails when the inputs are not of the model's shape.
pub fn outputs(model: &Model, loaded: &Loaded, device: &Device, input: &HostTensor) -> Result<HostTensor> {
    let model = model.clone().without(answering(&loaded.about.interface));
    let mut g = Graph::new();
    let batch = input.shape.first().copied().unwrap_or(1);
    let x = g.input("input", model.batch_spec(batch));
    let output = model.build(&mut g, x, Mode::Eval, &mut loaded.weights.clone())?.output;
    let plan: Plan = device.plan(&g, &[output])?;
    let mut executor = device.executor();
    let program = executor.load(plan)?;
    executor.write("input", input)?;
    executor.run(&program, 1)?;
    let found = executor.fetch(&program, output)?;
    let shape = g.shape(output).to_vec();
    Ok(HostTensor::f32(shape, found.as_f32().to_vec()))
}
