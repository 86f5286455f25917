//! Compiled pipelines, one per kernel, shared by all programs of a device.

use super::health::Health;
use super::inject::Point;
use super::pipeline_cache::PipelineCache;
use crate::error::Result;
use crate::kernel::{assemble, reflect};
use crate::plan::Launch;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Whether wgpu adds its own bounds checks, loop limits and zeroed workgroup
/// memory to shaders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// As a browser would run them. For tests and for hunting errors.
    On,
    /// As written. The shaders guard their own bounds; the tests run them
    /// checked first.
    Off,
}

/// A compiled kernel and the layout of its bindings.
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// The pipelines that are kept although no program uses them: more than any model has,
/// so that the next session on the device compiles nothing again.
const IDLE: usize = 512;

/// Pipelines by entry point, constants and source; what is new is compiled on
/// all threads. Those that are in use are kept, and the latest of the others.
pub(crate) struct Pipelines {
    device: wgpu::Device,
    health: Arc<Health>,
    checks: Checks,
    made: Mutex<Made<Pipeline>>,
    kept: Option<PipelineCache>,
}

struct Made<P> {
    /// Each with the request that was the latest to ask for it.
    pipelines: HashMap<String, (Arc<P>, u64)>,
    requests: u64,
    compiled: usize,
}

impl<P> Default for Made<P> {
    fn default() -> Self {
        Made { pipelines: HashMap::new(), requests: 0, compiled: 0 }
    }
}

impl<P> Made<P> {
    /// Drops the pipelines that nobody has asked for the longest, where there are too
    /// many that nobody uses.
    fn drop_idle(&mut self, most: usize) {
        let idle = |(pipeline, _): &(Arc<P>, u64)| Arc::strong_count(pipeline) == 1;
        let mut times: Vec<u64> = self.pipelines.values().filter(|p| idle(p)).map(|p| p.1).collect();
        if times.len() > most {
            times.sort_unstable();
            let oldest = times[times.len() - most];
            self.pipelines.retain(|_, p| !idle(p) || p.1 >= oldest);
        }
    }
}

impl Pipelines {
    pub fn new(device: wgpu::Device, health: Arc<Health>, checks: Checks, kept: Option<PipelineCache>) -> Pipelines {
        Pipelines { device, health, checks, made: Default::default(), kept }
    }

    /// The number of pipelines that were compiled, and of those that are kept.
    pub fn count(&self) -> [usize; 2] {
        let made = self.made.lock().expect("unpoisoned");
        [made.compiled, made.pipelines.len()]
    }

    /// The pipelines of launches, in their order.
    pub fn get(&self, launches: &[&Launch]) -> Result<Vec<Arc<Pipeline>>> {
        let sources = launches.iter().map(|l| assemble(&l.kernel)).collect::<Result<Vec<_>>>()?;
        let keys: Vec<String> = launches.iter().zip(&sources).map(|(l, source)| key(l, source)).collect();
        let mut new: HashMap<&str, (&Launch, &str)> = HashMap::new();
        {
            let made = self.made.lock().expect("unpoisoned");
            for ((launch, source), key) in launches.iter().zip(&sources).zip(&keys) {
                if !made.pipelines.contains_key(key) {
                    new.entry(key).or_insert((launch, source));
                }
            }
        }
        let modules = self.modules(new.values().copied())?;
        let compile = |(key, (launch, source)): (&str, (&Launch, &str))| {
            Ok((key.to_string(), Arc::new(self.compile(launch, &modules[source])?)))
        };
        let compiled = new.into_par_iter().map(compile).collect::<Result<Vec<_>>>()?;
        if let (Some(kept), false) = (&self.kept, compiled.is_empty()) {
            kept.grew();
        }
        let mut made = self.made.lock().expect("unpoisoned");
        made.compiled += compiled.len();
        made.requests += 1;
        let now = made.requests;
        made.pipelines.extend(compiled.into_iter().map(|(key, pipeline)| (key, (pipeline, now))));
        let mut wanted = vec![];
        for key in &keys {
            // Another thread may have dropped what was there a moment ago.
            let Some((pipeline, latest)) = made.pipelines.get_mut(key) else {
                drop(made);
                return self.get(launches);
            };
            *latest = now;
            wanted.push(pipeline.clone());
        }
        made.drop_idle(IDLE);
        Ok(wanted)
    }

    /// The shader modules of some sources, each once: pipelines differ more often
    /// in their constants than in their text.
    fn modules<'a>(
        &self,
        launches: impl Iterator<Item = (&'a Launch, &'a str)>,
    ) -> Result<HashMap<&'a str, wgpu::ShaderModule>> {
        let names: HashMap<&str, &Launch> = launches.map(|(launch, source)| (source, launch)).collect();
        let module = |(source, launch): (&'a str, &Launch)| {
            self.health.scoped(&launch.label, || (source, self.module(source, launch.kernel.shader.name)))
        };
        names.into_par_iter().map(module).collect()
    }

    fn module(&self, source: &str, name: &str) -> wgpu::ShaderModule {
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(source.into()) };
        match self.checks {
            Checks::On => self.device.create_shader_module(descriptor),
            // SAFETY: every kernel guards its bounds and ends its loops; the
            // tests run each of them with checks on as well.
            Checks::Off => unsafe {
                self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
            },
        }
    }

    fn compile(&self, launch: &Launch, module: &wgpu::ShaderModule) -> Result<Pipeline> {
        let label = Some(launch.label.as_str());
        self.health.allowed(Point::Pipeline, &launch.label)?;
        self.health.scoped(&launch.label, || {
            let layout = layout(&self.device, &launch.label, &launch.entry);
            let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label,
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: Some(&pipeline_layout),
                module,
                entry_point: Some(launch.kernel.entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &launch.kernel.overrides,
                    zero_initialize_workgroup_memory: self.checks == Checks::On,
                },
                cache: self.kept.as_ref().map(|k| &k.inner),
            });
            Pipeline { pipeline, layout }
        })
    }
}

impl Drop for Pipelines {
    fn drop(&mut self) {
        // A device that is lost has no data to give: what lies on disk stays.
        if let (Some(kept), Ok(())) = (&self.kept, self.health.probe()) {
            kept.save();
        }
    }
}

fn key(launch: &Launch, source: &str) -> String {
    format!("{}\0{:?}\0{source}", launch.kernel.entry, launch.kernel.overrides)
}

fn layout(device: &wgpu::Device, label: &str, entry: &reflect::Entry) -> wgpu::BindGroupLayout {
    let entries: Vec<_> = entry
        .bindings
        .iter()
        .map(|b| wgpu::BindGroupLayoutEntry {
            binding: b.number,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: !b.writable },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelines_in_use_stay_and_the_latest_of_the_others() {
        let mut made = Made::<u32>::default();
        let used = Arc::new(0);
        made.pipelines.insert("used".into(), (used.clone(), 0));
        for i in 1..=5 {
            made.pipelines.insert(i.to_string(), (Arc::new(i), u64::from(i)));
        }
        made.drop_idle(5);
        assert_eq!(made.pipelines.len(), 6);
        made.drop_idle(2);
        let mut left: Vec<&str> = made.pipelines.keys().map(String::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["4", "5", "used"]);
        drop(used);
        made.drop_idle(2);
        assert_eq!(made.pipelines.len(), 2);
    }
}
