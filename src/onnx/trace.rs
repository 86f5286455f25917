//! Where the graph grows that an ONNX model is translated into, and where values come from
//! that must be known before it can grow further.
//!
//! A model is *run* with inputs that are known: whatever depends on values (a shape, the
//! iterations of a loop) is known, too, if need be by running what the graph has so far. Or a
//! model is *built* into the graph of a training: there, shapes are known and values are not.

use super::element::Elem;
use super::tensor::{Data, Tensor};
use super::value::Value;
use crate::cpu::Cpu;
use crate::device::Device;
use crate::error::{Context, Error, Result};
use crate::graph::{Graph, TensorId};
use crate::plan::{Executor, Plan, Program, Step, Target};
use crate::tensor::{HostTensor, Spec};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a run has computed so far.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Steps of plans.
    pub steps: usize,
    /// Whether each is timed.
    pub timed: bool,
    /// The nanoseconds of each step, by what it computes: the best of a few runs.
    pub times: Vec<(String, f64)>,
}

/// Runs of which the fastest counts, step by step.
const TIMED_RUNS: usize = 5;

/// In what a run computes floats.
#[derive(Clone)]
pub enum Engine {
    /// f32, on a device.
    Single(Device),
    /// f64, on the CPU.
    Double,
}

/// What is done with a graph whose nodes are walked.
enum Purpose {
    /// Values are computed as they are needed.
    Run { engine: Engine, feeds: Vec<(String, Arc<Tensor>)>, work: Work },
    /// The graph belongs to somebody else, who runs it later.
    Build { training: Option<Training>, used: BTreeSet<String> },
}

/// What some layers need while they learn.
pub struct Training {
    /// The step counter that seeds dropout.
    pub clock: TensorId,
    /// The number of valid rows of a batch.
    pub rows: TensorId,
    /// Random streams for dropouts; each takes the last.
    pub streams: Vec<u32>,
}

/// A graph that grows while the nodes of a model are walked.
pub struct Trace<'a> {
    graph: GraphSlot<'a>,
    purpose: Purpose,
    /// Constants that the graph has already, by the address of what they are made of.
    known: HashMap<usize, (Arc<Tensor>, TensorId)>,
    /// Weights that learn.
    params: HashMap<String, TensorId>,
}

enum GraphSlot<'a> {
    Own(Graph),
    Lent(&'a mut Graph),
}

