//! NumPy's arrays: `.npy` files and `.npz` archives of them.
//!
//! Headers are not trusted: a shape is checked against the bytes that are
//! there, and memory grows with what is really read.

mod array;
mod audit;
mod names;
mod samples;
mod targets;

pub use array::{Array, Elements, Ints, read_npy};
pub use audit::{ArrayAudit, audit};

use super::table::Task;
use super::{Dataset, Origin, RowGroups, Samples, Store, bytes::Source};
use crate::error::{Error, Result, nearest};
use crate::files;
use crate::files::memory::{self, DataBound};
use array::{Head, Wide, read_array};
use samples::{OnDisk, X};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use zip::{CompressionMethod, ZipArchive};

/// What arrays hold: samples to train on and, where they are there, to validate
/// and to test on.
#[derive(Debug, Clone, PartialEq)]
pub struct ArraySet {
    /// The training samples.
    pub train: Dataset,
    /// The validation samples.
    pub val: Option<Dataset>,
    /// The test samples.
    pub test: Option<Dataset>,
    /// What a user should know: what was taken for what.
    pub notes: Vec<String>,
    /// Arrays beside the samples and targets.
    pub others: Vec<String>,
}

impl ArraySet {
    /// What to say of the arrays beside the samples and targets, of which one may name the
    /// `group` of each sample.
    pub fn left_out(&self, group: Option<&str>) -> Vec<String> {
        let others: Vec<String> = self.others.iter().filter(|name| Some(name.as_str()) != group).cloned().collect();
        if others.is_empty() {
            return vec![];
        }
        let name = self.train.name.strip_suffix(" train").unwrap_or(&self.train.name);
        let mut notes = vec![format!("{name}: left out, as neither samples nor targets of a pair: {}", some(&others))];
        let is_group = |name: &&String| matches!(&name.to_lowercase()[..], "group" | "groups");
        if let (None, Some(groups)) = (group, others.iter().find(is_group)) {
            notes.push(format!("{name}: --group {groups} (data.group) keeps the samples of one group on one side"));
        }
        notes
    }
}

/// Reads samples and targets from an `.npz` archive, or from an `.npy` file of
/// samples with its targets beside it.
///
/// An archive holds `x` and `y`, or `x_train`, `y_train`, `x_val`, `y_val`,
/// `x_test`, `y_test` as Keras has them, or other usual names, in small letters or
/// large. Beside `NAME.npy` stands `NAME_y.npy`, or `y.npy`, or, for
/// `x_train.npy`, `y_train.npy` with `x_val.npy`, `y_val.npy`, `x_test.npy` and
/// `y_test.npy`.
///
/// Bytes of rank 3 and 4 are images, `[N, height, width]` with channels first or
/// last; anything else becomes floats. Whole targets are classes, and so are
/// words, rows with a single one among zeros, and whole floats of few values
/// unless `floats_are_values`; other floats are values. `task` says otherwise.
///
/// Fails when a file cannot be read, is damaged, or holds no such pair, and when
/// targets are not what `task` asks for.
pub fn open(path: &Path, task: Task, floats_are_values: bool) -> Result<ArraySet> {
    open_stored(path, task, floats_are_values, &held_by_budget())
}

/// As much in memory as the budget allows.
fn held_by_budget() -> Store {
    Store::within(DataBound::of(None))
}

/// Reads samples and targets as [`open`] does. Samples that take more memory than the store
/// says are read when they are needed: from a `.npy` file, or from an archive that
/// `numpy.savez` wrote.
///
/// Fails as that does, and when such samples are compressed or in Fortran's order.
pub fn open_stored(path: &Path, task: Task, floats_are_values: bool, store: &Store) -> Result<ArraySet> {
    let shown = path.display();
    let head = Source::open(path)?.take(4)?;
    let (pairs, others) = if head.starts_with(b"PK") { archive(path, store)? } else { (files(path, store)?, vec![]) };
    let (mut sets, mut answers) = (vec![], vec![]);
    for (pair, split) in pairs.into_iter().zip(["train", "validation", "test"]) {
        let name = format!("{shown} {split}");
        let Some((x, y)) = pair else {
            sets.push(None);
            continue;
        };
        let (n, m) = (x.shape().first().copied().unwrap_or(0), y.shape.first().copied().unwrap_or(0));
        if n == 0 || n != m || x.shape().contains(&0) {
            return Err(Error::data(format!(
                "{name}: samples of shape {:?} and targets of shape {:?}; expected as many of both, at least one",
                x.shape(),
                y.shape
            )));
        }
        let (shape, samples) = x.samples(&name, store)?;
        answers.push((name.clone(), y));
        sets.push(Some((name, shape, samples)));
    }
    let (targets, notes) = targets::targets(answers, task, floats_are_values)?;
    let mut targets = targets.into_iter();
    let mut next = |set: Option<(String, Vec<usize>, Samples)>| {
        let (name, shape, samples) = set?;
        Some(Dataset { name, shape, samples, targets: targets.next()?, origin: Origin::default() })
    };
    let mut sets = sets.into_iter().map(&mut next);
    let (train, val, test) = (sets.next().flatten(), sets.next().flatten(), sets.next().flatten());
    let Some(train) = train else { unreachable!("both readers fail without a training pair") };
    for (other, split) in [(&val, "validation"), (&test, "test")] {
        if let Some(other) = other.as_ref().filter(|other| other.shape != train.shape) {
            return Err(Error::data(format!(
                "training and {split} samples in {shown} differ in shape: {:?} and {:?}",
                train.shape, other.shape
            )));
        }
    }
    Ok(ArraySet { train, val, test, notes, others })
}

