//! The IDX format, in which MNIST and its relatives are published.
//!
//! A file is a header and its elements. The header is two zero bytes, a type
//! code (8: unsigned bytes), the number of dimensions, and each dimension as a
//! big-endian `u32`. Images are `[N, height, width]` or `[N, channels, height,
//! width]`, labels are `[N]`; both are unsigned bytes. Either may be gzipped.

use super::bytes::Source;
use super::raw_images::{on_disk, packed};
use super::{Dataset, Images, Targets};
use crate::error::{Error, Result};
use crate::files::memory::{self, DataBound};
use crate::files::{self, RowFile};
use flate2::{Compression, write::GzEncoder};
use std::io::{BufWriter, Write};
use std::path::Path;

/// The type code of unsigned bytes.
const U8: u8 = 0x08;

/// Reads an image file: the lengths `[N, channels, height, width]` and as many
/// bytes, row-major. A file of rank 3 has one channel.
///
/// Fails when the file cannot be read, is no IDX file of unsigned bytes and
/// rank 3 or 4, holds no images, or is not exactly as long as its header says.
pub fn read_idx_images(path: &Path) -> Result<([usize; 4], Vec<u8>)> {
    images_within(path, memory::budget())
}

fn images_within(path: &Path, budget: u64) -> Result<([usize; 4], Vec<u8>)> {
    let (dims, bytes) = read(path, "images", &[3, 4], budget)?;
    Ok((of_images(&dims), bytes))
}

/// `[N, channels, height, width]`.
fn of_images(dims: &[usize]) -> [usize; 4] {
    match dims[..] {
        [n, height, width] => [n, 1, height, width],
        [n, channels, height, width] => [n, channels, height, width],
        _ => unreachable!("only rank 3 and 4 pass"),
    }
}

/// Reads a label file: `[N]` class numbers, 0 to 255.
///
/// Fails as [`read_idx_images`] does; the rank must be 1.
pub fn read_idx_labels(path: &Path) -> Result<Vec<u32>> {
    Ok(read(path, "labels", &[1], memory::budget())?.1.into_iter().map(u32::from).collect())
}

/// Reads an image file and its label file. Classes are named by their numbers,
/// from 0 to the highest label that occurs.
///
/// Fails as the two readers do, and when the counts of images and labels differ.
pub fn read_idx(name: &str, images: &Path, labels: &Path) -> Result<Images> {
    read_idx_within(name, images, labels, memory::budget())
}

/// [`read_idx`] with a budget of so many bytes for the images.
pub(super) fn read_idx_within(name: &str, images: &Path, labels: &Path, budget: u64) -> Result<Images> {
    let ([count, channels, height, width], pixels) = images_within(images, budget)?;
    let (labels, classes) = labels_of(images, count, labels)?;
    Ok(Images { name: name.into(), channels, height, width, pixels, labels, classes })
}

/// The shape `[N, channels, height, width]` that an image file has by its header.
///
/// Fails as [`read_idx_images`] does, except for what only the data shows.
pub(super) fn idx_shape(images: &Path) -> Result<[usize; 4]> {
    Ok(of_images(&Head::read(images, "images", &[3, 4], memory::budget())?.dims()))
}

/// Opens an image file and its label file; the images are read when they are needed.
///
/// Fails as [`read_idx`] does, and when the images are gzipped.
pub(super) fn idx_on_disk(name: &str, images: &Path, labels: &Path, bound: DataBound) -> Result<Dataset> {
    let head = Head::read(images, "images", &[3, 4], memory::budget())?;
    let [n, channels, height, width] = of_images(&head.dims());
    if head.source.length().is_none() {
        return Err(packed(images, head.claim, bound));
    }
    let (labels, names) = labels_of(images, n, labels)?;
    let shape = [channels, height, width];
    let rows = RowFile::at(images, head.length, (channels * height * width) as u64, n)?;
    Ok(on_disk(name, shape, vec![rows], 0, Targets::Classes { labels, names }, bound))
}

/// The labels of so many images, and the names of their classes.
fn labels_of(images: &Path, count: usize, labels: &Path) -> Result<(Vec<u32>, Vec<String>)> {
    let numbers = read_idx_labels(labels)?;
    if numbers.len() != count {
        return Err(Error::data(format!(
            "{} holds {count} images, but {} holds {} labels; expected one label per image: take both files from the \
             same set",
            images.display(),
            labels.display(),
            numbers.len()
        )));
    }
    let classes = class_names(numbers.iter().max().map_or(0, |&label| label as usize + 1));
    Ok((numbers, classes))
}

