//! NumPy's arrays: `.npy` files and `.npz` archives of them.
//!
//! Headers are not trusted: a shape is checked against the bytes that are
//! there, and memory grows with what is really read.

mod audit;

pub use audit::{ArrayAudit, audit};

use super::{Dataset, Origin, Samples, Targets, bytes::Source, idx::class_names};
use crate::error::{Context, Error, Result};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use zip::ZipArchive;

/// The longest header, in bytes.
const LONGEST_HEADER: usize = 64 << 10;
/// The most bytes of one array.
const LARGEST: u64 = 4 << 30;
/// The most dimensions.
const RANKS: usize = 8;
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

/// The elements of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// Unsigned bytes.
    Bytes(Vec<u8>),
    /// Whole numbers and booleans of any other kind.
    Ints(Vec<i64>),
    /// Floating-point numbers, rounded to 32 bits.
    Floats(Vec<f32>),
}

/// An array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its elements, the last dimension fastest.
    pub elements: Elements,
}

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
    let file = File::open(path).map_err(|e| Error::io(format!("cannot read {shown}"), e))?;
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
        read_array(&place, &mut next, most)
    };
    let mut both = |pair: &[&str; 2]| -> Result<Pair> { Ok([read(pair[0])?, read(pair[1])?]) };
    let first = both(train)?;
    let second = if has(test) { Some(both(test)?) } else { None };
    Ok([Some(first), second])
}

fn files(path: &Path) -> Result<[Option<Pair>; 2]> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
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

/// Reads one array from a file, plain or gzipped.
///
/// Fails when it cannot be read, holds no numbers, or is shorter than its header
/// says.
pub fn read_npy(path: &Path) -> Result<Array> {
    let mut source = Source::open(path)?;
    let most = source.most();
    read_array(&path.display().to_string(), &mut |n| source.take(n), most)
}

/// What a header says.
#[derive(Debug, PartialEq)]
struct Header {
    /// Kind (`f`, `i`, `u`, `b`) and bytes of an element.
    kind: (u8, usize),
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// Reads one array from what `next` gives, so many bytes at a time, `most` in
/// all; `place` is what messages call it.
fn read_array(place: &str, next: &mut dyn FnMut(u64) -> Result<Vec<u8>>, most: u64) -> Result<Array> {
    let mut take = |n: u64, what: &str| match next(n)? {
        bytes if (bytes.len() as u64) < n => Err(Error::data(format!(
            "{place} is truncated: found {} bytes of {what}, expected {n}; copy or download it again",
            bytes.len()
        ))),
        bytes => Ok(bytes),
    };
    let start = take(8, "its start")?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(Error::data(format!("{place} is no NumPy array: it starts with {:02x?}", &start[..6])));
    }
    let length = match start[6] {
        1 => take(2, "the length of its header")?.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)),
        2 | 3 => take(4, "the length of its header")?.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)),
        v => return Err(Error::data(format!("{place} has version {v} of the format; expected 1 to 3"))),
    };
    if length > LONGEST_HEADER {
        return Err(Error::data(format!("{place} has a header of {length} bytes; expected at most {LONGEST_HEADER}")));
    }
    let text = take(length as u64, "its header")?;
    let header = parse_header(&String::from_utf8_lossy(&text)).context(|| place)?;
    let Header { kind, shape, .. } = &header;
    let bytes = shape.iter().try_fold(kind.1 as u64, |n, &d| n.checked_mul(d as u64));
    let bytes = bytes.filter(|&n| n <= most.min(LARGEST)).ok_or_else(|| {
        Error::data(format!(
            "{place} claims the shape {shape:?} with {} bytes each, but holds at most {} bytes; copy or download it again",
            kind.1,
            most.min(LARGEST)
        ))
    })?;
    let data = take(bytes, "elements")?;
    let elements = decode(&data, &header);
    let elements = if header.fortran && shape.len() > 1 {
        match elements {
            Elements::Bytes(v) => Elements::Bytes(row_major(&v, shape)),
            Elements::Ints(v) => Elements::Ints(row_major(&v, shape)),
            Elements::Floats(v) => Elements::Floats(row_major(&v, shape)),
        }
    } else {
        elements
    };
    Ok(Array { shape: header.shape, elements })
}

