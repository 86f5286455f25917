//! What stands between a model and the world: how raw samples become its
//! inputs and its outputs become answers. Saved with the weights.

mod check;
mod input;

pub use input::Input;

use super::levels::Levels;
use super::series::SeriesFitted;
use super::table::Fitted;
use super::text::Vocabulary;
use super::{Dataset, Normal, Origin, Samples, Targets, ValueScale};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// What a model's outputs are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// A score for each class.
    #[default]
    Classification,
    /// A number for each target.
    Regression,
    /// A score for each token that may follow, at each position of a text.
    Language,
}

/// How target values are scaled for training: `value = scaled * scale + shift`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TargetScale {
    /// Factors, one per target.
    pub scale: Vec<f32>,
    /// Offsets, one per target.
    pub shift: Vec<f32>,
}

impl TargetScale {
    /// Mean 0 and deviation 1 on the training set; empty for classes.
    pub fn learn(targets: &Targets) -> TargetScale {
        let Targets::Values { values, names } = targets else { return TargetScale::default() };
        let width = names.len().max(1);
        let stats = |t: usize| {
            let column = || values.iter().skip(t).step_by(width).map(|&v| f64::from(v));
            let n = column().count().max(1) as f64;
            let mean = column().sum::<f64>() / n;
            let std = (column().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
            (mean as f32, if std > 0.0 && std.is_finite() { std as f32 } else { 1.0 })
        };
        let (shift, scale) = (0..names.len()).map(stats).unzip();
        TargetScale { scale, shift }
    }

    /// Values as the model is to learn them.
    pub fn scaled(&self, values: &[f32]) -> Vec<f32> {
        let n = self.scale.len().max(1);
        values.iter().enumerate().map(|(i, v)| (v - self.shift[i % n]) / self.scale[i % n]).collect()
    }

    /// A model's outputs in the units of the source.
    pub fn restore(&self, outputs: &mut [f32]) {
        let n = self.scale.len().max(1);
        outputs.iter_mut().enumerate().for_each(|(i, v)| *v = *v * self.scale[i % n] + self.shift[i % n]);
    }
}

/// How raw samples become inputs, and outputs answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// What the outputs are.
    pub task: Task,
    /// The names of the classes, or of the target columns.
    pub outputs: Vec<String>,
    /// Applied to every input on the device.
    pub normal: Normal,
    /// How targets were scaled, for regression.
    pub target: TargetScale,
    /// What a raw sample is.
    #[serde(flatten)]
    pub input: Input,
    /// The outputs are logits of numbers between 0 and 1.
    #[serde(default)]
    pub sigmoid: bool,
    /// How the elements of pictures and arrays are written; none of tables and
    /// texts, and of what was trained before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<ValueScale>,
    /// The values of pictures of 16 bits that became 0 and 255, where the training
    /// pictures decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<Levels>,
    /// Of two classes that which precision, recall and F1 are of; none of what was
    /// trained before this was kept, where it is the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
}

impl Interface {
    /// For a set with these targets and a normalisation learned on it.
    pub fn of(train: &Dataset, normal: Normal) -> Interface {
        let task = match &train.targets {
            Targets::Classes { .. } => Task::Classification,
            Targets::Sequence { .. } => Task::Language,
            Targets::Values { .. } => Task::Regression,
        };
        let outputs = train.targets.names().to_vec();
        Interface {
            task,
            outputs,
            normal,
            target: TargetScale::learn(&train.targets),
            input: Input::Samples,
            sigmoid: false,
            values: ValueScale::of(&train.samples),
            levels: None,
            positive: None,
        }
    }

    /// For a table's training rows and what was learned of them.
    pub fn of_table(train: &Dataset, fitted: Fitted) -> Interface {
        let normal = Normal { scale: fitted.scale.clone(), shift: fitted.shift.clone() };
        Interface { input: Input::Row(Box::new(fitted)), values: None, ..Interface::of(train, normal) }
    }

    /// For a series' training windows and what was learned of its training rows.
    pub fn of_series(train: &Dataset, normal: Normal, fitted: SeriesFitted) -> Interface {
        Interface { input: Input::Window(Box::new(fitted)), values: None, ..Interface::of(train, normal) }
    }

