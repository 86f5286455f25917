//! From the name of a data set to its images.

use super::digits::{TEST, TRAIN, digits};
use super::folder::{self, FolderReport};
use super::idx::{class_names, read_idx_labels};
use super::levels;
use super::options::OpenOptions;
use super::progress::OnProgress;
use super::recognise::{EXPECTED, FileSet, Files, Found, Recognised, list, recognise};
use super::{ImageSet, Images};
use crate::error::{Error, Result};

/// A data set with what opening it has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The images.
    pub set: ImageSet,
    /// More about the files, where the source is a folder of pictures.
    pub folder: Option<FolderReport>,
}

impl Opened {
    /// What a user should know: the size that was chosen, files left out.
    pub fn notes(&self) -> &[String] {
        self.folder.as_ref().map_or(&[], |f| &f.notes)
    }
}

/// Opens a data set for training, as [`open_with`] does by default.
pub fn open(source: &str, seed: u32) -> Result<ImageSet> {
    Ok(open_with(source, seed, &OpenOptions::default(), &|_, _| {})?.set)
}

/// Opens a data set for training.
///
/// `source` is `builtin:digits`, or `digits` where nothing of that name lies in
/// the working directory, generated from `seed` ([`TRAIN`] and [`TEST`] images);
/// or one of these paths, whose files may be gzipped and for which `seed` does
/// not matter:
///
/// - a folder of IDX files, `train-images-idx3-ubyte` and
///   `train-labels-idx1-ubyte`, and if there is a test set also `t10k-...` or
///   `test-...`; a dot may stand before `idx`. Classes are named by numbers.
/// - a folder of CIFAR-10 batches, `data_batch_*.bin` for training, read in the
///   order of their names, and `test_batch*.bin` for testing, or one such file.
/// - a folder with one sub-folder per class, in which the pictures of the class
///   lie (PNG, JPEG, BMP or WebP, of any size); or with `train`, and `val`
///   (`valid`, `validation`) or `test`, that hold such folders. Classes are
///   numbered in the order of their names, as are the images of a class. Files
///   that cannot be read are left out and reported.
///
/// `progress` hears of the pictures of a folder.
///
/// Fails when the path does not exist or holds none of these, when there are no
/// training files, when a file is damaged (in a folder of pictures: all), or
/// when training and test images differ in size.
pub fn open_with(source: &str, seed: u32, options: &OpenOptions, progress: OnProgress) -> Result<Opened> {
    recognise(source)?.open_images(seed, options, progress)
}

/// Opens a data set for evaluation, as [`open_test_with`] does by default.
pub fn open_test(source: &str, seed: u32) -> Result<Images> {
    Ok(open_test_with(source, seed, &OpenOptions::default(), &|_, _| {})?.0)
}

/// Opens a data set for evaluation: its test images, or where it has none its
/// validation images, or where it has none its training images. The others are
/// not read. Sources are those of [`open_with`]; the report is that of a folder
/// of pictures.
///
/// A model's own size and channels belong in `options`: what a folder of
/// pictures gives by itself depends on the pictures. Its classes may be other
/// ones, too: see [`Images::with_classes`].
///
/// Fails as [`open_with`] does, except that training files may be missing.
pub fn open_test_with(
    source: &str,
    seed: u32,
    options: &OpenOptions,
    progress: OnProgress,
) -> Result<(Images, Option<FolderReport>)> {
    recognise(source)?.open_test_images(seed, options, progress)
}

impl Recognised {
    /// Opens it as [`open_with`] does.
    pub fn open_images(&self, seed: u32, options: &OpenOptions, progress: OnProgress) -> Result<Opened> {
        let source = self.source();
        let set = match &self.found {
            Found::Digits => digits(TRAIN, TEST, seed),
            Found::Files(found) => open_files(source, found)?,
            Found::Pictures => {
                let ([train, val, test], report) = folder::read(source, options, progress, |there| there)?;
                let Some(train) = train else {
                    return Err(Error::data(format!(
                        "{source} holds test pictures only, nothing to train on; expected also a folder {source}/train \
                     with one sub-folder per class; evaluation works with what is there"
                    )));
                };
                return Ok(Opened { set: ImageSet { train, val, test }, folder: Some(report) });
            }
            Found::Table | Found::Npy => return Err(no_images(source)),
            Found::Text | Found::TextFolder => return Err(no_text(source)),
        };
        let [val, test] = [set.val, set.test].map(|images| images.map(|i| i.made(options)).transpose());
        Ok(Opened { set: ImageSet { train: set.train.made(options)?, val: val?, test: test? }, folder: None })
    }

    /// Opens it for evaluation, as [`open_test_with`] does.
    pub fn open_test_images(
        &self,
        seed: u32,
        options: &OpenOptions,
        progress: OnProgress,
    ) -> Result<(Images, Option<FolderReport>)> {
        let source = self.source();
        let images = match &self.found {
            Found::Digits => {
                let set = digits(0, TEST, seed);
                set.test.unwrap_or(set.train)
            }
            Found::Files(found) => open_test_files(source, found)?,
            Found::Pictures => {
                // The pictures that are scored do not decide what becomes 0 and 255.
                let options = &OpenOptions { levels: options.levels.or(Some(levels::ALL)), ..options.clone() };
                let best = |[train, val, test]: [bool; 3]| [train && !val && !test, val && !test, test];
                let (splits, report) = folder::read(source, options, progress, best)?;
                let images = splits.into_iter().flatten().next().expect("one split is wanted");
                return Ok((images, Some(report)));
            }
            Found::Table | Found::Npy => return Err(no_images(source)),
            Found::Text | Found::TextFolder => return Err(no_text(source)),
        };
        Ok((images.made(options)?, None))
    }
}

fn no_images(source: &str) -> Error {
    Error::data(format!("{source} is a file of numbers, not a set of images; expected {EXPECTED}"))
}

fn no_text(source: &str) -> Error {
    Error::data(format!("{source} is text, not a set of images; expected {EXPECTED}"))
}

fn open_files(source: &str, found: &FileSet) -> Result<ImageSet> {
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
    Ok(ImageSet { train, val: None, test })
}

fn open_test_files(source: &str, found: &FileSet) -> Result<Images> {
    match &found.splits {
        [train, Some(test)] => {
            let mut set = test.read(&format!("{source} test"))?;
            if let Some(Files::Idx { labels: Some(labels), .. }) = train {
                // The same classes as in training, even if the test set lacks the last.
                let highest = read_idx_labels(labels)?.into_iter().max().unwrap_or(0) as usize;
                set.classes = class_names(set.classes.len().max(highest + 1));
            }
            Ok(set)
        }
        [Some(train), None] => train.read(&format!("{source} train")),
        [None, None] => unreachable!("a set of files has training or test files"),
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
