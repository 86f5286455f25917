//! A folder of files for a test that runs the program.

use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// The program with some words behind its name, on the CPU, in a folder.
pub fn program(at: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(words.split_whitespace()).env("WGRAD_DEVICE", "cpu").current_dir(at);
    command
}

/// What the program says in a folder, and how it ends.
pub fn ran(at: &Path, words: &str) -> Output {
    program(at, words).output().expect("the program starts")
}

/// What it said on stderr.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What it says of a command that works.
pub fn works(at: &Path, words: &str) -> String {
    let output = ran(at, words);
    assert!(output.status.success(), "{words}: {}", said(&output));
    said(&output)
}

/// The folder; it goes with the test.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("utf-8").into()
    }

    /// Writes a file, and the folders around it; returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(Path::new(&path).parent().expect("a folder")).expect("made");
        std::fs::write(&path, content).expect("written");
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}
