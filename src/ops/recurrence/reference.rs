//! The walk forward on the CPU. The batch is cut into parts of rows once, and
//! each part walks all steps alone: no thread waits for another within a walk.
//! The loops over units have no branches, so that they compile to vectors.

use super::{Cell, Recurrence, Sizes};
use crate::graph::{Io, Reference};
use crate::ops::matmul::gemm_alone;
use crate::tensor::{Real, parallel};
use rayon::prelude::*;

/// Rows of the batch that walk together: enough for a good product.
pub(crate) const PART: usize = 32;

/// What a walk in either direction reads.
pub(crate) struct Walk<'a, T> {
    pub op: Recurrence,
    pub s: Sizes,
    pub w: &'a [T],
    pub initial: Option<&'a [T]>,
    pub lengths: Option<&'a [u32]>,
}

impl<T: Real> Walk<'_, T> {
    /// The number of valid steps of a row.
    pub fn length(&self, row: usize) -> usize {
        self.lengths.map_or(self.s.steps, |l| (l[row] as usize).min(self.s.steps))
    }

    /// The time of the forward pass's step number `step`.
    pub fn time(&self, step: usize) -> usize {
        if self.op.reverse { self.s.steps - 1 - step } else { step }
    }

    /// The time whose state a row's time `t` starts from; `None` if that is the
    /// initial state.
    pub fn before(&self, row: usize, t: usize) -> Option<usize> {
        match self.op.reverse {
            true => Some(t + 1).filter(|&t| t < self.length(row)),
            false => t.checked_sub(1),
        }
    }

    /// The initial state of a row: h (`state` 0) or c (1).
    pub fn initially(&self, state: usize, row: usize) -> Option<&[T]> {
        let (s, at) = (self.s, (state * self.s.batch + row) * self.s.hidden);
        self.initial.map(|v| &v[at..at + s.hidden])
    }

    /// Starts a part's states: h or c of its rows.
    pub fn start(&self, state: usize, first: usize, rows: &mut [T]) {
        for (i, row) in rows.chunks_mut(self.s.hidden).enumerate() {
            match self.initially(state, first + i) {
                Some(v) => row.copy_from_slice(v),
                None => row.fill(T::ZERO),
            }
        }
    }
}

/// A part's outputs. h and c are its states, and in the end its last ones.
struct Part<'a, T> {
    first: usize,
    y: &'a mut [T],
    saved: &'a mut [T],
    h: &'a mut [T],
    c: &'a mut [T],
}

impl Reference for Recurrence {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let s = Sizes::of(io.shape(0), io.shape(1));
        let [bias, initial, lengths] = self.optional();
        let (gx, bias) = (io.x(0), bias.map(|i| io.x(i)));
        let (initial, lengths) = (initial.map(|i| io.x(i)), lengths.map(|i| io.x_u32(i)));
        let walk = Walk { op: *self, s, w: io.x(1), initial, lengths };
        let mut outputs = io.outputs.iter_mut();
        let mut next = || outputs.next().map(|v| &mut *v.real).unwrap_or_default();
        let (y, last, saved) = (next(), next(), next());
        let (h, c) = last.split_at_mut(s.batch * s.hidden);
        let (rows, steps) = (PART * s.hidden, PART * s.steps * s.hidden);
        let mut saved = saved.chunks_mut(steps * self.cell.slots().max(1));
        let mut c = c.chunks_mut(rows);
        let part = |(i, (y, h))| Part {
            first: i * PART,
            y,
            saved: saved.next().unwrap_or_default(),
            h,
            c: c.next().unwrap_or_default(),
        };
        let parts: Vec<Part<T>> = y.chunks_mut(steps).zip(h.chunks_mut(rows)).enumerate().map(part).collect();
        parts.into_par_iter().for_each(|part| forward(&walk, gx, bias, part));
    }
}

