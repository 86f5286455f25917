//! The running sums of an epoch's metrics, f32 `[4]`:
//! `metrics[0] += loss * rows`, `metrics[1] += correct`, `metrics[2] += rows`,
//! and `metrics[3] = 1` once a loss was not finite. Where the loss is a mean over
//! weights and not over rows: `metrics[0] += loss * weight` and, in a fifth place,
//! `metrics[4] += weight`.
//!
//! Shapes: `metrics f32 [4]` or `[5]`, `loss f32 []` (the batch's mean), `correct
//! []` (f32 or u32), `rows u32 [1]`, `weight f32 []`. A batch without rows leaves
//! the sums alone, whatever its loss is; so does one whose loss is not finite where the
//! training leaves out its update. No gradient.
//!
//! The same sums over a [`Window`] of steps make the points of a curve: the step
//! after a point finds by the clock that it is the first of the next window, and
//! begins it from zero. So nobody writes to the sums from outside, and the mean of
//! a window is not the difference of two large sums.

use super::pace::Steps;
use super::{clock, state};
use crate::error::{Error, Result};
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
    /// Where windows end; `None` without windows.
    points: Option<Points>,
    /// Whether batches whose loss is not finite count for nothing.
    leaves_out: bool,
}

/// Where the points of a curve lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Points {
    /// Steps between them.
    pub every: u32,
    /// How batches make steps: a point never lies within one.
    pub steps: Steps,
}

/// Sums that begin anew after every point of a curve.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The sums, shaped as those of the epoch.
    pub sums: TensorId,
    /// The clock of training.
    pub clock: TensorId,
    /// Where the points lie.
    pub points: Points,
    /// Whether batches whose loss is no finite number count for nothing, in a training that
    /// leaves out their updates.
    pub leaves_out: bool,
}

impl Points {
    /// Whether a point lies after so many batches: where these end a step, and its
    /// number is a multiple of `every` or, while there is none yet, a power of two,
    /// so that the curve of a long run begins at once.
    pub fn lies_after(self, batches: usize) -> bool {
        let (step, every) = (self.steps.done(batches), self.every as usize);
        let is_point = step.is_multiple_of(every) || (step < every && step.is_power_of_two());
        self.steps.is_whole(batches) && is_point
    }

    /// Batches from `batches` to the next point.
    pub fn to_next(self, batches: usize) -> usize {
        let (step, every) = (self.steps.done(batches), self.every as usize);
        let next = (step / every + 1) * every;
        let next = if step < every { next.min((step + 1).next_power_of_two()) } else { next };
        self.steps.batches(next) - batches
    }
}

/// Shape and type of metrics, with the sum of weights or without.
pub fn spec(weighted: bool) -> Spec {
    Spec::f32([if weighted { 5 } else { 4 }])
}

impl Tally {
    /// The place of the clock among the inputs, where there are windows.
    fn clock(self) -> usize {
        2 + usize::from(self.weighted)
    }

    /// The place of `correct` among the inputs, where there is one.
    fn correct(self) -> usize {
        self.clock() + usize::from(self.points.is_some())
    }
}

