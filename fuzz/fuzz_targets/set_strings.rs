//! What stands behind `--set`, `--init-map` and names of runs to serve.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wgrad::nn::Table;
use wgrad::run::config::put_pairs;
use wgrad::serve::Served;
use wgrad::train::Settings;
use wgrad::train::checkpoint::NameMap;
use wgrad_fuzz::begin;

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let pairs: Vec<String> = text.lines().map(String::from).collect();
    let mut table = Table::new();
    if put_pairs(&mut table, &pairs).is_ok() {
        let _ = Settings::read(table);
    }
    if let Ok(map) = NameMap::parse(text) {
        let _ = map.apply(text);
    }
    let _ = Served::parse(text);
});
