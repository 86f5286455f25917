//! The CPU executor: walks the same plan and calls each op's reference.
//! In f64 it is the judge that every shader is tested against; in f32 it is
//! the fallback on a machine without a GPU.

use crate::error::{Error, Result};
use crate::graph::{Graph, Home, Init, Io, Op, TensorId, View, ViewMut};
use crate::plan::{Clock, Executor, Place, Plan, ProgramId, Span, Ticket, TimedRun, Timeline};
use crate::tensor::{DType, Data, HostTensor, Real, parallel};
use std::collections::HashMap;
use std::time::Instant;

/// A float type that ops can be computed in.
pub trait CpuReal: Real {
    /// Runs the op's reference in this type.
    fn compute(op: &dyn Op, io: &mut Io<Self>);
    /// From f32.
    fn from_f32(x: f32) -> Self;
    /// To f32.
    fn to_f32(self) -> f32;
    /// To the nearest number of half precision, ties to even.
    fn to_half(self) -> half::f16;
    /// From half precision.
    fn from_half(x: half::f16) -> Self;
}

impl CpuReal for f32 {
    fn compute(op: &dyn Op, io: &mut Io<f32>) {
        op.compute_f32(io);
    }
    fn from_f32(x: f32) -> f32 {
        x
    }
    fn to_f32(self) -> f32 {
        self
    }
    fn to_half(self) -> half::f16 {
        half::f16::from_f32(self)
    }
    fn from_half(x: half::f16) -> f32 {
        x.to_f32()
    }
}

impl CpuReal for f64 {
    fn compute(op: &dyn Op, io: &mut Io<f64>) {
        op.compute_f64(io);
    }
    fn from_f32(x: f32) -> f64 {
        f64::from(x)
    }
    fn to_f32(self) -> f32 {
        self as f32
    }
    fn to_half(self) -> half::f16 {
        half::f16::from_f64(self)
    }
    fn from_half(x: half::f16) -> f64 {
        x.to_f64()
    }
}

/// A buffer: floats or integers, never both.
#[derive(Debug, Default, Clone)]
struct Buffer<T> {
    real: Vec<T>,
    index: Vec<u32>,
}

impl<T: CpuReal> Buffer<T> {
    fn zeros(dtype: DType, n: usize) -> Buffer<T> {
        match dtype {
            DType::F32 | DType::F16 => Buffer { real: vec![T::ZERO; n], index: vec![] },
            DType::U32 => Buffer { real: vec![], index: vec![0; n] },
        }
    }

    /// What a buffer of `n` elements holds in the beginning, as it is kept.
    fn begun(dtype: DType, n: usize, init: &Init) -> Buffer<T> {
        let mut buffer = Buffer::zeros(dtype, n);
        init.each(&mut |first, value| match &value.data {
            Data::F32(v) => {
                let part = buffer.real[first..first + v.len()].iter_mut().zip(v);
                part.for_each(|(to, &x)| *to = T::from_f32(x));
            }
            Data::U32(v) => buffer.index[first..first + v.len()].copy_from_slice(v),
        });
        if dtype == DType::F16 {
            round(&mut buffer.real);
        }
        buffer
    }

    fn of(data: &Data) -> Buffer<T> {
        match data {
            Data::F32(v) => Buffer { real: v.iter().map(|&x| T::from_f32(x)).collect(), index: vec![] },
            Data::U32(v) => Buffer { real: vec![], index: v.clone() },
        }
    }

    fn len(&self) -> usize {
        self.real.len() + self.index.len()
    }

    fn host(&self) -> HostTensor {
        match self.index.is_empty() {
            true => HostTensor::f32([self.real.len()], self.real.iter().map(|x| x.to_f32()).collect()),
            false => HostTensor::u32([self.index.len()], self.index.clone()),
        }
    }
}

struct Program {
    plan: Plan,
    /// The pool's buffer for each buffer of the plan.
    buffers: Vec<usize>,
}

/// Runs plans on the CPU in `T`.
pub struct Cpu<T> {
    pool: Vec<Buffer<T>>,
    names: HashMap<String, usize>,
    programs: Vec<Program>,
    arrived: HashMap<Ticket, HostTensor>,
    tickets: u64,
}

impl<T: CpuReal> Default for Cpu<T> {
    fn default() -> Self {
        Cpu { pool: vec![], names: HashMap::new(), programs: vec![], arrived: HashMap::new(), tickets: 0 }
    }
}

impl<T: CpuReal> Cpu<T> {
    /// An executor with an empty store.
    pub fn new() -> Cpu<T> {
        Cpu::default()
    }

    /// The elements of a fetched or persistent tensor, in full precision.
    pub fn values(&self, program: ProgramId, tensor: TensorId) -> Result<Vec<T>> {
        let (buffer, place) = self.locate(program, tensor)?;
        Ok(buffer.real[place.range()].to_vec())
    }

    /// Writes a named float buffer in full precision (finite differences).
    pub fn write_values(&mut self, name: &str, values: &[T]) -> Result<()> {
        let i = self.named(name)?;
        self.pool[i].real.copy_from_slice(values);
        Ok(())
    }

