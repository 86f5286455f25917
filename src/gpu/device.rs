//! An opened GPU.

use super::health::Health;
use super::inject::{Injector, Point};
use super::pipeline_cache::PipelineCache;
use super::pipelines::{Checks, Pipelines};
use super::{Adapter, adapters};
use crate::error::{Error, Result};
use crate::files::memory;
use crate::kernel::{Caps, Class};
use crate::plan::Choices;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Address space that a software adapter must find: lavapipe's compiler is ended by the system, without
/// a word, where it has less.
const ROOM: u64 = 1 << 30;

/// Bytes of a buffer by which it is tried how much room there is.
const PIECE: u64 = 1 << 30;

/// An opened GPU: device, queue, compiled pipelines.
pub struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) pipelines: Pipelines,
    /// What its adapter is.
    pub adapter: Adapter,
    /// What kernels may use.
    pub caps: Caps,
    /// The subgroups that multiply cooperative matrices in f16, if it was opened
    /// with them.
    pub half: Option<u32>,
    checks: Checks,
    choices: Mutex<Choices>,
    pub(super) health: Arc<Health>,
    /// The device that was opened in its place, once it has failed.
    successor: Mutex<Option<Arc<Gpu>>>,
}

impl Gpu {
    /// Opens an adapter with all the limits it has.
    pub fn open(adapter: &Adapter, checks: Checks) -> Result<Gpu> {
        Gpu::open_with(adapter, checks, false)
    }

    /// [`Gpu::open`]; `half`: with cooperative matrices in f16, if the adapter
    /// has them. Plans use them once somebody sets [`Caps::half`] to
    /// [`Gpu::half`]: see `tuning::try_half`.
    pub fn open_with(adapter: &Adapter, checks: Checks, half: bool) -> Result<Gpu> {
        if let (Class::Cpu, Some(left)) = (adapter.class, memory::address_space_left().filter(|left| *left < ROOM)) {
            return Err(Error::device(format!(
                "{} compiles its kernels in this process, and ends it where it finds no memory: ulimit -v leaves {}, \
                 expected at least {}; raise the limit, or take --device cpu",
                adapter.name,
                memory::size(left),
                memory::size(ROOM)
            )));
        }
        let caps = Caps { refused: adapter.refused()?, ..adapter.caps() };
        let half = adapter.half().filter(|_| half);
        let (more, experimental_features) = match half {
            // SAFETY: what is experimental is tried out against the CPU before
            // it is used.
            Some(_) => (Adapter::half_features(), unsafe { wgpu::ExperimentalFeatures::enabled() }),
            None => (wgpu::Features::empty(), wgpu::ExperimentalFeatures::disabled()),
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("wgrad"),
            required_features: adapter.features() | adapter.timing_features() | more,
            experimental_features,
            required_limits: adapter.inner.limits(),
            // Buffers are few and large, so small suballocation blocks suffice.
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.inner.request_device(&descriptor))
            .map_err(|e| Error::device(format!("{} ({}) does not open: {e}", adapter.name, adapter.backend)))?;
        let health = Arc::new(Health::of(&device, &adapter.name, Injector::of_environment()?));
        // Checked pipelines are for tests and for hunting errors: compiled anew.
        let kept = (checks == Checks::Off).then(|| PipelineCache::open(&device, &adapter.inner.get_info())).flatten();
        let pipelines = Pipelines::new(device.clone(), health.clone(), checks, kept);
        Ok(Gpu {
            device,
            queue,
            pipelines,
            adapter: adapter.clone(),
            caps,
            half,
            checks,
            choices: Mutex::default(),
            health,
            successor: Mutex::default(),
        })
    }

