//! The lengths of padded rows of tokens: 1 + the place of the last token that is
//! not the padding, 0 where there is none.
//!
//! Shapes: `tokens u32 [B, T]`, `y u32 [B]`. Padding within a row counts; what
//! matters is where the row ends. Integers have no gradient.

use super::expect::expect_type;
use super::rows::{STEPS, group};
use super::state;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Kernel, Lowered, Shader, groups_1d};
use crate::shader;
use crate::tensor::{DType, Real, Spec};

static SHADER: Shader = shader!("row_lengths");

/// Invocations per workgroup where each has a row.
const WG: usize = 64;

/// The longest row that one invocation walks alone on a GPU.
const SHORT: usize = 64;

/// The longest row: the tree counts in f32.
const LONGEST: usize = 1 << 24;

/// Finds where rows end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowLengths {
    /// The token that fills rows up.
    pub pad: u32,
}

impl Graph {
    /// The lengths (u32 `[B]`) of `tokens` (u32 `[B, T]`) up to the padding.
    pub fn row_lengths(&mut self, tokens: TensorId, pad: u32) -> Result<TensorId> {
        self.push1(RowLengths { pad }, &[tokens])
    }
}

impl Op for RowLengths {
    fn name(&self) -> &'static str {
        "row_lengths"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "tokens", DType::U32)?;
        let [b, t] = cx.dims(0, "tokens")?;
        if b == 0 || t == 0 || t > LONGEST {
            let shape = cx.shape(0);
            return Err(Error::model(format!("tokens has shape {shape}; expected [B, T], T from 1 to {LONGEST}")));
        }
        Ok(vec![Spec::u32([b])])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let (b, t) = (cx.inputs[0].shape[0], cx.inputs[0].shape[1]);
        let kernel = |entry| Kernel::new(&SHADER, entry).set("ROWS", b).set("T", t).set("PAD", self.pad as usize);
        let alone = t <= if cx.caps.class == Class::Cpu { STEPS } else { SHORT };
        let d = match alone {
            true => kernel("forward").dispatch_1d(b, WG),
            false => kernel("forward_tree").set("WG", group(cx.caps.class, t)).dispatch(groups_1d(b, 1)),
        };
        Ok(Lowered::one(d.input("tokens", 0).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for RowLengths {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (tokens, t) = (io.x_u32(0), io.shape(0)[1]);
        for (y, row) in io.y_u32(0).iter_mut().zip(tokens.chunks(t)) {
            *y = row.iter().rposition(|&token| token != self.pad).map_or(0, |last| last as u32 + 1);
        }
    }
}

/// Full, empty and broken rows of every kernel.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, shape: [usize; 2], pad: u32, fill: Fill| {
        Case::new(format!("row_lengths/{name}"), vec![(Spec::u32(shape), fill)], move |g, x| {
            Ok(vec![g.row_lengths(x[0], pad)?])
        })
        .no_gradient()
    };
    // Rows that end anywhere, padding in their middle.
    let rows = |b: u32, t: u32, pad: u32| {
        let token =
            move |r: u32, c: u32| if c < r * 7 % (t + 1) && !(c + r).is_multiple_of(5) { c + pad + 1 } else { pad };
        Fill::Indices((0..b).flat_map(|r| (0..t).map(move |c| token(r, c))).collect())
    };
    vec![
        case("mixed", [4, 3], 9, Fill::Indices(vec![1, 9, 9, 9, 9, 9, 9, 2, 9, 3, 9, 4])),
        case("odd", [33, 13], 0, rows(33, 13, 0)),
        case("row_64", [65, 64], 3, rows(65, 64, 3)),
        case("row_65", [67, 65], 3, rows(67, 65, 3)),
        case("row_1031", [9, 1031], u32::MAX - 2000, rows(9, 1031, u32::MAX - 2000)),
        case("row_beyond_a_loop", [2, 70_001], 1, rows(2, 70_001, 1)),
        case("empty", [3, 130], 5, Fill::Indices(vec![5; 390])),
        case("one", [1, 1], 0, Fill::Indices(vec![1])),
        case("grid_overflow", [65_536 * 64 + 1, 1], 1, Fill::Below(3)),
        case("grid_overflow_tree", [65_537, 66], 0, Fill::Below(2)),
    ]
}
