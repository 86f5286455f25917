//! Configurations in TOML: settings of a training and of a search.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wgrad::keys;
use wgrad::run::search::SearchSettings;
use wgrad::train::Settings;
use wgrad_fuzz::begin;

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(mut table) = keys::parse(text) else { return };
    if table.contains_key("search")
        && let Ok(search) = SearchSettings::take(&mut table, "fuzz")
    {
        let _ = (search.to_table(), search.space.draw(1, 2));
    }
    let Ok(settings) = Settings::read(table) else { return };
    let printed = toml::to_string(&settings.to_table()).expect("settings print");
    Settings::read(printed.parse().expect("TOML")).expect("what was printed reads");
});
