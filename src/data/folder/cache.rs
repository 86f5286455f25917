//! A cache of decoded pictures: a file for a folder of pictures and a way to decode them.
//! It is valid for files of the same names, lengths and times of writing, and is made anew,
//! whole, where one of them is another.
//!
//! The file is a head, an image of the same size for each picture, and a table of what
//! decoding has shown of each. The head has a hash of the table, and the table one of each
//! image, which is compared whenever the image is read.

use super::decode::Seen;
use super::look::{Entry, Survey};
use crate::data::moments::OfImage;
use crate::data::{Elements, ReadSamples, Samples};
use crate::error::{Context, Error, Result};
use crate::files::memory::{self, DataBound};
use crate::files::{self, RowFile, Stamp};
use rayon::prelude::*;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

const MAGIC: &[u8; 16] = b"wgrad-pictures-1";
/// Bytes of the head: the magic and five numbers.
const HEAD: u64 = 56;
/// Pictures that are decoded before they are written, at most.
const TOGETHER: usize = 256;

/// What a picture has shown, and its image.
pub(super) type Decoded = Result<(Seen, Vec<u8>)>;

/// FNV-1a over words of eight bytes.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    const START: Hash = Hash(0xcbf2_9ce4_8422_2325);

    fn bytes(mut self, bytes: &[u8]) -> Hash {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self = self.number(u64::from_le_bytes(word));
        }
        self.number(bytes.len() as u64)
    }

    fn number(self, n: u64) -> Hash {
        Hash((self.0 ^ n).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29))
    }
}

/// Where the images of a survey are kept, and what they are made of.
pub(super) struct Place {
    path: PathBuf,
    key: u64,
    stride: usize,
    channels: usize,
}

/// The images of all pictures of a survey, in their file.
pub(super) struct Cached {
    file: RowFile,
    path: PathBuf,
    /// The hash of each image.
    hashes: Vec<u64>,
}

impl Place {
    /// In a folder.
    ///
    /// Fails when the pictures cannot be looked at, or the system does not say when they
    /// were written.
    pub fn of(folder: &Path, survey: &Survey) -> Result<Place> {
        let o = &survey.options;
        let source = std::fs::canonicalize(survey.source).unwrap_or_else(|_| survey.source.into());
        let levels = o.levels.map_or([u64::MAX; 2], |levels| levels.map(u64::from));
        let how = format!("{:?} {} {:?} {:?}", survey.wanted, survey.channels, survey.size, levels);
        let way = Hash::START
            .bytes(source.as_os_str().as_encoded_bytes())
            .bytes(o.filter.name().as_bytes())
            .bytes(how.as_bytes());
        let times: Vec<Result<[u64; 2]>> = survey.entries.par_iter().map(written).collect();
        let mut key = way.bytes(env!("CARGO_PKG_VERSION").as_bytes());
        for (entry, times) in survey.entries.iter().zip(times) {
            let [length, time] = times?;
            key = key.bytes(entry.path.as_os_str().as_encoded_bytes()).number(length).number(time);
        }
        let path = folder.join(format!("{:016x}.pictures", way.0));
        Ok(Place { path, key: key.0, stride: survey.stride(), channels: survey.channels })
    }

    /// What is there of so many pictures; nothing where it is of others, or damaged.
    pub fn open(&self, pictures: usize) -> Option<(Cached, Vec<Result<Seen>>)> {
        let mut file = files::open(&self.path).ok()?;
        let length = file.metadata().ok()?.len();
        let mut head = [0; HEAD as usize];
        file.read_exact(&mut head).ok()?;
        let number = |i: usize| u64::from_le_bytes(head[16 + 8 * i..][..8].try_into().expect("eight bytes"));
        let [key, count, stride, hash, table] = [0, 1, 2, 3, 4].map(number);
        let images = count.checked_mul(stride)?;
        let end = HEAD.checked_add(images)?;
        let is_whole = end.checked_add(table) == Some(length);
        if !head.starts_with(MAGIC) || !is_whole || table > memory::budget() {
            return None;
        }
        if (key, count, stride) != (self.key, pictures as u64, self.stride as u64) {
            return None;
        }
        let mut bytes = vec![];
        file.seek(SeekFrom::Start(end)).ok()?;
        file.take(table).read_to_end(&mut bytes).ok()?;
        if Hash::START.bytes(&bytes).0 != hash {
            return None;
        }
        let mut table = Table(&bytes);
        let (mut hashes, mut all) = (vec![], vec![]);
        for _ in 0..pictures {
            let (hash, seen) = table.next(self.channels)?;
            hashes.push(hash);
            all.push(seen);
        }
        let file = RowFile::at(&self.path, HEAD, stride, pictures).ok()?;
        Some((Cached { file, path: self.path.clone(), hashes }, all))
    }

