//! What rooms share whose kernels take one element at a time or four: the same
//! text over `Wide`, which is f32 or vec4<f32>.

use crate::kernel::{Dispatch, Kernel, Store};

/// How many elements of a row travel together.
pub(super) fn width(row: usize) -> usize {
    if row.is_multiple_of(4) { 4 } else { 1 }
}

/// Adds the type `Wide` and `total`, the sum of its elements.
pub(super) fn wide(k: Kernel, width: usize) -> Kernel {
    let (of, sum) = if width == 4 { ("vec4<f32>", "(v.x + v.y) + (v.z + v.w)") } else { ("f32", "v") };
    k.line("Wide", format!("alias Wide = {of};")).line("total", format!("fn total(v: Wide) -> f32 {{ return {sum}; }}"))
}

/// Lets a kernel over `Wide` store through `put_wide`.
pub(super) fn put_wide(d: Dispatch, store: &Store, width: usize) -> Dispatch {
    let mut d = if width == 4 { d.put4(store) } else { d.put(store) };
    d.kernel = with_put(d.kernel, width);
    d
}

/// The same for an entry point that stores by itself, in a file where another
/// does not.
pub(super) fn stores_wide_itself(k: Kernel, width: usize) -> Kernel {
    with_put(k.stores_itself(), width)
}

fn with_put(k: Kernel, width: usize) -> Kernel {
    let put = if width == 4 { "put4" } else { "put" };
    k.line("put_wide", format!("fn put_wide(i: u32, v: Wide) {{ {put}(i, v); }}"))
}
