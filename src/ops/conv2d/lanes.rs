//! `lanes`: convolution for software adapters, in registers. The lanes of a
//! subgroup own channels and share a patch of the image.
//!
//! On such a device a load or store runs lane after lane, and moving values
//! between lanes is one instruction. So each element of the patch is loaded by
//! one lane, once for all windows that see it, and handed around; filters are
//! packed first, so that a lane finds its channels side by side. How large a tile
//! of positions is best depends on all the sizes: [`Cut::best`] weighs every tile
//! by what its instructions cost.

use super::Conv2d;
use super::implicit::Pass;
use super::sizes::{Sizes, moved};
use crate::graph::Lower;
use crate::kernel::{Caps, Class, Dispatch, Kernel, Lowered, SOFTWARE, Shader, Slot, Variant, groups_1d};
use crate::ops::tiles::{get_quad, put_quad};
use crate::shader;
use crate::tensor::Spec;

static SHADER: Shader = shader!("conv2d/lanes");
static GRAD_W: Shader = shader!("conv2d/lanes_grad_w");

/// Its name among the variants.
const NAME: &str = "lanes";

/// The fewest channels that are worth spreading over lanes.
const FEWEST: usize = 4;

/// Subgroups per workgroup of the product.
const TEAMS: usize = 4;

/// Workgroups of the weight gradient that keep a small CPU busy.
const ENOUGH: usize = 32;

/// lavapipe silently ends the loops of an invocation after 65,535 turns.
const LONGEST: usize = 65_535;

/// Sums that an invocation can hold, and multiplications of a loop's body:
/// beyond, they leave the nearest cache.
const MOST_SUMS: usize = 352;
const MOST_WORK: usize = 1_100;

/// The turns of a loop that Mesa unrolls: rows and columns of a tile and of a
/// window, quads of positions, and loads.
const MOST_TURNS: usize = 32;

/// What a subgroup's instructions take, in cycles, measured on lavapipe: to load
/// or store one element per lane, or four; to hand a value around; to multiply
/// and add.
const ONE: f64 = 60.0;
const FOUR: f64 = 140.0;
const HAND: f64 = 1.3;
const ADD: f64 = 1.35;

/// A tile of positions by the channels of a subgroup.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cut {
    /// Channels per lane.
    each: usize,
    /// Rows and columns of the tile.
    tile: [usize; 2],
    /// Input channels that a weight gradient has in hand at once.
    planes: usize,
}

impl Cut {
    /// The cheapest cut by `cost`, which is infinite where one is impossible,
    /// for `channels` on `lanes`, positions of `output`, and up to `planes` at once.
    fn best(
        channels: usize,
        lanes: usize,
        output: [usize; 2],
        planes: usize,
        cost: impl Fn(Cut) -> f64,
    ) -> Option<Cut> {
        let mut best = (f64::INFINITY, None);
        for each in [1, 2, 4, 8].into_iter().filter(|&each| each == 1 || lanes * each < 2 * channels) {
            for planes in (0..4).map(|i| 1 << i).filter(|&p| p < 2 * planes) {
                for tall in 1..=output[0].min(MOST_TURNS) {
                    for broad in 1..=output[1].min(MOST_TURNS) {
                        let cut = Cut { each, tile: [tall, broad], planes };
                        let cost = cost(cut);
                        if cost < best.0 {
                            best = (cost, Some(cut));
                        }
                    }
                }
            }
        }
        best.1
    }

    fn positions(&self) -> usize {
        self.tile[0] * self.tile[1]
    }

    /// Whether four neighbouring positions of a tile are always a quad of the
    /// plane, of which they are every `step`-th.
    fn quads(&self, output: [usize; 2], step: [usize; 2]) -> bool {
        let [tall, broad] = self.tile;
        let whole_rows = broad == output[1] && (tall * broad).is_multiple_of(4);
        let within_rows = broad.is_multiple_of(4) && output[1].is_multiple_of(4);
        step == [1, 1] && (output[0] * output[1]).is_multiple_of(4) && (whole_rows || within_rows)
    }

    /// The cost of moving the tile's positions of each of a lane's channels.
    fn moving(&self, output: [usize; 2], step: [usize; 2]) -> f64 {
        let quads = self.positions().div_ceil(4);
        self.each as f64 * if self.quads(output, step) { quads as f64 * FOUR } else { self.positions() as f64 * ONE }
    }

