//! Compiled pipelines, one per kernel, shared by all programs of a device.

use super::pipeline_cache::PipelineCache;
use super::{Checks, Gpu};
use crate::error::Result;
use crate::kernel::{assemble, reflect};
use crate::plan::Launch;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A compiled kernel and the layout of its bindings.
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// Pipelines by entry point, constants and source; what is new is compiled on
/// all threads.
pub(crate) struct Pipelines {
    checks: Checks,
    made: Mutex<HashMap<String, Arc<Pipeline>>>,
    kept: Option<PipelineCache>,
}

impl Pipelines {
    pub fn new(checks: Checks, kept: Option<PipelineCache>) -> Pipelines {
        Pipelines { checks, made: Default::default(), kept }
    }

    /// The pipelines of launches, in their order.
    pub fn get(&self, gpu: &Gpu, launches: &[&Launch]) -> Result<Vec<Arc<Pipeline>>> {
        let sources = launches.iter().map(|l| assemble(&l.kernel)).collect::<Result<Vec<_>>>()?;
        let keys: Vec<String> = launches.iter().zip(&sources).map(|(l, source)| key(l, source)).collect();
        let mut new: HashMap<&str, (&Launch, &str)> = HashMap::new();
        {
            let made = self.made.lock().expect("unpoisoned");
            for ((launch, source), key) in launches.iter().zip(&sources).zip(&keys) {
                if !made.contains_key(key) {
                    new.entry(key).or_insert((launch, source));
                }
            }
        }
        let modules = self.modules(gpu, new.values().copied())?;
        let compile = |(key, (launch, source)): (&str, (&Launch, &str))| {
            Ok((key.to_string(), Arc::new(self.compile(gpu, launch, &modules[source])?)))
        };
        let compiled = new.into_par_iter().map(compile).collect::<Result<Vec<_>>>()?;
        if let (Some(kept), false) = (&self.kept, compiled.is_empty()) {
            kept.grew();
        }
        let mut made = self.made.lock().expect("unpoisoned");
        made.extend(compiled);
        Ok(keys.iter().map(|key| made[key].clone()).collect())
    }

    /// The shader modules of some sources, each once: pipelines differ more often
    /// in their constants than in their text.
    fn modules<'a>(
        &self,
        gpu: &Gpu,
        launches: impl Iterator<Item = (&'a Launch, &'a str)>,
    ) -> Result<HashMap<&'a str, wgpu::ShaderModule>> {
        let names: HashMap<&str, &Launch> = launches.map(|(launch, source)| (source, launch)).collect();
        let module = |(source, launch): (&'a str, &Launch)| {
            gpu.scoped(&launch.label, || (source, self.module(gpu, source, launch.kernel.shader.name)))
        };
        names.into_par_iter().map(module).collect()
    }

    fn module(&self, gpu: &Gpu, source: &str, name: &str) -> wgpu::ShaderModule {
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(source.into()) };
        match self.checks {
            Checks::On => gpu.device.create_shader_module(descriptor),
            // SAFETY: every kernel guards its bounds and ends its loops; the
            // tests run each of them with checks on as well.
            Checks::Off => unsafe {
                gpu.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
            },
        }
    }

    fn compile(&self, gpu: &Gpu, launch: &Launch, module: &wgpu::ShaderModule) -> Result<Pipeline> {
        let label = Some(launch.label.as_str());
        gpu.scoped(&launch.label, || {
            let layout = layout(gpu, &launch.label, &launch.entry);
            let pipeline_layout = gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label,
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
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
        if let Some(kept) = &self.kept {
            kept.save();
        }
    }
}

fn key(launch: &Launch, source: &str) -> String {
    format!("{}\0{:?}\0{source}", launch.kernel.entry, launch.kernel.overrides)
}

fn layout(gpu: &Gpu, label: &str, entry: &reflect::Entry) -> wgpu::BindGroupLayout {
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
    gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries })
}
