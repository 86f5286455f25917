//! Scores of a set with the weights as they are, batch by batch on the device.

use super::{Pass, Session};
use crate::data::{Dataset, Task};
use crate::error::{Error, Result};
use crate::ops::tally;
use crate::plan::Options;
use crate::tensor::HostTensor;
use crate::train::Scores;
use crate::train::stream::Windows;

/// A program that scores one data set.
pub struct Scorer<'a> {
    pass: Pass,
    set: &'a Dataset,
}

impl Session {
    /// Loads a scorer for a data set, to be run as often as needed. What it has on the
    /// device is freed when it is dropped.
    pub fn scorer<'a>(&mut self, name: &str, set: &'a Dataset, batch: usize) -> Result<Scorer<'a>> {
        self.scorer_of(name, set, batch, false)
    }

    fn scorer_of<'a>(&mut self, name: &str, set: &'a Dataset, batch: usize, answers: bool) -> Result<Scorer<'a>> {
        if set.is_empty() {
            return Err(Error::data(format!("the {name} set is empty")));
        }
        let resident = self.resident(set, batch, None)?;
        let name = self.pass_name(name);
        let loss = self.loss.clone();
        let step = self.builder().scoring(&resident, &name, &loss)?;
        Ok(Scorer { pass: self.load(step, resident, answers, &Options::default())?, set })
    }

    /// Scores the whole data set of a scorer with the weights as they are.
    pub fn score(&mut self, scorer: &Scorer) -> Result<Scores> {
        self.score_with(scorer, None)
    }

    /// Scores a data set, and gives the answers for its rows as [`Session::predict`]
    /// does: it goes to the device once, and is freed there at the end.
    pub fn evaluate(&mut self, name: &str, set: &Dataset, batch: usize) -> Result<(Scores, Vec<f32>)> {
        let scorer = self.scorer_of(name, set, batch, true)?;
        let mut answers = vec![];
        let scores = self.score_with(&scorer, Some(&mut answers))?;
        if self.interface.task == Task::Regression {
            self.interface.target.restore(&mut answers);
        }
        Ok((scores, answers))
    }

    fn score_with(&mut self, scorer: &Scorer, answers: Option<&mut Vec<f32>>) -> Result<Scores> {
        let pass = &scorer.pass;
        let names = ["metrics", "squared", "absolute"].map(|part| format!("{}.{part}", pass.name));
        let weighted = [pass.set.ignores, false, false];
        for (name, weighted) in
            names.iter().zip(weighted).filter(|(name, _)| self.executor.holds(name)).collect::<Vec<_>>()
        {
            self.executor.write(name, &HostTensor::zeros(&tally::spec(weighted)))?;
        }
        self.whole_pass(pass, scorer.set, answers)?;
        let mut scores = Scores::of(self.executor.read(&names[0])?.as_f32(), self.interface.task);
        if let (Some(accuracy), Some(scored), true) = (scores.accuracy, scorer.set.scored(), pass.set.ignores) {
            // Counted as a share of all positions.
            scores.accuracy = Some(accuracy * scorer.set.targets.positions() as f64 / scored as f64);
        }
        if self.interface.task == Task::Regression {
            let mut mean = |name: &str| -> Result<f64> {
                Ok(Scores::of(self.executor.read(name)?.as_f32(), Task::Regression).loss)
            };
            let [rmse, mae] = [mean(&names[1])?.sqrt(), mean(&names[2])?];
            // A loss that is no number says why itself.
            if scores.finite && scores.loss.is_finite() && !(rmse.is_finite() && mae.is_finite()) {
                return Err(Error::data(format!(
                    "{}: the errors of answers are beyond what can be counted (rmse {rmse}, mae {mae}); expected targets \
                     whose squares are below {:e}: divide them by a constant, such as 1e20",
                    scorer.set.name,
                    f32::MAX
                )));
            }
            (scores.rmse, scores.mae) = (Some(rmse), Some(mae));
        }
        Ok(scores)
    }

    /// Runs a pass over its whole set, window by window, and takes the answers of
    /// each batch.
    fn whole_pass(&mut self, pass: &Pass, set: &Dataset, answers: Option<&mut Vec<f32>>) -> Result<()> {
        let Some(window) = pass.set.window else { return self.windows(pass, set, None, answers) };
        let numbers = (0..pass.set.batches().div_ceil(window)).map(|number| (number, None));
        std::thread::scope(|scope| {
            let windows = Windows::start(scope, &pass.set, set, &self.interface, numbers)?;
            self.windows(pass, set, Some(windows), answers)
        })
    }

    /// The windows of a pass, one after the other; one if the set is on the device whole.
    fn windows(
        &mut self,
        pass: &Pass,
        set: &Dataset,
        windows: Option<Windows>,
        mut answers: Option<&mut Vec<f32>>,
    ) -> Result<()> {
        let batches = pass.set.batches();
        let window = pass.set.window.unwrap_or(batches).max(1);
        for first in (0..batches).step_by(window) {
            windows.as_ref().map_or(Ok(()), |w| w.supply(&mut *self.executor, &pass.name))?;
            for batch in first..(first + window).min(batches) {
                self.executor.run(&pass.program, 1)?;
                if let Some(answers) = &mut answers {
                    let rows = (set.len() - batch * pass.set.batch).min(pass.set.batch);
                    let found = self.executor.fetch(&pass.program, pass.output)?;
                    answers.extend_from_slice(&found.as_f32()[..found.shape.elements() / pass.set.batch * rows]);
                }
            }
        }
        Ok(())
    }
}
