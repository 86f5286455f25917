//! A case as a graph: its inputs, outputs, and the gradients of a random
//! cotangent contracted with the outputs. What the tests run, and what shaders
//! are timed with.

use super::{Case, Fill, Graph, Init, Seed, TensorId, gradient};
use crate::error::Result;
use crate::tensor::{DType, HostTensor, Spec};

/// The elements of an input or a cotangent, drawn when somebody takes them: who only plans a case
/// takes none.
#[derive(Clone)]
pub struct Elements {
    spec: Spec,
    fill: Fill,
    seed: u32,
}

impl Elements {
    /// The elements, the same ones each time.
    pub fn draw(&self) -> HostTensor {
        self.fill.draw(&self.spec, self.seed)
    }

    /// A tensor of a graph that begins with them.
    fn named(&self, g: &mut Graph, name: &str) -> TensorId {
        let own = self.clone();
        g.persistent(name, self.spec.clone(), Init::drawn(move || own.draw()))
    }
}

/// A case's graph and the tensors to look at.
pub struct Built {
    /// The graph.
    pub graph: Graph,
    /// The inputs.
    pub inputs: Vec<TensorId>,
    /// The outputs.
    pub outputs: Vec<TensorId>,
    /// The gradients of the float inputs, by input number.
    pub gradients: Vec<(usize, TensorId)>,
    /// The elements of the inputs.
    pub values: Vec<Elements>,
    /// The cotangents of the float outputs, by output number.
    pub seeds: Vec<(usize, Elements)>,
}

/// The name of the buffer of input `i` of a case.
pub fn input_name(i: usize) -> String {
    format!("x{i}")
}

impl Case {
    /// Builds forward and, if the case has one, backward pass.
    pub fn built(&self) -> Result<Built> {
        let mut g = Graph::new();
        let mut values = vec![];
        let mut inputs = vec![];
        for (i, (spec, fill)) in self.inputs.iter().enumerate() {
            let value = Elements { spec: spec.clone(), fill: fill.clone(), seed: 1000 + i as u32 };
            inputs.push(value.named(&mut g, &input_name(i)));
            values.push(value);
        }
        let outputs = (self.build)(&mut g, &inputs)?;
        let (mut seeds, mut gradients) = (vec![], vec![]);
        if self.gradient {
            let mut from = vec![];
            for (i, &y) in outputs.iter().enumerate() {
                let spec = g.spec(y).clone();
                if spec.dtype == DType::F32 {
                    // A random cotangent: with ones, softmax would pass anything.
                    let value = Elements { spec, fill: Fill::Normal(1.0), seed: 2000 + i as u32 };
                    from.push(Seed { tensor: y, gradient: value.named(&mut g, &format!("seed{i}")) });
                    seeds.push((i, value));
                }
            }
            let floats: Vec<usize> = (0..inputs.len()).filter(|&i| self.inputs[i].0.dtype == DType::F32).collect();
            let wrt: Vec<TensorId> = floats.iter().map(|&i| inputs[i]).collect();
            gradients = floats.into_iter().zip(gradient(&mut g, &from, &wrt)?).collect();
        }
        Ok(Built { graph: g, inputs, outputs, gradients, values, seeds })
    }
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
