//! A case as a graph: its inputs, outputs, and the gradients of a random
//! cotangent contracted with the outputs.

use wgrad::error::Result;
use wgrad::graph::Fill;
use wgrad::graph::{Case, Graph, Init, Seed, TensorId, gradient};
use wgrad::plan::{Executor, Options};
use wgrad::tensor::{DType, HostTensor};

/// A case's graph and the tensors to look at.
pub struct Built {
    pub graph: Graph,
    pub inputs: Vec<TensorId>,
    pub outputs: Vec<TensorId>,
    /// The gradients of the float inputs, by input number.
    pub gradients: Vec<(usize, TensorId)>,
    /// The elements of the inputs.
    pub values: Vec<HostTensor>,
    /// The cotangents of the float outputs, by output number.
    pub seeds: Vec<(usize, HostTensor)>,
}

/// Builds forward and, if the case has one, backward pass.
pub fn build(case: &Case) -> Result<Built> {
    let mut g = Graph::new();
    let mut values = vec![];
    let mut inputs = vec![];
    for (i, (spec, fill)) in case.inputs.iter().enumerate() {
        let value = fill.draw(spec, 1000 + i as u32);
        inputs.push(g.persistent(&input_name(i), spec.clone(), Init::Data(value.clone().into())));
        values.push(value);
    }
    let outputs = (case.build)(&mut g, &inputs)?;
    let (mut seeds, mut gradients) = (vec![], vec![]);
    if case.gradient {
        let mut from = vec![];
        for (i, &y) in outputs.iter().enumerate() {
            let spec = g.spec(y).clone();
            if spec.dtype == DType::F32 {
                // A random cotangent: with ones, softmax would pass anything.
                let value = Fill::Normal(1.0).draw(&spec, 2000 + i as u32);
                let seed = g.persistent(&format!("seed{i}"), spec, Init::Data(value.clone().into()));
                from.push(Seed { tensor: y, gradient: seed });
                seeds.push((i, value));
            }
        }
        let floats: Vec<usize> = (0..inputs.len()).filter(|&i| case.inputs[i].0.dtype == DType::F32).collect();
        let wrt: Vec<TensorId> = floats.iter().map(|&i| inputs[i]).collect();
        gradients = floats.into_iter().zip(gradient(&mut g, &from, &wrt)?).collect();
    }
    Ok(Built { graph: g, inputs, outputs, gradients, values, seeds })
}

pub fn input_name(i: usize) -> String {
    format!("x{i}")
}

/// Ops run for themselves, so that every kernel is tested; chains as plans fuse
/// them.
pub fn options(case: &Case) -> Options {
    Options { fuse: case.name.starts_with("chains/"), ..Options::default() }
}

impl Built {
    /// Everything to compare, with a name for each.
    pub fn looked_at(&self) -> Vec<(String, TensorId)> {
        let outputs = self.outputs.iter().enumerate().map(|(i, &t)| (format!("y{i}"), t));
        let gradients = self.gradients.iter().map(|&(i, t)| (format!("d_x{i}"), t));
        outputs.chain(gradients).collect()
    }

    /// The tensors to fetch.
    pub fn fetches(&self) -> Vec<TensorId> {
        self.looked_at().into_iter().map(|(_, t)| t).collect()
    }
}

/// Fetches tensors after a run.
pub fn fetch_all(e: &mut dyn Executor, program: wgrad::plan::ProgramId, ids: &[TensorId]) -> Result<Vec<HostTensor>> {
    ids.iter().map(|&t| e.fetch(program, t)).collect()
}
