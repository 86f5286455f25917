//! What a person sees of a run: a bar on a terminal, a line per epoch everywhere, notes
//! and warnings; and a page, where that is asked for.

use super::interrupt;
use crate::error::Result;
use crate::run::observer::{Level, Observer, OnReading, Working};
#[cfg(feature = "serve")]
use crate::serve::dashboard::{self, Handle as Page};
use crate::terminal::one_line;
use crate::train::{Epoch, Scores};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Draws on stderr.
pub struct Terminal {
    bar: ProgressBar,
    /// The port of the page with live curves, where that is asked for.
    port: Option<u16>,
    page: Option<Page>,
}

impl Terminal {
    /// Without a page.
    pub fn new() -> Terminal {
        Terminal::with_page(None)
    }

    /// With a page on a port.
    pub fn with_page(port: Option<u16>) -> Terminal {
        Terminal { bar: ProgressBar::hidden(), port, page: None }
    }
}

/// The page, of which this build has none.
#[cfg(not(feature = "serve"))]
enum Page {}

#[cfg(not(feature = "serve"))]
impl Page {
    fn show(&self, _: &Path) {
        match *self {}
    }
}

#[cfg(not(feature = "serve"))]
fn serve(_: &Path, _: u16) -> Result<Page> {
    Err(crate::error::Error::usage("--dashboard: this wgrad was built without the feature \"serve\""))
}

/// Serves the live curves of a run's folder, and says where.
#[cfg(feature = "serve")]
fn serve(folder: &Path, port: u16) -> Result<Page> {
    let page = dashboard::serve(folder.to_path_buf(), port)?;
    if port != 0 && page.port() != port {
        eprintln!("port {port} is busy; the dashboard is on port {}", page.port());
    }
    eprintln!("dashboard: {}", page.url());
    Ok(page)
}

/// The bar of an epoch, in batches of so many samples.
fn bar(batch_size: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template(
        "{prefix} {bar:28} {pos}/{len} batches  {msg}  {per_sec} elapsed {elapsed} left {eta}",
    );
    let samples = move |state: &indicatif::ProgressState, w: &mut dyn std::fmt::Write| {
        // Nothing can be done about a bar that does not print.
        let _ = write!(w, "{:.0} samples/s", state.per_sec() * batch_size as f64);
    };
    bar.set_style(style.expect("the template is valid").with_key("per_sec", samples));
    bar
}

/// The bar of pictures that are read; it goes with whoever counts them.
struct Reading(ProgressBar);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A line that says what takes longer than a second, with the time that it has taken.
struct Busy {
    /// Dropped when the work is done.
    done: Option<mpsc::Sender<()>>,
    line: Option<JoinHandle<()>>,
}

impl Busy {
    fn new(what: &str) -> Busy {
        if !console::user_attended_stderr() {
            return Busy { done: None, line: None };
        }
        let (done, is_done) = mpsc::channel();
        let what = one_line(what).into_owned();
        let line = std::thread::Builder::new().spawn(move || {
            if is_done.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
                let spinner = ProgressBar::new_spinner().with_message(what);
                let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
                spinner.set_style(style.expect("the template is valid"));
                spinner.set_elapsed(Duration::from_secs(1));
                spinner.enable_steady_tick(Duration::from_millis(100));
                // Until the sender is dropped.
                let _ = is_done.recv();
                spinner.finish_and_clear();
            }
        });
        // Where the system starts no thread, the work is done without the line.
        Busy { done: Some(done), line: line.ok() }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(line) = self.line.take() {
            // It does not panic, and if it did there would be nothing to clean up.
            let _ = line.join();
        }
    }
}

impl Observer for Terminal {
    fn say(&mut self, level: Level, text: &str) {
        match level {
            Level::Info => eprintln!("{text}"),
            Level::Note => eprintln!("note: {text}"),
            Level::Warning => eprintln!("warning: {text}"),
        }
    }

    fn reading(&mut self) -> OnReading {
        // indicatif draws nothing where stderr is not a terminal.
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("reading pictures {bar:28} {percent}%  left {eta}");
        bar.set_style(style.expect("the template is valid"));
        let reading = Reading(bar);
        Box::new(move |_, total| {
            reading.0.set_length(total as u64);
            reading.0.inc(1);
        })
    }

    fn working(&mut self, what: &str) -> Working {
        Box::new(Busy::new(what))
    }

    fn starting(&mut self) -> Result<()> {
        interrupt::listen()
    }

    fn opened(&mut self, folder: &Path) -> Result<()> {
        match (&self.page, self.port) {
            (Some(page), _) => page.show(folder),
            (None, Some(port)) => self.page = Some(serve(folder, port)?),
            (None, None) => {}
        }
        Ok(())
    }

    fn begin(&mut self, epoch: usize, epochs: usize, batches: usize, batch_size: usize) {
        self.bar = bar(batch_size);
        self.bar.set_length(batches as u64);
        self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
    }

    fn step(&mut self, batches: usize, scores: Option<Scores>) {
        self.bar.set_position(batches as u64);
        if let Some(s) = scores {
            self.bar.set_message(s.to_string());
        }
    }

    fn end(&mut self, epoch: &Epoch) {
        self.bar.finish_and_clear();
        eprintln!("{epoch}");
    }

    fn passed(&mut self) {
        self.bar.finish_and_clear();
    }

    fn interrupted(&self) -> bool {
        interrupt::asked()
    }
}
