//! What a session says of steps whose numbers are not finite or not right.

use super::Session;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::ops::guard;
use crate::plan::Precision;
use crate::tensor::{Data, HostTensor};
use crate::train::Settings;
use crate::train::flight::record::{Noted, RECORD};
use crate::train::flight::replay::{About, Moment, Replay};
use crate::train::flight::walk::is_constant;
use crate::train::resident::target_kind;
use crate::verify::{self, Disagreement, Verified, WHOLE_STEP};
use std::collections::BTreeMap;
use std::result::Result as Found;

impl Session {
    /// The record of updates that were left out. Waits for the steps.
    pub(in crate::train) fn noted(&mut self) -> Result<Noted> {
        let noted = Noted::of(self.executor.read(RECORD)?.as_u32());
        Ok(if self.is_ranked() { noted.in_batches(self.counts()) } else { noted })
    }

    /// The record of a training that begins or goes on: what an earlier part of it met holds
    /// nothing up.
    pub(in crate::train) fn clear_noted(&mut self) -> Result<Noted> {
        let mut record = self.executor.read(RECORD)?.as_u32().to_vec();
        if record[guard::WHAT] != 0 {
            record[..=guard::VALUE].fill(0);
            self.executor.write(RECORD, &HostTensor::u32([record.len()], record.clone()))?;
        }
        Ok(Noted::of(&record))
    }

    /// What it takes to run the step of a moment again. `data` is the training set.
    pub(in crate::train) fn replay(&mut self, data: &Dataset, s: &Settings, at: &Moment) -> Result<Replay> {
        let Moment { noted, step, exact } = at;
        if self.is_ranked() {
            return Err(Error::usage("a step of several micro-batches (train.micro_batches) is not kept in a file"));
        }
        let set = self.trained().set.clone().one_batch_of(self.trained().set.samples, target_kind(data));
        let order = s.shuffle.then_some((s.seed, noted.epoch as u32));
        let window = set.fill(data, &self.interface, noted.batch, order)?;
        let plan = self.plan.clone().expect("training was prepared");
        let names = plan.buffers.iter().filter_map(|b| b.name.clone());
        let own = |name: &String| !is_constant(name) && name != "train.samples" && name != "train.targets";
        let mut tensors = self.read_all(names.filter(own).collect())?;
        let clock = [noted.step, noted.batch, noted.epoch].map(|n| n as u32);
        tensors.insert("clock".into(), HostTensor::u32([4], [&clock[..], &[s.seed]].concat()));
        if let Some(Data::U32(record)) = tensors.get_mut(RECORD).map(|t| &mut t.data) {
            // As it was before the step.
            record[..=guard::PENDING].fill(0);
        }
        tensors.extend([("train.samples".into(), window.samples), ("train.targets".into(), window.targets)]);
        let on = s.on(&self.device.target());
        let weights = about(self);
        let about = About {
            wgrad: env!("CARGO_PKG_VERSION").into(),
            device: self.device.info(),
            model: weights.0,
            input: weights.1,
            interface: self.interface.clone(),
            config: toml::to_string(&s.to_table()).expect("a table of plain values prints"),
            scaled: on.update.scaled,
            controlled: on.update.controlled,
            halves: on.plan.precision == Precision::F16,
            samples: set.samples,
            batch: set.batch,
            class_weights: self.class_weights.clone(),
            step: *step,
            epoch: noted.epoch,
            of_epoch: noted.batch,
            what: noted.what().into(),
            exact: *exact,
        };
        Ok(Replay { about, tensors })
    }

    /// Trains on one batch, op by op beside the judge, and again in one go from the same
    /// state, which has to give the same bits.
    pub fn verified_step(&mut self) -> Result<Found<Verified, Disagreement>> {
        let (plan, program) = (self.plan.clone().expect("training was prepared"), self.trained().program.clone());
        let before = self.raw_state()?;
        let verified = match verify::step(&mut *self.executor, &program, &plan)? {
            Ok(verified) => verified,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let apart = self.raw_state()?;
        before.iter().try_for_each(|(name, value)| self.executor.write(name, value))?;
        self.executor.run(&program, 1)?;
        let whole = self.raw_state()?;
        Ok(differing(&whole, &apart).map_or(Ok(verified), Err))
    }
}

/// The model and the shape of its samples, as files of weights name them.
fn about(session: &Session) -> (String, Vec<usize>) {
    let about = session.about();
    (about.model, about.input)
}

/// The first buffer that a step in one go leaves otherwise than the same step op by op.
fn differing(whole: &BTreeMap<String, HostTensor>, apart: &BTreeMap<String, HostTensor>) -> Option<Disagreement> {
    let number = |t: &HostTensor, i: usize| match &t.data {
        Data::F32(v) => f64::from(v[i]),
        Data::U32(v) => f64::from(v[i]),
    };
    whole.iter().zip(apart).find_map(|((name, a), (_, b))| {
        let element = a.bytes().iter().zip(b.bytes()).position(|(a, b)| a != b)? / 4;
        Some(Disagreement {
            kernel: String::new(),
            op: WHOLE_STEP.into(),
            layer: String::new(),
            variant: String::new(),
            tensor: name.clone(),
            element,
            found: number(a, element),
            judge: number(b, element),
            error: f64::INFINITY,
            tolerance: 0.0,
        })
    })
}