    /// How rows of a table become samples, for a model of such.
    pub fn row(&self) -> Option<&Fitted> {
        if let Input::Row(fitted) = &self.input { Some(fitted) } else { None }
    }

    /// How rows of a table become windows, for a model of a series.
    pub fn series(&self) -> Option<&SeriesFitted> {
        if let Input::Window(fitted) = &self.input { Some(fitted) } else { None }
    }

    /// The tokens that texts are made of, for a model of such.
    pub fn vocabulary(&self) -> Option<&Vocabulary> {
        if let Input::Tokens(vocabulary) = &self.input { Some(vocabulary) } else { None }
    }

    /// `n` samples of a shape that are to be predicted; their targets mean nothing.
    pub fn to_predict(&self, name: impl Into<String>, shape: Vec<usize>, samples: Samples, n: usize) -> Dataset {
        let names = self.outputs.clone();
        let targets = match self.task {
            Task::Regression => Targets::Values { values: vec![0.0; n * names.len()], names },
            Task::Classification | Task::Language => Targets::Classes { labels: vec![0; n], names },
        };
        Dataset { name: name.into(), shape, samples, targets, origin: Origin::default() }
    }

    /// What is added to each output to have it in the units of the source: not 0 where
    /// targets lie far from zero. Where a series gives changes, to the values they make.
    pub fn centres(&self) -> Vec<f64> {
        let found = match &self.input {
            Input::Row(fitted) => fitted.target_centre(),
            Input::Window(fitted) => fitted.centres(),
            Input::Samples | Input::Tokens(_) => vec![],
        };
        if found.is_empty() { vec![0.0; self.outputs.len()] } else { found }
    }

    /// The number of the positive class, where there are two classes.
    pub fn positive_class(&self) -> Option<usize> {
        let is_binary = self.task == Task::Classification && self.outputs.len() == 2;
        let named = || self.outputs.iter().position(|name| self.positive.as_ref() == Some(name));
        is_binary.then(|| named().unwrap_or(1))
    }

    /// The same, learned from data that was called what that of `other` is: where
    /// a table lies is no part of what was learned of it.
    pub fn called_as(mut self, other: &Interface) -> Interface {
        match (&mut self.input, &other.input) {
            (Input::Row(own), Input::Row(other)) => {
                own.notes.iter_mut().for_each(|note| *note = note.replace(&own.table, &other.table));
                own.table.clone_from(&other.table);
            }
            (Input::Window(own), Input::Window(other)) => own.table.clone_from(&other.table),
            _ => {}
        }
        self
    }

    /// The same for targets between 0 and 1, whose logits the model gives.
    pub fn of_logits(mut self) -> Interface {
        let n = self.target.scale.len();
        self.target = TargetScale { scale: vec![1.0; n], shift: vec![0.0; n] };
        self.sigmoid = true;
        self
    }

    /// For pixels with these class names, and mean and deviation per channel of
    /// pixels scaled to 0..1.
    pub fn of_images(classes: Vec<String>, stats: &[(f32, f32)]) -> Interface {
        let (task, target) = (Task::Classification, TargetScale::default());
        Interface {
            task,
            outputs: classes,
            normal: Normal::of_channels(stats),
            target,
            input: Input::Samples,
            sigmoid: false,
            values: Some(ValueScale::Pixels),
            levels: None,
            positive: None,
        }
    }

    /// Brings samples of shape `sample` to the scale of those of training, where that
    /// is known; returns what a user should know.
    ///
    /// Fails as [`ValueScale::adapt`] does.
    pub fn adapt(&self, set: &mut Dataset, sample: &[usize]) -> Result<Option<String>> {
        self.values.map_or(Ok(None), |values| values.adapt(set, sample))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_come_back_as_they_were() {
        let names = vec!["a".to_string(), "b".to_string()];
        let values = vec![1.0, 10.0, 3.0, 10.0, 5.0, 10.0];
        let scale = TargetScale::learn(&Targets::Values { values: values.clone(), names });
        let mut scaled = scale.scaled(&values);
        assert!((scaled[0] + 1.224_744_9).abs() < 1e-6 && scaled[2] == 0.0 && scaled[1] == 0.0, "{scaled:?}");
        scale.restore(&mut scaled);
        assert!(scaled.iter().zip(&values).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}
