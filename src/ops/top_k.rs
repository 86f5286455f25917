//! The `k` largest or smallest elements of an axis, in order, with their places.
//!
//! Shapes: `x` f32 with an axis of length `n`; `values` f32 and `index` u32 with `k`
//! elements there, `index` below `n`. Of equal elements the one of lower index comes
//! first; NaN is the largest, as in `torch.topk`.
//!
//! Gradient: `d_values` goes to the elements that `index` names, the others get 0.
//!
//! On a GPU every element counts those that stand before it, which tells its place
//! without a sort; long lines are counted in parts.

use super::expect::expect_type;
use super::lines::Lines;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Shape, Spec, parallel};
use std::cmp::Ordering;

static SHADER: Shader = shader!("top_k");

/// Invocations per workgroup.
const WG: usize = 64;

/// Elements that one invocation compares with at most.
const MOST: usize = 8192;

/// Picks the first elements of each line in order.
#[derive(Debug, Clone, Copy)]
pub struct TopK {
    /// How many.
    pub k: usize,
    /// The axis.
    pub axis: usize,
    /// From the largest on, else from the smallest.
    pub largest: bool,
}

/// `d_x` from `index` and `d_values`.
#[derive(Debug, Clone)]
pub struct TopKGrad {
    /// The axis.
    pub axis: usize,
    /// The shape of `x`.
    pub x: Shape,
}

impl Graph {
    /// The `k` largest or smallest elements of `x` along `axis`, in order: their
    /// values, f32, and places, u32, both of `x`'s shape with `k` elements along
    /// `axis`. Of equal elements the one of lower index comes first.
    pub fn top_k(&mut self, x: TensorId, k: usize, axis: usize, largest: bool) -> Result<(TensorId, TensorId)> {
        let y = self.push(TopK { k, axis, largest }, &[x])?;
        Ok((y[0], y[1]))
    }
}

impl TopK {
    /// Which of two elements, each with its place, stands first.
    fn order<T: Real>(&self, a: (T, u32), b: (T, u32)) -> Ordering {
        let ascending = match (a.0.is_nan(), b.0.is_nan()) {
            (false, false) => a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal),
            (a, b) => a.cmp(&b),
        };
        let first = if self.largest { ascending.reverse() } else { ascending };
        first.then(a.1.cmp(&b.1))
    }
}

impl Op for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "x", DType::F32)?;
        let x = cx.shape(0);
        let lines = Lines::new("x", x, self.axis)?;
        if self.k == 0 || self.k > lines.len {
            let (k, axis, len) = (self.k, self.axis, lines.len);
            return Err(Error::model(format!("k is {k} on axis {axis} of x with shape {x}; expected 1 to {len}")));
        }
        let y: Shape = (0..x.rank()).map(|axis| if axis == self.axis { self.k } else { x[axis] }).collect();
        Ok(vec![Spec::f32(y.clone()), Spec::u32(y)])
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let grad = TopKGrad { axis: self.axis, x: g.spec(at.inputs[0]).shape.clone() };
        Ok(vec![Some(g.push1(grad, &[at.outputs[1], at.d_y()])?)])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let lines = Lines::of(&cx.inputs[0].shape, self.axis);
        let elements = cx.inputs[0].elements();
        let parts = lines.len.div_ceil(MOST);
        let kernel = |entry| {
            let k = Kernel::new(&SHADER, entry).set("ELEMENTS", elements).set("INNER", lines.inner);
            k.set("LEN", lines.len).set("PARTS", parts)
        };
        let rank = kernel("rank").set("PART", MOST).flag("LARGEST", self.largest);
        let rank = rank.dispatch_1d(parts * elements, WG).input("x", 0).scratch("ranks", 0);
        let place = kernel("place").set("K", self.k).dispatch_1d(elements, WG);
        let place = place.input("x", 0).scratch("counted", 0).output("values", 0).output("index", 1);
        Ok(Lowered { scratch: vec![Spec::u32([parts * elements])], dispatches: vec![rank, place] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for TopK {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, lines, k) = (io.x(0), Lines::of(io.shape(0), self.axis), self.k);
        let picked = parallel::map(lines.count(), x.len(), |line| {
            let start = lines.start(line);
            let element = |at: u32| (x[start + at as usize * lines.inner], at);
            let mut order: Vec<u32> = (0..lines.len as u32).collect();
            if k < order.len() {
                order.select_nth_unstable_by(k, |&a, &b| self.order(element(a), element(b)));
                order.truncate(k);
            }
            order.sort_unstable_by(|&a, &b| self.order(element(a), element(b)));
            order
        });
        let to = Lines { len: k, ..lines };
        for (line, order) in picked.into_iter().enumerate() {
            for (rank, at) in order.into_iter().enumerate() {
                let y = to.start(line) + rank * lines.inner;
                io.y(0)[y] = x[lines.start(line) + at as usize * lines.inner];
                io.y_u32(1)[y] = at;
            }
        }
    }
}

