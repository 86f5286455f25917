//! Layers that make images and sequences larger or smaller: `UpSampling1D`, `UpSampling2D` and
//! `Resizing`.
//!
//! The centre of output pixel `o` lies at `(o + 0.5) in / out` of the input: `nearest` takes the
//! pixel that holds it, `bilinear` the mean of two by their distance. Along each axis an output
//! is a weighted sum of inputs, a product with a matrix of weights. Smaller images are made
//! without smoothing first, as in Keras.

use super::inputs::{along_positions, image, sequence, single};
use super::windows::lengths_become;
use super::{Layer, pair_value};
use crate::error::{Error, Result, unknown};
use crate::graph::TensorId;
use crate::nn::{Build, Keys};
use crate::tensor::{HostTensor, Shape};
use toml::Table;

/// How the values between pixels are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// The value of the nearest pixel.
    Nearest,
    /// Linear between the nearest two, along each axis.
    Bilinear,
}

const NAMES: [(&str, Interpolation); 2] = [("nearest", Interpolation::Nearest), ("bilinear", Interpolation::Bilinear)];

impl Interpolation {
    fn read(keys: &mut Keys, default: Interpolation) -> Result<Interpolation> {
        let Some(name) = keys.text("interpolation")? else { return Ok(default) };
        let found = NAMES.iter().find(|(n, _)| *n == name).map(|(_, i)| *i);
        found.ok_or_else(|| unknown("interpolation", &name, NAMES.iter().map(|(n, _)| *n)).context(keys.place()))
    }

    fn name(self) -> &'static str {
        NAMES.iter().find(|(_, i)| *i == self).expect("every interpolation has a name").0
    }

    /// The share of each of `n` inputs in each of `out` outputs, `[out, n]`.
    fn weights(self, n: usize, out: usize) -> HostTensor {
        let mut all = vec![0.0; out * n];
        for (o, row) in all.chunks_mut(n).enumerate() {
            match self {
                Interpolation::Nearest => row[(2 * o + 1) * n / (2 * out)] = 1.0,
                Interpolation::Bilinear => {
                    let at = ((o as f64 + 0.5) * n as f64 / out as f64 - 0.5).clamp(0.0, n as f64 - 1.0);
                    let (first, share) = (at.floor() as usize, at.fract());
                    row[first] += 1.0 - share as f32;
                    row[(first + 1).min(n - 1)] += share as f32;
                }
            }
        }
        HostTensor::f32([out, n], all)
    }

    /// `x [N, C, H, W]` in another size.
    fn resize(self, cx: &mut Build, mut x: TensorId, out: [usize; 2]) -> Result<TensorId> {
        let [_, height, width] = image(cx, x)?;
        if width != out[1] {
            let weights = cx.g.constant(self.weights(width, out[1]));
            x = cx.g.matmul_t(x, weights, None)?;
        }
        if height != out[0] {
            let weights = cx.g.constant(self.weights(height, out[0]));
            x = cx.g.transpose(x, 2, 3)?;
            x = cx.g.matmul_t(x, weights, None)?;
            x = cx.g.transpose(x, 2, 3)?;
        }
        Ok(x)
    }
}

/// `x` with each element of an axis so many times in a row.
fn repeat(cx: &mut Build, x: TensorId, axis: usize, times: usize) -> Result<TensorId> {
    if times == 1 {
        return Ok(x);
    }
    let mut shape = cx.g.shape(x).to_vec();
    let whole: Vec<usize> = shape.iter().enumerate().map(|(k, &n)| if k == axis { n * times } else { n }).collect();
    shape.insert(axis + 1, 1);
    let x = cx.g.reshape(x, shape.clone())?;
    shape[axis + 1] = times;
    let x = cx.g.expand(x, shape)?;
    cx.g.reshape(x, whole)
}

/// Each position so many times in a row: `[N, T, W]` to `[N, T size, W]`.
#[derive(Debug, Clone)]
pub struct UpSampling1D {
    /// How many times.
    pub size: usize,
}

impl UpSampling1D {
    pub(super) fn read(keys: &mut Keys) -> Result<UpSampling1D> {
        Ok(UpSampling1D { size: keys.count("size", 1, Some(2))? })
    }
}

impl Layer for UpSampling1D {
    fn kind(&self) -> &'static str {
        "UpSampling1D"
    }

    fn short(&self) -> &'static str {
        "up"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [_, t, _] = sequence(cx, x)?;
        lengths_become(cx, t, |n| n * self.size)?;
        repeat(cx, x, 1, self.size)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        along_positions(inputs)?;
        match self.size {
            1 => Ok(()),
            n => Err(Error::model(format!(
                "size = {n} makes {n} positions of each, which stand for later ones; leave it out"
            ))),
        }
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("size".to_string(), (self.size as i64).into())])
    }
}

/// Images so many times as large: `[N, C, H, W]` to `[N, C, H size[0], W size[1]]`.
#[derive(Debug, Clone)]
pub struct UpSampling2D {
    /// How many times, down and across.
    pub size: [usize; 2],
    /// How the values between pixels are made.
    pub interpolation: Interpolation,
}

impl UpSampling2D {
    /// So many times as large, by the nearest pixel.
    pub fn new(size: usize) -> UpSampling2D {
        UpSampling2D { size: [size; 2], interpolation: Interpolation::Nearest }
    }

    pub(super) fn read(keys: &mut Keys) -> Result<UpSampling2D> {
        let size = keys.pair("size", 1, Some([2, 2]))?;
        Ok(UpSampling2D { size, interpolation: Interpolation::read(keys, Interpolation::Nearest)? })
    }
}

impl Layer for UpSampling2D {
    fn kind(&self) -> &'static str {
        "UpSampling2D"
    }

    fn short(&self) -> &'static str {
        "up"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [_, h, w] = image(cx, x)?;
        let [down, across] = self.size;
        match self.interpolation {
            Interpolation::Nearest => {
                let x = repeat(cx, x, 3, across)?;
                repeat(cx, x, 2, down)
            }
            Interpolation::Bilinear => self.interpolation.resize(cx, x, [h * down, w * across]),
        }
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        // Each channel by itself, and positions stand where channels do.
        Ok(())
    }

    fn to_table(&self) -> Table {
        let mut t = Table::from_iter([("size".to_string(), pair_value(self.size))]);
        t.insert("interpolation".into(), self.interpolation.name().into());
        t
    }
}

/// Images of one size: `[N, C, H, W]` to `[N, C, height, width]`.
#[derive(Debug, Clone)]
pub struct Resizing {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// How the values between pixels are made.
    pub interpolation: Interpolation,
}

impl Resizing {
    pub(super) fn read(keys: &mut Keys) -> Result<Resizing> {
        Ok(Resizing {
            height: keys.count("height", 1, None)?,
            width: keys.count("width", 1, None)?,
            interpolation: Interpolation::read(keys, Interpolation::Bilinear)?,
        })
    }
}

impl Layer for Resizing {
    fn kind(&self) -> &'static str {
        "Resizing"
    }

    fn short(&self) -> &'static str {
        "resize"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        self.interpolation.resize(cx, single(inputs)?, [self.height, self.width])
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        // Each channel by itself, and positions stand where channels do.
        Ok(())
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("height".into(), (self.height as i64).into());
        t.insert("width".into(), (self.width as i64).into());
        t.insert("interpolation".into(), self.interpolation.name().into());
        t
    }
}
