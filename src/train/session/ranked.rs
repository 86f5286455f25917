//! A step of several micro-batches, alone or together with other ranks.
//!
//! Each rank computes the gradients of its micro-batches, one after the other, and sums them on the
//! host in a tree, weighted by their samples. The sums are exchanged: each rank gets that of its
//! part of the parameters, updates it, and all get the new weights (`train::sharded`). Whatever is
//! added up over micro-batches is added in an order that does not depend on the ranks, so any number of
//! them ends in the same bits.
//!
//! Batch norm sees its micro-batch alone. Running statistics begin every micro-batch of a step as they
//! were before the step, and end as the mean over its micro-batches, weighted by their samples.

use super::Session;
use crate::data::Task;
use crate::error::{Error, Result};
use crate::graph::{FLAT_ALIGN, Graph, TensorId};
use crate::ops::pace::Steps;
use crate::ops::tally;
use crate::plan::{Executor, Options, Precision, Program, Target};
use crate::ranks::World;
use crate::ranks::tree::Tree;
use crate::tensor::{DType, Data, HostTensor, Spec, parallel};
use crate::train::optimizer::MOMENTS;
use crate::train::resident::Resident;
use crate::train::sharded::{self, CLOCK, CORRECT, GRADS, LOSS, Learned, NORMS, Of, Parts, ROWS, WEIGHT};
use crate::train::step::{self, Builder, MICRO};
use crate::train::{EMA, LR_FACTOR, Settings, points};

/// Buffers that hold nothing from one step to the next.
const PASSING: [&str; 2] = ["ranks.", "micro."];

/// What a session needs for such steps.
pub(in crate::train) struct Ranked {
    collective: World,
    parts: Parts,
    /// How micro-batches make steps.
    steps: Steps,
    seed: u32,
    /// The buffer of a micro-batch's gradients.
    grads: String,
    weighted: bool,
    counts: bool,
    /// Running statistics, with their elements.
    running: Vec<(String, usize)>,
    /// The norms of the chunks of this rank, unless it has no elements.
    norms: Option<(Program, Vec<TensorId>)>,
    /// The update, and the part of the parameters that it updates.
    apply: (Program, Option<TensorId>),
    after: Option<Program>,
    /// The optimiser's moments, of which a rank holds its part.
    moments: Vec<String>,
}

/// What a step adds up over its micro-batches.
struct Sums {
    loss: f64,
    correct: f64,
    rows: f64,
    weight: f64,
    running: Vec<f64>,
}

impl Ranked {
    /// Floats that a micro-batch tells: its sums, and the running statistics after it.
    fn width(&self) -> usize {
        tally::spec(self.weighted).elements() + self.running.iter().map(|r| r.1).sum::<usize>()
    }

    /// Micro-batches of each rank.
    fn each(&self) -> usize {
        self.steps.accumulate / self.collective.ranks()
    }

    /// The clock of the device after so many batches more than those of a step's beginning.
    fn clock(&self, [done, epoch, batch]: [usize; 3], more: usize) -> HostTensor {
        let at = [done + more, batch + more, epoch];
        let at = if at[1] >= self.steps.batches { [at[0], 0, epoch + 1] } else { at };
        HostTensor::u32([4], at.into_iter().map(|n| n as u32).chain([self.seed]).collect())
    }

    /// Computes the micro-batches of this rank: the sum of their gradients, and what they tell.
    fn micro_batches(
        &self,
        executor: &mut dyn Executor,
        program: &Program,
        at: [usize; 3],
        present: usize,
        supply: &mut dyn FnMut(&mut dyn Executor, usize) -> Result<()>,
    ) -> Result<(Option<Vec<f32>>, Vec<f32>)> {
        let first = self.collective.rank() * self.each();
        let mine = present.saturating_sub(first).min(self.each());
        let before = self.running.iter().map(|(name, _)| executor.read(name)).collect::<Result<Vec<_>>>()?;
        let zeros = HostTensor::zeros(&tally::spec(self.weighted));
        let (mut tree, mut told) = (Tree::default(), vec![]);
        for i in first..first + mine {
            supply(executor, at[2] + i)?;
            executor.write("clock", &self.clock(at, i))?;
            executor.write(MICRO, &zeros)?;
            for ((name, _), value) in self.running.iter().zip(&before) {
                executor.write(name, value)?;
            }
            executor.run(program, 1)?;
            let sums = executor.read(MICRO)?.as_f32().to_vec();
            let weight = self.weight(&sums);
            let mut grads = floats(executor.read(&self.grads)?);
            parallel::chunks(&mut grads, |_, part| part.iter_mut().for_each(|x| *x *= weight));
            tree.push(grads);
            told.extend(sums);
            for (name, _) in &self.running {
                told.extend_from_slice(executor.read(name)?.as_f32());
            }
        }
        Ok((tree.finish(), told))
    }

