//! The flags of texts, as typed.

use super::typed::name;
use crate::error::Result;
use crate::train::{count, set};
use clap::Args;
use toml::{Table, Value};

/// How texts become tokens and samples.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options for texts")]
pub struct TextFlags {
    /// char, byte, bpe, or a file that `wgrad tokenizer` or Hugging Face made.
    #[arg(long, value_name = "NAME|FILE")]
    pub tokenizer: Option<String>,
    /// Tokens of a bpe that is learned from the text.
    #[arg(long, value_name = "N")]
    pub vocabulary_size: Option<usize>,
    /// Tokens that a language model sees at once.
    #[arg(long, value_name = "TOKENS")]
    pub context: Option<usize>,
    /// The column of a table that holds the texts (default: the longest).
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true, value_parser = name())]
    pub text: Option<String>,
    /// Tokens of a text to be classified; longer ones are cut.
    #[arg(long, value_name = "TOKENS")]
    pub max_length: Option<usize>,
}

impl TextFlags {
    /// Writes the flags over a table.
    pub fn apply(&self, table: &mut Table) -> Result<()> {
        let mut put = |key: &str, value: Option<Value>| value.map_or(Ok(()), |v| set(table, &format!("data.{key}"), v));
        put("tokenizer", self.tokenizer.clone().map(Value::from))?;
        put("vocabulary_size", self.vocabulary_size.map(count))?;
        put("context", self.context.map(count))?;
        put("text", self.text.clone().map(Value::from))?;
        put("max_length", self.max_length.map(count))
    }
}
