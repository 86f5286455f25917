//! How much memory what a file holds may take. A small file can unfold to any
//! size, so sizes are judged before anything is allocated.

use crate::error::{Error, Result};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One part in so many of the free memory is given to a set by default: it lies
/// there as read, as split, as a tensor and on the device at the same time.
const SHARE: u64 = 4;
/// What is taken for free where the system does not say: 8 GiB.
const UNKNOWN: u64 = 8 << 30;

/// What `--max-memory` says; `u64::MAX` without it.
static GIVEN: AtomicU64 = AtomicU64::new(u64::MAX);

/// What `--data-memory` says; `u64::MAX` without it.
static DATA_GIVEN: AtomicU64 = AtomicU64::new(u64::MAX);

/// Sets the budget of this process, in bytes.
pub fn set_budget(bytes: u64) {
    GIVEN.store(bytes, Ordering::Relaxed);
}

/// Sets the bound of this process on the samples of a data set, in bytes.
pub fn set_data_bound(bytes: u64) {
    DATA_GIVEN.store(bytes, Ordering::Relaxed);
}

/// How many bytes of decoded samples of a data set are in memory at most: a larger set is
/// read window by window.
///
/// It is another thing than the [`budget`], which refuses a file that unfolds to more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataBound {
    /// The bytes.
    pub bytes: u64,
    /// Who says so.
    from: &'static str,
}

impl DataBound {
    /// The budget, for samples that are all in memory.
    pub fn of_budget() -> DataBound {
        let from = match GIVEN.load(Ordering::Relaxed) {
            u64::MAX => "a quarter of the free memory; --max-memory sets another",
            _ => "--max-memory",
        };
        DataBound { bytes: budget(), from }
    }

    /// What [`set_data_bound`] was given, else what the settings say, else the budget.
    pub fn of(setting: Option<u64>) -> DataBound {
        match (DATA_GIVEN.load(Ordering::Relaxed), setting, GIVEN.load(Ordering::Relaxed)) {
            (u64::MAX, Some(bytes), _) => DataBound { bytes, from: "data.memory" },
            (u64::MAX, None, u64::MAX) => {
                DataBound { bytes: budget(), from: "a quarter of the free memory; --data-memory sets another" }
            }
            (u64::MAX, None, bytes) => DataBound { bytes, from: "--max-memory; --data-memory sets another" },
            (bytes, ..) => DataBound { bytes, from: "--data-memory" },
        }
    }
}

/// As messages have it: `256.0 MiB (--data-memory)`.
impl std::fmt::Display for DataBound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", size(self.bytes), self.from)
    }
}

/// The bytes that what a file holds may take: what [`set_budget`] was given, else a
/// quarter of the memory that is free, as of a second ago at most.
pub fn budget() -> u64 {
    match GIVEN.load(Ordering::Relaxed) {
        u64::MAX => free_lately() / SHARE,
        given => given,
    }
}

/// The free memory. The system is not asked again for each of a million files.
fn free_lately() -> u64 {
    static SEEN: Mutex<Option<(Instant, u64)>> = Mutex::new(None);
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    match *seen {
        Some((when, bytes)) if when.elapsed() < Duration::from_secs(1) => bytes,
        _ => seen.insert((Instant::now(), free().unwrap_or(UNKNOWN))).1,
    }
}

/// Judges what `file` unfolds to, in bytes, against the [`budget`].
///
/// Fails with file, size, budget and flag when it is more.
pub fn judge(file: &Path, bytes: u64) -> Result<()> {
    judge_named(&file.display(), bytes, budget())
}

/// [`judge`] for what is no file of its own, such as a member of an archive.
pub fn judge_named(file: &dyn std::fmt::Display, bytes: u64, budget: u64) -> Result<()> {
    if bytes <= budget { Ok(()) } else { Err(too_much(file, &size(bytes), budget)) }
}

