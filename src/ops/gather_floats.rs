//! Rows of a table of floats by index, normalised on the way:
//! `x[b, f] = data[index[b], f] * scale[f] + shift[f]`, and 0 where `index[b]`
//! is no row.
//!
//! Shapes: `data f32 [n, ..]` with `F` elements per row; `index u32 [B]`;
//! `scale`, `shift f32 [F]` or `[1]`, each for itself; `x f32 [B, ..]` of the
//! sample's shape, which has `F` elements too. No gradient: data does not learn.

use super::state;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Shape, Spec, parallel};

static SHADER: Shader = shader!("gather_floats");

/// Invocations per workgroup.
const WG: usize = 64;

/// Gathers and normalises rows of floats.
#[derive(Debug, Clone)]
pub struct GatherFloats {
    /// The shape of one sample.
    pub sample: Shape,
}

impl Graph {
    /// The rows `index` of `data`, normalised, each under the shape `sample`.
    /// `scale` and `shift` have an element per feature, or one for all. An
    /// index beyond the data gives zeros.
    pub fn gather_floats(
        &mut self,
        data: TensorId,
        index: TensorId,
        scale: TensorId,
        shift: TensorId,
        sample: &[usize],
    ) -> Result<TensorId> {
        self.push1(GatherFloats { sample: sample.into() }, &[data, index, scale, shift])
    }
}

impl Op for GatherFloats {
    fn name(&self) -> &'static str {
        "gather_floats"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let data = &cx.inputs[0];
        let total = data.elements();
        if data.dtype != DType::F32 || data.shape.rank() == 0 || total == 0 || total > u32::MAX as usize {
            return Err(Error::model(format!("data is {data}; expected f32, rows of 1 to 2^32 - 1 elements in all")));
        }
        let row = total / data.shape[0];
        let asked = self.sample.iter().try_fold(1usize, |a, &b| a.checked_mul(b));
        if asked != Some(row) {
            let sample = &self.sample;
            return Err(Error::model(format!("a sample has shape {sample}; the rows of data have {row} elements")));
        }
        let batch = state::expect_list("index", &cx.inputs[1], DType::U32)?;
        for (i, name) in [(2, "scale"), (3, "shift")] {
            let length = state::expect_list(name, &cx.inputs[i], DType::F32)?;
            if length != row && length != 1 {
                return Err(Error::model(format!("{name} has {length} elements; expected {row}, one each, or 1")));
            }
        }
        if batch.saturating_mul(row) > u32::MAX as usize {
            return Err(Error::model(format!("a batch of {batch} rows of {row} has 2^32 elements or more")));
        }
        Ok(vec![Spec::f32([batch].into_iter().chain(self.sample.iter().copied()).collect::<Shape>())])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let row = self.sample.elements();
        let one = |i: usize| cx.inputs[i].elements() == 1;
        let (entry, [data, scale, shift, x], per) = match (row.is_multiple_of(4), one(2), one(3)) {
            (true, true, true) => ("forward4", ["data4", "scale", "shift", "x4"], 4),
            (true, false, false) => ("forward4_each", ["data4", "scale4", "shift4", "x4"], 4),
            _ => ("forward", ["data", "scale", "shift", "x"], 1),
        };
        let k = Kernel::new(&SHADER, entry).set("N", cx.inputs[0].shape[0]).set("SLOTS", cx.inputs[1].elements());
        let k = k.set("ROW", row / per).flag("ONE_SCALE", one(2)).flag("ONE_SHIFT", one(3));
        let d = k.dispatch_1d(cx.outputs[0].elements() / per, WG).input(data, 0).input("index", 1);
        Ok(Lowered::one(d.input(scale, 2).input(shift, 3).output(x, 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let elements = cx.outputs[0].elements() as u64;
        Cost { flops: 2 * elements, bytes: 2 * cx.outputs[0].bytes() as u64 }
    }
}

impl Reference for GatherFloats {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (data, index, scale, shift) = (io.x(0), io.x_u32(1), io.x(2), io.x(3));
        let row = self.sample.elements();
        let each = |v: &[T]| if v.len() == 1 { vec![v[0]; row] } else { v.to_vec() };
        let (scale, shift) = (each(scale), each(shift));
        parallel::rows(io.y(0), row, |slot, x| {
            let start = index[slot] as usize * row;
            match data.get(start..start + row) {
                Some(values) => {
                    for (((x, &v), &scale), &shift) in x.iter_mut().zip(values).zip(&scale).zip(&shift) {
                        *x = v * scale + shift;
                    }
                }
                None => x.fill(T::ZERO),
            }
        });
    }
}

/// Rows that do and do not divide by four, one factor and many, sentinels.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, sample: &[usize], index: Fill, batch: usize, each: [bool; 2]| {
        let row: usize = sample.iter().product();
        let length = |each: bool| if each { row } else { 1 };
        let inputs = vec![
            (Spec::f32([n, row]), Fill::Normal(3.0)),
            (Spec::u32([batch]), index),
            (Spec::f32([length(each[0])]), Fill::Uniform(0.2, 2.0)),
            (Spec::f32([length(each[1])]), Fill::Normal(1.0)),
        ];
        let sample = sample.to_vec();
        Case::new(format!("gather_floats/{name}"), inputs, move |g, x| {
            Ok(vec![g.gather_floats(x[0], x[1], x[2], x[3], &sample)?])
        })
        .no_gradient()
    };
    let (each, one) = ([true; 2], [false; 2]);
    vec![
        case("iris", 11, &[4], Fill::Below(12), 5, each),
        case("odd", 13, &[7], Fill::Indices(vec![12, 0, 13, 1, 2, u32::MAX]), 6, each),
        case("odd_one_factor", 13, &[7], Fill::Below(14), 65, one),
        case("sequence", 9, &[12, 3], Fill::Below(9), 7, each),
        case("sequence_one_factor", 9, &[12, 3], Fill::Below(9), 7, one),
        case("one_shift", 9, &[8], Fill::Below(9), 7, [true, false]),
        case("one_scale", 9, &[8], Fill::Below(9), 63, [false, true]),
        case("one_feature", 5, &[1], Fill::Below(6), 64, each),
        case("scalar", 5, &[], Fill::Below(6), 3, one),
        case("all_beyond", 2, &[4], Fill::Indices(vec![2, 3, u32::MAX]), 3, each),
        case("grid_overflow", 3, &[65], Fill::Below(4), 65_536, each),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistaken_shapes_are_named() {
        let mut g = Graph::new();
        let data = g.input("data", Spec::f32([5, 6]));
        let index = g.input("index", Spec::u32([2]));
        let (six, one, four) =
            (g.input("six", Spec::f32([6])), g.input("one", Spec::f32([1])), g.input("four", Spec::f32([4])));
        let x = g.gather_floats(data, index, six, one, &[2, 3]).unwrap();
        assert_eq!(g.shape(x), [2, 2, 3]);
        let message = g.gather_floats(data, index, six, one, &[5]).unwrap_err().to_string();
        assert!(message.contains("[5]") && message.contains("6 elements"), "{message}");
        let message = g.gather_floats(data, index, four, one, &[6]).unwrap_err().to_string();
        assert!(message.contains("scale has 4 elements; expected 6"), "{message}");
        assert!(g.gather_floats(index, index, six, one, &[6]).is_err());
        assert!(g.gather_floats(data, index, six, one, &[usize::MAX, 2]).is_err());
    }
}
