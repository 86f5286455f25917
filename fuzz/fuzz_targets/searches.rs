//! The folder of a search: its settings and its trials. A line `trials:` lies between the two files.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::nn::Table;
use wgrad::run::search::fuzzing;
use wgrad_fuzz::{Place, begin};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (settings, trials) = text.split_once("trials:\n").unwrap_or((&text, ""));
    PLACE.put("search.toml", settings.as_bytes());
    PLACE.put("trials.jsonl", trials.as_bytes());
    // The same search asks again.
    fuzzing::log(PLACE.path(), settings.parse().unwrap_or_else(|_| Table::new()));
});
