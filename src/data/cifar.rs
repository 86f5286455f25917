//! The binary form of CIFAR-10.
//!
//! A batch file is a run of records without a header. A record is one label
//! byte (0 to 9) and 3072 bytes of a 32x32 image: the red, the green and the
//! blue plane, each row by row. A file may be gzipped.

use super::Images;
use super::bytes::Source;
use crate::error::{Error, Result};
use std::path::PathBuf;

/// Height and width of an image, in pixels.
const SIDE: usize = 32;
/// Bytes of an image: three planes.
const IMAGE: usize = 3 * SIDE * SIDE;
/// Bytes of a record: a label and an image.
const RECORD: usize = 1 + IMAGE;
/// Bytes of a CIFAR-100 record, which has two labels.
const RECORD_100: usize = 2 + IMAGE;
/// The classes, in the order of their numbers.
const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Reads batch files, one after the other in the order given, as one set of
/// `[N, 3, 32, 32]` bytes.
///
/// Fails when a file cannot be read, is empty, is not a whole number of
/// 3073-byte records, or holds a label above 9.
pub fn read_cifar10(name: &str, batches: &[PathBuf]) -> Result<Images> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for path in batches {
        let shown = path.display();
        let mut source = Source::open(path)?;
        // A plain file of the wrong length need not be read at all.
        if let Some(length) = source.length() {
            check_length(&shown, length)?;
        }
        let bytes = source.rest()?;
        check_length(&shown, bytes.len() as u64)?;
        pixels.reserve_exact(bytes.len() / RECORD * IMAGE);
        for (i, record) in bytes.chunks_exact(RECORD).enumerate() {
            let label = u32::from(record[0]);
            if label as usize >= CLASSES.len() {
                return Err(Error::data(format!(
                    "{shown} is not a CIFAR-10 batch: record {i} (byte {}) has label {label}, expected 0 to 9; give the \
                     binary version of CIFAR-10",
                    i * RECORD
                )));
            }
            labels.push(label);
            pixels.extend_from_slice(&record[1..]);
        }
    }
    let classes = CLASSES.map(String::from).to_vec();
    Ok(Images { name: name.into(), channels: 3, height: SIDE, width: SIDE, pixels, labels, classes })
}

/// Accepts lengths of one or more whole records.
fn check_length(path: &impl std::fmt::Display, length: u64) -> Result<()> {
    let left = length % RECORD as u64;
    if length > 0 && left == 0 {
        return Ok(());
    }
    let hint = if length == 0 {
        "the file is empty: copy or download it again"
    } else if length.is_multiple_of(RECORD_100 as u64) {
        "its length fits CIFAR-100 (records of 3074 bytes), which is not supported"
    } else {
        "it is truncated or no CIFAR-10 batch: copy or download it again"
    };
    Err(Error::data(format!(
        "{path} holds {length} bytes: {} records of {RECORD} and {left} bytes over; {hint}",
        length / RECORD as u64
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    /// Records whose planes hold `3 * i`, `3 * i + 1`, `3 * i + 2`.
    fn batch(labels: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (i, &label) in labels.iter().enumerate() {
            bytes.push(label);
            (0..3).for_each(|plane| bytes.extend([(3 * i + plane) as u8; SIDE * SIDE]));
        }
        bytes
    }

    fn message(bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data_batch_1.bin");
        std::fs::write(&path, bytes).unwrap();
        read_cifar10("set", &[path]).unwrap_err().to_string()
    }

    #[test]
    fn batches_are_joined_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("1.bin"), dir.path().join("2.bin.gz")];
        std::fs::write(&paths[0], batch(&[9, 0])).unwrap();
        let mut encoder = GzEncoder::new(std::fs::File::create(&paths[1]).unwrap(), Compression::fast());
        encoder.write_all(&batch(&[4])).unwrap();
        encoder.finish().unwrap();
        let set = read_cifar10("set", &paths).unwrap();
        assert_eq!((set.channels, set.height, set.width), (3, 32, 32));
        assert_eq!(set.labels, [9, 0, 4]);
        assert_eq!(set.classes[4], "deer");
        assert_eq!(set.image(1).chunks(1024).map(|plane| plane[5]).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(set.image(2).chunks(1024).map(|plane| plane[1023]).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_bad_batch_says_what_is_wrong() {
        let good = batch(&[1, 2]);
        assert!(message(&good[..5000]).contains(
            "data_batch_1.bin holds 5000 bytes: 1 records of 3073 and 1927 bytes over; it is truncated or no CIFAR-10"
        ));
        assert!(message(&[]).contains("the file is empty"));
        assert!(message(&[0; 3074 * 2]).contains("fits CIFAR-100"));
        assert!(message(&batch(&[1, 10])).contains("record 1 (byte 3073) has label 10, expected 0 to 9"));
    }
}
