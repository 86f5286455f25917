//! The forms of a tiled product (`shaders/lib/tiles.wgsl` and `tiles_half.wgsl`),
//! which products and convolutions share.

use crate::graph::Lower;
use crate::kernel::{GPUS, Kernel, Variant};

/// How many invocations make a workgroup and how much each of them owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// The name of the variants that use it.
    pub name: &'static str,
    /// Invocations across and down.
    pub threads: [usize; 2],
    /// Quads of columns and of rows of each: 1 or 2.
    pub quads: [usize; 2],
    /// The tiles' share of the sum.
    pub depth: usize,
    /// Whether subgroups multiply cooperative matrices, factors rounded to f16:
    /// four of them in a row, 64x64 elements together.
    pub half: bool,
}

/// The forms, largest first, named by rows and columns. All stay within 16 KiB and 256 invocations, and
/// each invocation loads whole quads of both tiles.
pub(super) const FORMS: &[Form] = &[
    Form { name: "blocks128", threads: [16, 16], quads: [2, 2], depth: 8, half: false },
    Form { name: "blocks32x128", threads: [16, 4], quads: [2, 2], depth: 8, half: false },
    // Few invocations that own much each, or many that own less.
    Form { name: "blocks64", threads: [8, 8], quads: [2, 2], depth: 16, half: false },
    Form { name: "blocks64_small", threads: [16, 16], quads: [1, 1], depth: 16, half: false },
    Form { name: "blocks32", threads: [8, 8], quads: [1, 1], depth: 16, half: false },
];

/// For convolutions of at most 16 channels: half of any other tile would be empty.
pub(super) const NARROW: Form = Form { name: "blocks16x64", threads: [16, 4], quads: [1, 1], depth: 16, half: false };

impl Form {
    /// The form that a variant is to be lowered to, if it is one of these.
    pub fn of(cx: &Lower) -> Option<Form> {
        let half = cx.caps.half.map(Form::of_subgroups);
        FORMS.iter().copied().chain([NARROW]).chain(half).find(|f| f.name == cx.variant)
    }

    /// Cooperative matrices, for subgroups of so many invocations.
    fn of_subgroups(lanes: u32) -> Form {
        Form { name: "half", threads: [4 * lanes as usize, 1], quads: [1, 1], depth: 32, half: true }
    }

    /// Columns and rows of a tile.
    pub fn tile(&self) -> [usize; 2] {
        if self.half {
            return [64, 64];
        }
        [0, 1].map(|i| 4 * self.threads[i] * self.quads[i])
    }

    /// As a variant of an op.
    pub fn variant(&self) -> Variant {
        let [across, down] = self.tile();
        // A pair of tiles twice in f32, or once in f16 with a matrix of sums per
        // subgroup.
        let staged = self.depth * (across + down);
        let bytes = if self.half { 2 * staged + 4 * 16 * 16 * 4 } else { 2 * 4 * staged };
        let threads = self.threads[0] * self.threads[1];
        Variant { half: self.half, ..Variant::new(self.name, GPUS).takes(bytes as u32, threads as u32) }
    }

    /// Adds the fragment that multiplies and the constants that it leaves open.
    pub fn describe(&self, kernel: Kernel) -> Kernel {
        let k = kernel.constant("ACROSS", self.threads[0]).constant("DOWN", self.threads[1]);
        let k = k.constant("DEPTH", self.depth).tiles(self.half);
        match self.half {
            true => k,
            false => k.constant("QUADS_X", self.quads[0]).constant("QUADS_Y", self.quads[1]),
        }
    }
}

/// Tiles that keep a large GPU busy.
pub(super) const ENOUGH: usize = 128;

/// The forms in the order in which they are likely to be fast for `batch`
/// matrices of `[rows, columns]`: the largest tile of which there are enough to
/// fill a device comes first. A form that is twice as high or wide as the
/// matrix is left out. Where `half` allows it, cooperative matrices come before
/// all, unless most of them would be empty.
pub(super) fn forms_for(rows: usize, columns: usize, batch: usize, half: Option<u32>) -> Vec<Form> {
    let tiles = |f: &Form| {
        let [across, down] = f.tile();
        columns.div_ceil(across) * rows.div_ceil(down) * batch
    };
    let useful = |f: &&Form| {
        let [across, down] = f.tile();
        (columns > across / 2 && rows > down / 2) || f.tile() == [32, 32]
    };
    let mut forms: Vec<Form> = FORMS.iter().filter(useful).copied().collect();
    // Stable: largest first among those that fill a device, smallest first
    // among those that do not.
    forms.sort_by_key(|f| match tiles(f) {
        n if n >= ENOUGH => (0, 0),
        n => (1, usize::MAX - n),
    });
    let half = half.filter(|_| rows > 16 && columns > 16).map(Form::of_subgroups);
    half.into_iter().chain(forms).collect()
}

/// A function that reads four elements of `x` at once. `quads`: they are
/// neighbours and the first stands at a multiple of four, so that they are one
/// quad of `x4`.
pub(super) fn get_quad(x: &str, quads: bool) -> String {
    match quads {
        true => format!("fn quad_{x}(at: vec4<u32>) -> vec4<f32> {{ return {x}4[at.x / 4u]; }}"),
        false => format!(
            "fn quad_{x}(at: vec4<u32>) -> vec4<f32> {{ return vec4({x}[at.x], {x}[at.y], {x}[at.z], {x}[at.w]); }}"
        ),
    }
}

/// The function that writes four elements of `y` likewise.
pub(super) fn put_quad(quads: bool) -> String {
    let put = match quads {
        true => "if inside.x { put4(at.x / 4u, value); }",
        false => "for (var i = 0u; i < 4u; i++) { if inside[i] { put(at[i], value[i]); } }",
    };
    format!("fn put_quad(at: vec4<u32>, inside: vec4<bool>, value: vec4<f32>) {{ {put} }}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Caps, Class};

    #[test]
    fn forms_keep_the_floor_and_divide_their_loads() {
        for form in FORMS.iter().chain([&NARROW]) {
            assert!(form.variant().fits(&Caps::floor(Class::Integrated)), "{form:?}");
            let [across, down] = form.tile();
            let threads = form.threads[0] * form.threads[1];
            for side in [across, down] {
                let quads = form.depth * side / 4;
                assert!(quads >= threads && quads.is_multiple_of(threads), "{form:?}: {quads} quads of {threads}");
                assert!(side >= 16 && (side / 4).is_power_of_two(), "{form:?}: quads turn among eight or four");
            }
            assert!(form.depth.is_multiple_of(8), "{form:?}: neighbours store at eight depths");
        }
    }

    #[test]
    fn large_matrices_take_large_tiles_and_small_ones_small_tiles() {
        assert_eq!(forms_for(4096, 4096, 1, None)[0].name, "blocks128");
        assert_eq!(forms_for(32, 32, 1, None)[0].name, "blocks32");
        assert_eq!(forms_for(100, 10, 64, None)[0].name, "blocks32");
        assert!(forms_for(300, 300, 1, None)[0].tile() != [128, 128], "nine tiles leave most of a GPU idle");
    }
}
