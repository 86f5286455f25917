//! Carries out packages with wgpu, as `assets/web/player.js` does with WebGPU: within the
//! limits that every adapter guarantees, and with wgpu's checks on.

use flate2::read::GzDecoder;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;
use wgpu::util::DeviceExt;

/// A package, unpacked.
pub struct Package {
    /// The header.
    pub header: Value,
    /// The contents of buffers.
    pub blob: Vec<u8>,
}

impl Package {
    /// Unpacks it as `docs/web.md` says.
    pub fn of(bytes: &[u8]) -> Package {
        let mut all = vec![];
        GzDecoder::new(bytes).read_to_end(&mut all).expect("gzip");
        assert_eq!(&all[..8], b"wgradweb");
        let length = u32::from_le_bytes(all[8..12].try_into().unwrap()) as usize;
        let header = serde_json::from_slice(&all[12..12 + length]).expect("JSON");
        Package { header, blob: all[(12 + length).next_multiple_of(16)..].to_vec() }
    }

    /// What a buffer holds in the beginning.
    fn content(&self, number: &Value) -> Option<Vec<u8>> {
        let content = &self.header["contents"][number.as_u64()? as usize];
        let (at, n) = (count(&content["offset"]), count(&content["elements"]));
        Some(match content["stored"].as_str() {
            Some("f16") => {
                let halves = self.blob[at..at + 2 * n].chunks(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]));
                halves.flat_map(|h| h.to_f32().to_le_bytes()).collect()
            }
            _ => self.blob[at..at + 4 * n].to_vec(),
        })
    }
}

fn count(value: &Value) -> usize {
    value.as_u64().expect("a count") as usize
}

/// A device with the named buffers of a package.
pub struct Player<'a> {
    package: &'a Package,
    device: wgpu::Device,
    queue: wgpu::Queue,
    named: HashMap<String, wgpu::Buffer>,
}

/// A program that is loaded.
pub struct Program {
    commands: Vec<(wgpu::ComputePipeline, wgpu::BindGroup, [u32; 3])>,
    output: (wgpu::Buffer, u64, u64, usize),
}

impl<'a> Player<'a> {
    /// On the first adapter; none without one.
    pub fn new(package: &'a Package) -> Option<Player<'a>> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all())).into_iter().next()?;
        let limits = wgpu::Limits::default().using_resolution(adapter.limits());
        let descriptor = wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("a device");
        Some(Player { package, device, queue, named: HashMap::new() })
    }

    /// The plan of a program for a kind of adapter.
    pub fn load(&mut self, name: &str, adapter: &str) -> Program {
        let plan = &self.package.header["programs"][name][adapter];
        let buffers: Vec<wgpu::Buffer> = plan["buffers"].as_array().unwrap().iter().map(|b| self.buffer(b)).collect();
        let pipelines = plan["pipelines"].as_array().unwrap().iter().map(|p| {
            let text = self.package.header["modules"][count(&p["module"])].as_str().unwrap();
            let source = wgpu::ShaderSource::Wgsl(Cow::Borrowed(text));
            let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
            let constants: Vec<(&str, f64)> =
                p["constants"].as_object().unwrap().iter().map(|(k, v)| (k.as_str(), v.as_f64().unwrap())).collect();
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &module,
                entry_point: p["entry"].as_str(),
                compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
                cache: None,
            })
        });
        let pipelines: Vec<wgpu::ComputePipeline> = pipelines.collect();
        let command = |d: &Value| {
            let pipeline = pipelines[count(&d["pipeline"])].clone();
            let entries: Vec<wgpu::BindGroupEntry> = d["bindings"]
                .as_array()
                .unwrap()
                .iter()
                .map(|b| wgpu::BindGroupEntry {
                    binding: count(&b[0]) as u32,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &buffers[count(&b[1])],
                        offset: count(&b[2]) as u64,
                        size: std::num::NonZeroU64::new(count(&b[3]) as u64),
                    }),
                })
                .collect();
            let layout = &pipeline.get_bind_group_layout(0);
            let descriptor = wgpu::BindGroupDescriptor { label: d["label"].as_str(), layout, entries: &entries };
            let bind_group = self.device.create_bind_group(&descriptor);
            (pipeline, bind_group, [0, 1, 2].map(|i| count(&d["groups"][i]) as u32))
        };
        let commands = plan["dispatches"].as_array().unwrap().iter().map(command).collect();
        let o = &plan["output"];
        let [offset, bytes] = ["offset", "bytes"].map(|key| count(&o[key]) as u64);
        Program { commands, output: (buffers[count(&o["buffer"])].clone(), offset, bytes, count(&o["elements"])) }
    }

    fn buffer(&mut self, b: &Value) -> wgpu::Buffer {
        if let Some(found) = b["name"].as_str().and_then(|name| self.named.get(name)) {
            return found.clone();
        }
        let mut contents = self.package.content(&b["content"]).unwrap_or_default();
        contents.resize(count(&b["bytes"]), 0);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::util::BufferInitDescriptor { label: b["name"].as_str(), contents: &contents, usage };
        let buffer = self.device.create_buffer_init(&descriptor);
        if let Some(name) = b["name"].as_str() {
            self.named.insert(name.into(), buffer.clone());
        }
        buffer
    }

    /// Writes a named buffer, by the name that a program gives it.
    pub fn write(&self, program: &str, what: &str, bytes: &[u8]) {
        let name = self.package.header["programs"][program][what].as_str().expect("a name");
        let mut whole = bytes.to_vec();
        whole.resize(bytes.len().next_multiple_of(4), 0);
        if let Some(buffer) = self.named.get(name) {
            self.queue.write_buffer(buffer, 0, &whole);
        }
    }

    /// Runs a program and reads its output.
    pub fn run(&self, program: &Program) -> Vec<f32> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for (pipeline, bind_group, [x, y, z]) in &program.commands {
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, bind_group, &[]);
                pass.dispatch_workgroups(*x, *y, *z);
            }
        }
        let (source, offset, bytes, elements) = &program.output;
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: *bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(source, *offset, &staging, 0, *bytes);
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |mapped| mapped.expect("it is mapped"));
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("it ends");
        let range = staging.get_mapped_range(..).expect("mapped");
        let all: Vec<f32> = range.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        all[..*elements].to_vec()
    }
}
