//! `wgrad watch`: the curves of a run in the terminal, drawn anew every second
//! in the same place. Elsewhere a line per epoch, and where epochs are long one
//! every ten seconds.

use super::{flags, out};
use crate::error::{Error, Result};
use crate::eval::history::{self, History, curve_names, training, validation};
use crate::eval::metrics::known;
use crate::eval::plot::{Lines, duration, number, percent, terminal_chart};
use crate::eval::{EpochRecord, Live, RunInfo};
use crate::terminal::{one_line, shortened};
use console::Term;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How long nothing is printed where there is no terminal.
const SILENT: Duration = Duration::from_secs(10);
/// Seconds without a step after which that is said.
const QUIET: f64 = 30.0;

pub fn run(f: &flags::Watch) -> Result<()> {
    if !f.run.is_dir() {
        let folder = f.run.display();
        return Err(Error::data(format!("{folder} is not a folder; expected the one that `wgrad train` writes")));
    }
    let term = Term::buffered_stdout();
    if f.once {
        let size = if term.is_term() { term.size() } else { (24, 80) };
        let color = term.is_term() && console::colors_enabled();
        return out::drawn(&Seen::of(&f.run)?.frame(size, color));
    }
    if term.is_term() { in_place(&f.run, &term) } else { line_by_line(&f.run) }
}

/// What the files of a run say.
#[derive(Default)]
struct Seen {
    folder: PathBuf,
    history: History,
    info: RunInfo,
    live: Option<Live>,
}

impl Seen {
    fn of(folder: &Path) -> Result<Seen> {
        // In this order: what has ended is not live, and its history is whole.
        let info = RunInfo::read(folder)?.unwrap_or_default();
        let live = Live::read(folder).filter(|_| info.stopped.is_none());
        let mut history = history::read(folder)?;
        let next = live.as_ref().and_then(|l| l.point.clone());
        let last = history.points.last().map_or(0, |p| p.step);
        history.points.extend(next.filter(|p| p.step > last));
        Ok(Seen { folder: folder.to_path_buf(), history, info, live })
    }

    fn has_ended(&self) -> bool {
        self.info.stopped.is_some()
    }

    /// The epoch, of so many.
    fn epoch(&self, n: usize) -> String {
        if self.info.epochs > 0 { format!("epoch {n} of {}", self.info.epochs) } else { format!("epoch {n}") }
    }

    /// Where the run stands, while it goes on.
    fn progress(&self) -> Vec<String> {
        let Some(live) = &self.live else { return vec![] };
        let mut parts = vec![];
        if self.info.steps > 0 {
            let share = live.step as f64 / self.info.steps as f64;
            let (step, steps) = (number(live.step as f64), number(self.info.steps as f64));
            parts.push(format!("step {step} of {steps} ({:.0} %)", 100.0 * share));
        }
        let quiet = live.age() > QUIET;
        parts.extend(live.seconds_left.filter(|_| !quiet).map(|s| format!("about {} left", duration(s))));
        if quiet {
            parts.push(format!("no step for {}: scoring, or killed", duration(live.age())));
        }
        parts
    }

    /// How the run ended: why, key figures, where the report is.
    fn end(&self) -> Vec<String> {
        let figure = |f: &crate::eval::run::KeyFigure| {
            let value = f.value.map_or("–".into(), |v| if f.share { percent(v) } else { number(v) });
            format!("{} {value}", f.name)
        };
        let figures: Vec<String> = self.info.figures.iter().map(figure).collect();
        let report = self.folder.join("report.html");
        let best = self.info.best_epoch.filter(|_| self.history.epochs.len() > 1);
        let parts = [
            self.info.stopped.clone(),
            (!figures.is_empty()).then(|| figures.join("  ")),
            best.map(|e| format!("best epoch: {e}")),
            report.is_file().then(|| format!("report: {}", report.display())),
        ];
        parts.into_iter().flatten().map(|text| plain(&text)).collect()
    }