    /// Tiles of a plane.
    fn tiles(&self, output: [usize; 2]) -> usize {
        output[0].div_ceil(self.tile[0]) * output[1].div_ceil(self.tile[1])
    }
}

/// Rows (axis 0) or columns (1) of the patch that `n` windows side by side see.
fn span(s: &Sizes, axis: usize, n: usize) -> usize {
    (n - 1) * s.op.stride[axis] + s.op.dilation[axis] * (s.k[axis] - 1) + 1
}

/// The convolution by which a pass is computed, and the step between positions
/// of a phase: the forward pass itself, or those of `d_y` that make `d_x`.
fn as_forward(pass: Pass, s: &Sizes) -> Option<(Sizes, [usize; 2])> {
    match pass {
        Pass::Forward => Some((*s, [1, 1])),
        Pass::GradX if s.op.stride == [1, 1] || s.op.dilation == [1, 1] => {
            let step = s.op.stride;
            let per_phase = |n: [usize; 2]| [n[0].div_ceil(step[0]), n[1].div_ceil(step[1])];
            let op = Conv2d { stride: [1, 1], ..s.op };
            Some((Sizes { c: s.o, h: s.out, o: s.c, k: per_phase(s.k), out: per_phase(s.h), op, ..*s }, step))
        }
        _ => None,
    }
}

fn product_cut(s: &Sizes, step: [usize; 2], lanes: usize) -> Option<Cut> {
    let [kh, kw] = s.k;
    let turns = (s.cg() * kh) as f64;
    if s.cg() * kh > LONGEST {
        return None;
    }
    Cut::best(s.og(), lanes, s.out, 1, |cut| {
        let (each, positions) = (cut.each, cut.positions());
        if positions * each > MOST_SUMS || positions * each * kw > MOST_WORK {
            return f64::INFINITY;
        }
        let loads = (cut.tile[0] * span(s, 1, cut.tile[1])).div_ceil(lanes);
        if loads.max(kw) > MOST_TURNS {
            return f64::INFINITY;
        }
        let weights = kw as f64 * if each < 4 { each as f64 * ONE } else { each as f64 / 4.0 * FOUR };
        let work = (positions * kw) as f64 * (HAND + each as f64 * ADD);
        let tile = turns * (loads as f64 * ONE + weights + work) + cut.moving(s.out, step);
        (cut.tiles(s.out) * s.og().div_ceil(lanes * each)) as f64 * tile
    })
}

fn gradient_cut(s: &Sizes, lanes: usize) -> Option<Cut> {
    Cut::best(s.og(), lanes, s.out, s.cg(), |cut| {
        let (each, positions, taps) = (cut.each, cut.positions(), cut.planes * s.k[0] * s.k[1]);
        if taps * each > MOST_SUMS || positions * each * taps > MOST_WORK {
            return f64::INFINITY;
        }
        let loads = (cut.planes * span(s, 0, cut.tile[0]) * span(s, 1, cut.tile[1])).div_ceil(lanes);
        if [loads, s.k[0], s.k[1], positions.div_ceil(4)].into_iter().any(|turns| turns > MOST_TURNS) {
            return f64::INFINITY;
        }
        let work = (positions * taps) as f64 * (HAND + each as f64 * ADD);
        let tile = loads as f64 * ONE + cut.moving(s.out, [1, 1]) + work;
        (cut.tiles(s.out) * s.og().div_ceil(lanes * each) * s.cg().div_ceil(cut.planes)) as f64 * tile
    })
}

/// The variant, where a device and a pass can have it.
pub(super) fn variant(pass: Pass, s: &Sizes, caps: &Caps) -> Option<Variant> {
    let lanes = caps.shared_lanes();
    if caps.class != Class::Cpu || lanes == 1 {
        return None;
    }
    match pass {
        Pass::GradW { .. } => {
            let cut = gradient_cut(s, lanes).filter(|_| s.og() >= FEWEST)?;
            (s.op.groups * s.og().div_ceil(lanes * cut.each) <= caps.groups as usize).then_some(())?;
        }
        _ => {
            let (s, step) = as_forward(pass, s).filter(|(s, _)| s.og() >= FEWEST)?;
            let packed = filters(&s, step, product_cut(&s, step, lanes)?, lanes);
            (packed.shape[0] <= caps.groups as usize && packed.bytes() as u64 <= caps.binding_bytes).then_some(())?;
        }
    }
    Some(Variant::new(NAME, SOFTWARE))
}

