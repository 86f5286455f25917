//! A model of ONNX as a layer: its nodes become those of the graph in which it is trained.

use super::element::Elem;
use super::file::ModelFile;
use super::hollow::is_hollow;
use super::model::{Model, domain};
use super::trace::{Trace, Training};
use super::translate::Interpreter;
use super::value::Value;
use crate::error::{Context, Error, Result};
use crate::graph::TensorId;
use crate::keys::Keys;
use crate::nn::layers::{self, Layer};
use crate::nn::{Build, Initializer, Mode};
use crate::tensor::Shape;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use prost::Message;
use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Write};
use std::sync::Arc;
use toml::Table;

/// The most bytes of a graph without its weights.
const LARGEST: u64 = 256 << 20;

/// Dropouts of one layer that have random numbers of their own.
const STREAMS: u32 = 64;

/// The layer `Onnx`.
pub struct Onnx {
    model: Arc<Model>,
    /// The file without its weights, compressed, as text.
    graph: String,
    /// Initialisers that are running statistics.
    statistics: BTreeSet<String>,
}

impl std::fmt::Debug for Onnx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Onnx({} nodes)", self.model.graph().node.len())
    }
}

/// Makes the layer known to descriptions of models.
///
/// Fails when another layer has its name.
pub fn register() -> Result<()> {
    layers::register("Onnx", |keys| Ok(Arc::new(Onnx::read(keys)?)))
}

impl Onnx {
    /// A model whose weights have been taken out.
    pub fn new(file: &ModelFile) -> Result<Onnx> {
        let mut packed = GzEncoder::new(vec![], Compression::best());
        let fail = |e| Error::io("compressing a graph", e);
        packed.write_all(&file.proto.encode_to_vec()).map_err(fail)?;
        Onnx::of_text(BASE64.encode(packed.finish().map_err(fail)?))
    }

    fn read(keys: &mut Keys) -> Result<Onnx> {
        let text = keys.text("graph")?;
        let text = text.ok_or_else(|| Error::model(format!("{}: the key \"graph\" is missing", keys.place())))?;
        Onnx::of_text(text).map_err(|e| e.context(keys.place()))
    }

    fn of_text(graph: String) -> Result<Onnx> {
        let damaged = |why: String| Error::model(format!("graph is damaged: {why}"));
        let packed = BASE64.decode(&graph).map_err(|e| damaged(e.to_string()))?;
        let mut bytes = vec![];
        let read = GzDecoder::new(&packed[..]).take(LARGEST + 1).read_to_end(&mut bytes);
        read.map_err(|e| damaged(e.to_string()))?;
        if bytes.len() as u64 > LARGEST {
            return Err(damaged(format!("it unfolds to more than {LARGEST} bytes")));
        }
        let model = Arc::new(Model::of_bytes(&bytes)?);
        let statistics = statistics(&model);
        Ok(Onnx { model, graph, statistics })
    }

    /// How a weight starts where nothing is loaded.
    fn start(&self, name: &str, shape: &[usize]) -> (Initializer, (usize, usize)) {
        let scales = self
            .model
            .graph()
            .node
            .iter()
            .any(|n| n.op_type().ends_with("Normalization") && n.input.get(1).is_some_and(|scale| scale == name));
        let fan_in = shape.get(1..).map_or(1, |s| s.iter().product());
        match shape.len() {
            _ if scales => (Initializer::Ones, (1, 1)),
            0 | 1 => (Initializer::Zeros, (1, 1)),
            _ => (Initializer::Torch, (fan_in, shape[0])),
        }
    }
}

/// The running means and variances of batch norms.
fn statistics(model: &Model) -> BTreeSet<String> {
    let norms =
        model.graph().node.iter().filter(|n| n.op_type() == "BatchNormalization" && domain(n.domain()).is_empty());
    norms.flat_map(|n| n.input.iter().skip(3).take(2).cloned()).collect()
}

impl Layer for Onnx {
    fn kind(&self) -> &'static str {
        "Onnx"
    }

    fn short(&self) -> &'static str {
        "onnx"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let ports = self.model.inputs();
        let ([port], &[x]) = (&ports[..], inputs) else {
            return Err(Error::model(format!("the graph takes {} inputs, the layer {}", ports.len(), inputs.len())));
        };
        let mut learned = HashMap::new();
        for t in self.model.graph().initializer.iter().filter(|t| is_hollow(t)) {
            let name = super::proto::TensorProto::name(t);
            let shape: Vec<usize> = t.dims.iter().map(|&d| d as usize).collect();
            let id = if self.statistics.contains(name) {
                let variance = self.model.graph().node.iter().any(|n| n.input.get(4).is_some_and(|v| v == name));
                cx.state(name, shape, if variance { 1.0 } else { 0.0 })?
            } else {
                let (init, fans) = self.start(name, &shape);
                cx.param(name, shape, init, fans)?
            };
            learned.insert(name.to_string(), id);
        }
        let training = match cx.mode {
            Mode::Train { clock, rows } => {
                let streams = (0..STREAMS).rev().map(|i| cx.draws(i)).collect();
                Some(Training { clock, rows, streams })
            }
            Mode::Eval => None,
            Mode::Decode { .. } => {
                return Err(Error::model(
                    "an imported model has no plan to decode token by token; predict with it instead",
                ));
            }
        };
        let batch = cx.g.shape(x).first().copied();
        let is_index = port.elem.is_some_and(|e| e.is_int());
        let value = match is_index {
            true => Value::Index(port.elem.unwrap_or(Elem::Int64), x),
            false => Value::Graph(Elem::Float, x),
        };
        let mut walk = Interpreter::new(&self.model, Trace::build(cx.g, training));
        let mut given = HashMap::from([(port.name.clone(), value)]);
        for (name, id) in learned {
            walk.trace.learn(&name, id);
            let t = self.model.weights[&name].clone();
            given.insert(name.clone(), Value::Weight(name.into(), t));
        }
        let values = walk.main(given)?;
        let y = match &values[..] {
            [Value::Graph(_, y), ..] => *y,
            _ => return Err(Error::model("the graph's first output does not depend on its input")),
        };
        let found = cx.g.shape(y).first().copied();
        if found != batch {
            return Err(Error::model(format!(
                "a batch of {} samples gives {} answers: the size of a batch is fixed in the graph; export it with a \
                 dynamic first axis",
                batch.unwrap_or(0),
                found.unwrap_or(0)
            )))
            .context(|| "the graph's output");
        }
        Ok(y)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        Err(Error::model("whether a position of an imported graph sees later ones is not known"))
    }

    fn takes_tokens(&self) -> bool {
        self.model.inputs().first().is_some_and(|p| p.elem.is_some_and(|e| e.is_int()))
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("graph".to_string(), self.graph.clone().into())])
    }
}
