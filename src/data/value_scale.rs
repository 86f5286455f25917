//! How the elements of samples are written: pixels as bytes from 0 to 255 or as
//! floats from 0 to 1 are the same pictures, which a model can tell only if it
//! remembers which of them it was trained on.

use super::{Dataset, Elements, Samples};
use crate::error::{Context, Error, Result};
use serde::{Deserialize, Serialize};

/// Elements above this, all whole, are likelier bytes than measurements.
const BRIGHT: f32 = 50.0;

/// What the elements of training samples were.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueScale {
    /// Bytes of images.
    Pixels,
    /// Floats that are whole numbers from 0 to 255.
    Whole,
    /// Floats from 0 to 1.
    Unit,
    /// Other floats, from the first number to the second.
    Between(f32, f32),
}

/// What there is to know of floats.
struct Seen {
    low: f32,
    high: f32,
    is_whole: bool,
}

impl Seen {
    /// Of no floats.
    fn nothing() -> Seen {
        Seen { low: f32::INFINITY, high: f32::NEG_INFINITY, is_whole: true }
    }

    fn and(self, values: &[f32]) -> Seen {
        values.iter().fold(self, |s, &v| Seen {
            low: s.low.min(v),
            high: s.high.max(v),
            is_whole: s.is_whole && v.fract() == 0.0,
        })
    }

    /// Of all samples of a set, wherever they are.
    fn of(set: &Dataset) -> Result<Seen> {
        let mut seen = Seen::nothing();
        let all = set.samples.visit(&mut |piece| {
            if let Samples::Floats(v) = piece {
                seen = std::mem::replace(&mut seen, Seen::nothing()).and(v);
            }
            Ok(())
        });
        all.context(|| set.name.clone())?;
        Ok(seen)
    }

    fn is_unit(&self) -> bool {
        self.low >= 0.0 && self.high <= 1.0
    }

    /// Whether they may be bytes written as floats.
    fn is_byte(&self) -> bool {
        self.is_whole && self.low >= 0.0 && self.high <= 255.0
    }
}

impl ValueScale {
    /// That of samples; none of tokens, and of floats that are not in memory.
    pub fn of(samples: &Samples) -> Option<ValueScale> {
        match samples {
            Samples::Floats(v) => Some(ValueScale::of_floats(&Seen::nothing().and(v))),
            other => (other.kind() == Elements::Bytes).then_some(ValueScale::Pixels),
        }
    }

    /// That of a set; also of floats that are read when they are needed, if they are the
    /// same each time.
    ///
    /// Fails when they cannot be read.
    pub fn of_set(set: &Dataset) -> Result<Option<ValueScale>> {
        match (&set.samples, set.samples.kind()) {
            (Samples::Read(_), Elements::Floats) if set.samples.repeats() => {
                Ok(Some(ValueScale::of_floats(&Seen::of(set)?)))
            }
            (samples, _) => Ok(ValueScale::of(samples)),
        }
    }

    fn of_floats(seen: &Seen) -> ValueScale {
        match () {
            // None at all are between any bounds.
            () if seen.low > seen.high || seen.is_unit() => ValueScale::Unit,
            () if seen.is_byte() => ValueScale::Whole,
            () => ValueScale::Between(seen.low, seen.high),
        }
    }

