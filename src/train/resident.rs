//! A data set as it lies on a device: whole, or, where it does not fit, a
//! window of the epoch at a time. A window holds its rows in the order in which
//! the steps take them, so a streamed epoch computes the same bits as a
//! resident one.

use crate::data::{Dataset, Elements, Interface, Reader, Samples, Targets};
use crate::error::{Context, Error, Result};
use crate::files::memory;
use crate::graph::{Graph, Init, TensorId};
use crate::plan::Target;
use crate::tensor::random::permute;
use crate::tensor::{HostTensor, Shape, Shared, Spec, pack_bytes};
use std::sync::Arc;

/// Bytes that the packed images of one buffer may have: kernels count them in
/// 32 bits.
const COUNTABLE: u64 = 1 << 32;

/// What a target is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A class.
    Class,
    /// A class at each of so many positions.
    Sequence(usize),
    /// So many numbers.
    Values(usize),
}

/// A set on a device.
#[derive(Clone)]
pub struct Resident {
    /// Samples of the whole set.
    pub samples: usize,
    /// The shape of one.
    pub shape: Vec<usize>,
    /// Its elements.
    pub elements: Elements,
    /// Samples per step.
    pub batch: usize,
    /// Whether some targets are [`IGNORED`](crate::data::IGNORED).
    pub ignores: bool,
    /// Batches that the device holds at a time; `None` for all.
    pub window: Option<usize>,
    data: (Spec, Init),
    target: (Spec, Init),
}

impl Resident {
    /// A set in batches of `batch`. `budget` bytes of samples may lie on the
    /// device at a time.
    ///
    /// Fails when samples that are read when they are needed cannot be read.
    pub fn of(set: &Dataset, interface: &Interface, batch: usize, budget: u64) -> Result<Resident> {
        // Memory may not have room for more.
        let budget = if let Samples::Read(reader) = &set.samples { budget.min(reader.at_once()) } else { budget };
        let batch = batch.min(set.len()).max(1);
        if let Samples::Read(reader) = &set.samples {
            check_batch(set, reader, batch)?;
        }
        let mut resident = Resident::blank(set.len(), &set.shape, set.samples.kind(), target_kind(set), batch);
        resident.ignores = set.scored().is_some_and(|n| n < set.targets.positions());
        let batches = set.len().div_ceil(batch);
        let fits = (budget / resident.bytes_per_batch().max(1)) as usize;
        if fits < batches {
            // Two windows are under way at a time: one in use, one arriving.
            resident.window = Some((fits / 2).max(1));
            let rows = resident.rows_held();
            (resident.data.0, resident.target.0) = resident.specs(rows, target_kind(set));
            return Ok(resident);
        }
        resident.data.1 = Init::Shared(shared(set.samples.loaded().context(|| set.name.clone())?));
        resident.target.1 = match &set.targets {
            Targets::Sequence { labels, .. } => {
                Init::Shared(Shared::Words(labels.loaded().context(|| set.name.clone())?))
            }
            _ => Init::Data(Arc::new(targets(&set.targets, interface)?)),
        };
        Ok(resident)
    }

    /// The set without its content, once the device has it.
    pub fn placed(mut self) -> Resident {
        (self.data.1, self.target.1) = (Init::Zeros, Init::Zeros);
        self
    }

    /// A set without content: enough to plan with.
    pub fn blank(samples: usize, shape: &[usize], elements: Elements, targets: TargetKind, batch: usize) -> Resident {
        let none = || (Spec::u32([1]), Init::Zeros);
        let (data, target) = (none(), none());
        let shape = shape.to_vec();
        let mut set = Resident { samples, shape, elements, batch, ignores: false, window: None, data, target };
        (set.data.0, set.target.0) = set.specs(samples, targets);
        set
    }

    /// A window of one batch of a set of `samples`, without content.
    pub fn one_batch_of(mut self, samples: usize, targets: TargetKind) -> Resident {
        self.samples = samples;
        self.window = Some(1);
        ((self.data.0, self.target.0), self.ignores) = (self.specs(self.rows_held(), targets), false);
        (self.data.1, self.target.1) = (Init::Zeros, Init::Zeros);
        self
    }

    fn specs(&self, rows: usize, targets: TargetKind) -> (Spec, Spec) {
        let width: usize = self.shape.iter().product();
        let data = match self.elements {
            Elements::Bytes => Spec::u32([(rows * width).div_ceil(4)]),
            Elements::Floats => Spec::f32([rows, width]),
            Elements::Tokens => Spec::u32([rows, width]),
        };
        let target = match targets {
            TargetKind::Class => Spec::u32([rows]),
            TargetKind::Sequence(positions) => Spec::u32([rows, positions]),
            TargetKind::Values(n) => Spec::f32([rows, n]),
        };
        (data, target)
    }

    fn bytes_per_batch(&self) -> u64 {
        let each = if self.elements == Elements::Bytes { 1 } else { 4 };
        (self.batch * self.shape.iter().product::<usize>() * each) as u64
    }

