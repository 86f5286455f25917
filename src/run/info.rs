//! What a run leaves beside its weights: what it was, how it ended, how good it
//! is.

use super::job::{Done, Job};
use super::observer::Observer;
use super::same_data;
use super::score::Scored;
use crate::data::{Dataset, Task};
use crate::device::DeviceInfo;
use crate::error::{Error, Kind, Result};
use crate::eval::run::{DeviceUsed, LayerInfo, MemoryUsed, SampleCounts, write_json};
use crate::eval::{Live, RunInfo, State, advise, advise_dropout, history, report};
use crate::nn::Weights;
use crate::train::{Prepared, Session, Settings};
use std::path::Path;

/// What is known before the first step.
pub fn new(job: &Job, s: &Settings, p: &Prepared, device: DeviceInfo) -> RunInfo {
    let session = &job.session;
    let count = |set: Option<&Dataset>| set.map_or(0, Dataset::len);
    let [weights, gradients, optimizer, activations] = session.memory_used().map(|bytes| bytes as u64);
    let outputs = session.interface.outputs.clone();
    let (classes, targets) = match session.interface.task {
        Task::Classification => (outputs, vec![]),
        Task::Regression => (vec![], outputs),
        // A vocabulary is no list of classes to show.
        Task::Language => (vec![], vec![]),
    };
    RunInfo {
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        device: DeviceUsed { name: device.name, backend: device.backend, kind: device.kind, driver: device.driver },
        model: session.model.description.name.clone(),
        parameters: session.parameters() as u64,
        layers: layers(session),
        task: session.interface.task,
        seed: s.seed.into(),
        data: s.data.source.clone(),
        data_path: same_data::absolute(&s.data.source),
        fingerprint: Some(job.fingerprint.clone()),
        samples: SampleCounts { train: p.train.len(), val: count(p.val.as_ref()), test: count(p.test.as_ref()) },
        classes,
        positive_class: session.interface.positive_class().map(|class| session.interface.outputs[class].clone()),
        targets,
        memory: MemoryUsed { weights, gradients, optimizer, activations },
        version: env!("CARGO_PKG_VERSION").into(),
        epochs: s.epochs,
        steps_per_epoch: session.counts().per_epoch(),
        steps: s.steps(session.batches()),
        state: Some(State::Running),
        notes: p.notes.clone(),
        ..RunInfo::default()
    }
}

fn layers(session: &Session) -> Vec<LayerInfo> {
    let Ok((_, built)) = session.model.inspect(1, &mut Weights::new(0)) else { return vec![] };
    let layer = |l: crate::nn::LayerInfo| LayerInfo {
        name: l.name,
        kind: l.kind.into(),
        output: l.output.iter().skip(1).copied().collect(),
        parameters: Some((l.trainable + l.state) as u64),
        trainable: l.trainable > 0,
    };
    built.layers.into_iter().map(layer).collect()
}

/// Adds what is known after the last step.
pub fn finish(info: &mut RunInfo, done: &Done, seconds: f64) {
    let outcome = &done.outcome;
    info.steps_per_second = Some(outcome.steps_per_second);
    info.samples_per_second = Some(outcome.samples_per_second);
    info.seconds = Some(seconds);
    info.best_epoch = outcome.at.watched.best_epoch.map(|b| b.0);
    info.state = Some(if outcome.at.stopped.is_some() { State::Stopped } else { State::Finished });
    info.stopped = Some(outcome.at.stopped.clone().unwrap_or_else(|| "finished".into()));
    info.figures = done.scored.as_ref().map_or(vec![], |s| s.evaluation.key_figures());
}

/// Writes how a run ended that did not come to its end. Where that fails as well, why the run
/// ended is still what is reported.
pub fn failed(info: &mut RunInfo, folder: &Path, why: &Error, observer: &mut dyn Observer) {
    info.state = Some(match why.kind() {
        Kind::Interrupted => State::Interrupted,
        Kind::Diverged => State::Diverged,
        _ => State::Failed,
    });
    info.stopped = Some(why.to_string());
    end(info, folder).unwrap_or_else(|e| observer.warn(&format!("the run's end is not on record: {e}")));
}

/// Writes how a run ended.
pub fn end(info: &RunInfo, folder: &Path) -> Result<()> {
    // Those of earlier parts of a run that was resumed as well.
    let lost = history::read(folder).unwrap_or_default().lost;
    RunInfo { lost, ..info.clone() }.write(folder)?;
    Live::remove(folder);
    Ok(())
}

/// Keeps what an earlier call measured where this one had nothing left to train.
pub fn keep_measured(info: &mut RunInfo, before: RunInfo) {
    info.command = before.command;
    info.steps_per_second = before.steps_per_second;
    info.samples_per_second = before.samples_per_second;
    info.seconds = before.seconds;
}

/// What [`write`] wrote.
pub struct Written {
    /// Advice to the user.
    pub advice: Vec<String>,
}

/// Writes everything into a run's folder, and its report.
pub fn write(folder: &Path, info: &RunInfo, done: &Done) -> Result<Written> {
    end(info, folder)?;
    if let Some(Scored { evaluation, .. }) = &done.scored {
        evaluation.write(folder)?;
    }
    let epochs = history::read(folder)?.epochs;
    let mut advice = advise(&epochs);
    advice.extend(done.without_dropout.and_then(|loss| advise_dropout(&epochs, info.best_epoch, loss)));
    // What is wrong with the answers comes before what is wrong with the curves.
    let forecast = done.scored.as_ref().and_then(|s| s.evaluation.forecast.as_ref()?.advice());
    advice.splice(0..0, forecast);
    write_json(folder, "advice.json", &advice)?;
    report::write(folder)?;
    Ok(Written { advice })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::observer::Level;

    /// Keeps what is said.
    struct Heard(Vec<(Level, String)>);

    impl Observer for Heard {
        fn say(&mut self, level: Level, text: &str) {
            self.0.push((level, text.into()));
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_hides_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut heard = Heard(vec![]);
        let mut info = RunInfo::default();
        failed(&mut info, &dir.path().join("gone"), &Error::diverged("the loss"), &mut heard);
        assert_eq!((info.state, info.stopped.as_deref()), (Some(State::Diverged), Some("the loss")));
        assert!(matches!(&heard.0[..], [(Level::Warning, text)] if text.contains("gone")), "{:?}", heard.0);
        failed(&mut info, dir.path(), &Error::diverged("the loss"), &mut heard);
        assert_eq!((heard.0.len(), RunInfo::read(dir.path()).unwrap().unwrap()), (1, info));
    }
}
