//! Image folders: one sub-folder per class, pictures of any size and mixed
//! formats. They are brought to one size and decoded in parallel, into memory or when they
//! are needed; files that cannot be read are named and left out.

mod cache;
mod decode;
mod look;
mod reader;

use super::Dataset;
use super::drawn::{self, Sampled};
use super::images::Images;
use super::levels::Levels;
use super::options::OpenOptions;
use super::progress::OnProgress;
use super::split_names::SPLITS;
use super::store::{Store, Stored};
use crate::error::{Error, Result};
use crate::files::memory;
use look::{Entry, Survey, none_readable};
use serde::Serialize;
use std::path::Path;

/// Pictures of more bytes are decoded one at a time.
const LARGE: u64 = 64 << 20;
/// Unreadable files that a message names.
const NAMED: usize = 5;
/// Unreadable files that a report keeps.
const KEPT: usize = 1000;

/// A file that is no picture, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Its path, from the folder that was opened.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

/// How many pictures have one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SizeCount {
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// Pictures of this size.
    pub count: usize,
}

/// Where the images of a split came from, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// Paths, from the folder that was opened.
    pub files: Vec<String>,
    /// Height and width in the file.
    pub sizes: Vec<[usize; 2]>,
}

/// What reading an image folder has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderReport {
    /// Of training, validation and test images; empty where they were not read.
    pub origins: [Origins; 3],
    /// The sizes that pictures have in their files, the most frequent first.
    pub sizes: Vec<SizeCount>,
    /// The values of pictures of 16 bits per channel that became 0 and 255, where
    /// they were found in the training pictures.
    pub levels: Option<Levels>,
    /// Pictures whose size was changed.
    pub resized: usize,
    /// Files that are no pictures, the first thousand, in order.
    pub unreadable: Vec<Unreadable>,
    /// How many they are in all.
    pub unreadable_count: usize,
    /// What a user should know: which size was chosen, what was left out.
    pub notes: Vec<String>,
}

/// The training, validation and test images of a folder.
pub(super) type Splits = [Option<Images>; 3];
/// The same, decoded when they are needed.
pub(super) type Parts = [Option<Dataset>; 3];

/// Reads the splits that `pick` wants of those that are there, into memory. `source` is the
/// folder as the user named it. `progress` counts each file twice: when it is
/// looked at, and when it is decoded.
///
/// Fails when there are no class folders, none of the files is a picture, all
/// are of one class, or the images take more than the budget of memory.
pub(super) fn read(
    source: &str,
    options: &OpenOptions,
    progress: OnProgress,
    pick: impl Fn([bool; 3]) -> [bool; 3],
) -> Result<(Splits, FolderReport)> {
    let survey = Survey::of(source, options, progress, pick)?;
    memory::judge(Path::new(source), survey.bytes()).map_err(|e| {
        e.context(format!("{} (make them smaller with data.size, such as [64, 64])", survey.described()))
    })?;
    held(survey, None)
}

/// Reads splits as [`read`] does, if they take no more than the bound, and otherwise finds
/// out what can be read of them, to be decoded when it is needed.
///
/// Fails as [`read`] does; the budget of memory does not matter.
pub(super) fn open(
    source: &str,
    options: &OpenOptions,
    store: &Store,
    progress: OnProgress,
    pick: impl Fn([bool; 3]) -> [bool; 3],
) -> Result<(Stored<Splits, Parts>, FolderReport)> {
    let mut survey = Survey::of(source, options, progress, pick)?;
    if survey.bytes() <= store.bound.bytes {
        return held(survey, None).map(|(splits, report)| (Stored::Held(splits), report));
    }
    survey.learn_levels();
    let parts = reader::on_disk(&mut survey, store)?;
    let labels = parts.each_ref().map(|part| part.as_ref().and_then(Dataset::labels));
    survey.finish(&labels)?;
    Ok((Stored::Read(parts), survey.report))
}

/// Reads splits as [`read`] does, if they take no more than the bound; and otherwise some of
/// their pictures, drawn by the seed, with the classes of all.
///
/// Fails as [`read`] does; the budget of memory does not matter.
pub(super) fn sample(
    source: &str,
    options: &OpenOptions,
    store: &Store,
    seed: u32,
    progress: OnProgress,
) -> Result<(Splits, FolderReport, Option<Sampled>)> {
    let mut survey = Survey::of(source, options, progress, |there| there)?;
    let sampled = (survey.bytes() > store.bound.bytes).then(|| survey.draw(store, seed));
    held(survey, sampled.as_ref()).map(|(splits, report)| (splits, report, sampled))
}

