//! The elements of samples: in memory, or read when they are needed.

mod reader;

pub use reader::{ReadSamples, Reader};

use super::moments::Moments;
use crate::error::Result;
use crate::files::memory::DataBound;
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

impl Samples {
    /// Samples of a shape that are read when they are needed.
    pub fn read_by(source: impl ReadSamples + 'static, shape: &[usize]) -> Samples {
        Samples::Read(Reader::new(source, shape.iter().product()))
    }

    /// The same; of those that are read when they are needed, as many are in memory at a
    /// time as the bound allows.
    pub(crate) fn within(self, bound: DataBound) -> Samples {
        match self {
            Samples::Read(reader) => Samples::Read(reader.within(bound)),
            held => held,
        }
    }

    /// Whether a sample is the same each time that it is looked at.
    pub(crate) fn repeats(&self) -> bool {
        if let Samples::Read(reader) = self { reader.repeats() } else { true }
    }

    /// Calls `see` with all samples in their order: at once where they are in memory, else
    /// in pieces of whole samples, as they are read.
    ///
    /// Fails when they cannot be read, and as `see` does.
    pub(crate) fn visit(&self, see: &mut dyn FnMut(&Samples) -> Result<()>) -> Result<()> {
        match self {
            Samples::Read(reader) => reader.visit(see),
            held => see(held),
        }
    }

    /// Samples made others by `change`, of such elements and so many of them each: now, or
    /// when they are read.
    pub(crate) fn map_to(
        &self,
        to: Elements,
        width: usize,
        change: impl Fn(Samples) -> Samples + Send + Sync + 'static,
    ) -> Samples {
        match self {
            Samples::Read(reader) => Samples::Read(reader.map_to(to, width, change)),
            held => change(held.clone()),
        }
    }

    /// The same, with what is known of the values of each sample.
    pub(crate) fn knowing(self, moments: Moments) -> Samples {
        match self {
            Samples::Read(reader) => Samples::Read(reader.knowing(moments)),
            held => held,
        }
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        match self {
            Samples::Bytes(v) => v.len(),
            Samples::Floats(v) => v.len(),
            Samples::Tokens(v) => v.len(),
            Samples::Read(reader) => reader.count() * reader.width(),
        }
    }

    /// What the elements are.
    pub fn kind(&self) -> Elements {
        match self {
            Samples::Bytes(_) => Elements::Bytes,
            Samples::Floats(_) => Elements::Floats,
            Samples::Tokens(_) => Elements::Tokens,
            Samples::Read(reader) => reader.elements(),
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
            Samples::Read(reader) => Samples::Read(reader.select(rows)),
        }
    }

    /// Samples of `width` elements that are in memory, the last one repeated until there
    /// are `rows`.
    pub(crate) fn filled_up(mut self, width: usize, rows: usize) -> Samples {
        fn fill<T: Copy>(all: &mut Arc<Vec<T>>, width: usize, elements: usize) {
            let all = Arc::make_mut(all);
            all.reserve_exact(elements.saturating_sub(all.len()));
            while (1..elements).contains(&all.len()) {
                all.extend_from_within(all.len() - width..);
            }
        }
        match &mut self {
            Samples::Bytes(v) => fill(v, width, rows * width),
            Samples::Floats(v) => fill(v, width, rows * width),
            Samples::Tokens(v) => fill(v, width, rows * width),
            Samples::Read(_) => {}
        }
        self
    }

    /// The same samples in memory; those that are there already are shared.
    pub(crate) fn loaded(&self) -> Result<Samples> {
        match self {
            Samples::Read(reader) => reader.all(),
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
