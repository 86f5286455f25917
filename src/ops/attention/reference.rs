//! Attention on the CPU: blocks of queries, with `gemm` for the products and
//! plain loops for softmax. Blocks above the diagonal of a causal mask are
//! never computed.

use super::attend::{Attend, Extras};
use super::sizes::Sizes;
use crate::tensor::Real;
use crate::tensor::random::{pcg4d, stream, unit};
use rayon::prelude::*;

/// Queries per block.
const BLOCK: usize = 64;

/// A tensor of which tasks write disjoint rows.
struct Rows<T> {
    data: *mut T,
    len: usize,
}

// SAFETY: only `write` touches the data, and its callers promise disjoint rows.
unsafe impl<T: Send> Sync for Rows<T> {}

impl<T: Copy> Rows<T> {
    fn new(data: &mut [T]) -> Rows<T> {
        Rows { data: data.as_mut_ptr(), len: data.len() }
    }

    /// Writes a row.
    ///
    /// # Safety
    /// No two tasks write the same elements.
    unsafe fn write(&self, at: usize, row: &[T]) {
        assert!(at + row.len() <= self.len, "a row of {} at {at} of {}", row.len(), self.len);
        // SAFETY: inside by the assertion; disjoint between tasks by contract.
        unsafe { std::ptr::copy_nonoverlapping(row.as_ptr(), self.data.add(at), row.len()) }
    }
}

/// A matrix with any strides.
#[derive(Clone, Copy)]
struct Matrix<'a, T> {
    data: &'a [T],
    row: usize,
    col: usize,
}

impl<'a, T> Matrix<'a, T> {
    fn rows(data: &'a [T], row: usize) -> Matrix<'a, T> {
        Matrix { data, row, col: 1 }
    }

    fn transposed(self) -> Matrix<'a, T> {
        Matrix { row: self.col, col: self.row, ..self }
    }

    fn holds(&self, rows: usize, cols: usize) -> bool {
        (rows - 1) * self.row + (cols - 1) * self.col < self.data.len()
    }
}

/// `y [m, n] = keep y + scale a b` on this thread; none of the sizes is zero.
fn product<T: Real>(y: &mut [T], a: Matrix<T>, b: Matrix<T>, [m, n, k]: [usize; 3], keep: bool, scale: T) {
    assert!(y.len() >= m * n && a.holds(m, k) && b.holds(k, n), "a product of {m}x{k} and {k}x{n}");
    let old = if keep { T::ONE } else { T::ZERO };
    // SAFETY: the assertion bounds every element that the strides reach.
    unsafe {
        ::gemm::gemm(
            m,
            n,
            k,
            y.as_mut_ptr(),
            1,
            n as isize,
            keep,
            a.data.as_ptr(),
            a.col as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.col as isize,
            b.row as isize,
            old,
            scale,
            false,
            false,
            false,
            ::gemm::Parallelism::None,
        );
    }
}

/// A block of query rows of one head: what it sees.
struct Block<'a, T> {
    op: &'a Attend,
    z: &'a Sizes,
    extras: Extras<'a, T>,
    batch: usize,
    head: usize,
    first: usize,
    rows: usize,
    /// Keys that any of its rows may see.
    end: usize,
}

impl<'a, T: Real> Block<'a, T> {
    fn new(op: &'a Attend, z: &'a Sizes, extras: Extras<'a, T>, batch: usize, head: usize, first: usize) -> Self {
        let rows = BLOCK.min(z.tq - first);
        let seen = extras.lengths.map_or(z.tk, |l| (l[batch] as usize).min(z.tk));
        let end = if op.options.causal { seen.min(first + rows) } else { seen };
        Block { op, z, extras, batch, head, first, rows, end }
    }

    /// Keys that row `i` of the block sees, before the additive mask.
    fn visible(&self, i: usize) -> usize {
        if self.op.options.causal { self.end.min(self.first + i + 1) } else { self.end }
    }

    /// The number of row `i` in `[B, Hq, Tq]`.
    fn number(&self, i: usize) -> usize {
        (self.batch * self.z.hq + self.head) * self.z.tq + self.first + i
    }

    /// `s [rows, end]`, without masks.
    fn scores(&self, s: &mut [T], q: &[T], k: &[T]) {
        let z = self.z;
        let q = Matrix::rows(&q[z.q.at(self.batch, self.head, self.first)..], z.q.row);
        let size = [self.rows, self.end, z.d];
        product(s, q, self.keys(k), size, false, T::of(self.op.scale(z.d)));
    }

