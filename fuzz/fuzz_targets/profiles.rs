//! Profiles that are compared, and machine code as a driver's compiler prints it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad::profile::{compare, isa};
use wgrad_fuzz::{Place, begin};

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(init: begin(), |bytes: &[u8]| {
    if let Ok(profile) = compare::read(&PLACE.put("profile.json", bytes)) {
        let changes = compare::compare(&profile, &profile);
        let _ = changes.map(|c| (c.text(), c.regressed().len()));
    }
    let _ = isa::read(&String::from_utf8_lossy(bytes));
});
