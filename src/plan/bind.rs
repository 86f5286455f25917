//! Dispatches meet places: names of shader variables become buffers, and what
//! the device would refuse is refused here.

use super::step::{Bound, Buffer, Launch, Place, Step};
use crate::error::{Error, Result};
use crate::graph::{FLAT_ALIGN, Node};
use crate::kernel::{Dispatch, Slot, reflect};
use crate::tensor::Spec;

/// A buffer that a step writes may not be read by it through another tensor:
/// wgpu makes a written buffer exclusive within a dispatch, even at disjoint
/// ranges. Nor may two tensors that it writes overlap. The planner must never
/// come to this; a state tensor given to an op twice would.
pub(super) fn check_exclusive(step: &Step, node: &Node, buffers: &[Buffer]) -> Result<()> {
    let written: Vec<&Place> = step.updates.iter().chain(&step.outputs).chain(&step.scratch).collect();
    let overlap = |a: &Place, b: &Place| a.range().start < b.range().end && b.range().start < a.range().end;
    for (i, w) in written.iter().enumerate() {
        let here = |other: &&Place| other.buffer == w.buffer;
        let clash = step.inputs.iter().find(here).map(|r| ("reads", r)).or_else(|| {
            let twice = written[..i].iter().copied().find(|other| here(other) && overlap(other, w));
            twice.map(|other| ("also writes", other))
        });
        if let Some((does, other)) = clash {
            let name = buffers[w.buffer].name.clone().unwrap_or_else(|| format!("#{}", w.buffer));
            return Err(Error::model(format!(
                "{} {does} elements {:?} and writes elements {:?} of one buffer ({name}) in one step; \
                 a written buffer is exclusive",
                node.label(),
                other.range(),
                w.range()
            )));
        }
    }
    Ok(())
}

/// The rest of a tensor from an element on, if that is an aligned place in it.
fn from_element(place: &Place, offset: usize) -> Option<Place> {
    let left = place.spec.elements().checked_sub(offset).filter(|&n| n > 0)?;
    let spec = Spec { shape: [left].into(), dtype: place.spec.dtype };
    offset.is_multiple_of(FLAT_ALIGN).then(|| Place { buffer: place.buffer, offset: place.offset + offset, spec })
}

/// Matches a dispatch's names with what its shader declares.
pub(super) fn bind(dispatch: Dispatch, step: &Step, node: &Node) -> Result<Launch> {
    let kernel = dispatch.kernel;
    let entry = reflect::entry(&kernel)?;
    let file = kernel.shader.name;
    let mut bound = vec![];
    for binding in &entry.bindings {
        let Some((_, slot)) = dispatch.binds.iter().find(|(name, _)| *name == binding.name) else {
            return Err(Error::model(format!(
                "shaders/{file}.wgsl, {}: variable \"{}\" is used and nothing is bound to it",
                kernel.entry, binding.name
            )));
        };
        let place = match *slot {
            Slot::Input(i) => step.inputs.get(i).cloned(),
            Slot::InputAt(i, offset) => step.inputs.get(i).and_then(|p| from_element(p, offset)),
            Slot::Update(i) => step.updates.get(i).cloned(),
            Slot::Output(i) => step.outputs.get(i).cloned(),
            Slot::Scratch(i) => step.scratch.get(i).cloned(),
        };
        let place = place
            .ok_or_else(|| Error::model(format!("\"{}\" is bound to {slot:?}, which is not there", binding.name)))?;
        if binding.writable && matches!(slot, Slot::Input(_) | Slot::InputAt(..)) {
            return Err(Error::model(format!(
                "\"{}\" is an input and the shader declares it read_write",
                binding.name
            )));
        }
        // The last of an odd number of halves fills its word.
        let bytes = place.spec.bytes().next_multiple_of(binding.stride.min(4) as usize);
        if !bytes.is_multiple_of(binding.stride as usize) {
            return Err(Error::model(format!(
                "\"{}\" has {} bytes, not a multiple of the {} that the shader reads at once",
                binding.name,
                place.spec.bytes(),
                binding.stride
            )));
        }
        bound.push(Bound { number: binding.number, place, writable: binding.writable });
    }
    for (name, _) in &dispatch.binds {
        if !entry.bindings.iter().any(|b| b.name == *name) {
            return Err(Error::model(format!("shaders/{file}.wgsl, {}: no variable \"{name}\" is used", kernel.entry)));
        }
    }
    let label = match node.scope.as_str() {
        "" => format!("{file}.{}", kernel.entry),
        scope => format!("{file}.{} @ {scope}", kernel.entry),
    };
    Ok(Launch { groups: dispatch.groups, bound, label, entry, kernel })
}