/// Reads samples to predict from an `.npy` file, or from an `.npz` archive that
/// holds one array, or one that is called so: the shape of a sample, and the
/// samples. `sample` is the shape that the model takes: an array of that shape is
/// one sample.
///
/// Fails as [`open`] does, and when an archive's arrays cannot be told apart.
pub fn open_samples(path: &Path, sample: &[usize]) -> Result<(Vec<usize>, Samples)> {
    open_samples_stored(path, sample, &held_by_budget())
}

/// Reads samples to predict as [`open_samples`] does. Those that take more memory than the
/// store says are read when they are needed.
pub fn open_samples_stored(path: &Path, sample: &[usize], store: &Store) -> Result<(Vec<usize>, Samples)> {
    let mut name = path.display().to_string();
    let mut x = if Source::open(path)?.take(4)?.starts_with(b"PK") {
        let (mut zip, found) = archive_of(path)?;
        let Some(chosen) = names::samples_of(&found) else {
            return Err(Error::data(format!(
                "{name} holds the arrays {}; expected one of samples, such as x",
                some(&found)
            )));
        };
        let is_large = entry_head(&mut zip, path, &chosen)?.held(Wide::No) > store.bound.bytes;
        let array = sampled(&mut zip, path, &chosen, is_large, store)?;
        name = format!("{chosen} of {name}");
        array
    } else {
        let head = file_head(path)?;
        x_of(path, head.held(Wide::No) > store.bound.bytes, head, store)?
    };
    match &mut x {
        X::Held(array) if array.shape == sample => array.shape.insert(0, 1),
        X::OnDisk(array) if array.head.shape() == sample => {
            return Err(Error::data(format!(
                "{name} is one sample of {}, more than {}; raise --data-memory",
                memory::size(array.head.held(Wide::No)),
                store.bound
            )));
        }
        _ => {}
    }
    if x.shape().is_empty() || x.shape().contains(&0) {
        return Err(Error::data(format!("{name} has the shape {:?}; expected at least one sample", x.shape())));
    }
    x.samples(&name, store)
}

/// Reads which group each of `n` training samples is of: an array of an `.npz`
/// archive, of numbers or words; words that are read alike are one where `alike` says so.
///
/// Fails when the file is no archive or holds no such array, and when that has not one
/// element for each sample.
pub fn open_groups(path: &Path, name: &str, n: usize, alike: bool) -> Result<RowGroups> {
    let shown = path.display();
    if !Source::open(path)?.take(4)?.starts_with(b"PK") {
        return Err(Error::usage(format!(
            "--group {name}: {shown} holds one array, and nothing beside it says which samples belong together; put \
             samples, targets and the array \"{name}\" into an .npz archive"
        )));
    }
    let (mut zip, found) = archive_of(path)?;
    if !found.iter().any(|f| f == name) {
        let hint = nearest(name, found.iter().map(String::as_str)).map(|near| format!("; did you mean \"{near}\"?"));
        return Err(Error::usage(format!(
            "--group {name}: {shown} holds the arrays {}; expected the name of one that says which samples belong \
             together{}",
            some(&found),
            hint.unwrap_or_default()
        )));
    }
    // Names are compared as they are: rounded, some would be one.
    let Array { shape, elements } = entry(&mut zip, path, name, memory::budget(), Wide::Yes)?;
    if shape.iter().product::<usize>() != n || shape.first() != Some(&n) {
        return Err(Error::data(format!(
            "{name} of {shown} has the shape {shape:?}; expected one element for each of {n} training samples"
        )));
    }
    let by = format!("\"{name}\"");
    // Zero has two signs.
    let number = |x: f64| (!x.is_nan()).then_some((x + 0.0).to_bits());
    let groups = match elements {
        Elements::Bytes(v) => RowGroups::new(by, v.into_iter().map(Some)),
        Elements::Ints(v) => RowGroups::new(by, v.words().map(Some)),
        Elements::Floats(v) => RowGroups::new(by, v.into_iter().map(|x| number(x.into()))),
        Elements::Doubles(v) => RowGroups::new(by, v.into_iter().map(number)),
        Elements::Words(v) => {
            RowGroups::named(by, v.into_iter().map(|w| (!w.is_empty()).then_some(vec![w])).collect(), alike)
        }
    };
    groups.check(&shown.to_string())
}

