//! An op made of any WGSL text, to ask a planner or a device a question.

use wgrad::Result;
use wgrad::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use wgrad::kernel::{Dispatch, Kernel, Lowered, Shader};
use wgrad::tensor::{Real, Spec};

/// Runs the entry point `probe` of a text once.
#[derive(Debug, Clone)]
pub struct Probe {
    pub dispatch: Dispatch,
    pub outputs: Vec<Spec>,
}

impl Probe {
    /// `configure` sets constants, bindings and the grid.
    pub fn new(wgsl: &str, outputs: &[Spec], configure: impl FnOnce(Kernel) -> Dispatch) -> Probe {
        // A shader is part of the program everywhere else.
        let source = String::leak(wgsl.to_string());
        let shader = Box::leak(Box::new(Shader { name: "probe", source }));
        Probe { dispatch: configure(Kernel::new(shader, "probe")), outputs: outputs.to_vec() }
    }
}

impl Reference for Probe {
    fn reference<T: Real>(&self, _io: &mut Io<T>) {}
}

impl Op for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn infer(&self, _cx: &Infer) -> Result<Vec<Spec>> {
        Ok(self.outputs.clone())
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, _cx: &Lower) -> Result<Lowered> {
        Ok(Lowered::one(self.dispatch.clone()))
    }

    fn cost(&self, _cx: &Lower) -> Cost {
        Cost::default()
    }
}
