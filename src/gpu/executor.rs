//! Replays plans on a GPU. Pipelines, bind groups and buffers are made once;
//! a step re-encodes the same dispatches in compute passes, several steps
//! per submit or several submits per step (`super::pace`).

mod hosted;
mod readback;
mod timing;

use self::readback::Readback;
use super::Gpu;
use super::command::Command;
use super::pace::{self, Pace};
use crate::error::Result;
use crate::graph::{Init, TensorId};
use crate::plan::{
    Clock, Executor, Kept, Launch, Plan, Program, Ticket, Timeline, check_size, held_bytes, no_buffer, not_computed,
    packed,
};
use crate::tensor::{HostTensor, Spec};
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Submits in flight before the host waits for the oldest.
const SUBMITS_IN_FLIGHT: usize = 4;

/// Bytes of initial values that are handed over before the host waits for the copy:
/// the driver holds what is under way once more.
const UPLOADED_AT_ONCE: usize = 32 << 20;

struct Loaded {
    plan: Plan,
    /// One wgpu buffer per buffer of the plan.
    buffers: Vec<wgpu::Buffer>,
    commands: Arc<[Command]>,
    /// The commands of each step of the plan.
    steps: Vec<Range<usize>>,
    /// The steps that the CPU computes.
    hosted: Arc<[usize]>,
    pace: Pace,
}

struct Named {
    buffer: wgpu::Buffer,
    spec: Spec,
    /// Programs that name it.
    users: usize,
}

/// Commands that were handed over.
struct Submit {
    index: wgpu::SubmissionIndex,
    program: u64,
    work: f64,
    begun: Instant,
    /// How long handing over took: software computes meanwhile.
    call: Duration,
}

#[derive(Default)]
struct Content {
    names: HashMap<String, Named>,
    programs: HashMap<u64, Loaded>,
    readbacks: HashMap<u64, Readback>,
}

impl Content {
    fn program(&self, program: &Program) -> Result<&Loaded> {
        self.programs.get(&program.number()).ok_or_else(|| program.unknown())
    }
}

/// What an executor holds, with the holders of its handles.
struct Store {
    gpu: Arc<Gpu>,
    content: Mutex<Content>,
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept for Store {
    fn free(&self, number: u64) {
        let mut content = self.lock();
        content.readbacks.remove(&number);
        let Some(program) = content.programs.remove(&number) else { return };
        for name in program.plan.buffers.iter().filter_map(|b| b.name.as_ref()) {
            if let Some(named) = content.names.get_mut(name) {
                named.users -= 1;
                if named.users == 0 {
                    content.names.remove(name);
                }
            }
        }
        drop(program);
        drop(content);
        // What the device has used until now is freed when wgpu next looks at it. A lost
        // device is reported by whoever uses it next.
        let _ = self.gpu.health.poll();
    }
}

/// Runs plans on a [`Gpu`].
pub struct GpuExecutor {
    gpu: Arc<Gpu>,
    store: Arc<Store>,
    in_flight: VecDeque<Submit>,
    submits: u64,
    /// Staging buffers ready for reuse, by size in bytes.
    staging: HashMap<u64, Vec<wgpu::Buffer>>,
    /// What is timed with, where that is not the best there is.
    clock: Option<Clock>,
}

impl GpuExecutor {
    /// An executor with an empty store.
    pub fn new(gpu: Arc<Gpu>) -> GpuExecutor {
        GpuExecutor {
            store: Arc::new(Store { gpu: gpu.clone(), content: Mutex::default() }),
            gpu,
            in_flight: VecDeque::new(),
            submits: 0,
            staging: HashMap::new(),
            clock: None,
        }
    }

    fn keeper(&self) -> Weak<dyn Kept> {
        let store: Arc<dyn Kept> = self.store.clone();
        Arc::downgrade(&store)
    }

    /// Submits that programs have been run in so far.
    pub fn submits(&self) -> u64 {
        self.submits
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Fills every transient buffer of a program with the bits of NaN (huge
    /// integers), so that a kernel that reads what nobody wrote is found out.
    pub fn poison(&mut self, program: &Program) {
        let content = self.store.lock();
        let Some(p) = content.programs.get(&program.number()) else { return };
        for (b, buffer) in p.plan.buffers.iter().zip(&p.buffers) {
            if b.name.is_none() {
                self.gpu.queue.write_buffer(buffer, 0, &vec![0xff; buffer.size() as usize]);
            }
        }
    }

    /// The commands of a program, and how they are cut into submits.
    fn commands(&self, program: &Program) -> Result<(Arc<[Command]>, Pace)> {
        let content = self.store.lock();
        let loaded = content.program(program)?;
        Ok((loaded.commands.clone(), loaded.pace))
    }

    fn make_buffer(&self, label: &str, spec: &Spec, init: &Init) -> Result<wgpu::Buffer> {
        let buffer = self.gpu.buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: held_bytes(spec.elements(), spec.dtype),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })?;
        let mut handed_over = 0;
        let mut done = Ok(());
        init.each(&mut |first, part| {
            let mut offset = (first * spec.dtype.bytes()) as u64;
            for piece in packed(spec.dtype, part).chunks(UPLOADED_AT_ONCE) {
                if done.is_err() {
                    return;
                }
                self.gpu.queue.write_buffer(&buffer, offset, piece);
                offset += piece.len() as u64;
                handed_over += piece.len();
                if handed_over >= UPLOADED_AT_ONCE {
                    handed_over = 0;
                    let index = self.gpu.submit(None);
                    done = self.gpu.health.wait(Some(index));
                }
            }
        });
        done.map(|()| buffer)
    }

