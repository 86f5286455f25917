//! Finds out what a data set is by looking at what is there: the names of the
//! files in a folder, the first bytes of a file.

use super::bytes::{STANDARD_INPUT, Source};
use super::cifar::RECORD_100;
use super::picture::starts_like_a_picture;
use super::scan::is_image_folder;
use super::table::{arff, container, json, prose};
use super::text::{FolderOf, folder_of};
use crate::error::{Error, Result, nearest};
use crate::files;
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The short name of the built-in set, for where no path is called so.
const SHORT: &str = "digits";
/// The name of the built-in set, whatever lies where the program runs.
pub const BUILT_IN: &str = "builtin:digits";
/// Files that a message lists of a folder.
const LISTED: usize = 6;
/// What a source of images may be.
pub(super) const EXPECTED: &str = "\"digits\" (built in), a folder with IDX files (train-images-idx3-ubyte, \
                                   train-labels-idx1-ubyte, t10k-..., plain or .gz), a folder or file of CIFAR-10 \
                                   binary batches (data_batch_1.bin, test_batch.bin, plain or .gz), or a folder with \
                                   one sub-folder of pictures per class";
/// Endings of tables, each also with `.gz`.
const TABLES: [&str; 3] = [".csv", ".tsv", ".txt"];
/// Endings of text, each also with `.gz`; `.txt` where it is no table.
const TEXTS: [&str; 3] = [".txt", ".text", ".md"];

/// What a data set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceKind {
    /// The built-in digits.
    Digits,
    /// A folder of IDX files.
    Idx,
    /// A folder of CIFAR-10 binary batches, or one of them.
    Cifar10,
    /// A folder with one sub-folder of pictures per class.
    ImageFolder,
    /// A text file of rows and columns.
    Table,
    /// NumPy arrays, `.npy` or `.npz`.
    Npy,
    /// Plain text: a file, or a folder of files.
    Text,
    /// A folder with one sub-folder of text files per class.
    TextFolder,
}

/// Whether a source is the built-in set: `builtin:digits`, or `digits` where
/// nothing of that name lies in the working directory.
pub fn is_built_in(source: impl AsRef<Path>) -> bool {
    let source = source.as_ref().as_os_str();
    source == BUILT_IN || source == SHORT && !Path::new(SHORT).exists()
}

/// A source as typed, so that it names the same from now on, whatever will lie
/// in the working directory: `digits` becomes `./digits` or `builtin:digits`.
pub fn settled(source: String) -> String {
    match (source == SHORT, is_built_in(&source)) {
        (false, _) => source,
        (true, true) => BUILT_IN.into(),
        (true, false) => format!("./{SHORT}"),
    }
}

/// What is said where a source could be taken for another: the built-in set and
/// a file or folder called like it.
fn choice(source: &str) -> Option<String> {
    if !Path::new(SHORT).exists() {
        return None;
    }
    match source {
        BUILT_IN => Some(format!("these are the built-in digits; what lies here is named by --data ./{SHORT}")),
        SHORT | "./digits" => {
            Some(format!("{source} is what lies here under that name; the built-in digits are --data {BUILT_IN}"))
        }
        _ => None,
    }
}

/// A source by its name, with what was found there: looked at once, before it is
/// opened.
#[derive(Debug)]
pub struct Recognised {
    source: String,
    pub(super) found: Found,
}

impl Recognised {
    /// Its name, as messages have it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        Path::new(&self.source)
    }

    /// What it is.
    pub fn kind(&self) -> SourceKind {
        match &self.found {
            Found::Digits => SourceKind::Digits,
            Found::Files(FileSet { format: Format::Idx, .. }) => SourceKind::Idx,
            Found::Files(FileSet { format: Format::Cifar10, .. }) => SourceKind::Cifar10,
            Found::Pictures => SourceKind::ImageFolder,
            Found::Table => SourceKind::Table,
            Found::Npy => SourceKind::Npy,
            Found::Text => SourceKind::Text,
            Found::TextFolder => SourceKind::TextFolder,
        }
    }

    /// What is said where it could be taken for another: the built-in set and a file
    /// or folder called like it.
    pub fn choice(&self) -> Option<String> {
        choice(&self.source)
    }
}

/// Finds out what a data set is. `source` is a path, `digits`, or `-` for
/// a table from the standard input. Folders are
/// known by their files; `.npy` and `.npz` files by their first bytes; a table
/// by its name, `.csv`, `.tsv`, `.json` or `.jsonl`, by its beginning where that is a record of
/// JSON, or as the one in a zip archive, text by `.text` or `.md`, gzipped or not. What
/// a `.txt` file is, its first lines say.
///
/// Fails when there is nothing of this name, or nothing that is known.
pub fn recognise(source: &str) -> Result<Recognised> {
    Ok(Recognised { source: source.into(), found: find(source.as_ref())? })
}