    /// What all micro-batches of the step have told, in their order.
    fn sums(&self, told: &[f32], present: usize) -> Result<Sums> {
        let all: Vec<f32> = self
            .collective
            .gather(bytemuck::cast_slice(told))?
            .iter()
            .flat_map(|bytes| bytemuck::pod_collect_to_vec::<u8, f32>(bytes))
            .collect();
        let width = self.width();
        if all.len() != present * width {
            return Err(Error::device(format!(
                "the ranks told {} numbers of {present} micro-batches; expected {width} of each",
                all.len()
            )));
        }
        let own = tally::spec(self.weighted).elements();
        let mut sums = Sums { loss: 0.0, correct: 0.0, rows: 0.0, weight: 0.0, running: vec![0.0; width - own] };
        for of in all.chunks(width) {
            let weight = f64::from(self.weight(of));
            sums.loss += f64::from(of[0]);
            sums.correct += f64::from(of[1]);
            sums.rows += f64::from(of[2]);
            sums.weight += weight;
            for (sum, &x) in sums.running.iter_mut().zip(&of[own..]) {
                *sum += f64::from(of[2]) * f64::from(x);
            }
        }
        Ok(sums)
    }

    /// One step that begins after so many batches: done, the epoch, and done of it. `supply` sees to it that the
    /// window of a batch is on the device. Gives the batches of the step.
    fn step(
        &self,
        executor: &mut dyn Executor,
        program: &Program,
        at: [usize; 3],
        supply: &mut dyn FnMut(&mut dyn Executor, usize) -> Result<()>,
    ) -> Result<usize> {
        let present = self.steps.accumulate.min(self.steps.batches - at[2]);
        let (rank, ranks) = (self.collective.rank(), self.collective.ranks());
        let (sum, told) = self.micro_batches(executor, program, at, present, supply)?;
        let sums = self.sums(&told, present)?;
        let sum = sum.unwrap_or_else(|| vec![0.0; self.parts.total]);
        let lengths = self.parts.lengths();
        let mut mean = match ranks {
            // There is nobody to send it to.
            1 => sum,
            _ => {
                let mean = self.collective.reduce_scatter(&sum, &lengths, present.div_ceil(self.each()))?;
                drop(sum);
                mean
            }
        };
        // Without any weight there is no gradient either.
        let weight = if sums.weight == 0.0 { 1.0 } else { sums.weight as f32 };
        parallel::chunks(&mut mean, |_, part| part.iter_mut().for_each(|x| *x /= weight));

        let scalar = |x: f64| HostTensor::f32(vec![], vec![x as f32]);
        executor.write(CLOCK, &self.step_clock(at))?;
        let mut norms = vec![0.0; self.steps.accumulate];
        if let Some((program, of_chunks)) = &self.norms {
            executor.write(GRADS, &HostTensor::f32([mean.len()], mean))?;
            executor.run(program, 1)?;
            for (norm, &of_chunk) in norms[rank * self.each()..].iter_mut().zip(of_chunks) {
                *norm = executor.fetch(program, of_chunk)?.as_f32()[0];
            }
        }
        self.collective.all_gather(&mut norms, &vec![self.each(); ranks])?;
        norms.resize(norms.len().next_multiple_of(FLAT_ALIGN), 0.0);
        executor.write(NORMS, &HostTensor::f32([norms.len()], norms))?;
        executor.write(LOSS, &scalar(sums.loss / f64::from(weight)))?;
        executor.write(ROWS, &HostTensor::u32([1], vec![sums.rows as u32]))?;
        if self.weighted {
            executor.write(WEIGHT, &scalar(sums.weight))?;
        }
        if self.counts {
            executor.write(CORRECT, &scalar(sums.correct))?;
        }
        let (apply, part) = &self.apply;
        executor.run(apply, 1)?;
        if ranks > 1 {
            let mut all = vec![0.0; self.parts.total];
            if let Some(part) = part {
                all[self.parts.elements(rank)].copy_from_slice(executor.fetch(apply, *part)?.as_f32());
            }
            self.collective.all_gather(&mut all, &lengths)?;
            executor.write("params", &HostTensor::f32([all.len()], all))?;
        }
        self.after.iter().try_for_each(|after| executor.run(after, 1))?;
        let mut rest = &sums.running[..];
        for (name, n) in &self.running {
            let (own, others) = rest.split_at(*n);
            let mean = own.iter().map(|x| (x / sums.rows) as f32).collect();
            executor.write(name, &HostTensor::f32([*n], mean))?;
            rest = others;
        }
        executor.write("clock", &self.clock(at, present))?;
        Ok(present)
    }

