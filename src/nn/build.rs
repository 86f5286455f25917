//! What a layer is given while it adds itself to a graph: the graph, what that is built
//! for, and parameters and state by name.

use super::init::Initializer;
use super::weights::{Value, Weights};
use crate::error::{Error, Result};
use crate::graph::{Graph, Init, TensorId};
use crate::tensor::{HostTensor, Shape, Spec};
use std::collections::BTreeSet;

/// What a graph is built for.
#[derive(Debug, Clone, Copy)]
pub enum Mode {
    /// Training: dropout drops, batch norm uses and updates batch statistics.
    Train {
        /// The step counter that seeds dropout: see `ops::clock`.
        clock: TensorId,
        /// The number of valid rows of the batch.
        rows: TensorId,
    },
    /// Evaluation and prediction.
    Eval,
    /// Prediction of one position of a sequence at a time: a sample has one
    /// token, and layers keep what they need of those before it (keys, values,
    /// recurrent states) in buffers of their own.
    Decode {
        /// The position of the token, u32 `[1]`.
        position: TensorId,
        /// The number of positions up to it, u32 `[1]`: one more.
        length: TensorId,
        /// Positions that there is room for.
        context: usize,
    },
}

/// What a layer sees while it adds itself to a graph.
pub struct Build<'a> {
    /// The graph.
    pub g: &'a mut Graph,
    /// Training or evaluation.
    pub mode: Mode,
    /// The number of classes of the data, for layers that ask for it.
    pub classes: Option<usize>,
    /// The number of tokens that the data may hold, for layers that ask for it.
    pub vocabulary: Option<usize>,
    /// The valid positions of each sample, u32 `[N]`, once a layer has found
    /// out: padding behind them is left out by the layers that follow.
    pub lengths: Option<TensorId>,
    /// The same of each of its inputs.
    pub(super) given: Vec<Option<TensorId>>,
    /// The layer's name.
    pub name: String,
    /// The layer's number, for random streams.
    pub index: u32,
    pub(super) weights: &'a mut Weights,
    pub(super) frozen: &'a BTreeSet<String>,
    pub(super) drawn: &'a mut u32,
    pub(super) trainable: usize,
    pub(super) state: usize,
    /// Positions that this layer's window reaches back to while decoding.
    pub(super) reach: usize,
}

impl Build<'_> {
    /// A trainable parameter `name` of this layer. `fans` counts the inputs and
    /// outputs of one unit.
    pub fn param(
        &mut self,
        name: &str,
        shape: impl Into<Shape>,
        init: Initializer,
        fans: (usize, usize),
    ) -> Result<TensorId> {
        let shape = shape.into();
        check_size(name, &shape)?;
        self.trainable += shape.elements();
        let index = *self.drawn;
        *self.drawn += 1;
        let full = format!("{}.{name}", self.name);
        let seed = self.weights.seed;
        let drawn = shape.clone();
        let init = self.init(&full, &shape, || Init::drawn(move || init.draw(&drawn, fans, seed, index)))?;
        Ok(self.g.param(&full, shape, init))
    }

    /// State of this layer that is not trained: a running statistic.
    pub fn state(&mut self, name: &str, shape: impl Into<Shape>, start: f32) -> Result<TensorId> {
        let shape = shape.into();
        self.state += shape.elements();
        let full = format!("{}.{name}", self.name);
        let init = self.init(&full, &shape, || filled(&shape, start))?;
        Ok(self.g.persistent(&full, Spec::f32(shape), init))
    }

    /// A parameter of another layer, by its full name: weights that are shared.
    pub fn shared(&self, name: &str) -> Result<TensorId> {
        self.g.find(name).ok_or_else(|| {
            Error::model(format!("there is no parameter \"{name}\" before this layer whose weights it could share"))
        })
    }

    /// What this layer keeps between the positions of [`Mode::Decode`]: `start`
    /// everywhere in the beginning.
    pub fn kept(&mut self, name: &str, shape: impl Into<Shape>, start: f32) -> TensorId {
        let full = format!("{KEPT}{}.{name}", self.name);
        let shape = shape.into();
        let init = filled(&shape, start);
        self.g.persistent(&full, Spec::f32(shape), init)
    }

    /// The valid positions of each sample of an input, u32 `[N]`, where they are known.
    pub fn lengths_of(&self, input: usize) -> Option<TensorId> {
        self.given.get(input).copied().flatten()
    }

    /// Whether a parameter of this layer does not learn.
    pub fn is_frozen(&self, name: &str) -> bool {
        self.frozen.contains(&format!("{}.{name}", self.name))
    }

    /// Drops elements of `x` while training. Dropouts of one layer are told
    /// apart by `number`, below 64.
    pub fn dropout(&mut self, x: TensorId, p: f64, number: u32) -> Result<TensorId> {
        match self.mode {
            Mode::Train { clock, .. } => self.g.dropout(x, p as f32, clock, self.draws(number)),
            Mode::Eval | Mode::Decode { .. } => Ok(x),
        }
    }

    /// The random stream of this layer's draw `number`, below 64.
    pub fn draws(&self, number: u32) -> u32 {
        self.index + number * MAX_LAYERS
    }

    /// How a weight begins: as it was given, or as `draw` says, which is noted.
    fn init(&mut self, name: &str, shape: &Shape, draw: impl FnOnce() -> Init) -> Result<Init> {
        let new = || Value::new(shape.clone(), draw());
        let value = self.weights.values.entry(name.to_string()).or_insert_with(new);
        if value.shape != *shape {
            return Err(Error::model(format!(
                "the weights hold \"{name}\" with shape {}; this model has {shape}",
                value.shape
            )));
        }
        Ok(value.init.clone())
    }
}

/// What stands before the names of buffers that [`Build::kept`] makes.
pub const KEPT: &str = "decode.";

/// Layers that a model may have: each has random streams of its own.
pub(super) const MAX_LAYERS: u32 = 1 << 20;

/// `start` everywhere.
fn filled(shape: &Shape, start: f32) -> Init {
    let shape = shape.clone();
    match start == 0.0 {
        true => Init::Zeros,
        false => Init::drawn(move || HostTensor::f32(shape.clone(), vec![start; shape.elements()])),
    }
}

/// Refuses weights that no kernel can count.
fn check_size(name: &str, shape: &Shape) -> Result<()> {
    if shape.is_countable() {
        return Ok(());
    }
    Err(Error::model(format!("its {name} has shape {shape}: more than {} elements", u32::MAX)))
}
