//! The samples of an array: in memory, or on disk and read when they are needed.

use super::array::{Array, Elements, Head};
use crate::data::store::Store;
use crate::data::{Elements as Kind, ReadSamples, Samples};
use crate::error::{Context, Error, Result};
use crate::files::RowFile;
use crate::files::memory;
use std::path::{Path, PathBuf};

/// The most channels of an image; what has more is no image.
const CHANNELS: usize = 4;

/// An array that samples are made of.
pub(super) enum X {
    Held(Array),
    OnDisk(OnDisk),
}

/// An array that stays in its file.
pub(super) struct OnDisk {
    /// What messages call it.
    pub place: String,
    /// Its file, or that of the archive it is in.
    pub path: PathBuf,
    /// Where in the file it begins.
    pub at: u64,
    pub head: Head,
}

impl X {
    pub fn shape(&self) -> &[usize] {
        match self {
            X::Held(array) => &array.shape,
            X::OnDisk(array) => array.head.shape(),
        }
    }

    /// The shape of a sample, and the samples; `name` is what messages call the set.
    ///
    /// Fails where they are words or not finite, and when they cannot be read.
    pub fn samples(self, name: &str, store: &Store) -> Result<(Vec<usize>, Samples)> {
        match self {
            X::Held(array) => held(name, array),
            X::OnDisk(array) => array.samples(name, store),
        }
    }
}

/// How an array is read as samples.
struct Layout {
    /// The shape of a sample, channels first.
    shape: Vec<usize>,
    /// Whether the file has the channels last.
    channels_last: bool,
    is_image: bool,
}

impl Layout {
    /// Of an array of this shape.
    fn of(shape: &[usize]) -> Layout {
        let (channels_last, shape) = match shape[..] {
            [_, h, w, c] if c <= CHANNELS && (h > CHANNELS || w > CHANNELS) => (true, vec![c, h, w]),
            [_] => (false, vec![1]),
            _ => (false, shape[1..].to_vec()),
        };
        let is_image = match shape[..] {
            [c, _, _] => c <= CHANNELS,
            [_, _] => true,
            _ => false,
        };
        Layout { shape, channels_last, is_image }
    }

    /// Elements of the file as samples: bytes where they are pixels, else floats; none of
    /// words.
    fn samples(&self, elements: Elements) -> Option<Samples> {
        match elements {
            Elements::Bytes(v) if self.is_image => Some(self.ordered(v, &self.sample()).into()),
            elements => elements.into_floats().map(|v| self.ordered(v, &self.shape).into()),
        }
    }

    /// The shape of a sample; a plane of pixels has a channel.
    fn sample(&self) -> Vec<usize> {
        if let [h, w] = self.shape[..] { vec![1, h, w] } else { self.shape.clone() }
    }

    fn ordered<T: Copy>(&self, all: Vec<T>, shape: &[usize]) -> Vec<T> {
        if self.channels_last { channels_first(&all, shape) } else { all }
    }
}

fn held(name: &str, x: Array) -> Result<(Vec<usize>, Samples)> {
    let layout = Layout::of(&x.shape);
    let samples = layout.samples(x.elements).ok_or_else(|| words(name))?;
    match &samples {
        Samples::Floats(v) => {
            check_finite(name, v, layout.shape.iter().product(), 0)?;
            Ok((layout.shape, samples))
        }
        _ => Ok((layout.sample(), samples)),
    }
}

fn words(name: &str) -> Error {
    Error::data(format!("{name}: samples are words; expected numbers, such as word counts or pixels"))
}

/// Fails where a number is not finite. `first` is the number of the first sample.
fn check_finite(name: &str, all: &[f32], width: usize, first: usize) -> Result<()> {
    let Some(at) = all.iter().position(|x| !x.is_finite()) else { return Ok(()) };
    Err(Error::data(format!(
        "{name}: sample {} holds {}; expected finite numbers within 32 bits: clean the array first",
        first + at / width,
        all[at]
    )))
}

/// Images `[N, height, width, channels]` as `[N, channels, height, width]`;
/// `shape` is that of one result.
fn channels_first<T: Copy>(all: &[T], shape: &[usize]) -> Vec<T> {
    let (channels, plane) = (shape[0], shape[1] * shape[2]);
    let images = all.chunks_exact(channels * plane);
    images.flat_map(|image| (0..channels * plane).map(|i| image[i % plane * channels + i / plane])).collect()
}

impl OnDisk {
    fn samples(self, name: &str, store: &Store) -> Result<(Vec<usize>, Samples)> {
        let OnDisk { place, path, at, head } = self;
        if head.is_words() {
            return Err(words(name));
        }
        let bound = store.bound;
        let too_much = |why: &str| {
            Error::data(format!(
                "{place} takes {} in memory, more than {bound}, and {why}",
                memory::size(head.held(super::array::Wide::No))
            ))
        };
        if head.is_fortran() {
            return Err(too_much(
                "is in Fortran's order, in which a sample is spread over the whole file: save \
                 numpy.ascontiguousarray(x), or raise --data-memory",
            ));
        }
        let layout = Layout::of(head.shape());
        let width: usize = layout.shape.iter().product();
        let is_pixels = head.is_bytes() && layout.is_image;
        let each = width as u64 * if is_pixels { 1 } else { 4 };
        if each > bound.bytes / 4 {
            return Err(too_much(&format!(
                "each sample takes {}, of which a window of a quarter of that has no room for one: raise --data-memory",
                memory::size(each)
            )));
        }
        let (n, floats) = (head.shape()[0], head.is_floats());
        let file = RowFile::at(&path, at + head.start, (width * head.width()) as u64, n)?;
        let shape = if is_pixels { layout.sample() } else { layout.shape.clone() };
        let rows = Rows { file, head, layout, is_pixels };
        let samples = Samples::read_by(rows, &shape).within(bound);
        if floats {
            let mut first = 0;
            let checked = samples.visit(&mut |piece| {
                let Samples::Floats(v) = piece else { return Ok(()) };
                check_finite(name, v, width, first)?;
                first += v.len() / width;
                Ok(())
            });
            checked.context(|| place.clone())?;
        }
        Ok((shape, samples))
    }
}

/// Samples that are rows of a file.
struct Rows {
    file: RowFile,
    head: Head,
    layout: Layout,
    is_pixels: bool,
}

impl ReadSamples for Rows {
    fn count(&self) -> usize {
        self.file.len()
    }

    fn elements(&self) -> Kind {
        if self.is_pixels { Kind::Bytes } else { Kind::Floats }
    }

    fn read(&self, rows: &[usize]) -> Result<Samples> {
        let stride = self.layout.shape.iter().product::<usize>() * self.head.width();
        let mut bytes = vec![0; rows.len() * stride];
        self.file.read(rows, &mut |place, row| bytes[place * stride..][..stride].copy_from_slice(row))?;
        Ok(self.layout.samples(self.head.numbers(bytes)).expect("numbers, as was looked at"))
    }

    fn repeats(&self) -> bool {
        true
    }
}

/// The array of a `.npy` file that samples are made of, of a file whose header is read.
pub(super) fn of_file(path: &Path, head: Head) -> X {
    X::OnDisk(OnDisk { place: path.display().to_string(), path: path.into(), at: 0, head })
}
