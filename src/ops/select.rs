//! Elements of one of two tensors, by a condition: `y = a` where `condition` is
//! not 0, else `b`. All three broadcast as in NumPy; NaN is not 0.
//!
//! Gradients, each summed over the axes that were stretched: `d_a = d_y` where
//! the condition holds, else 0, and `d_b` the other way round. As the result does
//! not move with the condition, that one's is zero.

use super::expect::expect_type;
use crate::error::{Error, Result};
use crate::graph::{
    Backward, Case, Cost, Elementwise, Fill, Graph, Infer, Io, Lower, Op, Pointwise, Reference, Stretch, TensorId,
};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, HostTensor, Real, Shape, Spec, parallel};

static SHADER: Shader = shader!("select");

/// Invocations per workgroup.
const WG: usize = 64;

/// Chooses between two tensors, element by element.
#[derive(Debug, Clone, Copy)]
pub struct Select;

impl Graph {
    /// `a` where `condition` is not 0, else `b`; all three f32, broadcasting.
    pub fn select(&mut self, condition: TensorId, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.push1(Select, &[condition, a, b])
    }
}

impl Op for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        for (i, name) in ["condition", "a", "b"].into_iter().enumerate() {
            expect_type(cx, i, name, DType::F32)?;
        }
        let (condition, a, b) = (cx.shape(0), cx.shape(1), cx.shape(2));
        let y = a.broadcast(b).and_then(|both| both.broadcast(condition)).map_err(|_| {
            Error::model(format!(
                "condition has shape {condition}, a {a} and b {b}: they do not broadcast, axes must be equal or 1, \
                 counted from the last"
            ))
        })?;
        Ok(vec![Spec::f32(y)])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let zero = g.constant(HostTensor::f32([], vec![0.0]));
        let mut sides = [None, None, None];
        for side in (0..3).filter(|&side| at.needs[side]) {
            let shape = g.spec(at.inputs[side]).shape.clone();
            sides[side] = Some(match side {
                0 => g.expand(zero, shape)?,
                1 => {
                    let full = g.select(at.inputs[0], at.d_y(), zero)?;
                    g.sum_to(full, shape)?
                }
                _ => {
                    let full = g.select(at.inputs[0], zero, at.d_y())?;
                    g.sum_to(full, shape)?
                }
            });
        }
        Ok(sides.to_vec())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let y = &cx.outputs[0].shape;
        let n = y.elements();
        // A scalar has no axes; the shader needs one.
        let list = |axes: &[usize], filler| if axes.is_empty() { vec![filler] } else { axes.to_vec() };
        let strides = |i: usize| list(&cx.inputs[i].shape.broadcast_strides(y), 0);
        let kernel = |entry| {
            let k = Kernel::new(&SHADER, entry).set("N", n);
            let k = k.constant("RANK", y.rank().max(1)).array("DIMS", &list(y, 1));
            k.array("STRIDES_C", &strides(0)).array("STRIDES_A", &strides(1)).array("STRIDES_B", &strides(2))
        };
        let same = cx.inputs.iter().all(|x| x.shape == *y);
        Ok(Lowered::one(if same && n.is_multiple_of(4) {
            let d = kernel("same4").dispatch_1d(n / 4, WG);
            d.input("condition4", 0).input("a4", 1).input("b4", 2).put4(&cx.store)
        } else {
            let d = kernel("broadcast").dispatch_1d(n, WG);
            d.input("condition", 0).input("a", 1).input("b", 2).put(&cx.store)
        }))
    }

    fn pointwise(&self) -> Option<&dyn Pointwise> {
        Some(self)
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

#[inline(always)]
fn chosen<T: Real>(condition: T, a: T, b: T) -> T {
    if condition != T::ZERO { a } else { b }
}

impl Reference for Select {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let shape = io.y_shape(0).clone();
        let x = [io.x(0), io.x(1), io.x(2)];
        let strides = [0, 1, 2].map(|i| io.shape(i).broadcast_strides(&shape));
        let step = [0, 1, 2].map(|i| strides[i].last().copied().unwrap_or(0));
        let row = shape.last().copied().unwrap_or(1);
        parallel::rows(io.y(0), row, |r, y| {
            let (mut at, mut rest) = ([0; 3], r);
            for axis in (0..shape.rank().saturating_sub(1)).rev() {
                (0..3).for_each(|k| at[k] += rest % shape[axis] * strides[k][axis]);
                rest /= shape[axis];
            }
            for (i, y) in y.iter_mut().enumerate() {
                let [condition, a, b] = [0, 1, 2].map(|k| x[k][at[k] + i * step[k]]);
                *y = chosen(condition, a, b);
            }
        });
    }
}