    /// What the mean loss of a micro-batch divides by.
    fn weight(&self, sums: &[f32]) -> f32 {
        sums[if self.weighted { 4 } else { 2 }]
    }

    /// The clock of the programs that count steps.
    fn step_clock(&self, [done, epoch, batch]: [usize; 3]) -> HostTensor {
        let step = [self.steps.done(done), batch / self.steps.accumulate, epoch];
        HostTensor::u32([4], step.into_iter().map(|n| n as u32).chain([self.seed]).collect())
    }
}

fn floats(t: HostTensor) -> Vec<f32> {
    match t.data {
        Data::F32(v) => v,
        Data::U32(_) => unreachable!("gradients are floats"),
    }
}

/// The settings of a step of several micro-batches on a device.
///
/// Fails where they ask for what such a step does not do.
pub(super) fn settings(s: &Settings, target: &Target) -> Result<Settings> {
    let mut s = s.clone();
    // Nobody asked for halves.
    if s.plan.precision == Precision::Auto {
        s.plan.precision = Precision::F32;
    }
    let refuse = |key: &str, next: &str| {
        let n = s.update.micro_batches;
        Err(Error::usage(format!("train.{key} does not go with train.micro_batches = {n} or several ranks; {next}")))
    };
    match s {
        _ if s.plan.precision == Precision::F16 => refuse("precision = \"f16\"", "expected precision = \"f32\""),
        _ if s.flight.verify_every.is_some() => refuse("verify_every", "leave it out"),
        _ if s.update.accumulate > 1 => refuse("accumulate", "expected micro_batches alone, which does the same"),
        _ => Ok(s.on(target)),
    }
}

impl Session {
    /// Makes this session one of several ranks, whose trainings go on together. To be called
    /// before training is prepared; without it the session is alone.
    pub fn join(&mut self, collective: World) {
        self.collective = collective;
    }

    /// What the ranks send each other.
    pub fn collective(&self) -> &World {
        &self.collective
    }

    /// Whether a step has several micro-batches.
    pub(in crate::train) fn is_ranked(&self) -> bool {
        self.ranked.is_some()
    }

    /// One step of several micro-batches, which begins after so many batches: done, the epoch, and
    /// done of it. Gives how many it has.
    pub(in crate::train) fn ranked_step(
        &mut self,
        at: [usize; 3],
        supply: &mut dyn FnMut(&mut dyn Executor, usize) -> Result<()>,
    ) -> Result<usize> {
        let program = self.trained().program.clone();
        let ranked = self.ranked.as_ref().expect("training was prepared for micro-batches");
        ranked.step(&mut *self.executor, &program, at, supply)
    }