    /// Brings samples to the scale and the shape of a model's own: bytes from 0
    /// to 255 and floats from 0 to 1 become each other where they are images, and
    /// `[height, width]` and `[1, height, width]` are the same. Returns what a user
    /// should know.
    ///
    /// Fails when the shape is another, and when the samples are written in
    /// another way and nothing says how they belong together.
    pub fn adapt(self, set: &mut Dataset, sample: &[usize]) -> Result<Option<String>> {
        let long = |shape: &[usize]| shape.iter().copied().filter(|&n| n > 1).collect::<Vec<_>>();
        if set.shape != sample {
            if long(&set.shape) != long(sample) {
                return Err(Error::data(format!(
                    "{} holds samples of shape {:?}; this model takes {sample:?}",
                    set.name, set.shape
                )));
            }
            set.shape = sample.to_vec();
        }
        let is_image = matches!(sample, [c, _, _] if *c <= 4) || sample.len() == 2;
        let refused = |found: &str, trained: &str, next: &str| {
            Err(Error::data(format!("{} holds {found}, and this model was trained on {trained}; {next}", set.name)))
        };
        let same = "give them as they were for training";
        match (self, set.samples.kind()) {
            // Whether such floats are bytes could change from one look to the next.
            _ if !set.samples.repeats() => Ok(None),
            (_, Elements::Tokens) | (ValueScale::Pixels, Elements::Bytes) => Ok(None),
            (ValueScale::Pixels, Elements::Floats) => {
                let seen = Seen::of(set)?;
                if seen.is_unit() {
                    to_bytes(set, |x| (255.0 * x).round() as u8);
                    return Ok(said(set, "floats from 0 to 1", "bytes", "multiplied by 255"));
                }
                if seen.is_byte() {
                    to_bytes(set, |x| x as u8);
                    return Ok(None);
                }
                refused(&floats(&seen), "pixels as bytes", "expected bytes, or floats from 0 to 1")
            }
            (ValueScale::Whole, Elements::Bytes) => {
                to_floats(set, 1.0);
                Ok(None)
            }
            (ValueScale::Whole, Elements::Floats) => {
                let seen = Seen::of(set)?;
                match (seen.is_unit() && !seen.is_whole, is_image) {
                    (false, _) => Ok(None),
                    (true, true) => {
                        of_floats(set, |x| 255.0 * x);
                        Ok(said(set, "floats from 0 to 1", "whole numbers up to 255", "multiplied by 255"))
                    }
                    (true, false) => refused("numbers from 0 to 1", "whole numbers up to 255", same),
                }
            }
            (ValueScale::Unit, Elements::Bytes) => {
                let dark = brightest(set)? <= 1;
                to_floats(set, if dark { 1.0 } else { 255.0 });
                Ok(if dark { None } else { said(set, "bytes", "floats from 0 to 1", "divided by 255") })
            }
            (ValueScale::Unit, Elements::Floats) => {
                let seen = Seen::of(set)?;
                match (seen.is_byte() && seen.high > 1.0, is_image) {
                    (true, true) => {
                        of_floats(set, |x| x / 255.0);
                        Ok(said(set, "whole numbers up to 255", "floats from 0 to 1", "divided by 255"))
                    }
                    _ if seen.high > BRIGHT => refused(&floats(&seen), "floats from 0 to 1", same),
                    _ => Ok(None),
                }
            }
            (ValueScale::Between(low, high), Elements::Bytes) if low < 0.0 || high <= BRIGHT => {
                let trained = format!("floats from {low} to {high}");
                refused(
                    "pictures as bytes",
                    &trained,
                    "what was done to the pictures is not known: give arrays like those",
                )
            }
            (ValueScale::Between(..), Elements::Bytes) => {
                to_floats(set, 1.0);
                Ok(None)
            }
            (ValueScale::Between(low, high), Elements::Floats) => {
                let seen = Seen::of(set)?;
                let raw = seen.is_byte() && seen.high > BRIGHT && low < 0.0 && high < seen.high / 5.0;
                match raw {
                    true => refused(&floats(&seen), &format!("floats from {low} to {high}"), same),
                    false => Ok(None),
                }
            }
        }
    }
}

/// Makes floats bytes.
fn to_bytes(set: &mut Dataset, by: fn(f32) -> u8) {
    set.samples = set.samples.map_to(Elements::Bytes, set.width(), move |piece| match piece {
        Samples::Floats(v) => v.iter().map(|&x| by(x)).collect::<Vec<u8>>().into(),
        other => other,
    });
}

/// Makes bytes floats, divided by a number.
fn to_floats(set: &mut Dataset, by: f32) {
    set.samples = set.samples.map_to(Elements::Floats, set.width(), move |piece| match piece {
        Samples::Bytes(v) => v.iter().map(|&b| f32::from(b) / by).collect::<Vec<f32>>().into(),
        other => other,
    });
}

/// Changes floats.
fn of_floats(set: &mut Dataset, by: fn(f32) -> f32) {
    set.samples = set.samples.map_to(Elements::Floats, set.width(), move |piece| match piece {
        Samples::Floats(v) => v.iter().map(|&x| by(x)).collect::<Vec<f32>>().into(),
        other => other,
    });
}

