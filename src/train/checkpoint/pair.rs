//! The two files of a checkpoint in its folder, which at any moment hold a pair
//! that belongs together.
//!
//! Each file is replaced as a whole, but not both at once. So a new checkpoint is
//! written in three steps: its state of training beside the one that is there, as
//! `training.next.safetensors`; its model over the one that is there; and the
//! first takes the place of `training.safetensors`. Whatever the model's moment is,
//! one of the two states of training is of the same, wherever the process ended:
//!
//! | after       | `model` | `training` | `training.next` |
//! |-------------|---------|------------|-----------------|
//! | (before)    | old     | old        |                 |
//! | first step  | old     | old        | new             |
//! | second step | new     | old        | new             |
//! | third step  | new     | new        |                 |

use super::format::{Files, load_model, load_training, moment, wrong};
use super::{Loaded, format};
use crate::error::{Error, Result};
use crate::files;
use std::path::{Path, PathBuf};

/// The file of the weights.
pub const MODEL: &str = "model.safetensors";
/// The file of what training needs besides.
pub const TRAINING: &str = "training.safetensors";
/// The state of training of a checkpoint that is being written.
const NEXT: &str = "training.next.safetensors";

/// The weights as they are after a run's latest step, from the run's folder.
pub const LAST: &str = "checkpoints/last/model.safetensors";

/// The weights of a run's checkpoint of that name, `last` or `best`: its
/// `model.safetensors`, or the one file of an earlier version.
pub fn find(run: &Path, name: &str) -> Option<PathBuf> {
    let folder = run.join("checkpoints");
    let files = [folder.join(name).join(MODEL), folder.join(format!("{name}.safetensors"))];
    files.into_iter().find(|file| file.is_file())
}

/// The weights of the checkpoint that a run goes on from: the last, or where that is gone, of
/// the best and those kept by step the one after the most steps. What is broken or has no state
/// of training is passed over.
pub fn find_latest(run: &Path) -> Option<PathBuf> {
    if let Some(last) = find(run, "last") {
        return Some(last);
    }
    // What is no file there would be in the way of the next one.
    if run.join("checkpoints/last").join(MODEL).symlink_metadata().is_ok() {
        return None;
    }
    let entries = std::fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let names = entries.filter_map(|e| Some(e.file_name().to_str()?.trim_end_matches(".safetensors").to_string()));
    let kept = names.filter(|name| name == "best" || name.starts_with("step-"));
    let step = |file: &PathBuf| load(file).ok()?.about.progress.map(|at| at.step);
    kept.filter_map(|name| find(run, &name)).filter_map(|file| Some((step(&file)?, file))).max().map(|(_, file)| file)
}

impl Files {
    /// Writes both into the folder of a checkpoint, which is made if it is not there.
    /// When that fails, the checkpoint before is still there.
    pub fn write(&self, folder: &Path) -> Result<()> {
        files::make_folder(folder, "the folder of a checkpoint")?;
        settle(folder)?;
        let next = folder.join(NEXT);
        files::write(&next, &self.training)?;
        files::write(&folder.join(MODEL), &self.model).inspect_err(|_| {
            // It is of no model, and the disk may be full.
            let _ = std::fs::remove_file(&next);
        })?;
        complete(folder)
    }
}

/// The third step.
fn complete(folder: &Path) -> Result<()> {
    let to = folder.join(TRAINING);
    std::fs::rename(folder.join(NEXT), &to).map_err(|e| Error::io(format!("writing {}", to.display()), e))
}

/// Ends what a process that was killed has begun: its new state of training takes
/// its place if its model has, and else goes.
fn settle(folder: &Path) -> Result<()> {
    let next = folder.join(NEXT);
    if next.symlink_metadata().is_err() {
        return Ok(());
    }
    let of = moment(&next);
    if of.is_some() && of == moment(&folder.join(MODEL)) {
        return complete(folder);
    }
    std::fs::remove_file(&next).map_err(|e| Error::io(format!("removing {}", next.display()), e))
}

/// Ends or removes what a process that was killed was about to write into a run's
/// folder of checkpoints.
pub fn remove_unfinished(checkpoints: &Path) -> Result<()> {
    files::remove_unfinished(checkpoints);
    for entry in std::fs::read_dir(checkpoints).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            files::remove_unfinished(&entry.path());
            settle(&entry.path())?;
            // That of a checkpoint of which nothing was left: it is empty, or stays.
            let _ = std::fs::remove_dir(entry.path());
        }
    }
    Ok(())
}

/// Loads a checkpoint with all that training needs, by its model's file.
///
/// Fails where the state of training is missing, or is of another moment than the
/// weights. Somebody may be writing new ones meanwhile.
pub fn load(path: &Path) -> Result<Loaded> {
    loop {
        let mut loaded = load_model(path)?;
        let Some(of) = loaded.about.moment.clone() else { return Ok(loaded) };
        // The last is looked at twice: it may take the place of the first meanwhile.
        for name in [TRAINING, NEXT, TRAINING] {
            let file = path.with_file_name(name);
            if moment(&file).as_ref() != Some(&of) {
                continue;
            }
            let (about, state) = match load_training(&file) {
                Ok(found) => found,
                Err(e) if moment(&file).as_ref() == Some(&of) => return Err(e),
                // It has taken the place of the other since it was looked at.
                Err(_) => continue,
            };
            if about.moment == of {
                loaded.about.progress = Some(about.progress);
                loaded.state = state;
                return Ok(loaded);
            }
        }
        if moment(path).is_none_or(|now| now == of) {
            return Err(no_pair(path));
        }
    }
}

/// Why weights have no state of training.
fn no_pair(path: &Path) -> Error {
    let file = path.with_file_name(TRAINING);
    if !file.is_file() {
        let what =
            format!("there is no {TRAINING} beside it, without which training cannot go on; start a new run from");
        return wrong(path, &format!("{what} its weights with --init"));
    }
    match format::load_training(&file) {
        Err(e) => e,
        Ok(_) => wrong(
            path,
            &format!(
                "the {TRAINING} beside it is of another moment of training, so one of the two was put there from \
                 elsewhere; put back the one that belongs to it, or start a new run from its weights with --init"
            ),
        ),
    }
}

#[cfg(test)]
#[path = "pair_tests.rs"]
mod tests;
