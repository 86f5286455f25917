//! From the name of a data set to its images.

use super::digits::{TEST, TRAIN, digits};
use super::drawn::{self, Sampled};
use super::folder::{self, FolderReport};
use super::idx::{class_names, read_idx_labels};
use super::levels;
use super::options::OpenOptions;
use super::progress::OnProgress;
use super::recognise::{EXPECTED, FileSet, Files, Found, Recognised, list, recognise};
use super::store::{Store, Stored};
use super::{Dataset, ImageSet, Images, Targets};
use crate::error::{Error, Result};
use crate::files::memory::{self, DataBound};

/// A data set with what opening it has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The images.
    pub set: ImageSet,
    /// More about the files, where the source is a folder of pictures.
    pub folder: Option<FolderReport>,
    /// The whole of which the images are a part, where they are drawn from it.
    pub sampled: Option<Sampled>,
}

/// A data set whose images are read when they are needed, with what opening it has shown.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedOnDisk {
    /// The training images.
    pub train: Dataset,
    /// The validation images, where the source has its own.
    pub val: Option<Dataset>,
    /// The test images.
    pub test: Option<Dataset>,
    /// More about the files, where the source is a folder of pictures.
    pub folder: Option<FolderReport>,
    /// What a user should know.
    pub notes: Vec<String>,
}

impl Opened {
    /// Images drawn by the seed from sets of images that are on disk; none where they are
    /// no images with classes.
    ///
    /// Fails when they cannot be read.
    pub(crate) fn drawn(sets: [Option<&Dataset>; 3], store: &Store, seed: u32) -> Result<Option<Opened>> {
        let all: usize = sets.iter().flatten().map(|set| set.len()).sum();
        let draw = |set: Option<&Dataset>| -> Result<Option<Images>> {
            let share = |set: &Dataset| set.len() as f64 / all.max(1) as f64;
            let drawn = set.map(|set| set.drawn(share(set), store, seed)).transpose()?;
            Ok(drawn.as_ref().and_then(Dataset::images))
        };
        let [train, val, test] = sets;
        let (Some(train), val, test) = (draw(train)?, draw(val)?, draw(test)?) else { return Ok(None) };
        let set = ImageSet { train, val, test };
        let count = set.train.len() + [&set.val, &set.test].into_iter().flatten().map(Images::len).sum::<usize>();
        let labels = sets.map(|set| set.and_then(Dataset::labels).map(<[u32]>::to_vec));
        let note = drawn::note(count, all, "images", store);
        Ok(Some(Opened { set, folder: None, sampled: Some(Sampled { labels, note }) }))
    }

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
        let bound = DataBound::of_budget();
        let set = match &self.found {
            Found::Digits => digits(TRAIN, TEST, seed),
            Found::Files(found) => open_files(source, found, bound)?,
            Found::Pictures => return held(source, folder::read(source, options, progress, |there| there)?),
            Found::Table | Found::Npy => return Err(no_images(source)),
            Found::Text | Found::TextFolder => return Err(no_text(source)),
        };
        made(set, options, bound.bytes)
    }

    /// Opens it as [`open_with`] does. A set that takes more memory than the store says is
    /// read when it is needed.
    ///
    /// Fails as that does, and when files of such a set are gzipped.
    pub fn open_stored(
        &self,
        seed: u32,
        options: &OpenOptions,
        store: &Store,
        progress: OnProgress,
    ) -> Result<Stored<Opened, OpenedOnDisk>> {
        let (source, bytes) = (self.source(), store.bound.bytes);
        match &self.found {
            Found::Files(found) if total(&found.splits, options)?.is_none_or(|n| n <= bytes) => {
                made(open_files(source, found, store.bound)?, options, bytes).map(Stored::Held)
            }
            Found::Files(found) => files_on_disk(source, found, options, store).map(Stored::Read),
            Found::Pictures => match folder::open(source, options, store, progress, |there| there)? {
                (Stored::Held(splits), report) => held(source, (splits, report)).map(Stored::Held),
                (Stored::Read([train, val, test]), report) => {
                    let train = train.ok_or_else(|| no_training(source))?;
                    let notes = report.notes.clone();
                    Ok(Stored::Read(OpenedOnDisk { train, val, test, folder: Some(report), notes }))
                }
            },
            _ => self.open_images(seed, options, progress).map(Stored::Held),
        }
    }

    /// Opens it to be looked at: as [`open_with`] does, or, of a set that takes more memory
    /// than the store says, some images that are drawn by the seed.
    ///
    /// Fails as that does, and when files of such a set are gzipped.
    pub fn open_sample(&self, seed: u32, options: &OpenOptions, store: &Store, progress: OnProgress) -> Result<Opened> {
        let source = self.source();
        if matches!(self.found, Found::Pictures) {
            let (splits, report, sampled) = folder::sample(source, options, store, seed, progress)?;
            return Ok(Opened { sampled, ..held(source, (splits, report))? });
        }
        match self.open_stored(seed, options, store, progress)? {
            Stored::Held(opened) => Ok(opened),
            Stored::Read(OpenedOnDisk { train, val, test, .. }) => {
                let opened = Opened::drawn([Some(&train), val.as_ref(), test.as_ref()], store, seed)?;
                Ok(opened.expect("files of images hold images"))
            }
        }
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
            Found::Files(found) => {
                let (files, name) = tested(source, found);
                let mut set = files.read(&name, DataBound::of_budget())?;
                set.classes = test_classes(found, set.classes)?;
                set
            }
            Found::Pictures => {
                let (splits, report) = folder::read(source, &of_test(options), progress, best)?;
                let images = splits.into_iter().flatten().next().expect("one split is wanted");
                return Ok((images, Some(report)));
            }
            Found::Table | Found::Npy => return Err(no_images(source)),
            Found::Text | Found::TextFolder => return Err(no_text(source)),
        };
        Ok((images.made(options, memory::budget())?, None))
    }

    /// Opens it for evaluation, as [`open_test_with`] does. A set that takes more memory than
    /// the store says is read when it is needed.
    ///
    /// Fails as that does, and when files of such a set are gzipped.
    pub fn open_test_stored(
        &self,
        seed: u32,
        options: &OpenOptions,
        store: &Store,
        progress: OnProgress,
    ) -> Result<(Dataset, Option<FolderReport>)> {
        let (source, bytes) = (self.source(), store.bound.bytes);
        match &self.found {
            Found::Files(found) => {
                let (files, name) = tested(source, found);
                let mut set = match total(&[Some(files)], options)?.is_none_or(|n| n <= bytes) {
                    true => Dataset::from(files.read(&name, store.bound)?.made(options, bytes)?),
                    false => files.on_disk(&name, store.bound)?.made_when_read(options)?,
                };
                if let Targets::Classes { names, .. } = &mut set.targets {
                    *names = test_classes(found, std::mem::take(names))?;
                }
                Ok((set, None))
            }
            Found::Pictures => {
                let (sets, report) = folder::open(source, &of_test(options), store, progress, best)?;
                let set = match sets {
                    Stored::Held(splits) => splits.into_iter().flatten().next().map(Dataset::from),
                    Stored::Read(parts) => parts.into_iter().flatten().next(),
                };
                Ok((set.expect("one split is wanted"), Some(report)))
            }
            _ => self.open_test_images(seed, options, progress).map(|(images, report)| (images.into(), report)),
        }
    }
}

