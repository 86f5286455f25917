//! What rooms share whose kernels take one element at a time or four: the same
//! text over `Wide`, which is f32 or vec4<f32>.

use crate::kernel::Kernel;

/// How many elements of a row travel together.
pub(super) fn width(row: usize) -> usize {
    if row.is_multiple_of(4) { 4 } else { 1 }
}

/// Adds the type `Wide` and `total`, the sum of its elements.
pub(super) fn wide(k: Kernel, width: usize) -> Kernel {
    let (of, sum) = if width == 4 { ("vec4<f32>", "(v.x + v.y) + (v.z + v.w)") } else { ("f32", "v") };
    k.line("Wide", format!("alias Wide = {of};")).line("total", format!("fn total(v: Wide) -> f32 {{ return {sum}; }}"))
}
