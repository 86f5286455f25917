//! How well a language model foretells a text.
//!
//! The loss is the mean cross-entropy per token, in nats; perplexity is e to
//! it, and bits are it over ln 2 (Jelinek et al., JASA 62, 1977).

use super::{Figure, Figures, Intervals};
use serde::{Deserialize, Serialize};

/// A text that a model made up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampled {
    /// What it was given.
    pub prompt: String,
    /// What it went on with.
    pub text: String,
    /// The temperature of the draws; 0 for the likeliest token each time.
    pub temperature: f64,
}

/// Where a model looked while it read a text: one head of one layer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttentionMap {
    /// The layer's name.
    pub layer: String,
    /// The head, counted from 0.
    pub head: usize,
    /// The tokens, as shown.
    pub tokens: Vec<String>,
    /// The share of token `j` in the answer at `i`: `[tokens, tokens]`, by rows.
    pub weights: Vec<f32>,
}

/// The metrics of a language model on a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Language {
    /// Windows of the text.
    pub samples: usize,
    /// Tokens foretold.
    pub tokens: usize,
    /// Mean cross-entropy per token, in nats.
    pub nats_per_token: f64,
    /// e to it.
    pub perplexity: f64,
    /// The same in bits.
    pub bits_per_token: f64,
    /// The same per byte of the text, where its size is known.
    #[serde(default)]
    pub bits_per_byte: Option<f64>,
    /// Share of tokens that were the likeliest.
    pub accuracy: f64,
    /// Texts that the model made up.
    #[serde(default)]
    pub sampled: Vec<Sampled>,
    /// Where it looked.
    #[serde(default)]
    pub attention: Vec<AttentionMap>,
    /// What there is to know about how this came about.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Language {
    /// From the mean loss and accuracy over `samples` windows of `tokens`
    /// tokens in all, which stand for so many bytes of text.
    pub fn of(loss: f64, accuracy: f64, samples: usize, tokens: usize, bytes: Option<usize>) -> Language {
        let bits = loss / std::f64::consts::LN_2;
        Language {
            samples,
            tokens,
            nats_per_token: loss,
            perplexity: loss.exp(),
            bits_per_token: bits,
            bits_per_byte: bytes.filter(|&b| b > 0).map(|b| bits * tokens as f64 / b as f64),
            accuracy,
            sampled: vec![],
            attention: vec![],
            notes: vec![],
        }
    }

    /// The figures, most telling first.
    pub fn figures(&self) -> Vec<Figure> {
        let none = Intervals::new();
        let mut figures = Figures { intervals: &none, list: vec![] };
        figures.add("nats_per_token", Some(self.nats_per_token));
        figures.add("perplexity", Some(self.perplexity));
        figures.add("bits_per_token", Some(self.bits_per_token));
        figures.add("bits_per_byte", self.bits_per_byte);
        figures.add("accuracy", Some(self.accuracy));
        figures.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_guess_among_eight_costs_three_bits() {
        let l = Language::of(8f64.ln(), 0.125, 4, 400, Some(800));
        assert!((l.perplexity - 8.0).abs() < 1e-12 && (l.bits_per_token - 3.0).abs() < 1e-12);
        assert!((l.bits_per_byte.unwrap() - 1.5).abs() < 1e-12);
        let keys: Vec<String> = l.figures().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["nats_per_token", "perplexity", "bits_per_token", "bits_per_byte", "accuracy"]);
    }
}
