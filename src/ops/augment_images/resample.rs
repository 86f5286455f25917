//! The pixels of a batch, given each slot's parameters.

use super::{Bits, Images, Outside, PARAMS, Patch, Purpose, WG, both_ways, share};
use crate::error::Result;
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Lowered};
use crate::ops::{clock, state};
use crate::tensor::{Real, Spec, parallel};

/// Computes the images of a batch. Inputs: data, index, params, clock, scale,
/// shift.
#[derive(Debug, Clone, Copy)]
pub struct ResampleImages(pub(super) Images);

impl Op for ResampleImages {
    fn name(&self) -> &'static str {
        "augment_images"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let batch = self.0.infer(cx)?;
        let [c, h, w] = self.0.image;
        state::expect("params", &cx.inputs[2], &Spec::f32([batch, PARAMS]))?;
        state::expect("clock", &cx.inputs[3], &clock::spec())?;
        state::expect("scale", &cx.inputs[4], &Spec::f32([c]))?;
        state::expect("shift", &cx.inputs[5], &Spec::f32([c]))?;
        Ok(vec![Spec::f32([batch, c, h, w])])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let [_, h, w] = self.0.image;
        // An invocation reads a slot's parameters once for all its pixels.
        let per = if cx.caps.class == Class::Cpu { 16 } else { 4 };
        let slots = cx.inputs[1].elements();
        let k = self.0.kernel("resample", slots).set("PER", per);
        let d = k.dispatch_1d(slots * (h * w).div_ceil(per), WG).input("data", 0).input("index", 1);
        let d = d.input("params", 2).input("clock", 3).input("scale", 4).input("shift", 5);
        Ok(Lowered::one(d.output("x", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let elements = cx.outputs[0].elements() as u64;
        let each = if self.0.how.blends() { 12 } else { 2 } + if self.0.how.noise > 0.0 { 20 } else { 0 };
        Cost { flops: each * elements, bytes: elements + cx.outputs[0].bytes() as u64 }
    }
}

impl Reference for ResampleImages {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (index, params, bits) = (io.x_u32(1), io.x(2), Bits::of(io.x_u32(3)));
        let data: &[u8] = bytemuck::cast_slice(io.x_u32(0));
        let (scale, shift) = (io.x(4), io.x(5));
        let bytes = self.0.bytes();
        let bend = Bend::new(&self.0);
        parallel::rows(io.y(0), bytes, |slot, x| {
            let row = index[slot] as usize;
            if row >= self.0.n {
                x.fill(T::ZERO);
                return;
            }
            let slot = Slot { images: &self.0, number: slot, params: &params[slot * PARAMS..][..PARAMS], bits };
            slot.look_up(&data[row * bytes..(row + 1) * bytes], &bend, x);
            slot.recolour(x);
            slot.disturb(x);
            slot.normalise(scale, shift, x);
            slot.erase(scale, shift, x);
        });
    }
}

/// Where each column and row lies in the coarse grid: the cell, and how far in
/// it, smoothed.
struct Bend<T> {
    cols: Vec<(usize, T)>,
    rows: Vec<(usize, T)>,
}

impl<T: Real> Bend<T> {
    fn new(images: &Images) -> Bend<T> {
        let grid = T::of(images.how.elastic_grid as f64);
        let place = |i: usize, side: usize| {
            let at = T::of(i as f64 + 0.5) * grid / T::of(side as f64);
            let cell = at.f64() as usize;
            let f = at - T::of(cell as f64);
            (cell, f * f * (T::of(3.0) - T::of(2.0) * f))
        };
        let places = |side: usize| -> Vec<(usize, T)> {
            let wanted = if images.how.elastic_alpha > 0.0 { side } else { 0 };
            (0..wanted).map(|i| place(i, side)).collect()
        };
        Bend { cols: places(images.image[2]), rows: places(images.image[1]) }
    }
}

/// One slot of the batch.
struct Slot<'a, T> {
    images: &'a Images,
    number: usize,
    params: &'a [T],
    bits: Bits,
}

/// Blends two values.
fn mix<T: Real>(a: T, b: T, t: T) -> T {
    a + t * (b - a)
}

/// Moves coordinates to where the padded image has the pixels that stand there:
/// from -1 to `side`.
fn settle<T: Real>(line: &mut [T], side: usize, outside: Outside) {
    let side = T::of(side as f64);
    let (low, high) = match outside {
        Outside::Zero => (-T::ONE, side),
        Outside::Edge => (T::ZERO, side - T::ONE),
        Outside::Reflect => return line.iter_mut().for_each(|at| *at = reflected(*at, side)),
    };
    for at in line {
        // Comparisons, because `max` and `min` cost more where NaN may come.
        let least = if *at > low { *at } else { low };
        *at = if least < high { least } else { high };
    }
}