/// Reads the header, a Python dictionary.
fn parse_header(text: &str) -> Result<Header> {
    let wrong = |what: &str| {
        Error::data(format!("its header is {:?}; expected {what}", text.trim().chars().take(200).collect::<String>()))
    };
    let value = |key: &str| {
        let at = [format!("'{key}'"), format!("\"{key}\"")].iter().find_map(|k| text.find(k).map(|at| at + k.len()));
        let rest = at.and_then(|at| text[at..].trim_start().strip_prefix(':')).map(str::trim_start);
        rest.ok_or_else(|| wrong(&format!("the key '{key}'")))
    };
    let descr = value("descr")?;
    let descr = descr.strip_prefix(['\'', '"']).and_then(|d| d.split(['\'', '"']).next());
    let numbers = "numbers such as '<f4', '|u1' or '<i8' for 'descr'";
    let descr = descr.ok_or_else(|| wrong(numbers))?;
    let (order, kind) = match descr.as_bytes() {
        [order @ (b'<' | b'>' | b'|' | b'='), rest @ ..] => (*order, rest),
        rest => (b'<', rest),
    };
    let kind = match kind {
        [k @ (b'i' | b'u'), size @ (b'1' | b'2' | b'4' | b'8')] => (*k, usize::from(size - b'0')),
        [b'f', size @ (b'2' | b'4' | b'8')] => (b'f', usize::from(size - b'0')),
        b"b1" => (b'b', 1),
        _ => return Err(wrong(numbers)),
    };
    let fortran = value("fortran_order")?;
    let fortran = match (fortran.starts_with("True"), fortran.starts_with("False")) {
        (true, _) => true,
        (_, true) => false,
        _ => return Err(wrong("True or False for 'fortran_order'")),
    };
    let tuple = "a tuple of whole numbers for 'shape'";
    let shape = value("shape")?.strip_prefix('(').and_then(|s| s.split(')').next()).ok_or_else(|| wrong(tuple))?;
    let lengths = shape.split(',').map(str::trim).filter(|s| !s.is_empty());
    let shape = lengths.map(|s| s.trim_end_matches('L').parse().ok()).collect::<Option<Vec<usize>>>();
    let shape = shape.filter(|s| s.len() <= RANKS).ok_or_else(|| wrong(tuple))?;
    Ok(Header { kind, big_endian: order == b'>', fortran, shape })
}

fn decode(data: &[u8], header: &Header) -> Elements {
    let (kind, size) = header.kind;
    if (kind, size) == (b'u', 1) {
        return Elements::Bytes(data.to_vec());
    }
    // An element as the low bytes of a word, whatever its order.
    let word = |bytes: &[u8]| {
        let push = |n: u64, &b: &u8| n << 8 | u64::from(b);
        if header.big_endian { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) }
    };
    let words = data.chunks_exact(size).map(word);
    match (kind, size) {
        (b'f', 2) => Elements::Floats(words.map(|w| half::f16::from_bits(w as u16).to_f32()).collect()),
        (b'f', 4) => Elements::Floats(words.map(|w| f32::from_bits(w as u32)).collect()),
        (b'f', _) => Elements::Floats(words.map(|w| f64::from_bits(w) as f32).collect()),
        (b'i', _) => {
            // The sign bit is brought to the top and back.
            let shift = 64 - 8 * size as u32;
            Elements::Ints(words.map(|w| ((w << shift) as i64) >> shift).collect())
        }
        (b'b', _) => Elements::Ints(words.map(|w| i64::from(w != 0)).collect()),
        _ => Elements::Ints(words.map(|w| i64::try_from(w).unwrap_or(i64::MAX)).collect()),
    }
}

/// Elements whose first dimension is the fastest, in the usual order.
fn row_major<T: Copy>(all: &[T], shape: &[usize]) -> Vec<T> {
    let mut index = vec![0; shape.len()];
    let mut out = Vec::with_capacity(all.len());
    for _ in 0..all.len() {
        let at = index.iter().zip(shape).rev().fold(0, |at, (&i, &d)| at * d + i);
        out.push(all[at]);
        for (i, &d) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < d {
                break;
            }
            *i = 0;
        }
    }
    out
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
            let v: Vec<f32> = match elements {
                Elements::Bytes(v) => v.into_iter().map(f32::from).collect(),
                Elements::Ints(v) => v.into_iter().map(|i| i as f32).collect(),
                Elements::Floats(v) => v,
            };
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
    let numbers: Vec<i64> = match y.elements {
        Elements::Bytes(v) => v.into_iter().map(i64::from).collect(),
        Elements::Ints(v) => v,
        Elements::Floats(v) => {
            if width > 1 && v.chunks(width).all(|row| one_hot(row, 0.0, 1.0).is_some()) {
                v.into_iter().map(|x| x as i64).collect()
            } else {
                return values(name, v, width);
            }
        }
    };
    let labels: Vec<i64> = if width == 1 {
        numbers
    } else if let Some(labels) = numbers.chunks(width).map(|row| one_hot(row, 0, 1)).collect() {
        let labels: Vec<i64> = labels;
        return Ok(Targets::Classes {
            labels: labels.into_iter().map(|l| l as u32).collect(),
            names: class_names(width),
        });
    } else {
        return values(name, numbers.into_iter().map(|i| i as f32).collect(), width);
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

/// The place of the only one among zeros.
fn one_hot<T: PartialEq + Copy>(row: &[T], zero: T, one: T) -> Option<i64> {
    let only = row.iter().filter(|&&x| x == one).count() == 1 && row.iter().all(|&x| x == zero || x == one);
    if only { row.iter().position(|&x| x == one).map(|i| i as i64) } else { None }
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
