//! NumPy's arrays: `.npy` files and `.npz` archives of them.
//!
//! Headers are not trusted: a shape is checked against the bytes that are
//! there, and memory grows with what is really read.

mod array;
mod audit;
mod names;
mod targets;

pub use array::{Array, Elements, Ints, read_npy};
pub use audit::{ArrayAudit, audit};

use super::table::Task;
use super::{Dataset, Origin, RowGroups, Samples, bytes::Source};
use crate::error::{Error, Result, nearest};
use crate::files::{self, memory};
use array::{Wide, read_array};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use zip::ZipArchive;

/// The most channels of an image; what has more is no image.
const CHANNELS: usize = 4;

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
    let shown = path.display();
    let head = Source::open(path)?.take(4)?;
    let (pairs, others) = if head.starts_with(b"PK") { archive(path)? } else { (files(path)?, vec![]) };
    let (mut sets, mut answers) = (vec![], vec![]);
    for (pair, split) in pairs.into_iter().zip(["train", "validation", "test"]) {
        let name = format!("{shown} {split}");
        let Some([x, y]) = pair else {
            sets.push(None);
            continue;
        };
        let (n, m) = (x.shape.first().copied().unwrap_or(0), y.shape.first().copied().unwrap_or(0));
        if n == 0 || n != m || x.shape.contains(&0) {
            return Err(Error::data(format!(
                "{name}: samples of shape {:?} and targets of shape {:?}; expected as many of both, at least one",
                x.shape, y.shape
            )));
        }
        let (shape, samples) = samples(&name, x)?;
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
    let mut name = path.display().to_string();
    let mut x = if Source::open(path)?.take(4)?.starts_with(b"PK") {
        let (mut zip, found) = archive_of(path)?;
        let Some(chosen) = names::samples_of(&found) else {
            return Err(Error::data(format!(
                "{name} holds the arrays {}; expected one of samples, such as x",
                some(&found)
            )));
        };
        let array = entry(&mut zip, path, &chosen, memory::budget(), Wide::No)?;
        name = format!("{chosen} of {name}");
        array
    } else {
        read_npy(path)?
    };
    if x.shape == sample {
        x.shape.insert(0, 1);
    }
    if x.shape.is_empty() || x.shape.contains(&0) {
        return Err(Error::data(format!("{name} has the shape {:?}; expected at least one sample", x.shape)));
    }
    samples(&name, x)
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
type Pair = [Array; 2];

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
    read_array(&place, &mut next, most, budget, wide)
}

/// The pairs of an archive, and the names of its other arrays.
fn archive(path: &Path) -> Result<([Option<Pair>; 3], Vec<String>)> {
    let shown = path.display();
    let (mut zip, found) = archive_of(path)?;
    let names::Arrays { pairs, others } = names::sort(&found);
    if pairs[0].is_none() {
        return Err(Error::data(format!(
            "{shown} holds the arrays {}; expected x and y, or x_train, y_train, x_val, y_val, x_test and y_test",
            some(&found)
        )));
    }
    // What is read lies there together.
    let mut left = memory::budget();
    let mut read = |name: &str| {
        let array = entry(&mut zip, path, name, left, Wide::No)?;
        left = left.saturating_sub(array.elements.bytes());
        Ok(array)
    };
    let mut both = |pair: Option<names::Pair>| -> Result<Option<Pair>> {
        pair.map(|[x, y]| Ok([read(&x)?, read(&y)?])).transpose()
    };
    let [train, val, test] = pairs;
    Ok(([both(train)?, both(val)?, both(test)?], others))
}

fn files(path: &Path) -> Result<[Option<Pair>; 3]> {
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
    let train = [read_npy(path)?, read_npy(&targets)?];
    let of_split = |split: &str| -> Result<Option<Pair>> {
        let Some(rest) = rest.filter(|rest| rest.contains("train")) else { return Ok(None) };
        let other = [&stem, &format!("y{rest}")].map(|n| beside(&n.replacen("train", split, 1)));
        if !other.iter().all(|p| p.is_file()) {
            return Ok(None);
        }
        Ok(Some([read_npy(&other[0])?, read_npy(&other[1])?]))
    };
    let val = ["val", "valid", "validation"].iter().find_map(|split| of_split(split).transpose()).transpose()?;
    Ok([Some(train), val, of_split("test")?])
}

fn samples(name: &str, x: Array) -> Result<(Vec<usize>, Samples)> {
    let Array { shape, elements } = x;
    let (channels_last, shape) = match shape[..] {
        [_, h, w, c] if c <= CHANNELS && (h > CHANNELS || w > CHANNELS) => (true, vec![c, h, w]),
        [_] => (false, vec![1]),
        _ => (false, shape[1..].to_vec()),
    };
    let is_image = match shape[..] {
        [c, _, _] => c <= CHANNELS,
        [_, _] => true,
        _ => false,
    };
    match elements {
        Elements::Bytes(v) if is_image => {
            let shape = if let [h, w] = shape[..] { vec![1, h, w] } else { shape };
            let v = if channels_last { channels_first(&v, &shape) } else { v };
            Ok((shape, Samples::Bytes(v.into())))
        }
        elements => {
            let v = elements.into_floats().ok_or_else(|| {
                Error::data(format!("{name}: samples are words; expected numbers, such as word counts or pixels"))
            })?;
            if let Some(at) = v.iter().position(|x| !x.is_finite()) {
                let width: usize = shape.iter().product();
                return Err(Error::data(format!(
                    "{name}: sample {} holds {}; expected finite numbers within 32 bits: clean the array first",
                    at / width,
                    v[at]
                )));
            }
            let v = if channels_last { channels_first(&v, &shape) } else { v };
            Ok((shape, Samples::Floats(v.into())))
        }
    }
}

/// Images `[N, height, width, channels]` as `[N, channels, height, width]`;
/// `shape` is that of one result.
fn channels_first<T: Copy>(all: &[T], shape: &[usize]) -> Vec<T> {
    let (channels, plane) = (shape[0], shape[1] * shape[2]);
    let images = all.chunks_exact(channels * plane);
    images.flat_map(|image| (0..channels * plane).map(|i| image[i % plane * channels + i / plane])).collect()
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
