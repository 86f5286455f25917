//! Windows that move along a sequence `[N, T, W]`: what convolution and pooling
//! of sequences share.

use super::conv::Padding;
use super::inputs::sequence;
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Build, Keys};
use crate::tensor::HostTensor;
use toml::Value;

/// How the ends of a sequence are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// As the border of an image.
    Both(Padding),
    /// Filled before the first position only: no position sees a later one.
    Causal,
}

impl Ends {
    pub fn read(keys: &mut Keys) -> Result<Ends> {
        if keys.peek("padding") == Some(&Value::String("causal".into())) {
            keys.take("padding");
            return Ok(Ends::Causal);
        }
        match Padding::read(keys)? {
            Padding::Explicit([a, b]) if a != b => Err(Error::model(format!(
                "{}: padding = [{a}, {b}]; expected \"valid\", \"same\", \"causal\" or a number",
                keys.place()
            ))),
            padding => Ok(Ends::Both(padding)),
        }
    }

    pub fn value(self) -> Value {
        match self {
            Ends::Causal => "causal".into(),
            Ends::Both(padding) => padding.value(),
        }
    }
}

/// A window over positions, and how it moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Positions that it takes.
    pub size: usize,
    /// Positions from one window to the next.
    pub stride: usize,
    /// Positions from one that it takes to the next.
    pub dilation: usize,
    /// What lies outside the sequence.
    pub ends: Ends,
}

impl Window {
    /// Positions from the first that it takes to the last.
    fn reach(self) -> usize {
        (self.size - 1).saturating_mul(self.dilation)
    }

    /// Positions to add before and after a sequence of `t`.
    pub fn padding(self, t: usize) -> [usize; 2] {
        match self.ends {
            Ends::Causal => [self.reach(), 0],
            Ends::Both(padding) => padding.resolve([1, t], [1, self.size], [1, self.stride], [1, self.dilation])[1],
        }
    }

    /// Fails unless output `t` of a sequence of `positions` is made of inputs up
    /// to `t`.
    pub fn expect_causal(self, positions: usize) -> Result<()> {
        let reach = self.reach();
        match self.padding(positions) {
            _ if self.stride != 1 => Err(Error::model(format!(
                "its windows are {} positions apart, so it does not answer at each; set strides = 1",
                self.stride
            ))),
            [before, 0] if before == reach => Ok(()),
            _ => Err(Error::model(format!(
                "its window of {} positions with padding = {} reaches beyond the position that it answers for; set padding = \
                 \"causal\"",
                reach + 1,
                self.ends.value()
            ))),
        }
    }

    /// While decoding: the inputs that this position's window reaches back to,
    /// oldest first, and this one, `[N, reach + 1, W]`. Before the first position
    /// lies `start`.
    pub fn decode(self, cx: &mut Build, x: TensorId, start: f32) -> Result<TensorId> {
        let reach = self.reach();
        if reach == 0 {
            return Ok(x);
        }
        let [n, _, w] = sequence(cx, x)?;
        cx.reach = reach;
        let kept = cx.kept("inputs", [n, reach, w], start);
        let seen = cx.g.concat(&[kept, x], 1)?;
        let latest = cx.g.slice(seen, 1, 1, reach + 1, 1)?;
        let first = cx.g.constant(HostTensor::u32([1], vec![0]));
        cx.g.write_rows(kept, latest, first)?;
        Ok(seen)
    }

    /// Makes the lengths of samples, where they are known, those of the outputs:
    /// as many as the windows would be without filling, and one where what a
    /// sample has is shorter than the window.
    pub fn shorten(self, cx: &mut Build, t: usize) -> Result<()> {
        let added: usize = self.padding(t).iter().sum();
        lengths_become(cx, t, |n| match (n + added).checked_sub(self.reach() + 1) {
            None => 1,
            Some(free) => free / self.stride + 1,
        })
    }
}

/// Makes the lengths of samples, where they are known, those of the outputs: `outputs` of a
/// sample of 1 to `t` positions, and none of none.
pub(super) fn lengths_become(cx: &mut Build, t: usize, outputs: impl Fn(usize) -> usize) -> Result<()> {
    let Some(lengths) = cx.lengths else { return Ok(()) };
    let outputs: Vec<u32> = (0..=t).map(|n| if n == 0 { 0 } else { outputs(n) as u32 }).collect();
    if outputs.iter().enumerate().any(|(n, &o)| n != o as usize) {
        let table = cx.g.constant(HostTensor::u32([t + 1], outputs));
        cx.lengths = Some(cx.g.gather_rows(table, lengths)?);
    }
    Ok(())
}

/// `[N, T, W]` as an image of one row, `[N, W, 1, T]`.
pub(super) fn as_image(cx: &mut Build, x: TensorId) -> Result<TensorId> {
    let [n, t, w] = sequence(cx, x)?;
    let x = cx.g.permute(x, &[0, 2, 1])?;
    cx.g.reshape(x, [n, w, 1, t])
}

/// The way back.
pub(super) fn as_sequence(cx: &mut Build, x: TensorId) -> Result<TensorId> {
    let &[n, w, _, t] = cx.g.shape(x) else { unreachable!("as_image made four axes") };
    let x = cx.g.reshape(x, [n, w, t])?;
    cx.g.permute(x, &[0, 2, 1])
}

/// `x [N, T, W]` with `value` behind the ends of samples whose lengths are known.
pub(super) fn fill(cx: &mut Build, x: TensorId, value: f32) -> Result<TensorId> {
    cx.lengths.map_or(Ok(x), |lengths| cx.g.fill_rows(x, lengths, value))
}

/// Ones at the positions of `[N, T, 1]` that a sample has, zeros behind them;
/// `None` where that is not known.
pub(super) fn ones(cx: &mut Build, n: usize, t: usize) -> Result<Option<TensorId>> {
    if cx.lengths.is_none() {
        return Ok(None);
    }
    let all = cx.g.constant(HostTensor::f32([n, t, 1], vec![1.0; n * t]));
    fill(cx, all, 0.0).map(Some)
}
