//! Many tensors in one flat buffer, each a view of its part: the parameters, and
//! their gradients.

use super::context::{Backward, Cost, Infer, Lower};
use super::graph::{Graph, Node, Op};
use super::init::Init;
use super::reference::{Io, Reference};
use super::tensor::{Home, TensorId};
use crate::error::{Error, Result};
use crate::kernel::Lowered;
use crate::tensor::{Real, Spec};
use std::sync::Arc;

/// Parameters start at multiples of this many elements in their flat buffer,
/// which satisfies every adapter's offset alignment (256 bytes) and vec4 loads.
pub const FLAT_ALIGN: usize = 64;

impl Graph {
    /// Moves all parameters into one flat persistent tensor `name`, so that
    /// the optimiser is one dispatch and a checkpoint one copy. Returns it with
    /// each parameter's offset in elements.
    pub fn flatten_params(&mut self, name: &str) -> (TensorId, Vec<usize>) {
        let params = self.params().to_vec();
        let (offsets, total) = flat_offsets(params.iter().map(|&p| self.spec(p).elements()));
        let part = |(&p, &offset): (&TensorId, &usize)| match &self.tensors[p.index()].home {
            Home::Persistent { init, .. } => Some((offset, init.clone())),
            _ => None,
        };
        let parts = params.iter().zip(&offsets).filter_map(part).collect();
        let base = self.persistent(name, Spec::f32([total]), Init::Parts(parts));
        for (&p, &offset) in params.iter().zip(&offsets) {
            self.tensors[p.index()].home = Home::View { base, offset };
        }
        (base, offsets)
    }

    /// Makes `parts` views of one flat persistent tensor `name`, laid out as
    /// [`Graph::flatten_params`] lays out parameters, so that whoever computes
    /// a part writes it in place. A part that is read elsewhere, or is not
    /// computed by a node, is copied.
    pub fn pack(&mut self, name: &str, parts: &[TensorId]) -> Result<TensorId> {
        let (offsets, total) = flat_offsets(parts.iter().map(|&p| self.spec(p).elements()));
        let parts: Vec<(TensorId, usize)> = parts.iter().copied().zip(offsets).collect();
        self.pack_at(name, &parts, total)
    }

    /// [`Graph::pack`] into a tensor of `total` elements, each part at an
    /// offset of its own. What lies between the parts stays zero.
    pub fn pack_at(&mut self, name: &str, parts: &[(TensorId, usize)], total: usize) -> Result<TensorId> {
        let flat = self.persistent(name, Spec::f32([total]), Init::Zeros);
        let mut placed = Vec::new();
        let roots: Vec<TensorId> = parts.iter().map(|&(part, _)| self.root(part).0).collect();
        for &(part, offset) in parts {
            let (root, _) = self.root(part);
            // Two biases that are only ever added have one gradient.
            let once = roots.iter().filter(|&&r| r == root).count() == 1;
            let alone = once && self.readers_of_storage(root) == usize::from(root != part);
            let whole = self.spec(root).elements() == self.spec(part).elements();
            let computed = self.nodes.iter().any(|n| n.outputs.contains(&root));
            let free = self.tensors[root.index()].home == Home::Transient;
            let t = if alone && whole && computed && free { root } else { self.copy(part)? };
            self.tensors[t.index()].home = Home::View { base: flat, offset };
            placed.push(t);
        }
        self.nodes.push(Node {
            op: Arc::new(Pack),
            inputs: placed,
            updates: vec![flat],
            outputs: vec![],
            scope: String::new(),
            again: false,
        });
        Ok(flat)
    }

    /// Some elements of a flat f32 tensor, in place: what is written to one is written to the other.
    ///
    /// # Panics
    ///
    /// If the tensor has fewer elements.
    pub fn part(&mut self, flat: TensorId, range: std::ops::Range<usize>) -> TensorId {
        assert!(range.end <= self.spec(flat).elements(), "{range:?} of {}", self.spec(flat));
        let label = self.tensors[flat.index()].label.clone();
        self.tensor(Spec::f32([range.len()]), Home::View { base: flat, offset: range.start }, label)
    }

    /// How many node inputs read the elements that `root` owns.
    fn readers_of_storage(&self, root: TensorId) -> usize {
        self.nodes.iter().flat_map(|n| n.inputs.iter().chain(&n.updates)).filter(|&&t| self.root(t).0 == root).count()
    }
}

/// Offsets of parts of these sizes in a flat buffer, and its total size.
fn flat_offsets(sizes: impl Iterator<Item = usize>) -> (Vec<usize>, usize) {
    let mut total = 0;
    let offsets = sizes
        .map(|n| {
            let offset = total;
            // A plan refuses what is not countable.
            total = n.checked_next_multiple_of(FLAT_ALIGN).map_or(usize::MAX, |n| total.saturating_add(n));
            offset
        })
        .collect();
    (offsets, total.max(FLAT_ALIGN))
}

/// The node behind [`Graph::pack`]: keeps the parts alive until the flat
/// tensor is read. The parts already lie in it, so there is nothing to do.
#[derive(Debug)]
struct Pack;

impl Reference for Pack {
    fn reference<T: Real>(&self, _io: &mut Io<T>) {}
}

impl Op for Pack {
    fn name(&self) -> &'static str {
        "pack"
    }

    fn infer(&self, _cx: &Infer) -> Result<Vec<Spec>> {
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Err(Error::model("pack has no gradient: it ends a backward pass"))
    }

    fn lower(&self, _cx: &Lower) -> Result<Lowered> {
        Ok(Lowered::nothing())
    }

    fn cost(&self, _cx: &Lower) -> Cost {
        Cost::default()
    }

    fn alias(&self) -> bool {
        true
    }
}
