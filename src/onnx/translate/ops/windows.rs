//! Windows that move over an input: what convolutions and poolings share.

use super::super::node::Node;
use crate::error::{Error, Result};
use crate::ops::conv2d::Conv2d;

/// The windows of one axis.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Elements of a window.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Step between the elements of a window.
    pub dilation: usize,
    /// Elements added before and after.
    pub pad: [usize; 2],
    /// How many windows there are.
    pub out: usize,
    /// The length of the axis.
    pub len: usize,
}

impl Window {
    /// What is added before and after, so that the last window ends where it ends.
    pub fn whole(&self) -> [usize; 2] {
        let reach = (self.out - 1) * self.stride + (self.kernel - 1) * self.dilation + 1;
        let [before, after] = self.pad;
        [before, after.max(reach.saturating_sub(self.len + before))]
    }
}

/// The windows of all axes.
#[derive(Debug, Clone)]
pub struct Windows(Vec<Window>);

/// The number of axes behind batch and channels.
pub fn spatial(shape: &[usize]) -> Result<usize> {
    match shape.len() {
        n @ 3.. if !shape.contains(&0) => Ok(n - 2),
        _ => Err(Error::model(format!("an input of shape {shape:?}; expected batch, channels and one axis or more"))),
    }
}

impl Windows {
    /// The windows that a node's attributes describe over axes of these lengths.
    pub fn read(cx: &Node, lengths: &[usize], kernel: &[usize]) -> Result<Windows> {
        let n = lengths.len();
        let stride = cx.sizes("strides")?.unwrap_or(vec![1; n]);
        let dilation = cx.sizes("dilations")?.unwrap_or(vec![1; n]);
        let pads = cx.sizes("pads")?.unwrap_or(vec![0; 2 * n]);
        let ceil = cx.flag("ceil_mode", false)?;
        let auto = cx.text("auto_pad", "NOTSET")?;
        let fits = [kernel.len(), stride.len(), dilation.len()].iter().all(|&l| l == n) && pads.len() == 2 * n;
        if !fits || kernel.iter().chain(&stride).chain(&dilation).any(|&v| v == 0 || v > 1 << 20) {
            return Err(Error::model(format!(
                "kernel {kernel:?}, strides {stride:?}, dilations {dilation:?} and pads {pads:?} for {n} axes"
            )));
        }
        let axis = |k: usize| {
            let (len, reach) = (lengths[k], (kernel[k] - 1) * dilation[k] + 1);
            let pad = match &auto[..] {
                "NOTSET" | "" => [pads[k], pads[n + k]],
                "VALID" => [0, 0],
                "SAME_UPPER" | "SAME_LOWER" => {
                    let total = ((len.div_ceil(stride[k]) - 1) * stride[k] + reach).saturating_sub(len);
                    let (less, more) = (total / 2, total - total / 2);
                    if auto == "SAME_UPPER" { [less, more] } else { [more, less] }
                }
                other => return Err(Error::model(format!("auto_pad is \"{other}\""))),
            };
            let padded = len + pad[0] + pad[1];
            let room = padded.checked_sub(reach).ok_or_else(|| {
                Error::model(format!("a window of {reach} elements does not fit into {len} with pads {pad:?}"))
            })?;
            let mut out = if ceil { room.div_ceil(stride[k]) } else { room / stride[k] } + 1;
            // No window starts behind the input and what is added before it.
            if ceil && (out - 1) * stride[k] >= len + pad[0] {
                out -= 1;
            }
            Ok(Window { kernel: kernel[k], stride: stride[k], dilation: dilation[k], pad, out, len })
        };
        Ok(Windows((0..n).map(axis).collect::<Result<_>>()?))
    }

    /// Those of one axis.
    pub fn axis(&self, k: usize) -> Window {
        self.0[k]
    }

    /// Two axes for one: the first of length 1.
    pub fn widened(&self) -> Windows {
        let one = Window { kernel: 1, stride: 1, dilation: 1, pad: [0, 0], out: 1, len: 1 };
        Windows(vec![one, self.0[0]])
    }

    /// The last two axes of three.
    pub fn planes(&self) -> Windows {
        Windows(self.0[self.0.len() - 2..].to_vec())
    }

    /// Those of the first axis of three, over planes whose columns are all others.
    pub fn deep(&self) -> Windows {
        let one = Window { kernel: 1, stride: 1, dilation: 1, pad: [0, 0], out: 1, len: 1 };
        Windows(vec![self.0[0], one])
    }

    /// As the engine's convolution in two dimensions.
    pub fn conv2d(&self, groups: usize) -> Conv2d {
        let pair = |f: fn(&Window) -> usize| [f(&self.0[0]), f(&self.0[1])];
        Conv2d {
            stride: pair(|w| w.stride),
            padding: [self.0[0].pad, self.0[1].pad],
            dilation: pair(|w| w.dilation),
            groups,
        }
    }
}
