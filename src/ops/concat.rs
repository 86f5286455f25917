//! Joins tensors along an axis, in order.
//!
//! Formula: `y[.., offset_i + a, ..] = x_i[.., a, ..]`, `offset_i` the sum of the
//! lengths before. Shapes: all `x_i` alike except along the axis.
//!
//! Gradient: `d_x_i` is the slice of `d_y` that `x_i` became.
//!
//! On a GPU: seen as `[outer, length * inner]`, each input is a run of columns
//! of `y`; one dispatch per input copies its own, so any number of inputs fits
//! into two bindings.

use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Shape, Spec, parallel};

static SHADER: Shader = shader!("concat");

/// Invocations per workgroup.
const WG: usize = 64;

/// Joins its inputs along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

impl Graph {
    /// Joins tensors along an axis; they must be alike along the others.
    pub fn concat(&mut self, inputs: &[TensorId], axis: usize) -> Result<TensorId> {
        // Labels say more than numbers; `infer` knows only numbers.
        let specs: Vec<Spec> = inputs.iter().map(|&t| self.spec(t).clone()).collect();
        let name = |i: usize| format!("input {i} (\"{}\")", self.tensors()[inputs[i].index()].label);
        let op = Concat { axis };
        op.join(&specs, name)?;
        if inputs.len() == 1 { Ok(inputs[0]) } else { self.push1(op, inputs) }
    }
}

impl Concat {
    /// The joined shape; `name` names an input in messages.
    fn join(&self, inputs: &[Spec], name: impl Fn(usize) -> String) -> Result<Shape> {
        let Some(first) = inputs.first() else {
            return Err(Error::model("concat of no tensors; expected at least one"));
        };
        if self.axis >= first.shape.rank() {
            let (rank, axis) = (first.shape.rank(), self.axis);
            return Err(Error::model(format!(
                "concat along axis {axis}: {} has shape {}, {rank} axes",
                name(0),
                first.shape
            )));
        }
        let mut joined: Vec<usize> = first.shape.to_vec();
        joined[self.axis] = 0;
        for (i, x) in inputs.iter().enumerate() {
            if x.dtype != DType::F32 || x.elements() == 0 {
                return Err(Error::model(format!("concat: {} is {x}; expected f32 and at least one element", name(i))));
            }
            let alike = x.shape.rank() == joined.len()
                && (0..joined.len()).all(|k| k == self.axis || x.shape[k] == first.shape[k]);
            if !alike {
                return Err(Error::model(format!(
                    "concat along axis {}: {} has shape {} and {} has {}; they may differ along that axis only",
                    self.axis,
                    name(i),
                    x.shape,
                    name(0),
                    first.shape
                )));
            }
            joined[self.axis] += x.shape[self.axis];
        }
        Ok(joined.into())
    }

    /// The elements of one input, or of the output, per index of the outer axes.
    fn columns(&self, shape: &Shape) -> usize {
        shape[self.axis..].iter().product()
    }
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        Ok(vec![Spec::f32(self.join(&cx.inputs, |i| format!("input {i}"))?)])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let mut start = 0;
        let mut d = vec![];
        for (&x, &needed) in at.inputs.iter().zip(at.needs) {
            let end = start + g.shape(x)[self.axis];
            d.push(if needed { Some(g.slice(at.d_y(), self.axis, start, end, 1)?) } else { None });
            start = end;
        }
        Ok(d)
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let y_columns = self.columns(&cx.outputs[0].shape);
        let mut first = 0;
        let mut dispatches = vec![];
        for (i, x) in cx.inputs.iter().enumerate() {
            let columns = self.columns(&x.shape);
            let wide = [columns, first, y_columns].iter().all(|n| n.is_multiple_of(4));
            let (entry, from, to, unit) = if wide { ("copy4", "x4", "y4", 4) } else { ("copy", "x", "y", 1) };
            let k = Kernel::new(&SHADER, entry).set("N", x.elements() / unit).set("COLUMNS", columns / unit);
            let k = k.set("FIRST", first / unit).set("Y_COLUMNS", y_columns / unit);
            dispatches.push(k.dispatch_1d(x.elements() / unit, WG).input(from, i).output(to, 0));
            first += columns;
        }
        Ok(Lowered::many(dispatches))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for Concat {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let parts: Vec<(&[T], usize)> = io.inputs.iter().map(|x| (x.real, self.columns(&x.spec.shape))).collect();
        let y_columns = self.columns(io.y_shape(0));
        parallel::rows(io.y(0), y_columns, |outer, y| {
            let mut rest = y;
            for &(x, columns) in &parts {
                let (mine, others) = rest.split_at_mut(columns);
                mine.copy_from_slice(&x[outer * columns..(outer + 1) * columns]);
                rest = others;
            }
        });
    }
}

/// First, middle and last axis; one, two and many inputs; the same one twice.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, shapes: &[&[usize]], axis: usize| {
        let inputs = shapes.iter().map(|&s| (Spec::f32(s), Fill::Normal(1.0))).collect();
        Case::new(format!("concat/{name}"), inputs, move |g, x| Ok(vec![g.concat(x, axis)?]))
    };
    let many: Vec<&[usize]> = (0..11).map(|i| if i % 2 == 0 { &[3, 2][..] } else { &[3, 5] }).collect();
    let square = Fill::Normal(1.0);
    vec![
        case("first", &[&[2, 3], &[5, 3]], 0),
        case("last", &[&[7, 1], &[7, 13], &[7, 2]], 1),
        case("channels", &[&[2, 3, 4, 5], &[2, 1, 4, 5], &[2, 2, 4, 5]], 1),
        case("vec4", &[&[3, 8], &[3, 4]], 1),
        case("vec4_then_not", &[&[3, 8], &[3, 3], &[3, 4]], 1),
        case("many", &many, 1),
        case("single", &[&[3, 4]], 1),
        case("vectors", &[&[64], &[65], &[1]], 0),
        Case::new("concat/twice", vec![(Spec::f32([3, 2]), square)], |g, x| Ok(vec![g.concat(&[x[0], x[0]], 1)?]))
            .reduction(2),
        case("grid_overflow", &[&[65_536 * 64 + 1], &[3]], 0).no_gradient(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_input_that_does_not_fit() {
        let mut g = Graph::new();
        let a = g.input("a", Spec::f32([2, 3]));
        let b = g.input("b", Spec::f32([2, 4]));
        let labels = g.input("labels", Spec::u32([2, 3]));
        let error = g.concat(&[a, a, b], 0).unwrap_err().to_string();
        assert!(error.contains("input 2 (\"b\") has shape [2, 4]"), "{error}");
        assert!(g.concat(&[a, labels], 0).unwrap_err().to_string().contains("\"labels\""));
        assert!(g.concat(&[a, b], 2).unwrap_err().to_string().contains("axis 2"));
        assert!(g.concat(&[], 0).is_err());
        assert_eq!(g.concat(&[a], 1).unwrap(), a);
    }
}
