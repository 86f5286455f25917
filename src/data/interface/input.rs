//! What a raw sample is, besides its normalisation: one of four, each with what was
//! learned of the training data.

use crate::data::series::SeriesFitted;
use crate::data::table::Fitted;
use crate::data::text::Vocabulary;
use serde::{Deserialize, Serialize};

/// What a raw sample is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub enum Input {
    /// An image or an array, as it is.
    #[default]
    Samples,
    /// A row of a table, and how it is encoded.
    Row(Box<Fitted>),
    /// A window of a series, and how it is made of rows.
    Window(Box<SeriesFitted>),
    /// Tokens, and what they stand for.
    Tokens(Box<Vocabulary>),
}

/// As files have it: at most one of these.
#[derive(Default, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Parts {
    preprocessing: Option<Box<Fitted>>,
    vocabulary: Option<Box<Vocabulary>>,
    series: Option<Box<SeriesFitted>>,
}

impl TryFrom<Parts> for Input {
    type Error = String;

    fn try_from(parts: Parts) -> Result<Input, String> {
        match (parts.preprocessing, parts.vocabulary, parts.series) {
            (None, None, None) => Ok(Input::Samples),
            (Some(fitted), None, None) => Ok(Input::Row(fitted)),
            (None, Some(vocabulary), None) => Ok(Input::Tokens(vocabulary)),
            (None, None, Some(fitted)) => Ok(Input::Window(fitted)),
            _ => Err("several of preprocessing, vocabulary and series; expected at most one".into()),
        }
    }
}

impl From<Input> for Parts {
    fn from(input: Input) -> Parts {
        match input {
            Input::Samples => Parts::default(),
            Input::Row(fitted) => Parts { preprocessing: Some(fitted), ..Parts::default() },
            Input::Window(fitted) => Parts { series: Some(fitted), ..Parts::default() },
            Input::Tokens(vocabulary) => Parts { vocabulary: Some(vocabulary), ..Parts::default() },
        }
    }
}
