//! Whatever a user may throw at the program: broken files, broken settings,
//! broken checkpoints. Each row says what must come of it; none may panic, hang,
//! eat memory, or leave a run's folder behind where nothing was trained.

mod bombs;
mod checkpoints;
mod init;
mod links;
mod make;
mod models;
mod names;
mod pictures;
mod requests;
mod tables;

use libtest_mimic::{Arguments, Failed, Trial};
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The longest that a row may take.
const LONGEST: Duration = Duration::from_secs(20);
/// The most address space that a row may take, in KiB.
const MOST_KIB: usize = 3 << 20;

/// One kind of input.
pub struct Row {
    /// What it is.
    pub name: &'static str,
    /// Makes it in an empty folder, in which the program then runs.
    pub make: fn(&Path),
    /// What `wgrad` is asked; arguments of `train` where the first is a flag or
    /// nothing.
    pub args: &'static [&'static str],
    /// The exit code that it must have.
    pub code: i32,
    /// What the message must contain.
    pub says: &'static [&'static str],
    /// What is looked at afterwards.
    pub then: fn(&Path),
    /// Whether it takes rights that only others than root lack.
    pub rights: bool,
}

/// A row that must be refused with these words, and leave nothing behind.
pub fn refused(
    name: &'static str,
    make: fn(&Path),
    args: &'static [&'static str],
    says: &'static [&'static str],
) -> Row {
    Row { name, make, args, code: 1, says, then: nothing_was_made, rights: false }
}

/// A row that must work, and say so.
pub fn works(name: &'static str, make: fn(&Path), args: &'static [&'static str], says: &'static [&'static str]) -> Row {
    Row { name, make, args, code: 0, says, then: |_| {}, rights: false }
}

impl Row {
    /// A row about rights, which mean nothing to root.
    fn with_rights(self) -> Row {
        Row { rights: true, ..self }
    }

    /// A row with another exit code.
    fn with_code(self, code: i32) -> Row {
        Row { code, ..self }
    }

    /// A row after which something is looked at.
    fn then(self, then: fn(&Path)) -> Row {
        Row { then, ..self }
    }
}

/// No folder of a run.
fn nothing_was_made(at: &Path) {
    for name in ["runs", "out"] {
        assert!(!at.join(name).is_dir(), "{name} was left behind");
    }
}

fn main() {
    let args = Arguments::from_args();
    let rows = [
        tables::rows(),
        pictures::rows(),
        requests::rows(),
        models::rows(),
        checkpoints::rows(),
        init::rows(),
        bombs::rows(),
        links::rows(),
    ];
    let trials = rows.into_iter().flatten().map(|row| {
        let ignored = row.rights && may_do_anything();
        Trial::test(row.name, move || run(&row)).with_ignored_flag(ignored)
    });
    let mut trials: Vec<Trial> = trials.collect();
    trials.extend(names::trials());
    if cfg!(unix) {
        trials.push(Trial::test("nobody_reads_what_it_says", nobody_reads_what_it_says));
    }
    libtest_mimic::run(&args, trials).exit();
}

/// Whether rights mean nothing here, as for root.
fn may_do_anything() -> bool {
    let file = tempfile::NamedTempFile::new().expect("a file");
    make::rights(file.path(), 0);
    File::open(file.path()).is_ok()
}

fn run(row: &Row) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    (row.make)(folder.path());
    let (code, said, time) = wgrad(folder.path(), row.args);
    let shown = if said.len() > 4000 { format!("{} bytes", said.len()) } else { said.clone() };
    let fail = |what: String| -> Result<(), Failed> { Err(format!("{what}; it said:\n{shown}").into()) };
    if time > LONGEST {
        return fail(format!("it took {time:?}"));
    }
    if said.contains("internal error") || said.contains("panicked") || said.contains("memory allocation") {
        return fail("it broke".into());
    }
    if code != Some(row.code) {
        return fail(format!("exit code {code:?}; expected {}", row.code));
    }
    if said.len() > 20_000 {
        return fail("more was said than anybody reads".into());
    }
    for word in row.says {
        if !said.contains(word) {
            return fail(format!("{word:?} is missing"));
        }
    }
    (row.then)(folder.path());
    Ok(())
}

/// A training goes on when the reader of its messages has gone away, as in
/// `wgrad train 2>&1 | head -1`.
fn nobody_reads_what_it_says() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    make::good_table(folder.path());
    let mut command = bounded(env!("CARGO_BIN_EXE_wgrad"));
    command.args(["train", "--device", "cpu", "--data", "t.csv", "--epochs", "2", "--out", "out"]);
    let mut child = command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    drop(child.stderr.take());
    let status = child.wait()?;
    assert!(status.success(), "it ended with {status}");
    assert!(folder.path().join("out/checkpoints/last/model.safetensors").is_file());
    Ok(())
}

/// Runs the program in a folder, with bounds: its exit code, all that it said,
/// and how long it took.
pub fn wgrad(at: &Path, args: &[&str]) -> (Option<i32>, String, Duration) {
    let mut words = vec![];
    if args.first().is_none_or(|a| a.starts_with('-') || a.ends_with(".toml")) {
        words.extend(["train", "--device", "cpu"]);
        if !args.contains(&"--epochs") && !args.contains(&"run.toml") {
            words.extend(["--epochs", "1"]);
        }
    }
    words.extend(args);
    ask(at, words)
}

/// [`wgrad`] with all words as they are, UTF-8 or not.
pub fn ask<W: AsRef<OsStr>>(at: &Path, words: impl IntoIterator<Item = W>) -> (Option<i32>, String, Duration) {
    let said = tempfile::NamedTempFile::new().expect("a file");
    let open = || File::options().append(true).open(said.path()).expect("a file");
    let begun = Instant::now();
    let mut child = bounded(env!("CARGO_BIN_EXE_wgrad"))
        .args(words)
        .current_dir(at)
        .env_remove("WGRAD_DEVICE")
        .stdin(Stdio::null())
        .stdout(open())
        .stderr(open())
        .spawn()
        .expect("the program starts");
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break Some(status);
        }
        if begun.elapsed() > LONGEST + Duration::from_secs(1) {
            child.kill().and_then(|()| child.wait()).expect("a child");
            break None;
        }
        std::thread::sleep(Duration::from_millis(3));
    };
    let time = begun.elapsed();
    let said = std::fs::read(said.path()).expect("what it said");
    (status.and_then(|s| s.code()), String::from_utf8_lossy(&said).into_owned(), time)
}

/// A command with a bound on its address space, where the system has such.
fn bounded(program: &str) -> Command {
    if cfg!(target_os = "linux") {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -v {MOST_KIB}; exec \"$0\" \"$@\""), program]);
        return command;
    }
    Command::new(program)
}