/// Samples and targets.
type Pair = (X, Array);

/// An archive, and the names of its arrays.
fn archive_of(path: &Path) -> Result<(ZipArchive<BufReader<File>>, Vec<String>)> {
    let shown = path.display();
    let file = files::open(path).map_err(|e| Error::io(format!("cannot read {shown}"), e))?;
    let zip = ZipArchive::new(BufReader::new(file)).map_err(|e| broken(path, &e))?;
    let names = zip.file_names().filter_map(|name| Some(name.ok()?.strip_suffix(".npy")?.to_string())).collect();
    Ok((zip, names))
}

fn broken(path: &Path, e: &dyn std::fmt::Display) -> Error {
    Error::data(format!("{} is no readable zip archive: {e}; copy or download it again", path.display()))
}

/// The first few names, for a message.
fn some(names: &[String]) -> String {
    let more = if names.len() > 10 { ", .." } else { "" };
    if names.is_empty() { "(none)".into() } else { names[..names.len().min(10)].join(", ") + more }
}

/// Reads an array of an archive that may take so many bytes.
fn entry(zip: &mut ZipArchive<BufReader<File>>, path: &Path, name: &str, budget: u64, wide: Wide) -> Result<Array> {
    in_entry(zip, path, name, |place, next, most| read_array(place, next, most, budget, wide))
}

/// The header of an array of an archive.
fn entry_head(zip: &mut ZipArchive<BufReader<File>>, path: &Path, name: &str) -> Result<Head> {
    in_entry(zip, path, name, |place, next, most| Head::read(place, next, most))
}

/// Reads from an array of an archive: `read` gets what messages call it, what gives its
/// next bytes, and how many it has at most.
fn in_entry<T>(
    zip: &mut ZipArchive<BufReader<File>>,
    path: &Path,
    name: &str,
    read: impl FnOnce(&str, &mut dyn FnMut(u64) -> Result<Vec<u8>>, u64) -> Result<T>,
) -> Result<T> {
    let place = format!("{name} of {}", path.display());
    let mut entry = zip.by_name(&format!("{name}.npy")).map_err(|e| broken(path, &e))?;
    // DEFLATE makes at most 1032 bytes of one; a size beyond that is a lie.
    let most = entry.size().min(entry.compressed_size().saturating_mul(1032).saturating_add(1032));
    let mut next = |n| {
        let mut bytes = vec![];
        let result = entry.by_ref().take(n).read_to_end(&mut bytes);
        result.map_err(|e| Error::data(format!("{place} is broken ({e}); copy or download the archive again")))?;
        Ok(bytes)
    };
    read(&place, &mut next, most)
}

/// The samples of an archive: in memory, or where they are large and not compressed, on
/// disk.
fn sampled(zip: &mut ZipArchive<BufReader<File>>, path: &Path, name: &str, is_large: bool, store: &Store) -> Result<X> {
    if !is_large {
        return entry(zip, path, name, store.bound.bytes, Wide::No).map(X::Held);
    }
    let head = entry_head(zip, path, name)?;
    let place = format!("{name} of {}", path.display());
    let found = zip.by_name(&format!("{name}.npy")).map_err(|e| broken(path, &e))?;
    match (found.compression(), found.data_start()) {
        (CompressionMethod::Stored, Some(at)) => Ok(X::OnDisk(OnDisk { place, path: path.into(), at, head })),
        _ => Err(Error::data(format!(
            "{place} takes {} in memory, more than {}, and is compressed: samples beyond that are read from their file \
             piece by piece, which compression does not allow; save the arrays with numpy.savez or numpy.save, or raise \
             --data-memory",
            memory::size(head.held(Wide::No)),
            store.bound
        ))),
    }
}