    fn bind_group(&self, launch: &Launch, layout: &wgpu::BindGroupLayout, buffers: &[wgpu::Buffer]) -> wgpu::BindGroup {
        let entries: Vec<_> = launch
            .bound
            .iter()
            .map(|b| {
                let [offset, size] = b.place.span();
                wgpu::BindGroupEntry {
                    binding: b.number,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &buffers[b.place.buffer],
                        offset,
                        size: std::num::NonZeroU64::new(size),
                    }),
                }
            })
            .collect();
        let label = Some(launch.label.as_str());
        self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label, layout, entries: &entries })
    }

    /// Encodes commands in one compute pass and submits them.
    fn submit<'a>(&self, commands: impl Iterator<Item = &'a Command>) -> wgpu::SubmissionIndex {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            let mut before = None;
            for command in commands {
                command.encode(&mut pass, before);
                before = Some(command);
            }
        }
        self.gpu.submit(Some(encoder.finish()))
    }

    /// Hands over the commands in `range` of a program that is run again and again, in
    /// as many submits as that takes.
    fn hand_over(&mut self, program: &Program, range: Range<usize>) -> Result<()> {
        let (commands, mut pace) = self.commands(program)?;
        let at = |i: usize| &commands[i % commands.len()];
        let mut first = range.start;
        while first < range.end {
            let (n, work) = pace.cut((first..range.end).map(|i| at(i).work));
            let begun = Instant::now();
            let index = self.submit((first..first + n).map(at));
            first += n;
            self.submits += 1;
            let call = begun.elapsed();
            self.in_flight.push_back(Submit { index, program: program.number(), work, begun, call });
            if self.in_flight.len() > SUBMITS_IN_FLIGHT {
                pace = self.finish_oldest()?.unwrap_or(pace);
            }
        }
        self.gpu.check()
    }

    /// Waits for the oldest submit in flight, and learns from how long it took.
    fn finish_oldest(&mut self) -> Result<Option<Pace>> {
        let Some(oldest) = self.in_flight.pop_front() else { return Ok(None) };
        let asked = Instant::now();
        self.gpu.health.wait(Some(oldest.index))?;
        // All before it was done when it was asked for.
        let low = asked.elapsed().max(oldest.call);
        let mut content = self.store.lock();
        let pace = content.programs.get_mut(&oldest.program).map(|p| {
            p.pace.learn(oldest.work, low, oldest.begun.elapsed());
            p.pace
        });
        Ok(pace)
    }

    fn named(&self, name: &str) -> Result<(wgpu::Buffer, Spec)> {
        let content = self.store.lock();
        let named = content.names.get(name).ok_or_else(|| no_buffer(name))?;
        Ok((named.buffer.clone(), named.spec.clone()))
    }
}

impl Executor for GpuExecutor {
    fn load(&mut self, mut plan: Plan) -> Result<Program> {
        plan.graph.drop_inits();
        let mut buffers = vec![];
        for (i, b) in plan.buffers.iter_mut().enumerate() {
            let init = std::mem::replace(&mut b.init, Init::Zeros);
            if let Some((buffer, spec)) = b.name.as_ref().and_then(|n| self.named(n).ok()) {
                check_size(b.name.as_deref().unwrap_or_default(), spec.elements(), b.elements)?;
                buffers.push(buffer);
                continue;
            }
            let label = b.name.clone().unwrap_or_else(|| format!("b{i}"));
            let spec = Spec { shape: [b.elements].into(), dtype: b.dtype };
            buffers.push(self.make_buffer(&label, &spec, &init)?);
        }
        let launches: Vec<&Launch> = plan.steps.iter().flat_map(|s| &s.launches).collect();
        let mut pipelines = self.gpu.pipelines.get(&launches)?.into_iter();
        let (mut commands, mut steps) = (vec![], vec![]);
        for step in &plan.steps {
            let first = commands.len();
            let node = &plan.graph.nodes()[step.node];
            let work = pace::work(node.op.cost(&plan.lower_context(node)), step.launches.len());
            for launch in &step.launches {
                let pipeline = pipelines.next().expect("one for each launch");
                let bind = || self.bind_group(launch, &pipeline.layout, &buffers);
                let bind_group = self.gpu.health.scoped(&launch.label, bind)?;
                commands.push(Command { pipeline, bind_group, groups: launch.groups, work });
            }
            steps.push(first..commands.len());
        }
        let program = Program::new(self.keeper());
        let mut content = self.store.lock();
        for (b, buffer) in plan.buffers.iter().zip(&buffers) {
            let Some(name) = &b.name else { continue };
            let spec = Spec { shape: [b.elements].into(), dtype: b.dtype };
            let named = Named { buffer: buffer.clone(), spec, users: 0 };
            content.names.entry(name.clone()).or_insert(named).users += 1;
        }
        let hosted = plan.on_host().into();
        hosted::say(&plan, &self.gpu.adapter.name);
        let loaded = Loaded { plan, buffers, commands: commands.into(), steps, hosted, pace: Pace::default() };
        content.programs.insert(program.number(), loaded);
        drop(content);
        Ok(program)
    }