/// Writes images as unsigned bytes, `[N, height, width]` for one channel and
/// `[N, channels, height, width]` for more; gzipped when the name ends in `.gz`.
///
/// Fails when the file cannot be written or a length does not fit in 32 bits.
pub fn write_idx_images(path: &Path, images: &Images) -> Result<()> {
    let (n, c, h, w) = (images.len(), images.channels, images.height, images.width);
    let dims = if c == 1 { vec![n, h, w] } else { vec![n, c, h, w] };
    write(path, &dims, &images.pixels)
}

/// Writes the labels of images as unsigned bytes, `[N]`; gzipped when the name
/// ends in `.gz`.
///
/// Fails when the file cannot be written or a label is above 255.
pub fn write_idx_labels(path: &Path, images: &Images) -> Result<()> {
    let bytes: Vec<u8> = images.labels.iter().map_while(|&label| u8::try_from(label).ok()).collect();
    if let Some(label) = images.labels.get(bytes.len()) {
        return Err(Error::data(format!(
            "cannot write {}: image {} of {} has label {label}; an IDX label file holds labels 0 to 255",
            path.display(),
            bytes.len(),
            images.name
        )));
    }
    write(path, &[bytes.len()], &bytes)
}

/// Classes that are named by their numbers.
pub(super) fn class_names(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}

/// Reads a file of unsigned bytes with one of the given ranks, of no more bytes than the
/// budget.
fn read(path: &Path, what: &str, ranks: &[usize], budget: u64) -> Result<(Vec<usize>, Vec<u8>)> {
    let mut head = Head::read(path, what, ranks, budget)?;
    let Head { length, claim, .. } = head;
    memory::judge_named(&path.display(), claim, budget)?;
    let bytes = head.source.take(claim)?;
    if (bytes.len() as u64) < claim {
        return Err(truncated(path, &head.dims, length + bytes.len() as u64, length + claim));
    }
    // Reading on also makes a gzip stream check its sum.
    if !head.source.take(1)?.is_empty() {
        return Err(trailing(path, &head.dims, "more", length + claim));
    }
    Ok((head.dims(), bytes))
}

/// A file of which the header is read.
struct Head {
    source: Source,
    dims: Vec<u32>,
    /// Bytes of the header.
    length: u64,
    /// Bytes of the data that it promises.
    claim: u64,
}

impl Head {
    fn dims(&self) -> Vec<usize> {
        self.dims.iter().map(|&d| d as usize).collect()
    }

    /// Reads the header of a file of unsigned bytes with one of the given ranks.
    fn read(path: &Path, what: &str, ranks: &[usize], budget: u64) -> Result<Head> {
        let shown = path.display();
        let mut source = Source::open_within(path, budget)?;
        let magic = source.take(4)?;
        let &[zero, null, code, rank] = &magic[..] else {
            return Err(Error::data(format!(
                "{shown} is truncated: it holds {} bytes, but an IDX header has at least 8; copy or download it again",
                magic.len()
            )));
        };
        if (zero, null) != (0, 0) {
            return Err(Error::data(format!(
                "{shown} is not an IDX file: it starts with bytes {magic:02x?}, expected [00, 00, 08, rank]; check that it \
             is the file of {what} itself, not a web page or an archive"
            )));
        }
        if code != U8 {
            return Err(Error::data(format!(
                "{shown} holds {} (IDX type code 0x{code:02x}); expected unsigned bytes (0x08)",
                type_name(code)
            )));
        }
        let rank = usize::from(rank);
        if !ranks.contains(&rank) {
            let hint = match rank {
                1 => "; this looks like a file of labels",
                3 | 4 => "; this looks like a file of images",
                _ => "",
            };
            let expected: Vec<String> = ranks.iter().map(usize::to_string).collect();
            return Err(Error::data(format!(
                "{shown} has {rank} dimensions; expected {} for {what}{hint}",
                expected.join(" or ")
            )));
        }
        let header = 4 + 4 * rank as u64;
        let sizes = source.take(4 * rank as u64)?;
        if sizes.len() < 4 * rank {
            return Err(Error::data(format!(
                "{shown} is truncated: it holds {} bytes, but the IDX header of {rank} dimensions alone has {header}; copy \
             or download it again",
                4 + sizes.len()
            )));
        }
        let dims: Vec<u32> = sizes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect();
        let claim = check_claim(path, what, &dims, header, &source)?;
        Ok(Head { source, dims, length: header, claim })
    }
}

