//! The ops of ONNX that the ops of a graph become, a file for each family.

mod attention;
mod elementwise;
mod products;
pub mod recurrence;
mod rotary;
mod rows;
mod shapes;
mod windows;

use super::emit::Emitter;
use crate::error::Result;

/// Writes what a node of the graph computes; false where there is nothing to write it with.
pub fn write(cx: &mut Emitter, at: usize) -> Result<bool> {
    let families = [
        elementwise::write,
        shapes::write,
        products::write,
        windows::write,
        attention::write,
        rotary::write,
        recurrence::write,
        rows::write,
    ];
    for family in families {
        if family(cx, at)? {
            return Ok(true);
        }
    }
    Ok(false)
}
