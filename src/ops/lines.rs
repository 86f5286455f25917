//! The lines of a tensor along an axis, for the rooms that walk, order or scan them.

use crate::error::{Error, Result};
use crate::tensor::Shape;

/// A tensor as `[outer, len, inner]`: lines of `len` elements, `inner` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lines {
    /// The product of the axes before.
    pub outer: usize,
    /// Elements of a line.
    pub len: usize,
    /// The product of the axes behind.
    pub inner: usize,
}

impl Lines {
    /// The lines of `x` along `axis`, or what is wrong with it.
    pub fn new(name: &str, x: &Shape, axis: usize) -> Result<Lines> {
        if axis >= x.rank() {
            return Err(Error::model(format!("axis {axis} of {name} with shape {x}; it has {} axes", x.rank())));
        }
        if x.elements() == 0 {
            return Err(Error::model(format!("{name} has shape {x}: there are no elements along axis {axis}")));
        }
        Ok(Lines::of(x, axis))
    }

    /// The same for an axis that is there.
    pub fn of(x: &Shape, axis: usize) -> Lines {
        Lines { outer: x[..axis].iter().product(), len: x[axis], inner: x[axis + 1..].iter().product() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.outer * self.inner
    }

    /// Where element 0 of a line stands; the next are `inner` apart.
    pub fn start(&self, line: usize) -> usize {
        line / self.inner * self.len * self.inner + line % self.inner
    }
}