/// The packed filters: one after another along y of the grid.
fn filters(s: &Sizes, step: [usize; 2], cut: Cut, lanes: usize) -> Spec {
    let blocks = s.og().div_ceil(lanes * cut.each);
    Spec::f32([s.op.groups * blocks * step[0] * step[1], s.columns(), lanes * cut.each])
}

/// The product of the forward pass or the input gradient, if it is to be made
/// this way. `image` and `filter` are the numbers of the node's inputs.
pub(super) fn product(
    pass: Pass,
    s: &Sizes,
    cx: &Lower,
    [image, filter]: [usize; 2],
    bias: Option<usize>,
) -> Option<Lowered> {
    if cx.variant != NAME {
        return None;
    }
    let lanes = cx.caps.shared_lanes();
    let window = s.k;
    let (s, step) = as_forward(pass, s)?;
    let cut = product_cut(&s, step, lanes)?;
    let quads = cut.quads(s.out, step);
    let out = if pass == Pass::Forward { s.out } else { cx.outputs[0].shape[2..].try_into().ok()? };
    let kernel = |entry, wg| {
        let k = sized(Kernel::new(&SHADER, entry), Sizes { out, ..s }, cut, lanes)
            .set("SUM", s.cg())
            .set("MADE", s.og())
            .set("WG", wg);
        let k = k.set("FH", window[0]).set("FW", window[1]).set("KH", s.k[0]);
        let k = k.set("STEP_H", step[0]).set("STEP_W", step[1]);
        let k = k.constant("BLOCKS", s.og().div_ceil(lanes * cut.each));
        let k = k.constant("LOADS", (cut.tile[0] * span(&s, 1, cut.tile[1])).div_ceil(lanes));
        let k = k.line("weights_of", weights_of(cut.each)).line("put_quad", put_quad(quads));
        k.flag("TURNED", pass == Pass::GradX).flag("BIAS", bias.is_some())
    };
    let packed = filters(&s, step, cut, lanes);
    let pack = kernel("pack", 64).stores_itself().dispatch(groups_1d(packed.elements(), 64));
    let pack = pack.input("w", filter).scratch("packed", 0);
    let [x, z, _] = groups_1d(s.n * cut.tiles(s.out), TEAMS);
    let multiply = kernel("multiply", TEAMS * lanes).dispatch([x, packed.shape[0] as u32, z]);
    let multiply = multiply.input("x", image).scratch(if cut.each < 4 { "filters" } else { "filters4" }, 0);
    // The shader names `bias` even where there is none.
    let multiply = multiply.bind("bias", Slot::Input(bias.unwrap_or(filter)));
    let multiply = if quads { multiply.put4(&cx.store) } else { multiply.put(&cx.store) };
    Some(Lowered { scratch: vec![packed], dispatches: vec![pack, multiply] })
}

/// The function that loads a lane's weights for a tap.
fn weights_of(each: usize) -> String {
    let (quads, slots): (String, Vec<String>) = match each {
        1..4 => (String::new(), (0..each).map(|q| format!("filters[at + {q}u]")).collect()),
        _ => (
            (0..each / 4).map(|u| format!("let quad{u} = filters4[at / 4u + {u}u]; ")).collect(),
            (0..each).map(|q| format!("quad{}[{}]", q / 4, q % 4)).collect(),
        ),
    };
    let slots = slots.join(", ");
    format!("fn weights_of(at: u32) -> array<f32, EACH> {{ {quads}return array<f32, EACH>({slots}); }}")
}

/// The parts of the weight gradient, if they are to be made this way, and how
/// many slices they are of. Inputs and output are still to be bound.
pub(super) fn gradient(s: &Sizes, bias: bool, cx: &Lower) -> Option<(Dispatch, &'static str, usize)> {
    if cx.variant != NAME {
        return None;
    }
    let lanes = cx.caps.shared_lanes();
    let cut = gradient_cut(s, lanes)?;
    let blocks = s.og().div_ceil(lanes * cut.each);
    let (beside, tiles) = (s.cg().div_ceil(cut.planes), s.n * cut.tiles(s.out));
    let slices = (ENOUGH / (s.op.groups * blocks * beside)).clamp(1, tiles).max(tiles.div_ceil(LONGEST));
    let (high, span, quads) = (span(s, 0, cut.tile[0]), span(s, 1, cut.tile[1]), cut.quads(s.out, [1, 1]));
    let k = sized(Kernel::new(&GRAD_W, "backward_w"), *s, cut, lanes).set("C", s.c).set("O", s.o).flag("BIAS", bias);
    let k = k.set("SLICES", slices);
    let k = k.constant("PLANES", cut.planes).constant("KH", s.k[0]).constant("BLOCKS", blocks);
    let k = k.constant("HIGH", high).constant("LOADS", (cut.planes * high * span).div_ceil(lanes));
    let k = k.line("quad_d_y", get_quad("d_y", quads)).stores_itself();
    let grid = [slices, s.op.groups * blocks, beside].map(|n| n as u32);
    Some((k.dispatch(grid), if quads { "d_y4" } else { "d_y" }, slices))
}

