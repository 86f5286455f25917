//! A small model in training, as `assets/goldens/make_updates.py` has it.

use serde_json::Value;
use std::sync::{Arc, LazyLock};
use wgrad::Result;
use wgrad::graph::{Graph, Init, TensorId};
use wgrad::keys::Keys;
use wgrad::ops::clock;
use wgrad::ops::cross_entropy::CrossEntropy;
use wgrad::ops::select_rows::Order;
use wgrad::plan::{Executor, Plan, Program, Target};
use wgrad::tensor::HostTensor;
use wgrad::train::{EMA, UpdateSettings, Updated, update};

pub static FILE: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../assets/goldens/updates.json")).expect("the script writes JSON")
});

pub fn reals(v: &Value) -> Vec<f64> {
    v.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

fn floats(v: &Value) -> Vec<f32> {
    reals(v).into_iter().map(|v| v as f32).collect()
}

/// Settings as a configuration states them.
pub fn settings(toml: &str) -> Result<UpdateSettings> {
    let mut root = Keys::new(toml.parse().expect("TOML"), "configuration");
    let mut train = Keys::new(root.table("train")?.unwrap_or_default(), "[train]");
    let settings = UpdateSettings::read(&mut root, &mut train)?;
    train.finish()?;
    root.finish()?;
    Ok(settings)
}

/// The parameters before training, one after the other, with their names.
pub fn start() -> Vec<(String, Vec<f32>)> {
    let list = FILE["params"].as_array().expect("a list");
    list.iter().map(|p| (p["name"].as_str().expect("a name").into(), floats(&p["values"]))).collect()
}

/// A training step on the file's samples.
pub struct Trainer {
    pub graph: Graph,
    pub updated: Updated,
    params: Vec<TensorId>,
    pub batches: usize,
}

impl Trainer {
    /// In batches of `batch` for `epochs` epochs. `by_rows`: batches count by
    /// their samples when they are accumulated.
    pub fn new(u: &UpdateSettings, batch: usize, epochs: usize, by_rows: bool) -> Result<Trainer> {
        let mut g = Graph::new();
        let (x, labels) = (floats(&FILE["x"]), &FILE["labels"]);
        let labels: Vec<u32> = reals(labels).into_iter().map(|l| l as u32).collect();
        let n = labels.len();
        let batches = n.div_ceil(batch);
        let mut keep = |name: &str, value: HostTensor| g.persistent(name, value.spec(), Init::Data(Arc::new(value)));
        let x = keep("x", HostTensor::f32([n, 6], x));
        let labels = keep("labels", HostTensor::u32([n], labels));
        let clock = g.persistent("clock", clock::spec(), Init::Zeros);
        let (index, rows) = g.select_rows(clock, n, batch, Order::Same)?;
        let (x, labels) = (g.gather_rows(x, index)?, g.gather_rows(labels, index)?);
        let params: Vec<TensorId> = FILE["params"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|p| {
                let shape: Vec<usize> = reals(&p["shape"]).into_iter().map(|n| n as usize).collect();
                let value = HostTensor::f32(shape.clone(), floats(&p["values"]));
                g.param(p["name"].as_str().expect("a name"), shape, Init::Data(Arc::new(value)))
            })
            .collect();
        let hidden = g.matmul_t(x, params[0], Some(params[1]))?;
        let hidden = g.relu(hidden)?;
        let logits = g.matmul_t(hidden, params[2], Some(params[3]))?;
        let loss = g.cross_entropy(logits, labels, Some(rows), CrossEntropy::default())?;
        let updated = update(&mut g, loss, clock, by_rows.then_some(rows), u, epochs, batches)?;
        g.tick(clock, batches)?;
        Ok(Trainer { graph: g, updated, params, batches })
    }

    /// Plans and loads the step, with everything to look at kept readable.
    pub fn load(&self, e: &mut impl Executor, target: Target) -> Result<Program> {
        let g = &self.graph;
        let (params, average) = self.flat();
        let mut fetch = vec![params, self.updated.grad_norm];
        fetch.extend(self.updated.lr.into_iter().chain(average));
        e.load(Plan::build(g, &fetch, target)?)
    }

    /// The file's order of elements, out of flat parameters or their average.
    pub fn unpack<T: Copy>(&self, flat: &[T]) -> Vec<T> {
        let places = self.params.iter().map(|&p| (self.graph.root(p).1, self.graph.spec(p).elements()));
        places.flat_map(|(offset, n)| flat[offset..offset + n].iter().copied()).collect()
    }

    /// The flat parameters and, if there is one, their average.
    pub fn flat(&self) -> (TensorId, Option<TensorId>) {
        (self.graph.find("params").expect("an update flattens them"), self.graph.find(EMA))
    }

    /// The number of nodes of the graph whose op has a name.
    pub fn count(&self, op: &str) -> usize {
        self.graph.nodes().iter().filter(|n| n.op.name() == op).count()
    }
}

/// A clock at a batch of an epoch.
pub fn clock_at(epoch: u32, batch: u32, batches: usize) -> HostTensor {
    HostTensor::u32([4], vec![epoch * batches as u32 + batch, batch, epoch, 0])
}
