//! Keeps the L2 norm of each row of the weights at most `max`: a row of norm
//! `n > max` is multiplied by `max / (n + 1e-7)`, which is `torch.renorm`; the
//! others keep their bits. A row is what flows into one output unit.
//!
//! Shapes: `params f32 [P]`; `rows u32 [R, 2]`, the first element and the length
//! of each row; `clock`, or a pace that says when to wait. No gradient.
//!
//! On a GPU a row is a workgroup's; on a software adapter, where barriers cost,
//! an invocation's, unless a row is too long for one.
//!
//! Source: Srebro and Shraibman 2005; Srivastava et al., "Dropout", JMLR 15,
//! 2014; `keras.constraints.MaxNorm`.

use super::rows::{group, tree};
use super::{optimiser, state};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Kernel, Lowered, Shader, groups_1d};
use crate::shader;
use crate::tensor::{HostTensor, Real, Spec};

static SHADER: Shader = shader!("max_norm");

/// Elements up to which one invocation walks a row twice on a software adapter.
const ALONE: usize = 2048;

/// Bounds the norms of rows.
#[derive(Debug, Clone, Copy)]
pub struct MaxNorm {
    /// The largest norm.
    max: f32,
    /// The length of the longest row.
    longest: usize,
}

impl Graph {
    /// Bounds the norms of `rows`, given as first element and length, of flat
    /// parameters. Comes after the optimiser.
    pub fn max_norm(&mut self, params: TensorId, rows: &[(usize, usize)], clock: TensorId, max: f32) -> Result<()> {
        let n = self.spec(params).elements();
        if let Some((first, length)) = rows.iter().find(|(first, length)| first + length > n) {
            return Err(Error::model(format!("a row of {length} elements from {first} on; the parameters are {n}")));
        }
        if rows.is_empty() {
            return Ok(());
        }
        let longest = rows.iter().map(|r| r.1).max().expect("there is a row");
        let table = rows.iter().flat_map(|&(first, length)| [first as u32, length as u32]).collect();
        let table = self.constant(HostTensor::u32([rows.len(), 2], table));
        self.push_with(MaxNorm { max, longest }, &[table, clock], &[params]).map(drop)
    }
}

impl Op for MaxNorm {
    fn name(&self) -> &'static str {
        "max_norm"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        optimiser::expect_within("max_norm", self.max.into(), 0.0, f64::INFINITY)?;
        optimiser::expect_clock(&cx.inputs[1])?;
        optimiser::expect_flat("params", &cx.updates[0])?;
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let rows = cx.inputs[0].elements() / 2;
        let kernel = |entry| {
            let k = Kernel::new(&SHADER, entry).set("ROWS", rows).real("MAX_NORM", self.max.into());
            k.flag("GATED", cx.inputs[1] == super::pace::spec())
        };
        let d = match cx.caps.class {
            Class::Cpu if self.longest <= ALONE => kernel("row_serial").dispatch_1d(rows, 16),
            class => {
                let wg = if class == Class::Cpu { tree(class, self.longest) } else { group(class, self.longest) };
                kernel("row_group").set("WG", wg).dispatch(groups_1d(rows, 1))
            }
        };
        Ok(Lowered::one(d.input("rows", 0).input("clock", 1).update("params", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 3 * cx.updates[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for MaxNorm {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        if optimiser::waits(io, 1) {
            return;
        }
        let rows = io.x_u32(0).as_chunks::<2>().0;
        for &[first, length] in rows {
            let row = &mut io.updates[0].real[first as usize..(first + length) as usize];
            let norm = row.iter().map(|p| p.f64() * p.f64()).sum::<f64>().sqrt();
            if norm > f64::from(self.max) {
                let factor = T::of(f64::from(self.max) / (norm + 1e-7));
                row.iter_mut().for_each(|p| *p *= factor);
            }
        }
    }
}

/// Rows of every length, above, below and not in the list at all, a pace that
/// waits, and more rows than a grid has in one dimension.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, clock: &[u32], rows: Vec<(usize, usize)>, max: f32| {
        let longest = rows.iter().map(|r| r.1).max().unwrap_or(1);
        let inputs =
            vec![(Spec::f32([n]), Fill::Normal(1.0)), (Spec::u32([clock.len()]), Fill::Indices(clock.to_vec()))];
        Case::new(format!("max_norm/{name}"), inputs, move |g, x| {
            g.max_norm(x[0], &rows, x[1], max)?;
            Ok(vec![x[0]])
        })
        .no_gradient()
        .reduction(longest.min(4096))
        .extra(4.0, "WGSL allows division and square root 2.5 ulp")
    };
    let even = |rows: usize, length: usize| (0..rows).map(|r| (r * length, length)).collect::<Vec<_>>();
    let at = [0, 0, 0, 7];
    vec![
        case("plain", 64, &at, even(6, 9), 2.5),
        case("uneven", 320, &at, vec![(0, 5), (5, 5), (64, 1), (128, 100), (230, 0), (256, 33)], 1.5),
        case("below", 64, &at, even(4, 16), 100.0),
        case("zero", 64, &at, even(4, 16), 0.0),
        case("wg-1", 64 * 12, &at, even(3, 255), 3.0),
        case("wg+1", 64 * 13, &at, even(3, 257), 3.0),
        case("long", 64 * 1000, &at, even(2, 31_337), 100.0),
        case("due", 192, &[5, 1], even(6, 31), 2.0),
        case("waits", 192, &[5, 0], even(6, 31), 2.0),
        case("grid_overflow", 64 * 4097, &at, even(65_537, 3), 1.0),
    ]
}