/// Sets what both shaders know of a convolution and its cut.
fn sized(k: Kernel, s: Sizes, cut: Cut, lanes: usize) -> Kernel {
    let k = moved(k, s).constant("KW", s.k[1]).lanes(lanes).constant("SPAN", span(&s, 1, cut.tile[1]));
    k.constant("EACH", cut.each).constant("TALL", cut.tile[0]).constant("BROAD", cut.tile[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(op: Conv2d, x: [usize; 4], w: [usize; 4]) -> Sizes {
        Sizes::new(op, x, w).unwrap()
    }

    #[test]
    fn cuts_stay_within_what_drivers_unroll_and_caches_hold() {
        let pad = Conv2d { padding: [[1, 1]; 2], ..Conv2d::default() };
        for s in [
            sizes(Conv2d::default(), [128, 1, 28, 28], [32, 1, 3, 3]),
            sizes(pad, [128, 64, 8, 8], [64, 64, 3, 3]),
            sizes(pad, [1, 3, 1, 300], [5, 3, 3, 3]),
            sizes(Conv2d { stride: [2, 2], ..pad }, [2, 3, 224, 224], [64, 3, 7, 7]),
            sizes(Conv2d::default(), [2, 256, 14, 14], [512, 256, 1, 1]),
        ] {
            let cut = product_cut(&s, [1, 1], 8).unwrap();
            let taps = s.k[1] * cut.each * cut.positions();
            assert!(taps <= MOST_WORK && cut.tile.iter().all(|&n| n <= MOST_TURNS), "{s:?}: {cut:?}");
            let cut = gradient_cut(&s, 8).unwrap();
            assert!(cut.planes * s.k[0] * s.k[1] * cut.each <= MOST_SUMS, "{s:?}: {cut:?}");
            assert!(cut.planes < 2 * s.cg() && cut.each < 2 * s.og(), "{s:?}: {cut:?}");
        }
        // A window that is too large for registers is left to the others.
        let large = sizes(Conv2d::default(), [1, 1, 40, 40], [8, 1, 33, 33]);
        assert_eq!((product_cut(&large, [1, 1], 8), gradient_cut(&large, 8)), (None, None));
    }

    #[test]
    fn quads_are_whole_rows_or_lie_within_one() {
        let quads = |tile, output| Cut { each: 1, tile, planes: 1 }.quads(output, [1, 1]);
        assert!(quads([2, 26], [26, 26]) && quads([1, 4], [3, 8]) && quads([3, 4], [3, 4]));
        assert!(
            !quads([1, 26], [26, 26])
                && !quads([2, 13], [26, 26])
                && !quads([4, 11], [11, 11])
                && !quads([2, 4], [2, 6])
        );
        assert!(!Cut { each: 1, tile: [2, 4], planes: 1 }.quads([8, 8], [2, 2]));
    }

    #[test]
    fn the_input_gradient_is_a_convolution_per_phase() {
        let s = sizes(Conv2d { stride: [2, 3], ..Conv2d::default() }, [1, 4, 9, 11], [6, 4, 3, 5]);
        let (as_forward, step) = as_forward(Pass::GradX, &s).unwrap();
        assert_eq!((step, as_forward.k, as_forward.out, as_forward.h), ([2, 3], [2, 2], [5, 4], [4, 3]));
        assert_eq!((as_forward.c, as_forward.o, as_forward.op.stride), (6, 4, [1, 1]));
        let dilated = Conv2d { stride: [2, 2], dilation: [2, 1], ..Conv2d::default() };
        assert!(super::as_forward(Pass::GradX, &sizes(dilated, [1, 1, 9, 9], [1, 1, 3, 3])).is_none());
    }
}
