//! Image folders: one sub-folder per class, pictures of any size and mixed
//! formats. They are brought to one size and decoded in parallel; files that
//! cannot be read are named and left out.

use super::images::Images;
use super::levels::{self, Levels};
use super::options::OpenOptions;
use super::picture::{FORMATS, Header, decode, header, planes};
use super::progress::OnProgress;
use super::scan::{Layout, scan};
use super::split_names::SPLITS;
use crate::error::{Context, Error, Result};
use crate::files::memory;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The longer side of a picture where no size is asked for.
const LONGER_SIDE: usize = 224;
/// Pictures of more bytes are decoded one at a time.
const LARGE: u64 = 64 << 20;
/// Unreadable files that a message names.
const NAMED: usize = 5;
/// Unreadable files that a report keeps.
const KEPT: usize = 1000;

/// A file that is no picture, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Its path, from the folder that was opened.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

/// How many pictures have one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SizeCount {
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// Pictures of this size.
    pub count: usize,
}

/// Where the images of a split came from, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// Paths, from the folder that was opened.
    pub files: Vec<String>,
    /// Height and width in the file.
    pub sizes: Vec<[usize; 2]>,
}

/// What reading an image folder has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderReport {
    /// Of training, validation and test images; empty where they were not read.
    pub origins: [Origins; 3],
    /// The sizes that pictures have in their files, the most frequent first.
    pub sizes: Vec<SizeCount>,
    /// The values of pictures of 16 bits per channel that became 0 and 255, where
    /// they were found in the training pictures.
    pub levels: Option<Levels>,
    /// Pictures whose size was changed.
    pub resized: usize,
    /// Files that are no pictures, the first thousand, in order.
    pub unreadable: Vec<Unreadable>,
    /// How many they are in all.
    pub unreadable_count: usize,
    /// What a user should know: which size was chosen, what was left out.
    pub notes: Vec<String>,
}

/// The training, validation and test images of a folder.
pub(super) type Splits = [Option<Images>; 3];

/// A file of the folder.
struct Entry {
    split: usize,
    class: String,
    path: PathBuf,
    header: Header,
}

/// Reads the splits that `pick` wants of those that are there. `source` is the
/// folder as the user named it. `progress` counts each file twice: when it is
/// looked at, and when it is decoded.
///
/// Fails when there are no class folders, none of the files is a picture, all
/// are of one class, or the images take more than the budget of memory.
pub(super) fn read(
    source: &str,
    options: &OpenOptions,
    progress: OnProgress,
    pick: impl Fn([bool; 3]) -> [bool; 3],
) -> Result<(Splits, FolderReport)> {
    let root = Path::new(source);
    let layout = scan(root)?;
    let wanted = pick(layout.splits.each_ref().map(Option::is_some));
    let ticker = Ticker::new(&layout, wanted, progress);
    let mut report = FolderReport::default();
    report.notes.extend(layout.notes.iter().cloned());
    let entries = look(root, layout, &ticker, &mut report);
    let classes = classes(source, &entries, wanted, &report)?;
    let size = size(options, &entries, &mut report);
    let grey = entries.iter().all(|e| e.header.is_grey);
    let channels = options.channels.unwrap_or(if grey { 1 } else { 3 });
    let mut entries: Vec<Entry> = entries.into_iter().filter(|e| wanted[e.split]).collect();
    check_memory(source, entries.len(), channels, size)?;
    let mut options = options.clone();
    if options.levels.is_none() {
        report.levels = levels(&entries, &mut report.notes);
        options.levels = report.levels;
    }
    let options = &options;

    let mut splits: Splits = [None, None, None];
    let mut all_grey = channels == 3 && options.channels.is_none();
    for split in (0..3).filter(|&i| wanted[i]) {
        let rest = entries.split_off(entries.partition_point(|e| e.split == split));
        let own = std::mem::replace(&mut entries, rest);
        let stride = channels * size[0] * size[1];
        let mut pixels = zeros(source, own.len() * stride)?;
        let outcomes = decode_all(&own, &mut pixels, channels, size, options, &ticker);
        all_grey &= outcomes.iter().all(|o| *o.as_ref().unwrap_or(&true));
        let read: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        retain_images(&mut pixels, stride, &read);
        let mut labels = vec![];
        for (entry, outcome) in own.iter().zip(outcomes) {
            match outcome {
                Err(e) => report.add_unreadable(root, &entry.path, e),
                Ok(_) => {
                    labels.push(classes.binary_search(&entry.class).expect("a class of the list") as u32);
                    report.origins[split].files.push(relative(root, &entry.path));
                    report.origins[split].sizes.push(entry.header.size);
                }
            }
        }
        let name = format!("{source} {}", SPLITS[split].0);
        let [height, width] = size;
        splits[split] = Some(Images { name, channels, height, width, pixels, labels, classes: classes.clone() });
    }
    if all_grey {
        splits.iter_mut().flatten().for_each(keep_one_plane);
    }
    finish(source, &splits, size, &mut report)?;
    Ok((splits, report))
}

