//! One array from its bytes: the header, and elements at the width they have.

use crate::data::bytes::Source;
use crate::error::{Context, Error, Result};
use crate::files::memory;
use std::path::Path;

/// The longest header, in bytes.
const LONGEST_HEADER: usize = 64 << 10;
/// The most dimensions.
const RANKS: usize = 8;
/// Bytes that are turned into floats at a time; a multiple of all widths.
const CHUNK: u64 = 1 << 20;
/// Bytes that a word takes besides its characters.
const WORD: usize = size_of::<String>();

/// The elements of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// Unsigned bytes.
    Bytes(Vec<u8>),
    /// Whole numbers and booleans of any other kind.
    Ints(Ints),
    /// Floating-point numbers, rounded to 32 bits.
    Floats(Vec<f32>),
    /// Floating-point numbers of 64 bits as they are, where they are names and no amounts.
    Doubles(Vec<f64>),
    /// Words.
    Words(Vec<String>),
}

impl Elements {
    /// The bytes that they take.
    pub fn bytes(&self) -> u64 {
        match self {
            Elements::Bytes(v) => v.len() as u64,
            Elements::Ints(v) => v.bytes.len() as u64,
            Elements::Floats(v) => 4 * v.len() as u64,
            Elements::Doubles(v) => 8 * v.len() as u64,
            Elements::Words(v) => v.iter().map(|w| (WORD + w.len()) as u64).sum(),
        }
    }

    /// All as floats; none of words.
    pub(super) fn into_floats(self) -> Option<Vec<f32>> {
        Some(match self {
            Elements::Bytes(v) => v.into_iter().map(f32::from).collect(),
            Elements::Ints(v) => v.iter().map(|i| i as f32).collect(),
            Elements::Floats(v) => v,
            Elements::Doubles(v) => v.into_iter().map(|x| x as f32).collect(),
            Elements::Words(_) => return None,
        })
    }
}

/// Whole numbers as wide as they are in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Ints {
    /// Little-endian.
    bytes: Vec<u8>,
    /// Bytes of a number: 1, 2, 4 or 8.
    width: usize,
    signed: bool,
}

impl Ints {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.width
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of each number: equal where the numbers are.
    pub(super) fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.width)
    }

    /// The numbers in order; one above `i64::MAX` is that.
    pub fn iter(&self) -> impl Iterator<Item = i64> {
        let unused = 64 - 8 * self.width as u32;
        self.bytes.chunks_exact(self.width).map(move |bytes| {
            let word = bytes.iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b));
            match self.signed {
                // The sign bit is brought to the top and back.
                true => ((word << unused) as i64) >> unused,
                false => i64::try_from(word).unwrap_or(i64::MAX),
            }
        })
    }
}

/// An array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its elements, the last dimension fastest.
    pub elements: Elements,
}

/// Reads one array from a file, plain or gzipped.
///
/// Fails when it cannot be read, holds no numbers, is shorter than its header
/// says, or takes more memory than the budget.
pub fn read_npy(path: &Path) -> Result<Array> {
    let mut source = Source::open(path)?;
    let most = source.most();
    read_array(&path.display().to_string(), &mut |n| source.take(n), most, memory::budget(), Wide::No)
}

/// What a header says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    /// Kind (`f`, `i`, `u`, `b`, `U`, `S`) and bytes of an element.
    kind: (u8, usize),
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// An array of which the header is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    header: Header,
    /// Bytes of the elements in the file.
    bytes: u64,
    /// Bytes before them.
    pub start: u64,
}

