//! `Dropout` and `SpatialDropout2D`.

use super::Layer;
use super::inputs::{image, single};
use crate::error::Result;
use crate::graph::TensorId;
use crate::nn::{Build, Keys, Mode};
use crate::tensor::{HostTensor, Shape};
use std::sync::Arc;
use toml::{Table, Value};

/// Drops elements while training and scales the others up.
#[derive(Debug, Clone)]
pub struct Dropout {
    /// The share dropped.
    pub rate: f64,
    /// Whether the share is decided by the training set, once that is there.
    pub is_auto: bool,
}

/// The largest share that may be dropped.
const MOST: f64 = 0.999_999;
/// The share that is dropped where nothing is known of the set, and of small sets.
const USUAL: f64 = 0.3;
/// Training samples of a regression up to which so much is dropped. A layer that drops
/// shifts what the next ones see, most where few units are at work, and values, unlike
/// classes, take over the shift; what is left without dropping follows from the samples.
const BY_SAMPLES: [(usize, f64); 2] = [(2_000, USUAL), (10_000, 0.1)];

impl Dropout {
    /// Drops a share `rate`.
    pub fn new(rate: f64) -> Dropout {
        Dropout { rate, is_auto: false }
    }

    pub(super) fn read(keys: &mut Keys) -> Result<Dropout> {
        match keys.take("rate") {
            Some(Value::String(word)) if word == "auto" => Ok(Dropout { rate: USUAL, is_auto: true }),
            Some(value) => {
                let mut one = Keys::new(Table::from_iter([("rate".to_string(), value)]), keys.place());
                Ok(Dropout::new(one.real("rate", 0.0, MOST, None)?))
            }
            None => keys.real("rate", 0.0, MOST, None).map(Dropout::new),
        }
    }
}

impl Layer for Dropout {
    fn kind(&self) -> &'static str {
        "Dropout"
    }

    fn short(&self) -> &'static str {
        "drop"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        cx.dropout(x, self.rate, 0)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        Ok(())
    }

    fn settled(&self, samples: usize, values: bool) -> Option<(f64, Arc<dyn Layer>)> {
        let by_samples = || BY_SAMPLES.iter().find(|(most, _)| samples <= *most).map_or(0.0, |(_, rate)| *rate);
        let rate = if values { by_samples() } else { USUAL };
        self.is_auto.then(|| (rate, Arc::new(Dropout::new(rate)) as Arc<dyn Layer>))
    }

    fn to_table(&self) -> Table {
        let rate = if self.is_auto { "auto".into() } else { self.rate.into() };
        Table::from_iter([("rate".to_string(), rate)])
    }
}

/// Drops whole channels of images while training and scales the others up: PyTorch's
/// `Dropout2d`.
///
/// Source: Tompson et al., arXiv:1411.4280.
#[derive(Debug, Clone)]
pub struct SpatialDropout2D {
    /// The share dropped.
    pub rate: f64,
}

impl SpatialDropout2D {
    pub(super) fn read(keys: &mut Keys) -> Result<SpatialDropout2D> {
        Ok(SpatialDropout2D { rate: keys.real("rate", 0.0, MOST, None)? })
    }
}

impl Layer for SpatialDropout2D {
    fn kind(&self) -> &'static str {
        "SpatialDropout2D"
    }

    fn short(&self) -> &'static str {
        "drop"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [channels, ..] = image(cx, x)?;
        let Mode::Train { .. } = cx.mode else { return Ok(x) };
        let n = cx.g.shape(x)[0];
        let ones = cx.g.constant(HostTensor::f32([n, channels, 1, 1], vec![1.0; n * channels]));
        let mask = cx.dropout(ones, self.rate, 0)?;
        cx.g.mul(x, mask)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        Ok(())
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("rate".to_string(), self.rate.into())])
    }
}
