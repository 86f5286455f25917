//! What a language model's report shows besides figures: texts that it makes
//! up, and where it looks. Worked out on the CPU, whatever it was trained on:
//! tokens one by one are no work for a GPU.

use crate::data::{Dataset, Samples};
use crate::deploy::generate::Generator;
use crate::deploy::look;
use crate::deploy::sample::{Sampler, Sampling};
use crate::device::Device;
use crate::error::Result;
use crate::eval::metrics::{AttentionMap, Language, Sampled};
use crate::nn::Model;
use crate::train::Session;
use crate::train::text::vocabulary_of;

/// Tokens of a prompt, of a text behind it, and of an attention map.
const PROMPT: usize = 24;
const WRITTEN: usize = 400;
const LOOKED_AT: usize = 24;

/// The temperatures of the texts.
const TEMPERATURES: [f64; 2] = [0.8, 0.0];

/// Adds texts and attention maps that begin as the first sample of `set` does.
pub fn add(language: &mut Language, session: &mut Session, set: &Dataset) -> Result<()> {
    if set.is_empty() {
        return Ok(());
    }
    let Samples::Tokens(first) = set.samples.select(set.width(), &[0]).loaded()? else { return Ok(()) };
    let tokens = &first[..];
    let weights = session.weights()?;
    let vocabulary = vocabulary_of(&session.interface)?;
    let model: &Model = &session.model;
    let prompt = &tokens[..tokens.len().min(PROMPT)];
    let mut generator = Generator::new(&Device::Cpu, model, &weights)?;
    for temperature in TEMPERATURES {
        generator.reset()?;
        let mut sampler = Sampler::new(Sampling { temperature, ..Sampling::default() })?;
        // A character that the prompt begins and does not end belongs to what follows.
        let mut decoder = vocabulary.decoder();
        let begins: String = prompt.iter().map(|&token| decoder.push(token)).collect();
        let mut text = String::new();
        generator.write(prompt, WRITTEN, &mut sampler, |token| {
            text += &decoder.push(token);
            Ok(())
        })?;
        text += &decoder.finish();
        language.sampled.push(Sampled { prompt: begins, text, temperature });
    }
    let shown = tokens.len().min(LOOKED_AT);
    let names: Vec<String> = tokens[..shown].iter().map(|&t| vocabulary.token(t).unwrap_or_default()).collect();
    for head in look::attention(model, &weights, tokens, shown)? {
        language.attention.push(AttentionMap {
            layer: head.layer,
            head: head.head,
            tokens: names.clone(),
            weights: head.shares,
        });
    }
    Ok(())
}
