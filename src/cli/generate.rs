//! `wgrad generate`

use super::{flags, open_device, out, run_folder};
use crate::deploy::generate::Generator;
use crate::deploy::sample::{Sampler, Sampling};
use crate::error::{Context, Error, Result};
use crate::train::text::vocabulary_of;
use serde_json::json;
use std::io::Write;
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
    let mut scores = vec![];
    for &token in &prompt {
        scores = generator.read(token)?;
    }
    let mut decoder = vocabulary.decoder();
    let mut text = String::new();
    let mut show = |piece: String| -> Result<()> {
        text += &piece;
        if f.json { Ok(()) } else { print(&piece) }
    };
    if !f.json {
        print(&f.prompt)?;
    }
    for n in 1..=f.length {
        let token = sampler.draw(&scores)?;
        show(decoder.push(token))?;
        // Nobody asks what follows the last one.
        if n < f.length {
            scores = generator.read(token)?;
        }
    }
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
    print("\n")?;
    eprintln!("{} tokens, {rate:.0} tokens/s", f.length);
    Ok(())
}

/// Prints without a line break, so that a text grows as it is made.
fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => Err(Error::io("writing to stdout", e)),
    }
}
