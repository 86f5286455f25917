//! The CPU executor: walks the same plan and calls each op's reference.
//! In f64 it is the judge that every shader is tested against; in f32 it is
//! the fallback on a machine without a GPU.

mod buffer;

use self::buffer::{Buffer, round};
use crate::error::{Error, Result};
use crate::graph::{Graph, Init, Io, Op, TensorId, View, ViewMut};
use crate::plan::{
    Clock, Executor, Kept, Place, Plan, Program, Span, Ticket, TimedRun, Timeline, check_size, no_buffer, not_computed,
};
use crate::tensor::{DType, HostTensor, Real, Shared, parallel};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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
    /// The floats of a data set where they lie, if they are of this type.
    fn of_floats(shared: &Shared) -> Option<&[Self]>;
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
    fn of_floats(shared: &Shared) -> Option<&[f32]> {
        shared.floats()
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
    fn of_floats(_shared: &Shared) -> Option<&[f64]> {
        None
    }
}

struct Loaded {
    plan: Plan,
    /// The pool's buffer for each buffer of the plan.
    buffers: Vec<usize>,
}

struct Named {
    /// Its buffer in the pool.
    buffer: usize,
    /// Programs that name it.
    users: usize,
}

/// What an executor holds, with the holders of its handles.
struct Store<T> {
    pool: Vec<Buffer<T>>,
    /// Places in the pool that nobody uses.
    unused: Vec<usize>,
    names: HashMap<String, Named>,
    programs: HashMap<u64, Loaded>,
    arrived: HashMap<u64, HostTensor>,
}

/// Runs plans on the CPU in `T`.
pub struct Cpu<T: CpuReal> {
    store: Arc<Mutex<Store<T>>>,
}

impl<T: CpuReal> Kept for Mutex<Store<T>> {
    fn free(&self, number: u64) {
        let mut store = self.lock().unwrap_or_else(PoisonError::into_inner);
        store.arrived.remove(&number);
        if let Some(program) = store.programs.remove(&number) {
            store.unload(program);
        }
    }
}

impl<T: CpuReal> Default for Cpu<T> {
    fn default() -> Self {
        let store = Store {
            pool: vec![],
            unused: vec![],
            names: HashMap::new(),
            programs: HashMap::new(),
            arrived: HashMap::new(),
        };
        Cpu { store: Arc::new(Mutex::new(store)) }
    }
}

impl<T: CpuReal> Cpu<T> {
    /// An executor with an empty store.
    pub fn new() -> Cpu<T> {
        Cpu::default()
    }

    fn store(&self) -> MutexGuard<'_, Store<T>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keeper(&self) -> Weak<dyn Kept> {
        let store: Arc<dyn Kept> = self.store.clone();
        Arc::downgrade(&store)
    }

    /// The elements of a fetched or persistent tensor, in full precision.
    pub fn values(&self, program: &Program, tensor: TensorId) -> Result<Vec<T>> {
        let store = self.store();
        let (buffer, place) = store.locate(program, tensor)?;
        Ok(buffer.real(place.range()).to_vec())
    }

    /// Writes a named float buffer in full precision (finite differences).
    pub fn write_values(&mut self, name: &str, values: &[T]) -> Result<()> {
        let mut store = self.store();
        let i = store.named(name)?;
        check_size(name, store.pool[i].len(), values.len())?;
        store.pool[i].parts().0.copy_from_slice(values);
        Ok(())
    }

    /// Fills every transient buffer of a program with NaN and huge integers, so
    /// that an op that reads what it never wrote is found out.
    pub fn poison(&mut self, program: &Program) {
        let mut store = self.store();
        let Store { pool, programs, .. } = &mut *store;
        let Some(p) = programs.get(&program.number()) else { return };
        for (b, &i) in p.plan.buffers.iter().zip(&p.buffers) {
            if b.name.is_none() {
                let (real, index) = pool[i].parts();
                real.fill(T::of(f64::NAN));
                index.fill(u32::MAX);
            }
        }
    }
}

