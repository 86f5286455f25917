//! Answers for samples. They pass through a program of a fixed batch, which is
//! planned and loaded the first time and fed anew from then on: however often
//! somebody asks, no more is held.

use super::resident::{self, Elements, Resident};
use super::session::{Pass, Session};
use crate::data::{Dataset, Task};
use crate::error::Result;
use crate::plan::Options;

/// The most samples per step.
const AT_ONCE: usize = 64;

/// What one program can answer for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    batch: usize,
    shape: Vec<usize>,
    elements: Elements,
    /// The buffer of the weights: another one once training keeps an average.
    params: &'static str,
}

impl Session {
    /// The model's answers, row by row: class probabilities, or numbers in the
    /// units of the source.
    ///
    /// Samples go through in batches of a power of two, at most 64, the last one
    /// filled up with its last row. So a device holds at most seven programs for
    /// samples of one shape, and one sample costs what one sample takes.
    pub fn predict(&mut self, set: &Dataset) -> Result<Vec<f32>> {
        if set.is_empty() {
            return Ok(vec![]);
        }
        set.check()?;
        let batch = set.len().next_power_of_two().min(AT_ONCE);
        let pass = self.answering_pass(set, batch)?;
        let samples = format!("{}.samples", pass.name);
        let mut answers = vec![];
        for first in (0..set.len()).step_by(batch) {
            let rows: Vec<usize> = (first..first + batch).map(|row| row.min(set.len() - 1)).collect();
            self.executor.write(&samples, &resident::samples(&set.select(&rows)))?;
            self.executor.run(pass.program, 1)?;
            let found = self.executor.fetch(pass.program, pass.output)?;
            let asked = (set.len() - first).min(batch);
            answers.extend_from_slice(&found.as_f32()[..found.shape.elements() / batch * asked]);
        }
        if self.interface.task == Task::Regression {
            self.interface.target.restore(&mut answers);
        }
        Ok(answers)
    }

    /// The program for batches of such samples.
    fn answering_pass(&mut self, set: &Dataset, batch: usize) -> Result<Pass> {
        let (shape, elements) = (set.shape.to_vec(), resident::kind(set));
        let asked = Asked { batch, shape, elements, params: self.answering() };
        if let Some(pass) = self.answerers.get(&asked) {
            return Ok(pass.clone());
        }
        let one_batch = Resident::blank(batch, &asked.shape, elements, resident::target_kind(set), batch);
        let name = self.pass_name("predict");
        let step = self.builder().predicting(&one_batch, &name)?;
        let pass = self.load(step, one_batch, true, &Options::default())?;
        self.answerers.insert(asked, pass.clone());
        Ok(pass)
    }
}
