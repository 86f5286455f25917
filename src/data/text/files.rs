//! Which files of a folder hold text, and what such a folder is.

use super::super::scan::visible;
use super::super::split_names::SPLITS;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Endings of plain text, each also with `.gz`.
const ENDINGS: [&str; 2] = [".txt", ".text"];
/// Text that is read where a folder has no plain text.
const MARKDOWN: [&str; 1] = [".md"];
/// Sub-folders looked at to find out what a folder is.
const SAMPLED: usize = 1000;

/// What a folder of texts is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderOf {
    /// Files that together are one text.
    Text,
    /// A folder of texts for each class.
    Classes,
}

/// Whether a name is that of a plain text, gzipped or not.
pub fn is_text(name: &str) -> bool {
    has_ending(name, &ENDINGS)
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    endings.iter().any(|ending| name.ends_with(ending))
}

/// The last part of a path.
pub fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

/// The plain texts of a folder by name; its Markdown where there are none.
pub fn texts(folder: &Path) -> Result<Vec<PathBuf>> {
    let (_, files) = visible(folder)?;
    for endings in [&ENDINGS[..], &MARKDOWN] {
        let found: Vec<PathBuf> = files.iter().filter(|f| has_ending(&name(f), endings)).cloned().collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(Error::data(format!(
        "folder {} holds no text; expected files that end in .txt, .text or .md (plain or .gz)",
        folder.display()
    )))
}

/// The plain texts that lie in a folder, by name; none where it cannot be
/// listed.
pub fn plain_texts(folder: &Path) -> Vec<PathBuf> {
    let (_, files) = visible(folder).unwrap_or_default();
    files.into_iter().filter(|f| is_text(&name(f))).collect()
}

/// The split that a folder of this name holds.
pub fn split_of(folder: &Path) -> Option<usize> {
    let name = name(folder).to_lowercase();
    SPLITS.iter().position(|(_, names)| names.contains(&name.as_str()))
}

/// What a folder is, if it is one of texts. `is_table` says whether a plain
/// text is a table.
///
/// It is one of classes when at least two of its sub-folders, and half of them,
/// hold plain texts, or when a folder `train` or `test` in it is such a one; one
/// text when it holds a plain text that is no table.
pub fn folder_of(folder: &Path, is_table: impl Fn(&Path) -> bool) -> Option<FolderOf> {
    let (folders, files) = visible(folder).ok()?;
    let holds_text = |f: &&PathBuf| !plain_texts(f).is_empty();
    let classes = |folders: &[PathBuf], least: usize| {
        let with = folders.iter().take(SAMPLED).filter(holds_text).count();
        with >= least && 2 * with >= folders.len().min(SAMPLED)
    };
    let is_split = |f: &PathBuf| split_of(f).is_some() && visible(f).is_ok_and(|(inner, _)| classes(&inner, 1));
    if folders.iter().take(SAMPLED).any(is_split) {
        return Some(FolderOf::Classes);
    }
    let loose: Vec<&PathBuf> = files.iter().filter(|f| is_text(&name(f))).collect();
    // A single class is a mistake that only a folder without texts shows.
    if classes(&folders, if files.is_empty() { 1 } else { 2 }) {
        return Some(FolderOf::Classes);
    }
    (!loose.is_empty() && !loose.iter().take(SAMPLED).all(|f| is_table(f))).then_some(FolderOf::Text)
}
