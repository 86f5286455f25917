//! The `wgrad` program: runs the command line, prints an error's chain, and
//! turns it into an exit code.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Mesa's device-selection layer asks for a display, and complains on stderr
    // where there is none. Devices are chosen here, so it is not needed.
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    // A panic is our mistake, not the user's: one line instead of a backtrace.
    std::panic::set_hook(Box::new(|info| {
        if wgrad::error::is_caught() {
            return;
        }
        say(format_args!("internal error: {info}\nThis is a bug; please report it with the command you ran."));
    }));
    match std::panic::catch_unwind(wgrad::cli::run) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(e)) => {
            say(format_args!("{e}"));
            ExitCode::from(e.exit_code())
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Prints on stderr, if anybody reads it. Messages name files and columns, which
/// may hold what would steer the terminal.
fn say(message: std::fmt::Arguments) {
    let _ = writeln!(std::io::stderr(), "wgrad: {}", wgrad::terminal::printable(&message.to_string()));
}
