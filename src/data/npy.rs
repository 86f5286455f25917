//! NumPy's arrays: `.npy` files and `.npz` archives of them.
//!
//! Headers are not trusted: a shape is checked against the bytes that are
//! there, and memory grows with what is really read.

mod array;
mod audit;

pub use array::{Array, Elements, Ints, read_npy};
pub use audit::{ArrayAudit, audit};

use super::{Dataset, Origin, Samples, Targets, bytes::Source, idx::class_names};
use crate::error::{Error, Result};
use crate::files::{self, memory};
use array::read_array;
use std::io::{BufReader, Read as _};
use std::path::Path;
use zip::ZipArchive;

/// The highest class number, so that a stray number does not become a model
/// with as many outputs.
const MOST_CLASSES: i64 = 100_000;
/// The most channels of an image; what has more is no image.
const CHANNELS: usize = 4;
/// The names of samples and targets in archives: training pair and test pair.
const NAMES: &[([&str; 2], [&str; 2])] = &[
    (["x_train", "y_train"], ["x_test", "y_test"]),
    (["X_train", "y_train"], ["X_test", "y_test"]),
    (["train_images", "train_labels"], ["test_images", "test_labels"]),
    (["x", "y"], ["x_test", "y_test"]),
    (["X", "y"], ["X_test", "y_test"]),
    (["images", "labels"], ["test_images", "test_labels"]),
    (["data", "labels"], ["test_data", "test_labels"]),
    (["arr_0", "arr_1"], ["arr_2", "arr_3"]),
];

/// What arrays hold: samples to train on and, where they are there, to test on.
#[derive(Debug, Clone, PartialEq)]
pub struct ArraySet {
    /// The training samples.
    pub train: Dataset,
    /// The test samples.
    pub test: Option<Dataset>,
}

/// Reads samples and targets from an `.npz` archive, or from an `.npy` file of
/// samples with its targets beside it.
///
/// An archive holds `x` and `y`, or `x_train`, `y_train`, `x_test`, `y_test` as
/// Keras has them, or other usual names. Beside `NAME.npy` stands `NAME_y.npy`,
/// or `y.npy`, or, for `x_train.npy`, `y_train.npy` with `x_test.npy` and
/// `y_test.npy`.
///
/// Bytes of rank 3 and 4 are images, `[N, height, width]` with channels first or
/// last; anything else becomes floats. Whole targets are classes, and so are
/// rows with a single one among zeros; floats are values.
///
/// Fails when a file cannot be read, is damaged, or holds no such pair.
pub fn open(path: &Path) -> Result<ArraySet> {
    let shown = path.display();
    let head = Source::open(path)?.take(4)?;
    let pairs = if head.starts_with(b"PK") { archive(path)? } else { files(path)? };
    let [train, test] = pairs;
    let Some(train) = train else { unreachable!("both readers fail without a training pair") };
    let mut train = dataset(&format!("{shown} train"), train)?;
    let mut test = test.map(|pair| dataset(&format!("{shown} test"), pair)).transpose()?;
    if let Some(test) = &mut test {
        if train.shape != test.shape {
            return Err(Error::data(format!(
                "training and test samples in {shown} differ in shape: {:?} and {:?}",
                train.shape, test.shape
            )));
        }
        match (&mut train.targets, &mut test.targets) {
            // Classes that only one split shows count for both.
            (Targets::Classes { names: a, .. }, Targets::Classes { names: b, .. }) => {
                *a = class_names(a.len().max(b.len()));
                b.clone_from(a);
            }
            (Targets::Values { names: a, .. }, Targets::Values { names: b, .. }) if a.len() == b.len() => {}
            _ => {
                return Err(Error::data(format!(
                    "training and test targets in {shown} are of different kinds; expected classes, or equally many \
                     numbers, in both"
                )));
            }
        }
    }
    Ok(ArraySet { train, test })
}

/// Samples and targets.
type Pair = [Array; 2];

fn archive(path: &Path) -> Result<[Option<Pair>; 2]> {
    let shown = path.display();
    let file = files::open(path).map_err(|e| Error::io(format!("cannot read {shown}"), e))?;
    let broken = |e| Error::data(format!("{shown} is no readable zip archive: {e}; copy or download it again"));
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    let names = zip.file_names().filter_map(|name| Some(name.ok()?.strip_suffix(".npy")?.to_string()));
    let found: Vec<String> = names.collect();
    let has = |pair: &[&str; 2]| pair.iter().all(|n| found.iter().any(|f| f == n));
    let Some((train, test)) = NAMES.iter().find(|(train, _)| has(train)) else {
        let shown_names: Vec<&str> = found.iter().take(10).map(String::as_str).collect();
        return Err(Error::data(format!(
            "{shown} holds the arrays {}; expected x and y, or x_train, y_train, x_test and y_test",
            if found.is_empty() { "(none)".into() } else { shown_names.join(", ") }
        )));
    };
    // What is read lies there together.
    let mut left = memory::budget();
    let mut read = |name: &str| {
        let place = format!("{name} of {shown}");
        let mut entry = zip.by_name(&format!("{name}.npy")).map_err(broken)?;
        // DEFLATE makes at most 1032 bytes of one; a size beyond that is a lie.
        let most = entry.size().min(entry.compressed_size().saturating_mul(1032).saturating_add(1032));
        let mut next = |n| {
            let mut bytes = vec![];
            let result = entry.by_ref().take(n).read_to_end(&mut bytes);
            result.map_err(|e| Error::data(format!("{place} is broken ({e}); copy or download the archive again")))?;
            Ok(bytes)
        };
        let array = read_array(&place, &mut next, most, left)?;
        left = left.saturating_sub(array.elements.bytes());
        Ok(array)
    };
    let mut both = |pair: &[&str; 2]| -> Result<Pair> { Ok([read(pair[0])?, read(pair[1])?]) };
    let first = both(train)?;
    let second = if has(test) { Some(both(test)?) } else { None };
    Ok([Some(first), second])
}