    /// Loads the programs of such a step.
    pub(super) fn prepare_ranked(&mut self, set: Resident, s: &Settings, weights: Option<&[f32]>) -> Result<()> {
        let (chunks, ranks) = (s.update.micro_batches, self.collective.ranks());
        if chunks < ranks || !chunks.is_multiple_of(ranks) {
            return Err(Error::usage(format!(
                "{ranks} ranks share the {chunks} micro-batches of a step (train.micro_batches); expected a number of \
                 ranks that divides it"
            )));
        }
        let counts = self.interface.task != Task::Regression;
        let (micro, grads) = Builder { params: "params", ..self.builder() }.micro_batch(&set, s, weights)?;
        let of = |name: &str| micro.graph.find(name).map(|t| micro.graph.spec(t).clone());
        let sums = of(MICRO).expect("a micro-batch has its sums");
        let weighted = sums == tally::spec(true);
        let changed = step::state(&micro.graph);
        let spec = |name: &String| of(name).filter(|s| s.dtype == DType::F32).map(|s| (name.clone(), s.elements()));
        let running: Vec<(String, usize)> =
            self.states.iter().filter(|n| changed.contains(n)).filter_map(spec).collect();
        let named: Vec<(String, Spec)> =
            self.params.iter().map(|(name, spec, _)| (name.clone(), spec.clone())).collect();
        let total = of(&grads).expect("gradients have a buffer").elements();
        let learned = Learned { params: &self.params, rules: s.update.groups.rules(&named)?, total };
        let steps = s.update.steps(set.batches());
        let (rank, parts) = (self.collective.rank(), Parts::new(total, chunks, ranks));
        let every = points::points(s, set.batches()).every;
        let of_part = |part| Of { s, learned: &learned, part, per_epoch: steps.per_epoch(), every };
        let own = of_part(parts.elements(rank));
        let norms = match own.part.is_empty() {
            true => None,
            false => Some(sharded::norms(&own, &parts.chunks(rank))?),
        };
        let (apply, part) = sharded::apply(&own, weighted, counts, chunks)?;
        let after = sharded::after(&own)?;
        // The names of what a rank without a part does not have, too.
        let (whole, _) = sharded::apply(&of_part(0..total), weighted, counts, chunks)?;
        let mut changing = [changed, step::state(&whole), after.as_ref().map(step::state).unwrap_or_default()].concat();
        changing.retain(|name| !PASSING.iter().any(|passing| name.starts_with(passing)));
        changing.push(LR_FACTOR.into());
        changing.sort();
        changing.dedup();
        let moments = changing.iter().filter(|name| MOMENTS.contains(&name.as_str())).cloned().collect();

        let averaged = self.executor.holds(EMA);
        let mut moments_bytes = 0;
        self.train = Some(self.load(micro, set, false, &s.plan)?);
        let mut load = |session: &mut Session, g: &Graph, fetch: &[TensorId]| {
            let plan = session.device.plan_with(g, fetch, &Options::default())?;
            moments_bytes += Session::memory_of(&plan)[2];
            session.executor.load(plan)
        };
        let norms = match norms {
            Some((g, of_chunks)) => Some((load(self, &g, &of_chunks)?, of_chunks)),
            None => None,
        };
        let apply = (load(self, &apply, part.as_slice())?, part);
        let after = after.map(|g| load(self, &g, &[])).transpose()?;
        self.memory[2] += moments_bytes;
        if !averaged && self.executor.holds(EMA) {
            // An average begins as the weights are now.
            let now = self.executor.read("params")?;
            self.executor.write(EMA, &now)?;
        }
        self.no_sums = HostTensor::zeros(&tally::spec(weighted));
        self.changing = changing;
        let collective = self.collective.clone();
        let seed = s.seed;
        self.ranked = Some(Ranked {
            collective,
            parts,
            steps,
            seed,
            grads,
            weighted,
            counts,
            running,
            norms,
            apply,
            after,
            moments,
        });
        Ok(())
    }

    /// The whole of a buffer of which each rank has a part; `None` for other buffers.
    pub(super) fn whole(&mut self, name: &str) -> Result<Option<HostTensor>> {
        let Some(ranked) = self.ranked.as_ref().filter(|r| r.moments.iter().any(|m| m == name)) else {
            return Ok(None);
        };
        let own = ranked.parts.elements(ranked.collective.rank());
        let mut all = vec![0.0; ranked.parts.total];
        if !own.is_empty() {
            all[own].copy_from_slice(self.executor.read(name)?.as_f32());
        }
        ranked.collective.all_gather(&mut all, &ranked.parts.lengths())?;
        Ok(Some(HostTensor::f32([all.len()], all)))
    }

    /// Writes a named buffer, or of one of which each rank has a part the part of this rank.
    pub(super) fn put(&mut self, name: &str, value: &HostTensor) -> Result<()> {
        let Some(ranked) = self.ranked.as_ref().filter(|r| r.moments.iter().any(|m| m == name)) else {
            return self.executor.write(name, value);
        };
        let own = ranked.parts.elements(ranked.collective.rank());
        let (total, found) = (ranked.parts.total, value.shape.elements());
        match &value.data {
            Data::F32(_) if found == total && own.is_empty() => Ok(()),
            Data::F32(all) if found == total => {
                self.executor.write(name, &HostTensor::f32([own.len()], all[own].to_vec()))
            }
            _ => Err(Error::model(format!("buffer \"{name}\" holds {total} floats; {found} elements were given"))),
        }
    }
}
