//! `wgrad train` as one of several ranks: who speaks to the user, who keeps a log, and how all end.

use super::interrupt;
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::ranks::World;
use crate::run::observer::{Level, Observer};
use crate::train::Epoch;
use std::path::{Path, PathBuf};

/// Keeps a log in the run's folder in place of a terminal.
pub struct Log {
    rank: usize,
    file: Option<PathBuf>,
    /// Lines of the time before there is a folder.
    lines: Vec<String>,
}

impl Log {
    /// The log of a rank.
    pub fn of(world: &World) -> Log {
        Log { rank: world.rank(), file: None, lines: vec![] }
    }

    fn line(&mut self, text: &str) {
        self.lines.push(text.into());
        self.write();
    }

    /// Writes what is to be written, if that can be done here: the folder may lie on another machine.
    fn write(&mut self) {
        let Some(file) = &self.file else { return };
        let text: String = self.lines.drain(..).map(|line| format!("{line}\n")).collect();
        if let Err(e) = files::append(file, text.as_bytes()) {
            eprintln!("rank {}: no log is kept: {e}", self.rank);
            self.file = None;
        }
    }
}

impl Observer for Log {
    fn say(&mut self, level: Level, text: &str) {
        match level {
            Level::Info => self.line(text),
            Level::Note => self.line(&format!("note: {text}")),
            Level::Warning => self.line(&format!("warning: {text}")),
        }
    }

    fn starting(&mut self) -> Result<()> {
        interrupt::listen()
    }

    fn opened(&mut self, folder: &Path) -> Result<()> {
        self.file = Some(folder.join(format!("rank-{}.log", self.rank)));
        self.write();
        Ok(())
    }

    fn end(&mut self, epoch: &Epoch) {
        self.line(&epoch.to_string());
    }

    fn interrupted(&self) -> bool {
        interrupt::asked()
    }
}

/// Ends a run together: what all ranks have come to is said by the leading one, and what one has come
/// to ends all.
pub fn end(world: World, done: Result<()>) -> Result<()> {
    if !world.has_others() {
        return done;
    }
    match &done {
        Err(e) if !matches!(e.kind(), Kind::Diverged | Kind::Interrupted) => world.fail(&e.to_string()),
        _ => world.barrier()?,
    }
    // The launcher ends the others where one ends with an error.
    if world.leads() { done } else { Ok(()) }
}

/// Refuses a command that several ranks would each do whole.
pub fn refuse(world: &World, command: &str) -> Result<()> {
    match world.has_others() {
        false => Ok(()),
        true => Err(Error::usage(format!(
            "wgrad {command} does not share its work among ranks; start it without mpirun, in one process"
        ))),
    }
}