/// The kind of a data set, as [`recognise`] finds it.
pub fn kind(source: impl AsRef<Path>) -> Result<SourceKind> {
    let (source, found) = (source.as_ref().display().to_string(), find(source.as_ref())?);
    Ok(Recognised { source, found }.kind())
}

/// What there is under a name.
#[derive(Debug)]
pub(super) enum Found {
    Digits,
    /// IDX files or CIFAR-10 batches.
    Files(FileSet),
    /// An image folder.
    Pictures,
    Table,
    Npy,
    /// A text, or a folder of texts that are one.
    Text,
    /// A folder of texts for each class.
    TextFolder,
}

/// How a folder's files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Idx,
    Cifar10,
}

impl Format {
    pub(super) fn train_files(self) -> &'static str {
        match self {
            Format::Idx => "train-images-idx3-ubyte and train-labels-idx1-ubyte (plain or .gz)",
            Format::Cifar10 => "data_batch_1.bin and so on (plain or .gz)",
        }
    }
}

/// The files of one split.
#[derive(Debug)]
pub(super) enum Files {
    /// Images and labels; one of them may be missing.
    Idx { images: Option<PathBuf>, labels: Option<PathBuf> },
    /// Batches, at least one.
    Cifar10(Vec<PathBuf>),
}

/// The files of a set.
#[derive(Debug)]
pub(super) struct FileSet {
    pub format: Format,
    /// Training and test files; at least one of them.
    pub splits: [Option<Files>; 2],
    /// The names of all files, sorted.
    pub names: Vec<String>,
}

/// The part that a file plays: 0 for training or 1 for testing, and which.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role {
    Images(usize),
    Labels(usize),
    Batch(usize),
}

