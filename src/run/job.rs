//! A training of one model on prepared data, from the first step to the scores
//! on data it has not seen: what `train` does once, cross-validation and search many
//! times.

use super::folder::RunFolder;
use super::language_samples;
use super::observer::Observer;
use super::score::{Scored, score};
use super::tuning::{self, Tuning};
use super::watch::Watch;
use crate::data::{Dataset, Elements};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::eval::{LostDevice, Metrics};
use crate::nn::Weights;
use crate::ranks::World;
use crate::train::{Held, Outcome, Prepared, Progress, Session, Settings, Start, check_monitors, go_on, model_for};

/// A session ready to train.
pub struct Job {
    /// The session.
    pub session: Session,
    /// The fingerprint of what is trained on and held out.
    pub fingerprint: String,
}

/// What a training gave.
pub struct Done {
    /// Its epochs.
    pub outcome: Outcome,
    /// Its scores on data that it has not seen, if there was any.
    pub scored: Option<Scored>,
    /// Under mixed precision: the last loss scale, and the updates that were left
    /// out.
    pub loss_scale: Option<(f32, u32)>,
    /// The training loss with dropout off, of a sample of the rows of a model that has it.
    pub without_dropout: Option<f64>,
}

/// Training samples on which the loss without dropout is measured.
const SAMPLE: usize = 2_000;

impl Job {
    /// Builds the model, chooses its kernels and loads the training step.
    pub fn new(
        device: Device,
        s: &Settings,
        p: &Prepared,
        weights: Weights,
        tuning: &Tuning,
        world: &World,
        observer: &mut dyn Observer,
    ) -> Result<Job> {
        check_monitors(s, &p.interface, p.val.is_some())?;
        let model = model_for(s.model.clone(), &p.train.shape, &p.interface)?;
        // Folds and trials share a device; an earlier one may have lost it and opened it anew.
        let device = device.current();
        // Ranks that share a device would measure each other; the others find what the first has found.
        if !world.leads() {
            world.barrier()?;
        }
        tuning.prepare(&device, &model, s, p.train.len(), observer)?;
        if world.leads() {
            world.barrier()?;
        }
        let mut session = Session::new(device, model, p.interface.clone(), weights)?;
        session.join(world.clone());
        // What does not fit the device is found here, before anything is written.
        session.prepare_training(&p.train, s)?;
        Ok(Job { session, fingerprint: p.fingerprint()? })
    }

    /// Trains, then scores the test set, or the validation set where there is
    /// no other. Of several ranks the leading one scores.
    pub fn run(
        &mut self,
        s: &Settings,
        p: &Prepared,
        mut start: Start,
        folder: Option<&RunFolder>,
        observer: &mut dyn Observer,
    ) -> Result<Done> {
        start.at.data = Some(self.fingerprint.clone());
        folder.map_or(Ok(()), |f| tuning::save(f.path(), self.session.device()))?;
        let mut watch = Watch::new(observer, folder, s, p.train.len(), s.steps(self.session.batches()));
        let val = p.val.as_ref().map(|set| Held { set, naive: p.naive.val.as_ref() });
        let test = p.test.as_ref().map(|set| Held { set, naive: p.naive.test.as_ref() });
        let mut outcome = go_on(&mut self.session, &p.train, val, s, start, &mut watch)?;
        if !self.session.collective().leads() {
            return Ok(Done { outcome, scored: None, loss_scale: None, without_dropout: None });
        }
        let last = test.map(|held| (held, "test")).or(val.map(|held| (held, "validation")));
        let step = outcome.steps as u64;
        let mut lost = |why: &Error| -> Result<()> {
            let on = Some("the same device, opened anew".to_string());
            watch.lost(&LostDevice { device_lost: why.to_string(), step, back_to: step, on })?;
            watch.warn(&format!(
                "the device failed after the last step: {why}; it is opened anew, with the trained weights"
            ));
            outcome.lost += 1;
            Ok(())
        };
        let (scored, loss_scale, without_dropout) = self.session.surviving(&p.train, &mut lost, |session| {
            let mut scored = match last {
                Some((held, split)) => Some(score(session, held, split, s.batch_size)?),
                None => None,
            };
            if let (Some(scored), Some((Held { set, .. }, _)), Some(_)) = (&mut scored, last, folder)
                && let Metrics::Language(language) = &mut scored.evaluation.metrics
            {
                // A model may be good for scores alone; its report then says so.
                language_samples::add(language, session, set).unwrap_or_else(|e| language.notes.push(e.to_string()));
            }
            let loss_scale = session.loss_scale()?;
            let without_dropout = match folder {
                Some(_) if s.model.drops() => loss_of_sample(session, &p.train, s.batch_size)?,
                _ => None,
            };
            Ok((scored, loss_scale, without_dropout))
        })?;
        Ok(Done { outcome, scored, loss_scale, without_dropout })
    }
}

/// The loss of training samples as they are scored: without dropout. Of those that are the
/// same each time.
fn loss_of_sample(session: &mut Session, train: &Dataset, batch: usize) -> Result<Option<f64>> {
    if train.samples.kind() != Elements::Floats || !train.samples.repeats() {
        return Ok(None);
    }
    let step = train.len().div_ceil(SAMPLE).max(1);
    let sample = train.select(&(0..train.len()).step_by(step).collect::<Vec<_>>());
    let scorer = session.scorer("sample", &sample, batch)?;
    Ok(Some(session.score(&scorer)?.loss).filter(|loss| loss.is_finite()))
}
