//! Parallel loops over fixed chunks. Chunks depend on sizes alone, never on
//! the number of threads, so results have the same bits on every machine.
//!
//! Loops run as the widest vector instructions of the machine where the body is
//! inlined into them: mark a closure that is worth it `#[inline(always)]`.

use rayon::prelude::*;

/// Elements below which a loop stays on one thread.
const SERIAL: usize = 16 * 1024;

/// Elements per chunk of a parallel elementwise loop: fits a core's L1 twice.
pub const CHUNK: usize = 4 * 1024;

/// Runs `f`, compiled for the vector instructions that the machine has. They do
/// the same arithmetic as any others: Rust never fuses or reorders it.
#[inline(always)]
pub fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// Runs `f` on a thread of the pool. A parallel loop that begins there shares
/// its chunks with the others at once; one that begins outside hands over all of
/// them and sleeps until it is woken, which costs more than most loops.
pub fn on_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| f())
}

/// Calls `f(first element, chunk)` for chunks of [`CHUNK`] elements of `y`.
pub fn chunks<T: Send>(y: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    let run = |start: usize, chunk: &mut [T]| {
        vectorised(
            #[inline(always)]
            || f(start, chunk),
        )
    };
    if y.len() <= SERIAL {
        run(0, y);
    } else {
        y.par_chunks_mut(CHUNK).enumerate().for_each(|(i, c)| run(i * CHUNK, c));
    }
}

/// Calls `f(row number, row)` for each row of `row` elements of `y`.
pub fn rows<T: Send>(y: &mut [T], row: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if row == 0 {
        return;
    }
    let run = |first: usize, rows: &mut [T]| {
        vectorised(
            #[inline(always)]
            || {
                // A plain loop: the body must end up in this function, not in an adaptor's.
                for (i, y) in rows.chunks_mut(row).enumerate() {
                    f(first + i, y);
                }
            },
        )
    };
    if y.len() <= SERIAL {
        run(0, y);
    } else {
        // Short rows travel together, so that a task is worth its cost.
        let together = (CHUNK / row).max(1);
        y.par_chunks_mut(row * together).enumerate().for_each(|(i, rows)| run(i * together, rows));
    }
}

/// Calls `f(i)` for each `i` below `n`, in parallel when `work` elements in all
/// are worth it, and returns the results in order.
pub fn map<R: Send>(n: usize, work: usize, f: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    let run = |i| {
        vectorised(
            #[inline(always)]
            || f(i),
        )
    };
    if work <= SERIAL { (0..n).map(run).collect() } else { (0..n).into_par_iter().map(run).collect() }
}
