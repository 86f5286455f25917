//! A first look at a folder of pictures: which files there are, how large they are, and
//! what is made of them. Of pictures only the headers are read, but for those of 16 bits.

use super::{FolderReport, LARGE, SizeCount};
use crate::data::levels::{self, Levels};
use crate::data::options::OpenOptions;
use crate::data::picture::{FORMATS, Header, decode, header};
use crate::data::progress::OnProgress;
use crate::data::scan::{Class, Layout, scan};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The longer side of a picture where no size is asked for.
const LONGER_SIDE: usize = 224;

/// A file of the folder.
pub(super) struct Entry {
    pub split: usize,
    pub class: String,
    pub path: PathBuf,
    pub header: Header,
}

/// What a first look has shown of the splits that are wanted.
pub(super) struct Survey<'a> {
    /// The folder as the user named it.
    pub source: &'a str,
    pub wanted: [bool; 3],
    /// The pictures of the wanted splits, split by split.
    pub entries: Vec<Entry>,
    /// The classes of all splits, sorted.
    pub classes: Vec<String>,
    /// Height and width of an image.
    pub size: [usize; 2],
    /// Channels of an image.
    pub channels: usize,
    /// What was asked for.
    pub options: OpenOptions,
    pub ticker: Ticker<'a>,
    pub report: FolderReport,
}

impl<'a> Survey<'a> {
    /// Looks at all files.
    ///
    /// Fails when there are no class folders, none of the files is a picture, and when all
    /// are of one class.
    pub fn of(
        source: &'a str,
        options: &OpenOptions,
        progress: OnProgress<'a>,
        pick: impl Fn([bool; 3]) -> [bool; 3],
    ) -> Result<Survey<'a>> {
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
        let entries = entries.into_iter().filter(|e| wanted[e.split]).collect();
        Ok(Survey { source, wanted, entries, classes, size, channels, options: options.clone(), ticker, report })
    }

    /// Bytes of an image.
    pub fn stride(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    /// Bytes of all images.
    pub fn bytes(&self) -> u64 {
        (self.entries.len() as u64).saturating_mul(self.stride() as u64)
    }

    /// What all images are, for messages.
    pub fn described(&self) -> String {
        let [h, w] = self.size;
        format!("{} pictures as images of {}x{h}x{w}", self.entries.len(), self.channels)
    }

    /// Finds out which values of pictures of 16 bits become 0 and 255, unless that was
    /// asked for. It decodes the training pictures.
    pub fn learn_levels(&mut self) {
        if self.options.levels.is_none() {
            self.report.levels = levels(&self.entries, &mut self.report.notes);
            self.options.levels = self.report.levels;
        }
    }

    /// Takes the entries of the next split, which come first.
    pub fn take(&mut self, split: usize) -> Vec<Entry> {
        let rest = self.entries.split_off(self.entries.partition_point(|e| e.split == split));
        std::mem::replace(&mut self.entries, rest)
    }
}

/// Counts what is done and tells it on.
pub(super) struct Ticker<'a> {
    done: AtomicUsize,
    total: usize,
    progress: OnProgress<'a>,
}

impl<'a> Ticker<'a> {
    fn new(layout: &Layout, wanted: [bool; 3], progress: OnProgress<'a>) -> Ticker<'a> {
        let count =
            |split: &Option<Vec<Class>>| -> usize { split.iter().flatten().map(|class| class.files.len()).sum() };
        let total = layout.splits.iter().zip(wanted).map(|(s, wanted)| count(s) * (1 + usize::from(wanted))).sum();
        Ticker { done: AtomicUsize::new(0), total, progress }
    }

    pub fn tick(&self) {
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

/// The error where no file is a picture.
pub(super) fn none_readable(source: &str, report: &FolderReport) -> Error {
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