impl Elementwise for Select {
    fn elements<T: Real>(&self, at: &Stretch<T>, y: &mut [T]) {
        let (condition, a, b) = (at.x[0], at.x[1], at.x[2]);
        parallel::vectorised(
            #[inline(always)]
            || {
                for (((y, &condition), &a), &b) in y.iter_mut().zip(condition).zip(a).zip(b) {
                    *y = chosen(condition, a, b);
                }
            },
        );
    }
}

impl Pointwise for Select {
    fn label(&self) -> String {
        "select".into()
    }

    fn fragments(&self) -> &'static [&'static str] {
        &["lib/choose"]
    }

    fn wgsl(&self, x: &[String]) -> String {
        format!("chosen({}, {}, {})", x[0], x[1], x[2])
    }

    fn wgsl4(&self, x: &[String]) -> String {
        format!("chosen4({}, {}, {})", x[0], x[1], x[2])
    }
}

/// Every way in which the three can stretch, and conditions at the edge.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, shapes: [&[usize]; 3]| {
        let [c, a, b] = shapes.map(Shape::from);
        let y = a.broadcast(&b).and_then(|s| s.broadcast(&c)).expect("cases broadcast").elements();
        // A condition of a comparison, through which no gradient is asked for.
        let inputs = [c, a, b].map(|s| (Spec::f32(s), Fill::Normal(1.0))).to_vec();
        Case::new(format!("select/{name}"), inputs, |g, x| {
            let zero = g.constant(HostTensor::f32([], vec![0.0]));
            let condition = g.less(zero, x[0])?;
            Ok(vec![g.select(condition, x[1], x[2])?, g.select(x[0], x[2], x[1])?])
        })
        .reduction(y)
    };
    let nan = f32::NAN;
    let edges = Fill::Values(vec![nan, 0.0, -0.0, 1.0, f32::INFINITY, -2.0]);
    let (a, b) = (Fill::Values(vec![1.0, nan, 3.0, nan, 5.0, 6.0]), Fill::Values(vec![nan, 8.0, 9.0, 7.0, nan, 4.0]));
    vec![
        case("same4", [&[4, 33]; 3]),
        case("same_odd", [&[5, 13]; 3]),
        case("one", [&[1]; 3]),
        case("wg-1", [&[63]; 3]),
        case("wg+1", [&[65]; 3]),
        case("scalars", [&[]; 3]),
        case("row", [&[7, 13], &[13], &[]]),
        case("condition_stretches", [&[7, 1], &[7, 13], &[1, 13]]),
        case("condition_is_largest", [&[2, 3, 5], &[3, 1], &[]]),
        case("grid_overflow", [&[65_536 * 64 + 1], &[1], &[]]).no_gradient().reduction(1),
        Case::new("select/edges", vec![(Spec::f32([6]), edges), (Spec::f32([6]), a), (Spec::f32([6]), b)], |g, x| {
            Ok(vec![g.select(x[0], x[1], x[2])?])
        })
        .no_gradient(),
        Case::new("select/fused", vec![(Spec::f32([6, 8]), Fill::Distinct(0.1)); 2], |g, x| {
            let y = g.tanh(x[0])?;
            let less = g.less(y, x[1])?;
            let y = g.select(less, y, x[1])?;
            Ok(vec![g.square(y)?])
        })
        .fused()
        .extra(64.0, "WGSL derives tanh from exp"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let mut g = Graph::new();
        let [c, a, b] = [3, 4, 5].map(|n| g.input(&format!("x{n}"), Spec::f32([n])));
        let message = g.select(c, a, b).expect_err("they do not broadcast").to_string();
        assert!(message.contains("select") && message.contains("[3]") && message.contains("[5]"), "{message}");
        let index = g.input("index", Spec::u32([4]));
        let message = g.select(index, a, a).expect_err("a condition is f32").to_string();
        assert!(message.contains("condition is u32[4]"), "{message}");
    }
}
