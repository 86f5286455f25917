//! A model, and how its layers become a graph.

use super::Activation;
use super::describe::{Description, LayerDescription};
use super::init::Initializer;
use crate::error::{Context, Error, Result};
use crate::graph::{Graph, Init, TensorId};
use crate::tensor::{HostTensor, Shape, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

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

/// Values of parameters and state by name: given (from a file), or to be drawn. A
/// model that is built says how, and nothing is drawn before an executor takes it
/// or somebody looks at it.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    /// Seeds the initialisers.
    pub seed: u32,
    values: BTreeMap<String, Value>,
}

/// A weight, drawn at most once for those who look at it.
#[derive(Debug, Clone)]
struct Value {
    shape: Shape,
    init: Init,
    seen: OnceLock<Arc<HostTensor>>,
}

impl Value {
    fn new(shape: Shape, init: Init) -> Value {
        Value { shape, init, seen: OnceLock::new() }
    }

    fn get(&self) -> &Arc<HostTensor> {
        self.seen.get_or_init(|| self.init.value(&Spec::f32(self.shape.clone())))
    }
}

impl Weights {
    /// Values to be drawn from a seed.
    pub fn new(seed: u32) -> Weights {
        Weights { seed, values: BTreeMap::new() }
    }

    /// Sets a value.
    pub fn set(&mut self, name: impl Into<String>, value: HostTensor) {
        self.values.insert(name.into(), Value::new(value.shape.clone(), Init::Data(Arc::new(value))));
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<HostTensor>> {
        self.values.get(name).map(Value::get)
    }

    /// The shape of a name's value, which stays undrawn.
    pub fn shape(&self, name: &str) -> Option<&Shape> {
        self.values.get(name).map(|v| &v.shape)
    }

    /// Drops the values that were given, once a device has them; their names and shapes
    /// stay, and they are zeros to whoever looks.
    pub(crate) fn drop_values(&mut self) {
        for value in self.values.values_mut() {
            if matches!(value.init, Init::Data(_)) {
                value.init = Init::Zeros;
            }
            value.seen = OnceLock::new();
        }
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// All names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<HostTensor>)> {
        self.values.iter().map(|(k, v)| (k.as_str(), v.get()))
    }
}

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
    /// The layer's name.
    pub name: String,
    /// The layer's number, for random streams.
    pub index: u32,
    weights: &'a mut Weights,
    frozen: &'a BTreeSet<String>,
    drawn: &'a mut u32,
    trainable: usize,
    state: usize,
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
const MAX_LAYERS: u32 = 1 << 20;

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
