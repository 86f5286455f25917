//! What bounds gradients and weights: the L1 penalty, clipping by value and by
//! norm, and the greatest norm of an output unit's weights. (L2 is the
//! optimiser's `weight_decay`.)

use crate::error::Result;
use crate::graph::{Graph, TensorId};
use crate::keys::Keys;
use crate::ops::adjust_grads::AdjustGrads;
use crate::tensor::Spec;
use toml::Table;

/// Penalties and bounds; 0 and `None` are off.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Regularize {
    /// The largest global norm of the gradient.
    pub clip_norm: Option<f32>,
    /// The largest size of an element of the gradient.
    pub clip_value: Option<f32>,
    /// The factor of the sum of the weights' sizes. It joins the gradient and
    /// is no part of the loss that is reported.
    pub l1: f64,
    /// The largest norm of the weights that flow into one output unit.
    pub max_norm: Option<f32>,
}

impl Regularize {
    /// Reads `clip_norm`, `clip_value`, `l1` and `max_norm` of `[train]`; 0 is
    /// off.
    pub fn read(keys: &mut Keys) -> Result<Regularize> {
        let mut bound = |key| -> Result<Option<f32>> {
            let value = keys.real(key, 0.0, 1e9, Some(0.0))? as f32;
            Ok((value > 0.0).then_some(value))
        };
        let (clip_norm, clip_value, max_norm) = (bound("clip_norm")?, bound("clip_value")?, bound("max_norm")?);
        Ok(Regularize { clip_norm, clip_value, l1: keys.real("l1", 0.0, 1e3, Some(0.0))?, max_norm })
    }

    /// Adds the keys to `[train]`.
    pub fn write(&self, train: &mut Table) {
        let bound = |v: Option<f32>| f64::from(v.unwrap_or(0.0));
        train.insert("clip_norm".into(), bound(self.clip_norm).into());
        train.insert("clip_value".into(), bound(self.clip_value).into());
        train.insert("l1".into(), self.l1.into());
        train.insert("max_norm".into(), bound(self.max_norm).into());
    }

    /// Adjusts flat gradients element by element, if that is asked for.
    pub(super) fn adjust(
        &self,
        g: &mut Graph,
        grads: TensorId,
        params: TensorId,
        clock: TensorId,
        groups: TensorId,
    ) -> Result<()> {
        if self.l1 == 0.0 && self.clip_value.is_none() {
            return Ok(());
        }
        g.adjust_grads(grads, params, clock, groups, AdjustGrads { l1: self.l1, clip_value: self.clip_value })
    }

    /// Bounds the rows of the updated weights, if that is asked for. `weights`
    /// are the specs of the trained parameters with their offsets; the rows of
    /// a weight run along its first axis. Parameters with one axis have none.
    pub(super) fn constrain<'a>(
        &self,
        g: &mut Graph,
        params: TensorId,
        clock: TensorId,
        weights: impl Iterator<Item = (&'a Spec, usize)>,
    ) -> Result<()> {
        let Some(max) = self.max_norm else { return Ok(()) };
        let mut rows = vec![];
        for (spec, offset) in weights.filter(|(spec, _)| spec.shape.rank() > 1) {
            let length = spec.elements() / spec.shape[0].max(1);
            rows.extend((0..spec.shape[0]).map(|r| (offset + r * length, length)));
        }
        g.max_norm(params, &rows, clock, max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_their_table() {
        let all = Regularize { clip_norm: Some(1.5), clip_value: Some(0.25), l1: 1e-4, max_norm: Some(3.0) };
        for settings in [all, Regularize::default()] {
            let mut table = Table::new();
            settings.write(&mut table);
            let mut keys = Keys::new(table, "[train]");
            assert_eq!(Regularize::read(&mut keys).unwrap(), settings);
            keys.finish().unwrap();
        }
    }
}
