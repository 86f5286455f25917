//! From the name of a data set to its images.
//!
//! A name is `digits` or a path. What a folder holds decides how it is read:
//! IDX files under their MNIST names, or binary batches of CIFAR-10.

use super::digits::{TEST, TRAIN, digits};
use super::idx::{class_names, read_idx, read_idx_labels};
use super::{ImageSet, Images, cifar::read_cifar10};
use crate::error::{Error, Result, nearest};
use std::path::{Path, PathBuf};

/// The name of the built-in set.
const BUILT_IN: &str = "digits";
/// Files that a message lists of a folder.
const LISTED: usize = 6;
/// What a source may be.
const EXPECTED: &str = "\"digits\" (built in), a folder with IDX files (train-images-idx3-ubyte, \
                        train-labels-idx1-ubyte, t10k-..., plain or .gz), or a folder or file of CIFAR-10 binary \
                        batches (data_batch_1.bin, test_batch.bin, plain or .gz)";

/// Opens a data set for training.
///
/// `source` is `digits`, generated from `seed` ([`TRAIN`] and [`TEST`] images;
/// write `./digits` for a folder of that name), or one of these paths, whose
/// files may be gzipped and for which `seed` does not matter:
///
/// - a folder of IDX files, `train-images-idx3-ubyte` and
///   `train-labels-idx1-ubyte`, and if there is a test set also `t10k-...` or
///   `test-...`; a dot may stand before `idx`. Classes are named by numbers.
/// - a folder of CIFAR-10 batches, `data_batch_*.bin` for training, read in the
///   order of their names, and `test_batch*.bin` for testing, or one such file.
///
/// Fails when the path does not exist or holds neither, when there are no
/// training files, when a file is damaged, or when training and test images
/// differ in size.
pub fn open(source: &str, seed: u32) -> Result<ImageSet> {
    if source == BUILT_IN {
        return Ok(digits(TRAIN, TEST, seed));
    }
    let found = recognise(Path::new(source))?;
    let [train, test] = &found.splits;
    let Some(train) = train else {
        return Err(Error::data(format!(
            "{source} holds test files only ({}), nothing to train on; expected also {}; evaluation works with what is \
             there",
            list(&found.names),
            found.format.train_files()
        )));
    };
    let mut train = train.read(&format!("{source} train"))?;
    let mut test = test.as_ref().map(|files| files.read(&format!("{source} test"))).transpose()?;
    if let Some(test) = &mut test {
        let size = |set: &Images| format!("{}x{}x{}", set.channels, set.height, set.width);
        if size(&train) != size(test) {
            return Err(Error::data(format!(
                "training and test images in {source} differ in size: {} and {} (channels x height x width); take both \
                 from the same set",
                size(&train),
                size(test)
            )));
        }
        // Classes that only one split shows count for both.
        let more = if train.classes.len() > test.classes.len() { &train.classes } else { &test.classes }.clone();
        (train.classes, test.classes) = (more.clone(), more);
    }
    Ok(ImageSet { train, test })
}

/// Opens a data set for evaluation: its test images, or its training images
/// when it has no test files. Sources are those of [`open`]; training images
/// are not read where there are test files.
///
/// Fails as [`open`] does, except that training files may be missing.
pub fn open_test(source: &str, seed: u32) -> Result<Images> {
    if source == BUILT_IN {
        let set = digits(0, TEST, seed);
        return Ok(set.test.unwrap_or(set.train));
    }
    let found = recognise(Path::new(source))?;
    match &found.splits {
        [Some(train), None] => train.read(&format!("{source} train")),
        [train, Some(test)] => {
            let mut set = test.read(&format!("{source} test"))?;
            if let Some(Files::Idx { labels: Some(labels), .. }) = train {
                // The same classes as in training, even if the test set lacks the last.
                let highest = read_idx_labels(labels)?.into_iter().max().unwrap_or(0) as usize;
                set.classes = class_names(set.classes.len().max(highest + 1));
            }
            Ok(set)
        }
        [None, None] => Err(neither(Path::new(source), &found.names)),
    }
}

/// How a folder's files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Idx,
    Cifar10,
}

impl Format {
    fn train_files(self) -> &'static str {
        match self {
            Format::Idx => "train-images-idx3-ubyte and train-labels-idx1-ubyte (plain or .gz)",
            Format::Cifar10 => "data_batch_1.bin and so on (plain or .gz)",
        }
    }
}

/// The files of one split.
#[derive(Debug)]
enum Files {
    /// Images and labels; one of them may be missing.
    Idx { images: Option<PathBuf>, labels: Option<PathBuf> },
    /// Batches, at least one.
    Cifar10(Vec<PathBuf>),
}

impl Files {
    fn read(&self, name: &str) -> Result<Images> {
        match self {
            Files::Cifar10(batches) => read_cifar10(name, batches),
            Files::Idx { images: Some(images), labels: Some(labels) } => read_idx(name, images, labels),
            Files::Idx { images, labels } => {
                let (have, lack) = if images.is_some() { ("images", "labels") } else { ("labels", "images") };
                let path = images.as_ref().or(labels.as_ref()).map_or(name.into(), |p| p.display().to_string());
                Err(Error::data(format!(
                    "{path} has no {lack} to go with it: expected {} (plain or .gz) in the same folder",
                    file_name(Path::new(&path)).trim_end_matches(".gz").replace(have, lack).replace(
                        if have == "images" { "idx3" } else { "idx1" },
                        if have == "images" { "idx1" } else { "idx3" }
                    )
                )))
            }
        }
    }
}

/// What a path holds.
struct Found {
    format: Format,
    /// Training and test files; at least one of them.
    splits: [Option<Files>; 2],
    /// The names of all files, sorted.
    names: Vec<String>,
}

