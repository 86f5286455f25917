//! The one error type.
//!
//! A message names the thing, the value found, the value expected and what to
//! do next. Errors nest: `context` puts the larger operation in front, so a
//! chain reads from what the user asked for down to what went wrong.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What kind of mistake an [`Error`] reports; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The command line or an argument is malformed (exit code 2).
    Usage,
    /// Shapes, types or a model description do not fit together.
    Model,
    /// Data on disk is missing, truncated or contradictory.
    Data,
    /// A device is missing, lost, or too small for the work.
    Device,
    /// Reading or writing a file failed.
    Io,
    /// Training came to numbers that are not finite.
    Diverged,
    /// Training was interrupted by a signal (exit code 130).
    Interrupted,
}

/// What makes everything on a device unreliable or unreachable. Opened anew, it may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The driver or a watchdog took it away, or it was destroyed.
    Lost,
    /// It has no memory left.
    OutOfMemory,
    /// Its driver refused to make a pipeline, or failed within.
    Refused,
    /// It did not answer for as long as was waited.
    Unresponsive,
}

/// An error with a kind, a message and, often, the error that caused it.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    message: String,
    cause: Option<Error>,
    fault: Option<Fault>,
}

/// `Result` with wgrad's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    #[cold]
    fn new(kind: Kind, message: impl fmt::Display) -> Error {
        Error(Box::new(Inner { kind, message: message.to_string(), cause: None, fault: None }))
    }

    /// A malformed command line or argument.
    pub fn usage(message: impl fmt::Display) -> Error {
        Error::new(Kind::Usage, message)
    }

    /// Shapes, types or descriptions that do not fit together.
    pub fn model(message: impl fmt::Display) -> Error {
        Error::new(Kind::Model, message)
    }

    /// Missing, truncated or contradictory data.
    pub fn data(message: impl fmt::Display) -> Error {
        Error::new(Kind::Data, message)
    }

    /// A device that is missing, lost, or too small.
    pub fn device(message: impl fmt::Display) -> Error {
        Error::new(Kind::Device, message)
    }

    /// A device on which nothing can be relied on any more: of the same kind.
    pub fn fault(fault: Fault, message: impl fmt::Display) -> Error {
        let mut error = Error::device(message);
        error.0.fault = Some(fault);
        error
    }

    /// A failed file operation; `message` names the file.
    pub fn io(message: impl fmt::Display, cause: std::io::Error) -> Error {
        Error::new(Kind::Io, format!("{message}: {cause}"))
    }

    /// A training whose numbers are not finite any more.
    pub fn diverged(message: impl fmt::Display) -> Error {
        Error::new(Kind::Diverged, message)
    }

    /// Training stopped by a signal.
    pub fn interrupted(message: impl fmt::Display) -> Error {
        Error::new(Kind::Interrupted, message)
    }

    /// Puts the larger operation in front of this error.
    pub fn context(self, message: impl fmt::Display) -> Error {
        let (kind, fault) = (self.kind(), self.0.fault);
        Error(Box::new(Inner { kind, message: message.to_string(), cause: Some(self), fault }))
    }

    /// What has made a device unreliable, if that is what this reports.
    pub fn fault_of_device(&self) -> Option<Fault> {
        self.0.fault
    }

    /// What kind of mistake this is (that of the innermost cause).
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The process exit code that fits this error.
    pub fn exit_code(&self) -> u8 {
        match self.kind() {
            Kind::Usage => 2,
            Kind::Interrupted => 130,
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Adds [`Error::context`] to results.
pub trait Context<T> {
    /// Puts `message()` in front of the error, if there is one.
    fn context<D: fmt::Display>(self, message: impl FnOnce() -> D) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context<D: fmt::Display>(self, message: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|e| e.context(message()))
    }
}

/// The candidate nearest to `word`, for "did you mean" hints.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&word.to_lowercase(), &c.to_lowercase()), c))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score > 0.6)
        .map(|(_, c)| c)
}

/// `unknown WHAT "word"`, with the nearest valid name and all of them.
pub fn unknown<'a>(what: &str, word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Error {
    let hint = match nearest(word, candidates.clone()) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => String::new(),
    };
    let all: Vec<&str> = candidates.into_iter().collect();
    Error::model(format!("unknown {what} \"{word}\"{hint} Valid: {}", all.join(", ")).replace("\" Valid", "\". Valid"))
}

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs code of another library that may panic on what stands in a file; `None` where it
/// does.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    let before = CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run)).ok();
    CAUGHT.set(before);
    result
}

/// Whether a panic of this thread is about to be caught and made an error, so that nobody
/// needs to be told of it.
pub fn is_caught() -> bool {
    CAUGHT.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_reads_from_the_request_to_the_cause() {
        let e = Error::data("label file holds 9 labels, image file 10").context("reading data/mnist");
        assert_eq!(e.to_string(), "reading data/mnist: label file holds 9 labels, image file 10");
        assert_eq!(e.kind(), Kind::Data);
    }

    #[test]
    fn a_panic_of_others_is_caught() {
        assert_eq!(caught(is_caught), Some(true));
        assert_eq!(caught(|| assert!(!is_caught(), "a panic")), None);
        assert!(!is_caught());
    }

    #[test]
    fn a_typo_gets_the_nearest_name() {
        let e = unknown("model", "keras_cn", ["mlp", "keras-cnn", "lenet"]);
        assert_eq!(
            e.to_string(),
            "unknown model \"keras_cn\"; did you mean \"keras-cnn\"? Valid: mlp, keras-cnn, lenet"
        );
        let e = unknown("model", "zzz", ["mlp"]);
        assert_eq!(e.to_string(), "unknown model \"zzz\". Valid: mlp");
    }
}
