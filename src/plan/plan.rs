//! `Plan`: how a graph becomes buffers, places and steps.

use super::assign::{Lifetime, Tenant, assign, most_at_once};
use super::bind::{bind, check_exclusive};
use super::choice::{Choices, is_refused};
use super::fuse::{Saved, fuse};
use super::halves::{Work, narrow};
use super::options::{Options, Precision, Recompute};
use super::recompute::{Layer, layers, recompute};
use super::step::{Buffer, Place, Step};
use super::target::{Target, context_of};
use crate::error::{Context, Error, Result};
use crate::graph::{Graph, Home, Init, Lower, Node, TensorId};
use crate::tensor::Spec;
use std::collections::HashMap;

/// A whole step of work, planned.
#[derive(Clone)]
pub struct Plan {
    /// The graph it was made from.
    pub graph: Graph,
    /// All buffers.
    pub buffers: Vec<Buffer>,
    /// Where each live tensor lives, by tensor number.
    pub places: Vec<Option<Place>>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// First and last step of each transient buffer's tenants, for `explain`.
    pub(crate) lifetimes: Vec<(TensorId, Lifetime)>,
    /// What fusion has saved.
    pub saved: Saved,
    /// Layers that are computed again for their backward pass.
    pub recomputed: Vec<String>,
    /// Bytes of transient tensors that are there at once, at most: no sharing
    /// of buffers takes less.
    pub least: usize,
    target: Target,
}

impl Plan {
    /// Plans everything that `fetch` depends on and everything that updates
    /// state. Fetched tensors stay readable after a run.
    pub fn build(graph: &Graph, fetch: &[TensorId], target: Target) -> Result<Plan> {
        Plan::with(graph, fetch, target, &Options::default())
    }

    /// [`Plan::build`] with variants chosen for some of the ops.
    pub fn tuned(graph: &Graph, fetch: &[TensorId], target: Target, choices: &Choices) -> Result<Plan> {
        Plan::with(graph, fetch, target, &Options { choices: choices.clone(), ..Options::default() })
    }

    /// [`Plan::build`] with what it may do to the graph.
    pub fn with(graph: &Graph, fetch: &[TensorId], target: Target, options: &Options) -> Result<Plan> {
        let live = live_nodes(graph, fetch);
        if options.recompute == Recompute::None {
            return Plan::of(graph, live, fetch, target, options);
        }
        let mut layers = layers(graph, &live, fetch);
        let plan = |layers: &[Layer]| -> Result<Plan> {
            let graph = recompute(graph, &live, layers);
            let mut plan = Plan::of(&graph, live_nodes(&graph, fetch), fetch, target.clone(), options)?;
            plan.recomputed = layers.iter().map(|l| l.name.clone()).collect();
            Ok(plan)
        };
        let budget = match options.recompute {
            Recompute::Auto => options.budget()?,
            _ => return plan(&layers),
        };
        // As few layers as will do, those that free most first.
        layers.sort_by_key(|l| std::cmp::Reverse(l.bytes));
        let mut least = u64::MAX;
        for n in 0..=layers.len() {
            let plan = plan(&layers[..n])?;
            let bytes = plan.bytes() as u64;
            if bytes <= budget {
                return Ok(plan);
            }
            least = least.min(bytes);
        }
        Err(options.too_small(least))
    }

