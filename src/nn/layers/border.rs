//! Layers that add a border of zeros or cut one off.

use super::inputs::{along_positions, image, sequence, single};
use super::windows::{fill, lengths_become};
use super::{Layer, pair_value};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::keys::as_pair;
use crate::nn::{Build, Keys};
use crate::tensor::Shape;
use toml::{Table, Value};

/// Elements before and after, down and across: a number, `[down, across]`, or
/// `[[top, bottom], [left, right]]`.
fn read_sides(keys: &mut Keys, key: &'static str, default: [[usize; 2]; 2]) -> Result<[[usize; 2]; 2]> {
    let Some(value) = keys.take(key) else { return Ok(default) };
    let nested = || match value.as_array().map(Vec::as_slice) {
        Some([down @ Value::Array(_), across @ Value::Array(_)]) => Some([as_pair(down, 0)?, as_pair(across, 0)?]),
        _ => None,
    };
    nested().or_else(|| as_pair(&value, 0).map(|p| p.map(|n| [n, n]))).ok_or_else(|| {
        let place = keys.place();
        Error::model(format!(
            "{place}: {key} = {value}; expected a number, [down, across] or [[top, bottom], [left, right]]"
        ))
    })
}

/// The same as TOML writes it.
fn sides_value(sides: [[usize; 2]; 2]) -> Value {
    match sides {
        [[a, b], [c, d]] if a == b && c == d => pair_value([a, c]),
        sides => Value::Array(sides.map(list).into()),
    }
}

fn list(pair: [usize; 2]) -> Value {
    Value::Array(pair.map(|n| Value::Integer(n as i64)).into())
}

/// What is left of a length; at least one element must be.
fn left(what: &str, n: usize, cut: [usize; 2]) -> Result<usize> {
    n.checked_sub(cut[0] + cut[1])
        .filter(|&n| n > 0)
        .ok_or_else(|| Error::model(format!("cropping = {cut:?} of {n} {what}; expected that at least one is left")))
}

/// Refuses a border along positions.
fn no_border(inputs: &[&Shape], key: &str, sides: [usize; 2]) -> Result<()> {
    along_positions(inputs)?;
    match sides {
        [0, 0] => Ok(()),
        _ => Err(Error::model(format!("{key} = {sides:?} moves positions to where others answer; leave it out"))),
    }
}

/// Zeros around images: `[N, C, H, W]` to `[N, C, top + H + bottom, left + W + right]`.
#[derive(Debug, Clone)]
pub struct ZeroPadding2D {
    /// Rows above and below, columns left and right.
    pub padding: [[usize; 2]; 2],
}

impl ZeroPadding2D {
    pub(super) fn read(keys: &mut Keys) -> Result<ZeroPadding2D> {
        Ok(ZeroPadding2D { padding: read_sides(keys, "padding", [[1, 1]; 2])? })
    }
}

impl Layer for ZeroPadding2D {
    fn kind(&self) -> &'static str {
        "ZeroPadding2D"
    }

    fn short(&self) -> &'static str {
        "pad"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        image(cx, x)?;
        let [down, across] = self.padding.map(|[a, b]| (a, b));
        cx.g.pad(x, &[(0, 0), (0, 0), down, across], 0.0)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        // Each channel by itself, and positions stand where channels do.
        Ok(())
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("padding".to_string(), sides_value(self.padding))])
    }
}

/// Images without their border: `[N, C, H, W]` to `[N, C, H - top - bottom, W - left - right]`.
#[derive(Debug, Clone)]
pub struct Cropping2D {
    /// Rows above and below, columns left and right.
    pub cropping: [[usize; 2]; 2],
}

impl Cropping2D {
    pub(super) fn read(keys: &mut Keys) -> Result<Cropping2D> {
        Ok(Cropping2D { cropping: read_sides(keys, "cropping", [[0, 0]; 2])? })
    }
}

impl Layer for Cropping2D {
    fn kind(&self) -> &'static str {
        "Cropping2D"
    }

    fn short(&self) -> &'static str {
        "crop"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let mut x = single(inputs)?;
        let [_, h, w] = image(cx, x)?;
        for (axis, n, what, cut) in [(2, h, "rows", self.cropping[0]), (3, w, "columns", self.cropping[1])] {
            let rest = left(what, n, cut)?;
            if rest < n {
                x = cx.g.slice(x, axis, cut[0], cut[0] + rest, 1)?;
            }
        }
        Ok(x)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        // Each channel by itself, and positions stand where channels do.
        Ok(())
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("cropping".to_string(), sides_value(self.cropping))])
    }
}

/// Positions of zeros around sequences: `[N, T, W]` to `[N, before + T + after, W]`.
#[derive(Debug, Clone)]
pub struct ZeroPadding1D {
    /// Positions before and after.
    pub padding: [usize; 2],
}

impl ZeroPadding1D {
    pub(super) fn read(keys: &mut Keys) -> Result<ZeroPadding1D> {
        Ok(ZeroPadding1D { padding: keys.pair("padding", 0, Some([1, 1]))? })
    }
}

impl Layer for ZeroPadding1D {
    fn kind(&self) -> &'static str {
        "ZeroPadding1D"
    }

    fn short(&self) -> &'static str {
        "pad"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let ([_, t, _], [before, after]) = (sequence(cx, x)?, self.padding);
        // Behind the end of a sample its own zeros follow.
        let x = fill(cx, x, 0.0)?;
        lengths_become(cx, t, |n| before + n + after)?;
        cx.g.pad(x, &[(0, 0), (before, after), (0, 0)], 0.0)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        no_border(inputs, "padding", self.padding)
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("padding".to_string(), pair_value(self.padding))])
    }
}

/// Sequences without their first and last positions: `[N, T, W]` to `[N, T - before - after,
/// W]`. A sample whose length is known is cut at its own end.
#[derive(Debug, Clone)]
pub struct Cropping1D {
    /// Positions before and after.
    pub cropping: [usize; 2],
}

impl Cropping1D {
    pub(super) fn read(keys: &mut Keys) -> Result<Cropping1D> {
        Ok(Cropping1D { cropping: keys.pair("cropping", 0, Some([1, 1]))? })
    }
}

impl Layer for Cropping1D {
    fn kind(&self) -> &'static str {
        "Cropping1D"
    }

    fn short(&self) -> &'static str {
        "crop"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let ([_, t, _], [before, after]) = (sequence(cx, x)?, self.cropping);
        let rest = left("positions", t, self.cropping)?;
        lengths_become(cx, t, |n| n.saturating_sub(before + after))?;
        if rest == t { Ok(x) } else { cx.g.slice(x, 1, before, before + rest, 1) }
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        no_border(inputs, "cropping", self.cropping)
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("cropping".to_string(), pair_value(self.cropping))])
    }
}
