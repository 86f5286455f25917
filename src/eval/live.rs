//! `live.json`: where a run stands this second. It lies in the run's folder while
//! the run goes on, for whoever watches; a run that was killed leaves it behind.

use super::point::Point;
use crate::error::Result;
use crate::files;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where a run stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// The epoch under way, from 1.
    pub epoch: usize,
    /// Steps done.
    pub step: usize,
    /// What the next point of the curves would be by now.
    pub point: Option<Point>,
    /// Seconds until all steps are done, by the rate so far.
    pub seconds_left: Option<f64>,
    /// When this was written, in seconds since 1970.
    pub written: f64,
}

impl Live {
    /// Writes it, with the time.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let live = Live { written: now(), ..self.clone() };
        files::write_in_passing(
            &path(folder),
            (serde_json::to_string(&live).expect("plain data prints") + "\n").as_bytes(),
        )
    }

    /// Reads it, if it is there and whole.
    pub fn read(folder: &Path) -> Option<Live> {
        serde_json::from_str(&files::read(&path(folder)).ok()??).ok()
    }

    /// Removes it: the run has ended.
    pub fn remove(folder: &Path) {
        // It may never have been written.
        let _ = std::fs::remove_file(path(folder));
    }

    /// Seconds since it was written.
    pub fn age(&self) -> f64 {
        (now() - self.written).max(0.0)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("live.json")
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
