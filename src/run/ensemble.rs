//! The models of a cross-validation answering together: the mean of their probabilities, or of
//! their values.

use super::answer::Answer;
use super::folder::{self, Checkpoint};
use super::kinds::{self, Asked, ToPredict, settings_of};
use super::predictor::Predictor;
use crate::data::Interface;
use crate::device::Device;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// What several models answer together.
pub struct Together {
    /// What the outputs mean: those of the first model.
    pub interface: Interface,
    /// What was asked for, file by file.
    pub asked: Vec<Vec<Asked>>,
    /// The answers; none where one of the models cannot use a row.
    pub answers: Vec<Vec<Option<Answer>>>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Asks the models of some folds, one after the other: only one is in memory at a time.
/// `prepare` may change what is read of a file.
///
/// Fails when a model cannot be loaded or answers something else than the others, when a file
/// cannot be read, and for models of series.
pub fn predict(
    folds: &[PathBuf],
    checkpoint: Checkpoint,
    files: &[PathBuf],
    device: &Device,
    prepare: &dyn Fn(&Interface, &mut ToPredict) -> Result<()>,
) -> Result<Together> {
    let mut all: Option<(Together, Vec<Vec<Option<Sum>>>)> = None;
    for fold in folds {
        let (model, loaded) = folder::load(fold, checkpoint)?;
        let about = &loaded.about;
        if about.interface.series().is_some() {
            return Err(Error::usage(format!(
                "{} is of a series, whose forecasts are not averaged over folds; expected one fold, such as {}",
                fold.parent().unwrap_or(Path::new(".")).display(),
                fold.display()
            )));
        }
        let settings = settings_of(about)?;
        let trained = kinds::Trained { model: &model, about, settings: &settings, seed: 0, stride: None };
        let mut read = files.iter().map(|file| kinds::to_predict(file, &trained)).collect::<Result<Vec<_>>>()?;
        read.iter_mut().try_for_each(|file| prepare(&about.interface, file))?;
        let interface = about.interface.clone();
        let mut predictor = Predictor::of(model, loaded, device.clone())?;
        let answers = predictor.answers(&read)?;
        let mut notes: Vec<String> = read.iter().flat_map(|file| file.notes.clone()).collect();
        notes.extend(predictor.notes().iter().cloned());
        let asked: Vec<Vec<Asked>> = read.into_iter().map(|file| file.asked).collect();
        match &mut all {
            None => {
                let sums = answers.iter().map(|file| file.iter().map(|a| a.as_ref().map(Sum::of)).collect()).collect();
                all = Some((Together { interface, asked, answers, notes }, sums));
            }
            Some((together, sums)) => {
                if together.interface.outputs != interface.outputs || together.interface.task != interface.task {
                    return Err(Error::data(format!(
                        "{} answers {}, and the fold before it {}; expected models of the same outputs",
                        fold.display(),
                        interface.outputs.join(", "),
                        together.interface.outputs.join(", ")
                    )));
                }
                for (sum, answer) in sums.iter_mut().flatten().zip(answers.iter().flatten()) {
                    *sum = match (sum.take(), answer) {
                        (Some(sum), Some(answer)) => Some(sum.add(answer)),
                        _ => None,
                    };
                }
                let new: Vec<String> = notes.into_iter().filter(|note| !together.notes.contains(note)).collect();
                together.notes.extend(new);
            }
        }
    }
    let Some((mut together, sums)) = all else { return Err(Error::data("a cross-validation without a fold")) };
    for (answer, sum) in together.answers.iter_mut().flatten().zip(sums.into_iter().flatten()) {
        *answer = answer.take().zip(sum).map(|(first, sum)| first.with_values(&sum.mean()));
    }
    let names: Vec<String> =
        folds.iter().filter_map(|fold| Some(fold.file_name()?.to_string_lossy().into_owned())).collect();
    let what = if together.interface.task == crate::data::Task::Classification { "probabilities" } else { "values" };
    together.notes.insert(
        0,
        format!(
            "each answer is the mean of the {what} of {} models, one per fold ({}); name one of these folders for its answers",
            folds.len(),
            names.join(", ")
        ),
    );
    Ok(together)
}

/// The sum of the answers of some models for a sample.
struct Sum {
    values: Vec<f64>,
    models: usize,
}

impl Sum {
    fn of(answer: &Answer) -> Sum {
        Sum { values: answer.values(), models: 1 }
    }

    fn add(mut self, answer: &Answer) -> Sum {
        self.values.iter_mut().zip(answer.values()).for_each(|(sum, value)| *sum += value);
        self.models += 1;
        self
    }

    fn mean(&self) -> Vec<f64> {
        self.values.iter().map(|sum| sum / self.models as f64).collect()
    }
}
