//! The weights and the state of a training: on the device, and in host memory by name.

use super::Session;
use crate::error::{Context, Error, Result};
use crate::nn::Weights;
use crate::plan::Ticket;
use crate::tensor::HostTensor;
use crate::train::checkpoint::Progressed;
use crate::train::flight::record::RECORD;
use crate::train::points;
use std::collections::{BTreeMap, BTreeSet};

/// Named buffers of the device, in host memory.
pub(in crate::train) type State = BTreeMap<String, HostTensor>;

impl Session {
    /// All parameters and state by name, as they answer now.
    pub fn weights(&mut self) -> Result<Weights> {
        let answering = self.answering();
        if !self.executor.holds(answering) {
            return Ok(self.weights.clone());
        }
        let names = [answering.to_string()].into_iter().chain(self.states.iter().cloned()).collect();
        let all = self.read_all(names)?;
        Ok(self.weights_of(&all, answering))
    }

    /// All parameters and state by name, with the parameters of this flat buffer.
    pub(in crate::train) fn weights_of(&self, all: &State, flat: &str) -> Weights {
        let mut weights = Weights::new(self.weights.seed);
        let flat = all[flat].as_f32();
        for (name, spec, offset) in &self.params {
            let values = flat[*offset..][..spec.elements()].to_vec();
            weights.set(name, HostTensor::f32(spec.shape.clone(), values));
        }
        for name in &self.states {
            let shape = self.weights.shape(name).expect("noted when it was built").clone();
            weights.set(name, HostTensor { shape, data: all[name].data.clone() });
        }
        weights
    }

    /// [`Session::weights_of`] with the parameters that answer.
    pub(in crate::train) fn answering_weights_of(&self, all: &State) -> Weights {
        self.weights_of(all, self.answering())
    }

    /// Puts other weights in the place of those that answer.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        let answering = self.answering();
        let mut flat = self.executor.read(answering)?.as_f32().to_vec();
        let missing = |name: &str| Error::model(format!("the weights lack \"{name}\""));
        for (name, spec, offset) in &self.params {
            let value = weights.get(name).ok_or_else(|| missing(name))?;
            flat[*offset..][..spec.elements()].copy_from_slice(value.as_f32());
        }
        self.executor.write(answering, &HostTensor::f32([flat.len()], flat))?;
        for name in self.states.clone() {
            let value = weights.get(&name).ok_or_else(|| missing(&name))?.clone();
            self.executor.write(&name, &value)?;
        }
        Ok(())
    }

    /// Whether [`Session::weights`] holds what a buffer of the step holds.
    fn is_weight(&self, name: &str) -> bool {
        name == self.answering() && name == "params" || self.states.iter().any(|s| s == name)
    }

    /// The named buffers of the training step besides the weights: moments,
    /// clock, sums; the parameters too where others answer for them.
    pub fn state(&mut self) -> Result<BTreeMap<String, HostTensor>> {
        let names = self.changing.iter().filter(|n| !self.is_weight(n)).cloned().collect();
        self.read_all(names)
    }

    /// [`Session::state`] with the weights themselves: what training goes on
    /// with when other weights take their place.
    pub fn raw_state(&mut self) -> Result<BTreeMap<String, HostTensor>> {
        self.read_all(self.changing.clone())
    }

    /// All that training changes, and the weights that it does not: what it takes to go on
    /// with on a device that holds nothing yet.
    pub(in crate::train) fn everything(&mut self) -> Result<State> {
        self.read_all(self.names_of_everything())
    }

    /// Asks for [`Session::everything`] without waiting.
    pub(in crate::train) fn request_everything(&mut self) -> Result<Vec<(String, Ticket)>> {
        let names = self.names_of_everything().into_iter();
        names.map(|name| self.executor.request(&name).map(|ticket| (name, ticket))).collect()
    }

    fn names_of_everything(&self) -> Vec<String> {
        let all = self.changing.iter().chain(&self.states).cloned().chain(["params".to_string()]);
        all.collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// What of [`Session::everything`] a checkpoint has beside the weights: see
    /// [`Session::state`].
    pub(in crate::train) fn state_of<'a>(&self, all: &'a State) -> Vec<(&'a str, &'a HostTensor)> {
        let changes = |name: &String| self.changing.contains(name) && !self.is_weight(name);
        all.iter().filter(|(name, _)| changes(name)).map(|(name, value)| (name.as_str(), value)).collect()
    }

    pub(super) fn read_all(&mut self, names: Vec<String>) -> Result<State> {
        let mut read = |name: &String| match self.whole(name)? {
            Some(whole) => Ok(whole),
            None => self.executor.read(name),
        };
        names.into_iter().map(|name| read(&name).map(|value| (name, value))).collect()
    }

    /// Puts the state of an earlier training in place, as it stood at `at`.
    ///
    /// Fails when a buffer is missing or does not fit, and when the training was
    /// one of other samples or stood elsewhere.
    pub fn set_state(&mut self, state: &BTreeMap<String, HostTensor>, at: &Progressed) -> Result<()> {
        let place = || "the checkpoint does not fit these settings";
        for name in &self.changing {
            // Runs of earlier versions had no sums of the curves and no record: theirs begin here.
            let needed = !self.is_weight(name) && ![points::METRICS, points::NORMS, RECORD].contains(&name.as_str());
            if needed && !state.contains_key(name) {
                return Err(Error::data(format!("it lacks \"{name}\"")).context(place()));
            }
        }
        for (name, value) in state {
            self.put(name, value).context(place)?;
        }
        let (batches, samples) = (self.batches(), self.trained().set.samples);
        if at.samples != samples {
            return Err(Error::data(format!(
                "the checkpoint is of a training on {} samples and there are {samples} now; start a new run from its \
                 weights with --init",
                at.samples
            )));
        }
        // After the last step of an epoch the clock shows the next one.
        let (epoch, batch) = if at.batch == batches { (at.epoch + 1, 0) } else { (at.epoch, at.batch) };
        let clock = self.executor.read("clock")?;
        let shown: Vec<usize> = clock.as_u32()[..3].iter().map(|&n| n as usize).collect();
        if shown != [at.step, batch, epoch] || batch >= batches {
            return Err(Error::data(format!(
                "the checkpoint contradicts itself: it stands after {} steps, in epoch {} after {} of {batches}, and its \
                 clock shows {shown:?}",
                at.step, at.epoch, at.batch
            )));
        }
        Ok(())
    }
}
