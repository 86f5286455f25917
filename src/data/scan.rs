//! Finds the class folders of an image folder, and the files in them.
//!
//! Hidden files are passed over, and folders in which no samples lie: see
//! `no_samples`. Symbolic links are followed, but never to a
//! folder that holds the one being read or lies in it, and no folder is read
//! twice for a class: so nothing runs in circles.

use super::no_samples;
use super::picture::starts_like_a_picture;
use super::split_names::{SPLITS, split_of_folder};
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Folders inside a class folder, at most.
const MAX_DEPTH: usize = 32;
/// Files in all, at most.
const MAX_FILES: usize = 4_000_000;
/// Files and folders looked at to find out what a folder is.
const SAMPLED: usize = 1000;
/// What file managers leave behind.
const LITTER: [&str; 2] = ["Thumbs.db", "desktop.ini"];
/// Endings of pictures. They only raise the suspicion that a folder is meant to
/// hold pictures; what a file is, its content says.
const ENDINGS: [&str; 9] = ["png", "jpg", "jpeg", "bmp", "webp", "gif", "tif", "tiff", "avif"];

/// The folder of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    pub name: String,
    /// Its files, sorted; at least one.
    pub files: Vec<PathBuf>,
}

/// What an image folder holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// The classes of training, validation and test images, sorted by name. A
    /// folder without such sub-folders is all training.
    pub splits: [Option<Vec<Class>>; 3],
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// Whether a folder looks like an image folder: pictures in sub-folders, or
/// lying in it directly.
pub(super) fn is_image_folder(root: &Path) -> bool {
    has_pictures(root, 0, &mut SAMPLED.clone())
}

/// Finds the classes of an image folder, and its splits where it has such.
///
/// Fails when there is no class folder with a file in it, when folders hold the
/// same sub-folders as splits do but are not named so, when a folder cannot be
/// listed, and when folders nest deeper than 32 or hold more than four million
/// files.
pub(super) fn scan(root: &Path) -> Result<Layout> {
    let mut walk = Walk { root: canonical(root)?, files: 0, notes: vec![], left_out: vec![] };
    let (folders, loose) = walk.visible(root)?;
    let pictured: Vec<&PathBuf> = folders.iter().filter(|f| has_pictures(f, 0, &mut SAMPLED.clone())).collect();
    if !are_splits(&pictured)? {
        expect_no_splits(root, &pictured)?;
        let classes = walk.classes(root, folders, &loose)?;
        return Ok(walk.layout(root, [Some(classes), None, None]));
    }
    let mut of_split: [Option<&PathBuf>; 3] = [None; 3];
    for folder in &folders {
        match split_of_folder(&name(folder)) {
            Some(_) if walk.is_in_circle(folder)? => walk.passed_over(folder),
            Some(i) if of_split[i].is_some_and(|other| pictured.contains(&other)) && pictured.contains(&folder) => {
                return Err(Error::data(format!(
                    "folder {} holds two folders of {} images ({}); expected one: put all classes in the same",
                    root.display(),
                    SPLITS[i].0,
                    SPLITS[i].1.join(", ")
                )));
            }
            Some(i) if of_split[i].is_none() || pictured.contains(&folder) => of_split[i] = Some(folder),
            _ if pictured.contains(&folder) => walk.notes.push(format!(
                "{} is none of the splits (train, val, test) beside it and is left out",
                folder.display()
            )),
            _ => walk.notes.push(format!("{} holds no pictures and is left out", folder.display())),
        }
    }
    let mut splits = [None, None, None];
    for i in 0..3 {
        let Some(folder) = of_split[i] else { continue };
        let folder = innermost(folder)?;
        let (inner, loose) = walk.visible(&folder)?;
        // Pictures to be judged by somebody else, as competitions have them.
        let unlabelled = i > 0 && of_split[0].is_some() && is_unlabelled(&inner, &loose, splits[0].as_deref());
        if unlabelled {
            walk.notes.push(format!(
                "{} holds pictures that lie in no folder of a training class, so they cannot be scored: it is left out; \
                 wgrad predict answers for them",
                folder.display()
            ));
        } else {
            splits[i] = Some(walk.classes(&folder, inner, &loose)?);
        }
    }
    Ok(walk.layout(root, splits))
}

/// Whether folders of pictures are splits: all are named so; or two different
/// splits are among them; or one is that has class folders, which the others have
/// not. A class may be called "train" among others.
fn are_splits(pictured: &[&PathBuf]) -> Result<bool> {
    let mut named: Vec<usize> = vec![];
    let mut others_are_flat = true;
    for folder in pictured {
        match split_of_folder(&name(folder)) {
            Some(split) => named.push(split),
            None => others_are_flat &= class_folders(folder)?.is_empty(),
        }
    }
    let all = named.len() == pictured.len();
    named.sort_unstable();
    named.dedup();
    let train = pictured.iter().find(|f| split_of_folder(&name(f)) == Some(0));
    Ok(match named.len() {
        0 => false,
        _ if all => true,
        1 => others_are_flat && train.is_some_and(|f| class_folders(f).is_ok_and(|inner| inner.len() > 1)),
        _ => true,
    })
}

