//! A corpus that stays in its files, because it takes more memory than a set may.

use super::sets::slow;
use super::token_names::{context, left_out, names};
use crate::data::series::NaiveSets;
use crate::data::text::{LargeCorpus, TokenFile, TokenWindows, streamed::Streamed};
use crate::data::{Dataset, Input, Interface, Normal, Origin, RowGroups, Split, Store, Targets};
use crate::error::{Error, Result};
use crate::train::text::vocabulary_of;
use crate::train::{DataSettings, Parts, Prepared, Settings, Source, refuse_groups};

/// A text to foretell.
pub struct LargeText {
    pub corpus: LargeCorpus,
    pub store: Store,
}

impl Source for LargeText {
    fn name(&self) -> &str {
        &self.corpus.name
    }

    fn rows(&self) -> usize {
        1
    }

    fn is_ordered(&self) -> bool {
        true
    }

    fn groups(&self, s: &DataSettings) -> Result<Option<RowGroups>> {
        Err(refuse_groups(s, &format!("{} is one text", self.corpus.name)))
    }

    fn ordered_folds(&self, _: &Settings) -> Result<Option<Vec<Split>>> {
        Err(Error::usage(format!(
            "folds of {}: a text is one whole; hold out its end with val_split",
            self.corpus.name
        )))
    }

    /// Windows of the text, the last share of it held out.
    fn sets(&self, _: &Parts, s: &Settings) -> Result<Prepared> {
        let corpus = &self.corpus;
        let (text, val_split) = (&s.data.text, s.data.val_split);
        let vocabulary = text.of_large_corpus(corpus, 1.0 - val_split)?;
        let tokens = corpus.tokens(&vocabulary, 0, &self.store)?;
        let windows = TokenWindows::new(context(s), text.stride)?;
        let (train, val) = tokens.split(&windows, &corpus.name, val_split, self.store.bound)?;
        let names = names(&vocabulary);
        let mut notes = vec![corpus.describe()];
        notes.extend(slow(&self.store.passing()));
        notes.push(format!("{} tokens, {}", tokens.tokens, vocabulary.describe()));
        let parts = [("trained on", Some(&train)), ("held out", val.as_ref())];
        let positions = windows.width() - 1;
        notes.extend(parts.iter().filter_map(|(what, part)| left_out(what, positions, (*part)?.left)));
        let train = set(&corpus.name, train, positions, &names);
        let val = val.map(|part| set(&format!("{} (held out)", corpus.name), part, positions, &names));
        let interface =
            Interface { input: Input::Tokens(Box::new(vocabulary)), ..Interface::of(&train, Normal::default()) };
        Ok(Prepared { train, val, test: None, interface, naive: NaiveSets::default(), notes })
    }
}

fn set(name: &str, windows: Streamed, positions: usize, names: &[String]) -> Dataset {
    Dataset {
        name: name.into(),
        shape: vec![positions],
        samples: windows.samples,
        targets: Targets::Sequence { labels: windows.labels, positions, names: names.to_vec() },
        origin: Origin::default(),
    }
}

/// A text to be scored; see [`TokenWindows::scoring`].
pub(super) fn to_score(
    corpus: &LargeCorpus,
    interface: &Interface,
    windows: TokenWindows,
    store: &Store,
) -> Result<Dataset> {
    let tokens: TokenFile = corpus.tokens(vocabulary_of(interface)?, windows.width(), store)?;
    let scoring = tokens.scoring(&windows, &corpus.name, store.bound)?;
    Ok(set(&corpus.name, scoring, windows.width() - 1, &interface.outputs))
}
