//! Mixed precision: which tensors are kept in two bytes.
//!
//! Everything is computed in f32; activations and their gradients, which are
//! most of what a step moves, are rounded to f16 where they go to memory. Weights,
//! their gradients, the optimiser's state, statistics and losses stay in f32: a
//! step's change of a weight is often smaller than an f16 can show beside the
//! weight (Micikevicius et al., "Mixed Precision Training", arXiv:1710.03740).
//!
//! Ops know nothing of it. An op says of its outputs whether they bear it
//! (`Op::bears_half`), this pass picks tensors, and the kernels that touch them
//! load and store through conversions (`Kernel::halves`).

use super::target::Target;
use crate::error::Result;
use crate::graph::{Graph, Home, TensorId};
use crate::kernel::{Dispatch, Form, Lowered, Slot, assemble, holds_words, reflect, takes_bits};
use crate::tensor::DType;
use std::collections::{HashMap, HashSet};

/// Tensors of fewer elements are not worth it: what is saved is bandwidth.
const FEWEST: usize = 1024;

/// Where a view may begin: bindings are aligned to 256 bytes.
const ALIGN: usize = 128;

/// A step's nodes with what they became, and what is looked at afterwards.
pub(super) struct Work<'a> {
    pub live: &'a [usize],
    pub lowered: &'a mut [Lowered],
    pub fetch: &'a [TensorId],
    pub target: &'a Target,
}

/// Gives the tensors that are kept in halves their type, and lets the kernels
/// know. `also` are kept so although they have names or are fetched.
pub(super) fn narrow(graph: &mut Graph, work: Work, also: &[TensorId]) -> Result<()> {
    let chosen = chosen(graph, &work, also)?;
    for i in 0..graph.tensors.len() {
        if chosen.contains(&graph.root(TensorId(i as u32)).0) {
            graph.tensors[i].spec.dtype = DType::F16;
        }
    }
    let form = form(work.target);
    for (&n, lowered) in work.live.iter().zip(work.lowered) {
        for dispatch in &mut lowered.dispatches {
            let of = |slot: &Slot| tensor(graph, n, slot).is_some_and(|t| graph.spec(t).dtype == DType::F16);
            let names = dispatch.binds.iter().filter(|(_, slot)| of(slot)).map(|(name, _)| *name).collect();
            dispatch.kernel.halves = (names, form);
        }
    }
    Ok(())
}

fn form(target: &Target) -> Form {
    match target {
        Target::Gpu(caps) if !caps.f16 => Form::Packed,
        _ => Form::Typed,
    }
}

/// The tensor that a dispatch of node `n` binds.
fn tensor(graph: &Graph, n: usize, slot: &Slot) -> Option<TensorId> {
    let node = &graph.nodes()[n];
    match *slot {
        Slot::Input(i) | Slot::InputAt(i, _) => node.inputs.get(i).copied(),
        Slot::Update(i) => node.updates.get(i).copied(),
        Slot::Output(i) => node.outputs.get(i).copied(),
        Slot::Scratch(_) => None,
    }
}

/// The owners of elements that are kept in halves.
fn chosen(graph: &Graph, work: &Work, also: &[TensorId]) -> Result<HashSet<TensorId>> {
    let mut bears: HashMap<TensorId, bool> = also.iter().map(|&t| (graph.root(t).0, true)).collect();
    let veto = |bears: &mut HashMap<TensorId, bool>, t: TensorId, fine: bool| {
        let entry = bears.entry(graph.root(t).0).or_insert(true);
        *entry &= fine;
    };
    for &n in work.live {
        let node = &graph.nodes()[n];
        for (i, &y) in node.outputs.iter().enumerate().filter(|_| !node.op.alias()) {
            let whole = graph.root(y).0 == y;
            veto(&mut bears, y, whole && node.op.bears_half(i));
        }
        node.updates.iter().for_each(|&t| veto(&mut bears, t, false));
    }
    for (i, info) in graph.tensors().iter().enumerate() {
        let (root, offset) = graph.root(TensorId(i as u32));
        if info.spec.dtype != DType::F32 || !offset.is_multiple_of(ALIGN) {
            veto(&mut bears, root, false);
        }
    }
    bears.retain(|t, fine| {
        let named = graph.tensors()[t.index()].home != Home::Transient
            || work.fetch.iter().any(|f| graph.root(*f).0 == *t)
            || graph.spec(*t).elements() < FEWEST;
        *fine && (!named || also.iter().any(|a| graph.root(*a).0 == *t))
    });
    let mut chosen: HashSet<TensorId> = bears.into_keys().collect();
    for (&n, lowered) in work.live.iter().zip(work.lowered.iter()) {
        for dispatch in &lowered.dispatches {
            for t in unfit(graph, n, dispatch, form(work.target))? {
                chosen.remove(&graph.root(t).0);
            }
        }
    }
    Ok(chosen)
}

/// Whether a dispatch of node `n` binds a tensor of floats there.
fn floats(graph: &Graph, n: usize, slot: &Slot) -> bool {
    tensor(graph, n, slot).is_some_and(|t| graph.spec(t).dtype == DType::F32)
}

/// What a dispatch could not bind in halves: what is moved by its bits, parts of tables, which would begin
/// where no binding may, what it takes by its bits, and, packed, what it writes
/// element by element.
fn unfit(graph: &Graph, n: usize, dispatch: &Dispatch, form: Form) -> Result<Vec<TensorId>> {
    let mut found = vec![];
    let text = assemble(&dispatch.kernel)?;
    // A kernel whose float output is declared as words moves bits: its inputs keep all of theirs.
    let moves = |(name, slot): &(&str, Slot)| {
        matches!(slot, Slot::Output(_)) && floats(graph, n, slot) && holds_words(&text, name)
    };
    if dispatch.binds.iter().any(|(name, slot)| moves(&(*name, *slot))) {
        let all = dispatch.binds.iter().filter(|(name, _)| holds_words(&text, name));
        found.extend(all.filter_map(|(_, slot)| tensor(graph, n, slot)));
    }
    for (name, slot) in &dispatch.binds {
        if matches!(slot, Slot::InputAt(..)) || takes_bits(&text, name) {
            found.extend(tensor(graph, n, slot));
        }
    }
    if form == Form::Packed {
        let entry = reflect::entry(&dispatch.kernel)?;
        for binding in entry.bindings.iter().filter(|b| b.writable && b.stride < 8) {
            let bound = dispatch.binds.iter().find(|(name, _)| *name == binding.name);
            found.extend(bound.and_then(|(_, slot)| tensor(graph, n, slot)));
        }
    }
    Ok(found)
}
