//! The running sums of an epoch's metrics, f32 `[4]`:
//! `metrics[0] += loss * rows`, `metrics[1] += correct`, `metrics[2] += rows`,
//! and `metrics[3] = 1` once a loss was not finite. Where the loss is a mean over
//! weights and not over rows: `metrics[0] += loss * weight` and, in a fifth place,
//! `metrics[4] += weight`.
//!
//! Shapes: `metrics f32 [4]` or `[5]`, `loss f32 []` (the batch's mean), `correct
//! []` (f32 or u32), `rows u32 [1]`, `weight f32 []`. A batch without rows leaves
//! the sums alone, whatever its loss is. No gradient.

use super::state;
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Spec};

static SHADER: Shader = shader!("tally");

/// Adds a batch to the metrics. Inputs: loss, rows, then weight and correct, as
/// far as there are such.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    weighted: bool,
}

/// Shape and type of metrics, with the sum of weights or without.
pub fn spec(weighted: bool) -> Spec {
    Spec::f32([if weighted { 5 } else { 4 }])
}

impl Tally {
    /// The place of `correct` among the inputs.
    fn correct(self) -> usize {
        2 + usize::from(self.weighted)
    }
}

impl Graph {
    /// Adds a batch's mean `loss`, its number of `correct` answers, its `rows` and
    /// the `weight` that the mean divides by, if that is not the rows, to `metrics`.
    pub fn tally(
        &mut self,
        metrics: TensorId,
        loss: TensorId,
        correct: Option<TensorId>,
        rows: TensorId,
        weight: Option<TensorId>,
    ) -> Result<()> {
        let inputs: Vec<TensorId> = [loss, rows].into_iter().chain(weight).chain(correct).collect();
        self.push_with(Tally { weighted: weight.is_some() }, &inputs, &[metrics]).map(drop)
    }
}

impl Op for Tally {
    fn name(&self) -> &'static str {
        "tally"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        state::expect("metrics", &cx.updates[0], &spec(self.weighted))?;
        state::expect("loss", &cx.inputs[0], &Spec::f32([]))?;
        state::expect("rows", &cx.inputs[1], &Spec::u32([1]))?;
        if self.weighted {
            state::expect("weight", &cx.inputs[2], &Spec::f32([]))?;
        }
        if let Some(correct) = cx.inputs.get(self.correct()).filter(|c| **c != Spec::u32([])) {
            state::expect("correct", correct, &Spec::f32([]))?;
        }
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let d = |entry| {
            let k = Kernel::new(&SHADER, entry).flag("WEIGHTED", self.weighted);
            let d = k.dispatch([1, 1, 1]).input("loss", 0).input("rows", 1);
            // The shader names weights whether or not there are any.
            d.input("weight", if self.weighted { 2 } else { 0 })
        };
        let d = match cx.inputs.get(self.correct()).map(|c| c.dtype) {
            None => d("loss_only"),
            Some(DType::F32 | DType::F16) => d("with_correct").input("correct", self.correct()),
            Some(DType::U32) => d("with_count").input("count", self.correct()),
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
        let weight = if self.weighted { io.x(2)[0] } else { T::of(rows.into()) };
        let correct = match io.inputs.get(self.correct()) {
            None => T::ZERO,
            Some(c) if c.spec.dtype != DType::U32 => c.real[0],
            Some(c) => T::of(c.index[0].into()),
        };
        let metrics = &mut *io.updates[0].real;
        if rows == 0 {
            return;
        }
        metrics[0] += loss * weight;
        metrics[1] += correct;
        metrics[2] += T::of(rows.into());
        if !loss.is_finite() {
            metrics[3] = T::ONE;
        }
        if self.weighted {
            metrics[4] += weight;
        }
    }
}

/// With and without `correct` and weights, empty batches, and losses that are not finite.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, metrics: [f32; 4], loss: f32, correct: Option<(Spec, Fill)>, rows: u32| {
        let mut inputs = vec![
            (Spec::f32([4]), Fill::Values(metrics.to_vec())),
            (Spec::f32([]), Fill::Values(vec![loss])),
            (Spec::u32([1]), Fill::Indices(vec![rows])),
        ];
        inputs.extend(correct);
        Case::new(format!("tally/{name}"), inputs, |g, x| {
            g.tally(x[0], x[1], x.get(3).copied(), x[2], None)?;
            Ok(vec![x[0]])
        })
        .no_gradient()
    };
    let weighted = |name: &str, loss: f32, weight: f32, correct: Option<(Spec, Fill)>| {
        let mut inputs = vec![
            (spec(true), Fill::Values(vec![147.2, 11.0, 64.0, 0.0, 48.5])),
            (Spec::f32([]), Fill::Values(vec![loss])),
            (Spec::u32([1]), Fill::Indices(vec![32])),
            (Spec::f32([]), Fill::Values(vec![weight])),
        ];
        inputs.extend(correct);
        Case::new(format!("tally/{name}"), inputs, |g, x| {
            g.tally(x[0], x[1], x.get(4).copied(), x[2], Some(x[3]))?;
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
        weighted("weighted", 2.1, 17.25, count(17)),
        weighted("weighted_share", 2.1, 17.25, float(17.5)),
        weighted("weighted_loss_only", 0.25, 3.5, None),
        weighted("no_weight", 0.0, 0.0, count(9)),
        case("no_rows", [1.0, 2.0, 3.0, 0.0], f32::NAN, float(0.0), 0),
    ]
}