fn forward<T: Real>(walk: &Walk<T>, gx: &[T], bias: Option<&[T]>, part: Part<T>) {
    let (cell, Sizes { steps, hidden: n, .. }) = (walk.op.cell, walk.s);
    let (rows, all, slots) = (part.h.len() / n, cell.gates() * n, cell.slots() * n);
    // The gates of the first product, and those of a second.
    let first = if cell.products() == 2 { 2 * n } else { all };
    let mut product = vec![T::ZERO; rows * first];
    let mut second = vec![T::ZERO; rows * (all - first)];
    let mut reset = vec![T::ZERO; second.len()];
    walk.start(0, part.first, part.h);
    walk.start(1, part.first, part.c);
    for step in 0..steps {
        let t = walk.time(step);
        if step > 0 || walk.initial.is_some() {
            gemm_alone(&mut product, part.h, &walk.w[..first * n], [rows, first, n], false, true, T::ZERO);
        }
        if !second.is_empty() {
            for i in 0..rows {
                let at = part.first * steps + i * steps + t;
                let saved = &mut part.saved[(i * steps + t) * slots..][..slots];
                let h = &part.h[i * n..][..n];
                parallel::vectorised(
                    #[inline(always)]
                    || gru_gates(saved, &gx[at * all..][..first], &product[i * first..][..first], h),
                );
                reset[i * n..][..n].copy_from_slice(&saved[3 * n..4 * n]);
            }
            gemm_alone(&mut second, &reset, &walk.w[first * n..], [rows, n, n], false, true, T::ZERO);
        }
        for i in 0..rows {
            let at = i * steps + t;
            let y = &mut part.y[at * n..][..n];
            let saved = &mut part.saved[at * slots..][..slots];
            if t >= walk.length(part.first + i) {
                y.fill(T::ZERO);
                saved.fill(T::ZERO);
                continue;
            }
            let gx = &gx[(part.first * steps + at) * all..][..all];
            let h = &mut part.h[i * n..][..n];
            let product = &mut product[i * first..][..first];
            if let Some(bias) = bias {
                product.iter_mut().zip(bias).for_each(|(p, &b)| *p += b);
            }
            parallel::vectorised(
                #[inline(always)]
                || match cell {
                    Cell::RnnTanh => {
                        add(h, gx, product);
                        tanh(h);
                    }
                    Cell::RnnRelu => {
                        add(h, gx, product);
                        h.iter_mut().for_each(|h| *h = if *h <= T::ZERO { T::ZERO } else { *h });
                    }
                    Cell::Lstm => lstm(saved, gx, product, h, &mut part.c[i * n..][..n]),
                    Cell::Gru { reset_after: true } => {
                        add(&mut saved[..2 * n], &gx[..2 * n], &product[..2 * n]);
                        sigmoid(&mut saved[..2 * n]);
                        saved[3 * n..4 * n].copy_from_slice(&product[2 * n..]);
                        saved[4 * n..].copy_from_slice(h);
                        gru(saved, &gx[2 * n..], true, h);
                    }
                    Cell::Gru { reset_after: false } => {
                        saved[2 * n..3 * n].copy_from_slice(&second[i * n..][..n]);
                        gru(saved, &gx[2 * n..], false, h);
                    }
                },
            );
            y.copy_from_slice(h);
        }
        // The product of the first step is zeros where it starts from zeros.
        if bias.is_some() && step == 0 {
            product.fill(T::ZERO);
        }
    }
}

/// `y = a + b`.
#[inline(always)]
fn add<T: Real>(y: &mut [T], a: &[T], b: &[T]) {
    for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
        *y = a + b;
    }
}

#[inline(always)]
fn sigmoid<T: Real>(y: &mut [T]) {
    for y in y {
        *y = T::ONE / (T::ONE + (-*y).exp());
    }
}

#[inline(always)]
fn tanh<T: Real>(y: &mut [T]) {
    for y in y {
        *y = y.tanh();
    }
}

/// Saves i, f, g, o and the cell state before.
#[inline(always)]
fn lstm<T: Real>(saved: &mut [T], gx: &[T], product: &[T], h: &mut [T], c: &mut [T]) {
    let n = h.len();
    add(&mut saved[..4 * n], gx, product);
    saved[4 * n..].copy_from_slice(c);
    sigmoid(&mut saved[..2 * n]);
    tanh(&mut saved[2 * n..3 * n]);
    sigmoid(&mut saved[3 * n..4 * n]);
    let (i, f, g, o) = (&saved[..n], &saved[n..2 * n], &saved[2 * n..3 * n], &saved[3 * n..4 * n]);
    for (((c, &i), &f), &g) in c.iter_mut().zip(i).zip(f).zip(g) {
        *c = f * *c + i * g;
    }
    for ((h, &c), &o) in h.iter_mut().zip(&*c).zip(o) {
        *h = c.tanh() * o;
    }
}

/// r, z and `r h` of a GRU that resets before the product, and h.
#[inline(always)]
fn gru_gates<T: Real>(saved: &mut [T], gx: &[T], product: &[T], h: &[T]) {
    let n = h.len();
    add(&mut saved[..2 * n], gx, product);
    sigmoid(&mut saved[..2 * n]);
    saved[4 * n..].copy_from_slice(h);
    let (gates, rest) = saved.split_at_mut(3 * n);
    for ((y, &r), &h) in rest.iter_mut().zip(&gates[..n]).zip(h) {
        *y = r * h;
    }
}

/// n and the new h from r, z, what n gets of the past (in slot 3, to be scaled
/// by r, or whole in n's own place), and h before.
#[inline(always)]
fn gru<T: Real>(saved: &mut [T], gx: &[T], scale: bool, h: &mut [T]) {
    let n = h.len();
    let (gates, rest) = saved.split_at_mut(3 * n);
    let (rz, new) = gates.split_at_mut(2 * n);
    if scale {
        for (((new, &gx), &r), &past) in new.iter_mut().zip(gx).zip(&rz[..n]).zip(&*rest) {
            *new = gx + r * past;
        }
    } else {
        new.iter_mut().zip(gx).for_each(|(new, &gx)| *new += gx);
    }
    tanh(new);
    for ((h, &new), &z) in h.iter_mut().zip(&*new).zip(&rz[n..]) {
        *h = new + z * (*h - new);
    }
}
