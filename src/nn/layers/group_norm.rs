//! `GroupNormalization` and `InstanceNormalization`: norms over the channels of each sample.

use super::Layer;
use super::inputs::{axis_of, channels_of, mixes, read_axis, single, to_second};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Build, Initializer, Keys};
use crate::tensor::Shape;
use toml::Table;

/// Mean 0 and variance 1 over each group of channels of a sample, at all places of it.
/// Parameters `weight [C]` (if `scale`) and `bias [C]` (if `center`), as of PyTorch's
/// `GroupNorm`.
///
/// Source: Wu and He, "Group Normalization", arXiv:1803.08494.
#[derive(Debug, Clone)]
pub struct GroupNormalization {
    /// Groups of channels; `None` for one of each channel.
    pub groups: Option<usize>,
    /// The axis of the channels, batch first; from the end where negative.
    pub axis: i64,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether to add a `bias`.
    pub center: bool,
    /// Whether to multiply by a `weight`.
    pub scale: bool,
}

impl Default for GroupNormalization {
    /// Keras' 32 groups, over axis 1.
    fn default() -> GroupNormalization {
        GroupNormalization { groups: Some(32), axis: 1, epsilon: 1e-3, center: true, scale: true }
    }
}

impl GroupNormalization {
    pub(super) fn read(keys: &mut Keys) -> Result<GroupNormalization> {
        let fits = |n: i64| n > 0 || n == -1;
        let groups = keys.integer("groups", fits, "a whole number of at least 1, or -1 for each channel", Some(32))?;
        let groups = usize::try_from(groups).ok();
        Ok(GroupNormalization { groups, ..GroupNormalization::read_rest(keys)? })
    }

    fn read_rest(keys: &mut Keys) -> Result<GroupNormalization> {
        let d = GroupNormalization::default();
        Ok(GroupNormalization {
            groups: None,
            axis: read_axis(keys, d.axis)?,
            epsilon: keys.real("epsilon", 1e-12, 1.0, Some(d.epsilon))?,
            center: keys.flag("center", d.center)?,
            scale: keys.flag("scale", d.scale)?,
        })
    }

    fn rest_to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("axis".into(), self.axis.into());
        t.insert("epsilon".into(), self.epsilon.into());
        t.insert("center".into(), self.center.into());
        t.insert("scale".into(), self.scale.into());
        t
    }

    fn normalise(&self, cx: &mut Build, x: TensorId) -> Result<TensorId> {
        let shape = cx.g.shape(x).to_vec();
        let (axis, channels, here) = channels_of(cx, x, self.axis)?;
        let groups = self.groups.unwrap_or(channels);
        if !channels.is_multiple_of(groups) {
            return Err(Error::model(format!(
                "groups = {groups} and {channels} channels on axis {axis} of {shape:?}; expected groups that divide them"
            )));
        }
        let (x, back) = to_second(cx, x, axis)?;
        let turned = cx.g.shape(x).to_vec();
        let groups = if here.is_some() { 1 } else { groups };
        let row: usize = turned[1..].iter().product::<usize>() / groups;
        let y = cx.g.reshape(x, [turned[0], groups, row])?;
        let y = cx.g.layer_norm(y, None, None, self.epsilon as f32)?;
        let mut y = cx.g.reshape(y, turned.clone())?;
        let mut line = vec![1; turned.len() - 1];
        line[0] = turned[1];
        for (name, on, start) in [("weight", self.scale, Initializer::Ones), ("bias", self.center, Initializer::Zeros)]
        {
            if !on {
                continue;
            }
            let mut p = cx.param(name, [channels], start, (1, 1))?;
            if let Some(position) = here {
                p = cx.g.gather_rows(p, position)?;
            }
            let p = cx.g.reshape(p, line.clone())?;
            y = if name == "weight" { cx.g.mul(y, p)? } else { cx.g.add(y, p)? };
        }
        back.map_or(Ok(y), |order| cx.g.permute(y, &order))
    }

    /// Positions, on axis 1, are seen one by one where each is a group.
    fn expect_causal(&self, inputs: &[&Shape]) -> Result<()> {
        match inputs {
            [shape] if axis_of(self.axis, shape.rank())? == 1 && self.groups.is_none_or(|g| g == shape[1]) => Ok(()),
            _ => mixes(&format!("with axis = {} it takes the mean over positions", self.axis)),
        }
    }
}

impl Layer for GroupNormalization {
    fn kind(&self) -> &'static str {
        "GroupNormalization"
    }

    fn short(&self) -> &'static str {
        "gn"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        self.normalise(cx, single(inputs)?)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        self.expect_causal(inputs)
    }

    fn to_table(&self) -> Table {
        let mut t = Table::from_iter([("groups".to_string(), self.groups.map_or(-1, |g| g as i64).into())]);
        t.extend(self.rest_to_table());
        t
    }
}

/// Mean 0 and variance 1 over each channel of a sample: [`GroupNormalization`] with as many
/// groups as channels. Parameters `weight [C]` and `bias [C]`, as of PyTorch's `InstanceNorm2d`
/// with `affine=True`.
///
/// Source: Ulyanov et al., "Instance Normalization", arXiv:1607.08022.
#[derive(Debug, Clone)]
pub struct InstanceNormalization(GroupNormalization);

impl Default for InstanceNormalization {
    fn default() -> InstanceNormalization {
        InstanceNormalization(GroupNormalization { groups: None, ..GroupNormalization::default() })
    }
}

impl InstanceNormalization {
    pub(super) fn read(keys: &mut Keys) -> Result<InstanceNormalization> {
        GroupNormalization::read_rest(keys).map(InstanceNormalization)
    }
}

impl Layer for InstanceNormalization {
    fn kind(&self) -> &'static str {
        "InstanceNormalization"
    }

    fn short(&self) -> &'static str {
        "in"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let shape = cx.g.shape(x);
        if shape.len() < 3 {
            return Err(Error::model(format!(
                "its input has shape {shape:?}, one value for each channel; expected [batch, channels, ..] with more"
            )));
        }
        self.0.normalise(cx, x)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        self.0.expect_causal(inputs)
    }

    fn to_table(&self) -> Table {
        self.0.rest_to_table()
    }
}