/// Counts what is done and tells it on.
struct Ticker<'a> {
    done: AtomicUsize,
    total: usize,
    progress: OnProgress<'a>,
}

impl<'a> Ticker<'a> {
    fn new(layout: &Layout, wanted: [bool; 3], progress: OnProgress<'a>) -> Ticker<'a> {
        let count = |split: &Option<Vec<super::scan::Class>>| -> usize {
            split.iter().flatten().map(|class| class.files.len()).sum()
        };
        let total = layout.splits.iter().zip(wanted).map(|(s, wanted)| count(s) * (1 + usize::from(wanted))).sum();
        Ticker { done: AtomicUsize::new(0), total, progress }
    }

    fn tick(&self) {
        (self.progress)(self.done.fetch_add(1, Ordering::Relaxed) + 1, self.total);
    }
}

/// Reads the header of every file; those without one are unreadable.
fn look(root: &Path, layout: Layout, ticker: &Ticker, report: &mut FolderReport) -> Vec<Entry> {
    let mut files = vec![];
    for (split, classes) in layout.splits.into_iter().enumerate() {
        for class in classes.into_iter().flatten() {
            files.extend(class.files.into_iter().map(|path| (split, class.name.clone(), path)));
        }
    }
    let headers: Vec<Result<Header>> = files
        .par_iter()
        .map(|(_, _, path)| {
            let header = header(path);
            ticker.tick();
            header
        })
        .collect();
    let mut entries = vec![];
    for ((split, class, path), header) in files.into_iter().zip(headers) {
        match header {
            Ok(header) => entries.push(Entry { split, class, path, header }),
            Err(e) => report.add_unreadable(root, &path, e),
        }
    }
    entries
}

/// The names of all classes that have a picture, sorted.
fn classes(source: &str, entries: &[Entry], wanted: [bool; 3], report: &FolderReport) -> Result<Vec<String>> {
    if !entries.iter().any(|e| wanted[e.split]) {
        return Err(none_readable(source, report));
    }
    let mut classes: Vec<String> = entries.iter().map(|e| e.class.clone()).collect();
    classes.sort_unstable();
    classes.dedup();
    if let [only] = &classes[..] {
        let inner = Path::new(source).join(only);
        let several = scan(&inner).is_ok_and(|l| l.splits.iter().flatten().any(|classes| classes.len() > 1));
        let next = match several {
            true => format!("; did you mean the folder \"{}\" in it?", inner.display()),
            false => ": one sub-folder per class, at least two".into(),
        };
        return Err(Error::data(format!(
            "folder {source} holds pictures of one class only (\"{only}\"); expected more{next}"
        )));
    }
    Ok(classes)
}

fn none_readable(source: &str, report: &FolderReport) -> Error {
    Error::data(format!(
        "folder {source} holds {} files and none of them can be read; expected {FORMATS} pictures: {}",
        report.unreadable_count,
        report.named()
    ))
}

/// Height and width of all images: as asked for, else the most frequent.
fn size(options: &OpenOptions, entries: &[Entry], report: &mut FolderReport) -> [usize; 2] {
    let mut counts: BTreeMap<[usize; 2], usize> = BTreeMap::new();
    entries.iter().for_each(|e| *counts.entry(e.header.size).or_default() += 1);
    // Of equally frequent sizes the smaller one.
    let mut sizes: Vec<([usize; 2], usize)> = counts.into_iter().collect();
    sizes.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    report.sizes = sizes.iter().map(|&([height, width], count)| SizeCount { height, width, count }).collect();
    if let Some(size) = options.size {
        return size;
    }
    let ([h, w], count) = sizes[0];
    let longer = h.max(w);
    let scaled = |n: usize| if longer > LONGER_SIDE { ((n * LONGER_SIDE + longer / 2) / longer).max(1) } else { n };
    let size = [scaled(h), scaled(w)];
    if sizes.len() > 1 || size != [h, w] {
        let down = if size == [h, w] { "" } else { ", scaled down to 224 pixels on the longer side" };
        report.notes.push(format!(
            "images are made {}x{} (height x width): the most frequent size, {h}x{w} ({count} of {} pictures){down}; \
             data.size sets another",
            size[0],
            size[1],
            entries.len()
        ));
    }
    size
}

/// The levels of pictures of 16 bits per channel: the smallest and the largest
/// value of the training pictures, if all pictures are so deep. What becomes of
/// the values is said.
fn levels(entries: &[Entry], notes: &mut Vec<String>) -> Option<Levels> {
    let (deep, all) = (entries.iter().filter(|e| e.header.is_deep).count(), entries.len());
    if deep == 0 {
        return None;
    }
    let training: Vec<&Entry> = entries.iter().filter(|e| e.split == 0).collect();
    if deep < all || training.is_empty() {
        notes.push(format!(
            "{deep} of {all} pictures have 16 bits per channel, of which the upper 8 are kept; data.levels = [low, high] \
             spreads the values from low to high instead"
        ));
        return None;
    }
    let large = Mutex::new(());
    let range = |entry: &&Entry| {
        let alone = (entry.header.bytes > LARGE).then(|| large.lock());
        let range = decode(&entry.path).ok().map(|picture| levels::range(&picture));
        drop(alone);
        range
    };
    let [low, high] = training.par_iter().filter_map(range).reduce_with(levels::joined)?;
    let step = f64::from(high.saturating_sub(low)) / 255.0;
    let lost = match step > 1.0 {
        true => format!("one step stands for {step:.1} values"),
        false => "none is lost".into(),
    };
    notes.push(format!(
        "pictures have 16 bits per channel: the values {low} to {high}, all that the training pictures have, become 0 to \
         255 ({lost}); data.levels sets others"
    ));
    Some([low, high.max(low.saturating_add(1))])
}

fn check_memory(source: &str, count: usize, channels: usize, [h, w]: [usize; 2]) -> Result<()> {
    let bytes = (count as u64).saturating_mul((channels * h * w) as u64);
    memory::judge(Path::new(source), bytes).map_err(|e| {
        e.context(format!(
            "{count} pictures as images of {channels}x{h}x{w} (make them smaller with data.size, such as [64, 64])"
        ))
    })
}

/// Room for all pixels of a split.
fn zeros(source: &str, bytes: usize) -> Result<Vec<u8>> {
    let mut pixels = vec![];
    if pixels.try_reserve_exact(bytes).is_err() {
        return Err(Error::data(format!(
            "the pictures of {source} take {bytes} bytes as images, more than this machine's memory has to give; make \
             them smaller with data.size, such as [64, 64]"
        )));
    }
    pixels.resize(bytes, 0);
    Ok(pixels)
}

/// Decodes pictures into their places; true for those that are grey.
fn decode_all(
    entries: &[Entry],
    pixels: &mut [u8],
    channels: usize,
    size: [usize; 2],
    options: &OpenOptions,
    ticker: &Ticker,
) -> Vec<Result<bool>> {
    let large = Mutex::new(());
    // As many as there are threads lie in memory at a time.
    let alone_from = LARGE.min(memory::budget() / (4 * rayon::current_num_threads() as u64));
    entries
        .par_iter()
        .zip(pixels.par_chunks_mut(channels * size[0] * size[1]))
        .map(|(entry, image)| {
            let alone = (entry.header.bytes > alone_from).then(|| large.lock());
            let outcome = decode(&entry.path).map(|picture| {
                image.copy_from_slice(&planes(&picture, channels, size, options.filter, options.levels));
                is_grey(image, channels)
            });
            drop(alone);
            ticker.tick();
            outcome
        })
        .collect()
}

/// Whether all planes are equal.
fn is_grey(image: &[u8], channels: usize) -> bool {
    let plane = image.len() / channels;
    image[plane..] == image[..image.len() - plane]
}

/// Keeps the images that were read, in place.
fn retain_images(pixels: &mut Vec<u8>, stride: usize, read: &[bool]) {
    let mut kept = 0;
    for i in (0..read.len()).filter(|&i| read[i]) {
        pixels.copy_within(i * stride..(i + 1) * stride, kept * stride);
        kept += 1;
    }
    pixels.truncate(kept * stride);
}

/// Makes colour images grey whose planes are equal, in place.
fn keep_one_plane(images: &mut Images) {
    let plane = images.height * images.width;
    for i in 0..images.len() {
        images.pixels.copy_within(3 * i * plane..(3 * i + 1) * plane, i * plane);
    }
    images.pixels.truncate(images.len() * plane);
    images.pixels.shrink_to_fit();
    images.channels = 1;
}

/// Says what was found, or why it is not enough.
fn finish(source: &str, splits: &Splits, size: [usize; 2], report: &mut FolderReport) -> Result<()> {
    if splits.iter().flatten().all(Images::is_empty) {
        return Err(none_readable(source, report));
    }
    report.resized = report.origins.iter().flat_map(|o| &o.sizes).filter(|&&s| s != size).count();
    for (images, (split, _)) in splits.iter().zip(SPLITS) {
        let Some(images) = images else { continue };
        let mut counts = vec![0usize; images.classes.len()];
        images.labels.iter().for_each(|&label| counts[label as usize] += 1);
        let lacking: Vec<&str> =
            images.classes.iter().zip(&counts).filter(|(_, n)| **n == 0).map(|(name, _)| name.as_str()).collect();
        if split == "train" && counts.len() - lacking.len() < 2 {
            return Err(Error::data(format!(
                "the training images of {source} are of {} class(es) only; expected readable pictures of at least two",
                counts.len() - lacking.len()
            )));
        }
        if !lacking.is_empty() {
            let shown = lacking.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            let more =
                if lacking.len() > NAMED { format!(" and {} more", lacking.len() - NAMED) } else { String::new() };
            report.notes.push(format!("no {split} image is of class {shown}{more}"));
        }
    }
    if report.unreadable_count > 0 {
        let files = match report.unreadable_count {
            1 => "1 file cannot be read and is".into(),
            n => format!("{n} files cannot be read and are"),
        };
        report.notes.push(format!("{files} left out: {}", report.named()));
    }
    Ok(())
}

fn relative(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).to_string_lossy().into_owned()
}