fn reflected<T: Real>(at: T, side: T) -> T {
    let half = T::of(0.5);
    let from_edge = at + half;
    if from_edge >= T::ZERO && from_edge <= side {
        return at;
    }
    let period = T::of(2.0) * side;
    let turns = T::of((from_edge / period).f64().floor());
    let along = from_edge - turns * period;
    along.min(period - along) - half
}

/// Splits settled coordinates into the padded image's index, times `stride`,
/// and what is left.
fn split<T: Real>(line: &mut [T], index: &mut [usize], stride: usize) {
    for (at, index) in line.iter_mut().zip(index) {
        // At least 0, so cutting off is rounding down.
        let padded = *at + T::ONE;
        let whole = padded.truncate();
        *index = whole as usize * stride;
        *at = padded - T::of(f64::from(whole));
    }
}

/// Where the pixels of an output row come from, along one axis.
struct Line<T> {
    /// Coordinates, then what is left of them between two pixels.
    at: Vec<T>,
    index: Vec<usize>,
}

impl<T: Real> Line<T> {
    fn new(w: usize) -> Line<T> {
        Line { at: vec![T::ZERO; w], index: vec![0; w] }
    }

    fn settle(&mut self, side: usize, outside: Outside, stride: usize) {
        settle(&mut self.at, side, outside);
        split(&mut self.at, &mut self.index, stride);
    }
}

