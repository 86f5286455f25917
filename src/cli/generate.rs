//! `wgrad generate`

use super::{flags, open_device, out, run_folder};
use crate::deploy::generate::Generator;
use crate::deploy::sample::{Sampler, Sampling};
use crate::error::{Context, Error, Result};
use crate::train::text::vocabulary_of;
use serde_json::json;
use std::time::Instant;

pub fn run(f: &flags::Generate) -> Result<()> {
    let (model, loaded) = run_folder::load(&f.run)?;
    let vocabulary = vocabulary_of(&loaded.about.interface)?;
    let prompt = vocabulary.encode(&f.prompt).context(|| "the prompt")?;
    if prompt.is_empty() {
        return Err(Error::usage("the prompt is empty: expected at least one character to go on from"));
    }
    let how = Sampling { temperature: f.temperature, top_k: f.top_k, top_p: f.top_p, seed: f.seed };
    let mut sampler = Sampler::new(how)?;
    let (device, info) = open_device(&f.device)?;
    let mut generator = Generator::new(&device, &model, &loaded.weights)?;
    let begun = Instant::now();
    let mut decoder = vocabulary.decoder();
    let mut text = String::new();
    let mut show = |piece: String| -> Result<()> {
        text += &piece;
        if f.json { Ok(()) } else { out::piece(piece) }
    };
    if !f.json {
        out::piece(&f.prompt)?;
    }
    generator.write(&prompt, f.length, &mut sampler, |token| show(decoder.push(token)))?;
    show(decoder.finish())?;
    let seconds = begun.elapsed().as_secs_f64();
    let rate = (prompt.len() + f.length) as f64 / seconds.max(1e-9);
    if f.json {
        return out::json(&json!({
            "status": "ok",
            "device": info,
            "prompt": f.prompt,
            "text": text,
            "tokens": f.length,
            "tokens_per_second": rate,
        }));
    }
    out::line("")?;
    eprintln!("{} tokens, {rate:.0} tokens/s", f.length);
    Ok(())
}
