//! Texts to train on: which tokens they are cut into, and the sets of a
//! language model or of a classifier of texts.

use super::prepare::Prepared;
use super::settings::Settings;
use crate::data::series::NaiveSets;
use crate::data::text::labelled::TableColumns;
use crate::data::text::{
    Corpus, EncodedTexts, LabelledTexts, ScoringWindows, TokenWindows, Vocabulary, Windows, encode_texts,
};
use crate::data::{Dataset, Input, Interface, Normal, Origin, Samples, Targets};
use crate::error::{Context, Error, Result};
use crate::files::memory;
use crate::keys::Keys;
use std::path::Path;
use std::sync::Arc;
use toml::{Table, Value};

/// How texts become samples; of `[data]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSettings {
    /// `char`, `byte`, `bpe`, or a file that `wgrad tokenizer` or Hugging Face
    /// made.
    pub tokenizer: String,
    /// Tokens of a `bpe` vocabulary that is learned from the text.
    pub vocabulary_size: usize,
    /// Tokens that a language model sees at once; `None` for the model's own
    /// input, or 64.
    pub context: Option<usize>,
    /// Tokens between the starts of two samples; `None` for the context.
    pub stride: Option<usize>,
    /// The column of a table that holds the texts; `None` for the longest.
    pub text: Option<String>,
    /// Tokens of a text to be classified; longer ones are cut. `None` for what
    /// 95 % of them do not exceed.
    pub max_length: Option<usize>,
}

impl TextSettings {
    /// Reads its keys of `[data]`.
    pub fn read(keys: &mut Keys) -> Result<TextSettings> {
        let tokenizer = keys.text("tokenizer")?.unwrap_or_else(|| "char".into());
        let vocabulary_size = keys.count("vocabulary_size", 1, Some(1000))?;
        let text = keys.text("text")?.filter(|t| !t.is_empty());
        let mut optional = |key| keys.count(key, 0, Some(0)).map(|n| (n > 0).then_some(n));
        let (context, stride, max_length) = (optional("context")?, optional("stride")?, optional("max_length")?);
        Ok(TextSettings { tokenizer, vocabulary_size, context, stride, text, max_length })
    }

    /// As TOML: 0 and an empty text stand for what is found out.
    pub fn to_table(&self) -> Table {
        let optional = |n: Option<usize>| Value::Integer(n.unwrap_or(0) as i64);
        let own: [(&str, Value); 6] = [
            ("tokenizer", self.tokenizer.clone().into()),
            ("vocabulary_size", (self.vocabulary_size as i64).into()),
            ("context", optional(self.context)),
            ("stride", optional(self.stride)),
            ("text", self.text.clone().unwrap_or_default().into()),
            ("max_length", optional(self.max_length)),
        ];
        Table::from_iter(own.map(|(k, v)| (k.to_string(), v)))
    }

    /// The columns of a table of texts.
    pub fn columns<'a>(&'a self, target: &'a [String]) -> Result<TableColumns<'a>> {
        match target {
            [] => Ok(TableColumns { text: self.text.as_deref(), target: None }),
            [one] if one == "last" => Ok(TableColumns { text: self.text.as_deref(), target: None }),
            [one] => Ok(TableColumns { text: self.text.as_deref(), target: Some(one) }),
            more => Err(Error::usage(format!("target {}: a text has one class; name one column", more.join(", ")))),
        }
    }