/// Refuses folders that hold the same sub-folders of pictures: splits or folds of
/// one set, which would be learned as its classes.
fn expect_no_splits(root: &Path, pictured: &[&PathBuf]) -> Result<()> {
    let mut before: Vec<(&PathBuf, Vec<String>)> = vec![];
    for folder in pictured {
        let inner: Vec<String> = class_folders(folder)?.iter().map(|f| name(f)).collect();
        if inner.len() < 2 {
            continue;
        }
        if let Some((other, _)) = before.iter().find(|(_, names)| *names == inner) {
            let more = if inner.len() > 4 { ", .." } else { "" };
            return Err(Error::data(format!(
                "folders {} and {} of {} hold the same sub-folders ({}{more}), as splits of one set do, not classes; call \
                 them train, val and test, or give one of them; if they are classes, move their pictures up",
                name(other),
                name(folder),
                root.display(),
                inner.iter().take(4).cloned().collect::<Vec<_>>().join(", ")
            )));
        }
        before.push((folder, inner));
    }
    Ok(())
}

/// The sub-folders that hold pictures.
fn class_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let inner = visible(folder)?.0;
    Ok(inner.into_iter().filter(|f| has_pictures(f, 0, &mut SAMPLED.clone())).collect())
}

/// The folder of a split that holds its classes: archives often hold a folder
/// of the same name once more.
fn innermost(folder: &Path) -> Result<PathBuf> {
    let mut folder = folder.to_path_buf();
    for _ in 0..MAX_DEPTH {
        let (inner, loose) = visible(&folder)?;
        match &inner[..] {
            [only]
                if loose.is_empty()
                    && !only.is_symlink()
                    && split_of_folder(&name(only)) == split_of_folder(&name(&folder)) =>
            {
                folder.clone_from(only);
            }
            _ => break,
        }
    }
    Ok(folder)
}

/// Whether the pictures of a split have no classes: they lie in it directly, or
/// in one folder that is none of the training classes.
fn is_unlabelled(inner: &[PathBuf], loose: &[PathBuf], train: Option<&[Class]>) -> bool {
    match inner {
        [] => loose.iter().take(SAMPLED).any(|f| is_suspect(f)),
        [only] => train.is_some_and(|classes| !classes.is_empty() && classes.iter().all(|c| c.name != name(only))),
        _ => false,
    }
}

struct Walk {
    /// The folder being read, without links in its path.
    root: PathBuf,
    files: usize,
    notes: Vec<String>,
    /// Folders in which no samples lie, and why.
    left_out: Vec<(String, &'static str)>,
}

impl Walk {
    /// What [`visible`] finds; what it passes over is kept to be told.
    fn visible(&mut self, folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
        let [folders, files, others] = listed(folder)?;
        self.left_out.extend(reasons(&others));
        Ok((folders, files))
    }

    /// What was found in `root`, with what there is to say.
    fn layout(mut self, root: &Path, splits: [Option<Vec<Class>>; 3]) -> Layout {
        self.left_out.iter_mut().for_each(|(path, _)| *path = relative(root, path));
        self.notes.extend(no_samples::note(&self.left_out));
        Layout { splits, notes: self.notes }
    }

    /// The classes among these folders.
    fn classes(&mut self, at: &Path, folders: Vec<PathBuf>, loose: &[PathBuf]) -> Result<Vec<Class>> {
        let pictures: Vec<&PathBuf> = loose.iter().take(SAMPLED).filter(|f| is_suspect(f)).collect();
        let mut classes = vec![];
        for folder in folders {
            if self.is_in_circle(&folder)? {
                self.passed_over(&folder);
                continue;
            }
            let mut files = vec![];
            self.collect(&folder, 0, &mut HashSet::new(), &mut files)?;
            if files.is_empty() {
                self.notes.push(format!("class folder {} is empty and is left out", folder.display()));
            } else {
                classes.push(Class { name: class_name(&folder)?, files });
            }
        }
        let shown = at.display();
        match (classes.is_empty(), pictures.first()) {
            (true, Some(_)) => {
                return Err(Error::data(format!(
                    "folder {shown} holds pictures, but no class folders: expected one sub-folder per class, such as \
                     {shown}/cat/1.png and {shown}/dog/1.png"
                )));
            }
            (true, None) => {
                return Err(Error::data(format!(
                    "folder {shown} holds no pictures; expected one sub-folder per class with the pictures of the class"
                )));
            }
            (false, Some(first)) => self.notes.push(format!(
                "{} of {shown} outside the class folders left out, such as {}",
                if pictures.len() == 1 { "1 picture".into() } else { format!("{} pictures", pictures.len()) },
                name(first)
            )),
            (false, None) => {}
        }
        Ok(classes)
    }