    /// The plan of these nodes.
    fn of(graph: &Graph, live: Vec<usize>, fetch: &[TensorId], target: Target, options: &Options) -> Result<Plan> {
        let fused = options.fuse;
        let (graph, saved) = if fused { fuse(graph, &live, fetch, &target) } else { (graph.clone(), Saved::default()) };
        let live = if fused { live_nodes(&graph, fetch) } else { live };
        let mut plan = Plan {
            places: vec![None; graph.tensors().len()],
            graph,
            buffers: vec![],
            steps: vec![],
            lifetimes: vec![],
            saved,
            recomputed: vec![],
            least: 0,
            target,
        };
        let variants = plan.choose(&live, &options.choices);
        let mut lowered = plan.lower(&live, &variants)?;
        if options.precision.on(&plan.target) == Precision::F16 {
            let work = Work { live: &live, lowered: &mut lowered, fetch, target: &plan.target };
            narrow(&mut plan.graph, work, &options.halves)?;
        }
        plan.place_persistent(&live, fetch)?;
        let scratch = plan.place_transient(&live, &lowered, fetch);
        plan.make_steps(&live, &variants, lowered, scratch)?;
        plan.check_limits()?;
        Ok(plan)
    }

    /// The plan without what its buffers begin with: to look at while it runs elsewhere.
    pub fn outline(&self) -> Plan {
        let mut plan = self.clone();
        plan.graph.drop_inits();
        plan.buffers.iter_mut().for_each(|b| b.init = Init::Zeros);
        plan
    }

    /// What the plan is for.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The steps that the CPU computes for a GPU, which computes their op wrongly.
    pub fn on_host(&self) -> Vec<usize> {
        let gpu = matches!(self.target, Target::Gpu(_));
        (0..self.steps.len()).filter(|&i| gpu && self.steps[i].launches.is_empty()).collect()
    }

    /// Bytes of all transient buffers together.
    pub fn transient_bytes(&self) -> usize {
        self.buffers.iter().filter(|b| b.name.is_none()).map(Buffer::bytes).sum()
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> usize {
        self.buffers.iter().map(Buffer::bytes).sum()
    }

    /// Bytes that the transient tensors would take without sharing buffers.
    pub fn unshared_bytes(&self) -> usize {
        self.lifetimes.iter().map(|(t, _)| self.graph.spec(*t).bytes()).sum()
    }

    /// The specs of a node's tensors, as lowering and costing see them.
    pub fn lower_context(&self, node: &Node) -> Lower {
        context_of(&self.graph, node, &self.target)
    }

    /// The variant of each live node.
    fn choose(&self, live: &[usize], choices: &Choices) -> Vec<&'static str> {
        let of = |n: &usize| match self.target {
            Target::Cpu => "",
            Target::Gpu(_) => {
                let node = &self.graph.nodes()[*n];
                choices.of(&*node.op, &self.lower_context(node))
            }
        };
        live.iter().map(of).collect()
    }

