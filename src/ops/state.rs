//! What the rooms of state share. Their ops update buffers in place or hand
//! out integers, so they end a backward pass: none of them has a gradient.

use crate::error::{Error, Result};
use crate::tensor::{DType, Spec};

/// The error of a gradient rule that cannot exist.
pub(super) fn no_gradient<T>(op: &str) -> Result<T> {
    Err(Error::model(format!("{op} has no gradient: it belongs to the training step, not to the model")))
}

/// Checks shape and element type of a tensor.
pub(super) fn expect(name: &str, found: &Spec, expected: &Spec) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::model(format!("{name} is {found}; expected {expected}")))
}

/// Checks that a tensor has one axis, at least one element and a type; returns
/// its length.
pub(super) fn expect_list(name: &str, found: &Spec, dtype: DType) -> Result<usize> {
    if found.dtype == dtype && found.shape.rank() == 1 && found.elements() > 0 {
        return Ok(found.elements());
    }
    Err(Error::model(format!("{name} is {found}; expected {dtype} with one axis and at least one element")))
}
