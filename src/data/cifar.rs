//! The binary forms of CIFAR-10 and CIFAR-100.
//!
//! A batch file is a run of records without a header. A record is one label
//! byte (0 to 9) and 3072 bytes of a 32x32 image: the red, the green and the
//! blue plane, each row by row. Of CIFAR-100 it begins with two label bytes: the
//! coarse class (0 to 19), which is not used, and the fine one (0 to 99). A file
//! may be gzipped.

use super::bytes::Source;
use super::raw_images::{on_disk, packed};
use super::{Dataset, Images, Targets};
use crate::error::{Error, Result};
use crate::files::RowFile;
use crate::files::memory::{self, DataBound};
use std::path::{Path, PathBuf};

/// Height and width of an image, in pixels.
const SIDE: usize = 32;
/// Bytes of an image: three planes.
const IMAGE: usize = 3 * SIDE * SIDE;
/// Channels, height and width.
pub(super) const SHAPE: [usize; 3] = [3, SIDE, SIDE];
/// Records that are looked at together.
const LOOKED_AT: usize = 1000;
/// The classes, in the order of their numbers.
const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
/// The fine classes of CIFAR-100, in the order of their numbers.
const FINE: &str = "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can \
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin \
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard \
    lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear \
    pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark \
    shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone \
    television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm";

/// Bytes of a record of CIFAR-100.
pub(super) const RECORD_100: u64 = 2 + IMAGE as u64;

/// How a record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    name: &'static str,
    /// Label bytes; the last one counts.
    labels: usize,
    classes: usize,
}

const FORMS: [Form; 2] =
    [Form { name: "CIFAR-10", labels: 1, classes: 10 }, Form { name: "CIFAR-100", labels: 2, classes: 100 }];

impl Form {
    /// Bytes of a record.
    fn record(self) -> usize {
        self.labels + IMAGE
    }

    /// The form of a file of this length, if it is one or more whole records.
    fn of(length: u64) -> Option<Form> {
        FORMS.into_iter().find(|f| length > 0 && length.is_multiple_of(f.record() as u64))
    }

    /// Fails where this is not the form of the other batches.
    fn expect_in(self, others: Form, path: &Path) -> Result<()> {
        if self == others {
            return Ok(());
        }
        Err(Error::data(format!(
            "{} is a batch of {}, and others beside it are not; put each set in a folder of its own",
            path.display(),
            self.name
        )))
    }

    /// The label of record `i`.
    fn label(self, path: &Path, i: usize, record: &[u8]) -> Result<u32> {
        let label = u32::from(record[self.labels - 1]);
        if (label as usize) < self.classes {
            return Ok(label);
        }
        Err(Error::data(format!(
            "{} is not a {1} batch: record {i} (byte {2}) has label {label}, expected 0 to {3}; give the binary version \
             of {1}",
            path.display(),
            self.name,
            i * self.record(),
            self.classes - 1
        )))
    }

    fn names(self) -> Vec<String> {
        match self.labels {
            1 => CLASSES.map(String::from).to_vec(),
            _ => FINE.split_whitespace().map(String::from).collect(),
        }
    }
}

/// Reads batch files of CIFAR-10 or CIFAR-100, one after the other in the order
/// given, as one set of `[N, 3, 32, 32]` bytes.
///
/// Fails when a file cannot be read, is empty, is not a whole number of records
/// of 3073 or 3074 bytes, or holds a label above the highest, and when files are
/// of both forms.
pub fn read_cifar(name: &str, batches: &[PathBuf]) -> Result<Images> {
    read_cifar_within(name, batches, DataBound::of_budget())
}

/// [`read_cifar`] for images that take no more than the bound.
pub(super) fn read_cifar_within(name: &str, batches: &[PathBuf], bound: DataBound) -> Result<Images> {
    let budget = memory::budget().max(bound.bytes);
    let (mut pixels, mut labels, mut form) = (Vec::new(), Vec::new(), None);
    for path in batches {
        let shown = path.display();
        let mut source = Source::open_within(path, budget)?;
        // A plain file of the wrong length need not be read at all.
        if let Some(length) = source.length() {
            form_of(&shown, length)?;
        }
        let bytes = source.rest()?;
        // Of a gzipped file this is known now.
        if (pixels.len() + bytes.len()) as u64 > bound.bytes {
            let is_packed = |path: &&PathBuf| Source::open(path).is_ok_and(|source| source.length().is_none());
            let path = batches.iter().find(is_packed).unwrap_or(path);
            return Err(packed(path, (pixels.len() + bytes.len()) as u64, bound));
        }
        let own = form_of(&shown, bytes.len() as u64)?;
        own.expect_in(*form.get_or_insert(own), path)?;
        pixels.reserve_exact(bytes.len() / own.record() * IMAGE);
        for (i, record) in bytes.chunks_exact(own.record()).enumerate() {
            labels.push(own.label(path, i, record)?);
            pixels.extend_from_slice(&record[own.labels..]);
        }
    }
    let classes = form.unwrap_or(FORMS[0]).names();
    Ok(Images { name: name.into(), channels: 3, height: SIDE, width: SIDE, pixels, labels, classes })
}

