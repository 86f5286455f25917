//! `winograd2`, `winograd4`: convolution with fewer multiplications, F(2x2, 3x3)
//! and F(4x4, 3x3) of Lavin and Gray (arXiv:1509.09308), for windows of 3x3 that
//! move by one.
//!
//! Filters and windows are read as polynomials and evaluated at a few points;
//! the product of two polynomials is the product of their values, point by point,
//! so the sum over channels is one matrix product per point: `[rows, sum]` by
//! `[sum, tiles]`. The outputs follow from the values at all points. Per output and
//! pair of channels that takes 4 or 2.25 products instead of 9, and it costs
//! three passes over memory.
//!
//! Numerics, of f32 against f64 in units of eps sqrt(9 sum), of which the
//! tolerance allows 8 (normal numbers, the worst of some 100,000 outputs, sums of 16
//! to 512 channels): a direct sum 0.5 to 0.9, F(2x2) 0.3 to 0.5, F(4x4) 2.3 to 4.1.
//! With a single channel those are 0.7, 2.4 and 30: the fixed part of the error is
//! hidden by longer sums alone, which [`FEWEST`] sees to. The usual points of
//! F(4x4) take up to 10.6 where the ones used here take 4.1.

use super::implicit::{LONGEST, Pass};
use super::sizes::Sizes;
use crate::graph::Lower;
use crate::kernel::{Caps, Kernel, Lowered, Shader, Slot, Store, Variant, groups_1d};
use crate::ops::tiles::{Form, forms_for};
use crate::shader;
use crate::tensor::Spec;

static SHADER: Shader = shader!("conv2d/winograd");

/// The fewest channels on either side. With less, moving the transformed planes
/// takes longer than the product saves, and F(4x4) comes near the tolerance or beyond.
const FEWEST: usize = 16;

/// The variants: name, outputs of a tile's side, and the transforms.
const KINDS: [(&str, usize, &str); 2] =
    [("winograd2", 2, "// include: lib/winograd_2"), ("winograd4", 4, "// include: lib/winograd_4")];

/// A convolution cut into tiles of outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Winograd {
    name: &'static str,
    made: usize,
    transforms: &'static str,
    /// The tiles of the product in the middle.
    form: Form,
    /// Images.
    n: usize,
    /// Planes of an image that are added up, and planes that are made of them.
    sum: usize,
    rows: usize,
    /// Height and width of those.
    input: [usize; 2],
    output: [usize; 2],
    /// How far a window begins after its first output, and how far before.
    ahead: [usize; 2],
    back: [usize; 2],
    /// Whether filters are turned by half a turn.
    turned: bool,
}

