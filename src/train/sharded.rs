//! The update of a step of several micro-batches, in parts: each rank has a part of the flat
//! parameters, whose gradients it sums and whose moments it alone holds (ZeRO-1: Rajbhandari and
//! others, "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", 2020).
//!
//! What is taken over all parameters must not depend on who has which part. So the flat buffer
//! is cut into as many *chunks* as the step has micro-batches, however many ranks there are, and a
//! rank has as many neighbouring chunks as it has micro-batches. The norm of the gradient is that
//! of the norms of the chunks.
//!
//! Three programs, between which the host exchanges what they wait for:
//! [`norms`]: penalty and bound of the part's gradients, and the norm of each of its chunks;
//! [`apply`]: the norm of all, the guard, the optimiser on the part, and the sums of the metrics;
//! [`after`]: what is done to the whole weights, which every rank does.
//!
//! Buffers that the host writes before them begin with `ranks.`; their clock counts steps as if
//! each were a batch.

use super::flight::record::RECORD;
use super::groups::{Rule, factors};
use super::loss::BatchLoss;
use super::optimizer::Control;
use super::step::METRICS;
use super::update::{average, pace};
use super::{OnNan, Settings, points};
use crate::error::Result;
use crate::graph::{FLAT_ALIGN, Graph, Init, TensorId};
use crate::ops::clock;
use crate::ops::grad_norm::Guarded;
use crate::ops::guard;
use crate::ops::pace::{Pace, Steps};
use crate::ops::tally::{self, Points, Window};
use crate::tensor::{HostTensor, Spec};
use std::ops::Range;

/// The mean gradients of the part of this rank.
pub const GRADS: &str = "ranks.grads";
/// The norms of all chunks, zeros behind them.
pub const NORMS: &str = "ranks.norms";
/// The clock of steps.
pub const CLOCK: &str = "ranks.clock";
/// The mean loss of the step.
pub const LOSS: &str = "ranks.loss";
/// Its samples.
pub const ROWS: &str = "ranks.rows";
/// What its mean loss divides by, where that is not the samples.
pub const WEIGHT: &str = "ranks.weight";
/// Its right answers.
pub const CORRECT: &str = "ranks.correct";

/// Which elements of a flat buffer are whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Elements of the whole.
    pub total: usize,
    chunk: usize,
    chunks: usize,
    ranks: usize,
}

impl Parts {
    /// So many elements in so many chunks for so many ranks, which divide the chunks.
    pub fn new(total: usize, chunks: usize, ranks: usize) -> Parts {
        let chunk = (total / FLAT_ALIGN).div_ceil(chunks) * FLAT_ALIGN;
        Parts { total, chunk, chunks, ranks }
    }

    fn range(&self, chunks: Range<usize>) -> Range<usize> {
        (chunks.start * self.chunk).min(self.total)..(chunks.end * self.chunk).min(self.total)
    }

    /// The chunks of a rank.
    fn of(&self, rank: usize) -> Range<usize> {
        let each = self.chunks / self.ranks;
        rank * each..(rank + 1) * each
    }

    /// The elements of a rank, which may be none.
    pub fn elements(&self, rank: usize) -> Range<usize> {
        self.range(self.of(rank))
    }

    /// The elements of each chunk of a rank.
    pub fn chunks(&self, rank: usize) -> Vec<Range<usize>> {
        self.of(rank).map(|chunk| self.range(chunk..chunk + 1)).collect()
    }

    /// How many elements each rank has.
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.ranks).map(|rank| self.elements(rank).len()).collect()
    }
}

/// The parameters and how they learn.
pub struct Learned<'a> {
    /// Names and shapes with their offsets.
    pub params: &'a [(String, Spec, usize)],
    /// The rule of each.
    pub rules: Vec<Rule>,
    /// Elements of the flat buffer.
    pub total: usize,
}

impl Learned<'_> {
    fn declare(&self, g: &mut Graph) -> TensorId {
        g.persistent("params", Spec::f32([self.total]), Init::Zeros)
    }

    /// The factors of rate and decay of a part.
    fn groups(&self, g: &mut Graph, part: &Range<usize>) -> TensorId {
        let named: Vec<(String, Spec)> =
            self.params.iter().map(|(name, spec, _)| (name.clone(), spec.clone())).collect();
        let offsets: Vec<usize> = self.params.iter().map(|p| p.2).collect();
        let all = factors(&self.rules, &named, &offsets, self.total);
        let own = all[part.start / FLAT_ALIGN * 2..part.end / FLAT_ALIGN * 2].to_vec();
        g.constant(HostTensor::f32([own.len() / 2, 2], own))
    }
}

/// What every program of a step knows of it.
pub struct Of<'a> {
    /// The settings of the training.
    pub s: &'a Settings,
    /// The parameters.
    pub learned: &'a Learned<'a>,
    /// The elements of this rank.
    pub part: Range<usize>,
    /// Steps of an epoch.
    pub per_epoch: usize,
    /// Steps between the points of the curves.
    pub every: u32,
}

