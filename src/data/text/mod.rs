//! Text as numbers: what a language model or a classifier of texts trains on.
//!
//! [`Corpus`] reads files, a [`Vocabulary`] turns text into token ids and back
//! (characters, bytes, or pieces of words), [`TokenWindows`] cuts a stream of
//! tokens into samples of a language model, [`labelled`] reads texts with
//! classes, and [`rows`] brings them to one length. [`audit()`] looks through a
//! text for people. Nothing here knows of models or devices.

pub mod audit;
mod byte_level;
mod corpus;
mod counting;
mod decoder;
mod files;
pub mod labelled;
pub mod large;
mod merges;
mod pieces;
pub mod rows;
mod scoring;
pub mod streamed;
pub mod survey;
mod vocabulary;
mod windows;

pub use audit::{TextAudit, audit};
pub use corpus::Corpus;
pub use decoder::Decoder;
pub(super) use files::{FolderOf, folder_of};
pub use labelled::{LabelledSplits, LabelledTexts, TableColumns};
pub use large::{LargeCorpus, TokenFile};
pub use rows::{EncodedTexts, encode_texts};
pub use scoring::ScoringWindows;
pub use survey::{LabelledAudit, audit_labelled};
pub use vocabulary::{PAD, UNKNOWN, Vocabulary};
pub use windows::{TokenWindows, Windows};