    /// The vocabulary that a language model of `corpus` uses. Pieces of words
    /// are learned from the part that is trained on, which decides their cost;
    /// characters are those of the whole text.
    fn of_corpus(&self, corpus: &Corpus, kept: f64) -> Result<Vocabulary> {
        match &self.tokenizer[..] {
            "char" => Vocabulary::characters(&[corpus.text()?]),
            "byte" => Ok(Vocabulary::bytes()),
            "bpe" => {
                let text = corpus.text()?;
                let end = (text.len() as f64 * kept) as usize;
                let end = (0..=end.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
                Vocabulary::train_bpe(&[&text[..end]], self.vocabulary_size)
            }
            file => load(file),
        }
    }

    /// The vocabulary of texts that are to be classified, with tokens for
    /// padding and for what is unknown.
    fn of_texts(&self, texts: &[&str]) -> Result<Vocabulary> {
        let vocabulary = match &self.tokenizer[..] {
            "char" => Vocabulary::characters(texts)?,
            "byte" => Vocabulary::bytes(),
            "bpe" => Vocabulary::train_bpe(texts, self.vocabulary_size)?,
            file => load(file)?,
        };
        Ok(vocabulary.padded())
    }
}

fn load(file: &str) -> Result<Vocabulary> {
    if !Path::new(file).exists() {
        return Err(Error::usage(format!(
            "tokenizer \"{file}\": expected char, byte, bpe, or a file that `wgrad tokenizer` made; there is no such file"
        )));
    }
    Vocabulary::load(Path::new(file))
}

/// What a language model of `tokens` tokens sees at once.
fn context(s: &Settings) -> usize {
    match (s.data.text.context, s.model.input.as_deref()) {
        (Some(n), _) => n,
        (None, Some([own])) => *own,
        (None, _) => 64,
    }
}

/// The sets of a language model: windows of the text, the last share of it
/// held out.
pub(super) fn language(corpus: &Corpus, s: &Settings) -> Result<Prepared> {
    let (text, val_split) = (&s.data.text, s.data.val_split);
    let vocabulary = text.of_corpus(corpus, 1.0 - val_split)?;
    let tokens = tokens_of(corpus, &vocabulary)?;
    let windows = TokenWindows::new(context(s), text.stride)?;
    let (train, val) = windows.split(&corpus.name, &tokens, val_split)?;
    let names = names(&vocabulary);
    let mut notes = vec![format!("{} tokens, {}", tokens.len(), vocabulary.describe())];
    let parts = [("trained on", Some(&train)), ("held out", val.as_ref())];
    notes.extend(parts.iter().filter_map(|(what, part)| left_out(what, (*part)?)));
    let train = windows_of(&corpus.name, &train, &names);
    let val = val.map(|w| windows_of(&format!("{} (held out)", corpus.name), &w, &names));
    let interface =
        Interface { input: Input::Tokens(Box::new(vocabulary)), ..Interface::of(&train, Normal::default()) };
    Ok(Prepared { train, val, test: None, interface, naive: NaiveSets::default(), notes })
}

/// What is said of the end of a part of the text that fills no window.
fn left_out(what: &str, part: &Windows) -> Option<String> {
    let context = part.width - 1;
    match part.left {
        0 => None,
        1 => Some(format!("the last token of the part {what} fills no window of {context} and is left out")),
        n => Some(format!("the last {n} tokens of the part {what} fill no window of {context} and are left out")),
    }
}

/// Windows of `T + 1` tokens as samples of `T` and, for each, what follows.
fn windows_of(name: &str, windows: &Windows, names: &[String]) -> Dataset {
    let positions = windows.width - 1;
    let rows = || windows.rows.chunks(windows.width);
    Dataset {
        name: name.into(),
        shape: vec![positions],
        samples: Samples::Tokens(Arc::new(rows().flat_map(|r| &r[..positions]).copied().collect())),
        targets: Targets::Sequence {
            labels: Arc::new(rows().flat_map(|r| &r[1..]).copied().collect()),
            positions,
            names: names.to_vec(),
        },
        origin: Origin::default(),
    }
}

/// The tokens of a text, if memory has room for them.
fn tokens_of(corpus: &Corpus, vocabulary: &Vocabulary) -> Result<Vec<u32>> {
    // A token for each byte at most; pieces are of some bytes each.
    let each = if vocabulary.name() == "bpe" { 1 } else { 4 };
    memory::judge_named(&corpus.name, each * corpus.bytes().len() as u64, memory::budget()).context(|| "as tokens")?;
    vocabulary.encode_bytes(corpus.bytes()).context(|| corpus.name.clone())
}

/// A text to be scored, as samples of a model that was trained with this
/// interface; see [`TokenWindows::scoring`].
pub fn windows_for(corpus: &Corpus, interface: &Interface, windows: TokenWindows) -> Result<Dataset> {
    let tokens = tokens_of(corpus, vocabulary_of(interface)?)?;
    let ScoringWindows { inputs, labels, .. } = windows.scoring(&corpus.name, &tokens)?;
    let positions = windows.width() - 1;
    Ok(Dataset {
        name: corpus.name.clone(),
        shape: vec![positions],
        samples: Samples::Tokens(inputs.into()),
        targets: Targets::Sequence { labels: labels.into(), positions, names: interface.outputs.clone() },
        origin: Origin::default(),
    })
}

/// The vocabulary that a model was trained with.
pub fn vocabulary_of(interface: &Interface) -> Result<&Vocabulary> {
    interface.vocabulary().ok_or_else(|| Error::data("this model was not trained on texts: it has no vocabulary"))
}

fn names(vocabulary: &Vocabulary) -> Vec<String> {
    (0..vocabulary.len() as u32).map(|id| vocabulary.token(id).unwrap_or_else(|| format!("<{id}>"))).collect()
}

/// The sets of a classifier of texts: vocabulary and length are learned on the
/// training texts.
pub(super) fn labelled(
    train: &LabelledTexts,
    others: [Option<&LabelledTexts>; 2],
    kept: &[usize],
    held: [Option<&[usize]>; 2],
    s: &Settings,
) -> Result<Prepared> {
    let pick = |rows: &[usize]| rows.iter().map(|&i| train.texts[i].as_str()).collect::<Vec<_>>();
    let labels = |rows: &[usize]| rows.iter().map(|&i| train.labels[i]).collect::<Vec<_>>();
    let vocabulary = s.data.text.of_texts(&pick(kept))?;
    let own = s.model.input.as_deref().and_then(|shape| <[usize; 1]>::try_from(shape).ok()).map(|[n]| n);
    let encoded = encode_texts(&vocabulary, &pick(kept), s.data.text.max_length.or(own))?;
    let length = encoded.max_len;
    let mut notes = train.notes.clone();
    notes.push(format!("{}, {length} tokens a text", vocabulary.describe()));
    notes.extend(encoded.notes());
    let origin = |rows: &[usize]| train.origin.select(&train.name, rows);
    let learned = rows_of(&train.name, encoded, labels(kept), &train.classes, origin(kept));
    let set = |name: String, texts: &[&str], labels: Vec<u32>, origin: Origin| -> Result<Dataset> {
        Ok(rows_of(&name, encode_texts(&vocabulary, texts, Some(length))?, labels, &train.classes, origin))
    };
    let mut parts = [None, None];
    for (i, what) in ["held out", "test"].into_iter().enumerate() {
        parts[i] = match (held[i].filter(|rows| !rows.is_empty()), others[i]) {
            (Some(rows), _) => {
                let name = format!("{} ({what})", train.name);
                Some(set(name, &pick(rows), labels(rows), origin(rows))?)
            }
            (None, Some(t)) => {
                let texts: Vec<&str> = t.texts.iter().map(String::as_str).collect();
                Some(set(t.name.clone(), &texts, t.labels.clone(), t.origin.clone())?)
            }
            (None, None) => None,
        };
    }
    let [val, test] = parts;
    let interface =
        Interface { input: Input::Tokens(Box::new(vocabulary)), ..Interface::of(&learned, Normal::default()) };
    Ok(Prepared { train: learned, val, test, interface, naive: NaiveSets::default(), notes })
}

fn rows_of(name: &str, encoded: EncodedTexts, labels: Vec<u32>, classes: &[String], origin: Origin) -> Dataset {
    Dataset {
        name: name.into(),
        shape: vec![encoded.max_len],
        samples: Samples::Tokens(encoded.rows.into()),
        targets: Targets::Classes { labels, names: classes.to_vec() },
        origin,
    }
}

/// Texts as samples of a model that was trained with this interface, with what
/// there is to say about them.
pub fn texts_for(
    name: &str,
    texts: &[String],
    labels: Vec<u32>,
    interface: &Interface,
    length: usize,
) -> Result<(Dataset, Vec<String>)> {
    let encoded = encode_texts(vocabulary_of(interface)?, texts, Some(length))?;
    let notes = encoded.notes();
    Ok((rows_of(name, encoded, labels, &interface.outputs, Origin::default()), notes))
}
