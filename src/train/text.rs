//! How texts become tokens.

use crate::data::Interface;
use crate::data::text::labelled::TableColumns;
use crate::data::text::{Corpus, LargeCorpus, Vocabulary};
use crate::error::{Error, Result};
use crate::keys::Keys;
use std::path::Path;
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
    pub fn of_corpus(&self, corpus: &Corpus, kept: f64) -> Result<Vocabulary> {
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

    /// [`of_corpus`](TextSettings::of_corpus) of a text that stays in its files.
    pub fn of_large_corpus(&self, corpus: &LargeCorpus, kept: f64) -> Result<Vocabulary> {
        match &self.tokenizer[..] {
            "char" => corpus.characters(),
            "byte" => Ok(Vocabulary::bytes()),
            "bpe" => corpus.train_bpe(kept, self.vocabulary_size),
            file => load(file),
        }
    }

    /// The vocabulary of texts that are to be classified, with tokens for
    /// padding and for what is unknown.
    pub fn of_texts(&self, texts: &[&str]) -> Result<Vocabulary> {
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

/// The vocabulary that a model was trained with.
pub fn vocabulary_of(interface: &Interface) -> Result<&Vocabulary> {
    interface.vocabulary().ok_or_else(|| Error::data("this model was not trained on texts: it has no vocabulary"))
}