    /// `k^T [D, end]`.
    fn keys<'k>(&self, k: &'k [T]) -> Matrix<'k, T> {
        let z = self.z;
        Matrix::rows(&k[z.k.at(self.batch, self.head / z.group(), 0)..], z.k.row).transposed()
    }

    /// `v [end, Dv]`.
    fn values<'v>(&self, v: &'v [T]) -> Matrix<'v, T> {
        let z = self.z;
        Matrix::rows(&v[z.v.at(self.batch, self.head / z.group(), 0)..], z.v.row)
    }

    /// Adds the additive mask to the visible part of row `i`.
    fn add_mask(&self, i: usize, s: &mut [T]) {
        let (z, Some(mask)) = (self.z, self.extras.mask) else { return };
        let at = self.batch * z.mask[0] + self.head * z.mask[1] + (self.first + i) * z.tk;
        for (s, &m) in s.iter_mut().zip(&mask[at..]) {
            // A score that is no number must not bring a hidden key back.
            *s = if m == T::of(f64::NEG_INFINITY) { m } else { *s + m };
        }
    }

    /// Calls `f(j, factor)` for the keys of row `i` that dropout multiplies.
    fn dropped(&self, i: usize, n: usize, mut f: impl FnMut(usize, T)) {
        let Some(clock) = self.extras.clock else { return };
        let stream = stream::DROPOUT + self.op.options.layer;
        let factors = [T::ZERO, T::of(self.op.keep_scale())];
        let first = self.number(i) * self.z.quads();
        for quad in 0..n.div_ceil(4) {
            let bits = pcg4d([clock[3], stream, clock[0], (first + quad) as u32]);
            for (j, bits) in (4 * quad..n).zip(bits) {
                f(j, factors[usize::from(unit(bits) >= self.op.options.dropout)]);
            }
        }
    }
}

pub(crate) fn forward<T: Real>(
    op: &Attend,
    z: &Sizes,
    [q, k, v]: [&[T]; 3],
    extras: Extras<T>,
    o: &mut [T],
    lse: &mut [T],
) {
    let blocks = z.tq.div_ceil(BLOCK);
    let (o, lse) = (Rows::new(o), Rows::new(lse));
    let scratch = || (vec![T::ZERO; BLOCK * z.tk], vec![T::ZERO; BLOCK * z.dv]);
    (0..z.b * z.hq * blocks).into_par_iter().for_each_init(scratch, |(s, y), task| {
        let (head, first) = (task / blocks, task % blocks * BLOCK);
        let block = Block::new(op, z, extras, head / z.hq, head % z.hq, first);
        let (rows, end) = (block.rows, block.end);
        let mut sums = [T::ZERO; BLOCK];
        let mut logs = [T::ZERO; BLOCK];
        y.fill(T::ZERO);
        if end > 0 {
            block.scores(s, q, k);
            for (i, row) in s.chunks_mut(end).take(rows).enumerate() {
                [sums[i], logs[i]] = softmax(&block, i, row);
            }
            product(y, Matrix::rows(s, end), block.values(v), [rows, z.dv, end], false, T::ONE);
        }
        for (i, y) in y.chunks_mut(z.dv).take(rows).enumerate() {
            let share = if sums[i] == T::ZERO { T::ZERO } else { T::ONE / sums[i] };
            y.iter_mut().for_each(|y| *y *= share);
            // SAFETY: a task owns the rows of its block.
            unsafe { o.write(z.o.at(block.batch, block.head, first + i), y) };
        }
        // SAFETY: likewise.
        unsafe { lse.write(block.number(0), &logs[..rows]) };
    });
}

/// Turns scores into exponentials, with dropout; returns their sum, without
/// it, and the logarithm of the sum of the unshifted ones.
fn softmax<T: Real>(block: &Block<T>, i: usize, row: &mut [T]) -> [T; 2] {
    let n = block.visible(i);
    let (seen, hidden) = row.split_at_mut(n);
    hidden.fill(T::ZERO);
    block.add_mask(i, seen);
    // `max` drops NaN; the sum brings it back.
    let largest = seen.iter().copied().fold(T::of(f64::NEG_INFINITY), T::max);
    if largest == T::of(f64::NEG_INFINITY) && !seen.iter().any(|s| s.is_nan()) {
        seen.fill(T::ZERO);
        return [T::ZERO; 2];
    }
    seen.iter_mut().for_each(|s| *s = (*s - largest).exp());
    let sum: T = lanes(seen);
    block.dropped(i, n, |j, factor| seen[j] *= factor);
    [sum, largest + sum.ln()]
}

/// The sum of a row in eight lanes: a vector register for the compiler.
fn lanes<T: Real>(x: &[T]) -> T {
    let mut sums = [T::ZERO; 8];
    let chunks = x.chunks_exact(8);
    let rest: T = chunks.remainder().iter().copied().sum();
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += x;
        }
    }
    sums.into_iter().sum::<T>() + rest
}