    /// Fills every transient buffer of a program with NaN and huge integers, so
    /// that an op that reads what it never wrote is found out.
    pub fn poison(&mut self, program: ProgramId) {
        let p = &self.programs[program.0];
        for (b, &i) in p.plan.buffers.iter().zip(&p.buffers) {
            if b.name.is_none() {
                self.pool[i].real.fill(T::of(f64::NAN));
                self.pool[i].index.fill(u32::MAX);
            }
        }
    }

    fn locate(&self, program: ProgramId, tensor: TensorId) -> Result<(&Buffer<T>, &Place)> {
        let p = &self.programs[program.0];
        let place = p.plan.places[tensor.index()]
            .as_ref()
            .ok_or_else(|| Error::model(format!("tensor {tensor:?} is not computed by this program")))?;
        Ok((&self.pool[p.buffers[place.buffer]], place))
    }

    fn named(&self, name: &str) -> Result<usize> {
        self.names.get(name).copied().ok_or_else(|| Error::model(format!("no program uses a buffer named \"{name}\"")))
    }

    /// Computes one step of a program.
    fn step(&mut self, program: ProgramId, step: usize) {
        let p = &self.programs[program.0];
        let s = &p.plan.steps[step];
        let node = &p.plan.graph.nodes()[s.node];
        let writes: Vec<&Place> = s.updates.iter().chain(&s.outputs).collect();
        // What a step writes is taken out of the pool while it runs; the plan
        // promises that none of its inputs lives there.
        let mut taken: Vec<(usize, Buffer<T>)> = vec![];
        for w in &writes {
            let i = p.buffers[w.buffer];
            if !taken.iter().any(|(t, _)| *t == i) {
                taken.push((i, std::mem::take(&mut self.pool[i])));
            }
        }
        let inputs = s
            .inputs
            .iter()
            .map(|place| {
                let b = &self.pool[p.buffers[place.buffer]];
                match place.spec.dtype {
                    DType::F32 | DType::F16 => View { real: &b.real[place.range()], index: &[], spec: &place.spec },
                    DType::U32 => View { real: &[], index: &b.index[place.range()], spec: &place.spec },
                }
            })
            .collect();
        let mut views: Vec<Option<ViewMut<T>>> = writes.iter().map(|_| None).collect();
        for (i, buffer) in &mut taken {
            let mut mine: Vec<usize> = (0..writes.len()).filter(|&w| p.buffers[writes[w].buffer] == *i).collect();
            mine.sort_by_key(|&w| writes[w].offset);
            let ranges: Vec<_> = mine.iter().map(|&w| writes[w].range()).collect();
            let real = split(&mut buffer.real, &ranges);
            let index = split(&mut buffer.index, &ranges);
            for ((&w, real), index) in mine.iter().zip(real).zip(index) {
                views[w] = Some(ViewMut { real, index, spec: &writes[w].spec });
            }
        }
        let mut views: Vec<ViewMut<T>> = views.into_iter().map(|v| v.expect("every write has its view")).collect();
        let outputs = views.split_off(s.updates.len());
        let mut io = Io { inputs, updates: views, outputs };
        T::compute(&*node.op, &mut io);
        for (y, place) in io.outputs.iter_mut().zip(&s.outputs) {
            // The step saw the tensor's type; this is how it is kept.
            if place.spec.dtype == DType::F16 {
                round(y.real);
            }
        }
        for (i, buffer) in taken {
            self.pool[i] = buffer;
        }
    }
}

/// Rounds to half precision.
fn round<T: CpuReal>(values: &mut [T]) {
    parallel::chunks(values, |_, part| part.iter_mut().for_each(|v| *v = T::from_half(v.to_half())));
}

/// Whether memory has room for the `bytes` of a program at once: a process that
/// runs out of it half way is ended without a word.
fn check_memory(bytes: usize, graph: &Graph) -> Result<()> {
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| {
        // Flat buffers say nothing; the first of the largest is a weight, not its gradient.
        let single = graph.tensors().iter().filter(|t| !matches!(t.home, Home::Persistent { .. }));
        let largest = single.rev().max_by_key(|t| t.spec.elements());
        let largest = largest.map(|t| format!("; its largest tensor is {} of {}", t.spec, t.label)).unwrap_or_default();
        Error::device(format!(
            "this takes {bytes} bytes ({:.1} GiB), more than memory has to give{largest}; use a smaller batch or a \
             smaller model",
            bytes as f64 / f64::from(1 << 30)
        ))
    })
}

/// Cuts disjoint ascending ranges out of a slice. Buffers of the other element
/// type are empty, and so are their cuts.
fn split<'a, E>(mut rest: &'a mut [E], ranges: &[std::ops::Range<usize>]) -> Vec<&'a mut [E]> {
    let mut cuts = vec![];
    let mut start = 0;
    for range in ranges {
        if rest.is_empty() {
            cuts.push(&mut [][..]);
            continue;
        }
        assert!(range.start >= start, "two tensors written by one step overlap");
        let (_, tail) = rest.split_at_mut(range.start - start);
        let (cut, tail) = tail.split_at_mut(range.len());
        cuts.push(cut);
        rest = tail;
        start = range.end;
    }
    cuts
}