    /// Opens the same adapter once more in place of a device that has failed, with the same
    /// capabilities and choices: plans for it are the same. Who asks second gets what was
    /// opened for the first.
    ///
    /// Fails when the adapter is gone or does not open.
    pub fn reopen(&self) -> Result<Arc<Gpu>> {
        let mut successor = self.successor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gpu) = successor.as_ref().filter(|gpu| gpu.health.probe().is_ok()) {
            return Ok(gpu.clone());
        }
        let adapter = self.adapter.again(adapters());
        let mut gpu = Gpu::open_with(&adapter, self.checks, self.half.is_some())?;
        if gpu.half != self.half {
            return Err(Error::device(format!(
                "{} multiplies halves in another way after its loss: its driver is another one now",
                self.adapter.full_name()
            )));
        }
        gpu.caps = self.caps.clone();
        gpu.choose(self.choices());
        gpu.health.set_patience(self.health.patience());
        self.health.injector().into_iter().for_each(|injector| gpu.health.inject(injector));
        Ok(successor.insert(Arc::new(gpu)).clone())
    }

    /// What was opened in its place the latest, if anything was.
    pub(crate) fn successor(&self) -> Option<Arc<Gpu>> {
        let next = self.successor.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(next.successor().unwrap_or(next))
    }

    /// How long a submit may take before the device counts as one that does not answer.
    pub fn set_patience(&self, patience: Duration) {
        self.health.set_patience(patience);
    }

    /// Injects faults from now on, for tests: `lost@40,memory@3`. `docs/recovery.md` has the
    /// kinds.
    #[doc(hidden)]
    pub fn inject(&self, faults: &str) -> Result<()> {
        self.health.inject(Arc::new(Injector::parse(faults)?));
        Ok(())
    }

    /// Which variants its plans take, as far as that was chosen.
    pub fn choices(&self) -> Choices {
        self.choices.lock().expect("nothing panics while it holds them").clone()
    }

    /// Chooses variants for the plans to come.
    pub fn choose(&self, choices: Choices) {
        *self.choices.lock().expect("nothing panics while it holds them") = choices;
    }

    /// The number of pipelines that were compiled since it was opened, and of those
    /// that are kept for programs to come.
    pub fn pipelines(&self) -> [usize; 2] {
        self.pipelines.count()
    }

    /// Submits, buffers, pipelines and waits since faults were injected, for tests.
    #[doc(hidden)]
    pub fn passages(&self) -> [u64; 4] {
        self.health.injector().map_or([0; 4], |injector| injector.passages())
    }

    /// The bytes that this process may still allocate on it, where its driver tells: see [`Adapter::memory_left`].
    pub fn memory_left(&self) -> Option<u64> {
        let injected = self.health.injector().and_then(|injector| injector.budget());
        injected.or_else(|| self.adapter.memory_left())
    }

    /// Whether it has room for buffers of so many bytes besides those that are there: such are made,
    /// and freed again. Nothing is written to them.
    pub fn has_room(&self, bytes: u64) -> bool {
        let piece = self.caps.buffer_bytes.min(PIECE);
        let mut made = vec![];
        let pieces = (0..bytes.div_ceil(piece)).map(|i| piece.min(bytes - i * piece).next_multiple_of(4));
        let found = pieces.into_iter().try_for_each(|size| {
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
            let descriptor = wgpu::BufferDescriptor { label: Some("room"), size, usage, mapped_at_creation: false };
            self.health
                .scoped("trying how much room there is", || self.device.create_buffer(&descriptor))
                .map(|b| made.push(b))
        });
        made.iter().for_each(wgpu::Buffer::destroy);
        found.is_ok()
    }

    /// The error noted since the device was opened, if any.
    pub(crate) fn check(&self) -> Result<()> {
        self.health.check()
    }

    /// [`Gpu::check`] after a look at the device.
    pub(crate) fn probe(&self) -> Result<()> {
        self.health.probe()
    }

    /// Makes a buffer.
    pub(super) fn buffer(&self, descriptor: &wgpu::BufferDescriptor) -> Result<wgpu::Buffer> {
        let what = descriptor.label.unwrap_or_default();
        self.health.allowed(Point::Buffer, what)?;
        self.health.scoped(what, || self.device.create_buffer(descriptor))
    }

    /// Hands commands over.
    pub(super) fn submit(&self, commands: Option<wgpu::CommandBuffer>) -> wgpu::SubmissionIndex {
        if self.health.is_due(Point::Submit) {
            self.device.destroy();
        }
        self.queue.submit(commands)
    }
}
