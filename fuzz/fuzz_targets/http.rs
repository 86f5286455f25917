//! Whole requests to a server: addresses, headers and bodies.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad_fuzz::{begin, server::Asked};

static SERVER: LazyLock<Asked> = LazyLock::new(Asked::start);

fuzz_target!(init: begin(), |bytes: &[u8]| SERVER.ask(bytes));