    /// Decodes pictures and keeps their images.
    ///
    /// Fails when the file cannot be written; pictures that cannot be decoded are noted.
    pub fn fill(&self, entries: &[Entry], bound: DataBound, decode: &(dyn Fn(&Entry) -> Decoded + Sync)) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            let needed = entries.len() as u64 * self.stride as u64;
            files::room::check(folder, needed, "the cache of decoded pictures")?;
            std::fs::create_dir_all(folder).map_err(|e| Error::io(format!("making {}", folder.display()), e))?;
        }
        let fits = usize::try_from(bound.bytes / 8).unwrap_or(usize::MAX) / self.stride.max(1);
        let together = fits.clamp(1, TOGETHER);
        let written = files::write_with(&self.path, &mut |file| {
            let mut table = vec![];
            let mut out = BufWriter::new(file);
            out.write_all(&[0; HEAD as usize])?;
            for some in entries.chunks(together) {
                let decoded: Vec<_> = some.par_iter().with_max_len(1).map(decode).collect();
                for outcome in decoded {
                    let image = outcome.as_ref().map_or_else(|_| vec![0; self.stride], |(_, image)| image.clone());
                    out.write_all(&image)?;
                    note(&mut table, outcome, &image);
                }
            }
            out.write_all(&table)?;
            out.seek(SeekFrom::Start(0))?;
            out.write_all(MAGIC)?;
            let hash = Hash::START.bytes(&table).0;
            for n in [self.key, entries.len() as u64, self.stride as u64, hash, table.len() as u64] {
                out.write_all(&n.to_le_bytes())?;
            }
            out.flush()
        });
        written.context(|| {
            format!(
                "the cache of decoded pictures takes {}: name a folder with room for it (data.cache), or leave it out",
                memory::size(entries.len() as u64 * self.stride as u64)
            )
        })
    }

    /// The file and its size, for a message.
    pub fn described(&self, pictures: usize) -> String {
        format!("{} ({})", self.path.display(), memory::size(HEAD + pictures as u64 * self.stride as u64))
    }
}

/// Length of a picture's file, and when it was written, in nanoseconds.
fn written(entry: &Entry) -> Result<[u64; 2]> {
    let shown = entry.path.display();
    let stamp = Stamp::of(&entry.path).map_err(|e| Error::io(format!("cannot read picture {shown}"), e))?;
    let since = stamp.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let time = since.ok_or_else(|| {
        Error::data(format!(
            "{shown} does not say when it was written, which the cache of pictures goes by (data.cache)"
        ))
    })?;
    Ok([stamp.length, time.as_nanos() as u64])
}

/// Adds a picture to the table.
fn note(table: &mut Vec<u8>, outcome: Decoded, image: &[u8]) {
    match outcome {
        Ok((seen, _)) => {
            table.extend([1, u8::from(seen.is_grey)]);
            table.extend(Hash::START.bytes(image).0.to_le_bytes());
            for (first, second, low, high) in seen.sums.numbers() {
                table.extend(first.to_le_bytes());
                table.extend(second.to_le_bytes());
                table.extend([low, high]);
            }
        }
        Err(e) => {
            let reason = e.to_string();
            table.push(0);
            table.extend((reason.len() as u64).to_le_bytes());
            table.extend(reason.as_bytes());
        }
    }
}

/// What is left of a table.
struct Table<'a>(&'a [u8]);

impl<'a> Table<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// The next picture, and the hash of its image.
    fn next(&mut self, channels: usize) -> Option<(u64, Result<Seen>)> {
        if self.take(1)? == [0] {
            let length = usize::try_from(self.number()?).ok()?;
            let reason = String::from_utf8_lossy(self.take(length)?).into_owned();
            return Some((0, Err(Error::data(reason))));
        }
        let is_grey = self.take(1)? == [1];
        let hash = self.number()?;
        let mut sums = vec![];
        for _ in 0..channels {
            let (first, second) = (self.number()?, self.number()?);
            let [low, high] = self.take(2)?.try_into().ok()?;
            sums.push((first, second, low, high));
        }
        Some((hash, Ok(Seen { is_grey, sums: OfImage::of_numbers(&sums) })))
    }
}

/// Images of a split in a cache.
pub(super) struct CachedPictures {
    pub cache: Arc<Cached>,
    /// The images of the split.
    pub rows: Vec<usize>,
    /// Bytes of an image: of all its channels, or of the first of three that are equal.
    pub width: usize,
}

impl ReadSamples for CachedPictures {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn elements(&self) -> Elements {
        Elements::Bytes
    }

    fn read(&self, rows: &[usize]) -> Result<Samples> {
        let Cached { file, path, hashes } = &*self.cache;
        let numbers: Vec<usize> = rows.iter().map(|&row| self.rows[row]).collect();
        let mut pixels = vec![0; rows.len() * self.width];
        let mut damaged = None;
        file.read(&numbers, &mut |place, image| {
            if Hash::START.bytes(image).0 != hashes[numbers[place]] {
                damaged = Some(numbers[place]);
            }
            pixels[place * self.width..][..self.width].copy_from_slice(&image[..self.width]);
        })?;
        match damaged {
            None => Ok(pixels.into()),
            Some(number) => Err(Error::data(format!(
                "the cache {} is damaged: image {number} is not what was written; remove the file, and it is made anew",
                path.display()
            ))),
        }
    }

    fn repeats(&self) -> bool {
        true
    }
}