    /// Rows that the device's buffers hold.
    pub fn rows_held(&self) -> usize {
        self.window.map_or(self.samples, |w| (w * self.batch).min(self.samples))
    }

    /// Steps per pass.
    pub fn batches(&self) -> usize {
        self.samples.div_ceil(self.batch)
    }

    /// Declares the buffers in a graph: samples and targets.
    pub fn declare(&self, g: &mut Graph, name: &str) -> (TensorId, TensorId) {
        let data = g.persistent(&format!("{name}.samples"), self.data.0.clone(), self.data.1.clone());
        (data, g.persistent(&format!("{name}.targets"), self.target.0.clone(), self.target.1.clone()))
    }

    /// The content of window `number` of an epoch, for [`Resident::declare`]'s
    /// buffers; rows beyond the data repeat the last.
    ///
    /// Fails when samples that are read when they are needed cannot be read.
    pub fn fill(
        &self,
        set: &Dataset,
        interface: &Interface,
        number: usize,
        order: Option<(u32, u32)>,
    ) -> Result<Window> {
        let (held, n) = (self.rows_held(), self.samples);
        let first = number * held;
        let row = |position: usize| match order {
            Some((seed, epoch)) => permute(position as u32, n as u32, seed, epoch) as usize,
            None => position,
        };
        let rows: Vec<usize> = (first..first + held).map(|p| row(p.min(n - 1))).collect();
        // A repeated row is not read again.
        let own = &rows[..held.min(n - first)];
        let read = set.samples.select(set.width(), own).loaded().context(|| set.name.clone())?;
        let targets = targets(&set.targets.select(&rows), interface).context(|| set.name.clone())?;
        Ok(Window { samples: samples(&read.filled_up(set.width(), held), set.width()), targets })
    }
}

/// Refuses batches that take more memory than samples which are read when they are needed
/// may.
fn check_batch(set: &Dataset, reader: &Reader, batch: usize) -> Result<()> {
    let each = if set.samples.kind() == Elements::Bytes { 1 } else { 4 };
    let bytes = (batch as u64).saturating_mul(set.width() as u64 * each);
    match bytes <= reader.most() {
        true => Ok(()),
        false => Err(Error::data(format!(
            "{}: a batch of {batch} samples takes {}, and samples are held in windows of {} at most, a quarter of \
             --data-memory (data.memory); raise that, or take smaller batches",
            set.name,
            memory::size(bytes),
            memory::size(reader.most())
        ))),
    }
}

/// The content of a window.
pub struct Window {
    /// Of the samples' buffer.
    pub samples: HostTensor,
    /// Of the targets' buffer.
    pub targets: HostTensor,
}

/// What the targets of a set are made of.
pub fn target_kind(set: &Dataset) -> TargetKind {
    match &set.targets {
        Targets::Classes { .. } => TargetKind::Class,
        Targets::Sequence { positions, .. } => TargetKind::Sequence(*positions),
        Targets::Values { names, .. } => TargetKind::Values(names.len()),
    }
}

/// Samples as an executor that shares them takes them.
fn shared(samples: Samples) -> Shared {
    match samples {
        Samples::Bytes(v) => Shared::Bytes(v),
        Samples::Floats(v) => Shared::Floats(v),
        Samples::Tokens(v) => Shared::Words(v),
        Samples::Read(_) => unreachable!("they are loaded"),
    }
}

/// A few samples of `width` elements, in memory, as a device holds them.
pub fn samples(samples: &Samples, width: usize) -> HostTensor {
    let rows = samples.elements() / width.max(1);
    match samples {
        Samples::Bytes(v) => {
            let words = pack_bytes(v);
            HostTensor::u32([words.len()], words)
        }
        Samples::Floats(v) => HostTensor::f32([rows, width], v.to_vec()),
        Samples::Tokens(v) => HostTensor::u32([rows, width], v.to_vec()),
        Samples::Read(_) => unreachable!("they are loaded"),
    }
}

/// The targets of a set as a device holds them.
///
/// Fails when those that are read when they are needed cannot be read.
fn targets(targets: &Targets, interface: &Interface) -> Result<HostTensor> {
    let n = targets.len();
    Ok(match targets {
        Targets::Classes { labels, .. } => HostTensor::u32([labels.len()], labels.clone()),
        Targets::Sequence { labels, positions, .. } => HostTensor::u32([n, *positions], labels.loaded()?.to_vec()),
        Targets::Values { values, names } => {
            HostTensor::f32(Shape::from([n, names.len()]), interface.target.scaled(values))
        }
    })
}

/// Bytes of samples that a device may hold at a time: a limit of the user's, a
/// binding of the device's, and what kernels can count.
pub fn budget(target: &Target, wanted: Option<u64>) -> u64 {
    let device = match target {
        Target::Cpu => u64::MAX,
        Target::Gpu(caps) => caps.binding_bytes.min(caps.buffer_bytes),
    };
    device.min(COUNTABLE).min(wanted.unwrap_or(u64::MAX))
}
