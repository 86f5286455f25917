//! How far the reading of a data set is.

/// Is told how much of the work is done: `(done, total)`. Called from many
/// threads, so numbers may come out of order.
pub type OnProgress<'a> = &'a (dyn Fn(usize, usize) + Sync);
