//! Drawing the next token from a model's scores.
//!
//! The scores are divided by the temperature; of the tokens, the `top_k`
//! likeliest stay, and of these the fewest whose shares reach `top_p` (Holtzman
//! et al., "The Curious Case of Neural Text Degeneration", arXiv:1904.09751);
//! one of them is drawn by its share. A temperature of 0 takes the likeliest.

use crate::error::{Error, Result};
use crate::tensor::random::{Random, stream};

/// How tokens are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Above 1 evens the shares out, below 1 sharpens them; 0 takes the likeliest.
    pub temperature: f64,
    /// Only so many of the likeliest tokens.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens that together have this share.
    pub top_p: f64,
    /// What draws are made from.
    pub seed: u32,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { temperature: 0.8, top_k: None, top_p: 1.0, seed: 0 }
    }
}

/// Draws tokens.
pub struct Sampler {
    how: Sampling,
    random: Random,
}

impl Sampler {
    /// Fails when a setting is out of range.
    pub fn new(how: Sampling) -> Result<Sampler> {
        let Sampling { temperature, top_k, top_p, seed } = how;
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(Error::usage(format!(
                "temperature {temperature}: expected a number of at least 0, such as 0.8"
            )));
        }
        if top_k == Some(0) {
            return Err(Error::usage("top-k 0: expected at least 1"));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(Error::usage(format!("top-p {top_p}: expected a share above 0 and at most 1, such as 0.95")));
        }
        Ok(Sampler { how, random: Random::new(seed, stream::SAMPLES) })
    }

    /// The next token, by its scores.
    ///
    /// Fails when a score is no number: such a model has diverged.
    pub fn draw(&mut self, scores: &[f32]) -> Result<u32> {
        if scores.is_empty() || scores.iter().any(|s| s.is_nan() || *s == f32::INFINITY) {
            return Err(Error::model(
                "the model's scores are no numbers: its training has diverged; train it with a lower learning rate",
            ));
        }
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        let score = |t: u32| scores[t as usize];
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
        if self.how.temperature == 0.0 {
            return Ok(order[0]);
        }
        order.truncate(self.how.top_k.unwrap_or(usize::MAX));
        let largest = f64::from(score(order[0]));
        let share = |t: u32| ((f64::from(score(t)) - largest) / self.how.temperature).exp();
        let mut shares: Vec<f64> = order.iter().map(|&t| share(t)).collect();
        let total: f64 = shares.iter().sum();
        let mut sum = 0.0;
        let reached = shares.iter().position(|s| {
            sum += s;
            sum >= self.how.top_p * total
        });
        shares.truncate(reached.map_or(usize::MAX, |i| i + 1));
        let mut left = f64::from(self.random.uniform(0.0, 1.0)) * shares.iter().sum::<f64>();
        for (&token, share) in order.iter().zip(&shares) {
            left -= share;
            if left < 0.0 {
                return Ok(token);
            }
        }
        Ok(order[shares.len() - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(how: Sampling, scores: &[f32], n: usize) -> Vec<usize> {
        let mut sampler = Sampler::new(how).unwrap();
        let mut counts = vec![0; scores.len()];
        (0..n).for_each(|_| counts[sampler.draw(scores).unwrap() as usize] += 1);
        counts
    }

    #[test]
    fn tokens_come_as_often_as_their_shares_say() {
        let scores = [0.5f32, 0.3, 0.15, 0.05].map(f32::ln);
        let plain = Sampling { temperature: 1.0, ..Sampling::default() };
        let counts = drawn(plain, &scores, 10_000);
        for (count, share) in counts.iter().zip([0.5, 0.3, 0.15, 0.05]) {
            assert!((*count as f64 / 1e4 - share).abs() < 0.02, "{counts:?}");
        }
        let two = drawn(Sampling { top_k: Some(2), ..plain }, &scores, 1000);
        assert!(two[0] > 550 && two[1] > 300 && two[2] + two[3] == 0, "{two:?}");
        let most = drawn(Sampling { top_p: 0.75, ..plain }, &scores, 1000);
        assert!(most[1] > 0 && most[2] + most[3] == 0, "{most:?}");
        assert_eq!(drawn(Sampling { temperature: 0.0, ..plain }, &scores, 10), [10, 0, 0, 0]);
        let sharp = drawn(Sampling { temperature: 0.1, ..plain }, &scores, 1000);
        assert!(sharp[0] > 950, "{sharp:?}");
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let scores = [1.0f32, 0.9, 0.8, 0.7];
        let of = |seed| {
            let mut s = Sampler::new(Sampling { temperature: 1.0, seed, ..Sampling::default() }).unwrap();
            (0..50).map(|_| s.draw(&scores).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
    }

    #[test]
    fn settings_and_scores_that_make_no_sense_are_errors() {
        let bad = |how: Sampling| Sampler::new(how).err().unwrap().to_string();
        assert!(bad(Sampling { temperature: -1.0, ..Sampling::default() }).contains("temperature -1"));
        assert!(bad(Sampling { temperature: f64::NAN, ..Sampling::default() }).contains("temperature"));
        assert!(bad(Sampling { top_k: Some(0), ..Sampling::default() }).contains("top-k"));
        assert!(bad(Sampling { top_p: 0.0, ..Sampling::default() }).contains("top-p"));
        let mut sampler = Sampler::new(Sampling::default()).unwrap();
        assert!(sampler.draw(&[0.0, f32::NAN]).is_err() && sampler.draw(&[]).is_err());
        assert_eq!(sampler.draw(&[f32::NEG_INFINITY, 0.0]).unwrap(), 1);
    }
}
