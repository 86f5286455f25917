//! The running sums of an epoch's metrics, f32 `[4]`:
//! `metrics[0] += loss * rows`, `metrics[1] += correct`, `metrics[2] += rows`,
//! and `metrics[3] = 1` once a loss was not finite.
//!
//! Shapes: `metrics f32 [4]`, `loss f32 []` (the batch's mean), `correct []`
//! (f32 or u32), `rows u32 [1]`. A batch without rows leaves the sums alone,
//! whatever its loss is. No gradient.

use super::state;
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Spec};

static SHADER: Shader = shader!("tally");

/// Adds a batch to the metrics.
#[derive(Debug, Clone, Copy)]
pub struct Tally;

impl Graph {
    /// Adds a batch's mean `loss`, its number of `correct` answers and its
    /// `rows` to `metrics`.
    pub fn tally(
        &mut self,
        metrics: TensorId,
        loss: TensorId,
        correct: Option<TensorId>,
        rows: TensorId,
    ) -> Result<()> {
        let inputs: Vec<TensorId> = [loss, rows].into_iter().chain(correct).collect();
        self.push_with(Tally, &inputs, &[metrics]).map(drop)
    }
}

impl Op for Tally {
    fn name(&self) -> &'static str {
        "tally"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        state::expect("metrics", &cx.updates[0], &Spec::f32([4]))?;
        state::expect("loss", &cx.inputs[0], &Spec::f32([]))?;
        state::expect("rows", &cx.inputs[1], &Spec::u32([1]))?;
        if let Some(correct) = cx.inputs.get(2).filter(|c| **c != Spec::u32([])) {
            state::expect("correct", correct, &Spec::f32([]))?;
        }
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let d = |entry| Kernel::new(&SHADER, entry).dispatch([1, 1, 1]).input("loss", 0).input("rows", 1);
        let d = match cx.inputs.get(2).map(|c| c.dtype) {
            None => d("loss_only"),
            Some(DType::F32 | DType::F16) => d("with_correct").input("correct", 2),
            Some(DType::U32) => d("with_count").input("count", 2),
        };
        Ok(Lowered::one(d.update("metrics", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 4, bytes: cx.bytes_once() }
    }
}

impl Reference for Tally {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (loss, rows) = (io.x(0)[0], io.x_u32(1)[0]);
        let correct = match io.inputs.get(2) {
            None => T::ZERO,
            Some(c) if c.spec.dtype != DType::U32 => c.real[0],
            Some(c) => T::of(c.index[0].into()),
        };
        let metrics = &mut *io.updates[0].real;
        if rows == 0 {
            return;
        }
        metrics[0] += loss * T::of(rows.into());
        metrics[1] += correct;
        metrics[2] += T::of(rows.into());
        if !loss.is_finite() {
            metrics[3] = T::ONE;
        }
    }
}

/// With and without `correct`, empty batches, and losses that are not finite.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, metrics: [f32; 4], loss: f32, correct: Option<(Spec, Fill)>, rows: u32| {
        let mut inputs = vec![
            (Spec::f32([4]), Fill::Values(metrics.to_vec())),
            (Spec::f32([]), Fill::Values(vec![loss])),
            (Spec::u32([1]), Fill::Indices(vec![rows])),
        ];
        inputs.extend(correct);
        Case::new(format!("tally/{name}"), inputs, |g, x| {
            g.tally(x[0], x[1], x.get(3).copied(), x[2])?;
            Ok(vec![x[0]])
        })
        .no_gradient()
    };
    let float = |v: f32| Some((Spec::f32([]), Fill::Values(vec![v])));
    let count = |v: u32| Some((Spec::u32([]), Fill::Indices(vec![v])));
    vec![
        case("first", [0.0; 4], 2.3, float(11.0), 64),
        case("second", [147.2, 11.0, 64.0, 0.0], 2.1, float(17.0), 64),
        case("counts", [147.2, 11.0, 64.0, 0.0], 2.1, count(17), 63),
        case("loss_only", [1.0, 0.0, 5.0, 0.0], 0.25, None, 7),
        case("nan", [1.0, 2.0, 3.0, 0.0], f32::NAN, float(1.0), 4),
        case("infinite", [1.0, 2.0, 3.0, 0.0], f32::INFINITY, count(1), 4),
        case("stays_marked", [1.0, 2.0, 3.0, 1.0], 0.5, None, 4),
        case("no_rows", [1.0, 2.0, 3.0, 0.0], f32::NAN, float(0.0), 0),
    ]
}