/// The bytes of data that a header promises, if the file can hold them.
fn check_claim(path: &Path, what: &str, dims: &[u32], header: u64, source: &Source) -> Result<u64> {
    let shown = path.display();
    if dims[0] == 0 {
        return Err(Error::data(format!("{shown} holds no {what}: its header says 0; expected at least one")));
    }
    if dims.contains(&0) {
        return Err(Error::data(format!("{shown} holds {what} without pixels: its header says {}", product(dims))));
    }
    let claim = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(u64::from(d)));
    let total = claim.and_then(|n| n.checked_add(header));
    let (Some(claim), Some(total)) = (claim, total) else {
        return Err(Error::data(format!(
            "{shown} is broken: its header promises {} bytes, more than 64 bits can count; copy or download it again",
            product(dims)
        )));
    };
    match source.length() {
        Some(length) if length < total => Err(truncated(path, dims, length, total)),
        Some(length) if length > total => Err(trailing(path, dims, &(length - total).to_string(), total)),
        None if source.most() < total => Err(Error::data(format!(
            "{shown} is truncated or broken: its header ({}) promises {total} bytes, but the gzip file can expand to \
             {} at most; copy or download it again",
            product(dims),
            source.most()
        ))),
        _ => Ok(claim),
    }
}

fn truncated(path: &Path, dims: &[u32], found: u64, expected: u64) -> Error {
    Error::data(format!(
        "{} is truncated: it holds {found} bytes, but its header ({}) promises {expected}; copy or download it again",
        path.display(),
        product(dims)
    ))
}

fn trailing(path: &Path, dims: &[u32], surplus: &str, expected: u64) -> Error {
    Error::data(format!(
        "{} has {surplus} bytes after the {expected} that its header ({}) promises; the file is damaged or no plain \
         IDX file: copy or download it again",
        path.display(),
        product(dims)
    ))
}

/// Dimensions as `10x28x28`.
fn product(dims: &[u32]) -> String {
    dims.iter().map(u32::to_string).collect::<Vec<_>>().join("x")
}

fn type_name(code: u8) -> &'static str {
    match code {
        0x09 => "signed bytes",
        0x0b => "16-bit integers",
        0x0c => "32-bit integers",
        0x0d => "32-bit floats",
        0x0e => "64-bit floats",
        _ => "elements of an unknown type",
    }
}

