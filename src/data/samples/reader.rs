//! Samples that are read when they are needed.

use super::{Elements, Samples};
use crate::data::moments::Moments;
use crate::error::{Error, Result};
use crate::files::memory::DataBound;
use std::fmt;
use std::sync::Arc;

/// Bytes of samples that are in memory at a time where nothing says less: windows beyond
/// that are no faster.
const AT_ONCE: u64 = 256 << 20;
/// One part in so many of a set's bound is a window: while one is in use, another waits, a
/// third is being read and is there twice as it is packed, and so may those of a
/// validation set be.
const SHARE: u64 = 4;

/// A source of samples that are read when they are needed: more of them than memory
/// holds, or such as are made on the way. Training asks for the rows of a window while
/// the device works on the one before, from a thread of its own.
///
/// Give it to [`Dataset::new`](crate::data::Dataset::new) by [`Samples::read_by`]. The
/// targets are in memory.
pub trait ReadSamples: Send + Sync {
    /// The number of samples.
    fn count(&self) -> usize;

    /// What their elements are.
    fn elements(&self) -> Elements;

    /// The samples with these indices, in this order; an index may repeat.
    fn read(&self, rows: &[usize]) -> Result<Samples>;

    /// Whether a sample is the same each time that it is read. Then such samples are
    /// treated as if they were in memory: normalisation is learned on all of them, a
    /// resumed run recognises them, and reports show them. Otherwise, which is the default,
    /// normalisation is learned on a part, the targets alone recognise a set, and reports
    /// show no samples.
    fn repeats(&self) -> bool {
        false
    }
}

/// Rows of a [`ReadSamples`].
#[derive(Clone)]
pub struct Reader {
    source: Arc<dyn ReadSamples>,
    /// Elements per sample.
    width: usize,
    /// The rows of the source; all of them, if `None`.
    rows: Option<Arc<Vec<usize>>>,
    /// Bytes that are in memory at a time.
    at_once: u64,
    /// Bytes that may be, where a batch takes more than that.
    most: u64,
    /// What is known of each sample of the source.
    moments: Option<Arc<Moments>>,
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
    /// All samples of a source, of so many elements each.
    pub(super) fn new(source: impl ReadSamples + 'static, width: usize) -> Reader {
        Reader { source: Arc::new(source), width, rows: None, at_once: AT_ONCE, most: u64::MAX, moments: None }
    }

    /// The same, with what is known of the values of each sample of the source.
    pub(crate) fn knowing(self, moments: Moments) -> Reader {
        Reader { moments: Some(moments.into()), ..self }
    }

    /// The same, with as much in memory at a time as a bound allows.
    pub(super) fn within(self, bound: DataBound) -> Reader {
        let most = bound.bytes / SHARE;
        Reader { at_once: AT_ONCE.min(most), most, ..self }
    }

    pub(super) fn count(&self) -> usize {
        self.rows.as_ref().map_or_else(|| self.source.count(), |rows| rows.len())
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn elements(&self) -> Elements {
        self.source.elements()
    }

    pub(super) fn repeats(&self) -> bool {
        self.source.repeats()
    }

    /// Bytes of samples that a batch may take.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// Bytes of samples that are in memory at a time.
    pub(crate) fn at_once(&self) -> u64 {
        self.at_once
    }

    /// What is known of the values, and of which samples of the source these are.
    pub(crate) fn moments(&self) -> Option<(&Moments, Vec<usize>)> {
        let all = || (0..self.count()).collect::<Vec<_>>();
        self.moments.as_deref().map(|m| (m, self.numbers(&all())))
    }

    pub(super) fn select(&self, rows: &[usize]) -> Reader {
        Reader { rows: Some(self.numbers(rows).into()), ..self.clone() }
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

    pub(super) fn all(&self) -> Result<Samples> {
        self.read(&(0..self.count()).collect::<Vec<_>>())
    }

    pub(super) fn visit(&self, see: &mut dyn FnMut(&Samples) -> Result<()>) -> Result<()> {
        let each = self.width * if self.elements() == Elements::Bytes { 1 } else { 4 };
        let piece = (self.at_once as usize / 2 / each.max(1)).max(1);
        let rows: Vec<usize> = (0..self.count()).collect();
        rows.chunks(piece).try_for_each(|rows| see(&self.read(rows)?))
    }

    pub(super) fn map_to(
        &self,
        to: Elements,
        width: usize,
        change: impl Fn(Samples) -> Samples + Send + Sync + 'static,
    ) -> Reader {
        let mapped = Mapped { of: self.clone(), to, change: Box::new(change) };
        Reader { at_once: self.at_once, most: self.most, ..Reader::new(mapped, width) }
    }
}

/// Samples whose elements are changed as they are read.
struct Mapped {
    of: Reader,
    to: Elements,
    change: Box<dyn Fn(Samples) -> Samples + Send + Sync>,
}

impl ReadSamples for Mapped {
    fn count(&self) -> usize {
        self.of.count()
    }

    fn elements(&self) -> Elements {
        self.to
    }

    fn read(&self, rows: &[usize]) -> Result<Samples> {
        self.of.read(rows).map(&self.change)
    }

    fn repeats(&self) -> bool {
        self.of.repeats()
    }
}
