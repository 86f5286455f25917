//! Parallel loops over fixed chunks. Chunks depend on sizes alone, never on
//! the number of threads, so results have the same bits on every machine.
//!
//! Loops run as the widest vector instructions of the machine where the body is
//! inlined into them: mark a closure that is worth it `#[inline(always)]`.

use crate::error::{Error, Result};
use rayon::prelude::*;

/// Elements below which a loop stays on one thread.
const SERIAL: usize = 16 * 1024;

/// Elements per chunk of a parallel elementwise loop: fits a core's L1 twice.
pub const CHUNK: usize = 4 * 1024;

/// Starts the threads of all parallel loops, once per process: as many as the machine has
/// processors (`RAYON_NUM_THREADS` says otherwise), of which `processes` that were launched together
/// take equal shares, or as many as the system allows. Results do not depend on their number. A
/// process that does not call this starts them with its first loop, and panics where that fails.
///
/// Fails where not even one can be started.
pub fn start(processes: usize) -> Result<()> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let is_said = std::env::var_os("RAYON_NUM_THREADS").is_some();
    // The pool that loops use can be asked for once only, so others try how many there can be; their
    // threads have ended before the next begin.
    let starts =
        |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build_scoped(|thread| thread.run(), |_| ());
    // 0 are as many as there are processors, or as the variable says.
    let mut threads = if processes > 1 && !is_said { (processors / processes).max(1) } else { 0 };
    while let Err(e) = starts(threads) {
        threads = match threads {
            0 => processors / 2,
            n => n / 2,
        };
        if threads == 0 {
            return Err(no_threads(&e));
        }
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(|e| no_threads(&e))
}

fn no_threads(why: &dyn std::fmt::Display) -> Error {
    Error::device(format!(
        "the system starts no thread to compute on ({why}); expected room for one: raise the limits of processes and of \
         memory (ulimit -u, ulimit -v; a container's pids and memory), or set RAYON_NUM_THREADS=1"
    ))
}

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
        parts(y, CHUNK, &|i, chunk| run(i * CHUNK, chunk));
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
        parts(y, row * together, &|i, rows| run(i * together, rows));
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
    if work <= SERIAL { (0..n).map(run).collect() } else { results(n, &run) }
}

/// Calls `task(number, part)` for parts of `size` elements of `y`, in parallel.
/// Here and in [`results`] the task is a reference on purpose: rayon's loops are
/// then compiled once per type and not once per op, and a call per part costs
/// nothing.
fn parts<T: Send>(y: &mut [T], size: usize, task: &(dyn Fn(usize, &mut [T]) + Sync)) {
    y.par_chunks_mut(size).enumerate().for_each(|(i, part)| task(i, part));
}

/// The results of `task(i)` for each `i` below `n`, in order.
fn results<R: Send>(n: usize, task: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    (0..n).into_par_iter().map(task).collect()
}
