//! A profile against an earlier one: what changed by more than noise.

use super::table::aligned;
use super::{Profile, Stat};
use crate::error::{Context, Error, Result};
use crate::eval::plot::{number, percent};
use crate::files;
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;

/// A change counts beyond so many robust standard deviations of both together,
const SIGMAS: f64 = 3.0;
/// and beyond this share of what was,
const SHARE: f64 = 0.05;
/// and beyond this share of the whole step: what takes a microsecond may jump
/// about.
const OF_STEP: f64 = 0.001;

/// What became of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is faster.
    Improved,
    /// It is slower.
    Regressed,
    /// No more than noise.
    Unchanged,
    /// It was not there.
    New,
    /// It is no longer there.
    Gone,
}

/// A kernel then and now, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// The median of the earlier profile.
    pub before: f64,
    /// That of this one.
    pub after: f64,
    /// What became of it.
    pub verdict: Verdict,
}

/// All changes; that of a whole step first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changes {
    /// The step without timers.
    pub step: Change,
    /// The kernels, the largest difference first.
    pub kernels: Vec<Change>,
}

/// Reads a profile that `wgrad profile --json` printed.
pub fn read(path: &Path) -> Result<Profile> {
    let what = || format!("{} is no profile", path.display());
    let text = files::read(path)?.ok_or_else(|| {
        Error::data(format!("{} does not exist; `wgrad profile MODEL --json` prints one", path.display()))
    })?;
    // Whatever was printed before it, the object is the last line.
    let line = text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
    serde_json::from_str(line)
        .map_err(|e| Error::data(format!("{e}; expected what `wgrad profile MODEL --json` prints")))
        .context(what)
}

/// What changed from one profile to another of the same step.
pub fn compare(old: &Profile, new: &Profile) -> Result<Changes> {
    let (was, is) = (&old.subject, &new.subject);
    if (&was.model, was.batch_size) != (&is.model, is.batch_size) {
        return Err(Error::data(format!(
            "the earlier profile is of {}, batch {}, and this one of {}, batch {}; expected the same step",
            was.model, was.batch_size, is.model, is.batch_size
        )));
    }
    let least = OF_STEP * old.wall.median;
    let before: HashMap<String, Stat> = keyed(old).collect();
    let mut kernels: Vec<Change> = keyed(new)
        .map(|(name, after)| match before.get(&name) {
            Some(before) => change(name, before, &after, least),
            None => Change { name, before: 0.0, after: after.median, verdict: Verdict::New },
        })
        .collect();
    let now: HashMap<String, Stat> = keyed(new).collect();
    let gone = keyed(old).filter(|(name, _)| !now.contains_key(name));
    kernels.extend(gone.map(|(name, s)| Change { name, before: s.median, after: 0.0, verdict: Verdict::Gone }));
    let size = |c: &Change| (c.after - c.before).abs();
    kernels.sort_by(|a, b| size(b).total_cmp(&size(a)));
    Ok(Changes { step: change("a step without timers".into(), &old.plain, &new.plain, least), kernels })
}

/// The kernels with names that are unique: a second of one name gets a number.
fn keyed(p: &Profile) -> impl Iterator<Item = (String, Stat)> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let name = |op: &super::OpTime, n: usize| if n > 1 { format!("{} #{n}", op.name) } else { op.name.clone() };
    let named: Vec<(String, Stat)> = p
        .kernels
        .iter()
        .map(|op| {
            let n = seen.entry(&op.name).and_modify(|n| *n += 1).or_insert(1);
            (name(op, *n), op.ms)
        })
        .collect();
    named.into_iter()
}

/// Whether a figure changed by more than noise, and by more than `least`.
pub fn is_change(before: &Stat, after: &Stat, least: f64) -> bool {
    let by = (after.median - before.median).abs();
    by > SIGMAS * before.sigma.hypot(after.sigma) && by > SHARE * before.median && by > least
}

fn change(name: String, before: &Stat, after: &Stat, least: f64) -> Change {
    let slower = after.median > before.median;
    let verdict = match (is_change(before, after, least), slower) {
        (false, _) => Verdict::Unchanged,
        (true, true) => Verdict::Regressed,
        (true, false) => Verdict::Improved,
    };
    Change { name, before: before.median, after: after.median, verdict }
}

impl Changes {
    /// The names of what regressed.
    pub fn regressed(&self) -> Vec<&str> {
        let all = std::iter::once(&self.step).chain(&self.kernels);
        all.filter(|c| c.verdict == Verdict::Regressed).map(|c| c.name.as_str()).collect()
    }

    /// What changed, as a table; what did not is counted.
    pub fn text(&self) -> String {
        let row = |c: &Change| {
            let by = match c.verdict {
                Verdict::New | Verdict::Gone => String::new(),
                _ => signed(c.after / c.before - 1.0),
            };
            let verdict = format!("{:?}", c.verdict).to_lowercase();
            vec![c.name.clone(), number(c.before), number(c.after), by, verdict]
        };
        let mut rows =
            vec![["against the earlier profile", "ms before", "ms now", "by", ""].map(String::from).to_vec()];
        rows.push(row(&self.step));
        let changed: Vec<&Change> = self.kernels.iter().filter(|c| c.verdict != Verdict::Unchanged).collect();
        rows.extend(changed.iter().map(|c| row(c)));
        let same = self.kernels.len() - changed.len();
        format!("{}{same} of {} kernels unchanged", aligned(&rows), self.kernels.len())
    }
}

fn signed(share: f64) -> String {
    let sign = if share > 0.0 { "+" } else { "" };
    format!("{sign}{}", percent(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_than_noise_counts() {
        let stat = |median: f64, sigma: f64| Stat { median, low: median, high: median, sigma };
        let verdict = |a: Stat, b: Stat| change("k".into(), &a, &b, 0.01).verdict;
        assert_eq!(verdict(stat(1.0, 0.01), stat(1.2, 0.01)), Verdict::Regressed);
        assert_eq!(verdict(stat(1.2, 0.01), stat(1.0, 0.01)), Verdict::Improved);
        // Within the spread; within five per cent; within a thousandth of the step.
        assert_eq!(verdict(stat(1.0, 0.05), stat(1.2, 0.05)), Verdict::Unchanged);
        assert_eq!(verdict(stat(1.0, 0.001), stat(1.04, 0.001)), Verdict::Unchanged);
        assert_eq!(verdict(stat(0.01, 0.0), stat(0.019, 0.0)), Verdict::Unchanged);
    }
}
