//! Compiled pipelines, one per kernel, shared by all programs of a device.

use super::{Checks, Gpu};
use crate::error::Result;
use crate::kernel::{assemble, reflect};
use crate::plan::Launch;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A compiled kernel and the layout of its bindings.
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// Caches modules by source and pipelines by source, entry point and
/// constants.
pub(crate) struct Pipelines {
    checks: Checks,
    modules: Mutex<HashMap<String, wgpu::ShaderModule>>,
    made: Mutex<HashMap<String, Arc<Pipeline>>>,
}

impl Pipelines {
    pub fn new(checks: Checks) -> Pipelines {
        Pipelines { checks, modules: Default::default(), made: Default::default() }
    }

    /// The pipeline of a launch.
    pub fn get(&self, gpu: &Gpu, launch: &Launch) -> Result<Arc<Pipeline>> {
        let kernel = &launch.kernel;
        let source = assemble(kernel)?;
        let key = format!("{}\0{:?}\0{source}", kernel.entry, kernel.overrides);
        if let Some(found) = self.made.lock().expect("unpoisoned").get(&key) {
            return Ok(found.clone());
        }
        let made = gpu.scoped(&launch.label, || {
            let module = self.module(gpu, &source, kernel.shader.name);
            let layout = layout(gpu, &launch.label, &launch.entry);
            let pipeline_layout = gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(&launch.label),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&launch.label),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(kernel.entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &kernel.overrides,
                    zero_initialize_workgroup_memory: self.checks == Checks::On,
                },
                cache: None,
            });
            Arc::new(Pipeline { pipeline, layout })
        })?;
        self.made.lock().expect("unpoisoned").insert(key, made.clone());
        Ok(made)
    }

    fn module(&self, gpu: &Gpu, source: &str, name: &str) -> wgpu::ShaderModule {
        let mut modules = self.modules.lock().expect("unpoisoned");
        if let Some(found) = modules.get(source) {
            return found.clone();
        }
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(source.into()) };
        let module = match self.checks {
            Checks::On => gpu.device.create_shader_module(descriptor),
            // SAFETY: every kernel guards its bounds and ends its loops; the
            // tests run each of them with checks on as well.
            Checks::Off => unsafe {
                gpu.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
            },
        };
        modules.insert(source.to_string(), module.clone());
        module
    }
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
