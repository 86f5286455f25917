//! Answers for samples. They pass through a program of a fixed batch, which is
//! planned and loaded the first time and filled anew from then on: however often
//! somebody asks, no more is held.

use super::{Pass, Session};
use crate::data::{Dataset, Elements, Samples, Task};
use crate::error::{Error, Result};
use crate::plan::{Options, Timeline};
use crate::train::resident::{self, Resident, TargetKind};

/// The most samples per step.
const AT_ONCE: usize = 64;

/// What one program can answer for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    batch: usize,
    elements: Elements,
    /// The buffer of the weights: another one once training keeps an average.
    pub(super) params: &'static str,
}

impl Session {
    /// The model's answers, row by row: class probabilities, or numbers in the
    /// units of the source.
    ///
    /// Samples go through in batches of a power of two, at most 64, the last one
    /// filled up with its last row. So a device holds at most seven programs for
    /// samples of one kind, and one sample costs what one sample takes.
    pub fn predict(&mut self, set: &Dataset) -> Result<Vec<f32>> {
        set.check()?;
        self.predict_samples(&set.samples, &set.shape)
    }

    /// [`Session::predict`] for samples of a shape that have no targets.
    ///
    /// Fails when the model takes samples of another shape, or when there is a part of
    /// one.
    pub fn predict_samples(&mut self, samples: &Samples, shape: &[usize]) -> Result<Vec<f32>> {
        let width: usize = shape.iter().product();
        if *self.model.input != *shape || width == 0 || !samples.elements().is_multiple_of(width) {
            return Err(Error::data(format!(
                "{} elements of samples of shape {shape:?}; expected whole samples of shape {}, which the model takes",
                samples.elements(),
                self.model.input
            )));
        }
        let rows = samples.elements() / width;
        if rows == 0 {
            return Ok(vec![]);
        }
        let batch = rows.next_power_of_two().min(AT_ONCE);
        let pass = self.answering_pass(samples, shape, batch)?;
        let buffer = format!("{}.samples", pass.name);
        let mut answers = vec![];
        for first in (0..rows).step_by(batch) {
            let content = match rows == batch {
                true => resident::samples(&samples.loaded()?, width),
                false => {
                    let some: Vec<usize> = (first..first + batch).map(|row| row.min(rows - 1)).collect();
                    resident::samples(&samples.select(width, &some).loaded()?, width)
                }
            };
            self.executor.write(&buffer, &content)?;
            self.executor.run(&pass.program, 1)?;
            let found = self.executor.fetch(&pass.program, pass.output)?;
            let asked = (rows - first).min(batch);
            answers.extend_from_slice(&found.as_f32()[..found.shape.elements() / batch * asked]);
        }
        if self.interface.task == Task::Regression {
            self.interface.target.restore(&mut answers);
        }
        Ok(answers)
    }

    /// How long the program alone takes that answers for such samples, up to 64: what
    /// asking costs besides is the session's.
    pub fn time_prediction(&mut self, samples: &Samples, shape: &[usize], runs: usize) -> Result<Timeline> {
        let rows = samples.elements() / shape.iter().product::<usize>().max(1);
        let pass = self.answering_pass(samples, shape, rows.max(1).next_power_of_two().min(AT_ONCE))?;
        self.executor.time_host(&pass.program, runs)
    }

    /// The program for batches of such samples.
    fn answering_pass(&mut self, samples: &Samples, shape: &[usize], batch: usize) -> Result<Pass> {
        let elements = samples.kind();
        let asked = Asked { batch, elements, params: self.answering() };
        if let Some(pass) = self.answerers.get(&asked) {
            return Ok(pass.clone());
        }
        // Nobody reads the targets.
        let one_batch = Resident::blank(batch, shape, elements, TargetKind::Class, batch);
        let name = self.pass_name("predict");
        let step = self.builder().predicting(&one_batch, &name)?;
        let pass = self.load(step, one_batch, true, &Options::default())?;
        self.answerers.insert(asked, pass.clone());
        Ok(pass)
    }
}