impl<T: CpuReal> Executor for Cpu<T> {
    fn load(&mut self, plan: Plan) -> Result<ProgramId> {
        let held = |name: &Option<String>| name.as_ref().is_some_and(|n| self.names.contains_key(n));
        let new = plan.buffers.iter().filter(|b| !held(&b.name));
        let bytes = new.map(|b| b.elements.saturating_mul(size_of::<T>())).fold(0, usize::saturating_add);
        check_memory(bytes, &plan.graph)?;
        let mut buffers = vec![];
        for b in &plan.buffers {
            if let Some(&i) = b.name.as_ref().and_then(|n| self.names.get(n)) {
                check_size(b.name.as_deref().unwrap_or_default(), self.pool[i].len(), b.elements)?;
                buffers.push(i);
                continue;
            }
            self.pool.push(Buffer::begun(b.dtype, b.elements, &b.init));
            buffers.push(self.pool.len() - 1);
            if let Some(name) = &b.name {
                self.names.insert(name.clone(), self.pool.len() - 1);
            }
        }
        self.programs.push(Program { plan, buffers });
        Ok(ProgramId(self.programs.len() - 1))
    }

    fn run(&mut self, program: ProgramId, times: usize) -> Result<()> {
        parallel::on_pool(|| {
            for _ in 0..times {
                for step in 0..self.programs[program.0].plan.steps.len() {
                    self.step(program, step);
                }
            }
        });
        Ok(())
    }

    fn run_step(&mut self, program: ProgramId, step: usize) -> Result<()> {
        parallel::on_pool(|| self.step(program, step));
        Ok(())
    }

    fn time(&mut self, program: ProgramId, runs: usize) -> Result<Timeline> {
        let begun = Instant::now();
        let now = || begun.elapsed().as_nanos() as f64;
        let steps = self.programs[program.0].plan.steps.len();
        let runs = parallel::on_pool(|| {
            let mut one = || {
                let begin = now();
                let mut kernels = Vec::with_capacity(steps);
                for step in 0..steps {
                    let begin = now();
                    self.step(program, step);
                    kernels.push(Span { begin, end: now() });
                }
                let nothing = Span { begin, end: begin };
                TimedRun { encode: nothing, submit: nothing, wait: Span { begin, end: now() }, kernels }
            };
            (0..runs).map(|_| one()).collect()
        });
        Ok(Timeline { clock: Clock::Host, runs, uncertainty: 0.0 })
    }

    fn time_host(&mut self, program: ProgramId, runs: usize) -> Result<Timeline> {
        let begun = Instant::now();
        let now = || begun.elapsed().as_nanos() as f64;
        let mut one = || {
            let begin = now();
            self.run(program, 1)?;
            let nothing = Span { begin, end: begin };
            Ok(TimedRun { encode: nothing, submit: nothing, wait: Span { begin, end: now() }, kernels: vec![] })
        };
        let runs = (0..runs).map(|_| one()).collect::<Result<_>>()?;
        Ok(Timeline { clock: Clock::Runs, runs, uncertainty: 0.0 })
    }

    fn fetch(&mut self, program: ProgramId, tensor: TensorId) -> Result<HostTensor> {
        let (buffer, place) = self.locate(program, tensor)?;
        let shape = place.spec.shape.clone();
        Ok(match place.spec.dtype {
            DType::F32 | DType::F16 => {
                HostTensor::f32(shape, buffer.real[place.range()].iter().map(|x| x.to_f32()).collect())
            }
            DType::U32 => HostTensor::u32(shape, buffer.index[place.range()].to_vec()),
        })
    }

    fn holds(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    fn write(&mut self, name: &str, value: &HostTensor) -> Result<()> {
        let i = self.named(name)?;
        check_size(name, self.pool[i].len(), value.shape.elements())?;
        if matches!(value.data, Data::F32(_)) == self.pool[i].real.is_empty() {
            return Err(Error::model(format!("buffer \"{name}\" holds numbers of another type")));
        }
        self.pool[i] = Buffer::of(&value.data);
        Ok(())
    }

    fn read(&mut self, name: &str) -> Result<HostTensor> {
        Ok(self.pool[self.named(name)?].host())
    }

    fn request(&mut self, name: &str) -> Result<Ticket> {
        let value = self.read(name)?;
        self.tickets += 1;
        self.arrived.insert(Ticket(self.tickets), value);
        Ok(Ticket(self.tickets))
    }

    fn collect(&mut self, ticket: Ticket) -> Result<Option<HostTensor>> {
        Ok(self.arrived.remove(&ticket))
    }

    fn wait(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A named buffer must have the size that is asked of it.
pub(crate) fn check_size(name: &str, held: usize, asked: usize) -> Result<()> {
    if held == asked {
        return Ok(());
    }
    Err(Error::model(format!("buffer \"{name}\" holds {held} elements; {asked} were expected")))
}