impl<'a> Trace<'a> {
    /// For a run.
    pub fn run(engine: Engine) -> Trace<'static> {
        Trace::timed_run(engine, false)
    }

    /// For a run whose steps are timed, if so asked.
    pub fn timed_run(engine: Engine, timed: bool) -> Trace<'static> {
        let purpose = Purpose::Run { engine, feeds: vec![], work: Work { timed, ..Work::default() } };
        Trace { graph: GraphSlot::Own(Graph::new()), purpose, known: HashMap::new(), params: HashMap::new() }
    }

    /// For the graph of somebody else; `training` where it learns.
    pub fn build(graph: &'a mut Graph, training: Option<Training>) -> Trace<'a> {
        Trace {
            graph: GraphSlot::Lent(graph),
            purpose: Purpose::Build { training, used: Default::default() },
            known: HashMap::new(),
            params: HashMap::new(),
        }
    }

    /// The graph.
    pub fn g(&mut self) -> &mut Graph {
        match &mut self.graph {
            GraphSlot::Own(g) => g,
            GraphSlot::Lent(g) => g,
        }
    }

    /// Whether values are computed as they are needed.
    pub fn runs(&self) -> bool {
        matches!(self.purpose, Purpose::Run { .. })
    }

    /// Whether the graph is one that learns.
    pub fn trains(&self) -> bool {
        matches!(self.purpose, Purpose::Build { training: Some(_), .. })
    }

    /// Whether floats are computed in f64.
    pub fn doubles(&self) -> bool {
        matches!(self.purpose, Purpose::Run { engine: Engine::Double, .. })
    }

    /// What a run has computed so far.
    pub fn work(&self) -> Work {
        match &self.purpose {
            Purpose::Run { work, .. } => work.clone(),
            Purpose::Build { .. } => Work::default(),
        }
    }

    /// Integers up to this are exact in the graph.
    fn exact(&self) -> f64 {
        if self.doubles() { 9_007_199_254_740_992.0 } else { 16_777_216.0 }
    }

    /// A known tensor in the graph, as floats.
    ///
    /// Fails where a value would be lost, and for tensors without elements.
    pub fn constant(&mut self, t: &Arc<Tensor>) -> Result<TensorId> {
        let key = Arc::as_ptr(t) as usize;
        if let Some((_, id)) = self.known.get(&key) {
            return Ok(*id);
        }
        if t.is_empty() {
            return Err(Error::model(format!("a tensor of shape {:?} has no elements to compute with", t.shape)));
        }
        if t.elem.is_int() || t.elem == Elem::Double && !self.doubles() {
            let most = self.exact();
            let lost =
                |v: &f64| if t.elem.is_int() { v.abs() > most } else { f64::from(*v as f32) != *v && !v.is_nan() };
            if let Some(v) = t.to_f64()?.iter().find(|v| lost(v)) {
                return Err(Error::model(format!(
                    "{} {v} is not exact in the type that the graph computes in",
                    t.elem
                )));
            }
        }
        let id = self.place(t)?;
        self.known.insert(key, (t.clone(), id));
        Ok(id)
    }

    fn place(&mut self, t: &Arc<Tensor>) -> Result<TensorId> {
        let spec = Spec::f32(t.shape.clone());
        if !spec.shape.is_countable() {
            return Err(Error::model(format!("shape {}: more elements than kernels can count", spec.shape)));
        }
        if let Purpose::Run { feeds, .. } = &mut self.purpose {
            let name = format!("value.{}", feeds.len());
            feeds.push((name.clone(), t.clone()));
            return Ok(self.g().input(&name, spec));
        }
        let floats = t.to_f64()?.into_iter().map(|v| v as f32).collect();
        Ok(self.g().constant(HostTensor::f32(t.shape.clone(), floats)))
    }

    /// What a constant of the graph is made of.
    pub fn known_values(&self, id: TensorId) -> Option<Arc<Tensor>> {
        self.known.values().find(|(_, known)| *known == id).map(|(t, _)| t.clone())
    }

    /// A weight in the graph: a parameter where the graph learns, else a constant.
    pub fn weight(&mut self, name: &str, t: &Arc<Tensor>) -> Result<TensorId> {
        if let Purpose::Build { used, .. } = &mut self.purpose {
            used.insert(name.to_string());
        }
        match self.params.get(name) {
            Some(id) => Ok(*id),
            None => self.constant(t),
        }
    }

    /// Says which tensor of the graph a weight is.
    pub fn learn(&mut self, name: &str, id: TensorId) {
        self.params.insert(name.to_string(), id);
    }

    /// What layers need in a graph that learns.
    pub fn training(&mut self) -> Option<&mut Training> {
        match &mut self.purpose {
            Purpose::Build { training, .. } => training.as_mut(),
            Purpose::Run { .. } => None,
        }
    }

    /// The weights that the graph computes with.
    pub fn weights_used(&self) -> BTreeSet<String> {
        match &self.purpose {
            Purpose::Build { used, .. } => used.clone(),
            Purpose::Run { .. } => Default::default(),
        }
    }

    /// A running statistic of the graph.
    ///
    /// Fails for what is no weight of the model.
    pub fn state(&self, value: &Value) -> Result<TensorId> {
        let named = match value {
            Value::Weight(name, _) => self.params.get(&**name).copied(),
            _ => None,
        };
        named.ok_or_else(|| Error::model("a running statistic that is no initialiser of the model does not learn"))
    }

    /// Known indices in the graph, as u32.
    pub fn indices(&mut self, shape: &[usize], index: Vec<u32>) -> TensorId {
        self.g().constant(HostTensor::u32(shape.to_vec(), index))
    }

    /// Computes everything that `values` need of the graph, makes them known, and begins a new
    /// graph.
    ///
    /// Fails where the graph is somebody else's.
    pub fn flush(&mut self, values: &mut [&mut Value]) -> Result<()> {
        let wanted: Vec<(Elem, TensorId)> = {
            let mut ids = vec![];
            values.iter_mut().for_each(|v| each(v, &mut |e, id| ids.push((e, id))));
            ids.sort_by_key(|(_, id)| *id);
            ids.dedup_by_key(|(_, id)| *id);
            ids
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let Purpose::Run { engine, feeds, work } = &mut self.purpose else {
            return Err(Error::model(
                "its shape or its steps depend on values that are known only when the model runs; such a model can be \
                 run, but neither trained nor planned",
            ));
        };
        let GraphSlot::Own(graph) = &mut self.graph else { unreachable!("a run owns its graph") };
        let fetch: Vec<TensorId> = wanted.iter().map(|w| w.1).collect();
        let computed = match engine {
            Engine::Single(device) => single(device, graph, &fetch, feeds, work)?,
            Engine::Double => double(graph, &fetch, feeds, work)?,
        };
        let mut made = HashMap::new();
        for ((elem, id), values) in wanted.into_iter().zip(computed) {
            let shape = graph.shape(id).to_vec();
            made.insert(id, Arc::new(Tensor::of_f64(elem, shape, values)?));
        }
        *graph = Graph::new();
        feeds.clear();
        self.known.clear();
        for value in values {
            known(value, &made);
        }
        Ok(())
    }
}

/// Calls `f` with each tensor of the graph in a value.
fn each(value: &mut Value, f: &mut dyn FnMut(Elem, TensorId)) {
    match value {
        Value::Graph(elem, id) => f(*elem, *id),
        Value::List(all) => all.iter_mut().for_each(|v| each(v, f)),
        _ => {}
    }
}

/// Replaces tensors of the graph by what they have become.
fn known(value: &mut Value, made: &HashMap<TensorId, Arc<Tensor>>) {
    match value {
        Value::Graph(_, id) => *value = Value::Host(made[id].clone()),
        Value::List(all) => all.iter_mut().for_each(|v| known(v, made)),
        _ => {}
    }
}

type Feeds = [(String, Arc<Tensor>)];

fn single(device: &Device, graph: &Graph, fetch: &[TensorId], feeds: &Feeds, work: &mut Work) -> Result<Vec<Vec<f64>>> {
    let mut executor = device.executor();
    let plan = device.plan(graph, fetch)?;
    let labels = begin(&plan, work);
    let program = executor.load(plan)?;
    for (name, t) in feeds {
        if !executor.holds(name) {
            continue;
        }
        let floats = match &t.data {
            Data::F32(v) => v.clone(),
            _ => t.to_f64()?.into_iter().map(|v| v as f32).collect(),
        };
        executor.write(name, &HostTensor::f32(t.shape.clone(), floats))?;
    }
    executor.run(&program, 1)?;
    if work.timed {
        note(&mut *executor, &program, labels, work)?;
    }
    let read = |id: &TensorId| -> Result<Vec<f64>> {
        Ok(executor.fetch(&program, *id)?.as_f32().iter().map(|&v| f64::from(v)).collect())
    };
    let values = fetch.iter().map(read).collect::<Result<_>>()?;
    device.check().context(|| "the device".to_string())?;
    Ok(values)
}

fn double(graph: &Graph, fetch: &[TensorId], feeds: &Feeds, work: &mut Work) -> Result<Vec<Vec<f64>>> {
    let mut executor = Cpu::<f64>::new();
    let plan = Plan::build(graph, fetch, Target::Cpu)?;
    let labels = begin(&plan, work);
    let program = executor.load(plan)?;
    for (name, t) in feeds {
        if executor.holds(name) {
            executor.write_values(name, &t.to_f64()?)?;
        }
    }
    executor.run(&program, 1)?;
    if work.timed {
        note(&mut executor, &program, labels, work)?;
    }
    fetch.iter().map(|id| executor.values(&program, *id)).collect()
}

/// Counts the steps of a plan; what each kernel of them computes.
fn begin(plan: &Plan, work: &mut Work) -> Vec<String> {
    work.steps += plan.steps.len();
    let label = |step: &Step| {
        let kernels = if step.launches.is_empty() { 1 } else { step.launches.len() };
        vec![plan.graph.nodes()[step.node].label(); kernels]
    };
    plan.steps.iter().flat_map(label).collect()
}

/// Times each kernel of a program.
fn note(executor: &mut dyn Executor, program: &Program, labels: Vec<String>, work: &mut Work) -> Result<()> {
    let durations = executor.time(program, TIMED_RUNS)?.durations();
    let best = |runs: &Vec<f64>| runs.iter().copied().fold(f64::INFINITY, f64::min);
    work.times.extend(labels.into_iter().zip(durations.iter().map(best)));
    Ok(())
}