    fn run(&mut self, program: &Program, times: usize) -> Result<()> {
        let hosted = self.store.lock().program(program)?.hosted.clone();
        if !hosted.is_empty() {
            return (0..times).try_for_each(|_| self.run_with_host(program, &hosted));
        }
        let commands = self.commands(program)?.0.len();
        self.hand_over(program, 0..times.saturating_mul(commands))
    }

    fn run_step(&mut self, program: &Program, step: usize) -> Result<()> {
        let (range, hosted) = {
            let content = self.store.lock();
            let loaded = content.program(program)?;
            (loaded.steps[step].clone(), loaded.hosted.contains(&step))
        };
        if hosted {
            self.run_on_host(program, step)?;
        }
        self.hand_over(program, range)?;
        self.wait()
    }

    fn time(&mut self, program: &Program, runs: usize) -> Result<Timeline> {
        self.time_program(program, runs, self.clock())
    }

    fn time_host(&mut self, program: &Program, runs: usize) -> Result<Timeline> {
        self.time_program(program, runs, Clock::Runs)
    }

    fn fetch(&mut self, program: &Program, tensor: TensorId) -> Result<HostTensor> {
        let (buffer, place) = {
            let content = self.store.lock();
            let p = content.program(program)?;
            let place = p.plan.places.get(tensor.index()).cloned().flatten().ok_or_else(|| not_computed(tensor))?;
            (p.buffers[place.buffer].clone(), place)
        };
        self.read_now(&buffer, (place.offset * place.spec.dtype.bytes()) as u64, &place.spec)
    }

    fn holds(&self, name: &str) -> bool {
        self.store.lock().names.contains_key(name)
    }

    fn bytes(&self) -> usize {
        let content = self.store.lock();
        let named = content.names.values().map(|n| n.buffer.size());
        let own = |p: &Loaded| {
            let all = p.plan.buffers.iter().zip(&p.buffers);
            all.filter(|(b, _)| b.name.is_none()).map(|(_, buffer)| buffer.size()).sum::<u64>()
        };
        (named.sum::<u64>() + content.programs.values().map(own).sum::<u64>()) as usize
    }

    fn write(&mut self, name: &str, value: &HostTensor) -> Result<()> {
        let (buffer, spec) = self.named(name)?;
        check_size(name, spec.elements(), value.shape.elements())?;
        self.gpu.queue.write_buffer(&buffer, 0, &packed(spec.dtype, value));
        Ok(())
    }

    fn read(&mut self, name: &str) -> Result<HostTensor> {
        let (buffer, spec) = self.named(name)?;
        self.read_now(&buffer, 0, &spec)
    }

    fn request(&mut self, name: &str) -> Result<Ticket> {
        let (buffer, spec) = self.named(name)?;
        let readback = self.start_readback(&buffer, 0, &spec)?;
        let ticket = Ticket::new(self.keeper());
        self.store.lock().readbacks.insert(ticket.number(), readback);
        Ok(ticket)
    }

    fn collect(&mut self, ticket: &Ticket) -> Result<Option<HostTensor>> {
        self.gpu.health.poll()?;
        let readback = {
            let mut content = self.store.lock();
            let readback = content.readbacks.get(&ticket.number()).ok_or_else(|| ticket.unknown())?;
            match readback.mapped.try_recv() {
                Err(mpsc::TryRecvError::Empty) => return Ok(None),
                Err(mpsc::TryRecvError::Disconnected) => return Err(self.went_away()),
                Ok(mapped) => mapped.map_err(|e| self.not_read(&e))?,
            }
            content.readbacks.remove(&ticket.number()).expect("it was there a moment ago")
        };
        self.finish_readback(readback).map(Some)
    }

    fn wait(&mut self) -> Result<()> {
        while !self.in_flight.is_empty() {
            self.finish_oldest()?;
        }
        self.gpu.health.wait(None)
    }
}
