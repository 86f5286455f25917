//! Tokenizers: vocabularies of their own, and those of Hugging Face.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::data::text::Vocabulary;
use wgrad_fuzz::{Place, begin};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

/// What is encoded by each.
const TEXTS: [&str; 3] = ["the cat sat", "", "Über\u{301} \u{1f600}\n\t 12"];

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let Ok(vocabulary) = Vocabulary::load(&PLACE.put("tokenizer.json", bytes)) else { return };
    let _ = (vocabulary.len(), vocabulary.describe(), vocabulary.beginning());
    for text in TEXTS {
        if let Ok(ids) = vocabulary.encode(text) {
            let _ = (vocabulary.decode(&ids), vocabulary.bytes_behind(&ids, &ids));
        }
        let _ = (vocabulary.unknown_in(text), vocabulary.is_lossless(text), vocabulary.encode_bytes(text.as_bytes()));
    }
    let _ = (vocabulary.token(0), vocabulary.decode(&[0, 1, 7, u32::MAX]));
    let saved = PLACE.path().join("saved.json");
    if vocabulary.save(&saved).is_ok() {
        Vocabulary::load(&saved).expect("what was saved loads");
    }
});
