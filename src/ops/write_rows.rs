//! Rows written into a cache in place, from a position on: the keys and values of
//! new tokens, or a recurrent state, while text is generated.
//!
//! Shapes: `cache [.., C, D]`, `x [.., t, D]`, `position u32 [1]`:
//! `cache[.., position + r, :] = x[.., r, :]`. Rows that would fall beyond `C` are
//! not written. No gradient: a cache outlives the step.

use super::expect::expect_type;
use super::state;
use super::wide::{wide, width};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Init, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, HostTensor, Real, Shape, Spec};

static SHADER: Shader = shader!("write_rows");

/// Invocations per workgroup.
const WG: usize = 64;

/// Writes rows into a cache. Inputs: x, position; update: the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteRows;

impl Graph {
    /// Writes the rows of `x [.., t, D]` into `cache [.., C, D]`, which must be
    /// persistent, from row `position` (u32 `[1]`) on. What reads the cache
    /// afterwards sees them.
    pub fn write_rows(&mut self, cache: TensorId, x: TensorId, position: TensorId) -> Result<()> {
        self.push_with(WriteRows, &[x, position], &[cache]).map(drop)
    }
}

/// Matrices, rows of each in the cache and in `x`, elements per row.
fn sizes(cache: &Shape, x: &Shape) -> [usize; 4] {
    let lead = cache.rank() - 2;
    [cache[..lead].iter().product(), cache[lead], x[lead], cache[lead + 1]]
}

impl Op for WriteRows {
    fn name(&self) -> &'static str {
        "write_rows"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let (cache, x) = (&cx.updates[0], &cx.inputs[0]);
        let (c, r) = (&cache.shape, &x.shape);
        let lead = c.rank().saturating_sub(2);
        let alike = c.rank() >= 2 && r.rank() == c.rank() && r[..lead] == c[..lead] && r[lead + 1] == c[lead + 1];
        let filled = cache.elements() > 0 && x.elements() > 0;
        if !alike || !filled || cache.dtype != DType::F32 || x.dtype != DType::F32 {
            return Err(Error::model(format!(
                "cache is {cache} and x is {x}; expected f32 [.., C, D] and f32 [.., t, D] with the same D and leading axes"
            )));
        }
        expect_type(cx, 1, "position", DType::U32)?;
        cx.expect(1, "position", [1])?;
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let [lead, c, t, d] = sizes(&cx.updates[0].shape, &cx.inputs[0].shape);
        let width = width(d);
        let k = Kernel::new(&SHADER, "forward").set("LEAD", lead).set("C", c).set("T", t).set("ROW", d / width);
        let dispatch = wide(k, width).dispatch_1d(lead * t * d / width, WG);
        Ok(Lowered::one(dispatch.input("x", 0).input("position", 1).update("cache", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: 2 * cx.inputs[0].bytes() as u64 }
    }
}

impl Reference for WriteRows {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, position) = (io.x(0), io.x_u32(1)[0] as usize);
        let [_, c, t, d] = sizes(&io.updates[0].spec.shape, io.shape(0));
        let first = position.min(c);
        let rows = t.min(c - first);
        for (cache, x) in io.updates[0].real.chunks_mut(c * d).zip(x.chunks(t * d)) {
            cache[first * d..][..rows * d].copy_from_slice(&x[..rows * d]);
        }
    }
}

/// The beginning, the end, over the end and far beyond it.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, cache: &[usize], t: usize, position: u32| {
        let (lead, d) = (cache.len() - 2, cache[cache.len() - 1]);
        let x: Vec<usize> = [&cache[..lead], &[t, d]].concat();
        let inputs = vec![(Spec::f32(x), Fill::Normal(1.0)), (Spec::u32([1]), Fill::Indices(vec![position]))];
        let cache = cache.to_vec();
        Case::new(format!("write_rows/{name}"), inputs, move |g, x| {
            let spec = Spec::f32(cache.clone());
            let old = HostTensor::f32(spec.shape.clone(), (0..spec.elements()).map(|i| (i % 97) as f32).collect());
            let cache = g.persistent("cache", spec, Init::Data(old.into()));
            g.write_rows(cache, x[0], x[1])?;
            Ok(vec![g.copy(cache)?])
        })
        .no_gradient()
    };
    vec![
        case("first", &[2, 3, 7, 5], 1, 0),
        case("middle", &[2, 3, 7, 8], 1, 4),
        case("several", &[6, 9, 4], 5, 3),
        case("last", &[5, 3], 1, 4),
        case("over_the_end", &[2, 5, 3], 4, 3),
        case("at_the_end", &[2, 5, 4], 2, 5),
        case("far_beyond", &[2, 5, 4], 3, u32::MAX),
        case("more_than_all", &[2, 3, 4], 5, 0),
        case("one", &[1, 1], 1, 0),
        case("grid_overflow", &[65_536 * 64 + 1, 2, 1], 1, 1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_arguments_are_errors() {
        let mut g = Graph::new();
        let cache = g.input("cache", Spec::f32([2, 4, 3]));
        let (x, flat, at) =
            (g.input("x", Spec::f32([3, 1, 3])), g.input("flat", Spec::f32([2, 3])), g.input("at", Spec::u32([2])));
        let row = g.input("row", Spec::f32([2, 1, 3]));
        for wrong in [x, flat] {
            assert!(g.write_rows(cache, wrong, at).unwrap_err().to_string().contains("the same D"));
        }
        assert!(g.write_rows(cache, row, at).unwrap_err().to_string().contains("position has shape"));
    }
}