/// Of the splits of a folder the one to evaluate on.
fn best([train, val, test]: [bool; 3]) -> [bool; 3] {
    [train && !val && !test, val && !test, test]
}

/// The pictures that are scored do not decide what becomes 0 and 255.
fn of_test(options: &OpenOptions) -> OpenOptions {
    OpenOptions { levels: options.levels.or(Some(levels::ALL)), ..options.clone() }
}

/// The splits of a folder, in memory.
fn held(source: &str, ([train, val, test], report): (folder::Splits, FolderReport)) -> Result<Opened> {
    let train = train.ok_or_else(|| no_training(source))?;
    Ok(Opened { set: ImageSet { train, val, test }, folder: Some(report), sampled: None })
}

fn no_training(source: &str) -> Error {
    Error::data(format!(
        "{source} holds test pictures only, nothing to train on; expected also a folder {source}/train with one \
         sub-folder per class; evaluation works with what is there"
    ))
}

/// A set in the size and with the channels that are asked for.
fn made(set: ImageSet, options: &OpenOptions, budget: u64) -> Result<Opened> {
    let [val, test] = [set.val, set.test].map(|images| images.map(|i| i.made(options, budget)).transpose());
    let set = ImageSet { train: set.train.made(options, budget)?, val: val?, test: test? };
    Ok(Opened { set, folder: None, sampled: None })
}

