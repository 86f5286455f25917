//! Rotary position embedding: pairs of elements of a row are turned by an angle
//! that grows with the row's position, so that the product of two turned rows
//! depends on their distance alone.
//!
//! Shapes: `x, y [.., T, D]`, `D` even; `start u32 [1]` is the position of the
//! first row (0, if `None`). Pair `i < D / 2` at position `p` turns by `t = p
//! base^(-2 i / D)`: `(a, b) -> (a cos t - b sin t, a sin t + b cos t)`. The pair
//! is `(x_i, x_(i + D/2))` (GPT-NeoX, Llama), or `(x_2i, x_(2i+1))` if
//! interleaved (the paper, GPT-J).
//! Source: Su et al., "RoFormer", arXiv:2104.09864, equation 34.
//!
//! Gradient: a turn is orthogonal, so `d_x` is `d_y` turned by `-t`.
//!
//! Angles: the frequencies are shares of a full turn, in units of 2^-64 turns,
//! made in f64 on the host. A position times such a number, modulo 2^64, is the
//! angle modulo a turn, and integers overflow in exactly that way: at position
//! 100,000 the angle is as good as at position 1.

use super::expect::expect_type;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, HostTensor, Real, Shape, Spec, parallel};

static SHADER: Shader = shader!("rotary");

/// Invocations per workgroup.
const WG: usize = 64;

/// Turns pairs of elements. Inputs: x, frequencies, start if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotary {
    /// Pairs are neighbours, not half a row apart.
    pub interleaved: bool,
    /// Turns back.
    pub inverse: bool,
}

impl Graph {
    /// Rotary position embedding of `x [.., T, D]`; row 0 stands at position
    /// `start` (u32 `[1]`).
    pub fn rotary(&mut self, x: TensorId, base: f32, interleaved: bool, start: Option<TensorId>) -> Result<TensorId> {
        let d = self.shape(x).last().copied().unwrap_or(0);
        if !(base.is_finite() && base > 0.0) {
            return Err(Error::model(format!("rotary: base is {base}; expected a number above 0")));
        }
        if d == 0 || !d.is_multiple_of(2) {
            let shape = &self.spec(x).shape;
            return Err(Error::model(format!("rotary: x has shape {shape}; expected [.., T, D] with an even D")));
        }
        let frequency = self.constant(HostTensor::u32([d / 2, 2], frequencies(d, base.into())));
        let inputs: Vec<TensorId> = [Some(x), Some(frequency), start].into_iter().flatten().collect();
        self.push1(Rotary { interleaved, inverse: false }, &inputs)
    }
}

/// `base^(-2 i / D)` as a share of a turn modulo 1, in units of 2^-64: high and
/// low word.
fn frequencies(d: usize, base: f64) -> Vec<u32> {
    let words = |i: usize| {
        let turns = base.powf(-2.0 * i as f64 / d as f64) / (2.0 * std::f64::consts::PI);
        let bits = (turns.fract() * 2f64.powi(64)) as u64;
        [(bits >> 32) as u32, bits as u32]
    };
    (0..d / 2).flat_map(words).collect()
}

/// Rows of `x`, rows per sequence, and pairs per row.
fn sizes(x: &Shape) -> [usize; 3] {
    let (t, d) = (x[x.rank() - 2], x[x.rank() - 1]);
    [x.elements() / d, t, d / 2]
}

