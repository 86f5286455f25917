//! Drivers that compile for hardware that is not there: RADV takes the family from its environment, which therefore
//! must be right before the program starts.

use crate::error::{Error, Result};
use crate::profile::compiled::Offline;
use crate::profile::{FORCE, Family, family};

/// RADV's null device of a family. Where the environment is not that family's, the program runs once more in one that
/// is, and ends as that one does.
///
/// Fails with the families known, and where RADV is not installed or does not know the family.
pub fn of_family(name: &str) -> Result<Offline> {
    let family = family(name)?;
    match family.is_forced() {
        true => Offline::of_family(family),
        false => Err(run_again(family)?),
    }
}

/// Runs the program in the family's environment; returns where the driver ends it.
fn run_again(family: &Family) -> Result<Error> {
    let program = std::env::current_exe().map_err(|e| Error::io("finding the program to run it again", e))?;
    let mut command = std::process::Command::new(program);
    command.args(std::env::args_os().skip(1)).env(FORCE, family.name);
    // What was compiled before tells nothing of its compilation.
    command.env("MESA_SHADER_CACHE_DISABLE", "true");
    let status = command.status().map_err(|e| Error::io("running the program again", e))?;
    if let Some(code) = status.code() {
        std::process::exit(code);
    }
    Ok(family.unavailable("the Vulkan driver of this system ended the program"))
}
