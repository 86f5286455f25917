//! `wgrad tokenizer`: makes a vocabulary from text, or shows one.

use super::flags::{Tokenizer, VocabularyKind};
use super::out;
use crate::data::text::{Corpus, Vocabulary};
use crate::error::{Context, Error, Result};
use crate::terminal;
use serde_json::json;
use std::path::Path;

/// Tokens that are shown of a vocabulary.
const SHOWN: usize = 12;
/// Characters of the text that are shown as tokens.
const SAMPLE: usize = 60;
/// Characters of a text that are looked at for what a tokenizer loses.
const LOOKED_AT: usize = 1 << 20;

pub fn run(f: &Tokenizer) -> Result<()> {
    match &f.show {
        Some(path) => show(f, path),
        None => train(f),
    }
}

fn train(f: &Tokenizer) -> Result<()> {
    // clap drops a requirement that conflicts with what was given.
    if let Some(text) = &f.encode {
        return Err(Error::usage(format!("--encode {}: it goes with --show FILE", shortened(text))));
    }
    if let (Some(size), VocabularyKind::Char | VocabularyKind::Byte) = (f.size, f.kind) {
        let fixed = if f.kind == VocabularyKind::Byte { "256 bytes" } else { "the characters of the text" };
        return Err(Error::usage(format!("--size {size}: this kind has {fixed}; --size goes with --kind bpe")));
    }
    let corpus = Corpus::open_all(&f.texts)?;
    let vocabulary = match f.kind {
        VocabularyKind::Char => Vocabulary::characters(&[corpus.text()?])?,
        VocabularyKind::Byte => Vocabulary::bytes(),
        VocabularyKind::Bpe => Vocabulary::train_bpe(&[corpus.text()?], f.size.unwrap_or(1000))?,
    };
    if let Some(out) = &f.out {
        vocabulary.save(out)?;
    }
    let tokens = vocabulary.encode_bytes(corpus.bytes())?;
    // Characters that are cut by no valid sequence count as one each.
    let text = String::from_utf8_lossy(corpus.bytes());
    let characters = text.chars().count();
    let per_character = tokens.len() as f64 / characters.max(1) as f64;
    let sample: String = text.chars().take(SAMPLE).collect();
    let examples = tokens_of(&vocabulary, &vocabulary.encode_bytes(sample.as_bytes())?);
    if f.json {
        return out::json(&json!({
            "status": "ok",
            "kind": vocabulary.name(),
            "size": vocabulary.len(),
            "characters": characters,
            "tokens": tokens.len(),
            "tokens_per_character": per_character,
            "examples": examples,
            "out": f.out.as_deref().map(out::path),
        }));
    }
    out::line(format!("vocabulary: {}", vocabulary.describe()))?;
    if let (Some(size), VocabularyKind::Bpe) = (f.size, f.kind)
        && vocabulary.len() < size
    {
        out::line(format!("  no pair of tokens is left that occurs twice: fewer than the {size} asked for"))?;
    }
    out::line(format!(
        "{}: {characters} characters, {} tokens, {per_character:.3} per character",
        corpus.name,
        tokens.len()
    ))?;
    list(&vocabulary)?;
    out::line(format!("the text begins: {}", joined(&examples)))?;
    match &f.out {
        Some(path) => out::line(format!("written: {}", path.display())),
        None => out::line("not saved; use --out FILE"),
    }
}

fn show(f: &Tokenizer, path: &Path) -> Result<()> {
    let vocabulary = Vocabulary::load(path)?;
    let encoded = match &f.encode {
        Some(text) => Some((text, vocabulary.encode(text).context(|| format!("--encode {}", shortened(text)))?)),
        None => None,
    };
    if f.json {
        let mut object = json!({ "status": "ok", "kind": vocabulary.name(), "size": vocabulary.len() });
        if let Some((_, ids)) = &encoded {
            object["ids"] = json!(ids);
            object["tokens"] = json!(tokens_of(&vocabulary, ids));
            object["decoded"] = json!(vocabulary.decode(ids));
        }
        return out::json(&object);
    }
    out::line(format!("{}: {}", path.display(), vocabulary.describe()))?;
    let Some((text, ids)) = encoded else { return list(&vocabulary) };
    for (id, token) in ids.iter().zip(tokens_of(&vocabulary, &ids)) {
        out::line(format!("{id:>8}  {token}"))?;
    }
    let characters = text.chars().count();
    out::line(format!("{characters} characters, {} tokens", ids.len()))?;
    if characters <= LOOKED_AT && vocabulary.decode(&ids) != *text {
        out::line(format!("decoded, it is not the same: {:?}", vocabulary.decode(&ids)))?;
    }
    Ok(())
}

/// The last tokens of a vocabulary: the longest of one that was trained.
fn list(vocabulary: &Vocabulary) -> Result<()> {
    let from = vocabulary.len().saturating_sub(SHOWN) as u32;
    let ids: Vec<u32> = (from..vocabulary.len() as u32).collect();
    out::line(format!("tokens {from} to {}: {}", vocabulary.len() - 1, joined(&tokens_of(vocabulary, &ids))))
}

/// Tokens as a terminal can show them.
fn tokens_of(vocabulary: &Vocabulary, ids: &[u32]) -> Vec<String> {
    ids.iter().map(|&id| vocabulary.token(id).unwrap_or_default().escape_debug().to_string()).collect()
}

fn joined(tokens: &[String]) -> String {
    tokens.iter().map(|t| format!("[{t}]")).collect::<Vec<_>>().join(" ")
}

/// The start of a text, for a message.
fn shortened(text: &str) -> String {
    format!("{:?}", terminal::shortened(text, SAMPLE))
}