fn write(path: &Path, dims: &[usize], bytes: &[u8]) -> Result<()> {
    let shown = path.display();
    let mut header = vec![0, 0, U8, dims.len() as u8];
    for &d in dims {
        let d = u32::try_from(d)
            .map_err(|_| Error::data(format!("cannot write {shown}: a dimension of {d} does not fit in 32 bits")))?;
        header.extend(d.to_be_bytes());
    }
    files::write_with(path, &mut |file| {
        let mut file = BufWriter::new(file);
        if path.extension().is_some_and(|e| e == "gz") {
            let mut encoder = GzEncoder::new(&mut file, Compression::default());
            encoder.write_all(&header)?;
            encoder.write_all(bytes)?;
            encoder.finish()?;
        } else {
            file.write_all(&header)?;
            file.write_all(bytes)?;
        }
        file.flush()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn set(n: usize, channels: usize) -> Images {
        let pixels = (0..n * channels * 6).map(|i| (i * 37) as u8).collect();
        let labels: Vec<u32> = (0..n as u32).map(|i| i % 4).collect();
        Images { name: "set".into(), channels, height: 2, width: 3, pixels, labels, classes: class_names(n.min(4)) }
    }

    /// The message that a file of these bytes gives when read as images.
    fn message(bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        let message = read_idx_images(&path).unwrap_err().to_string();
        message.strip_prefix(&path.display().to_string()).expect("a message starts with the path").to_string()
    }

    fn header(dims: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        dims.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
        bytes
    }

    #[test]
    fn sets_survive_a_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        for channels in [1, 3] {
            for end in ["", ".gz"] {
                let at = |part: &str| -> PathBuf { dir.path().join(format!("{part}{end}")) };
                let set = set(7, channels);
                write_idx_images(&at("images"), &set).unwrap();
                write_idx_labels(&at("labels"), &set).unwrap();
                assert_eq!(read_idx("set", &at("images"), &at("labels")).unwrap(), set);
            }
        }
        let plain = std::fs::read(dir.path().join("images")).unwrap();
        assert_eq!(plain[..8], [0, 0, 8, 4, 0, 0, 0, 7]);
        assert!(std::fs::read(dir.path().join("images.gz")).unwrap().starts_with(&[0x1f, 0x8b]));
    }

    #[test]
    fn a_wrong_length_names_both_counts() {
        let good = [header(&[2, 2, 3]), vec![1; 12]].concat();
        assert!(message(&good[..20]).contains(" it holds 20 bytes, but its header (2x2x3) promises 28;"));
        assert!(message(&good[..10]).contains(" it holds 10 bytes, but the IDX header of 3 dimensions alone has 16;"));
        assert!(message(&good[..3]).contains(" it holds 3 bytes, but an IDX header has at least 8;"));
        assert!(message(&[]).contains(" it holds 0 bytes"));
        assert!(message(&[good, vec![0; 5]].concat()).contains(" has 5 bytes after the 28 that its header (2x2x3)"));
    }

    #[test]
    fn gzip_is_held_to_the_header() {
        let pack = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let good = [header(&[2, 2, 3]), vec![1; 12]].concat();
        assert!(message(&pack(&good[..20])).contains(" it holds 20 bytes, but its header (2x2x3) promises 28;"));
        // A bomb is read one byte past what its header promises, no further.
        let bomb = [good.clone(), vec![0; 1 << 24]].concat();
        assert!(message(&pack(&bomb)).contains(" has more bytes after the 28"));
        let huge = pack(&header(&[1 << 20, 1 << 12, 1 << 12]));
        assert!(message(&huge).contains(" promises 17592186044432 bytes, but the gzip file can expand to"));
        let packed = pack(&good);
        assert!(message(&packed[..packed.len() - 3]).contains(" its gzip stream ends in an error after 28 bytes"));
    }

    #[test]
    fn an_absurd_header_allocates_nothing() {
        assert!(message(&header(&[u32::MAX; 3])).contains("more than 64 bits can count"));
        assert!(
            message(&header(&[u32::MAX, 28, 28])).contains(" it holds 16 bytes, but its header (4294967295x28x28)")
        );
        assert!(message(&header(&[0, 28, 28])).contains(" holds no images: its header says 0"));
        assert!(message(&header(&[5, 0, 28])).contains(" holds images without pixels: its header says 5x0x28"));
    }

    #[test]
    fn another_kind_of_file_is_told_apart() {
        assert!(message(b"<!DOCTYPE html>").contains("is not an IDX file: it starts with bytes [3c, 21, 44, 4f]"));
        assert!(
            message(&[0, 0, 0x0d, 3]).contains("holds 32-bit floats (IDX type code 0x0d); expected unsigned bytes")
        );
        assert!(message(&[0, 0, 0x77, 3]).contains("elements of an unknown type (IDX type code 0x77)"));
        assert!(
            message(&header(&[9]))
                .contains("has 1 dimensions; expected 3 or 4 for images; this looks like a file of labels")
        );
        assert!(message(&header(&[2, 2])).ends_with("has 2 dimensions; expected 3 or 4 for images"));
        assert!(message(&[0, 0, 8, 255]).contains("has 255 dimensions"));
    }

    #[test]
    fn counts_must_agree_and_labels_fit_a_byte() {
        let dir = tempfile::tempdir().unwrap();
        let (images, labels) = (dir.path().join("i"), dir.path().join("l"));
        write_idx_images(&images, &set(5, 1)).unwrap();
        write_idx_labels(&labels, &set(4, 1)).unwrap();
        let message = read_idx("set", &images, &labels).unwrap_err().to_string();
        assert!(message.contains("holds 5 images, but") && message.contains("holds 4 labels"), "{message}");
        let mut set = set(2, 1);
        set.labels[1] = 256;
        let message = write_idx_labels(&labels, &set).unwrap_err().to_string();
        assert!(
            message.ends_with("image 1 of set has label 256; an IDX label file holds labels 0 to 255"),
            "{message}"
        );
        let message = read_idx_labels(&images).unwrap_err().to_string();
        assert!(message.ends_with("expected 1 for labels; this looks like a file of images"), "{message}");
    }
}