/// The part of a file with this name, if it has one.
pub(super) fn role(name: &str) -> Option<Role> {
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

/// The part of a file of CIFAR-100, which is called by its split alone: so its
/// length is looked at too.
fn cifar_100(name: &str, path: &Path) -> Option<Role> {
    let split = ["train.bin", "test.bin"].iter().position(|n| *n == name)?;
    let length = std::fs::metadata(path).ok()?.len();
    (length > 0 && length.is_multiple_of(RECORD_100)).then_some(Role::Batch(split))
}

/// Finds out what there is under a name.
fn find(path: &Path) -> Result<Found> {
    if is_built_in(path) {
        return Ok(Found::Digits);
    }
    if path.as_os_str() == STANDARD_INPUT {
        return Ok(Found::Table);
    }
    if !path.exists() {
        return Err(missing(path));
    }
    if !path.is_dir() {
        return find_file(path);
    }
    let names = sorted_names(path)?;
    match survey(path, &names)? {
        Some(set) => Ok(Found::Files(set)),
        None if is_image_folder(path) => Ok(Found::Pictures),
        None => match text_folder(path, &names) {
            Some(FolderOf::Classes) => Ok(Found::TextFolder),
            Some(FolderOf::Text) => Ok(Found::Text),
            None => Err(unknown_folder(path, &names)),
        },
    }
}

/// What a folder of texts is, if it is one. A folder with tables in it is not.
fn text_folder(folder: &Path, names: &[String]) -> Option<FolderOf> {
    if names.iter().any(|name| has_ending(name, &TABLES) && !has_ending(name, &TEXTS)) {
        return None;
    }
    folder_of(folder, |file| is_table(file).unwrap_or(false))
}

fn find_file(path: &Path) -> Result<Found> {
    let (name, shown) = (file_name(path), path.display());
    if is_numpy(path)? {
        return Ok(Found::Npy);
    }
    if let Some(refusal) = container::refusal(&shown.to_string(), &first_bytes(path, 16)?) {
        return Err(refusal);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let split = match role(&name) {
        Some(Role::Batch(split)) => split,
        None if name.trim_end_matches(".gz").ends_with(".bin") => 0,
        Some(_) => {
            return Err(Error::data(format!(
                "{shown} is one file of an IDX set; give the folder that holds images and labels: {}",
                folder.display()
            )));
        }
        None if is_table(path)? => return Ok(Found::Table),
        None if has_ending(&name, &TEXTS) => return Ok(Found::Text),
        None if starts_like_a_picture(path) => {
            return Err(Error::data(format!(
                "{shown} is one picture; expected a folder with one sub-folder of pictures per class"
            )));
        }
        None => {
            return Err(Error::data(format!(
                "{shown} is a file that is no data set; expected {EXPECTED}; or a table (.csv, .tsv, .txt, .json, \
                 .jsonl, .arff, plain or .gz), text (.txt, .text, .md), or NumPy arrays (.npy, .npz)"
            )));
        }
    };
    let mut splits = [None, None];
    splits[split] = Some(Files::Cifar10(vec![path.into()]));
    Ok(Found::Files(FileSet { format: Format::Cifar10, splits, names: vec![name] }))
}

/// Whether a name ends in one of these, gzipped or not.
fn has_ending(name: &str, endings: &[&str]) -> bool {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    endings.iter().any(|ending| name.ends_with(ending))
}

/// Whether a file is a table: by its name, or by its first lines where the name
/// may also be that of a text.
fn is_table(path: &Path) -> Result<bool> {
    let name = file_name(path);
    #[cfg(feature = "arrow")]
    if path.is_file() && crate::data::table::arrow::is_arrow(&first_bytes(path, 16)?) {
        return Ok(true);
    }
    if starts_like_an_archive(path)? {
        // What is wrong with it, reading says.
        return Ok(container::holds_table(path)
            || has_ending(&name, &[".csv", ".tsv", ".txt", ".zip", ".xlsx", ".xlsm", ".xlsb", ".ods"]));
    }
    let (table, text) = (has_ending(&name, &TABLES), has_ending(&name, &TEXTS));
    if has_ending(&name, &json::RECORDS) || table && !text {
        return Ok(true);
    }
    if text && !table || !path.is_file() {
        return Ok(false);
    }
    let start = Source::open(path)?.take(prose::SAMPLE)?;
    Ok(json::begins_records(&start) || arff::begins_relation(&start) || table && prose::is_table(&start))
}

/// Whether a file is an array of NumPy's, or a zip archive whose first entry is
/// one (an entry's name stands 30 bytes after its start, its length at 26).
fn is_numpy(path: &Path) -> Result<bool> {
    let start = first_bytes(path, 1024)?;
    if start.starts_with(b"\x93NUMPY") {
        return Ok(true);
    }
    let length = match start.get(26..28) {
        Some(&[low, high]) if start.starts_with(b"PK\x03\x04") => usize::from(u16::from_le_bytes([low, high])),
        _ => return Ok(false),
    };
    Ok(start.get(30..30 + length).is_some_and(|name| name.ends_with(b".npy")))
}

/// Whether a file is a zip archive.
fn starts_like_an_archive(path: &Path) -> Result<bool> {
    Ok(first_bytes(path, 4)?.starts_with(b"PK\x03\x04"))
}

/// The first bytes of a file; none of what is no regular file.
fn first_bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut start = vec![];
    if path.is_file() {
        let fail = |e| Error::io(format!("cannot read {}", path.display()), e);
        files::open(path).map_err(fail)?.take(most).read_to_end(&mut start).map_err(fail)?;
    }
    Ok(start)
}

/// The known files of a folder; none when it holds no such file.
fn survey(folder: &Path, names: &[String]) -> Result<Option<FileSet>> {
    let (mut images, mut labels) = ([None, None], [None, None]);
    let mut batches: [Vec<PathBuf>; 2] = Default::default();
    for name in names {
        let path = folder.join(name);
        let Some(role) = role(name).or_else(|| cifar_100(name, &path)) else { continue };
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
    Ok(Some(FileSet { format, splits, names: names.to_vec() }))
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

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The first few names, for a message.
pub(super) fn list(names: &[String]) -> String {
    match names.len() {
        0 => "nothing".into(),
        n if n <= LISTED => names.join(", "),
        n => format!("{} and {} more", names[..LISTED].join(", "), n - LISTED),
    }
}

/// The error for a path that does not exist, with the nearest name that does.
fn missing(source: &Path) -> Error {
    if source.is_symlink() {
        return Error::data(format!(
            "{} is a link that leads nowhere, or in a circle; expected one to a file or folder",
            source.display()
        ));
    }
    let parent = source.parent().filter(|p| !p.as_os_str().is_empty());
    let mut candidates = sorted_names(parent.unwrap_or(Path::new("."))).unwrap_or_default();
    if parent.is_none() {
        candidates.push(SHORT.into());
    }
    let hint = match nearest(&file_name(source), candidates.iter().map(String::as_str)) {
        Some(name) => {
            format!("; did you mean \"{}\"? Expected", parent.map_or(name.into(), |p| p.join(name)).display())
        }
        None => "; expected".into(),
    };
    Error::data(format!("there is no file or folder \"{}\"{hint} {EXPECTED}", source.display()))
}

/// The error for a folder without a known file, with the way to a folder or a
/// file in it that is a data set.
pub(super) fn unknown_folder(folder: &Path, names: &[String]) -> Error {
    let is_set = |path: &Path| {
        let names = if path.is_dir() { sorted_names(path).unwrap_or_default() } else { vec![] };
        survey(path, &names).is_ok_and(|found| found.is_some())
    };
    let inner = names.iter().take(100).map(|name| folder.join(name)).find(|path| is_set(path));
    let table = names.iter().find(|name| has_ending(name, &TABLES) || has_ending(name, &json::RECORDS));
    let next = match (inner, table) {
        (Some(path), _) => format!("did you mean the folder \"{}\" in it?", path.display()),
        (None, Some(name)) => format!("did you mean the file \"{}\" in it?", folder.join(name).display()),
        (None, None) => format!("expected {EXPECTED}"),
    };
    Error::data(format!(
        "folder {} holds neither IDX files nor CIFAR-10 batches nor folders of pictures, but {}; {next}",
        folder.display(),
        list(names)
    ))
}
