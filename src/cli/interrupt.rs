//! Ctrl-C and SIGTERM: the first asks training to stop at the next step, which
//! writes a checkpoint; a second ends the process at once.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Starts to listen. To be called once, by a command that can stop cleanly, when
/// there is something to save: until then a signal ends the process at once.
pub fn listen() -> Result<()> {
    let heard = || {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("finishing this step; press Ctrl-C again to quit now");
    };
    ctrlc::set_handler(heard).map_err(|e| Error::device(format!("cannot listen for Ctrl-C: {e}")))
}

/// Whether somebody asked to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