/// What the backward pass reads: q, k, v, o, the sums' logarithms, `d_o`.
#[derive(Clone, Copy)]
pub(crate) struct Saved<'a, T> {
    pub q: &'a [T],
    pub k: &'a [T],
    pub v: &'a [T],
    pub o: &'a [T],
    pub lse: &'a [T],
    pub d_o: &'a [T],
}

/// Scratch of a task of the backward pass.
struct Scratch<T> {
    s: Vec<T>,
    d_s: Vec<T>,
    d_q: Vec<T>,
    d_k: Vec<T>,
    d_v: Vec<T>,
}

/// `d` holds `d_q`, `d_k` and `d_v`, or all three in one.
pub(crate) fn backward<T: Real>(op: &Attend, z: &Sizes, x: Saved<T>, extras: Extras<T>, d: &mut [&mut [T]]) {
    let d: Vec<Rows<T>> = d.iter_mut().map(|d| Rows::new(d)).collect();
    let [d_q, d_k, d_v] = op.operands().map(|i| &d[i]);
    let zeros = |n: usize| vec![T::ZERO; n];
    let scratch = || Scratch {
        s: zeros(BLOCK * z.tk),
        d_s: zeros(BLOCK * z.tk),
        d_q: zeros(BLOCK * z.d),
        d_k: zeros(z.tk * z.d),
        d_v: zeros(z.tk * z.dv),
    };
    (0..z.b * z.hkv).into_par_iter().for_each_init(scratch, |t, task| {
        let (batch, kv) = (task / z.hkv, task % z.hkv);
        t.d_k.fill(T::ZERO);
        t.d_v.fill(T::ZERO);
        for head in kv * z.group()..(kv + 1) * z.group() {
            for first in (0..z.tq).step_by(BLOCK) {
                let block = Block::new(op, z, extras, batch, head, first);
                block_backward(&block, x, t);
                for (i, row) in t.d_q.chunks(z.d).take(block.rows).enumerate() {
                    // SAFETY: a task owns its key head and the query heads that read it.
                    unsafe { d_q.write(z.q.at(batch, head, first + i), row) };
                }
            }
        }
        for j in 0..z.tk {
            // SAFETY: likewise.
            unsafe {
                d_k.write(z.k.at(batch, kv, j), &t.d_k[j * z.d..(j + 1) * z.d]);
                d_v.write(z.v.at(batch, kv, j), &t.d_v[j * z.dv..(j + 1) * z.dv]);
            }
        }
    });
}

fn block_backward<T: Real>(block: &Block<T>, x: Saved<T>, t: &mut Scratch<T>) {
    let (z, rows, end) = (block.z, block.rows, block.end);
    if end == 0 {
        return t.d_q.fill(T::ZERO);
    }
    let at = z.o.at(block.batch, block.head, block.first);
    let d_o = Matrix::rows(&x.d_o[at..], z.o.row);
    let q = Matrix::rows(&x.q[z.q.at(block.batch, block.head, block.first)..], z.q.row);
    block.scores(&mut t.s, x.q, x.k);
    product(&mut t.d_s, d_o, block.values(x.v).transposed(), [rows, end, z.dv], false, T::ONE);
    let scale = T::of(block.op.scale(z.d));
    for i in 0..rows {
        let (p, d_s) = (&mut t.s[i * end..(i + 1) * end], &mut t.d_s[i * end..(i + 1) * end]);
        let (o, d_o) = (&x.o[at + i * z.o.row..][..z.dv], &x.d_o[at + i * z.o.row..][..z.dv]);
        let delta: T = o.iter().zip(d_o).map(|(&o, &d)| o * d).sum();
        let n = block.visible(i);
        block.add_mask(i, &mut p[..n]);
        let log = x.lse[block.number(i)];
        p[..n].iter_mut().for_each(|p| *p = (*p - log).exp());
        p[n..].fill(T::ZERO);
        d_s[n..].fill(T::ZERO);
        block.dropped(i, n, |j, factor| d_s[j] *= factor);
        for (d, &p) in d_s[..n].iter_mut().zip(&*p) {
            *d = p * (*d - delta) * scale;
        }
        block.dropped(i, n, |j, factor| p[j] *= factor);
    }
    let (p, d_s) = (Matrix::rows(&t.s, end), Matrix::rows(&t.d_s, end));
    product(&mut t.d_v, p.transposed(), d_o, [end, z.dv, rows], true, T::ONE);
    product(&mut t.d_q, d_s, block.keys(x.k).transposed(), [rows, z.d, end], false, T::ONE);
    product(&mut t.d_k, d_s.transposed(), q, [end, z.d, rows], true, T::ONE);
}
