//! Replays plans on a GPU. Pipelines, bind groups and buffers are made once;
//! a step re-encodes the same dispatches in one compute pass, several steps
//! per submit.

use super::Gpu;
use super::pipelines::Pipeline;
use crate::cpu::check_size;
use crate::error::{Error, Result};
use crate::graph::{Init, TensorId};
use crate::plan::{Clock, Executor, Launch, Plan, ProgramId, Ticket, Timeline};
use crate::tensor::{DType, HostTensor, Spec};
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc;

/// Dispatches per submit: enough that a submit's cost vanishes, few enough
/// that the GPU starts early and no command buffer runs for seconds.
const DISPATCHES_PER_SUBMIT: usize = 256;

/// Submits in flight before the host waits for the oldest.
const SUBMITS_IN_FLIGHT: usize = 4;

pub(super) struct Command {
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    groups: [u32; 3],
}

impl Command {
    /// `before`: the command before it in the same pass, whose pipeline is still
    /// set.
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass, before: Option<&Command>) {
        if !before.is_some_and(|b| Arc::ptr_eq(&b.pipeline, &self.pipeline)) {
            pass.set_pipeline(&self.pipeline.pipeline);
        }
        pass.set_bind_group(0, &self.bind_group, &[]);
        let [x, y, z] = self.groups;
        pass.dispatch_workgroups(x, y, z);
    }
}

pub(super) struct Program {
    plan: Plan,
    /// One wgpu buffer per buffer of the plan.
    buffers: Vec<wgpu::Buffer>,
    pub(super) commands: Vec<Command>,
    /// The commands of each step of the plan.
    steps: Vec<std::ops::Range<usize>>,
}

