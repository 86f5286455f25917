//! What a model answers for one sample, in words: a class with its probability, or values
//! in the units of the targets.

use crate::data::{Interface, Task};
use serde_json::{Value, json};
use std::sync::Arc;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    outputs: Arc<Outputs>,
    /// A number per output: probabilities, or values less their centres.
    numbers: Vec<f32>,
}

/// What the outputs of a model are called, shared by its answers.
#[derive(Debug, PartialEq)]
pub(super) struct Outputs {
    task: Task,
    names: Vec<String>,
    centres: Vec<f64>,
}

impl Outputs {
    pub(super) fn of(interface: &Interface) -> Arc<Outputs> {
        let (task, names, centres) = (interface.task, interface.outputs.clone(), interface.centres());
        Arc::new(Outputs { task, names, centres })
    }

    /// Those of values with these names and centres.
    pub(super) fn of_values((names, centres): (Vec<String>, Vec<f64>)) -> Arc<Outputs> {
        Arc::new(Outputs { task: Task::Regression, names, centres })
    }

    /// The answers that a model's numbers are, so many for each sample.
    pub(super) fn answers(self: &Arc<Outputs>, numbers: &[f32]) -> Vec<Answer> {
        let answer = |numbers: &[f32]| Answer { outputs: self.clone(), numbers: numbers.to_vec() };
        numbers.chunks(self.names.len().max(1)).map(answer).collect()
    }
}

impl Answer {
    /// The answers that a model's numbers are, one for each sample.
    pub fn of(interface: &Interface, numbers: &[f32]) -> Vec<Answer> {
        Outputs::of(interface).answers(numbers)
    }

    /// The names of the outputs: the classes, or the targets.
    pub fn names(&self) -> &[String] {
        &self.outputs.names
    }

    /// Whether it is a class.
    pub fn is_class(&self) -> bool {
        self.outputs.task == Task::Classification
    }

    /// The class with the highest probability, the first of several; none of values.
    pub fn class(&self) -> Option<&str> {
        self.best().map(|(name, _)| name)
    }

    /// The probability of that class.
    pub fn probability(&self) -> Option<f32> {
        self.best().map(|(_, p)| p)
    }

    /// The most probable class with its probability, the first of several; none of values.
    fn best(&self) -> Option<(&str, f32)> {
        let all = (0..self.numbers.len()).filter(|_| self.is_class());
        let best = all.max_by(|&a, &b| self.numbers[a].total_cmp(&self.numbers[b]).then(b.cmp(&a)))?;
        Some((self.names()[best].as_str(), self.numbers[best]))
    }

    /// The most probable classes with their probabilities; none of values.
    pub fn top(&self, n: usize) -> Vec<(&str, f32)> {
        if !self.is_class() {
            return vec![];
        }
        let mut order: Vec<usize> = (0..self.numbers.len()).collect();
        order.sort_by(|&a, &b| self.numbers[b].total_cmp(&self.numbers[a]).then(a.cmp(&b)));
        order.into_iter().take(n).map(|i| (self.names()[i].as_str(), self.numbers[i])).collect()
    }

    /// A number per output, in the order of [`Answer::names`]: probabilities, or values in
    /// the units of the targets.
    pub fn values(&self) -> Vec<f64> {
        self.numbers.iter().zip(&self.outputs.centres).map(|(&v, &centre)| exact(v, centre)).collect()
    }

    /// The model's own numbers: those of [`Answer::values`] less their centres, in single
    /// precision.
    pub fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    /// The same outputs with other numbers.
    pub(super) fn with_values(&self, values: &[f64]) -> Answer {
        let numbers = values.iter().zip(&self.outputs.centres).map(|(value, centre)| (value - centre) as f32).collect();
        Answer { outputs: self.outputs.clone(), numbers }
    }

    /// The numbers as text, as short as they are exact.
    pub fn decimals(&self) -> impl Iterator<Item = String> {
        self.numbers.iter().zip(&self.outputs.centres).map(|(&v, &centre)| decimal(v, centre))
    }

    /// The numbers by the names of their outputs, as JSON has them.
    pub fn json(&self) -> impl Iterator<Item = (String, Value)> {
        let numbers = self.numbers.iter().zip(&self.outputs.centres).map(|(&v, &centre)| json_number(v, centre));
        self.names().iter().cloned().zip(numbers)
    }

    /// The number of an output by name.
    pub fn get(&self, name: &str) -> Option<f64> {
        let at = self.names().iter().position(|n| n == name)?;
        Some(exact(self.numbers[at], self.outputs.centres[at]))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some((class, p)) = self.best() {
            return write!(f, "{class} {:.1}%", 100.0 * p);
        }
        let words: Vec<String> = self.names().iter().zip(self.decimals()).map(|(n, v)| format!("{n} {v}")).collect();
        f.write_str(&words.join(", "))
    }
}

/// A single-precision number in decimal, with its centre added in double precision: 0.1
/// is 0.1.
fn exact(v: f32, centre: f64) -> f64 {
    let decimal = v.to_string().parse::<f64>().unwrap_or(f64::NAN);
    if centre == 0.0 { decimal } else { centre + decimal }
}

/// [`exact`] as text.
fn decimal(v: f32, centre: f64) -> String {
    if centre == 0.0 { v.to_string() } else { exact(v, centre).to_string() }
}

/// [`exact`] as JSON has it; a number without a centre is in single precision.
fn json_number(v: f32, centre: f64) -> Value {
    if centre == 0.0 { json!(v) } else { json!(exact(v, centre)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_names_and_numbers() {
        let classes = Interface::of_images(vec!["a".into(), "b".into(), "c".into(), "d".into()], &[]);
        let answers = Outputs::of(&classes).answers(&[0.25, 0.5, 0.25, 0.0, 0.1, 0.2, 0.3, 0.4]);
        assert_eq!(answers[0].top(4).iter().map(|t| t.0).collect::<Vec<_>>(), ["b", "a", "c", "d"]);
        assert_eq!((answers[1].class(), answers[1].probability()), (Some("d"), Some(0.4)));
        assert_eq!((answers[1].get("c"), answers[1].get("x")), (Some(0.3), None));
        assert_eq!(answers[0].to_string(), "b 50.0%");
        let values = Interface { task: Task::Regression, outputs: vec!["y".into()], ..classes };
        let answer = &Outputs::of(&values).answers(&[0.1])[0];
        assert_eq!((answer.class(), answer.values()), (None, vec![0.1]));
        assert_eq!(answer.to_string(), "y 0.1");
    }
}