/// The gradients of a part, which must not be empty, as the norm takes them; the norm of each of
/// these chunks of it.
pub fn norms(of: &Of, chunks: &[Range<usize>]) -> Result<(Graph, Vec<TensorId>)> {
    let mut g = Graph::new();
    let clock = g.input(CLOCK, clock::spec());
    let grads = g.input(GRADS, Spec::f32([of.part.len()]));
    let params = of.learned.declare(&mut g);
    let params = g.part(params, of.part.clone());
    let groups = of.learned.groups(&mut g, &of.part);
    of.s.update.regularize.adjust(&mut g, grads, params, clock, groups)?;
    let mut norms = vec![];
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
        let chunk = g.part(grads, chunk.start - of.part.start..chunk.end - of.part.start);
        norms.push(g.grad_norm(chunk, None)?.0);
    }
    Ok((g, norms))
}

/// The update of a part, and the sums of the step. Gives the part of the parameters, if it
/// is not empty.
pub fn apply(of: &Of, weighted: bool, counts: bool, chunks: usize) -> Result<(Graph, Option<TensorId>)> {
    let (s, u) = (of.s, &of.s.update);
    let mut g = Graph::new();
    let clock = g.input(CLOCK, clock::spec());
    let loss = g.input(LOSS, Spec::f32([]));
    let steps = Steps { batches: of.per_epoch, accumulate: 1 };
    let rates = u.schedule.table(u.lr, s.epochs.saturating_mul(of.per_epoch), of.per_epoch);
    let schedule = g.constant(HostTensor::f32([rates.rates.len()], rates.rates));
    let paced = pace(&mut g, clock, schedule, None, Pace { steps, stride: rates.stride })?;
    let norms = g.input(NORMS, Spec::f32([chunks.next_multiple_of(FLAT_ALIGN)]));
    let record = g.persistent(RECORD, Spec::u32([guard::RECORD]), Init::Zeros);
    let guarded = Guarded { loss, clock, record };
    let (grad_norm, scale) = g.guarded_grad_norm(norms, u.regularize.clip_norm, guarded, s.flight.guard(steps))?;
    let mut own = None;
    if !of.part.is_empty() {
        let params = of.learned.declare(&mut g);
        let params = g.part(params, of.part.clone());
        let grads = g.input(GRADS, Spec::f32([of.part.len()]));
        let groups = of.learned.groups(&mut g, &of.part);
        u.optimizer.update(&mut g, params, grads, &Control { clock, schedule: paced.lr, scale, groups })?;
        own = Some(params);
    }
    let rows = g.input(ROWS, Spec::u32([1]));
    let weight = weighted.then(|| g.input(WEIGHT, Spec::f32([])));
    let correct = counts.then(|| g.input(CORRECT, Spec::f32([])));
    let points = Points { every: of.every, steps };
    for (name, window, loss, correct) in [
        ("train.norms", points::NORMS, BatchLoss { mean: grad_norm, weight: None }, None),
        (METRICS, points::METRICS, BatchLoss { mean: loss, weight }, correct),
    ] {
        let spec = tally::spec(loss.weight.is_some());
        let [sums, window] = [name, window].map(|name| g.persistent(name, spec.clone(), Init::Zeros));
        let window = Window { sums: window, clock, points, leaves_out: s.flight.on_nan == OnNan::Skip };
        g.tally(sums, loss.mean, correct, rows, loss.weight, Some(window))?;
    }
    Ok((g, own))
}

/// What is done to the whole weights after an update; `None` for nothing.
pub fn after(of: &Of) -> Result<Option<Graph>> {
    let u = &of.s.update;
    if u.regularize.max_norm.is_none() && u.ema.is_none() {
        return Ok(None);
    }
    let mut g = Graph::new();
    let clock = g.input(CLOCK, clock::spec());
    let params = of.learned.declare(&mut g);
    let learning = of.learned.params.iter().zip(&of.learned.rules).filter(|(_, r)| !r.frozen && r.lr != 0.0);
    u.regularize.constrain(&mut g, params, clock, learning.map(|((_, spec, offset), _)| (spec, *offset)))?;
    if let Some(ema) = u.ema {
        let average = average(&mut g, params);
        g.ema(average, params, clock, ema)?;
    }
    Ok(Some(g))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_the_same_for_any_number_of_ranks() {
        for total in [64, 128, 640, 64 * 1001] {
            for chunks in [2, 4, 16] {
                let alone = Parts::new(total, chunks, 1).chunks(0);
                assert_eq!(alone.iter().map(Range::len).sum::<usize>(), total);
                assert!(alone.iter().all(|c| c.len().is_multiple_of(FLAT_ALIGN)));
                for ranks in (0..).map(|i| 1 << i).take_while(|&n| n <= chunks) {
                    let parts = Parts::new(total, chunks, ranks);
                    let all: Vec<Range<usize>> = (0..ranks).flat_map(|r| parts.chunks(r)).collect();
                    assert_eq!(all, alone, "{total} in {chunks} for {ranks}");
                    assert_eq!(parts.lengths().iter().sum::<usize>(), total);
                }
            }
        }
        // Small models leave ranks without a part.
        assert_eq!(Parts::new(64, 4, 4).lengths(), [64, 0, 0, 0]);
    }
}