struct Readback {
    staging: wgpu::Buffer,
    spec: Spec,
    mapped: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

struct Named {
    buffer: wgpu::Buffer,
    spec: Spec,
}

/// Runs plans on a [`Gpu`].
pub struct GpuExecutor {
    pub(super) gpu: Arc<Gpu>,
    store: HashMap<String, Named>,
    pub(super) programs: Vec<Program>,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    readbacks: HashMap<Ticket, Readback>,
    /// Staging buffers ready for reuse, by size in bytes.
    staging: HashMap<u64, Vec<wgpu::Buffer>>,
    tickets: u64,
    /// What is timed with, where that is not the best there is.
    pub(super) clock: Option<Clock>,
}

impl GpuExecutor {
    /// An executor with an empty store.
    pub fn new(gpu: Arc<Gpu>) -> GpuExecutor {
        GpuExecutor {
            gpu,
            store: HashMap::new(),
            programs: vec![],
            in_flight: VecDeque::new(),
            readbacks: HashMap::new(),
            staging: HashMap::new(),
            tickets: 0,
            clock: None,
        }
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Fills every transient buffer of a program with the bits of NaN (huge
    /// integers), so that a kernel that reads what nobody wrote is found out.
    pub fn poison(&mut self, program: ProgramId) {
        let p = &self.programs[program.0];
        for (b, buffer) in p.plan.buffers.iter().zip(&p.buffers) {
            if b.name.is_none() {
                self.gpu.queue.write_buffer(buffer, 0, &vec![0xff; buffer.size() as usize]);
            }
        }
    }

    fn make_buffer(&self, label: &str, spec: &Spec, init: &Init) -> wgpu::Buffer {
        let buffer = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            // wgpu binds whole vec4s, and a tensor may be one element long.
            size: (spec.elements().max(1) * spec.dtype.bytes()).next_multiple_of(16) as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        init.each(&mut |first, part| {
            let offset = (first * spec.dtype.bytes()) as u64;
            self.gpu.queue.write_buffer(&buffer, offset, &kept(spec.dtype, part));
        });
        buffer
    }

    fn bind_group(&self, launch: &Launch, layout: &wgpu::BindGroupLayout, buffers: &[wgpu::Buffer]) -> wgpu::BindGroup {
        let entries: Vec<_> = launch
            .bound
            .iter()
            .map(|b| wgpu::BindGroupEntry {
                binding: b.number,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &buffers[b.place.buffer],
                    offset: (b.place.offset * b.place.spec.dtype.bytes()) as u64,
                    size: std::num::NonZeroU64::new(whole_words(&b.place.spec)),
                }),
            })
            .collect();
        let label = Some(launch.label.as_str());
        self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label, layout, entries: &entries })
    }

    /// Encodes commands in one compute pass and submits them.
    fn submit<'a>(&self, commands: impl IntoIterator<Item = &'a Command>) -> wgpu::SubmissionIndex {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            let mut before = None;
            for command in commands {
                command.encode(&mut pass, before);
                before = Some(command);
            }
        }
        self.gpu.queue.submit([encoder.finish()])
    }

    /// Copies bytes of a buffer to staging memory and starts to map it.
    fn start_readback(&mut self, source: &wgpu::Buffer, offset: u64, spec: &Spec) -> Readback {
        let size = whole_words(spec);
        let staging = self.staging.get_mut(&size).and_then(Vec::pop).unwrap_or_else(|| {
            self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("staging"),
                size,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        });
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(source, offset, &staging, 0, size);
        self.gpu.queue.submit([encoder.finish()]);
        let (sender, mapped) = mpsc::channel();
        // The receiver is gone only when nobody wants the answer any more.
        staging.map_async(wgpu::MapMode::Read, .., move |result| drop(sender.send(result)));
        Readback { staging, spec: spec.clone(), mapped }
    }

    fn finish_readback(&mut self, readback: Readback) -> Result<HostTensor> {
        let value = {
            let range = readback.staging.get_mapped_range(..).map_err(|e| Error::device(format!("readback: {e}")))?;
            let bytes = &range[..readback.spec.bytes()];
            let n = readback.spec.elements();
            match readback.spec.dtype {
                DType::F32 => HostTensor::f32([n], bytemuck::pod_collect_to_vec(bytes)),
                DType::U32 => HostTensor::u32([n], bytemuck::pod_collect_to_vec(bytes)),
                DType::F16 => {
                    let halves: Vec<half::f16> = bytemuck::pod_collect_to_vec(bytes);
                    HostTensor::f32([n], halves.into_iter().map(half::f16::to_f32).collect())
                }
            }
        };
        readback.staging.unmap();
        self.staging.entry(readback.staging.size()).or_default().push(readback.staging);
        Ok(value)
    }

    fn read_now(&mut self, source: &wgpu::Buffer, offset: u64, spec: &Spec) -> Result<HostTensor> {
        let readback = self.start_readback(source, offset, spec);
        self.poll(wgpu::PollType::wait_indefinitely())?;
        let mapped = readback.mapped.recv().map_err(|_| Error::device("the device went away during a readback"))?;
        mapped.map_err(|e| Error::device(format!("readback: {e}")))?;
        let mut value = self.finish_readback(readback)?;
        value.shape = spec.shape.clone();
        Ok(value)
    }

    pub(super) fn poll(&self, poll: wgpu::PollType) -> Result<()> {
        let polled = self.gpu.device.poll(poll);
        self.gpu.check()?;
        polled.map(drop).map_err(|e| Error::device(format!("{}: {e}", self.gpu.adapter.name)))
    }

    fn named(&self, name: &str) -> Result<&Named> {
        self.store.get(name).ok_or_else(|| Error::model(format!("no program uses a buffer named \"{name}\"")))
    }
}

/// The bytes of a tensor: the last word may be half of one, and wgpu counts in
/// words.
fn whole_words(spec: &Spec) -> u64 {
    spec.bytes().next_multiple_of(4) as u64
}

/// The bytes of numbers that are kept in a type, in whole words.
fn kept(dtype: DType, value: &HostTensor) -> Cow<'_, [u8]> {
    if dtype != DType::F16 {
        return value.bytes().into();
    }
    let mut halves: Vec<half::f16> = value.as_f32().iter().map(|&x| half::f16::from_f32(x)).collect();
    halves.resize(halves.len().next_multiple_of(2), half::f16::ZERO);
    bytemuck::cast_slice(&halves).to_vec().into()
}

impl Executor for GpuExecutor {
    fn load(&mut self, plan: Plan) -> Result<ProgramId> {
        let mut buffers = vec![];
        for (i, b) in plan.buffers.iter().enumerate() {
            if let Some(held) = b.name.as_ref().and_then(|n| self.store.get(n)) {
                check_size(b.name.as_deref().unwrap_or_default(), held.spec.elements(), b.elements)?;
                buffers.push(held.buffer.clone());
                continue;
            }
            let label = b.name.clone().unwrap_or_else(|| format!("b{i}"));
            let gpu = self.gpu.clone();
            let spec = Spec { shape: [b.elements].into(), dtype: b.dtype };
            let buffer = gpu.scoped(&label, || self.make_buffer(&label, &spec, &b.init))?;
            if let Some(name) = &b.name {
                self.store.insert(name.clone(), Named { buffer: buffer.clone(), spec });
            }
            buffers.push(buffer);
        }
        let launches: Vec<&Launch> = plan.steps.iter().flat_map(|s| &s.launches).collect();
        let mut pipelines = self.gpu.pipelines.get(&self.gpu, &launches)?.into_iter();
        let (mut commands, mut steps) = (vec![], vec![]);
        for step in &plan.steps {
            let first = commands.len();
            for launch in &step.launches {
                let pipeline = pipelines.next().expect("one for each launch");
                let bind = || self.bind_group(launch, &pipeline.layout, &buffers);
                let bind_group = self.gpu.scoped(&launch.label, bind)?;
                commands.push(Command { pipeline, bind_group, groups: launch.groups });
            }
            steps.push(first..commands.len());
        }
        self.programs.push(Program { plan, buffers, commands, steps });
        Ok(ProgramId(self.programs.len() - 1))
    }