impl<T: CpuReal> Store<T> {
    fn program(&self, program: &Program) -> Result<&Loaded> {
        self.programs.get(&program.number()).ok_or_else(|| program.unknown())
    }

    fn locate(&self, program: &Program, tensor: TensorId) -> Result<(&Buffer<T>, &Place)> {
        let p = self.program(program)?;
        let place = p.plan.places.get(tensor.index()).and_then(Option::as_ref).ok_or_else(|| not_computed(tensor))?;
        Ok((&self.pool[p.buffers[place.buffer]], place))
    }

    fn named(&self, name: &str) -> Result<usize> {
        self.names.get(name).map(|n| n.buffer).ok_or_else(|| no_buffer(name))
    }

    /// Puts a buffer into the pool.
    fn add(&mut self, buffer: Buffer<T>) -> usize {
        match self.unused.pop() {
            Some(i) => {
                self.pool[i] = buffer;
                i
            }
            None => {
                self.pool.push(buffer);
                self.pool.len() - 1
            }
        }
    }

    fn remove(&mut self, i: usize) {
        self.pool[i] = Buffer::default();
        self.unused.push(i);
    }

    fn load(&mut self, mut plan: Plan) -> Result<Loaded> {
        let held = |name: &Option<String>| name.as_ref().and_then(|n| self.names.get(n));
        for b in &plan.buffers {
            if let Some(named) = held(&b.name) {
                check_size(b.name.as_deref().unwrap_or_default(), self.pool[named.buffer].len(), b.elements)?;
            }
        }
        let new = plan.buffers.iter().filter(|b| held(&b.name).is_none());
        let new = new.filter(|b| Buffer::<T>::shared_with(b.dtype, b.elements, &b.init).is_none());
        let bytes = new.map(|b| b.elements.saturating_mul(size_of::<T>())).fold(0, usize::saturating_add);
        check_memory(bytes, &plan.graph)?;
        plan.graph.drop_inits();
        let mut buffers = vec![];
        for b in &mut plan.buffers {
            let init = std::mem::replace(&mut b.init, Init::Zeros);
            if let Some(named) = b.name.as_ref().and_then(|n| self.names.get_mut(n)) {
                named.users += 1;
                buffers.push(named.buffer);
                continue;
            }
            let buffer = self.add(Buffer::begun(b.dtype, b.elements, &init));
            buffers.push(buffer);
            if let Some(name) = &b.name {
                self.names.insert(name.clone(), Named { buffer, users: 1 });
            }
        }
        Ok(Loaded { plan, buffers })
    }

    /// Frees what only this program has needed.
    fn unload(&mut self, program: Loaded) {
        for (b, i) in program.plan.buffers.into_iter().zip(program.buffers) {
            let last = match &b.name {
                None => true,
                Some(name) => {
                    let users = self.names.get_mut(name).map(|named| {
                        named.users -= 1;
                        named.users
                    });
                    users == Some(0) && self.names.remove(name).is_some()
                }
            };
            if last {
                self.remove(i);
            }
        }
    }

    /// Computes all steps of a program, `times` over.
    fn run(&mut self, program: &Program, times: usize) -> Result<()> {
        let steps = self.program(program)?.plan.steps.len();
        let number = program.number();
        parallel::on_pool(|| (0..times).for_each(|_| (0..steps).for_each(|step| self.step(number, step))));
        Ok(())
    }

