//! `wgrad generate`

use super::{flags, open_device, out};
use crate::data::text::Vocabulary;
use crate::deploy::generate::Generator;
use crate::deploy::sample::{Sampler, Sampling};
use crate::error::{Context, Error, Result};
use crate::train::text::vocabulary_of;
use serde_json::json;
use std::time::Instant;

pub fn run(f: &flags::Generate) -> Result<()> {
    let (model, loaded) = f.run.load()?;
    let vocabulary = vocabulary_of(&loaded.about.interface)?;
    let begins = begins(f, vocabulary)?;
    let prompt = tokens_of(&begins, vocabulary)?;
    // A blank at the end that the model does not read would stand before its own.
    let bare = begins.trim_end();
    let begins = if vocabulary.encode(bare).is_ok_and(|tokens| tokens == prompt) { bare } else { &begins };
    let how = Sampling { temperature: f.temperature, top_k: f.top_k, top_p: f.top_p, seed: f.seed };
    let mut sampler = Sampler::new(how)?;
    let (device, info) = open_device(&f.device)?;
    let mut generator = Generator::new(&device, &model, &loaded.weights)?;
    let begun = Instant::now();
    let mut decoder = vocabulary.decoder();
    decoder.follow(&prompt);
    let mut text = String::new();
    let mut show = |piece: String| -> Result<()> {
        text += &piece;
        if f.json { Ok(()) } else { out::piece(piece) }
    };
    if !f.json {
        out::piece(begins)?;
    }
    generator.write(&prompt, f.length, &mut sampler, |token| show(decoder.push(token)))?;
    show(decoder.finish())?;
    let seconds = begun.elapsed().as_secs_f64();
    let rate = (prompt.len() + f.length) as f64 / seconds.max(1e-9);
    if f.json {
        return out::json(&json!({
            "status": "ok",
            "device": info,
            "prompt": begins,
            "text": text,
            "tokens": f.length,
            "tokens_per_second": rate,
        }));
    }
    out::line("")?;
    eprintln!("{} tokens, {rate:.0} tokens/s", f.length);
    Ok(())
}

/// The most unknown parts of a prompt that are named.
const NAMED: usize = 8;

/// The text to go on from; what is taken in its place is said.
fn begins(f: &flags::Generate, vocabulary: &Vocabulary) -> Result<String> {
    let given = f.prompt.as_deref();
    if let Some(text) = given.filter(|text| !text.is_empty()) {
        return Ok(text.into());
    }
    let Some(text) = vocabulary.beginning() else {
        return Err(Error::usage(format!(
            "no token of the vocabulary ({}) is a text by itself to begin with; say what to go on from by --prompt TEXT",
            vocabulary.describe()
        )));
    };
    if given.is_some() || text != "\n" {
        let why = if given.is_some() { "the prompt is empty" } else { "there is no --prompt" };
        eprintln!("note: {why}; the text begins with {text:?}");
    }
    Ok(text)
}

/// The tokens of a prompt. What the vocabulary does not know of it is said.
fn tokens_of(prompt: &str, vocabulary: &Vocabulary) -> Result<Vec<u32>> {
    let tokens = vocabulary.encode(prompt).context(|| "the prompt")?;
    if tokens.is_empty() {
        return Err(Error::usage(format!(
            "the prompt {prompt:?} has no token: the vocabulary ({}) leaves all of it out; expected a text with at least \
             one token to go on from",
            vocabulary.describe()
        )));
    }
    let unknown = vocabulary.unknown_in(prompt).context(|| "the prompt")?;
    if !unknown.is_empty() {
        let named: Vec<String> = unknown.iter().take(NAMED).map(|part| format!("{part:?}")).collect();
        let more = if unknown.len() > NAMED { ", .." } else { "" };
        eprintln!(
            "warning: the vocabulary ({}) does not know {}{more} of the prompt: the model reads the unknown token there, \
             or nothing",
            vocabulary.describe(),
            named.join(", ")
        );
    }
    Ok(tokens)
}