    fn run(&mut self, program: ProgramId, times: usize) -> Result<()> {
        let p = &self.programs[program.0];
        let per_submit = (DISPATCHES_PER_SUBMIT / p.commands.len().max(1)).clamp(1, 64);
        let mut left = times;
        while left > 0 {
            let now = left.min(per_submit);
            left -= now;
            let p = &self.programs[program.0];
            let submitted = self.submit(std::iter::repeat_n(&p.commands, now).flatten());
            self.in_flight.push_back(submitted);
            if self.in_flight.len() > SUBMITS_IN_FLIGHT {
                let oldest = self.in_flight.pop_front();
                self.poll(wgpu::PollType::Wait { submission_index: oldest, timeout: None })?;
            }
        }
        self.gpu.check()
    }

    fn run_step(&mut self, program: ProgramId, step: usize) -> Result<()> {
        let p = &self.programs[program.0];
        self.submit(&p.commands[p.steps[step].clone()]);
        self.wait()
    }

    fn time(&mut self, program: ProgramId, runs: usize) -> Result<Timeline> {
        self.time_program(program, runs, self.clock())
    }

    fn time_host(&mut self, program: ProgramId, runs: usize) -> Result<Timeline> {
        self.time_program(program, runs, Clock::Runs)
    }

    fn fetch(&mut self, program: ProgramId, tensor: TensorId) -> Result<HostTensor> {
        let p = &self.programs[program.0];
        let place = p.plan.places[tensor.index()]
            .clone()
            .ok_or_else(|| Error::model(format!("tensor {tensor:?} is not computed by this program")))?;
        let buffer = p.buffers[place.buffer].clone();
        self.read_now(&buffer, (place.offset * place.spec.dtype.bytes()) as u64, &place.spec)
    }

    fn holds(&self, name: &str) -> bool {
        self.store.contains_key(name)
    }

    fn write(&mut self, name: &str, value: &HostTensor) -> Result<()> {
        let named = self.named(name)?;
        check_size(name, named.spec.elements(), value.shape.elements())?;
        self.gpu.queue.write_buffer(&named.buffer, 0, &kept(named.spec.dtype, value));
        Ok(())
    }

    fn read(&mut self, name: &str) -> Result<HostTensor> {
        let named = self.named(name)?;
        let (buffer, spec) = (named.buffer.clone(), named.spec.clone());
        self.read_now(&buffer, 0, &spec)
    }

    fn request(&mut self, name: &str) -> Result<Ticket> {
        let named = self.named(name)?;
        let (buffer, spec) = (named.buffer.clone(), named.spec.clone());
        let readback = self.start_readback(&buffer, 0, &spec);
        self.tickets += 1;
        self.readbacks.insert(Ticket(self.tickets), readback);
        Ok(Ticket(self.tickets))
    }

    fn collect(&mut self, ticket: Ticket) -> Result<Option<HostTensor>> {
        self.poll(wgpu::PollType::Poll)?;
        let Some(readback) = self.readbacks.get(&ticket) else { return Ok(None) };
        match readback.mapped.try_recv() {
            Err(mpsc::TryRecvError::Empty) => Ok(None),
            Err(mpsc::TryRecvError::Disconnected) => Err(Error::device("the device went away during a readback")),
            Ok(mapped) => {
                mapped.map_err(|e| Error::device(format!("readback: {e}")))?;
                let readback = self.readbacks.remove(&ticket).expect("it was there a moment ago");
                self.finish_readback(readback).map(Some)
            }
        }
    }

    fn wait(&mut self) -> Result<()> {
        self.in_flight.clear();
        self.poll(wgpu::PollType::wait_indefinitely())
    }
}
