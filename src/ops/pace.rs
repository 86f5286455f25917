//! Where training stands in updates, which are not batches when gradients are
//! accumulated over several: the learning rate of the moment, how many updates
//! are done and whether this batch completes one, and the weight of its
//! gradient in the mean over the batches since the last update.
//!
//! With `every` batches to an update and `U = ceil(batches / every)` updates to
//! an epoch: `done = epoch U + floor(batch / every)`; an update is due at every
//! `every`-th batch and at an epoch's last; `seen` is the rows since the last
//! update, this batch's included; `weight = rows / seen`, and 1 at the first
//! batch; `lr = factor schedule[floor(done / stride)]`, the last entry beyond.
//!
//! Where batches count by the weight of their samples, `rows` and `seen` are sums of
//! weights.
//!
//! Shapes: `clock u32 [4]`, `schedule f32 [S]`, `factor f32 [1]`, `rows u32 [1]` or
//! f32 `[]`, `seen` likewise; `lr f32 [1]`, `pace u32 [2]` (done, due), `weight f32 []`. No
//! gradient.

use super::{clock, state};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Spec};

static SHADER: Shader = shader!("pace");

/// Where a pace holds the number of updates done since training began.
pub const DONE: usize = 0;
/// Where a pace holds 1 if this batch completes an update, else 0.
pub const DUE: usize = 1;

/// Shape and type of a pace.
pub fn spec() -> Spec {
    Spec::u32([2])
}

/// How batches make steps, which are updates of the weights: every so many, and the
/// last of an epoch makes one with those that are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Batches per epoch, at least 1.
    pub batches: usize,
    /// Batches per step, at least 1.
    pub accumulate: usize,
}

impl Steps {
    /// Steps of an epoch.
    pub fn per_epoch(self) -> usize {
        self.batches.div_ceil(self.accumulate)
    }

    /// The whole steps that so many batches have made since training began.
    pub fn done(self, batches: usize) -> usize {
        batches / self.batches * self.per_epoch() + batches % self.batches / self.accumulate
    }

    /// The batches that so many steps take.
    pub fn batches(self, steps: usize) -> usize {
        let rest = (steps % self.per_epoch() * self.accumulate).min(self.batches);
        (steps / self.per_epoch()).saturating_mul(self.batches).saturating_add(rest)
    }

    /// Whether a step ends with so many batches done.
    pub fn is_whole(self, batches: usize) -> bool {
        (batches % self.batches).is_multiple_of(self.accumulate)
    }
}

/// Where training stands in updates, for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How batches make updates.
    pub steps: Steps,
    /// Updates that share an entry of the schedule.
    pub stride: usize,
}

/// The tensors of [`Graph::pace`].
#[derive(Debug, Clone, Copy)]
pub struct Paced {
    /// The learning rate of this update, f32 `[1]`.
    pub lr: TensorId,
    /// Updates done, and whether one is due, u32 `[2]`.
    pub pace: TensorId,
    /// The weight of this batch's gradient, f32 `[]`.
    pub weight: TensorId,
}

impl Graph {
    /// Where training stands in updates. `factor` f32 `[1]` multiplies the
    /// scheduled rates; `rows` u32 `[1]` counts the batch's samples, or f32 `[]` is
    /// the sum of their weights; `seen`, of the same kind, keeps their sum since the
    /// last update.
    pub fn pace(
        &mut self,
        clock: TensorId,
        schedule: TensorId,
        factor: TensorId,
        rows: TensorId,
        seen: TensorId,
        pace: Pace,
    ) -> Result<Paced> {
        let y = self.push_with(pace, &[clock, schedule, factor, rows], &[seen])?;
        Ok(Paced { lr: y[0], pace: y[1], weight: y[2] })
    }
}

impl Op for Pace {
    fn name(&self) -> &'static str {
        "pace"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let Steps { batches, accumulate } = self.steps;
        for (what, n) in [("batches", batches), ("accumulate", accumulate), ("stride", self.stride)] {
            if n == 0 || u32::try_from(n).is_err() {
                return Err(Error::model(format!("{what} is {n}; expected 1 to {}", u32::MAX)));
            }
        }
        state::expect("clock", &cx.inputs[0], &clock::spec())?;
        state::expect_list("schedule", &cx.inputs[1], DType::F32)?;
        state::expect("factor", &cx.inputs[2], &Spec::f32([1]))?;
        let rows = if cx.inputs[3].dtype == DType::F32 { Spec::f32([]) } else { Spec::u32([1]) };
        state::expect("rows", &cx.inputs[3], &rows)?;
        state::expect("seen", &cx.updates[0], &rows)?;
        Ok(vec![Spec::f32([1]), spec(), Spec::f32([])])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let [entry, rows, seen] = match cx.inputs[3].dtype {
            DType::U32 => ["measure", "rows", "seen"],
            _ => ["measure_weights", "weights", "weight_seen"],
        };
        let k = Kernel::new(&SHADER, entry).set("BATCHES", self.steps.batches).set("EVERY", self.steps.accumulate);
        let d = k.set("STRIDE", self.stride).set("ENTRIES", cx.inputs[1].elements()).dispatch([1, 1, 1]);
        let d = d.input("clock", 0).input("schedule", 1).input("factor", 2).input(rows, 3).update(seen, 0);
        Ok(Lowered::one(d.output("lr", 0).output("pace", 1).output("weight", 2)))
    }

    fn cost(&self, _cx: &Lower) -> Cost {
        // Of the schedule it reads one entry.
        Cost { flops: 2, bytes: 60 }
    }
}

