//! Parallel loops over fixed chunks. Chunks depend on sizes alone, never on
//! the number of threads, so results have the same bits on every machine.

use rayon::prelude::*;

/// Elements below which a loop stays on one thread.
const SERIAL: usize = 16 * 1024;

/// Elements per chunk of a parallel elementwise loop: fits a core's L1 twice.
pub const CHUNK: usize = 4 * 1024;

/// Calls `f(first element, chunk)` for chunks of [`CHUNK`] elements of `y`.
pub fn chunks<T: Send>(y: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    if y.len() <= SERIAL {
        f(0, y);
    } else {
        y.par_chunks_mut(CHUNK).enumerate().for_each(|(i, c)| f(i * CHUNK, c));
    }
}

/// Calls `f(row number, row)` for each row of `row` elements of `y`.
pub fn rows<T: Send>(y: &mut [T], row: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if row == 0 {
        return;
    }
    if y.len() <= SERIAL {
        y.chunks_mut(row).enumerate().for_each(|(i, r)| f(i, r));
    } else {
        // Short rows travel together, so that a task is worth its cost.
        let together = (CHUNK / row).max(1);
        y.par_chunks_mut(row * together)
            .enumerate()
            .for_each(|(i, rows)| rows.chunks_mut(row).enumerate().for_each(|(j, r)| f(i * together + j, r)));
    }
}

/// Calls `f(i)` for each `i` below `n`, in parallel when `work` elements in all
/// are worth it, and returns the results in order.
pub fn map<R: Send>(n: usize, work: usize, f: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    if work <= SERIAL { (0..n).map(f).collect() } else { (0..n).into_par_iter().map(f).collect() }
}
