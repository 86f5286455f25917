//! What a file says of an interface, judged before anything is computed with it:
//! as many numbers as there is to apply them to, all of them finite, and no
//! scale of zero, which loses what it is to bring back.

use super::{Interface, Task};
use crate::data::normal::{Normal, check_scales};
use crate::error::{Context, Error, Result};

impl Interface {
    /// Checks that this is an interface for samples of a shape.
    ///
    /// Fails with the part that is empty, too short, not finite or zero.
    pub fn check(&self, sample: &[usize]) -> Result<()> {
        let width = sample.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n > 0);
        let Some(width) = width else {
            return Err(Error::data(format!("input: a sample of shape {sample:?}; expected lengths above 0")));
        };
        let outputs = self.outputs.len();
        if outputs == 0 {
            return Err(Error::data("interface.outputs: none; expected a name for each output"));
        }
        // Tokens are not normalised; pixels are by channel, other numbers one by one.
        let normal: &[usize] =
            if self.vocabulary().is_some() { &[0, width] } else { &[sample.first().copied().unwrap_or(1), width] };
        check_normal("interface.normal", &self.normal, normal)?;
        let target = Normal { scale: self.target.scale.clone(), shift: self.target.shift.clone() };
        let targets = if self.task == Task::Regression { outputs } else { 0 };
        check_normal("interface.target", &target, &[targets])?;
        match (self.vocabulary(), self.task) {
            (Some(v), Task::Language) if v.len() != outputs => {
                return Err(Error::data(format!(
                    "interface.outputs: {outputs} names for a vocabulary of {} tokens; expected one each",
                    v.len()
                )));
            }
            (None, Task::Language) => {
                return Err(Error::data("interface.vocabulary: none; expected the tokens of a language model"));
            }
            _ => {}
        }
        if let Some(positive) = self.positive.as_ref().filter(|name| !self.outputs.contains(name)) {
            return Err(Error::data(format!("interface.positive: \"{positive}\" is none of the outputs")));
        }
        if let Some(fitted) = self.row() {
            let names = fitted.outputs().len();
            if names != outputs || fitted.features.len() != width {
                return Err(Error::data(format!(
                    "interface.preprocessing: {} features and {names} outputs; expected {width} and {outputs}",
                    fitted.features.len()
                )));
            }
            fitted.check().context(|| "interface.preprocessing")?;
        }
        if let Some(fitted) = self.series() {
            let [size, answers] = fitted.sizes();
            if size != Some(width) || answers != Some(outputs) {
                return Err(Error::data(format!(
                    "interface.series: a window of {} rows and {} inputs, {} rows ahead of {} targets; expected {width} \
                     numbers in a sample and {outputs} outputs",
                    fitted.window,
                    fitted.width(),
                    fitted.horizon,
                    fitted.targets.len()
                )));
            }
            fitted.check().context(|| "interface.series")?;
        }
        Ok(())
    }
}

/// Checks factors and offsets, of which there may be so many.
fn check_normal(place: &str, normal: &Normal, lengths: &[usize]) -> Result<()> {
    for (what, list) in [("scale", &normal.scale), ("shift", &normal.shift)] {
        if !lengths.contains(&list.len()) {
            let expected: Vec<String> = lengths.iter().map(usize::to_string).collect();
            return Err(Error::data(format!(
                "{place}.{what}: {} numbers; expected {}",
                list.len(),
                expected.join(" or ")
            )));
        }
    }
    check_scales(place, &normal.scale, &normal.shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, Samples, Targets};

    fn interface(change: impl Fn(&mut Interface)) -> Result<()> {
        let targets = Targets::Values { values: vec![1.0, 2.0], names: vec!["y".into()] };
        let samples = Samples::Floats(vec![0.0, 1.0, 2.0, 4.0].into());
        let set = Dataset { name: "set".into(), shape: vec![2], samples, targets, origin: Default::default() };
        let normal = Normal::learn(&set, Default::default());
        let mut interface = Interface::of(&set, normal);
        change(&mut interface);
        interface.check(&set.shape)
    }

    #[test]
    fn what_cannot_be_applied_is_refused() {
        interface(|_| {}).unwrap();
        type Case = (fn(&mut Interface), &'static str);
        let cases: [Case; 9] = [
            (|i| i.target.scale.clear(), "interface.target.scale: 0 numbers; expected 1"),
            (|i| i.target.shift.clear(), "interface.target.shift: 0 numbers; expected 1"),
            (|i| i.target.scale[0] = 0.0, "interface.target.scale: 0; expected finite"),
            (|i| i.target.shift[0] = f32::INFINITY, "interface.target.shift: inf"),
            (|i| i.normal.scale.clear(), "interface.normal.scale: 0 numbers; expected 2"),
            (|i| i.normal.scale[1] = f32::NAN, "interface.normal.scale: NaN"),
            (|i| i.normal.shift.push(1.0), "interface.normal.shift: 3 numbers"),
            (|i| i.outputs.clear(), "interface.outputs: none"),
            (|i| i.task = Task::Language, "interface.target.scale: 1 numbers; expected 0"),
        ];
        for (change, expected) in cases {
            let message = interface(change).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        assert!(Interface::of_images(vec!["a".into()], &[(0.0, 1.0)]).check(&[1, 0, 3]).is_err());
    }
}