    /// Computes one step of a program.
    fn step(&mut self, program: u64, step: usize) {
        let p = &self.programs[&program];
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
                    DType::F32 | DType::F16 => View { real: b.real(place.range()), index: &[], spec: &place.spec },
                    DType::U32 => View { real: &[], index: b.index(place.range()), spec: &place.spec },
                }
            })
            .collect();
        let mut views: Vec<Option<ViewMut<T>>> = writes.iter().map(|_| None).collect();
        for (i, buffer) in &mut taken {
            let mut mine: Vec<usize> = (0..writes.len()).filter(|&w| p.buffers[writes[w].buffer] == *i).collect();
            mine.sort_by_key(|&w| writes[w].offset);
            let ranges: Vec<_> = mine.iter().map(|&w| writes[w].range()).collect();
            let (real, index) = buffer.parts();
            let (real, index) = (split(real, &ranges), split(index, &ranges));
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

/// Whether memory has room for the `bytes` of a program at once: a process that
/// runs out of it half way is ended without a word.
fn check_memory(bytes: usize, graph: &Graph) -> Result<()> {
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| {
        let largest = graph.largest().map(|t| format!("; its largest tensor is {t}")).unwrap_or_default();
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
    fn load(&mut self, plan: Plan) -> Result<Program> {
        let program = Program::new(self.keeper());
        let mut store = self.store();
        let loaded = store.load(plan)?;
        store.programs.insert(program.number(), loaded);
        drop(store);
        Ok(program)
    }

    fn run(&mut self, program: &Program, times: usize) -> Result<()> {
        self.store().run(program, times)
    }

    fn run_step(&mut self, program: &Program, step: usize) -> Result<()> {
        let mut store = self.store();
        store.program(program)?;
        let store = &mut *store;
        parallel::on_pool(|| store.step(program.number(), step));
        Ok(())
    }

    fn time(&mut self, program: &Program, runs: usize) -> Result<Timeline> {
        let begun = Instant::now();
        let now = || begun.elapsed().as_nanos() as f64;
        let mut store = self.store();
        let steps = store.program(program)?.plan.steps.len();
        let store = &mut *store;
        let runs = parallel::on_pool(|| {
            let mut one = || {
                let begin = now();
                let mut kernels = Vec::with_capacity(steps);
                for step in 0..steps {
                    let begin = now();
                    store.step(program.number(), step);
                    kernels.push(Span { begin, end: now() });
                }
                let nothing = Span { begin, end: begin };
                TimedRun { encode: nothing, submit: nothing, wait: Span { begin, end: now() }, kernels }
            };
            (0..runs).map(|_| one()).collect()
        });
        Ok(Timeline { clock: Clock::Host, runs, uncertainty: 0.0 })
    }

    fn time_host(&mut self, program: &Program, runs: usize) -> Result<Timeline> {
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

    fn fetch(&mut self, program: &Program, tensor: TensorId) -> Result<HostTensor> {
        let store = self.store();
        let (buffer, place) = store.locate(program, tensor)?;
        let shape = place.spec.shape.clone();
        Ok(match place.spec.dtype {
            DType::F32 | DType::F16 => {
                HostTensor::f32(shape, buffer.real(place.range()).iter().map(|x| x.to_f32()).collect())
            }
            DType::U32 => HostTensor::u32(shape, buffer.index(place.range()).to_vec()),
        })
    }

    fn holds(&self, name: &str) -> bool {
        self.store().names.contains_key(name)
    }

    fn bytes(&self) -> usize {
        self.store().pool.iter().map(Buffer::bytes).sum()
    }

    fn write(&mut self, name: &str, value: &HostTensor) -> Result<()> {
        let mut store = self.store();
        let i = store.named(name)?;
        check_size(name, store.pool[i].len(), value.shape.elements())?;
        match store.pool[i].fill(&value.data) {
            true => Ok(()),
            false => Err(Error::model(format!("buffer \"{name}\" holds numbers of another type"))),
        }
    }

    fn read(&mut self, name: &str) -> Result<HostTensor> {
        let store = self.store();
        Ok(store.pool[store.named(name)?].host())
    }

    fn request(&mut self, name: &str) -> Result<Ticket> {
        let value = self.read(name)?;
        let ticket = Ticket::new(self.keeper());
        self.store().arrived.insert(ticket.number(), value);
        Ok(ticket)
    }

    fn collect(&mut self, ticket: &Ticket) -> Result<Option<HostTensor>> {
        self.store().arrived.remove(&ticket.number()).map(Some).ok_or_else(|| ticket.unknown())
    }

    fn wait(&mut self) -> Result<()> {
        Ok(())
    }
}
