//! A model, and how its layers become a graph.

use super::Activation;
use super::build::{Build, MAX_LAYERS, Mode};
use super::describe::{Description, LayerDescription};
use super::weights::Weights;
use crate::error::{Context, Error, Result};
use crate::graph::{Graph, TensorId};
use crate::tensor::{Shape, Spec};
use std::collections::{BTreeMap, BTreeSet};

/// A layer as it was built, for the summary.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerInfo {
    /// Its name: `conv1`.
    pub name: String,
    /// Its type: `Conv2D`.
    pub kind: &'static str,
    /// The names of the layers it reads, if it does not simply read the one
    /// before.
    pub inputs: Vec<String>,
    /// Its output's shape, batch first.
    pub output: Shape,
    /// Its trainable parameters.
    pub trainable: usize,
    /// Its other state (running statistics).
    pub state: usize,
}

/// A model in a graph.
#[derive(Debug, Clone)]
pub struct Built {
    /// The output of the last layer.
    pub output: TensorId,
    /// The layers, in order.
    pub layers: Vec<LayerInfo>,
    /// In [`Mode::Decode`]: how many positions the windows of all layers together
    /// reach back at most.
    pub reach: usize,
}

/// A described model with its input and, for classifiers, the number of classes.
#[derive(Debug, Clone)]
pub struct Model {
    /// The layers.
    pub description: Description,
    /// The shape of one sample: `[C, H, W]` or `[features]`.
    pub input: Shape,
    /// The number of classes of the data, where it is known.
    pub classes: Option<usize>,
    /// The number of tokens that samples may hold, where they are tokens.
    pub vocabulary: Option<usize>,
    /// What [`Model::without`] leaves out.
    left_out: Option<Activation>,
    /// Parameters that do not learn.
    frozen: BTreeSet<String>,
}

impl Model {
    /// A model for samples of shape `input`. A description that states its own
    /// input must agree.
    pub fn new(description: Description, input: Option<Shape>, classes: Option<usize>) -> Result<Model> {
        let input = match (&description.input, input) {
            (Some(own), Some(data)) if *own != data => {
                return Err(Error::model(format!(
                    "model \"{}\" takes samples of shape {own}; the data has {data}",
                    description.name
                )));
            }
            (Some(shape), _) => shape.clone(),
            (None, Some(shape)) => shape,
            (None, None) => {
                return Err(Error::model(format!(
                    "model \"{}\" does not say its input; add input = [channels, height, width]",
                    description.name
                )));
            }
        };
        if description.layers.len() > MAX_LAYERS as usize {
            let n = description.layers.len();
            return Err(Error::model(format!(
                "model \"{}\" has {n} layers; expected at most {MAX_LAYERS}",
                description.name
            )));
        }
        Ok(Model { description, input, classes, vocabulary: None, left_out: None, frozen: BTreeSet::new() })
    }

    /// For samples of so many different tokens.
    pub fn with_vocabulary(self, tokens: Option<usize>) -> Model {
        Model { vocabulary: tokens, ..self }
    }

    /// The same layers, but that the last leaves an activation out where it ends
    /// in it: a loss that applies it itself takes what goes in. As in Keras a model
    /// for classes may say that it ends in a softmax.
    pub fn without(self, activation: Option<Activation>) -> Model {
        Model { left_out: activation, ..self }
    }

    /// The same layers, with parameters that do not learn.
    pub fn with_frozen(self, names: BTreeSet<String>) -> Model {
        Model { frozen: names, ..self }
    }

    /// Shape and type of a batch of samples.
    pub fn batch_spec(&self, batch: usize) -> Spec {
        let shape: Shape = [batch].into_iter().chain(self.input.iter().copied()).collect();
        if self.description.takes_tokens() { Spec::u32(shape) } else { Spec::f32(shape) }
    }

    /// Adds the model to a graph that holds its input `x [N, ..]`.
    pub fn build(&self, g: &mut Graph, x: TensorId, mode: Mode, weights: &mut Weights) -> Result<Built> {
        let mut outputs = BTreeMap::from([("input", Output { tensor: x, lengths: None })]);
        let mut layers: Vec<LayerInfo> = vec![];
        let (mut last, mut drawn, mut reach) = (outputs["input"], 0, 0);
        for (index, layer) in self.description.layers.iter().enumerate() {
            let inputs = inputs(layer, last, &outputs)?;
            let name = layer.name.clone();
            let mut cx = Build {
                g,
                mode,
                classes: self.classes,
                vocabulary: self.vocabulary,
                lengths: inputs.iter().find_map(|i| i.lengths),
                given: inputs.iter().map(|i| i.lengths).collect(),
                name: name.clone(),
                index: index as u32,
                weights,
                frozen: &self.frozen,
                drawn: &mut drawn,
                trainable: 0,
                state: 0,
                reach: 0,
            };
            let is_last = index + 1 == self.description.layers.len();
            let ends = layer.layer.last_activation().filter(|(a, _)| is_last && self.left_out == Some(*a));
            let built = ends.map_or_else(|| layer.layer.clone(), |(_, without)| without);
            let kind = built.kind();
            let place = || format!("layer {} ({kind} \"{name}\")", index + 1);
            let tensors: Vec<TensorId> = inputs.iter().map(|i| i.tensor).collect();
            let tensor = in_scope(&mut cx, &name, |cx| built.build(cx, &tensors)).context(place)?;
            let (trainable, state) = (cx.trainable, cx.state);
            reach += cx.reach;
            last = Output { tensor, lengths: cx.lengths };
            outputs.insert(&layer.name, last);
            let (inputs, output) = (layer.inputs.clone().unwrap_or_default(), g.spec(tensor).shape.clone());
            layers.push(LayerInfo { name, kind, inputs, output, trainable, state });
        }
        Ok(Built { output: last.tensor, layers, reach })
    }

    /// The model built for evaluation in a graph of its own, with a batch of
    /// `batch`: its layers, its output's shape, and the values of its weights.
    pub fn inspect(&self, batch: usize, weights: &mut Weights) -> Result<(Graph, Built)> {
        let mut g = Graph::new();
        let x = g.input("x", self.batch_spec(batch));
        let built = self.build(&mut g, x, Mode::Eval, weights)?;
        Ok((g, built))
    }
}

/// What a layer has made.
#[derive(Clone, Copy)]
struct Output {
    tensor: TensorId,
    /// The valid positions of each sample, where they are known.
    lengths: Option<TensorId>,
}

/// What a layer reads: the outputs that it names, or the one before it.
fn inputs(layer: &LayerDescription, last: Output, outputs: &BTreeMap<&str, Output>) -> Result<Vec<Output>> {
    let Some(names) = &layer.inputs else { return Ok(vec![last]) };
    let find = |name: &String| {
        let known = || crate::error::unknown("input layer", name, outputs.keys().copied());
        outputs.get(name.as_str()).copied().ok_or_else(|| known().context(format!("layer \"{}\"", layer.name)))
    };
    names.iter().map(find).collect()
}

/// Runs `build` with the graph's scope set to the layer's name.
fn in_scope<T>(cx: &mut Build, name: &str, build: impl FnOnce(&mut Build) -> T) -> T {
    cx.g.enter(name);
    let result = build(cx);
    cx.g.leave();
    result
}
