//! Rows of classes or features, and how they are shared out among the invocations
//! of a kernel that walks or adds them.

use crate::kernel::{Class, Kernel};
use crate::tensor::Shape;

/// Classes up to which one invocation walks a row.
pub(crate) const SHORT: usize = 32;

/// Elements up to which one workgroup does rows and total in one dispatch.
pub(crate) const SMALL: usize = 8192;

/// Rows of classes, and how the first axis counts them.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    /// Rows in all.
    pub rows: usize,
    /// Elements per row.
    pub classes: usize,
    /// Length of the first axis.
    pub batch: usize,
}

impl Rows {
    /// Of logits `[.., C]`.
    pub fn of(logits: &Shape) -> Rows {
        let lead = &logits[..logits.rank() - 1];
        Rows {
            rows: lead.iter().product(),
            classes: logits[logits.rank() - 1],
            batch: lead.first().copied().unwrap_or(1),
        }
    }

    /// Sets the overrides that describe the rows.
    pub fn describe(&self, k: Kernel) -> Kernel {
        let k = k.set("ROWS", self.rows).set("C", self.classes).set("BATCH", self.batch);
        k.set("INNER", self.rows / self.batch)
    }
}

/// Steps up to which one invocation walks alone on a software adapter. Beyond,
/// rows are shared out: lavapipe ends every loop after some ten thousand steps.
pub(crate) const STEPS: usize = 4096;

/// Invocations of the one workgroup that adds `items` numbers: few where a
/// barrier costs more than a load.
pub(crate) fn tree(class: Class, items: usize) -> usize {
    let enough = items.div_ceil(STEPS).next_power_of_two();
    enough.clamp(if class == Class::Cpu { 8 } else { 256 }, 256)
}

/// Invocations of a workgroup that walks one row of `classes` elements.
pub(crate) fn group(class: Class, classes: usize) -> usize {
    match class {
        Class::Cpu => tree(class, classes),
        _ => (classes / 4).next_power_of_two().clamp(32, 256),
    }
}
