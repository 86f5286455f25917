//! Convolution as a matrix product in tiles, for GPUs with many channels: the
//! matrix of windows is read out of the image as the tiles are loaded, and is
//! never written down.
//!
//! Forward: output channels by positions. Input gradient: input channels by
//! elements of the plane. Weight gradient: output channels by columns (channel
//! and tap), over all positions in slices.

use super::sizes::{Sizes, sized};
use crate::kernel::{Caps, Dispatch, Kernel, Shader, Store, Variant};
use crate::ops::tiles::{ENOUGH, Form, NARROW, forms_for, put_quad};
use crate::shader;

static FORWARD: Shader = shader!("conv2d/forward_tiles");
static GRAD_X: Shader = shader!("conv2d/grad_x_tiles");
static GRAD_W: Shader = shader!("conv2d/grad_w_tiles");

/// The longest sum of an invocation: lavapipe silently ends its loops after
/// 65,535 turns.
pub(super) const LONGEST: usize = 32_768;

/// Whether rows fill most of the tiles that are made for few of them.
fn is_narrow(rows: usize, columns: usize) -> bool {
    (12..=16).contains(&rows) && columns >= 64
}

/// The products that a convolution is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Forward,
    GradX,
    GradW {
        /// Whether the bias is one more column.
        bias: bool,
    },
}

impl Pass {
    /// Rows, columns and length of the sum, per group of channels.
    fn product(self, s: &Sizes) -> [usize; 3] {
        match self {
            Pass::Forward => [s.og(), s.n * s.positions(), s.columns()],
            Pass::GradX => [s.cg(), s.n * s.h[0] * s.h[1], s.og() * s.k[0] * s.k[1]],
            Pass::GradW { bias } => [s.og(), s.columns() + usize::from(bias), s.n * s.positions()],
        }
    }

    /// The variants that can compute it on a device.
    pub fn variants(self, s: &Sizes, caps: &Caps) -> Vec<Variant> {
        let [rows, columns, sum] = self.product(s);
        let split = matches!(self, Pass::GradW { .. });
        let fits = |f: &Form| {
            let ([x, y], z) = (self.tiles(s, *f), s.op.groups * self.slices(s, *f).0);
            [x, y, z].iter().all(|&n| n <= caps.groups as usize) && (split || sum <= LONGEST)
        };
        let narrow = is_narrow(rows, columns).then_some(NARROW);
        let forms = narrow.into_iter().chain(forms_for(rows, columns, s.op.groups, caps.half));
        forms.filter(fits).map(|f| f.variant()).collect()
    }

    /// Whether the product is so small in rows or sum that tiles stay mostly
    /// empty and kernels that hold everything in registers are likely faster.
    pub fn narrow(self, s: &Sizes) -> bool {
        let [rows, columns, sum] = self.product(s);
        (rows < 32 && !is_narrow(rows, columns)) || columns < 32 || sum < 32
    }

    fn tiles(self, s: &Sizes, form: Form) -> [usize; 2] {
        let ([rows, columns, _], [across, down]) = (self.product(s), form.tile());
        [columns.div_ceil(across), rows.div_ceil(down)]
    }

    /// Slices of the sum of the weight gradient, none shorter than eight turns,
    /// and their length. The other passes have one.
    pub fn slices(self, s: &Sizes, form: Form) -> (usize, usize) {
        let [_, _, sum] = self.product(s);
        if !matches!(self, Pass::GradW { .. }) {
            return (1, sum);
        }
        let [x, y] = self.tiles(s, form);
        let wanted = (2 * ENOUGH / (x * y * s.op.groups)).clamp(1, (sum / (8 * form.depth)).max(1));
        let slice = sum.div_ceil(wanted.max(sum.div_ceil(LONGEST))).next_multiple_of(form.depth);
        (sum.div_ceil(slice), slice)
    }

    /// The kernel over its grid, with nothing but its output bound. `bias`: the
    /// forward pass adds one. The weight gradient stores by itself.
    pub fn dispatch(self, s: &Sizes, form: Form, bias: bool, store: &Store) -> Dispatch {
        let (slices, slice) = self.slices(s, form);
        let (kernel, plane) = match self {
            Pass::Forward => (Kernel::new(&FORWARD, "forward").flag("BIAS", bias), s.positions()),
            Pass::GradX => (Kernel::new(&GRAD_X, "backward_x"), s.h[0] * s.h[1]),
            Pass::GradW { bias } => {
                let k = Kernel::new(&GRAD_W, "backward_w").flag("BIAS", bias);
                (k.set("SLICES", slices).set("SLICE", slice), 1)
            }
        };
        let quads = plane % 4 == 0;
        let kernel = match self {
            Pass::GradW { .. } => kernel,
            _ => kernel.line("put_quad", put_quad(quads)),
        };
        let [x, y] = self.tiles(s, form);
        let grid = [x, y, s.op.groups * slices].map(|n| n as u32);
        let d = form.describe(sized(kernel, *s, "PLANES")).dispatch(grid);
        match self {
            Pass::GradW { .. } => d,
            _ if quads => d.put4(store),
            _ => d.put(store),
        }
    }
}
