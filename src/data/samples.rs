//! The elements of samples: in memory, or read when they are needed.

use crate::error::{Error, Result};
use std::fmt;
use std::sync::Arc;

/// What elements samples have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Elements {
    /// Pixels, one byte per channel.
    Bytes,
    /// Numbers.
    Floats,
    /// Tokens, each an index into a vocabulary.
    Tokens,
}

/// The samples of a data set, row-major, one after the other. Clones share them, and
/// so does a session on the CPU: memory holds them once.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// Pixels, one byte per channel: `[N, channels, height, width]`.
    Bytes(Arc<Vec<u8>>),
    /// Numbers: `[N, ..shape]`.
    Floats(Arc<Vec<f32>>),
    /// Tokens: `[N, ..shape]`, each an index into a vocabulary.
    Tokens(Arc<Vec<u32>>),
    /// Read when they are needed, window by window.
    Read(Reader),
}

/// A source of samples that are read when they are needed: more of them than memory
/// holds, or such as are made on the way. Training asks for the rows of a window while
/// the device works on the one before, from a thread of its own.
///
/// Give it to [`Dataset::new`](super::Dataset::new) by [`Samples::read_by`]. The targets
/// are in memory. Reports show no samples of such a set, and it is recognised by its
/// targets alone when a run is resumed.
pub trait ReadSamples: Send + Sync {
    /// The number of samples.
    fn count(&self) -> usize;

    /// What their elements are.
    fn elements(&self) -> Elements;

    /// The samples with these indices, in this order; an index may repeat.
    fn read(&self, rows: &[usize]) -> Result<Samples>;
}

/// Rows of a [`ReadSamples`].
#[derive(Clone)]
pub struct Reader {
    source: Arc<dyn ReadSamples>,
    /// Elements per sample.
    width: usize,
    /// The rows of the source; all of them, if `None`.
    rows: Option<Arc<Vec<usize>>>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} samples of {} elements, read when needed", self.count(), self.width)
    }
}

/// Equal are the same rows of the same source.
impl PartialEq for Reader {
    fn eq(&self, other: &Reader) -> bool {
        Arc::ptr_eq(&self.source, &other.source) && self.width == other.width && self.rows == other.rows
    }
}

impl Reader {
    fn count(&self) -> usize {
        self.rows.as_ref().map_or_else(|| self.source.count(), |rows| rows.len())
    }

    fn numbers(&self, rows: &[usize]) -> Vec<usize> {
        match &self.rows {
            Some(own) => rows.iter().map(|&i| own[i]).collect(),
            None => rows.to_vec(),
        }
    }

    fn read(&self, rows: &[usize]) -> Result<Samples> {
        let found = self.source.read(&self.numbers(rows))?;
        let (asked, elements) = (rows.len() * self.width, self.source.elements());
        match matches!(found, Samples::Read(_)) || found.kind() != elements || found.elements() != asked {
            false => Ok(found),
            true => Err(Error::data(format!(
                "a reader of samples gave {} elements ({:?}) for {} samples; expected {asked} ({elements:?}), in memory",
                found.elements(),
                found.kind(),
                rows.len()
            ))),
        }
    }
}

impl Samples {
    /// Samples of a shape that are read when they are needed.
    pub fn read_by(source: impl ReadSamples + 'static, shape: &[usize]) -> Samples {
        Samples::Read(Reader { source: Arc::new(source), width: shape.iter().product(), rows: None })
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        match self {
            Samples::Bytes(v) => v.len(),
            Samples::Floats(v) => v.len(),
            Samples::Tokens(v) => v.len(),
            Samples::Read(reader) => reader.count() * reader.width,
        }
    }

    /// What the elements are.
    pub fn kind(&self) -> Elements {
        match self {
            Samples::Bytes(_) => Elements::Bytes,
            Samples::Floats(_) => Elements::Floats,
            Samples::Tokens(_) => Elements::Tokens,
            Samples::Read(reader) => reader.source.elements(),
        }
    }

    /// Samples behind each other; `None` where their elements differ in kind, or are not in
    /// memory.
    pub(crate) fn joined<'a>(all: impl Iterator<Item = &'a Samples> + Clone) -> Option<Samples> {
        fn joined<'a, T: Copy + 'a>(
            all: impl Iterator<Item = &'a Samples>,
            of: fn(&Samples) -> Option<&[T]>,
        ) -> Option<Arc<Vec<T>>> {
            Some(Arc::new(all.map(of).collect::<Option<Vec<_>>>()?.concat()))
        }
        match all.clone().next()? {
            Samples::Bytes(_) => {
                joined(all, |s| if let Samples::Bytes(v) = s { Some(v) } else { None }).map(Samples::Bytes)
            }
            Samples::Floats(_) => {
                joined(all, |s| if let Samples::Floats(v) = s { Some(v) } else { None }).map(Samples::Floats)
            }
            Samples::Tokens(_) => {
                joined(all, |s| if let Samples::Tokens(v) = s { Some(v) } else { None }).map(Samples::Tokens)
            }
            Samples::Read(_) => None,
        }
    }

    /// The samples with these indices, each of `width` elements. What is read when it is
    /// needed stays so.
    pub(crate) fn select(&self, width: usize, rows: &[usize]) -> Samples {
        match self {
            Samples::Bytes(v) => Samples::Bytes(pick(v, width, rows).into()),
            Samples::Floats(v) => Samples::Floats(pick(v, width, rows).into()),
            Samples::Tokens(v) => Samples::Tokens(pick(v, width, rows).into()),
            Samples::Read(reader) => {
                Samples::Read(Reader { rows: Some(reader.numbers(rows).into()), ..reader.clone() })
            }
        }
    }

    /// The same samples in memory; those that are there already are shared.
    pub(crate) fn loaded(&self) -> Result<Samples> {
        match self {
            Samples::Read(reader) => reader.read(&(0..reader.count()).collect::<Vec<_>>()),
            held => Ok(held.clone()),
        }
    }
}

/// Rows of `width` elements, in the order asked for.
pub(super) fn pick<T: Copy>(all: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    rows.iter().flat_map(|&i| &all[i * width..(i + 1) * width]).copied().collect()
}

impl From<Vec<u8>> for Samples {
    fn from(pixels: Vec<u8>) -> Samples {
        Samples::Bytes(pixels.into())
    }
}

impl From<Vec<f32>> for Samples {
    fn from(numbers: Vec<f32>) -> Samples {
        Samples::Floats(numbers.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Squares;

    impl ReadSamples for Squares {
        fn count(&self) -> usize {
            5
        }

        fn elements(&self) -> Elements {
            Elements::Floats
        }

        fn read(&self, rows: &[usize]) -> Result<Samples> {
            // One that forgets its fourth row.
            Ok(rows.iter().filter(|&&i| i != 3).flat_map(|&i| [i as f32, (i * i) as f32]).collect::<Vec<f32>>().into())
        }
    }

    #[test]
    fn rows_are_read_when_they_are_needed() {
        let all = Samples::read_by(Squares, &[2]);
        assert_eq!((all.elements(), all.kind()), (10, Elements::Floats));
        let picked = all.select(2, &[4, 0, 2]).select(2, &[2, 0]);
        assert_eq!(picked.elements(), 4);
        assert_eq!(picked.loaded().unwrap(), Samples::from(vec![2.0_f32, 4.0, 4.0, 16.0]));
        let message = all.loaded().unwrap_err().to_string();
        assert!(message.contains("gave 8 elements (Floats) for 5 samples; expected 10"), "{message}");
    }
}