/// The error for a file that unfolds to more than the budget.
pub fn too_much(file: &dyn std::fmt::Display, unfolds_to: &str, budget: u64) -> Error {
    let from = match GIVEN.load(Ordering::Relaxed) {
        u64::MAX => "a quarter of the free memory; --max-memory sets another",
        _ => "--max-memory",
    };
    Error::data(format!(
        "{file} takes {unfolds_to} in memory, more than the budget of {} ({from}); take a part of it, or a machine with \
         more memory",
        size(budget)
    ))
}

/// A size for people, with the exact number of bytes where that says more.
pub fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.iter().find(|(_, shift)| bytes >= 1 << shift) {
        Some((unit, shift)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => format!("{bytes} bytes"),
    }
}

/// The memory that this process can still take, in bytes, as far as the system says.
pub fn free() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let file = |path: &str| std::fs::read_to_string(path).ok();
    let all = [
        available(&file("/proc/meminfo")?),
        // A container's own bound (cgroup v2, then v1).
        left(file("/sys/fs/cgroup/memory.max"), file("/sys/fs/cgroup/memory.current")),
        left(file("/sys/fs/cgroup/memory/memory.limit_in_bytes"), file("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
        address_space_left(),
    ];
    all.into_iter().flatten().min()
}

/// A line of `/proc/meminfo` or of a process's status, in bytes.
fn line(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?;
    rest.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

fn available(meminfo: &str) -> Option<u64> {
    line(meminfo, "MemAvailable")
}

/// What is left of a bound; none where there is no bound.
fn left(most: Option<String>, used: Option<String>) -> Option<u64> {
    let number = |text: Option<String>| text?.trim().parse::<u64>().ok();
    Some(number(most)?.saturating_sub(number(used)?))
}

/// What `ulimit -v` leaves of this process's address space, in bytes; none where nothing bounds it.
pub fn address_space_left() -> Option<u64> {
    let file = |path: &str| std::fs::read_to_string(path).ok();
    address_space(&file("/proc/self/limits")?, &file("/proc/self/status")?)
}

/// What `ulimit -v` leaves.
fn address_space(limits: &str, status: &str) -> Option<u64> {
    let bound = limits.lines().find_map(|l| l.strip_prefix("Max address space"))?;
    let bound = bound.split_whitespace().next()?.parse::<u64>().ok()?;
    Some(bound.saturating_sub(line(status, "VmSize")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_samples_is_that_of_the_settings() {
        let bound = DataBound::of(Some(256 << 20));
        assert_eq!((bound.bytes, bound.to_string()), (256 << 20, "256.0 MiB (data.memory)".to_string()));
        let usual = DataBound::of(None).to_string();
        assert!(usual.contains("a quarter of the free memory; --data-memory sets another"), "{usual}");
    }

    #[test]
    fn sizes_are_shown_for_people() {
        assert_eq!([size(1 << 30), size(1_572_864), size(9)], ["1.0 GiB", "1.5 MiB", "9 bytes"]);
    }

    #[test]
    fn free_memory_is_the_least_of_all_bounds() {
        assert_eq!(available("MemTotal:  9 kB\nMemAvailable:    1024 kB\n"), Some(1 << 20));
        assert_eq!(left(Some("max\n".into()), Some("5\n".into())), None);
        assert_eq!(left(Some("7\n".into()), Some("5\n".into())), Some(2));
        let limits = "Limit   Soft   Hard\nMax address space         3000000   unlimited   bytes\n";
        assert_eq!(address_space(limits, "VmSize:\t 1000 kB\n"), Some(3_000_000 - 1_024_000));
        assert_eq!(address_space("Max address space  unlimited  unlimited  bytes", "VmSize: 1 kB"), None);
        if cfg!(target_os = "linux") {
            assert!(free().is_some_and(|n| n > 1 << 20));
        }
    }

    #[test]
    fn what_does_not_fit_names_file_size_and_flag() {
        let message = judge_named(&"x of a.npz", 3 << 30, 1 << 30).unwrap_err().to_string();
        for part in ["x of a.npz", "3.0 GiB", "1.0 GiB", "--max-memory"] {
            assert!(message.contains(part), "{message}");
        }
        judge_named(&"x", 5, 5).unwrap();
    }
}