impl Graph {
    /// Adds a batch's mean `loss`, its number of `correct` answers, its `rows` and
    /// the `weight` that the mean divides by, if that is not the rows, to `metrics`,
    /// and to the sums of the `window` that its step is in.
    pub fn tally(
        &mut self,
        metrics: TensorId,
        loss: TensorId,
        correct: Option<TensorId>,
        rows: TensorId,
        weight: Option<TensorId>,
        window: Option<Window>,
    ) -> Result<()> {
        let leaves_out = window.is_some_and(|w| w.leaves_out);
        let op = Tally { weighted: weight.is_some(), points: window.map(|w| w.points), leaves_out };
        let inputs = [loss, rows].into_iter().chain(weight).chain(window.map(|w| w.clock)).chain(correct);
        let updates = [metrics].into_iter().chain(window.map(|w| w.sums));
        self.push_with(op, &inputs.collect::<Vec<_>>(), &updates.collect::<Vec<_>>()).map(drop)
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
        if let Some(points) = self.points {
            state::expect("window", &cx.updates[1], &spec(self.weighted))?;
            state::expect("clock", &cx.inputs[self.clock()], &clock::spec())?;
            let Points { every, steps: Steps { batches, accumulate } } = points;
            if every == 0 || batches == 0 || accumulate == 0 {
                return Err(Error::model(format!("{points:?}; expected at least 1 of each")));
            }
        }
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let at = self.correct();
        let d = |[plain, windowed]: [&'static str; 2]| {
            let kernel = match self.points {
                None => Kernel::new(&SHADER, plain),
                Some(Points { every, steps }) => Kernel::new(&SHADER, windowed)
                    .set("EVERY", every as usize)
                    .set("ACCUMULATE", steps.accumulate)
                    .set("PER_EPOCH", steps.per_epoch()),
            };
            let kernel = kernel.flag("LEAVES_OUT", self.leaves_out);
            let d = kernel.flag("WEIGHTED", self.weighted).dispatch([1, 1, 1]).input("loss", 0).input("rows", 1);
            // The shader names weights whether or not there are any.
            let d = d.input("weight", if self.weighted { 2 } else { 0 }).update("metrics", 0);
            if self.points.is_some() { d.input("clock", self.clock()).update("window", 1) } else { d }
        };
        let d = match cx.inputs.get(at).map(|c| c.dtype) {
            None => d(["loss_only", "loss_in_window"]),
            Some(DType::F32 | DType::F16) => d(["with_correct", "correct_in_window"]).input("correct", at),
            Some(DType::U32) => d(["with_count", "count_in_window"]).input("count", at),
        };
        Ok(Lowered::one(d))
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
        if self.points.is_some_and(|points| points.lies_after(batches_done(io.x_u32(self.clock()), points.steps))) {
            io.updates[1].real.fill(T::ZERO);
        }
        if rows == 0 || self.leaves_out && !loss.is_finite() {
            return;
        }
        for sums in &mut io.updates {
            sums.real[0] += loss * weight;
            sums.real[1] += correct;
            sums.real[2] += T::of(rows.into());
            if !loss.is_finite() {
                sums.real[3] = T::ONE;
            }
            if self.weighted {
                sums.real[4] += weight;
            }
        }
    }
}