    /// What a terminal of this size (rows, columns) shows.
    fn frame(&self, size: (u16, u16), color: bool) -> Vec<String> {
        let (rows, columns) = (usize::from(size.0).max(8), usize::from(size.1).max(20));
        let width = columns.min(120) - 1;
        let (epochs, points) = (&self.history.epochs, &self.history.points);
        let mut state = vec![self.folder.display().to_string()];
        state.push(self.info.stopped.clone().unwrap_or_else(|| "running".into()));
        let last = epochs.last();
        let epoch = self.live.as_ref().map(|l| l.epoch).or(last.map(|e| e.epoch));
        state.extend(epoch.map(|n| self.epoch(n)));
        state.extend(self.progress());
        state.extend(last.map(|e| format!("{:.1} s each", e.seconds)));
        let latest = points.last().map(|p| (p.lr, p.grad_norm)).or(last.map(|e| (e.lr, e.grad_norm)));
        for (name, v) in latest.into_iter().flat_map(|(lr, norm)| [("lr", lr), ("grad norm", norm)]) {
            state.extend(v.map(|v| format!("{name} {}", number(v))));
        }
        let mut end = if self.has_ended() { self.end().split_off(1) } else { vec![] };
        end.truncate(rows.saturating_sub(6));
        let mut names = curve_names(epochs, points);
        if names.is_empty() {
            names.push("loss".into());
        }
        // One chart, or two where there is room for both.
        names.truncate(if rows >= 20 { 2 } else { 1 });
        let height = ((rows - 2 - end.len()) / names.len()).clamp(4, 16);
        let cut = |line: &str| shortened(&plain(line), width).into_owned();
        let mut lines = vec![cut(&state.join("  "))];
        for name in &names {
            let train = Lines { name: "training".into(), points: training(epochs, points, name) };
            let val = Lines { name: "validation".into(), points: validation(epochs, name) };
            let curves: Vec<Lines> = [train, val].into_iter().filter(|c| !c.points.is_empty()).collect();
            let class = self.info.positive_class.as_ref().filter(|_| known::is_of_positive(name));
            let title = class.map_or(name.clone(), |class| format!("{name} of {class}"));
            lines.extend(terminal_chart(&plain(&title), &curves, width, height, color));
        }
        lines.extend(end.iter().map(|line| cut(line)));
        lines
    }
}

fn in_place(folder: &Path, term: &Term) -> Result<()> {
    let mut drawn = 0;
    loop {
        let seen = Seen::of(folder)?;
        let lines = seen.frame(term.size(), console::colors_enabled());
        let draw = || -> std::io::Result<()> {
            // A smaller window shows the end; the cursor cannot go above its top.
            term.move_cursor_up(drawn)?;
            for line in &lines {
                term.clear_line()?;
                term.write_line(line)?;
            }
            term.clear_to_end_of_screen()?;
            term.flush()
        };
        draw().map_err(|e| Error::io("writing to the terminal", e))?;
        drawn = lines.len();
        if seen.has_ended() {
            return Ok(());
        }
        std::thread::sleep(EVERY);
    }
}

fn line_by_line(folder: &Path) -> Result<()> {
    let mut printed = 0;
    let mut last = (Instant::now(), 0);
    loop {
        let seen = Seen::of(folder)?;
        for e in seen.history.epochs.iter().filter(|e| e.epoch > printed) {
            out::line(sentence(&seen.epoch(e.epoch), e))?;
            last.0 = Instant::now();
        }
        printed = seen.history.epochs.last().map_or(printed, |e| e.epoch.max(printed));
        if seen.has_ended() {
            return seen.end().iter().try_for_each(out::line);
        }
        let step = seen.live.as_ref().map_or(0, |l| l.step);
        if last.0.elapsed() >= SILENT && step != last.1 {
            let loss = seen.history.points.last().and_then(|p| p.loss).map(|l| format!("loss {}", number(l)));
            out::line(seen.progress().into_iter().chain(loss).collect::<Vec<_>>().join("  "))?;
            last = (Instant::now(), step);
        }
        std::thread::sleep(EVERY);
    }
}

