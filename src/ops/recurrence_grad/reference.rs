//! The walk backwards on the CPU, in the same parts of rows as forward.

use super::RecurrenceGrad;
use crate::graph::{Io, Reference};
use crate::ops::matmul::gemm_alone;
use crate::ops::recurrence::{Cell, PART, Walk};
use crate::tensor::{Real, parallel};
use rayon::prelude::*;

/// A part's outputs. `d_h` and `d_c` carry gradients from step to step, and in
/// the end to the initial state.
struct Part<'a, T> {
    first: usize,
    d_gx: &'a mut [T],
    d_gh: &'a mut [T],
    h_before: &'a mut [T],
    d_h: &'a mut [T],
    d_c: &'a mut [T],
}

/// What all parts read.
struct Given<'a, T> {
    walk: Walk<'a, T>,
    saved: &'a [T],
    y: &'a [T],
    d_y: Option<&'a [T]>,
    d_last: Option<&'a [T]>,
    to_initial: bool,
}

impl Reference for RecurrenceGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let s = self.sizes(io.shape(3));
        let [initial, lengths, d_y, d_last] = self.optional();
        let real = |i: Option<usize>| i.map(|i| io.x(i));
        let (initial, d_y, d_last) = (real(initial), real(d_y), real(d_last));
        let walk = Walk { op: self.of, s, w: io.x(1), initial, lengths: lengths.map(|i| io.x_u32(i)) };
        let given = Given { walk, saved: io.x(0), y: io.x(3), d_y, d_last, to_initial: self.to_initial };
        let mut outputs = io.outputs.iter_mut();
        let mut next = || outputs.next().map(|v| &mut *v.real).unwrap_or_default();
        let (d_gx, h_before, carry, d_gh) = (next(), next(), next(), next());
        let (d_h, d_c) = carry.split_at_mut(s.batch * s.hidden);
        let (rows, steps) = (PART * s.hidden, PART * s.steps * s.hidden);
        let gates = steps * self.of.cell.gates();
        let (mut d_gh, mut d_c) = (d_gh.chunks_mut(gates), d_c.chunks_mut(rows));
        let all = d_gx.chunks_mut(gates).zip(h_before.chunks_mut(steps)).zip(d_h.chunks_mut(rows)).enumerate();
        let part = |(i, ((d_gx, h_before), d_h))| Part {
            first: i * PART,
            d_gx,
            d_gh: d_gh.next().unwrap_or_default(),
            h_before,
            d_h,
            d_c: d_c.next().unwrap_or_default(),
        };
        let parts: Vec<Part<T>> = all.map(part).collect();
        parts.into_par_iter().for_each(|part| backward(&given, part));
    }
}

fn backward<T: Real>(given: &Given<T>, part: Part<T>) {
    let walk = &given.walk;
    let (cell, steps, n) = (walk.op.cell, walk.s.steps, walk.s.hidden);
    let (rows, all) = (part.d_h.len() / n, cell.gates() * n);
    // A plain RNN saves its output.
    let slots = cell.slots().max(1) * n;
    // The gates' gradients that the product takes: of the step before in this
    // walk, and of a second product within a step.
    let first = if cell.products() == 2 { 2 * n } else { all };
    let mut d = vec![T::ZERO; rows * first];
    let mut d_second = vec![T::ZERO; rows * (all - first)];
    let mut through = vec![T::ZERO; d_second.len()];
    start(given, part.first, part.d_h, part.d_c);
    for step in 0..steps {
        let t = walk.time(steps - 1 - step);
        if step > 0 {
            gemm_alone(part.d_h, &d, &walk.w[..first * n], [rows, n, first], false, false, T::ONE);
        }
        for i in 0..rows {
            let (row, at) = (part.first + i, i * steps + t);
            let d_gx = &mut part.d_gx[at * all..][..all];
            let d = &mut d[i * first..][..first];
            let h_before = &mut part.h_before[at * n..][..n];
            if t >= walk.length(row) {
                d_gx.fill(T::ZERO);
                d.fill(T::ZERO);
                h_before.fill(T::ZERO);
                if !part.d_gh.is_empty() {
                    part.d_gh[at * all..][..all].fill(T::ZERO);
                }
                if !d_second.is_empty() {
                    d_second[i * n..][..n].fill(T::ZERO);
                }
                continue;
            }
            match walk.before(row, t).map(|t| &given.y[(row * steps + t) * n..][..n]).or(walk.initially(0, row)) {
                Some(h) => h_before.copy_from_slice(h),
                None => h_before.fill(T::ZERO),
            }
            let saved = &given.saved[(row * steps + t) * slots..][..slots];
            let d_h = &mut part.d_h[i * n..][..n];
            if let Some(d_y) = given.d_y {
                add_to(d_h, &d_y[(row * steps + t) * n..][..n]);
            }
            parallel::vectorised(
                #[inline(always)]
                || match cell {
                    Cell::RnnTanh | Cell::RnnRelu => {
                        rnn(d_gx, saved, d_h, cell == Cell::RnnRelu);
                        d_h.fill(T::ZERO);
                    }
                    Cell::Lstm => {
                        lstm(d_gx, saved, d_h, &mut part.d_c[i * n..][..n]);
                        d_h.fill(T::ZERO);
                    }
                    Cell::Gru { .. } => gru(d_gx, saved, d_h),
                },
            );
            match cell {
                Cell::Gru { reset_after: true } => {
                    reset(&mut d_gx[..n], &saved[..n], &saved[3 * n..4 * n]);
                    d.copy_from_slice(d_gx);
                    for ((d, &d_n), &r) in d[2 * n..].iter_mut().zip(&d_gx[2 * n..]).zip(&saved[..n]) {
                        *d = d_n * r;
                    }
                    part.d_gh[at * all..][..all].copy_from_slice(d);
                }
                Cell::Gru { reset_after: false } => d_second[i * n..][..n].copy_from_slice(&d_gx[2 * n..]),
                _ => d.copy_from_slice(d_gx),
            }
        }
        if !d_second.is_empty() {
            gemm_alone(&mut through, &d_second, &walk.w[first * n..], [rows, n, n], false, false, T::ZERO);
            for i in 0..rows {
                let (row, at) = (part.first + i, i * steps + t);
                if t >= walk.length(row) {
                    continue;
                }
                let saved = &given.saved[(row * steps + t) * slots..][..slots];
                let (d_gx, through) = (&mut part.d_gx[at * all..][..all], &through[i * n..][..n]);
                d_gx[..n].copy_from_slice(through);
                reset(&mut d_gx[..n], &saved[..n], &saved[4 * n..]);
                d[i * first..][..first].copy_from_slice(&d_gx[..first]);
                for ((d_h, &through), &r) in part.d_h[i * n..][..n].iter_mut().zip(through).zip(saved) {
                    *d_h += through * r;
                }
            }
        }
    }
    if given.to_initial {
        gemm_alone(part.d_h, &d, &walk.w[..first * n], [rows, n, first], false, false, T::ONE);
    }
}

