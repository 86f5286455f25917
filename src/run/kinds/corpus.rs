//! A corpus: text without classes, whose tokens a language model predicts.

use super::large_corpus::{self, LargeText};
use super::sets::store;
use super::token_names::{context, left_out, names};
use super::{Audit, Kind, MOST_BYTES, Means, Opened, ToPredict, ToScore, Trained, Wants, json};
use crate::data::series::NaiveSets;
use crate::data::text::{self, Corpus, ScoringWindows, TokenWindows, Vocabulary, Windows, large};
use crate::data::{
    Dataset, Input, Interface, Normal, Origin, Recognised, RowGroups, Samples, SourceKind, Split, Stored, Targets, Task,
};
use crate::error::{Context, Error, Result};
use crate::files::memory;
use crate::run::observer::Observer;
use crate::train::defaults::{CORPUS, Defaults};
use crate::train::text::vocabulary_of;
use crate::train::{DataSettings, Parts, Prepared, Settings, Source, refuse_groups};
use std::path::Path;
use std::sync::Arc;

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

    fn means(&self) -> Means {
        Means { tokens: true, ..Means::default() }
    }

    fn open(&self, found: &Recognised, s: &Settings, _: &mut dyn Observer) -> Result<Opened> {
        let store = store(s);
        let corpus = match large::open(found.path(), &store)? {
            Stored::Held(corpus) => corpus,
            Stored::Read(corpus) => {
                return Ok(Opened { source: Box::new(LargeText { corpus, store }), audit: None });
            }
        };
        let is_soon = corpus.bytes().len() <= MOST_BYTES;
        let audit = is_soon.then(|| json(&text::audit(&corpus.name, &String::from_utf8_lossy(corpus.bytes()))));
        Ok(Opened { source: Box::new(CorpusSource(corpus)), audit })
    }

    fn audit(&self, found: &Recognised, s: &Settings, _: &mut dyn Observer) -> Result<Audit> {
        let corpus = match large::open(found.path(), &store(s))? {
            Stored::Held(corpus) => corpus,
            Stored::Read(corpus) => {
                let (some, note) = corpus.some()?;
                let mut audit = text::audit(&corpus.name, &some);
                audit.warnings.insert(0, note);
                return Ok(Audit::of(&audit, audit.findings()));
            }
        };
        let audit = text::audit(&corpus.name, corpus.text()?);
        Ok(Audit::of(&audit, audit.findings()))
    }

    fn is_of(&self, interface: &Interface) -> bool {
        interface.vocabulary().is_some() && interface.task == Task::Language
    }

    fn to_predict(&self, _: &Path, _: &Trained) -> Result<ToPredict> {
        Err(Error::usage("this is a language model: generate text with `wgrad generate`"))
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
        let (interface, store) = (&trained.about.interface, store(trained.settings));
        Ok(match large::open(found.path(), &store)? {
            Stored::Held(corpus) => ToScore::of(windows_for(&corpus, interface, windows)?, vec![]),
            Stored::Read(corpus) => {
                let set = large_corpus::to_score(&corpus, interface, windows, &store)?;
                ToScore::of(set, vec![corpus.describe()])
            }
        })
    }
}

/// A text to foretell.
pub struct CorpusSource(pub Corpus);

impl Source for CorpusSource {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn rows(&self) -> usize {
        1
    }

    fn is_ordered(&self) -> bool {
        true
    }

    fn groups(&self, s: &DataSettings) -> Result<Option<RowGroups>> {
        Err(refuse_groups(s, &format!("{} is one text", self.0.name)))
    }

    fn ordered_folds(&self, _: &Settings) -> Result<Option<Vec<Split>>> {
        Err(Error::usage(format!("folds of {}: a text is one whole; hold out its end with val_split", self.0.name)))
    }

    /// Windows of the text, the last share of it held out.
    fn sets(&self, _: &Parts, s: &Settings) -> Result<Prepared> {
        let corpus = &self.0;
        let (text, val_split) = (&s.data.text, s.data.val_split);
        let vocabulary = text.of_corpus(corpus, 1.0 - val_split)?;
        let tokens = tokens_of(corpus, &vocabulary)?;
        let windows = TokenWindows::new(context(s), text.stride)?;
        let (train, val) = windows.split(&corpus.name, &tokens, val_split)?;
        let names = names(&vocabulary);
        let mut notes = vec![format!("{} tokens, {}", tokens.len(), vocabulary.describe())];
        let parts = [("trained on", Some(&train)), ("held out", val.as_ref())];
        notes.extend(
            parts.iter().filter_map(|(what, part)| (*part).and_then(|part| left_out(what, part.width - 1, part.left))),
        );
        let train = windows_of(&corpus.name, &train, &names);
        let val = val.map(|w| windows_of(&format!("{} (held out)", corpus.name), &w, &names));
        let interface =
            Interface { input: Input::Tokens(Box::new(vocabulary)), ..Interface::of(&train, Normal::default()) };
        Ok(Prepared { train, val, test: None, interface, naive: NaiveSets::default(), notes })
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
            labels: rows().flat_map(|r| &r[1..]).copied().collect::<Vec<u32>>().into(),
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