impl Head {
    /// Reads a header from what `next` gives, so many bytes at a time, `most` in all;
    /// `place` is what messages call the array.
    pub fn read(place: &str, next: &mut dyn FnMut(u64) -> Result<Vec<u8>>, most: u64) -> Result<Head> {
        let mut start = 0;
        let mut take = |n: u64, what: &str| {
            start += n;
            exactly(place, next, n, what)
        };
        let magic = take(8, "its start")?;
        if !magic.starts_with(b"\x93NUMPY") {
            return Err(Error::data(format!("{place} is no NumPy array: it starts with {:02x?}", &magic[..6])));
        }
        let length = match magic[6] {
            1 => take(2, "the length of its header")?.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)),
            2 | 3 => take(4, "the length of its header")?.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)),
            v => return Err(Error::data(format!("{place} has version {v} of the format; expected 1 to 3"))),
        };
        if length > LONGEST_HEADER {
            return Err(Error::data(format!(
                "{place} has a header of {length} bytes; expected at most {LONGEST_HEADER}"
            )));
        }
        let text = take(length as u64, "its header")?;
        let header = parse_header(&String::from_utf8_lossy(&text)).context(|| place)?;
        let (shape, width) = (&header.shape, header.kind.1);
        let bytes = shape.iter().try_fold(width as u64, |n, &d| n.checked_mul(d as u64)).filter(|&n| n <= most);
        let bytes = bytes.ok_or_else(|| {
            Error::data(format!(
                "{place} claims the shape {shape:?} with {width} bytes each, but holds at most {most} bytes; copy or \
                 download it again"
            ))
        })?;
        Ok(Head { header, bytes, start })
    }

    /// The array's dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// Bytes of an element in the file.
    pub fn width(&self) -> usize {
        self.header.kind.1
    }

    /// Whether the first dimension is the fastest.
    pub fn is_fortran(&self) -> bool {
        self.header.fortran && self.header.shape.len() > 1
    }

    /// Whether the elements are unsigned bytes.
    pub fn is_bytes(&self) -> bool {
        self.header.kind == (b'u', 1)
    }

    /// Whether they are floating-point numbers.
    pub fn is_floats(&self) -> bool {
        self.header.kind.0 == b'f'
    }

    /// Whether they are words.
    pub fn is_words(&self) -> bool {
        matches!(self.header.kind.0, b'U' | b'S')
    }

    /// Bytes that the elements take in memory. Bytes stay bytes. Others become floats, or
    /// are read as they are and then become floats.
    pub fn held(&self, wide: Wide) -> u64 {
        let bytes = self.bytes;
        match self.header.kind {
            (b'u', 1) => bytes,
            (b'f', 8) if wide == Wide::Yes => bytes,
            (b'f', width) => bytes / width as u64 * 4,
            (b'U' | b'S', width) => bytes / width as u64 * WORD as u64 + bytes,
            (_, width) => bytes.max(bytes / width as u64 * 4),
        }
    }

    /// Numbers from their bytes in the file.
    pub fn numbers(&self, bytes: Vec<u8>) -> Elements {
        match self.header.kind {
            (b'u', 1) => Elements::Bytes(bytes),
            (b'f', _) => Elements::Floats(rounded(&bytes, &self.header).collect()),
            _ => Elements::Ints(ints(bytes, &self.header)),
        }
    }
}

/// So many bytes, or the error where there are fewer.
fn exactly(place: &str, next: &mut dyn FnMut(u64) -> Result<Vec<u8>>, n: u64, what: &str) -> Result<Vec<u8>> {
    match next(n)? {
        bytes if (bytes.len() as u64) < n => Err(Error::data(format!(
            "{place} is truncated: found {} bytes of {what}, expected {n}; copy or download it again",
            bytes.len()
        ))),
        bytes => Ok(bytes),
    }
}

/// Whether floats of 64 bits stay such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wide {
    Yes,
    No,
}