/// The carried gradients start as those of the last states.
fn start<T: Real>(given: &Given<T>, first: usize, d_h: &mut [T], d_c: &mut [T]) {
    let (at, states) = (first * given.walk.s.hidden, given.walk.s.batch * given.walk.s.hidden);
    match given.d_last {
        Some(d) => {
            d_h.copy_from_slice(&d[at..at + d_h.len()]);
            if !d_c.is_empty() {
                d_c.copy_from_slice(&d[states + at..][..d_c.len()]);
            }
        }
        None => {
            d_h.fill(T::ZERO);
            d_c.fill(T::ZERO);
        }
    }
}

#[inline(always)]
fn add_to<T: Real>(y: &mut [T], x: &[T]) {
    y.iter_mut().zip(x).for_each(|(y, &x)| *y += x);
}

#[inline(always)]
fn rnn<T: Real>(d: &mut [T], y: &[T], d_h: &[T], relu: bool) {
    for ((d, &y), &d_h) in d.iter_mut().zip(y).zip(d_h) {
        let slope = if !relu {
            T::ONE - y * y
        } else if y > T::ZERO {
            T::ONE
        } else {
            T::ZERO
        };
        *d = d_h * slope;
    }
}

/// `d_c` comes as the gradient of the new cell state that the next step left,
/// and goes as that of the old one.
#[inline(always)]
fn lstm<T: Real>(d: &mut [T], saved: &[T], d_h: &[T], d_c: &mut [T]) {
    let n = d_h.len();
    let (i, rest) = saved.split_at(n);
    let (f, rest) = rest.split_at(n);
    let (g, rest) = rest.split_at(n);
    let (o, c) = rest.split_at(n);
    let (d_i, rest) = d.split_at_mut(n);
    let (d_f, rest) = rest.split_at_mut(n);
    let (d_g, d_o) = rest.split_at_mut(n);
    for ((((k, &i), &f), &g), &c) in d_o.iter_mut().zip(i).zip(f).zip(g).zip(c) {
        *k = (f * c + i * g).tanh();
    }
    for (((d_o, d_c), &o), &d_h) in d_o.iter_mut().zip(&mut *d_c).zip(o).zip(d_h) {
        let k = *d_o;
        *d_c += d_h * o * (T::ONE - k * k);
        *d_o = d_h * k * o * (T::ONE - o);
    }
    for (((d, &d_c), &i), &g) in d_i.iter_mut().zip(&*d_c).zip(i).zip(g) {
        *d = d_c * g * i * (T::ONE - i);
    }
    for (((d, &d_c), &i), &g) in d_g.iter_mut().zip(&*d_c).zip(i).zip(g) {
        *d = d_c * i * (T::ONE - g * g);
    }
    for (((d, d_c), &f), &c) in d_f.iter_mut().zip(d_c).zip(f).zip(c) {
        *d = *d_c * c * f * (T::ONE - f);
        *d_c *= f;
    }
}

/// d_z and d_n, and d_n once more in r's place; `d_h` keeps what z hands on.
#[inline(always)]
fn gru<T: Real>(d: &mut [T], saved: &[T], d_h: &mut [T]) {
    let n = d_h.len();
    let (z, new, h) = (&saved[n..2 * n], &saved[2 * n..3 * n], &saved[4 * n..]);
    let (d_r, rest) = d.split_at_mut(n);
    let (d_z, d_n) = rest.split_at_mut(n);
    for ((((d, &z), &new), &h), &d_h) in d_z.iter_mut().zip(z).zip(new).zip(h).zip(&*d_h) {
        *d = d_h * (h - new) * z * (T::ONE - z);
    }
    for (((d, d_h), &z), &new) in d_n.iter_mut().zip(d_h).zip(z).zip(new) {
        *d = *d_h * (T::ONE - z) * (T::ONE - new * new);
        *d_h *= z;
    }
    d_r.copy_from_slice(d_n);
}

/// The gradient of r's sum from that of what r scales: `d past r (1 - r)`.
#[inline(always)]
fn reset<T: Real>(d: &mut [T], r: &[T], past: &[T]) {
    for ((d, &r), &past) in d.iter_mut().zip(r).zip(past) {
        *d *= past * r * (T::ONE - r);
    }
}