/// How many images of `[3, 32, 32]` batch files hold by their lengths; none where one is
/// gzipped.
///
/// Fails where a file is no batch.
pub(super) fn cifar_count(batches: &[PathBuf]) -> Result<Option<usize>> {
    let mut count = 0;
    for path in batches {
        let Some(length) = Source::open(path)?.length() else { return Ok(None) };
        count += (length / form_of(&path.display(), length)?.record() as u64) as usize;
    }
    Ok(Some(count))
}

/// Opens batch files as [`read_cifar`] reads them; the images are read when they are needed.
///
/// Fails as that does, and when a file is gzipped.
pub(super) fn cifar_on_disk(name: &str, batches: &[PathBuf], bound: DataBound) -> Result<Dataset> {
    let (mut parts, mut labels, mut form) = (vec![], vec![], None);
    for path in batches {
        let source = Source::open(path)?;
        let Some(length) = source.length() else { return Err(packed(path, source.most(), bound)) };
        let own = form_of(&path.display(), length)?;
        own.expect_in(*form.get_or_insert(own), path)?;
        let rows = RowFile::at(path, 0, own.record() as u64, (length / own.record() as u64) as usize)?;
        let all: Vec<usize> = (0..rows.len()).collect();
        for some in all.chunks(LOOKED_AT) {
            let mut found = vec![];
            rows.read(some, &mut |i, record| found.push(own.label(path, some[i], record)))?;
            labels.extend(found.into_iter().collect::<Result<Vec<u32>>>()?);
        }
        parts.push(rows);
    }
    let form = form.unwrap_or(FORMS[0]);
    let targets = Targets::Classes { labels, names: form.names() };
    Ok(on_disk(name, SHAPE, parts, form.labels, targets, bound))
}

/// The form of a file of this length.
fn form_of(path: &impl std::fmt::Display, length: u64) -> Result<Form> {
    let [ten, hundred] = FORMS.map(|f| f.record() as u64);
    Form::of(length).ok_or_else(|| {
        let hint = match length {
            0 => "the file is empty: copy or download it again",
            _ => "it is truncated or no batch of CIFAR-10 or CIFAR-100: copy or download it again",
        };
        let (records, left) = (length / ten, length % ten);
        Error::data(format!(
            "{path} holds {length} bytes: {records} records of {ten} and {left} bytes over (of {hundred}, for CIFAR-100, {} \
             over); {hint}",
            length % hundred
        ))
    })
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
        read_cifar("set", &[path]).unwrap_err().to_string()
    }

    #[test]
    fn batches_are_joined_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("1.bin"), dir.path().join("2.bin.gz")];
        std::fs::write(&paths[0], batch(&[9, 0])).unwrap();
        let mut encoder = GzEncoder::new(std::fs::File::create(&paths[1]).unwrap(), Compression::fast());
        encoder.write_all(&batch(&[4])).unwrap();
        encoder.finish().unwrap();
        let set = read_cifar("set", &paths).unwrap();
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
            "data_batch_1.bin holds 5000 bytes: 1 records of 3073 and 1927 bytes over (of 3074, for CIFAR-100, 1926 over); it is truncated"
        ));
        assert!(message(&[]).contains("the file is empty"));
        assert!(message(&batch(&[1, 10])).contains("record 1 (byte 3073) has label 10, expected 0 to 9"));
    }

    #[test]
    fn two_labels_are_those_of_cifar_100() {
        let dir = tempfile::tempdir().unwrap();
        let (ten, hundred) = (dir.path().join("data_batch_1.bin"), dir.path().join("train.bin"));
        let record = |coarse: u8, fine: u8| [&[coarse, fine][..], &[fine; IMAGE]].concat();
        std::fs::write(&hundred, [record(19, 99), record(4, 0)].concat()).unwrap();
        let set = read_cifar("set", std::slice::from_ref(&hundred)).unwrap();
        assert_eq!((&set.labels[..], set.classes.len(), set.image(0)[5]), (&[99, 0][..], 100, 99));
        assert_eq!((&set.classes[0][..], &set.classes[99][..]), ("apple", "worm"));
        std::fs::write(&ten, batch(&[1])).unwrap();
        let both = read_cifar("set", &[ten, hundred.clone()]).unwrap_err().to_string();
        assert!(both.contains("train.bin is a batch of CIFAR-100, and others beside it are not"), "{both}");
        std::fs::write(&hundred, record(0, 100)).unwrap();
        let message = read_cifar("set", &[hundred]).unwrap_err().to_string();
        assert!(message.contains("has label 100, expected 0 to 99; give the binary version of CIFAR-100"), "{message}");
    }
}
