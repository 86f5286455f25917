//! Where the largest or smallest element of an axis stands: `y[o, i] = k` for
//! which `x[o, k, i]` is largest. Of ties the first or the last; NaN wins, whether
//! the largest or the smallest is asked for, as in NumPy.
//!
//! Shapes: `x` f32 with an axis of length `n`, `y` u32 without that axis, its
//! elements below `n`. No gradient: the position does not move with the elements.
//!
//! On a GPU a line is cut into `SPLIT` interleaved parts where there are few of
//! them, and a second pass compares the parts.

use super::expect::expect_type;
use super::lines::Lines;
use super::state;
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Shape, Spec, parallel};

static SHADER: Shader = shader!("arg_max");

/// Invocations per workgroup.
const WG: usize = 64;

/// Invocations that are enough to fill a device; beyond, lines are not cut.
const ENOUGH: usize = 16_384;

/// Elements that one invocation walks at most.
const MOST: usize = 32_768;

/// Finds the largest or smallest element of each line.
#[derive(Debug, Clone, Copy)]
pub struct ArgMax {
    /// The axis that goes.
    pub axis: usize,
    /// The largest, else the smallest.
    pub largest: bool,
    /// Of ties the last, else the first.
    pub last: bool,
}

impl Graph {
    /// The position, u32, of the largest element along `axis` of `x`, or of the
    /// smallest; the axis goes. Of ties the first counts, or the `last`; NaN wins.
    pub fn arg_max(&mut self, x: TensorId, axis: usize, largest: bool, last: bool) -> Result<TensorId> {
        self.push1(ArgMax { axis, largest, last }, &[x])
    }
}

impl Op for ArgMax {
    fn name(&self) -> &'static str {
        "arg_max"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "x", DType::F32)?;
        let x = cx.shape(0);
        Lines::new("x", x, self.axis)?;
        Ok(vec![Spec::u32((0..x.rank()).filter(|k| *k != self.axis).map(|k| x[k]).collect::<Shape>())])
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let lines = Lines::of(&cx.inputs[0].shape, self.axis);
        let (outputs, n) = (lines.count(), lines.len);
        let split = (ENOUGH / outputs).clamp(1, n.div_ceil(16)).max(n.div_ceil(MOST));
        let kernel = |entry| {
            let k = Kernel::new(&SHADER, entry).set("OUTPUTS", outputs).set("INNER", lines.inner).set("LEN", n);
            k.set("SPLIT", split).flag("LARGEST", self.largest).flag("LAST", self.last)
        };
        if split == 1 {
            return Ok(Lowered::one(kernel("parts").dispatch_1d(outputs, WG).input("x", 0).output("y", 0)));
        }
        let parts = kernel("parts").dispatch_1d(outputs * split, WG).input("x", 0).scratch("y", 0);
        let total = kernel("total").dispatch_1d(outputs, WG).input("x", 0).scratch("picked", 0).output("y", 0);
        Ok(Lowered { scratch: vec![Spec::u32([outputs * split])], dispatches: vec![parts, total] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl ArgMax {
    /// Whether an element wins over the best of those before.
    fn wins<T: Real>(&self, v: T, best: T) -> bool {
        match (v.is_nan(), best.is_nan()) {
            (true, true) => self.last,
            (v_is_nan, best_is_nan) if v_is_nan || best_is_nan => v_is_nan,
            _ if v == best => self.last,
            _ => (v > best) == self.largest,
        }
    }
}

impl Reference for ArgMax {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, lines) = (io.x(0), Lines::of(io.shape(0), self.axis));
        let found = parallel::map(lines.count(), x.len(), |line| {
            let start = lines.start(line);
            let (mut best, mut at) = (x[start], 0);
            for k in 1..lines.len {
                let v = x[start + k * lines.inner];
                if self.wins(v, best) {
                    (best, at) = (v, k as u32);
                }
            }
            at
        });
        io.y_u32(0).copy_from_slice(&found);
    }
}

/// First, middle and last axes, ties, NaN, and lines that are cut.
pub fn cases() -> Vec<Case> {
    let case = |name: String, shape: &[usize], fill: Fill, op: ArgMax| {
        Case::new(format!("arg_max/{name}"), vec![(Spec::f32(shape), fill)], move |g, x| {
            Ok(vec![g.arg_max(x[0], op.axis, op.largest, op.last)?])
        })
        .no_gradient()
    };
    let mut cases = vec![];
    for (name, largest, last) in
        [("max_first", true, false), ("max_last", true, true), ("min_first", false, false), ("min_last", false, true)]
    {
        let op = |axis| ArgMax { axis, largest, last };
        let named = |what: &str| format!("{name}_{what}");
        cases.push(case(named("last_axis"), &[7, 65], Fill::Normal(1.0), op(1)));
        cases.push(case(named("first_axis"), &[63, 7], Fill::Normal(1.0), op(0)));
        cases.push(case(named("middle"), &[3, 17, 5], Fill::Normal(1.0), op(1)));
        // Few values, so that most lines tie.
        let ties = (0..61 * 5).map(|i| (i * 7 % 4) as f32 - 1.5).collect();
        cases.push(case(named("ties"), &[61, 5], Fill::Values(ties), op(0)));
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let edges = vec![nan, 1.0, nan, 2.0, 0.0, -0.0, 0.0, -0.0, inf, -inf, inf, -inf, -1.0, 1.0, nan, inf];
        cases.push(case(named("edges"), &[4, 4], Fill::Values(edges), op(1)));
        cases.push(case(named("long"), &[1, 10_007], Fill::Normal(1.0), op(1)));
    }
    let first = |axis| ArgMax { axis, largest: true, last: false };
    cases.push(case("one".into(), &[1], Fill::Normal(1.0), first(0)));
    cases.push(case("axis_of_one".into(), &[13, 1], Fill::Normal(1.0), first(1)));
    cases.push(case("beyond_a_walk".into(), &[70_001, 2], Fill::Normal(1.0), first(0)));
    cases.push(case("grid_overflow".into(), &[65_536 * 64 + 1, 2], Fill::Normal(1.0), first(1)));
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_that_is_not_there_is_named() {
        let mut g = Graph::new();
        let x = g.input("x", Spec::f32([3, 4]));
        let message = g.arg_max(x, 2, true, false).expect_err("two axes").to_string();
        assert!(message.contains("arg_max") && message.contains("axis 2") && message.contains("[3, 4]"), "{message}");
        let index = g.input("index", Spec::u32([4]));
        assert!(g.arg_max(index, 0, true, false).expect_err("no floats").to_string().contains("x is u32[4]"));
    }
}
