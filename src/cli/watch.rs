//! `wgrad watch`: the curves of a run in the terminal, drawn anew every second
//! in the same place. Elsewhere a line per epoch.

use super::{flags, out};
use crate::error::{Error, Result};
use crate::eval::history::{self, score_names};
use crate::eval::plot::{Lines, number, terminal_chart};
use crate::eval::{EpochRecord, RunInfo};
use console::Term;
use std::path::Path;
use std::time::Duration;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

pub fn run(f: &flags::Watch) -> Result<()> {
    if !f.run.is_dir() {
        let folder = f.run.display();
        return Err(Error::data(format!("{folder} is not a folder; expected the one that `wgrad train` writes")));
    }
    let term = Term::buffered_stdout();
    if f.once {
        let (epochs, info) = look(&f.run)?;
        let size = if term.is_term() { term.size() } else { (24, 80) };
        let color = term.is_term() && console::colors_enabled();
        return out::drawn(&frame(&f.run, &epochs, info.as_ref(), size, color));
    }
    if term.is_term() { in_place(&f.run, &term) } else { line_by_line(&f.run) }
}

fn look(folder: &Path) -> Result<(Vec<EpochRecord>, Option<RunInfo>)> {
    Ok((history::read(folder)?, RunInfo::read(folder)?))
}

fn has_ended(info: &Option<RunInfo>) -> bool {
    info.as_ref().is_some_and(|i| i.stopped.is_some())
}

fn in_place(folder: &Path, term: &Term) -> Result<()> {
    let mut drawn = 0;
    loop {
        let (epochs, info) = look(folder)?;
        let lines = frame(folder, &epochs, info.as_ref(), term.size(), console::colors_enabled());
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
        if has_ended(&info) {
            return Ok(());
        }
        std::thread::sleep(EVERY);
    }
}

fn line_by_line(folder: &Path) -> Result<()> {
    let mut printed = 0;
    loop {
        let (epochs, info) = look(folder)?;
        for e in epochs.iter().filter(|e| e.epoch > printed) {
            out::line(sentence(e))?;
        }
        printed = epochs.last().map_or(printed, |e| e.epoch.max(printed));
        if has_ended(&info) {
            return out::line(info.and_then(|i| i.stopped).unwrap_or_default());
        }
        std::thread::sleep(EVERY);
    }
}

/// An epoch in a line of text.
fn sentence(e: &EpochRecord) -> String {
    let mut parts = vec![format!("epoch {}", e.epoch)];
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
    crate::terminal::one_line(text).into_owned()
}

/// What a terminal of this size (rows, columns) shows.
fn frame(folder: &Path, epochs: &[EpochRecord], info: Option<&RunInfo>, size: (u16, u16), color: bool) -> Vec<String> {
    let (rows, columns) = (usize::from(size.0).max(8), usize::from(size.1).max(20));
    let width = columns.min(120) - 1;
    let mut state = format!("{}  ", folder.display());
    state += info.and_then(|i| i.stopped.as_deref()).unwrap_or("running");
    if let Some(e) = epochs.last() {
        state += &format!("  epoch {}  {:.1} s each", e.epoch, e.seconds);
        for (name, v) in [("lr", e.lr), ("grad norm", e.grad_norm)] {
            state += &v.map_or(String::new(), |v| format!("  {name} {}", number(v)));
        }
    }
    let mut names = score_names(epochs);
    if names.is_empty() {
        names.push("loss".into());
    }
    // One chart, or two where there is room for both.
    names.truncate(if rows >= 20 { 2 } else { 1 });
    let height = ((rows - 2) / names.len()).clamp(4, 16);
    let mut lines = vec![plain(&state).chars().take(width).collect()];
    for name in &names {
        let curve = |label: &str, of: &dyn Fn(&EpochRecord) -> Option<f64>| {
            let points = epochs.iter().filter_map(|e| of(e).map(|v| [e.epoch as f64, v])).collect();
            Lines { name: label.into(), points }
        };
        let train = curve("training", &|e| e.train.get(name));
        let val = curve("validation", &|e| e.val.as_ref().and_then(|v| v.get(name)));
        let curves: Vec<Lines> = [train, val].into_iter().filter(|c| !c.points.is_empty()).collect();
        lines.extend(terminal_chart(&plain(name), &curves, width, height, color));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::EpochScores;

    #[test]
    fn a_frame_fits_its_terminal() {
        let record = |epoch| EpochRecord {
            epoch,
            train: EpochScores::new(1.0 / epoch as f64).with("accuracy", 0.5).with("\u{1b}[2Jx", 1.0),
            val: Some(EpochScores::new(2.0 / epoch as f64)),
            lr: Some(0.001),
            ..EpochRecord::default()
        };
        let epochs: Vec<EpochRecord> = (1..40).map(record).collect();
        for (size, charts) in [((24, 80), 2), ((10, 40), 1), ((1, 1), 0), ((500, 999), 2)] {
            let lines = frame(Path::new("a\u{7}b"), &epochs, None, size, false);
            assert!(lines.len() <= usize::from(size.0).max(8), "{} lines for {size:?}", lines.len());
            assert!(lines.iter().all(|l| l.chars().count() < usize::from(size.1).max(22)), "{lines:?}");
            assert!(!lines.concat().contains(|c: char| c.is_control()));
            // A legend that does not fit is left out.
            assert_eq!(lines.iter().filter(|l| l.contains("● training")).count(), charts, "{lines:?}");
        }
        assert!(!sentence(&epochs[0]).contains('\u{1b}') && sentence(&epochs[0]).contains("val_loss 2"));
    }
}