impl Op for TopKGrad {
    fn name(&self) -> &'static str {
        "top_k_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "index", DType::U32)?;
        cx.expect(1, "d_values", cx.shape(0).clone())?;
        Lines::new("x", &self.x, self.axis)?;
        Ok(vec![Spec::f32(self.x.clone())])
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let lines = Lines::of(&self.x, self.axis);
        let (elements, picked) = (cx.outputs[0].elements(), cx.inputs[0].elements());
        let zero = Kernel::new(&SHADER, "zero").set("ELEMENTS", elements).dispatch_1d(elements, WG).output("d_x", 0);
        let spread = Kernel::new(&SHADER, "spread").set("PICKED", picked).set("INNER", lines.inner);
        let spread = spread.set("LEN", lines.len).set("K", cx.inputs[0].shape[self.axis]).dispatch_1d(picked, WG);
        Ok(Lowered::many(vec![zero, spread.input("picked", 0).input("d_values", 1).output("d_x", 0)]))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for TopKGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (index, d_values, lines) = (io.x_u32(0), io.x(1), Lines::of(&self.x, self.axis));
        let from = Lines::of(io.shape(0), self.axis);
        let d_x = io.y(0);
        d_x.fill(T::ZERO);
        for line in 0..lines.count() {
            for rank in 0..from.len {
                let at = from.start(line) + rank * lines.inner;
                d_x[lines.start(line) + index[at] as usize * lines.inner] = d_values[at];
            }
        }
    }
}

/// Axes in all places, one and all elements, ties, NaN, and lines that are cut.
pub fn cases() -> Vec<Case> {
    let case = |name: String, shape: &[usize], fill: Fill, op: TopK| {
        Case::new(format!("top_k/{name}"), vec![(Spec::f32(shape), fill)], move |g, x| {
            let (values, index) = g.top_k(x[0], op.k, op.axis, op.largest)?;
            Ok(vec![values, index])
        })
    };
    let distinct = || Fill::Distinct(0.01);
    let mut cases = vec![];
    for (name, largest) in [("largest", true), ("smallest", false)] {
        let op = |k, axis| TopK { k, axis, largest };
        cases.push(case(format!("{name}_last"), &[7, 65], distinct(), op(5, 1)));
        cases.push(case(format!("{name}_first"), &[63, 7], distinct(), op(1, 0)));
        cases.push(case(format!("{name}_middle"), &[3, 17, 5], distinct(), op(16, 1)));
        cases.push(case(format!("{name}_all"), &[2, 31], distinct(), op(31, 1)));
        let ties = (0..61 * 5).map(|i| (i * 7 % 4) as f32 - 1.5).collect();
        cases.push(case(format!("{name}_ties"), &[61, 5], Fill::Values(ties), op(23, 0)).no_gradient());
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let edges = vec![nan, 1.0, nan, 2.0, 0.0, -0.0, 0.0, -0.0, inf, -inf, inf, -inf, -1.0, 1.0, nan, inf];
        cases.push(case(format!("{name}_edges"), &[4, 4], Fill::Values(edges), op(3, 1)).no_gradient());
    }
    cases.push(case("one".into(), &[1], distinct(), TopK { k: 1, axis: 0, largest: true }));
    let beyond = TopK { k: 9, axis: 0, largest: true };
    cases.push(case("beyond_a_walk".into(), &[MOST + 7], Fill::Normal(1.0), beyond).no_gradient());
    let overflow = TopK { k: 1, axis: 1, largest: false };
    cases.push(case("grid_overflow".into(), &[65_536 * 32 + 1, 2], Fill::Normal(1.0), overflow).no_gradient());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_are_is_an_error() {
        let mut g = Graph::new();
        let x = g.input("x", Spec::f32([3, 4]));
        for k in [0, 5] {
            let message = g.top_k(x, k, 1, true).expect_err("4 elements").to_string();
            assert!(message.contains(&format!("k is {k}")) && message.contains("expected 1 to 4"), "{message}");
        }
        assert!(g.top_k(x, 1, 2, true).is_err());
    }

    #[test]
    fn a_long_line_is_sorted() {
        let n = 100_003u32;
        let mut g = Graph::new();
        let values: Vec<f32> = (0..n).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32).collect();
        let x = g.constant(crate::tensor::HostTensor::f32([n as usize], values.clone()));
        let (_, index) = g.top_k(x, n as usize, 0, true).expect("top_k");
        let mut cpu = crate::cpu::Cpu::<f32>::new();
        use crate::plan::{Executor, Plan, Target};
        let program = cpu.load(Plan::build(&g, &[index], Target::Cpu).expect("plan")).expect("load");
        cpu.run(&program, 1).expect("run");
        let found = cpu.fetch(&program, index).expect("index").as_u32().to_vec();
        let before = |a: u32, b: u32| {
            let (x, y) = (values[a as usize], values[b as usize]);
            x > y || x == y && a < b
        };
        assert!(found.windows(2).all(|w| before(w[0], w[1])));
    }
}