/// The part that a file plays: 0 for training or 1 for testing, and which.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    Images(usize),
    Labels(usize),
    Batch(usize),
}

/// The part of a file with this name, if it has one.
fn role(name: &str) -> Option<Role> {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    if let Some(stem) = name.strip_suffix(".bin") {
        let is_test = stem.starts_with("test_batch");
        return (is_test || stem.starts_with("data_batch_")).then_some(Role::Batch(is_test.into()));
    }
    let (stem, rank) = name.strip_suffix("-ubyte")?.rsplit_once("idx")?;
    let (split, part) = stem.strip_suffix(['-', '.'])?.split_once('-')?;
    let split = match split {
        "train" => 0,
        "t10k" | "test" => 1,
        _ => return None,
    };
    match (part, rank) {
        ("images", "3" | "4") => Some(Role::Images(split)),
        ("labels", "1") => Some(Role::Labels(split)),
        _ => None,
    }
}

/// Finds out what a folder or file is.
fn recognise(source: &Path) -> Result<Found> {
    if !source.exists() {
        return Err(missing(source));
    }
    if source.is_dir() {
        let names = sorted_names(source)?;
        return survey(source, &names)?.ok_or_else(|| neither(source, &names));
    }
    let name = file_name(source);
    let folder = source.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let split = match role(&name) {
        Some(Role::Batch(split)) => split,
        None if name.trim_end_matches(".gz").ends_with(".bin") => 0,
        Some(_) => {
            return Err(Error::data(format!(
                "{} is one file of an IDX set; give the folder that holds images and labels: {}",
                source.display(),
                folder.display()
            )));
        }
        None => {
            return Err(Error::data(format!(
                "{} is a file that is no data set; expected {EXPECTED}",
                source.display()
            )));
        }
    };
    let mut splits = [None, None];
    splits[split] = Some(Files::Cifar10(vec![source.into()]));
    Ok(Found { format: Format::Cifar10, splits, names: vec![name] })
}

/// The known files of a folder; none when it holds no such file.
fn survey(folder: &Path, names: &[String]) -> Result<Option<Found>> {
    let (mut images, mut labels) = ([None, None], [None, None]);
    let mut batches: [Vec<PathBuf>; 2] = Default::default();
    for name in names {
        let Some(role) = role(name) else { continue };
        let path = folder.join(name);
        if !path.is_file() {
            continue; // Some archives unpack to folders with these names.
        }
        // Sorted, a plain file comes before its gzipped copy: the first is taken.
        match role {
            Role::Images(split) => images[split] = images[split].take().or(Some(path)),
            Role::Labels(split) => labels[split] = labels[split].take().or(Some(path)),
            Role::Batch(split) => {
                if !name.strip_suffix(".gz").is_some_and(|plain| batches[split].contains(&folder.join(plain))) {
                    batches[split].push(path);
                }
            }
        }
    }
    let idx = [0, 1].map(|split| {
        let (images, labels) = (images[split].take(), labels[split].take());
        (images.is_some() || labels.is_some()).then_some(Files::Idx { images, labels })
    });
    let cifar = batches.map(|paths| (!paths.is_empty()).then_some(Files::Cifar10(paths)));
    let (format, splits) = match (idx.iter().any(Option::is_some), cifar.iter().any(Option::is_some)) {
        (true, true) => {
            return Err(Error::data(format!(
                "{} holds both IDX files and CIFAR-10 batches ({}); put each set in a folder of its own",
                folder.display(),
                list(names)
            )));
        }
        (true, false) => (Format::Idx, idx),
        (false, true) => (Format::Cifar10, cifar),
        (false, false) => return Ok(None),
    };
    Ok(Some(Found { format, splits, names: names.to_vec() }))
}

fn sorted_names(folder: &Path) -> Result<Vec<String>> {
    let fail = |e| Error::io(format!("cannot list folder {}", folder.display()), e);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        names.push(entry.map_err(fail)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The first few names, for a message.
fn list(names: &[String]) -> String {
    match names.len() {
        0 => "nothing".into(),
        n if n <= LISTED => names.join(", "),
        n => format!("{} and {} more", names[..LISTED].join(", "), n - LISTED),
    }
}

/// The error for a path that does not exist, with the nearest name that does.
fn missing(source: &Path) -> Error {
    let parent = source.parent().filter(|p| !p.as_os_str().is_empty());
    let mut candidates = sorted_names(parent.unwrap_or(Path::new("."))).unwrap_or_default();
    if parent.is_none() {
        candidates.push(BUILT_IN.into());
    }
    let hint = match nearest(&file_name(source), candidates.iter().map(String::as_str)) {
        Some(name) => {
            format!("; did you mean \"{}\"? Expected", parent.map_or(name.into(), |p| p.join(name)).display())
        }
        None => "; expected".into(),
    };
    Error::data(format!("there is no file or folder \"{}\"{hint} {EXPECTED}", source.display()))
}

/// The error for a folder without a known file, with the way to a folder in it
/// that has some.
fn neither(folder: &Path, names: &[String]) -> Error {
    let inner = names.iter().take(100).map(|name| folder.join(name)).find(|path| {
        path.is_dir() && sorted_names(path).is_ok_and(|names| survey(path, &names).is_ok_and(|found| found.is_some()))
    });
    let next = match inner {
        Some(path) => format!("did you mean the folder \"{}\" in it?", path.display()),
        None => format!("expected {EXPECTED}"),
    };
    Error::data(format!(
        "folder {} holds neither IDX files nor CIFAR-10 batches, but {}; {next}",
        folder.display(),
        list(names)
    ))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
