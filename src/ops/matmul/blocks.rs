//! `blocks`: large tiles of y for GPUs, both operands through workgroup memory
//! twice over, 4x4 to 8x8 elements per invocation.

use super::Sizes;
use crate::kernel::{Kernel, Shader};
use crate::ops::tiles::{ENOUGH, Form, get_quad, put_quad};
use crate::shader;

static SHADER: Shader = shader!("matmul/blocks");

/// The longest slice of K: lavapipe silently ends the loops of an invocation
/// after 65,535 turns.
const LONGEST_SLICE: usize = 32_768;

/// A product cut into tiles and slices of K.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    form: Form,
    s: Sizes,
    transpose: [bool; 2],
    /// Slices of K and their length.
    pub split: usize,
    pub slice: usize,
}

impl Blocks {
    /// Slices of K, none shorter than eight turns, where tiles are few.
    pub fn new(form: Form, s: Sizes, transpose: [bool; 2]) -> Blocks {
        let [across, down] = form.tile();
        let tiles = s.n.div_ceil(across) * s.m.div_ceil(down) * s.batch;
        let split = (ENOUGH / tiles).clamp(1, (s.k / (8 * form.depth)).max(1)).max(s.k.div_ceil(LONGEST_SLICE));
        let slice = s.k.div_ceil(split).next_multiple_of(form.depth);
        Blocks { form, s, transpose, split: s.k.div_ceil(slice), slice }
    }

    /// Workgroups per dimension.
    pub fn groups(&self) -> [usize; 3] {
        let [across, down] = self.form.tile();
        [self.s.n.div_ceil(across), self.s.m.div_ceil(down), self.s.batch * self.split]
    }

    /// What the kernel calls a, b and y: by quads where four neighbours along
    /// the tile always lie at a multiple of four.
    pub fn names(&self) -> [&'static str; 3] {
        let [a, b, y] = self.quads();
        [if a { "a4" } else { "a" }, if b { "b4" } else { "b" }, if y { "y4" } else { "y" }]
    }

    fn quads(&self) -> [bool; 3] {
        let Sizes { m, n, .. } = self.s;
        [self.transpose[0] && m % 4 == 0, !self.transpose[1] && n % 4 == 0, n % 4 == 0]
    }

    /// The kernel, but for its bias.
    pub fn kernel(&self) -> Kernel {
        let Blocks { s, transpose, .. } = *self;
        let k = Kernel::new(&SHADER, "multiply").set("M", s.m).set("N", s.n).set("K", s.k).set("BATCH", s.batch);
        let k = k.set("STRIDE_A", if s.batched[0] { s.m * s.k } else { 0 });
        let k = k.set("STRIDE_B", if s.batched[1] { s.k * s.n } else { 0 });
        let k = k.set("SPLIT", self.split).set("SLICE", self.slice);
        let k = k.flag("TRANSPOSE_A", transpose[0]).flag("TRANSPOSE_B", transpose[1]);
        let [a, b, y] = self.quads();
        let k = k.line("quad_a", get_quad("a", a)).line("quad_b", get_quad("b", b)).line("put_quad", put_quad(y));
        self.form.describe(k)
    }
}
