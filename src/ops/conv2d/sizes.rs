//! The sizes of a convolution, checked once and derived from each other.

use super::Conv2d;
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// Every size of a convolution, settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Images.
    pub n: usize,
    /// Input channels.
    pub c: usize,
    /// Height and width of the input.
    pub h: [usize; 2],
    /// Output channels.
    pub o: usize,
    /// Height and width of the window.
    pub k: [usize; 2],
    /// Height and width of the output.
    pub out: [usize; 2],
    /// How the window moves.
    pub op: Conv2d,
}

impl Sizes {
    /// Checks that the shapes of `x` and `w` fit together.
    pub fn new(op: Conv2d, x: [usize; 4], w: [usize; 4]) -> Result<Sizes> {
        let [n, c, h, wide] = x;
        let [o, c_w, kh, kw] = w;
        let complain = |text: String| Err(Error::model(text));
        if op.groups == 0 || op.stride.contains(&0) || op.dilation.contains(&0) {
            return complain(format!("{op:?}: groups, stride and dilation must be at least 1"));
        }
        if c % op.groups != 0 || o % op.groups != 0 {
            return complain(format!("{c} input and {o} output channels do not divide into {} groups", op.groups));
        }
        if c / op.groups != c_w {
            return complain(format!(
                "x has shape {x:?} and w {w:?}: with {} group(s) each filter must see {} channels, found {c_w}",
                op.groups,
                c / op.groups
            ));
        }
        if [n, c, o, kh, kw].contains(&0) {
            return complain(format!("x has shape {x:?} and w {w:?}: no axis may be empty"));
        }
        let mut out = [0, 0];
        for i in 0..2 {
            let padded = [h, wide][i] + op.padding[i][0] + op.padding[i][1];
            let window = op.dilation[i] * ([kh, kw][i] - 1) + 1;
            if padded < window {
                return complain(format!(
                    "x has shape {x:?}: {padded} elements with padding, and the window spans {window}; \
                     use a smaller kernel or padding"
                ));
            }
            out[i] = (padded - window) / op.stride[i] + 1;
        }
        Ok(Sizes { n, c, h: [h, wide], o, k: [kh, kw], out, op })
    }

    /// Input channels per group.
    pub fn cg(&self) -> usize {
        self.c / self.op.groups
    }

    /// Output channels per group.
    pub fn og(&self) -> usize {
        self.o / self.op.groups
    }

    /// Columns of the weight matrix `[O, C/groups KH KW]`.
    pub fn columns(&self) -> usize {
        self.cg() * self.k[0] * self.k[1]
    }

    /// Output positions per image.
    pub fn positions(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// Elements of an input image.
    pub fn image(&self) -> usize {
        self.c * self.h[0] * self.h[1]
    }

    /// Operations of the forward pass; each gradient takes as many.
    pub fn flops(&self) -> u64 {
        2 * (self.n * self.o * self.positions() * self.columns()) as u64
    }

    /// A window of one element that does not jump: the image is its own im2col.
    pub fn pointwise(&self) -> bool {
        self.k == [1, 1] && self.op.stride == [1, 1] && self.op.padding == [[0, 0]; 2]
    }
}

/// Sets every size of a convolution; `c` is what the file calls C.
pub(super) fn sized(k: Kernel, s: Sizes, c: &'static str) -> Kernel {
    moved(k, s).set(c, s.c).set("O", s.o).set("KH", s.k[0]).set("KW", s.k[1])
}

/// Sets the sizes that `lib/conv2d` declares.
pub(super) fn moved(k: Kernel, s: Sizes) -> Kernel {
    let k = k.set("N", s.n).set("H", s.h[0]).set("W", s.h[1]).set("OH", s.out[0]).set("OW", s.out[1]);
    let k = k.set("STRIDE_H", s.op.stride[0]).set("STRIDE_W", s.op.stride[1]).set("GROUPS", s.op.groups);
    let k = k.set("PAD_H", s.op.padding[0][0]).set("PAD_W", s.op.padding[1][0]);
    k.set("DILATION_H", s.op.dilation[0]).set("DILATION_W", s.op.dilation[1])
}