impl FolderReport {
    fn add_unreadable(&mut self, root: &Path, file: &Path, reason: Error) {
        self.unreadable_count += 1;
        if self.unreadable.len() < KEPT {
            self.unreadable.push(Unreadable { file: relative(root, file), reason: reason.to_string() });
        }
    }

    /// The first unreadable files with their reasons.
    fn named(&self) -> String {
        let named: Vec<String> =
            self.unreadable.iter().take(NAMED).map(|u| format!("{}: {}", u.file, u.reason)).collect();
        let more = self.unreadable_count - named.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        named.join("; ") + &more
    }
}

impl Images {
    /// The same images in another size or number of channels, where asked for.
    ///
    /// Fails on images that have neither one channel nor three.
    pub(super) fn made(self, options: &OpenOptions) -> Result<Images> {
        let size = options.size.unwrap_or([self.height, self.width]);
        let channels = options.channels.unwrap_or(self.channels);
        if (channels, size) == (self.channels, [self.height, self.width]) {
            return Ok(self);
        }
        if !matches!(self.channels, 1 | 3) {
            return Err(Error::data(format!(
                "{} has images of {} channels; only those of 1 or 3 change their size or channels",
                self.name, self.channels
            )));
        }
        check_memory(&self.name, self.len(), channels, size).context(|| "changing the size of images")?;
        let mut pixels = vec![0; self.len() * channels * size[0] * size[1]];
        pixels.par_chunks_mut(channels * size[0] * size[1]).enumerate().for_each(|(i, image)| {
            let picture = super::picture::from_planes(self.image(i), [self.channels, self.height, self.width]);
            image.copy_from_slice(&planes(&picture, channels, size, options.filter, None));
        });
        Ok(Images { channels, height: size[0], width: size[1], pixels, ..self })
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