impl Reference for Pace {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (epoch, batch) = (io.x_u32(0)[clock::EPOCH], io.x_u32(0)[clock::BATCH]);
        let (every, batches) = (self.steps.accumulate as u32, self.steps.batches as u32);
        let done = epoch.wrapping_mul(batches.div_ceil(every)).wrapping_add(batch / every);
        let due = batch % every == every - 1 || batch >= batches - 1;
        let schedule = io.x(1);
        let first = batch.is_multiple_of(every);
        let weight = match io.inputs[3].spec.dtype {
            DType::U32 => {
                let (rows, seen) = (io.x_u32(3)[0], &mut io.updates[0].index[0]);
                let before = if first { 0 } else { *seen };
                *seen = before.wrapping_add(rows);
                if before == 0 { T::ONE } else { T::of(rows.into()) / T::of((*seen).into()) }
            }
            _ => {
                let (weight, seen) = (io.x(3)[0], &mut io.updates[0].real[0]);
                let before = if first { T::ZERO } else { *seen };
                *seen = before + weight;
                if before == T::ZERO { T::ONE } else { weight / *seen }
            }
        };
        let entry = (done as usize / self.stride).min(schedule.len() - 1);
        let lr = schedule[entry] * io.x(2)[0];
        io.y(0)[0] = lr;
        io.y_u32(1).copy_from_slice(&[done, u32::from(due)]);
        io.y(2)[0] = weight;
    }
}

/// First, middle and last batches of an update and of an epoch, by rows and by
/// weights, long before
/// and beyond the schedule's end.
pub fn cases() -> Vec<Case> {
    let paced = |accumulate: usize| Pace { steps: Steps { batches: 10, accumulate }, stride: 1 };
    let case = |name: &str, pace: Pace, at: [u32; 2], rows: u32, seen: u32| {
        let clock = vec![at[0] * 10 + at[1], at[1], at[0], 7];
        let inputs = vec![
            (clock::spec(), Fill::Indices(clock)),
            (Spec::f32([4]), Fill::Values(vec![0.5, 0.25, 0.3, 0.1])),
            (Spec::f32([1]), Fill::Values(vec![0.7])),
            (Spec::u32([1]), Fill::Indices(vec![rows])),
            (Spec::u32([1]), Fill::Indices(vec![seen])),
        ];
        Case::new(format!("pace/{name}"), inputs, move |g, x| {
            let paced = g.pace(x[0], x[1], x[2], x[3], x[4], pace)?;
            Ok(vec![paced.lr, paced.pace, paced.weight, x[4]])
        })
        .no_gradient()
        .extra(4.0, "WGSL allows division 2.5 ulp")
    };
    let weighted = |name: &str, at: [u32; 2], weight: f32, seen: f32| {
        let plain = case(name, paced(3), at, 0, 0);
        let mut inputs = plain.inputs.clone();
        inputs[3] = (Spec::f32([]), Fill::Values(vec![weight]));
        inputs[4] = (Spec::f32([]), Fill::Values(vec![seen]));
        Case { inputs, ..plain }
    };
    let thirds = paced(3);
    vec![
        case("plain", paced(1), [0, 2], 8, 8),
        case("first", thirds, [0, 0], 8, 99),
        case("second", thirds, [0, 1], 8, 8),
        case("third", thirds, [0, 2], 8, 16),
        case("rest", thirds, [0, 9], 5, 99),
        case("second_epoch", thirds, [1, 4], 8, 8),
        case("no_rows_yet", thirds, [0, 1], 0, 0),
        case("no_rows_now", thirds, [0, 1], 0, 8),
        weighted("weighted_first", [0, 0], 2.5, 99.0),
        weighted("weighted_second", [0, 1], 2.5, 0.75),
        weighted("weighted_rest", [2, 9], 0.125, 7.0),
        weighted("no_weight_yet", [0, 1], 0.0, 0.0),
        weighted("no_weight_now", [0, 1], 0.0, 8.0),
        weighted("weight_after_none", [0, 2], 1.5, 0.0),
        case("more_than_an_epoch", paced(64), [3, 9], 3, 72),
        case("stride", Pace { stride: 5, ..thirds }, [2, 4], 8, 8),
        case("beyond_the_schedule", thirds, [400_000, 3], 8, 24),
        case("one_batch", Pace { steps: Steps { batches: 1, accumulate: 4 }, stride: 1 }, [2, 0], 8, 8),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_batches_are_each_others_counts() {
        for (batches, accumulate) in [(1, 1), (1, 4), (10, 1), (10, 3), (9, 3), (23, 64)] {
            let steps = Steps { batches, accumulate };
            // Batch by batch, as the shader does.
            let mut done = 0;
            for n in 0..5 * batches {
                assert_eq!(steps.done(n), done, "{steps:?} after {n} batches");
                let in_epoch = n % batches;
                let due = in_epoch % accumulate == accumulate - 1 || in_epoch == batches - 1;
                assert_eq!(steps.is_whole(n + 1), due, "{steps:?} after {} batches", n + 1);
                done += usize::from(due);
                if due {
                    assert_eq!(steps.batches(done), n + 1, "{steps:?}: {done} steps");
                }
            }
        }
    }
}