/// The greatest byte of a set.
fn brightest(set: &Dataset) -> Result<u8> {
    let mut most = 0;
    let all = set.samples.visit(&mut |piece| {
        if let Samples::Bytes(v) = piece {
            most = v.iter().fold(most, |most, &b| most.max(b));
        }
        Ok(())
    });
    all.context(|| set.name.clone())?;
    Ok(most)
}

fn floats(seen: &Seen) -> String {
    format!("{} from {} to {}", if seen.is_whole { "whole numbers" } else { "floats" }, seen.low, seen.high)
}

fn said(set: &Dataset, found: &str, trained: &str, done: &str) -> Option<String> {
    Some(format!("{} holds {found}, and this model was trained on {trained}: its elements are {done}", set.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Targets;

    fn adapted(trained: &Samples, given: Samples, shape: &[usize], sample: &[usize]) -> Result<(Samples, bool)> {
        let n = given.elements();
        let labels = vec![0; n / shape.iter().product::<usize>()];
        let targets = Targets::Classes { labels, names: vec!["a".into()] };
        let mut set = Dataset::new("set", shape.to_vec(), given, targets)?;
        let note = ValueScale::of(trained).expect("no tokens").adapt(&mut set, sample)?;
        set.check()?;
        Ok((set.samples, note.is_some()))
    }

    #[test]
    fn pictures_are_the_same_in_bytes_and_floats() {
        let bytes = || Samples::Bytes(vec![0, 51, 255, 102].into());
        let floats = || Samples::Floats(vec![0.0, 0.2, 1.0, 0.4].into());
        let whole = || Samples::Floats(vec![0.0, 51.0, 255.0, 102.0].into());
        let image = [1, 2, 2];
        for (trained, given, expected, noted) in [
            (bytes(), floats(), bytes(), true),
            (bytes(), whole(), bytes(), false),
            (bytes(), bytes(), bytes(), false),
            (floats(), bytes(), floats(), true),
            (floats(), whole(), floats(), true),
            (floats(), floats(), floats(), false),
            (whole(), bytes(), whole(), false),
            (whole(), floats(), whole(), true),
            (
                floats(),
                Samples::Bytes(vec![0, 1, 1, 0].into()),
                Samples::Floats(vec![0.0, 1.0, 1.0, 0.0].into()),
                false,
            ),
        ] {
            assert_eq!(adapted(&trained, given, &image, &image).unwrap(), (expected, noted), "{trained:?}");
        }
        // A channel of one may be left out.
        assert_eq!(adapted(&floats(), floats(), &[2, 2], &image).unwrap().0, floats());
        assert!(adapted(&floats(), floats(), &[4], &image).is_err());
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let floats = |v: &[f32]| Samples::Floats(v.to_vec().into());
        let standard = floats(&[-1.5, 0.3, 2.0, 0.1]);
        let message = |trained: &Samples, given: Samples, shape: &[usize]| {
            adapted(trained, given, shape, shape).map(|_| ()).unwrap_err().to_string()
        };
        let text = message(&standard, Samples::Bytes(vec![0, 3, 200, 4].into()), &[1, 2, 2]);
        assert!(
            text.starts_with("set holds pictures as bytes, and this model was trained on floats from -1.5 to 2"),
            "{text}"
        );
        message(&standard, floats(&[0.0, 3.0, 200.0, 4.0]), &[4]);
        message(&Samples::Bytes(vec![1; 4].into()), standard.clone(), &[1, 2, 2]);
        message(&floats(&[0.0, 0.5]), floats(&[0.0, 128.0]), &[2]);
        message(&floats(&[0.0, 128.0]), floats(&[0.0, 0.5]), &[2]);
        // Measurements may be a little beyond those of training.
        assert!(adapted(&floats(&[0.0, 0.5]), floats(&[-0.1, 1.5]), &[2], &[2]).is_ok());
        assert!(adapted(&standard, floats(&[9.0, -7.0]), &[2], &[2]).is_ok());
        assert!(adapted(&floats(&[0.0, 128.0]), floats(&[0.0, 1.0]), &[2], &[2]).is_ok());
    }
}
