//! A language model that goes on with a text, token by token.
//!
//! The model is built for one position at a time: attention keeps the keys and
//! values of what was read, recurrent layers their states, windows the inputs that
//! they reach back to, so a token costs one pass over one position, however much
//! text lies behind it. Where a model has
//! a last position, or windows that reach further back than the context that it was
//! trained with, and the text is that long, the latter half of what it has read
//! is read anew from the first position on; spread over the tokens that this
//! makes room for, that is one more pass per token.

use super::sample::Sampler;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Graph, Home, TensorId};
use crate::nn::{Activation, KEPT, Mode, Model, Weights};
use crate::plan::{Executor, Program};
use crate::tensor::{HostTensor, Spec};
use std::sync::Arc;

/// The token that is read, u32 `[1, 1]`.
pub const TOKEN: &str = "generate.token";
/// Its position, from 0, u32 `[1]`.
pub const POSITION: &str = "generate.position";
/// Positions that are read with it, u32 `[1]`.
pub const LENGTH: &str = "generate.length";

/// A model built for one position at a time.
pub struct Decoding {
    /// The graph of a position.
    pub graph: Graph,
    /// The scores of the tokens that may follow, f32 `[1, 1, tokens]`.
    pub scores: TensorId,
    /// The most positions that it can read; `None` for any number.
    pub room: Option<usize>,
    /// The number of different tokens.
    pub tokens: usize,
}

impl Decoding {
    /// Of a model with these weights. The token, its position and the number of positions
    /// are in the buffers [`TOKEN`], [`POSITION`] and [`LENGTH`], u32 each; what was read
    /// is in those whose names begin with [`KEPT`].
    ///
    /// Fails when it does not read tokens and foretell them, one from those before.
    pub fn of(model: &Model, weights: &Weights) -> Result<Decoding> {
        let name = &model.description.name;
        let ([context], true) = (&model.input[..], model.description.takes_tokens()) else {
            return Err(Error::model(format!(
                "model \"{name}\" takes samples of shape {}; a language model, which reads tokens, is needed",
                model.input
            )));
        };
        // Scores are logits, also of a model that ends in their softmax.
        let model = &model.clone().without(Some(Activation::Softmax));
        let (_, whole) = model.inspect(1, &mut weights.clone())?;
        model.check_causal(&whole)?;
        let mut g = Graph::new();
        let token = g.input(TOKEN, Spec::u32([1, 1]));
        let position = g.input(POSITION, Spec::u32([1]));
        let length = g.input(LENGTH, Spec::u32([1]));
        let mode = Mode::Decode { position, length, context: *context };
        let built = model.build(&mut g, token, mode, &mut weights.clone())?;
        let tokens = match *g.shape(built.output) {
            [1, 1, tokens] if Some(tokens) == model.vocabulary => tokens,
            ref shape => {
                return Err(Error::model(format!(
                    "model \"{name}\" gives {shape:?} for a token; expected a score for each token that may follow: it \
                     is no language model"
                )));
            }
        };
        g.flatten_params("params");
        let counts = g.nodes().iter().any(|n| n.inputs.contains(&position) || n.inputs.contains(&length));
        // Windows that reach further back than a sample is long were never trained
        // on what lies there: it was filling.
        let room = (counts || built.reach >= *context).then_some(*context);
        Ok(Decoding { graph: g, scores: built.output, room, tokens })
    }
}

/// A model that reads and foretells tokens.
pub struct Generator {
    executor: Box<dyn Executor>,
    program: Program,
    scores: TensorId,
    /// Buffers that hold what was read, and what they hold before anything is.
    kept: Vec<(String, Arc<HostTensor>)>,
    /// The most positions that it can read; `None` for any number.
    room: Option<usize>,
    tokens: usize,
    /// What was read since the first position.
    read: Vec<u32>,
}

impl Generator {
    /// The model with these weights on a device.
    ///
    /// Fails when it does not read tokens and foretell them, one from those before.
    pub fn new(device: &Device, model: &Model, weights: &Weights) -> Result<Generator> {
        let Decoding { graph, scores, room, tokens } = Decoding::of(model, weights)?;
        let kept = graph.tensors().iter().filter_map(|t| match &t.home {
            Home::Persistent { name, init } if name.starts_with(KEPT) => Some((name.clone(), init.value(&t.spec))),
            _ => None,
        });
        let kept = kept.collect();
        let plan = device.plan(&graph, &[scores])?;
        let mut executor = device.executor();
        let program = executor.load(plan)?;
        Ok(Generator { executor, program, scores, kept, room, tokens, read: vec![] })
    }

    /// The number of different tokens.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Forgets what was read.
    pub fn reset(&mut self) -> Result<()> {
        self.read.clear();
        for (name, start) in &self.kept {
            self.executor.write(name, start)?;
        }
        Ok(())
    }

    /// Reads a token and gives the scores of those that may follow.
    pub fn read(&mut self, token: u32) -> Result<Vec<f32>> {
        if token as usize >= self.tokens {
            return Err(Error::data(format!("token {token}: the vocabulary has {} tokens", self.tokens)));
        }
        if self.room.is_some_and(|room| self.read.len() >= room) {
            let tail = self.read[self.read.len() - self.read.len() / 2..].to_vec();
            self.reset()?;
            for token in tail {
                self.step(token)?;
            }
        }
        self.step(token)?;
        Ok(self.executor.fetch(&self.program, self.scores)?.as_f32().to_vec())
    }

    /// Reads a prompt and goes on with it for `length` tokens; `each` hears of
    /// every token drawn.
    ///
    /// Fails as [`Generator::read`] and [`Sampler::draw`] do, and when `each` does.
    pub fn write(
        &mut self,
        prompt: &[u32],
        length: usize,
        sampler: &mut Sampler,
        mut each: impl FnMut(u32) -> Result<()>,
    ) -> Result<()> {
        let mut scores = vec![];
        for &token in prompt {
            scores = self.read(token)?;
        }
        for n in 1..=length {
            let token = sampler.draw(&scores)?;
            each(token)?;
            // Nobody asks what follows the last one.
            if n < length {
                scores = self.read(token)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, token: u32) -> Result<()> {
        let position = self.read.len().min(u32::MAX as usize) as u32;
        // A model without attention does not ask for all of these.
        for (name, value) in [(TOKEN, token), (POSITION, position), (LENGTH, position.saturating_add(1))] {
            if self.executor.holds(name) {
                self.executor.write(name, &HostTensor::u32([1], vec![value]))?;
            }
        }
        self.executor.run(&self.program, 1)?;
        self.read.push(token);
        Ok(())
    }
}