/// Reads one array from what `next` gives, so many bytes at a time, `most` in
/// all; `place` is what messages call it. What it takes as samples is judged by
/// `budget` before it is read.
pub(super) fn read_array(
    place: &str,
    next: &mut dyn FnMut(u64) -> Result<Vec<u8>>,
    most: u64,
    budget: u64,
    wide: Wide,
) -> Result<Array> {
    let head = Head::read(place, next, most)?;
    let held = head.held(wide);
    let Head { header, bytes, .. } = head;
    let Header { kind: (kind, width), shape, .. } = &header;
    let mut take = |n: u64, what: &str| exactly(place, next, n, what);
    memory::judge_named(&place, held, budget)?;
    let elements = match (kind, width) {
        (b'u', 1) => Elements::Bytes(take(bytes, "elements")?),
        (b'f', 8) if wide == Wide::Yes => {
            let words = ints(take(bytes, "elements")?, &header);
            let double = |w: &[u8]| f64::from_le_bytes(w.try_into().expect("words of eight bytes"));
            Elements::Doubles(words.words().map(double).collect())
        }
        (b'f', _) => Elements::Floats(floats(place, bytes, &header, &mut take)?),
        (b'U' | b'S', _) => Elements::Words(words(place, &take(bytes, "elements")?, &header)?),
        _ => Elements::Ints(ints(take(bytes, "elements")?, &header)),
    };
    let elements = if header.fortran && shape.len() > 1 { row_major(elements, shape) } else { elements };
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
    let numbers = "numbers such as '<f4', '|u1' or '<i8', or words such as '<U8', for 'descr'; an array of Python's \
                   objects is saved so after .astype(str) or .astype(float)";
    let descr = descr.ok_or_else(|| wrong(numbers))?;
    let (order, kind) = match descr.as_bytes() {
        [order @ (b'<' | b'>' | b'|' | b'='), rest @ ..] => (*order, rest),
        rest => (b'<', rest),
    };
    let kind = match kind {
        [k @ (b'i' | b'u'), size @ (b'1' | b'2' | b'4' | b'8')] => (*k, usize::from(size - b'0')),
        [b'f', size @ (b'2' | b'4' | b'8')] => (b'f', usize::from(size - b'0')),
        b"b1" => (b'b', 1),
        [k @ (b'U' | b'S'), size @ ..] => {
            let size = std::str::from_utf8(size).ok().and_then(|s| s.parse::<usize>().ok());
            let size = size.and_then(|n| n.checked_mul(if *k == b'U' { 4 } else { 1 })).filter(|&n| n > 0);
            (*k, size.ok_or_else(|| wrong("the length of words in 'descr', such as '<U8'"))?)
        }
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

/// Floats of any width and order, read and rounded to 32 bits part by part.
fn floats(
    place: &str,
    bytes: u64,
    header: &Header,
    take: &mut dyn FnMut(u64, &str) -> Result<Vec<u8>>,
) -> Result<Vec<f32>> {
    let width = header.kind.1;
    let mut all: Vec<f32> = vec![];
    let mut left = bytes;
    while left > 0 {
        let part = take(left.min(CHUNK), "elements")?;
        left -= part.len() as u64;
        if all.try_reserve(part.len() / width).is_err() {
            let found = memory::size(bytes / width as u64 * 4);
            return Err(Error::data(format!("{place} takes {found} as floats, more than there is memory for")));
        }
        all.extend(rounded(&part, header));
    }
    Ok(all)
}

/// Floats of any width and order, rounded to 32 bits.
fn rounded(bytes: &[u8], header: &Header) -> impl Iterator<Item = f32> {
    let (width, big_endian) = (header.kind.1, header.big_endian);
    // An element as the low bytes of a word, whatever its order.
    let word = move |bytes: &[u8]| {
        let push = |n: u64, &b: &u8| n << 8 | u64::from(b);
        if big_endian { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) }
    };
    let float = move |w: u64| match width {
        2 => half::f16::from_bits(w as u16).to_f32(),
        4 => f32::from_bits(w as u32),
        _ => f64::from_bits(w) as f32,
    };
    bytes.chunks_exact(width).map(move |bytes| float(word(bytes)))
}

/// Whole numbers as they are, but for their order.
fn ints(mut bytes: Vec<u8>, header: &Header) -> Ints {
    let (kind, width) = header.kind;
    if header.big_endian {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    if kind == b'b' {
        bytes.iter_mut().for_each(|b| *b = u8::from(*b != 0));
    }
    Ints { bytes, width, signed: kind == b'i' }
}

/// Words of any width, without the zeros that fill them: UTF-32, or bytes that
/// are UTF-8.
fn words(place: &str, bytes: &[u8], header: &Header) -> Result<Vec<String>> {
    let (kind, width) = header.kind;
    let character = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        char::from_u32(if header.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let word = |bytes: &[u8]| match kind {
        b'U' => bytes.chunks_exact(4).map(character).collect::<Option<String>>(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    };
    let read = |(i, bytes)| {
        let word = word(bytes).ok_or_else(|| {
            Error::data(format!("{place}: element {i} is no text in Unicode; save the array again after .astype(str)"))
        })?;
        Ok(word.trim_end_matches('\0').to_string())
    };
    bytes.chunks_exact(width).enumerate().map(read).collect()
}

/// Elements whose first dimension is the fastest, in the usual order.
fn row_major(elements: Elements, shape: &[usize]) -> Elements {
    match elements {
        Elements::Bytes(v) => Elements::Bytes(order(shape, v.len()).map(|at| v[at]).collect()),
        Elements::Floats(v) => Elements::Floats(order(shape, v.len()).map(|at| v[at]).collect()),
        Elements::Doubles(v) => Elements::Doubles(order(shape, v.len()).map(|at| v[at]).collect()),
        Elements::Words(v) => Elements::Words(order(shape, v.len()).map(|at| v[at].clone()).collect()),
        Elements::Ints(v) => {
            let number = |at: usize| &v.bytes[at * v.width..(at + 1) * v.width];
            let bytes = order(shape, v.len()).flat_map(number).copied().collect();
            Elements::Ints(Ints { bytes, ..v })
        }
    }
}

/// Where each element of the usual order lies if the first dimension is the
/// fastest.
fn order(shape: &[usize], n: usize) -> impl Iterator<Item = usize> {
    let mut index = vec![0; shape.len()];
    (0..n).map(move |_| {
        let at = index.iter().zip(shape).rev().fold(0, |at, (&i, &d)| at * d + i);
        for (i, &d) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < d {
                break;
            }
            *i = 0;
        }
        at
    })
}
