//! What a plan may do to the graph before it lays it out.

use super::bytes::human_bytes;
use super::choice::Choices;
use super::target::Target;
use crate::error::{Error, Result, unknown};
use crate::graph::TensorId;
use crate::kernel::Class;

/// Which layers are computed again in the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recompute {
    /// None: everything that the backward pass needs is kept.
    #[default]
    None,
    /// As few as the memory budget asks for.
    Auto,
    /// All of them.
    Layers,
}

const RECOMPUTE: &[(&str, Recompute)] =
    &[("none", Recompute::None), ("auto", Recompute::Auto), ("layers", Recompute::Layers)];

impl Recompute {
    /// Reads its name.
    pub fn named(name: &str) -> Result<Recompute> {
        let found = RECOMPUTE.iter().find(|(n, _)| *n == name).map(|(_, r)| *r);
        found.ok_or_else(|| unknown("recompute", name, RECOMPUTE.iter().map(|(n, _)| *n)))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        RECOMPUTE.iter().find(|(_, r)| *r == self).expect("every one has a name").0
    }
}

/// How activations and their gradients are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// In f32.
    #[default]
    F32,
    /// In f16, computed in f32.
    F16,
    /// In f16 where that is likely to be faster: on a GPU whose shaders have the
    /// type.
    Auto,
}

const PRECISION: &[(&str, Precision)] = &[("f32", Precision::F32), ("f16", Precision::F16), ("auto", Precision::Auto)];

impl Precision {
    /// Reads its name.
    pub fn named(name: &str) -> Result<Precision> {
        let found = PRECISION.iter().find(|(n, _)| *n == name).map(|(_, p)| *p);
        found.ok_or_else(|| unknown("precision", name, PRECISION.iter().map(|(n, _)| *n)))
    }

    /// What it means on a device: `Auto` takes halves where a GPU has the type.
    pub fn on(self, target: &Target) -> Precision {
        match (self, target) {
            (Precision::Auto, Target::Gpu(caps)) if caps.f16 && caps.class != Class::Cpu => Precision::F16,
            (Precision::Auto, _) => Precision::F32,
            (fixed, _) => fixed,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        PRECISION.iter().find(|(_, p)| *p == self).expect("every one has a name").0
    }
}

/// What a plan may do to the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Run elementwise nodes inside the nodes that make their operands.
    pub fuse: bool,
    /// How activations and their gradients are kept.
    pub precision: Precision,
    /// With [`Precision::F16`], named and fetched tensors that are kept in f16 as
    /// well, however small: for tests of single ops.
    pub halves: Vec<TensorId>,
    /// What to compute again instead of keeping it.
    pub recompute: Recompute,
    /// Bytes that all buffers together may take.
    pub memory_budget: Option<u64>,
    /// Variants chosen for some of the ops.
    pub choices: Choices,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fuse: true,
            precision: Precision::F32,
            halves: vec![],
            recompute: Recompute::None,
            memory_budget: None,
            choices: Choices::default(),
        }
    }
}

impl Options {
    /// The budget, which recomputation as needed cannot do without.
    pub(super) fn budget(&self) -> Result<u64> {
        self.memory_budget.ok_or_else(|| {
            Error::usage(
                "recompute = \"auto\" computes again what a budget leaves no room for, and there is none, since adapters \
                 do not tell their memory; give one, such as --memory-budget 2GiB, or choose \"layers\"",
            )
        })
    }

    /// The error of a budget that nothing fits.
    pub(super) fn too_small(&self, least: u64) -> Error {
        let shown = |b: u64| human_bytes(usize::try_from(b).unwrap_or(usize::MAX));
        Error::model(format!(
            "the step takes {least} bytes ({}) even with every layer computed again, and the memory budget is {} ({}); use a \
             smaller batch or a smaller model",
            shown(least),
            self.memory_budget.unwrap_or(0),
            shown(self.memory_budget.unwrap_or(0))
        ))
    }
}
