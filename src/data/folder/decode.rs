//! Pictures decoded to images of one shape; and all of a folder into memory, at once.

use super::look::{Entry, Survey, Ticker};
use super::{LARGE, Splits};
use crate::data::images::Images;
use crate::data::levels::Levels;
use crate::data::moments::OfImage;
use crate::data::options::{Filter, OpenOptions};
use crate::data::picture::{decode, planes};
use crate::error::{Error, Result};
use crate::files::memory;
use rayon::prelude::*;
use std::path::Path;
use std::sync::Mutex;

/// Decodes pictures to images of one shape, on any number of threads.
pub(super) struct Decoder {
    channels: usize,
    size: [usize; 2],
    filter: Filter,
    levels: Option<Levels>,
    /// Pictures of more bytes are decoded one at a time: as many as there are threads are in
    /// memory at a time.
    alone_from: u64,
    large: Mutex<()>,
}

impl Decoder {
    /// To images of this shape.
    pub fn new(channels: usize, size: [usize; 2], options: &OpenOptions) -> Decoder {
        let alone_from = LARGE.min(memory::budget() / (4 * rayon::current_num_threads() as u64));
        Decoder { channels, size, filter: options.filter, levels: options.levels, alone_from, large: Mutex::new(()) }
    }

    /// A picture that takes so many bytes as it is, as `[channels, height, width]`. Errors
    /// do not name the file.
    pub fn image(&self, path: &Path, bytes: u64) -> Result<Vec<u8>> {
        let alone = (bytes > self.alone_from).then(|| self.large.lock());
        let picture = decode(path)?;
        let image = planes(&picture, self.channels, self.size, self.filter, self.levels);
        drop(alone);
        Ok(image)
    }
}

/// What decoding a picture for the first time has shown.
pub(super) struct Seen {
    /// Whether its channels are equal.
    pub is_grey: bool,
    pub sums: OfImage,
}

impl Seen {
    /// In an image of so many channels.
    pub fn of(image: &[u8], channels: usize) -> Seen {
        Seen { is_grey: is_grey(image, channels), sums: OfImage::new(image, channels) }
    }
}

/// Decodes all pictures of a survey into memory.
///
/// Fails when that takes more than there is.
pub(super) fn in_memory(survey: &mut Survey) -> Result<Splits> {
    let (size, channels, stride) = (survey.size, survey.channels, survey.stride());
    let decoder = Decoder::new(channels, size, &survey.options);
    let mut splits: Splits = [None, None, None];
    let mut all_grey = channels == 3 && survey.options.channels.is_none();
    let wanted = survey.wanted;
    for split in (0..3).filter(|&i| wanted[i]) {
        let own = survey.take(split);
        let mut pixels = zeros(survey.source, own.len() * stride)?;
        let outcomes = decode_all(&own, &mut pixels, stride, &decoder, &survey.ticker);
        all_grey &= outcomes.iter().all(|o| *o.as_ref().unwrap_or(&true));
        let read: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        retain_images(&mut pixels, stride, &read);
        let labels = survey.note(split, own, outcomes.into_iter().map(|o| o.map(drop)));
        let [height, width] = size;
        let (name, classes) = (survey.name(split), survey.classes.clone());
        splits[split] = Some(Images { name, channels, height, width, pixels, labels, classes });
    }
    if all_grey {
        splits.iter_mut().flatten().for_each(keep_one_plane);
    }
    Ok(splits)
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
    stride: usize,
    decoder: &Decoder,
    ticker: &Ticker,
) -> Vec<Result<bool>> {
    entries
        .par_iter()
        .zip(pixels.par_chunks_mut(stride))
        .map(|(entry, image)| {
            let outcome = decoder.image(&entry.path, entry.header.bytes).map(|decoded| {
                image.copy_from_slice(&decoded);
                is_grey(image, decoder.channels)
            });
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