impl<T: Real> Slot<'_, T> {
    /// The pixels, in bytes, wherever they come from.
    fn look_up(&self, image: &[u8], bend: &Bend<T>, x: &mut [T]) {
        let (how, [_, h, w]) = (&self.images.how, self.images.image);
        if !how.moves() {
            for (x, &byte) in x.iter_mut().zip(image) {
                *x = T::of(byte.into());
            }
            return;
        }
        let (padded, stride) = (self.padded(image), w + 3);
        let plane = stride * (h + 3);
        let nodes = self.nodes();
        let (mut across, mut down) = (Line::new(w), Line::new(w));
        let p = self.params;
        // Columns stay columns: their places are the same in every row.
        let upright = nodes.is_empty() && p[1] == T::ZERO && p[2] == T::ZERO;
        for row in 0..h {
            if row == 0 || !upright {
                self.line(row, [p[0], p[1], p[4]], &mut across.at);
                self.push(row, 0, &nodes, bend, &mut across.at);
                across.settle(w, how.outside, 1);
            }
            self.line(row, [p[2], p[3], p[5]], &mut down.at);
            self.push(row, 1, &nodes, bend, &mut down.at);
            down.settle(h, how.outside, stride);
            for (x, padded) in x.chunks_mut(h * w).zip(padded.chunks(plane)) {
                let x = &mut x[row * w..(row + 1) * w];
                let places = across.index.iter().zip(&down.index).map(|(i, j)| i + j);
                if how.blends() {
                    for (((x, at), &i), &j) in x.iter_mut().zip(places).zip(&across.at).zip(&down.at) {
                        let (upper, lower) = (&padded[at..at + 2], &padded[at + stride..at + stride + 2]);
                        *x = mix(mix(upper[0], upper[1], i), mix(lower[0], lower[1], i), j);
                    }
                } else {
                    x.iter_mut().zip(places).for_each(|(x, at)| *x = padded[at]);
                }
            }
        }
    }

    /// One coordinate of where an output row comes from, before any bend.
    fn line(&self, row: usize, [by_col, by_row, offset]: [T; 3], line: &mut [T]) {
        let start = by_row * T::of(row as f64) + offset;
        for (col, at) in (0u32..).zip(line) {
            *at = by_col * T::of(col.into()) + start;
        }
    }

    /// Adds the bend of a row, along one axis.
    fn push(&self, row: usize, axis: usize, nodes: &[Vec<[T; 2]>], bend: &Bend<T>, line: &mut [T]) {
        let Some(&(above, s)) = bend.rows.get(row) else { return };
        let pushed: Vec<T> =
            nodes[above].iter().zip(&nodes[above + 1]).map(|(a, b)| mix(a[axis], b[axis], s)).collect();
        for (at, &(cell, s)) in line.iter_mut().zip(&bend.cols) {
            *at += mix(pushed[cell], pushed[cell + 1], s);
        }
    }

    /// The image with a pixel more at the left and top and two at the right and
    /// bottom, so that no look-up of a settled coordinate falls outside.
    fn padded(&self, image: &[u8]) -> Vec<T> {
        let [c, h, w] = self.images.image;
        let black = self.images.how.outside == Outside::Zero;
        let mut padded = Vec::with_capacity(c * (h + 3) * (w + 3));
        for plane in image.chunks(h * w) {
            for row in 0..h + 3 {
                if black && !(1..=h).contains(&row) {
                    padded.resize(padded.len() + w + 3, T::ZERO);
                    continue;
                }
                let line = &plane[(row.max(1) - 1).min(h - 1) * w..][..w];
                let edge = |byte: u8| if black { T::ZERO } else { T::of(byte.into()) };
                padded.push(edge(line[0]));
                padded.extend(line.iter().map(|&byte| T::of(byte.into())));
                padded.extend([edge(line[w - 1]); 2]);
            }
        }
        padded
    }

    /// The displacements at the coarse grid's nodes, by rows; none without bend.
    fn nodes(&self) -> Vec<Vec<[T; 2]>> {
        let how = &self.images.how;
        if how.elastic_alpha == 0.0 {
            return vec![];
        }
        let (nodes, alpha) = (how.elastic_grid + 1, T::of(how.elastic_alpha.into()));
        let node = |row: usize, col: usize| {
            let bits = self.bits.draw(Purpose::Nodes, (self.number * nodes + row) * nodes + col);
            [both_ways::<T>(bits[0]) * alpha, both_ways::<T>(bits[1]) * alpha]
        };
        (0..nodes).map(|row| (0..nodes).map(|col| node(row, col)).collect()).collect()
    }

    /// Brightness, contrast and saturation.
    fn recolour(&self, x: &mut [T]) {
        let how = &self.images.how;
        let (gain, bias, saturation) = (self.params[6], self.params[7], self.params[12]);
        if !how.recolours() {
            return;
        }
        for x in x.iter_mut() {
            *x = *x * gain + bias;
        }
        if how.saturation > 0.0 {
            let plane = x.len() / 3;
            for i in 0..plane {
                let [r, g, b] = [x[i], x[i + plane], x[i + 2 * plane]];
                let grey = T::of(0.299) * r + T::of(0.587) * g + T::of(0.114) * b;
                for (channel, v) in [r, g, b].into_iter().enumerate() {
                    x[i + channel * plane] = grey + saturation * (v - grey);
                }
            }
        }
    }

    /// Four random words for every four elements.
    fn quads<'a>(&self, purpose: Purpose, x: &'a mut [T]) -> impl Iterator<Item = (&'a mut [T], [u32; 4])> {
        let (bits, first) = (self.bits, self.number * x.len().div_ceil(4));
        x.chunks_mut(4).enumerate().map(move |(i, x)| (x, bits.draw(purpose, first + i)))
    }

    /// Noise (Box and Muller, 1958), and then what is no byte becomes one.
    fn disturb(&self, x: &mut [T]) {
        let how = &self.images.how;
        if how.noise > 0.0 {
            let amplitude = T::of(255.0 * f64::from(how.noise));
            for (x, bits) in self.quads(Purpose::PixelNoise, x) {
                for (x, [a, b]) in x.chunks_mut(2).zip([[bits[0], bits[1]], [bits[2], bits[3]]]) {
                    let radius = (T::of(-2.0) * (T::ONE - share(a)).ln()).sqrt() * amplitude;
                    let angle = T::of(std::f64::consts::TAU) * share(b);
                    x[0] += radius * angle.cos();
                    if let Some(x) = x.get_mut(1) {
                        *x += radius * angle.sin();
                    }
                }
            }
        }
        if how.noise > 0.0 || how.recolours() {
            for x in x.iter_mut() {
                *x = x.max(T::ZERO).min(T::of(255.0));
            }
        }
    }

    fn normalise(&self, scale: &[T], shift: &[T], x: &mut [T]) {
        let plane = x.len() / scale.len();
        for ((x, &scale), &shift) in x.chunks_mut(plane).zip(scale).zip(shift) {
            for x in x {
                *x = *x * scale + shift;
            }
        }
    }

    /// Puts a patch over the slot's rectangle, if it has one.
    fn erase(&self, scale: &[T], shift: &[T], x: &mut [T]) {
        let [left, top, right, bottom] = std::array::from_fn(|i| self.params[8 + i].f64() as usize);
        let [_, h, w] = self.images.image;
        if right == 0 {
            return;
        }
        let mut noise = vec![];
        if self.images.how.patch == Patch::Noise {
            noise = vec![T::ZERO; x.len()];
            for (x, bits) in self.quads(Purpose::PatchNoise, &mut noise) {
                for (x, bits) in x.iter_mut().zip(bits) {
                    *x = T::of(255.0) * share(bits);
                }
            }
        }
        for (channel, (&scale, &shift)) in scale.iter().zip(shift).enumerate() {
            for row in top..bottom {
                for at in channel * h * w + row * w + left..channel * h * w + row * w + right {
                    x[at] = match self.images.how.patch {
                        Patch::Zero => shift,
                        Patch::Mean => T::ZERO,
                        Patch::Noise => noise[at] * scale + shift,
                    };
                }
            }
        }
    }
}