/// The images of a survey in memory, which may be drawn from more.
fn held(mut survey: Survey, drawn_from: Option<&Sampled>) -> Result<(Splits, FolderReport)> {
    survey.learn_levels();
    let splits = decode::in_memory(&mut survey)?;
    let labels = match drawn_from {
        Some(all) => all.labels.each_ref().map(Option::as_deref),
        None => splits.each_ref().map(|images| images.as_ref().map(|images| &images.labels[..])),
    };
    survey.finish(&labels)?;
    Ok((splits, survey.report))
}

impl Survey<'_> {
    /// What messages call a split.
    fn name(&self, split: usize) -> String {
        format!("{} {}", self.source, SPLITS[split].0)
    }

    /// Keeps some of the pictures, drawn by the seed; returns the classes of all.
    fn draw(&mut self, store: &Store, seed: u32) -> Sampled {
        let n = self.entries.len();
        let count = drawn::count(n, self.stride() as u64, store);
        let mut labels = self.wanted.map(|wanted| wanted.then(Vec::new));
        for entry in &self.entries {
            let label = self.classes.binary_search(&entry.class).expect("a class of the list") as u32;
            labels[entry.split].iter_mut().for_each(|all| all.push(label));
        }
        let mut chosen = drawn::numbers(n, count, seed).into_iter().peekable();
        let mut number = 0..;
        self.entries.retain(|_| {
            let is_chosen = chosen.next_if_eq(&number.next().expect("a number")).is_some();
            if !is_chosen {
                self.ticker.tick();
            }
            is_chosen
        });
        Sampled { labels, note: drawn::note(count, n, "pictures", store) }
    }

    /// Notes of each picture of a split whether it could be decoded; returns the labels of
    /// those that could.
    fn note(&mut self, split: usize, entries: Vec<Entry>, outcomes: impl Iterator<Item = Result<()>>) -> Vec<u32> {
        let (root, mut labels) = (Path::new(self.source), vec![]);
        for (entry, outcome) in entries.into_iter().zip(outcomes) {
            match outcome {
                Err(e) => self.report.add_unreadable(root, &entry.path, e),
                Ok(()) => {
                    labels.push(self.classes.binary_search(&entry.class).expect("a class of the list") as u32);
                    self.report.origins[split].files.push(relative(root, &entry.path));
                    self.report.origins[split].sizes.push(entry.header.size);
                }
            }
        }
        labels
    }

    /// Says what was found by the labels of each split, or why it is not enough.
    fn finish(&mut self, labels: &[Option<&[u32]>; 3]) -> Result<()> {
        let (source, size, classes, report) = (self.source, self.size, &self.classes, &mut self.report);
        if labels.iter().flatten().all(|labels| labels.is_empty()) {
            return Err(none_readable(source, report));
        }
        report.resized = report.origins.iter().flat_map(|o| &o.sizes).filter(|&&s| s != size).count();
        for (labels, (split, _)) in labels.iter().zip(SPLITS) {
            let Some(labels) = labels else { continue };
            let mut counts = vec![0usize; classes.len()];
            labels.iter().for_each(|&label| counts[label as usize] += 1);
            let lacking: Vec<&str> =
                classes.iter().zip(&counts).filter(|(_, n)| **n == 0).map(|(name, _)| name.as_str()).collect();
            if split == "train" && counts.len() - lacking.len() < 2 {
                return Err(Error::data(format!(
                    "the training images of {source} are of {} class(es) only; expected readable pictures of at least two",
                    counts.len() - lacking.len()
                )));
            }
            if !lacking.is_empty() {
                let shown = lacking.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
                let more =
                    if lacking.len() > NAMED { format!(" and {} more", lacking.len() - NAMED) } else { String::new() };
                report.notes.push(format!("no {split} image is of class {shown}{more}"));
            }
        }
        if report.unreadable_count > 0 {
            let files = match report.unreadable_count {
                1 => "1 file cannot be read and is".into(),
                n => format!("{n} files cannot be read and are"),
            };
            report.notes.push(format!("{files} left out: {}", report.named()));
        }
        Ok(())
    }
}

fn relative(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).to_string_lossy().into_owned()
}

impl FolderReport {
    fn add_unreadable(&mut self, root: &Path, file: &Path, reason: Error) {
        self.unreadable_count += 1;
        if self.unreadable.len() < KEPT {
            self.unreadable.push(Unreadable { file: relative(root, file), reason: reason.to_string() });
        }
    }

    /// The first unreadable files with their reasons.
    fn named(&self) -> String {
        let named: Vec<String> =
            self.unreadable.iter().take(NAMED).map(|u| format!("{}: {}", u.file, u.reason)).collect();
        let more = self.unreadable_count - named.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        named.join("; ") + &more
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
