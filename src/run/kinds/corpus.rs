//! A corpus: text without classes, whose tokens a language model predicts.

use super::{Audit, Kind, MOST_BYTES, Opened, ToScore, Trained, Wants, json};
use crate::data::text::{self, Corpus, TokenWindows};
use crate::data::{Interface, Recognised, SourceKind, Task};
use crate::error::{Error, Result};
use crate::run::observer::Observer;
use crate::train::defaults::{CORPUS, Defaults};
use crate::train::text::windows_for;
use crate::train::{Settings, Source};

/// A text, or a folder of texts that are read one after the other.
pub struct CorpusOfText;

impl Kind for CorpusOfText {
    fn name(&self) -> &'static str {
        "a text"
    }

    fn takes(&self, found: SourceKind, _: &Wants) -> bool {
        found == SourceKind::Text
    }

    fn defaults(&self) -> &'static Defaults {
        &CORPUS
    }

    fn open(&self, found: &Recognised, _: &Settings, _: &mut dyn Observer) -> Result<Opened> {
        let corpus = Corpus::open(found.path())?;
        let is_soon = corpus.bytes().len() <= MOST_BYTES;
        let audit = is_soon.then(|| json(&text::audit(&corpus.name, &String::from_utf8_lossy(corpus.bytes()))));
        Ok(Opened { source: Source::Corpus(corpus), audit })
    }

    fn audit(&self, found: &Recognised, _: &Settings, _: &mut dyn Observer) -> Result<Audit> {
        let corpus = Corpus::open(found.path())?;
        let audit = text::audit(&corpus.name, corpus.text()?);
        Ok(Audit::of(&audit, audit.findings()))
    }

    fn is_of(&self, interface: &Interface) -> bool {
        interface.vocabulary.is_some() && interface.task == Task::Language
    }

    fn to_score(&self, found: &Recognised, trained: &Trained) -> Result<ToScore> {
        let source = found.source();
        // Verse with a comma in each line looks like a table; the model knows better.
        let name = source.to_lowercase();
        let may_be_text =
            found.kind() == SourceKind::Table && name.strip_suffix(".gz").unwrap_or(&name).ends_with(".txt");
        if found.kind() != SourceKind::Text && !may_be_text {
            return Err(Error::data(format!(
                "{source} is not text; this language model expects a .txt file, or a folder of them"
            )));
        }
        let length = trained.model.input.first().copied().unwrap_or(1);
        let windows = TokenWindows::new(length, trained.stride)?;
        Ok(ToScore::of(windows_for(&Corpus::open(found.path())?, &trained.about.interface, windows)?, vec![]))
    }
}