impl Op for Rotary {
    fn name(&self) -> &'static str {
        "rotary"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "x", DType::F32)?;
        let x = cx.shape(0);
        if x.rank() < 2 || x.elements() == 0 {
            return Err(Error::model(format!("x has shape {x}; expected [.., T, D] with at least one element")));
        }
        if cx.inputs.len() > 2 {
            expect_type(cx, 2, "start", DType::U32)?;
            cx.expect(2, "start", [1])?;
        }
        Ok(vec![cx.inputs[0].clone()])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let back = Rotary { inverse: !self.inverse, ..*self };
        let inputs: Vec<TensorId> = [at.d_y()].into_iter().chain(at.inputs[1..].iter().copied()).collect();
        let mut d = vec![None; at.inputs.len()];
        d[0] = Some(g.push1(back, &inputs)?);
        Ok(d)
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let [rows, t, half] = sizes(&cx.inputs[0].shape);
        let started = cx.inputs.len() > 2;
        let (entry, pairs) = match self.interleaved {
            false if half.is_multiple_of(4) => ("halves4", 4),
            true if half.is_multiple_of(2) => ("interleaved4", 2),
            _ => ("forward", 1),
        };
        let k = Kernel::new(&SHADER, entry).set("ROWS", rows).set("T", t).set("HALF", half);
        let k = k.flag("STARTED", started).flag("INVERSE", self.inverse);
        let k = if pairs == 1 { k.flag("INTERLEAVED", self.interleaved) } else { k };
        let [x, y] = if pairs == 1 { ["x", "y"] } else { ["x4", "y4"] };
        let d = k.dispatch_1d(rows * half / pairs, WG).input(x, 0).input("frequency", 1).output(y, 0);
        // The shader names `start` whether or not there is one.
        Ok(Lowered::one(d.input("start", if started { 2 } else { 1 })))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 3 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Rotary {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let [_, t, half] = sizes(io.shape(0));
        let start = if io.inputs.len() > 2 { io.x_u32(2)[0] } else { 0 };
        let (x, words) = (io.x(0), io.x_u32(1));
        let angle = |row: usize, pair: usize| {
            let frequency = u64::from(words[2 * pair]) << 32 | u64::from(words[2 * pair + 1]);
            let share = u64::from(start.wrapping_add(row as u32)).wrapping_mul(frequency);
            // Signed, so that small negative angles keep their digits.
            let angle = share as i64 as f64 * (std::f64::consts::TAU / 2f64.powi(64));
            [angle.cos(), if self.inverse { -angle.sin() } else { angle.sin() }].map(T::of)
        };
        // One table for all heads and samples, row after row.
        let turns: Vec<[T; 2]> = (0..t * half).map(|i| angle(i / half, i % half)).collect();
        parallel::rows(
            io.y(0),
            2 * half,
            #[inline(always)]
            |r, y| {
                let (x, turns) = (&x[2 * half * r..][..2 * half], &turns[r % t * half..][..half]);
                let turned = |a: T, b: T, [cos, sin]: [T; 2]| [a * cos - b * sin, a * sin + b * cos];
                if self.interleaved {
                    for ((y, x), &by) in y.chunks_exact_mut(2).zip(x.chunks_exact(2)).zip(turns) {
                        y.copy_from_slice(&turned(x[0], x[1], by));
                    }
                    return;
                }
                let ((y_a, y_b), (x_a, x_b)) = (y.split_at_mut(half), x.split_at(half));
                for i in 0..half {
                    [y_a[i], y_b[i]] = turned(x_a[i], x_b[i], turns[i]);
                }
            },
        );
    }
}

/// Both conventions, in every kernel, at any start, and far from it.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, shape: &[usize], base: f32, interleaved: bool, start: Option<u32>| {
        let mut inputs = vec![(Spec::f32(shape), Fill::Normal(1.0))];
        inputs.extend(start.map(|s| (Spec::u32([1]), Fill::Indices(vec![s]))));
        Case::new(format!("rotary/{name}"), inputs, move |g, x| {
            Ok(vec![g.rotary(x[0], base, interleaved, x.get(1).copied())?])
        })
        .reduction(2)
    };
    let both = |name: &str, shape: &[usize], start: Option<u32>| {
        [false, true].map(|interleaved| {
            let name = format!("{}{name}", if interleaved { "interleaved_" } else { "" });
            case(&name, shape, 10_000.0, interleaved, start)
        })
    };
    let mut cases = vec![];
    cases.extend(both("odd", &[2, 3, 7, 6], None));
    cases.extend(both("pairs_of_two", &[3, 5, 4], None));
    cases.extend(both("vec4", &[2, 2, 9, 16], None));
    cases.extend(both("one", &[1, 2], None));
    cases.extend(both("started", &[2, 5, 8], Some(77)));
    cases.extend(both("far", &[2, 5, 64], Some(99_997)));
    cases.extend(both("far_odd", &[2, 5, 6], Some(1_000_003)));
    cases.push(case("long", &[4099, 8], 10_000.0, false, None));
    cases.push(case("base", &[3, 17, 32], 500_000.0, false, Some(131_072)));
    cases.push(case("base_below_one", &[3, 9, 6], 0.3, false, Some(5)));
    cases.push(case("grid_overflow", &[65_536 * 8 + 1, 16, 2], 100.0, false, None).no_gradient());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_arguments_are_errors() {
        let mut g = Graph::new();
        let (x, odd) = (g.input("x", Spec::f32([2, 4])), g.input("odd", Spec::f32([2, 3])));
        let start = g.input("start", Spec::u32([2]));
        assert!(g.rotary(odd, 1e4, false, None).unwrap_err().to_string().contains("an even D"));
        assert!(g.rotary(x, 0.0, false, None).unwrap_err().to_string().contains("base is 0"));
        assert!(g.rotary(x, 1e4, false, Some(start)).unwrap_err().to_string().contains("start has shape"));
    }
}
