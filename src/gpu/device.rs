//! An opened GPU.

use super::Adapter;
use super::pipeline_cache::PipelineCache;
use super::pipelines::{Checks, Pipelines};
use super::scope::scoped;
use crate::error::{Error, Result};
use crate::files::memory;
use crate::kernel::{Caps, Class};
use crate::plan::Choices;
use std::sync::{Arc, Mutex};

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
    choices: Mutex<Choices>,
    /// The first error that the driver reported outside any scope.
    failed: Arc<Mutex<Option<String>>>,
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
        let failed = Arc::new(Mutex::new(None));
        let note = {
            let failed = failed.clone();
            move |message: String| {
                failed.lock().expect("nothing panics while it notes an error").get_or_insert(message);
            }
        };
        let lost = note.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| note(e.to_string())));
        device.set_device_lost_callback(move |reason, message| {
            // Dropping a device at the end also reports it as lost.
            if reason != wgpu::DeviceLostReason::Destroyed {
                lost(format!("the device was lost: {message}"));
            }
        });
        // Checked pipelines are for tests and for hunting errors: compiled anew.
        let kept = (checks == Checks::Off).then(|| PipelineCache::open(&device, &adapter.inner.get_info())).flatten();
        let pipelines = Pipelines::new(device.clone(), adapter.name.clone(), checks, kept);
        Ok(Gpu { device, queue, pipelines, adapter: adapter.clone(), caps, half, choices: Mutex::default(), failed })
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

    /// The error noted since the device was opened, if any.
    pub(crate) fn check(&self) -> Result<()> {
        match &*self.failed.lock().expect("nothing panics while it notes an error") {
            None => Ok(()),
            Some(message) => Err(Error::device(format!("{}: {message}", self.adapter.name))),
        }
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
            self.scoped("trying how much room there is", || self.device.create_buffer(&descriptor))
                .map(|b| made.push(b))
        });
        made.iter().for_each(wgpu::Buffer::destroy);
        found.is_ok()
    }

    /// Runs `make` and turns wgpu's validation and memory errors into ours.
    pub(crate) fn scoped<T>(&self, what: &str, make: impl FnOnce() -> T) -> Result<T> {
        scoped(&self.device, &self.adapter.name, what, make)
    }
}
