//! Pictures that are decoded when they are needed.

use super::Parts;
use super::cache::{Cached, CachedPictures, Place};
use super::decode::{Decoder, Seen};
use super::look::{Entry, Survey};
use crate::data::moments::{Moments, OfImage};
use crate::data::store::Store;
use crate::data::{Dataset, Elements, Origin, ReadSamples, Samples, Targets};
use crate::error::{Context, Error, Result};
use crate::files::{Stamp, memory};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// A picture in its file.
struct File {
    path: PathBuf,
    /// Bytes of the picture as it is.
    bytes: u64,
    /// The file as it was when it was decoded for the first time.
    stamp: Stamp,
}

/// Pictures that are decoded when they are needed, each to an image of one shape.
struct PictureFiles {
    decoder: Decoder,
    /// Bytes of an image: of all its channels, or of the first of three that are equal.
    width: usize,
    files: Vec<File>,
}

impl PictureFiles {
    fn image(&self, file: &File, image: &mut [u8]) -> Result<()> {
        let shown = file.path.display();
        let changed = || {
            Error::data(format!(
                "picture {shown} has changed since this run looked at it; leave the pictures alone while something \
                 reads them, and begin again"
            ))
        };
        if Stamp::of(&file.path).map_err(|e| Error::io(format!("cannot read picture {shown}"), e))? != file.stamp {
            return Err(changed());
        }
        let decoded = self.decoder.image(&file.path, file.bytes).context(|| format!("cannot read picture {shown}"))?;
        image.copy_from_slice(&decoded[..self.width]);
        Ok(())
    }
}

impl ReadSamples for PictureFiles {
    fn count(&self) -> usize {
        self.files.len()
    }

    fn elements(&self) -> Elements {
        Elements::Bytes
    }

    fn read(&self, rows: &[usize]) -> Result<Samples> {
        let mut pixels = vec![0; rows.len() * self.width];
        rows.par_iter()
            .zip(pixels.par_chunks_mut(self.width))
            // One picture is a task: they take some milliseconds each.
            .with_max_len(1)
            .try_for_each(|(&row, image)| self.image(&self.files[row], image))?;
        Ok(pixels.into())
    }

    fn repeats(&self) -> bool {
        true
    }
}

/// Pictures of a split that can be decoded.
struct Part {
    split: usize,
    /// Their numbers among all pictures.
    numbers: Vec<usize>,
    files: Vec<File>,
    sums: Vec<OfImage>,
    labels: Vec<u32>,
}

/// Decodes all pictures of a survey once, to find out which cannot be read, whether all are
/// grey, and what their means are; and gives sets that decode them again when they are
/// needed, or take them from the cache.
///
/// Fails when a single image takes more than a part of the bound, and when the cache cannot
/// be written.
pub(super) fn on_disk(survey: &mut Survey, store: &Store) -> Result<Parts> {
    let (size, stride) = (survey.size, survey.stride());
    if stride as u64 > store.bound.bytes / 4 {
        return Err(Error::data(format!(
            "{}: each takes {} in memory, and images are held in windows of a quarter of {} at most; make them smaller \
             with data.size, such as [64, 64], or raise --data-memory",
            survey.described(),
            memory::size(stride as u64),
            store.bound
        )));
    }
    let stamps: Vec<Option<Stamp>> = survey.entries.par_iter().map(|e| Stamp::of(&e.path).ok()).collect();
    let (cached, outcomes) = look_at_all(survey, store)?;
    let cached = cached.map(Arc::new);
    let mut all_grey = survey.channels == 3 && survey.options.channels.is_none();
    let mut outcomes = outcomes.into_iter().zip(stamps).enumerate();
    let mut parts = vec![];
    let wanted = survey.wanted;
    for split in (0..3).filter(|&i| wanted[i]) {
        let own = survey.take(split);
        let (mut numbers, mut files, mut sums, mut read) = (vec![], vec![], vec![], vec![]);
        for (entry, (number, (outcome, stamp))) in own.iter().zip(&mut outcomes) {
            let stamped = outcome.and_then(|seen| Ok((seen, stamp.ok_or_else(|| Error::data("it is gone"))?)));
            read.push(stamped.map(|(seen, stamp)| {
                all_grey &= seen.is_grey;
                numbers.push(number);
                files.push(File { path: entry.path.clone(), bytes: entry.header.bytes, stamp });
                sums.push(seen.sums);
            }));
        }
        let labels = survey.note(split, own, read.into_iter());
        parts.push(Part { split, numbers, files, sums, labels });
    }
    let mut sets: Parts = [None, None, None];
    let channels = if all_grey { 1 } else { survey.channels };
    let plane = size[0] * size[1];
    for Part { split, numbers, files, sums, labels } in parts {
        let moments = Moments::new(sums.into_iter(), channels, plane);
        let (shape, width) = (vec![channels, size[0], size[1]], channels * plane);
        let samples = match &cached {
            Some(cache) => Samples::read_by(CachedPictures { cache: cache.clone(), rows: numbers, width }, &shape),
            None => {
                let decoder = Decoder::new(survey.channels, size, &survey.options);
                Samples::read_by(PictureFiles { decoder, width, files }, &shape)
            }
        };
        sets[split] = Some(Dataset {
            name: survey.name(split),
            samples: samples.knowing(moments).within(store.bound),
            shape,
            targets: Targets::Classes { labels, names: survey.classes.clone() },
            origin: Origin::of_files(survey.report.origins[split].files.clone()),
        });
    }
    Ok(sets)
}

/// What decoding each picture of a survey has shown, now or when the cache was written; and
/// the cache, if one is wanted.
fn look_at_all(survey: &mut Survey, store: &Store) -> Result<(Option<Cached>, Vec<Result<Seen>>)> {
    let (n, bytes, bound) = (survey.entries.len(), memory::size(survey.bytes()), store.bound);
    let size = format!("{} take {bytes}, more than {bound}", survey.described());
    let place = store.cache.as_deref().map(|folder| Place::of(folder, survey)).transpose()?;
    let decoder = Decoder::new(survey.channels, survey.size, &survey.options);
    let (channels, ticker) = (survey.channels, &survey.ticker);
    let decode = |entry: &Entry| {
        let image = decoder.image(&entry.path, entry.header.bytes);
        ticker.tick();
        image.map(|image| (Seen::of(&image, channels), image))
    };
    let Some(place) = place else {
        let seen = survey.entries.par_iter().with_max_len(1).map(|entry| decode(entry).map(|(seen, _)| seen)).collect();
        survey.report.notes.push(format!(
            "{size}: they were decoded once to look at them all, and are again whenever they are needed; data.cache, a \
             folder, keeps them decoded"
        ));
        return Ok((None, seen));
    };
    let described = place.described(n);
    if let Some((cached, seen)) = place.open(n) {
        (0..n).for_each(|_| ticker.tick());
        survey.report.notes.push(format!("{size}: they are read when they are needed from the cache {described}"));
        return Ok((Some(cached), seen));
    }
    place.fill(&survey.entries, bound, &decode)?;
    let Some((cached, seen)) = place.open(n) else {
        return Err(Error::data(format!(
            "the cache {described} cannot be read back; name another folder (data.cache)"
        )));
    };
    survey.report.notes.push(format!(
        "{size}: they were decoded once, and are read when they are needed from the cache {described}; it is made anew \
         when a picture changes"
    ));
    Ok((Some(cached), seen))
}