/// The header of the array in a file.
fn file_head(path: &Path) -> Result<Head> {
    let mut source = Source::open(path)?;
    let most = source.most();
    Head::read(&path.display().to_string(), &mut |n| source.take(n), most)
}

/// The samples of a file: in memory, or where they are large, on disk.
fn x_of(path: &Path, is_large: bool, head: Head, store: &Store) -> Result<X> {
    let shown = path.display().to_string();
    let mut source = Source::open_within(path, memory::budget().max(store.bound.bytes))?;
    let most = source.most();
    match (is_large, source.length()) {
        (false, _) => read_array(&shown, &mut |n| source.take(n), most, store.bound.bytes, Wide::No).map(X::Held),
        (true, Some(_)) => Ok(samples::of_file(path, head)),
        (true, None) => Err(super::raw_images::packed(path, head.held(Wide::No), store.bound)),
    }
}

/// The pairs of an archive, and the names of its other arrays.
fn archive(path: &Path, store: &Store) -> Result<([Option<Pair>; 3], Vec<String>)> {
    let shown = path.display();
    let (mut zip, found) = archive_of(path)?;
    let names::Arrays { pairs, others } = names::sort(&found);
    if pairs[0].is_none() {
        return Err(Error::data(format!(
            "{shown} holds the arrays {}; expected x and y, or x_train, y_train, x_val, y_val, x_test and y_test",
            some(&found)
        )));
    }
    let mut all = 0u64;
    for [x, _] in pairs.iter().flatten() {
        all = all.saturating_add(entry_head(&mut zip, path, x)?.held(Wide::No));
    }
    // The targets are in memory together.
    let mut left = memory::budget();
    let mut both = |pair: Option<names::Pair>| -> Result<Option<Pair>> {
        let Some([x, y]) = pair else { return Ok(None) };
        let x = sampled(&mut zip, path, &x, all > store.bound.bytes, store)?;
        let y = entry(&mut zip, path, &y, left, Wide::No)?;
        left = left.saturating_sub(y.elements.bytes());
        Ok(Some((x, y)))
    };
    let [train, val, test] = pairs;
    Ok(([both(train)?, both(val)?, both(test)?], others))
}

fn files(path: &Path, store: &Store) -> Result<[Option<Pair>; 3]> {
    let Some(stem) = path.file_stem().and_then(|s| s.to_str()).map(String::from) else {
        return Err(Error::data(format!(
            "{} has a name that is not UTF-8, so the file of its targets cannot be told; rename it",
            path.display()
        )));
    };
    let beside = |name: &str| path.with_file_name(format!("{name}.npy"));
    let rest = stem.strip_prefix(['x', 'X']);
    let mut names = vec![format!("{stem}_y")];
    names.extend(rest.map(|rest| format!("y{rest}")));
    names.push("y".into());
    let Some(targets) = names.iter().map(|n| beside(n)).find(|p| p.is_file()) else {
        let all: Vec<String> = names.iter().map(|n| format!("{n}.npy")).collect();
        return Err(Error::data(format!(
            "{} has no targets beside it; expected one of {}",
            path.display(),
            all.join(", ")
        )));
    };
    let of_split = |split: &str| -> Option<[PathBuf; 2]> {
        let rest = rest.filter(|rest| rest.contains("train"))?;
        let other = [&stem, &format!("y{rest}")].map(|n| beside(&n.replacen("train", split, 1)));
        other.iter().all(|p| p.is_file()).then_some(other)
    };
    let val = ["val", "valid", "validation"].iter().find_map(|split| of_split(split));
    let paths = [Some([path.to_path_buf(), targets]), val, of_split("test")];
    let heads = paths.each_ref().map(|pair| pair.as_ref().map(|[x, _]| file_head(x)).transpose());
    let [train, val, test] = heads;
    let heads = [train?, val?, test?];
    let all = heads.iter().flatten().fold(0u64, |all, head| all.saturating_add(head.held(Wide::No)));
    let is_large = all > store.bound.bytes;
    let mut pairs = [None, None, None];
    for (pair, (paths, head)) in pairs.iter_mut().zip(paths.into_iter().zip(heads)) {
        if let (Some([x, y]), Some(head)) = (paths, head) {
            *pair = Some((x_of(&x, is_large, head, store)?, read_npy(&y)?));
        }
    }
    Ok(pairs)
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