/// An epoch in a line of text.
fn sentence(epoch: &str, e: &EpochRecord) -> String {
    let mut parts = vec![epoch.to_string()];
    for (split, scores) in [("", Some(&e.train)), ("val_", e.val.as_ref())] {
        let Some(scores) = scores else { continue };
        parts.extend(scores.names().map(|n| format!("{split}{n} {}", number(scores.get(n).unwrap_or(f64::NAN)))));
    }
    let rest = [("lr", e.lr), ("grad_norm", e.grad_norm)];
    parts.extend(rest.iter().filter_map(|(n, v)| v.map(|v| format!("{n} {}", number(v)))));
    plain(&parts.join("  "))
}

/// Without what would move a terminal's cursor.
fn plain(text: &str) -> String {
    one_line(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::run::KeyFigure;
    use crate::eval::{EpochScores, Point};

    #[test]
    fn a_frame_fits_its_terminal() {
        let record = |epoch| EpochRecord {
            epoch,
            train: EpochScores::new(1.0 / epoch as f64).with("accuracy", 0.5).with("\u{1b}[2Jx", 1.0),
            val: Some(EpochScores::new(2.0 / epoch as f64)),
            lr: Some(0.001),
            ..EpochRecord::default()
        };
        let figure = KeyFigure { name: "F1\u{1b}[2J".into(), value: Some(0.5), share: true };
        let ended = RunInfo { stopped: Some("finished".into()), figures: vec![figure], ..RunInfo::default() };
        let epochs: Vec<EpochRecord> = (1..40).map(record).collect();
        for (size, charts) in [((24, 80), 2), ((10, 40), 1), ((1, 1), 0), ((500, 999), 2)] {
            for info in [RunInfo::default(), ended.clone()] {
                let has_ended = info.stopped.is_some();
                let history = History { epochs: epochs.clone(), ..History::default() };
                let seen = Seen { folder: "a\u{7}b".into(), history, info, live: None };
                let lines = seen.frame(size, false);
                assert!(lines.len() <= usize::from(size.0).max(8), "{} lines for {size:?}", lines.len());
                assert!(lines.iter().all(|l| l.chars().count() < usize::from(size.1).max(22)), "{lines:?}");
                assert!(!lines.concat().contains(|c: char| c.is_control()));
                assert_eq!(lines.concat().contains("50.0 %"), has_ended, "{lines:?}");
                // A legend that does not fit is left out.
                assert_eq!(lines.iter().filter(|l| l.contains("● training")).count(), charts, "{lines:?}");
            }
        }
        let said = sentence("epoch 1", &epochs[0]);
        assert!(!said.contains('\u{1b}') && said.contains("val_loss 2"), "{said}");
    }

    #[test]
    fn the_curve_is_there_before_the_first_epoch_ends() {
        let dir = tempfile::tempdir().unwrap();
        let point = |step: u64| Point { step, epoch: step as f64 / 100.0, loss: Some(2.0), ..Point::default() };
        [1, 2, 4].iter().for_each(|&step| point(step).append(dir.path()).unwrap());
        let info = RunInfo { epochs: 10, steps: 1000, steps_per_epoch: 100, ..RunInfo::default() };
        info.write(dir.path()).unwrap();
        let (point, seconds_left) = (Some(point(6)), Some(200.0));
        Live { epoch: 1, step: 6, point, seconds_left, ..Live::default() }.write(dir.path()).unwrap();
        let seen = Seen::of(dir.path()).unwrap();
        let lines = seen.frame((24, 200), false);
        for part in ["running", "epoch 1 of 10", "step 6 of 1,000 (1 %)", "about 3 min 20 s left"] {
            assert!(lines[0].contains(part), "{part} is missing in {}", lines[0]);
        }
        assert!(
            lines.iter().any(|l| l.contains("● training 2")) && lines.last().unwrap().ends_with("0.06"),
            "{lines:?}"
        );
    }
}