/// Bytes that all images take as they are made; none where only unpacking would tell.
fn total<F: std::borrow::Borrow<Files>>(splits: &[Option<F>], options: &OpenOptions) -> Result<Option<u64>> {
    let mut sum = 0u64;
    for files in splits.iter().flatten() {
        let Some((n, [channels, height, width])) = files.borrow().shape()? else { return Ok(None) };
        let [h, w] = options.size.unwrap_or([height, width]);
        let each = (options.channels.unwrap_or(channels) * h * w).max(channels * height * width);
        sum = sum.saturating_add((n as u64).saturating_mul(each as u64));
    }
    Ok(Some(sum))
}

fn no_images(source: &str) -> Error {
    Error::data(format!("{source} is a file of numbers, not a set of images; expected {EXPECTED}"))
}

fn no_text(source: &str) -> Error {
    Error::data(format!("{source} is text, not a set of images; expected {EXPECTED}"))
}

/// The training files of a set, and its test files.
fn trained<'a>(source: &str, found: &'a FileSet) -> Result<(&'a Files, Option<&'a Files>)> {
    match &found.splits {
        [Some(train), test] => Ok((train, test.as_ref())),
        [None, _] => Err(Error::data(format!(
            "{source} holds test files only ({}), nothing to train on; expected also {}; evaluation works with what is \
             there",
            list(&found.names),
            found.format.train_files()
        ))),
    }
}

/// Fails where test images have another shape than training images.
fn expect_one_shape(source: &str, train: [usize; 3], test: [usize; 3]) -> Result<()> {
    let shown = |[channels, height, width]: [usize; 3]| format!("{channels}x{height}x{width}");
    match train == test {
        true => Ok(()),
        false => Err(Error::data(format!(
            "training and test images in {source} differ in size: {} and {} (channels x height x width); take both from \
             the same set",
            shown(train),
            shown(test)
        ))),
    }
}

fn open_files(source: &str, found: &FileSet, bound: DataBound) -> Result<ImageSet> {
    let (train, test) = trained(source, found)?;
    let mut train = train.read(&format!("{source} train"), bound)?;
    let mut test = test.map(|files| files.read(&format!("{source} test"), bound)).transpose()?;
    if let Some(test) = &mut test {
        let shape = |set: &Images| [set.channels, set.height, set.width];
        expect_one_shape(source, shape(&train), shape(test))?;
        // Classes that only one split shows count for both.
        let more = if train.classes.len() > test.classes.len() { &train.classes } else { &test.classes }.clone();
        (train.classes, test.classes) = (more.clone(), more);
    }
    Ok(ImageSet { train, val: None, test })
}

/// Opens files whose images are read when they are needed.
fn files_on_disk(source: &str, found: &FileSet, options: &OpenOptions, store: &Store) -> Result<OpenedOnDisk> {
    let (train, test) = trained(source, found)?;
    let mut train = train.on_disk(&format!("{source} train"), store.bound)?;
    let mut test = test.map(|files| files.on_disk(&format!("{source} test"), store.bound)).transpose()?;
    if let Some(test) = &mut test {
        let shape = |set: &Dataset| [0, 1, 2].map(|i| set.shape[i]);
        expect_one_shape(source, shape(&train), shape(test))?;
        if let (Targets::Classes { names, .. }, Targets::Classes { names: others, .. }) =
            (&mut train.targets, &mut test.targets)
        {
            let more = if names.len() > others.len() { &*names } else { &*others }.clone();
            (*names, *others) = (more.clone(), more);
        }
    }
    let bytes = total(&found.splits, options)?.unwrap_or(0);
    let notes = vec![format!(
        "{source}: its images take {}, more than {}: they are read from their files when they are needed",
        memory::size(bytes),
        store.bound
    )];
    let test = test.map(|test| test.made_when_read(options)).transpose()?;
    Ok(OpenedOnDisk { train: train.made_when_read(options)?, val: None, test, folder: None, notes })
}

/// The files to evaluate on, and what their set is called.
fn tested<'a>(source: &str, found: &'a FileSet) -> (&'a Files, String) {
    match &found.splits {
        [_, Some(test)] => (test, format!("{source} test")),
        [Some(train), None] => (train, format!("{source} train")),
        [None, None] => unreachable!("a set of files has training or test files"),
    }
}

/// The classes of a set to evaluate on: those of training, even if the test set lacks the
/// last.
fn test_classes(found: &FileSet, own: Vec<String>) -> Result<Vec<String>> {
    match &found.splits {
        [Some(Files::Idx { labels: Some(labels), .. }), Some(_)] => {
            let highest = read_idx_labels(labels)?.into_iter().max().unwrap_or(0) as usize;
            Ok(class_names(own.len().max(highest + 1)))
        }
        _ => Ok(own),
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