    /// Adds the files of a folder and of those in it.
    fn collect(
        &mut self,
        folder: &Path,
        depth: usize,
        seen: &mut HashSet<PathBuf>,
        found: &mut Vec<PathBuf>,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::data(format!(
                "folder {} lies more than {MAX_DEPTH} folders deep in its class; move its pictures up",
                folder.display()
            )));
        }
        if !seen.insert(canonical(folder)?) {
            return Ok(());
        }
        let (folders, files) = self.visible(folder)?;
        self.files += files.len();
        if self.files > MAX_FILES {
            return Err(Error::data(format!(
                "folder {} holds more than {MAX_FILES} files; split it up",
                self.root.display()
            )));
        }
        found.extend(files);
        for inner in folders {
            if self.is_in_circle(&inner)? {
                self.passed_over(&inner);
            } else {
                self.collect(&inner, depth + 1, seen, found)?;
            }
        }
        Ok(())
    }

    /// Whether a folder is a link to one that is read anyway, or that holds the
    /// root.
    fn is_in_circle(&self, folder: &Path) -> Result<bool> {
        if !folder.is_symlink() {
            return Ok(false);
        }
        let target = canonical(folder)?;
        Ok(target.starts_with(&self.root) || self.root.starts_with(&target))
    }

    fn passed_over(&mut self, link: &Path) {
        self.notes.push(format!("{} is a link back into the folder and is left out", link.display()));
    }
}

fn canonical(folder: &Path) -> Result<PathBuf> {
    folder.canonicalize().map_err(|e| Error::io(format!("cannot open folder {}", folder.display()), e))
}

/// The class that a folder is named after.
///
/// Fails when the name is no UTF-8: two such names would look alike.
pub(super) fn class_name(folder: &Path) -> Result<String> {
    let name = folder.file_name().unwrap_or_default();
    name.to_str().map(String::from).ok_or_else(|| {
        Error::data(format!(
            "class folder {} has a name that is not UTF-8 ({name:?}), which no file of a run can hold; rename it",
            folder.display()
        ))
    })
}

/// The last part of a path.
fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

/// The path from `root`.
fn relative(root: &Path, path: &str) -> String {
    Path::new(path).strip_prefix(root).map_or_else(|_| path.into(), |p| p.display().to_string())
}

/// Folders in which no samples lie, and why.
fn reasons(folders: &[PathBuf]) -> impl Iterator<Item = (String, &'static str)> {
    folders.iter().filter_map(|f| Some((f.display().to_string(), no_samples::why(f)?)))
}

/// What is said of the folders in a folder that [`visible`] passes over.
pub(super) fn passed_over(folder: &Path) -> Option<String> {
    let [_, _, others] = listed(folder).ok()?;
    let named = reasons(&others).map(|(path, why)| (relative(folder, &path), why));
    no_samples::note(&named.collect::<Vec<_>>())
}

/// The folders in which samples may lie, and the files of a folder, each sorted
/// by name. A link counts as what it leads to, a broken one as a file.
pub(super) fn visible(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    listed(folder).map(|[folders, files, _]| (folders, files))
}

/// [`visible`] folders and files, and the folders in which no samples lie.
fn listed(folder: &Path) -> Result<[Vec<PathBuf>; 3]> {
    let fail = |e| Error::io(format!("cannot list folder {}", folder.display()), e);
    let (mut folders, mut files, mut others) = (vec![], vec![], vec![]);
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(fail)?);
        let name = name(&path);
        let is_folder = if kind.is_symlink() { path.is_dir() } else { kind.is_dir() };
        if is_folder {
            if no_samples::why(&path).is_some() { &mut others } else { &mut folders }.push(path);
        } else if !name.starts_with('.') && !LITTER.contains(&name.as_str()) {
            files.push(path);
        }
    }
    let mut all = [folders, files, others];
    all.iter_mut().for_each(|paths| paths.sort_unstable());
    Ok(all)
}

/// Whether a file is a picture or is named like one.
fn is_suspect(file: &Path) -> bool {
    let ending = file.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.is_some_and(|e| ENDINGS.contains(&e.as_str())) || starts_like_a_picture(file)
}

/// Whether a picture is found among the first files of a folder, or of those in
/// it; `left` is how many may still be looked at.
fn has_pictures(folder: &Path, depth: usize, left: &mut usize) -> bool {
    let Ok((folders, files)) = visible(folder) else { return false };
    for file in files.iter().take(100) {
        if *left == 0 || is_suspect(file) {
            return *left > 0;
        }
        *left -= 1;
    }
    folders.iter().any(|inner| {
        *left = left.saturating_sub(1);
        *left > 0 && depth < MAX_DEPTH && has_pictures(inner, depth + 1, left)
    })
}