fn files(path: &Path) -> Result<[Option<Pair>; 2]> {
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
    let test = [
        stem.replacen("train", "test", 1),
        rest.map_or(String::new(), |r| format!("y{}", r.replacen("train", "test", 1))),
    ]
    .map(|n| beside(&n));
    let is_there = stem.contains("train") && rest.is_some() && test.iter().all(|p| p.is_file());
    let test = if is_there { Some([read_npy(&test[0])?, read_npy(&test[1])?]) } else { None };
    Ok([Some(train), test])
}

/// Samples and targets as a data set.
fn dataset(name: &str, [x, y]: Pair) -> Result<Dataset> {
    let (n, m) = (x.shape.first().copied().unwrap_or(0), y.shape.first().copied().unwrap_or(0));
    if n == 0 || n != m || x.shape.contains(&0) {
        return Err(Error::data(format!(
            "{name}: samples of shape {:?} and targets of shape {:?}; expected as many of both, at least one",
            x.shape, y.shape
        )));
    }
    let (shape, samples) = samples(name, x)?;
    Ok(Dataset { name: name.into(), shape, samples, targets: targets(name, y)?, origin: Origin::default() })
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
            Ok((shape, Samples::Bytes(v)))
        }
        elements => {
            let v = elements.into_floats();
            if let Some(at) = v.iter().position(|x| !x.is_finite()) {
                let width: usize = shape.iter().product();
                return Err(Error::data(format!(
                    "{name}: sample {} holds {}; expected finite numbers within 32 bits: clean the array first",
                    at / width,
                    v[at]
                )));
            }
            let v = if channels_last { channels_first(&v, &shape) } else { v };
            Ok((shape, Samples::Floats(v)))
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

fn targets(name: &str, y: Array) -> Result<Targets> {
    let n = y.shape[0];
    let width: usize = y.shape[1..].iter().product();
    if y.shape.len() > 2 && width != 1 || width == 0 {
        return Err(Error::data(format!("{name}: targets of shape {:?}; expected one or two dimensions", y.shape)));
    }
    let labels: Vec<i64> = match y.elements {
        Elements::Floats(v) => match one_hot(&v, width, 0.0, 1.0).filter(|_| width > 1) {
            Some(labels) => return Ok(Targets::Classes { labels, names: class_names(width) }),
            None => return values(name, v, width),
        },
        Elements::Bytes(v) if width == 1 => v.into_iter().map(i64::from).collect(),
        Elements::Ints(v) if width == 1 => v.iter().collect(),
        // Rows of zeros and ones fit into bytes.
        rows => {
            let small: Option<Vec<u8>> = match &rows {
                Elements::Ints(v) => v.iter().map(|i| u8::try_from(i).ok()).collect(),
                Elements::Bytes(v) => Some(v.clone()),
                Elements::Floats(_) => None,
            };
            return match small.and_then(|v| one_hot(&v, width, 0, 1)) {
                Some(labels) => Ok(Targets::Classes { labels, names: class_names(width) }),
                None => values(name, rows.into_floats(), width),
            };
        }
    };
    if let Some(at) = labels.iter().position(|l| !(0..=MOST_CLASSES).contains(l)) {
        return Err(Error::data(format!(
            "{name}: target {at} of {n} is {}; expected class numbers from 0 to {MOST_CLASSES}; for values to be \
             predicted store floats",
            labels[at]
        )));
    }
    let names = class_names(labels.iter().max().map_or(0, |&l| l as usize + 1));
    Ok(Targets::Classes { labels: labels.into_iter().map(|l| l as u32).collect(), names })
}

fn values(name: &str, values: Vec<f32>, width: usize) -> Result<Targets> {
    if let Some(at) = values.iter().position(|x| !x.is_finite()) {
        return Err(Error::data(format!("{name}: target {} is {}; expected finite numbers", at / width, values[at])));
    }
    let names = if width == 1 { vec!["y".into()] } else { (1..=width).map(|i| format!("y{i}")).collect() };
    Ok(Targets::Values { values, names })
}

/// The place of the only one among zeros in each row; `None` where a row is
/// something else.
fn one_hot<T: PartialEq + Copy>(all: &[T], width: usize, zero: T, one: T) -> Option<Vec<u32>> {
    let place = |row: &[T]| {
        let only = row.iter().filter(|&&x| x == one).count() == 1 && row.iter().all(|&x| x == zero || x == one);
        if only { row.iter().position(|&x| x == one).map(|i| i as u32) } else { None }
    };
    all.chunks(width).map(place).collect()
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
