//! `thin`: products with at most 8 rows or columns, which are read, not
//! computed: the other operand passes once through whole workgroups.

use super::Sizes;
use crate::kernel::{GPUS, Kernel, Shader, Variant, groups_1d};
use crate::shader;

static SHADER: Shader = shader!("matmul/thin");

/// The most rows or columns of a thin operand.
const MOST: usize = 8;

/// Invocations per workgroup.
const WG: usize = 256;

/// The variant, where a product is thin.
pub(super) fn variant(s: Sizes) -> Option<Variant> {
    let thin = s.m.min(s.n);
    (thin <= MOST).then(|| Variant::new("thin", GPUS).takes((thin * WG * 4) as u32, WG as u32))
}

/// The kernel, but for its bias, and its grid.
pub(super) fn product(s: Sizes, transpose: [bool; 2]) -> (Kernel, [usize; 3]) {
    let thin_a = s.m <= s.n;
    let (thin, lines) = if thin_a { (s.m, s.n) } else { (s.n, s.m) };
    let k_runs = if thin_a { transpose[1] } else { !transpose[0] };
    // As many along K as there are elements for; a sector of neighbours at
    // least where they run along the lines.
    let most = if k_runs { 64 } else { 32 };
    let keys = s.k.next_power_of_two().clamp(MOST, most);
    let k = Kernel::new(&SHADER, "multiply").set("M", s.m).set("N", s.n).set("K", s.k);
    let k = k.set("STRIDE_A", if s.batched[0] { s.m * s.k } else { 0 });
    let k = k.set("STRIDE_B", if s.batched[1] { s.k * s.n } else { 0 });
    let k = k.flag("TRANSPOSE_A", transpose[0]).flag("TRANSPOSE_B", transpose[1]).flag("THIN_A", thin_a);
    let k = k.constant("THIN", thin).constant("LINES", WG / keys).constant("KEYS", keys);
    let [x, y, _] = groups_1d(lines, WG / keys);
    (k, [x as usize, y as usize, s.batch])
}