/// The variants that can compute a pass on a device. No kind of device takes
/// them unless they were measured to be faster.
pub(super) fn variants(pass: Pass, s: &Sizes, caps: &Caps) -> Vec<Variant> {
    let cut = |(name, _, _): &(&'static str, usize, &str)| Winograd::new(name, pass, s, caps);
    KINDS.iter().filter_map(cut).map(|c| Variant { name: c.name, suits: &[], ..c.form.variant() }).collect()
}

impl Winograd {
    /// The one that a variant is to be lowered to, if it is one of these.
    pub fn of(pass: Pass, s: &Sizes, cx: &Lower) -> Option<Winograd> {
        Winograd::new(cx.variant, pass, s, &cx.caps)
    }

    /// `None` where the convolution is of another kind, or where the device is too
    /// small for what lies between the passes.
    fn new(name: &str, pass: Pass, s: &Sizes, caps: &Caps) -> Option<Winograd> {
        let &(name, made, transforms) = KINDS.iter().find(|k| k.0 == name)?;
        let op = s.op;
        let kind = s.k == [3, 3] && op.stride == [1, 1] && op.dilation == [1, 1] && op.groups == 1;
        if !kind || s.c.min(s.o) < FEWEST {
            return None;
        }
        let padding = op.padding.map(|p| p[0]);
        let (sum, rows, input, output, ahead, back, turned) = match pass {
            Pass::Forward => (s.c, s.o, s.h, s.out, [0, 0], padding, false),
            // d_x[h] sums w[r] d_y[h + padding - r]; turned, r runs the other way from 2 before.
            Pass::GradX => (s.o, s.c, s.out, s.h, padding, [2, 2], true),
            Pass::GradW { .. } => return None,
        };
        let tiles = s.n * output[0].div_ceil(made) * output[1].div_ceil(made);
        let points = (made + 2) * (made + 2);
        let groups = |f: &Form| {
            let [across, down] = f.tile();
            [tiles.div_ceil(across), rows.div_ceil(down)]
        };
        let fits = |f: &Form| f.variant().fits(caps) && groups(f).iter().all(|&n| n <= caps.groups as usize);
        let form = forms_for(rows, tiles, points, None).into_iter().find(fits)?;
        let cut = Winograd { name, made, transforms, form, n: s.n, sum, rows, input, output, ahead, back, turned };
        let most = caps.binding_bytes.min(caps.buffer_bytes);
        let fits = |s: &Spec| s.bytes() as u64 <= most;
        (sum <= LONGEST && cut.scratch().iter().all(fits)).then_some(cut)
    }

    /// Tiles of all images.
    fn tiles(&self) -> usize {
        self.n * self.output[0].div_ceil(self.made) * self.output[1].div_ceil(self.made)
    }

    /// Points at which a tile is evaluated.
    fn points(&self) -> usize {
        (self.made + 2) * (self.made + 2)
    }

    /// What lies between the passes: filters, windows, products. Rows and tiles are
    /// filled up to whole quads.
    fn scratch(&self) -> [Spec; 3] {
        let (points, rows, tiles) = (self.points(), self.rows.next_multiple_of(4), self.tiles().next_multiple_of(4));
        [
            Spec::f32([points, self.sum, rows]),
            Spec::f32([points, self.sum, tiles]),
            Spec::f32([points, self.rows, tiles]),
        ]
    }

    /// Transforms, product, transform. `image` and `filter` are the numbers of the
    /// node's inputs.
    pub fn lower(self, [image, filter]: [usize; 2], bias: Option<usize>, store: &Store) -> Lowered {
        let Winograd { form, sum, rows, .. } = self;
        let quads = self.made == 4 && self.output[1].is_multiple_of(4);
        let kernel = |entry| {
            let k = Kernel::new(&SHADER, entry).set("N", self.n).set("SUM", sum).set("ROWS", rows);
            let k =
                k.set("H", self.input[0]).set("W", self.input[1]).set("OH", self.output[0]).set("OW", self.output[1]);
            let k = k.set("AHEAD_H", self.ahead[0]).set("AHEAD_W", self.ahead[1]);
            let k = k.set("BACK_H", self.back[0]).set("BACK_W", self.back[1]);
            let k = k.flag("TURNED", self.turned).flag("BIAS", bias.is_some());
            form.describe(k.line("transforms", self.transforms.into()).line("put_row", put_row(quads)))
        };
        let wg = form.threads[0] * form.threads[1];
        let each = |entry, items| kernel(entry).dispatch(groups_1d(items, wg));
        let own = |entry, items| kernel(entry).stores_itself().dispatch(groups_1d(items, wg));
        let filters = own("transform_filter", rows * sum).input("w", filter).scratch("filters", 0);
        let windows = own("transform_window", sum * self.tiles()).input("image", image).scratch("windows", 1);
        let [across, down] = form.tile();
        let grid = [self.tiles().div_ceil(across), rows.div_ceil(down), self.points()].map(|n| n as u32);
        let products = kernel("multiply").stores_itself().dispatch(grid);
        let products = products.scratch("filters4", 0).scratch("windows4", 1).scratch("products4", 2);
        // The shader names `bias` even where there is none.
        let outputs = each("transform_output", rows * self.tiles()).scratch("products", 2);
        let outputs = outputs.bind("bias", Slot::Input(bias.unwrap_or(filter)));
        let outputs = if quads { outputs.put4(store) } else { outputs.put(store) };
        Lowered { scratch: self.scratch().into(), dispatches: vec![filters, windows, products, outputs] }
    }
}

/// The function that stores the first `n` elements of a tile's row from element
/// `at` on: at once, where rows of the plane are made of whole quads.
fn put_row(quads: bool) -> String {
    let put = match quads {
        true => "if n == 4u { put4(at / 4u, vec4(values[0], values[1], values[2], values[3])); }",
        false => "for (var i = 0u; i < n; i++) { put(at + i, values[i]); }",
    };
    format!("fn put_row(at: u32, n: u32, values: Made) {{ {put} }}")
}
