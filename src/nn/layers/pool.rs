//! Pooling layers.

use super::conv::Padding;
use super::inputs::{image, single};
use super::{Layer, pair_value};
use crate::error::Result;
use crate::graph::TensorId;
use crate::nn::{Build, Keys};
use crate::ops::avg_pool2d::AvgPool2d;
use crate::ops::max_pool2d::MaxPool2d;
use crate::tensor::Shape;
use toml::Table;

/// The window of a pooling layer.
#[derive(Debug, Clone, Copy)]
struct Window {
    pool_size: [usize; 2],
    strides: [usize; 2],
    padding: Padding,
}

impl Window {
    fn new(pool_size: usize) -> Window {
        Window { pool_size: [pool_size; 2], strides: [pool_size; 2], padding: Padding::Valid }
    }

    fn read(keys: &mut Keys) -> Result<Window> {
        let pool_size = keys.pair("pool_size", 1, Some([2, 2]))?;
        let strides = keys.pair("strides", 1, Some(pool_size))?;
        let padding = Padding::read(keys)?;
        Ok(Window { pool_size, strides, padding })
    }

    fn to_table(self) -> Table {
        let mut t = Table::new();
        t.insert("pool_size".into(), pair_value(self.pool_size));
        t.insert("strides".into(), pair_value(self.strides));
        t.insert("padding".into(), self.padding.value());
        t
    }

    /// Rows and columns before and after the image `x`.
    fn around(&self, cx: &Build, x: TensorId) -> Result<[[usize; 2]; 2]> {
        let [_, h, w] = image(cx, x)?;
        Ok(self.padding.resolve([h, w], self.pool_size, self.strides, [1, 1]))
    }
}

/// The largest element of each window.
#[derive(Debug, Clone)]
pub struct MaxPooling2D(Window);

impl MaxPooling2D {
    /// Square windows that do not overlap.
    pub fn new(pool_size: usize) -> MaxPooling2D {
        MaxPooling2D(Window::new(pool_size))
    }

    pub(super) fn read(keys: &mut Keys) -> Result<MaxPooling2D> {
        Window::read(keys).map(MaxPooling2D)
    }
}

impl Layer for MaxPooling2D {
    fn kind(&self) -> &'static str {
        "MaxPooling2D"
    }

    fn short(&self) -> &'static str {
        "maxpool"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let padding = self.0.around(cx, x)?;
        let op =
            MaxPool2d { kernel: self.0.pool_size, stride: self.0.strides, padding, ..MaxPool2d::new(self.0.pool_size) };
        cx.g.max_pool2d(x, op)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        // Each channel by itself, and positions stand where channels do.
        Ok(())
    }

    fn to_table(&self) -> Table {
        self.0.to_table()
    }
}

/// The mean of each window; padding does not count, as in Keras.
#[derive(Debug, Clone)]
pub struct AveragePooling2D(Window);

impl AveragePooling2D {
    /// Square windows that do not overlap.
    pub fn new(pool_size: usize) -> AveragePooling2D {
        AveragePooling2D(Window::new(pool_size))
    }

    pub(super) fn read(keys: &mut Keys) -> Result<AveragePooling2D> {
        Window::read(keys).map(AveragePooling2D)
    }
}

impl Layer for AveragePooling2D {
    fn kind(&self) -> &'static str {
        "AveragePooling2D"
    }

    fn short(&self) -> &'static str {
        "avgpool"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let op = AvgPool2d {
            stride: self.0.strides,
            padding: self.0.around(cx, x)?,
            count_include_pad: false,
            ..AvgPool2d::new(self.0.pool_size)
        };
        cx.g.avg_pool2d(x, op)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        // Each channel by itself, and positions stand where channels do.
        Ok(())
    }

    fn to_table(&self) -> Table {
        self.0.to_table()
    }
}

/// The mean of each channel: `[N, C, H, W]` to `[N, C]`.
#[derive(Debug, Clone)]
pub struct GlobalAveragePooling2D;

/// The largest element of each channel: `[N, C, H, W]` to `[N, C]`.
#[derive(Debug, Clone)]
pub struct GlobalMaxPooling2D;

macro_rules! global {
    ($layer:ident, $fold:ident) => {
        impl Layer for $layer {
            fn kind(&self) -> &'static str {
                stringify!($layer)
            }

            fn short(&self) -> &'static str {
                "globalpool"
            }

            fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
                let x = single(inputs)?;
                image(cx, x)?;
                cx.g.$fold(x, &[2, 3], false)
            }

            fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
                // Each channel by itself, and positions stand where channels do.
                Ok(())
            }

            fn to_table(&self) -> Table {
                Table::new()
            }
        }
    };
}

global!(GlobalAveragePooling2D, mean);
global!(GlobalMaxPooling2D, max);