    fn lower(&self, live: &[usize], variants: &[&'static str]) -> Result<Vec<crate::kernel::Lowered>> {
        live.iter()
            .zip(variants)
            .map(|(&n, &variant)| {
                let node = &self.graph.nodes()[n];
                match self.target {
                    Target::Cpu => Ok(crate::kernel::Lowered::nothing()),
                    Target::Gpu(_) => {
                        let cx = self.lower_context(node).with(variant);
                        if is_refused(&*node.op, &cx) {
                            return Ok(crate::kernel::Lowered::nothing());
                        }
                        let lowered = node.op.lower(&cx).context(|| node.label())?;
                        let countable = |s: &Spec| check_countable("a temporary tensor", s);
                        lowered.scratch.iter().try_for_each(countable).context(|| node.label())?;
                        Ok(lowered)
                    }
                }
            })
            .collect()
    }

    /// Gives each persistent tensor that is used a buffer of its own.
    fn place_persistent(&mut self, live: &[usize], fetch: &[TensorId]) -> Result<()> {
        let nodes = live.iter().map(|&n| &self.graph.nodes()[n]);
        let used = nodes.flat_map(|n| n.inputs.iter().chain(&n.updates).chain(&n.outputs)).chain(fetch);
        let mut roots: Vec<TensorId> = used.map(|&t| self.graph.root(t).0).collect();
        roots.sort();
        roots.dedup();
        for root in roots {
            let info = &self.graph.tensors()[root.index()];
            if let Home::Persistent { name, init } = &info.home {
                check_countable(name, &info.spec)?;
                self.places[root.index()] =
                    Some(Place { buffer: self.buffers.len(), offset: 0, spec: info.spec.clone() });
                self.buffers.push(Buffer {
                    name: Some(name.clone()),
                    elements: info.spec.elements(),
                    dtype: info.spec.dtype,
                    init: init.clone(),
                });
            }
        }
        Ok(())
    }

    /// Assigns buffers to transient tensors and scratch by lifetime, then
    /// resolves every view. Returns the places of each step's scratch.
    fn place_transient(
        &mut self,
        live: &[usize],
        lowered: &[crate::kernel::Lowered],
        fetch: &[TensorId],
    ) -> Vec<Vec<Place>> {
        let end = live.len();
        let mut lifetimes: HashMap<TensorId, Lifetime> = HashMap::new();
        for (at, &n) in live.iter().enumerate() {
            let node = &self.graph.nodes()[n];
            // Another view of elements touches none.
            let touched = node.inputs.iter().chain(&node.updates).chain(&node.outputs);
            for t in touched.filter(|_| !node.op.alias()) {
                let root = self.graph.root(*t).0;
                if self.graph.tensors()[root.index()].home == Home::Transient {
                    let life = lifetimes.entry(root).or_insert(Lifetime { first: at, last: at });
                    life.last = at;
                }
            }
        }
        for t in fetch {
            if let Some(life) = lifetimes.get_mut(&self.graph.root(*t).0) {
                life.last = end;
            }
        }
        self.lifetimes = lifetimes.into_iter().collect();
        self.lifetimes.sort_by_key(|(t, _)| *t);
        let mut tenants: Vec<Tenant> = vec![];
        for (t, life) in &self.lifetimes {
            let spec = self.graph.spec(*t);
            tenants.push((*life, spec.elements(), spec.dtype));
        }
        for (at, low) in lowered.iter().enumerate() {
            tenants.extend(low.scratch.iter().map(|s| (Lifetime { first: at, last: at }, s.elements(), s.dtype)));
        }
        let (buffers, homes) = assign(&tenants);
        self.least = most_at_once(&tenants);
        let base = self.buffers.len();
        self.buffers.extend(buffers.iter().map(|&(elements, dtype)| Buffer {
            name: None,
            elements,
            dtype,
            init: Init::Zeros,
        }));
        let mut homes = homes.into_iter();
        for i in 0..self.lifetimes.len() {
            let t = self.lifetimes[i].0;
            let buffer = base + homes.next().expect("one home per tenant");
            self.places[t.index()] = Some(Place { buffer, offset: 0, spec: self.graph.spec(t).clone() });
        }
        for i in 0..self.places.len() {
            let (root, offset) = self.graph.root(TensorId(i as u32));
            if let (true, Some(place)) = (root.index() != i, self.places[root.index()].clone()) {
                let spec = self.graph.tensors()[i].spec.clone();
                self.places[i] = Some(Place { buffer: place.buffer, offset: place.offset + offset, spec });
            }
        }
        lowered
            .iter()
            .map(|low| {
                let place = |s: &Spec| Place {
                    buffer: base + homes.next().expect("one home per tenant"),
                    offset: 0,
                    spec: s.clone(),
                };
                low.scratch.iter().map(place).collect()
            })
            .collect()
    }

    fn make_steps(
        &mut self,
        live: &[usize],
        variants: &[&'static str],
        lowered: Vec<crate::kernel::Lowered>,
        scratch: Vec<Vec<Place>>,
    ) -> Result<()> {
        let places = |ids: &[TensorId]| -> Vec<Place> {
            ids.iter()
                .map(|t| self.places[t.index()].clone().expect("every tensor of a live node has a place"))
                .collect()
        };
        let mut steps = vec![];
        for (((&n, &variant), low), scratch) in live.iter().zip(variants).zip(lowered).zip(scratch) {
            let node = &self.graph.nodes()[n];
            if node.op.alias() {
                continue;
            }
            let mut step = Step {
                node: n,
                inputs: places(&node.inputs),
                updates: places(&node.updates),
                outputs: places(&node.outputs),
                scratch,
                launches: vec![],
                variant,
            };
            check_exclusive(&step, node, &self.buffers)?;
            for dispatch in low.dispatches {
                let launch = bind(dispatch, &step, node).context(|| node.label())?;
                step.launches.push(launch);
            }
            steps.push(step);
        }
        self.steps = steps;
        Ok(())
    }

    /// Refuses what the adapter cannot hold, with the numbers, before anything
    /// runs.
    fn check_limits(&self) -> Result<()> {
        let Target::Gpu(caps) = &self.target else { return Ok(()) };
        for b in &self.buffers {
            let bytes = b.bytes() as u64;
            if bytes > caps.buffer_bytes {
                let name = b.name.as_deref().unwrap_or("an activation buffer");
                return Err(too_big(name, bytes, "buffer", caps.buffer_bytes));
            }
        }
        for launch in self.steps.iter().flat_map(|s| &s.launches) {
            for b in &launch.bound {
                let bytes = b.place.spec.bytes() as u64;
                if bytes > caps.binding_bytes {
                    return Err(too_big(&launch.label, bytes, "binding", caps.binding_bytes));
                }
            }
            let fits = |found: u64, limit: u32, what: &str| {
                if found <= u64::from(limit) {
                    return Ok(());
                }
                Err(Error::device(format!("{} needs {found} {what}; the adapter allows {limit}", launch.label)))
            };
            fits(launch.bound.len() as u64, caps.storage_buffers, "storage buffers")?;
            fits(u64::from(*launch.groups.iter().max().expect("three")), caps.groups, "workgroups in one dimension")?;
            let invocations = launch.entry.workgroup_size.iter().map(|&n| u64::from(n)).product();
            fits(invocations, caps.invocations, "invocations per workgroup")?;
            fits(u64::from(launch.entry.workgroup_bytes), caps.workgroup_bytes, "bytes of workgroup memory")?;
        }
        Ok(())
    }
}

/// Kernels count the elements of a tensor in 32 bits.
fn check_countable(name: &str, spec: &Spec) -> Result<()> {
    match spec.shape.is_countable() {
        true => Ok(()),
        false => Err(Error::model(format!(
            "{name} has shape {}: more than {} elements; use a smaller batch or a smaller model",
            spec.shape,
            u32::MAX
        ))),
    }
}

fn too_big(name: &str, bytes: u64, what: &str, limit: u64) -> Error {
    let mib = |b: u64| b as f64 / f64::from(1 << 20);
    Error::device(format!(
        "{name} takes {bytes} bytes ({:.1} MiB) and this adapter's largest {what} is {limit} ({:.1} MiB); \
         use a smaller batch, a smaller model, or --device cpu",
        mib(bytes),
        mib(limit)
    ))
}

/// The nodes that the fetches need and those that update state, in order.
fn live_nodes(graph: &Graph, fetch: &[TensorId]) -> Vec<usize> {
    let mut needed = vec![false; graph.tensors().len()];
    let need = |needed: &mut Vec<bool>, t: TensorId| {
        needed[t.index()] = true;
        needed[graph.root(t).0.index()] = true;
    };
    for &t in fetch {
        need(&mut needed, t);
    }
    let mut live: Vec<usize> = vec![];
    for (i, node) in graph.nodes().iter().enumerate().rev() {
        let wanted =
            node.outputs.iter().any(|y| needed[y.index()] || needed[graph.root(*y).0.index()] && node.op.alias());
        if !node.updates.is_empty() || wanted {
            for &t in &node.inputs {
                need(&mut needed, t);
            }
            live.push(i);
        }
    }
    live.reverse();
    live
}
