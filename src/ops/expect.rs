//! Checks that the shape rules of many rooms make: the element type of an input, and
//! the input that says how many elements of the first axis count.

use crate::error::{Error, Result};
use crate::graph::{Infer, Io};
use crate::tensor::DType;

/// Checks the element type of input `i`.
pub(crate) fn expect_type(cx: &Infer, i: usize, name: &str, dtype: DType) -> Result<()> {
    match &cx.inputs[i] {
        spec if spec.dtype == dtype => Ok(()),
        spec => Err(Error::model(format!("{name} is {spec}; expected elements of type {dtype}"))),
    }
}

/// Checks that input `i` is a count of valid elements of the first axis of a
/// tensor that has `lead` axes to count.
pub(crate) fn expect_rows(cx: &Infer, i: usize, lead: usize) -> Result<()> {
    expect_type(cx, i, "rows", DType::U32)?;
    cx.expect(i, "rows", [1])?;
    if lead == 0 {
        return Err(Error::model(format!("rows was given and {} has no batch axis to count", cx.shape(0))));
    }
    Ok(())
}

/// How many of the first `batch` elements of an axis count.
pub(crate) fn valid_rows<T>(io: &Io<T>, rows: Option<usize>, batch: usize) -> usize {
    rows.map_or(batch, |i| (io.x_u32(i)[0] as usize).min(batch))
}