/// The batches that are done by a clock.
fn batches_done(at: &[u32], steps: Steps) -> usize {
    at[clock::EPOCH] as usize * steps.batches + at[clock::BATCH] as usize
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
            g.tally(x[0], x[1], x.get(3).copied(), x[2], None, None)?;
            Ok(vec![x[0]])
        })
        .no_gradient()
    };
    // In epochs of ten batches.
    let at = |batches: u32| vec![batches, batches % 10, batches / 10, 7];
    let points = |every: u32, accumulate: usize| Points { every, steps: Steps { batches: 10, accumulate } };
    let weighted = |name: &str, loss: f32, weight: f32, correct: Option<(Spec, Fill)>| {
        let mut inputs = vec![
            (spec(true), Fill::Values(vec![147.2, 11.0, 64.0, 0.0, 48.5])),
            (Spec::f32([]), Fill::Values(vec![loss])),
            (Spec::u32([1]), Fill::Indices(vec![32])),
            (Spec::f32([]), Fill::Values(vec![weight])),
            (spec(true), Fill::Values(vec![9.5, 3.0, 8.0, 1.0, 6.25])),
            (clock::spec(), Fill::Indices(at(13))),
        ];
        inputs.extend(correct);
        Case::new(format!("tally/{name}"), inputs, move |g, x| {
            let window = Window { sums: x[4], clock: x[5], points: points(10, 1), leaves_out: false };
            g.tally(x[0], x[1], x.get(6).copied(), x[2], Some(x[3]), Some(window))?;
            Ok(vec![x[0], x[4]])
        })
        .no_gradient()
    };
    let weighted_alone = |name: &str, loss: f32, weight: f32| {
        let inputs = vec![
            (spec(true), Fill::Values(vec![147.2, 11.0, 64.0, 0.0, 48.5])),
            (Spec::f32([]), Fill::Values(vec![loss])),
            (Spec::u32([1]), Fill::Indices(vec![32])),
            (Spec::f32([]), Fill::Values(vec![weight])),
        ];
        Case::new(format!("tally/{name}"), inputs, |g, x| {
            g.tally(x[0], x[1], None, x[2], Some(x[3]), None)?;
            Ok(vec![x[0]])
        })
        .no_gradient()
    };
    // Of a window that holds something already, with so many batches done.
    let windowed_by =
        |name: &str, batches: u32, points: Points, loss: f32, correct: Option<(Spec, Fill)>, rows: u32| {
            let sums = |values: [f32; 4]| (Spec::f32([4]), Fill::Values(values.to_vec()));
            let mut inputs = vec![
                sums([147.2, 11.0, 64.0, 0.0]),
                (Spec::f32([]), Fill::Values(vec![loss])),
                (Spec::u32([1]), Fill::Indices(vec![rows])),
                sums([9.5, 3.0, 8.0, 1.0]),
                (clock::spec(), Fill::Indices(at(batches))),
            ];
            inputs.extend(correct);
            let leaves_out = name.contains("left_out");
            Case::new(format!("tally/{name}"), inputs, move |g, x| {
                let window = Window { sums: x[3], clock: x[4], points, leaves_out };
                g.tally(x[0], x[1], x.get(5).copied(), x[2], None, Some(window))?;
                Ok(vec![x[0], x[3]])
            })
            .no_gradient()
        };
    let windowed = |name: &str, batches: u32, every: u32, loss: f32, correct: Option<(Spec, Fill)>, rows: u32| {
        windowed_by(name, batches, points(every, 1), loss, correct, rows)
    };
    let accumulated = |name: &str, batches: u32, every: u32| {
        windowed_by(name, batches, points(every, 3), 2.1, Some((Spec::u32([]), Fill::Indices(vec![17]))), 64)
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
        weighted_alone("weighted_without_window", 2.1, 17.25),
        case("no_rows", [1.0, 2.0, 3.0, 0.0], f32::NAN, float(0.0), 0),
        windowed("window_begins", 0, 10, 2.1, count(17), 64),
        windowed("window_goes_on", 13, 10, 2.1, count(17), 63),
        windowed("window_begins_again", 20, 10, 2.1, float(17.0), 64),
        windowed("early_window", 4, 10, 2.1, None, 64),
        windowed("within_an_early_window", 6, 10, 2.1, float(17.0), 64),
        windowed("powers_later_are_steps_as_any", 16, 10, 2.1, None, 64),
        windowed("window_of_one_step", 7, 1, 2.1, count(17), 64),
        windowed("window_marked", 7, 10, f32::NAN, None, 4),
        windowed("window_left_out", 7, 10, f32::NAN, count(3), 4),
        windowed("window_left_out_and_begun", 20, 10, f32::INFINITY, float(3.0), 4),
        windowed("window_left_out_not", 7, 10, 2.5, count(3), 4),
        windowed("window_begins_without_rows", 20, 10, f32::NAN, float(0.0), 0),
        windowed("last_step_of_all", u32::MAX, u32::MAX, 0.5, None, 4),
        accumulated("window_begins_with_an_update", 6, 20),
        accumulated("within_an_update", 7, 20),
        accumulated("behind_an_update_that_is_no_point", 9, 20),
        accumulated("behind_a_short_update", 10, 20),
        accumulated("in_another_epoch", 53, 11),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_at_multiples_and_early_ones_at_powers_of_two() {
        let points = |every: u32| -> Vec<usize> {
            let points = Points { every, steps: Steps { batches: 7, accumulate: 1 } };
            (1..=30).filter(|&n| points.lies_after(n)).collect()
        };
        assert_eq!(points(10), [1, 2, 4, 8, 10, 20, 30]);
        assert_eq!(points(1), (1..=30).collect::<Vec<_>>());
        assert_eq!(points(1000), [1, 2, 4, 8, 16]);
    }

    #[test]
    fn points_lie_between_updates() {
        let points = Points { every: 5, steps: Steps { batches: 10, accumulate: 3 } };
        // Updates end after 3, 6, 9, 10, 13, .. batches.
        let after: Vec<usize> = (1..=40).filter(|&n| points.lies_after(n)).collect();
        assert_eq!(after, [3, 6, 10, 13, 26, 39]);
    }

    #[test]
    fn the_next_point_is_the_next_point() {
        for (batches, accumulate) in [(1, 1), (10, 1), (10, 3), (9, 3), (3, 8)] {
            for every in [1, 2, 3, 7, 10, 64] {
                let points = Points { every, steps: Steps { batches, accumulate } };
                for done in 0..200 {
                    let next = (done + 1..).find(|&n| points.lies_after(n)).unwrap();
                    assert_eq!(done + points.to_next(done), next, "{points:?} after {done} batches");
                }
            }
        }
    }
}
