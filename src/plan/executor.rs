//! What an executor offers. `crate::gpu` and `crate::cpu` implement it; whoever
//! trains, evaluates or predicts need not know which one runs.

use super::{Plan, Timeline};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::tensor::HostTensor;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// A program loaded into an executor. What only this program needs (transient
/// buffers, bind groups) is freed when the last clone of the handle is dropped; a
/// named buffer is freed with the last program that names it.
#[derive(Clone)]
#[must_use = "a program is unloaded when its handle is dropped"]
pub struct Program(Arc<Handle>);

/// A readback under way. Dropping it cancels the readback.
#[must_use = "a readback is cancelled when its ticket is dropped"]
pub struct Ticket(Handle);

/// What an executor keeps for the holders of handles, by number. Numbers are unique
/// in the process, so the handle of one executor is unknown to every other.
pub(crate) trait Kept: Send + Sync {
    /// Frees what is kept under a number.
    fn free(&self, number: u64);
}

struct Handle {
    number: u64,
    keeper: Weak<dyn Kept>,
}

impl Handle {
    fn new(keeper: Weak<dyn Kept>) -> Handle {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Handle { number: NEXT.fetch_add(1, Ordering::Relaxed), keeper }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // An executor that is gone has freed everything.
        if let Some(keeper) = self.keeper.upgrade() {
            keeper.free(self.number);
        }
    }
}

impl Program {
    pub(crate) fn new(keeper: Weak<dyn Kept>) -> Program {
        Program(Arc::new(Handle::new(keeper)))
    }

    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// The error of an executor that does not know this program.
    pub(crate) fn unknown(&self) -> Error {
        Error::model("this program was loaded into another executor; load its plan into this one")
    }
}

impl Ticket {
    pub(crate) fn new(keeper: Weak<dyn Kept>) -> Ticket {
        Ticket(Handle::new(keeper))
    }

    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// The error of an executor that does not know this ticket.
    pub(crate) fn unknown(&self) -> Error {
        Error::model("this readback was collected already, or was requested from another executor")
    }
}

/// Runs plans over a store of named buffers that its programs share.
pub trait Executor: Send {
    /// Makes everything a plan needs: pipelines, bind groups, buffers. Named
    /// buffers that the store already holds keep their content. The initial values of
    /// the others are dropped once they are in place.
    fn load(&mut self, plan: Plan) -> Result<Program>;

    /// Runs a program `times` over. Does not wait for a GPU to finish.
    fn run(&mut self, program: &Program, times: usize) -> Result<()>;

    /// Runs one step of a program alone and waits for it: for measuring, and
    /// for comparing executors step by step.
    fn run_step(&mut self, program: &Program, step: usize) -> Result<()>;

    /// Runs a program `runs` times over, waits for each, and says when every
    /// dispatch of a GPU, or every step on the CPU, began and ended.
    fn time(&mut self, program: &Program, runs: usize) -> Result<Timeline>;

    /// [`Executor::time`] as training runs it, with no timers in between: only
    /// what the host does, and no kernels.
    fn time_host(&mut self, program: &Program, runs: usize) -> Result<Timeline>;

    /// Reads a fetched or persistent tensor of a program. Waits.
    fn fetch(&mut self, program: &Program, tensor: TensorId) -> Result<HostTensor>;

    /// Whether the store holds a buffer of this name.
    fn holds(&self, name: &str) -> bool;

    /// Bytes of all buffers of the store and of the programs: what is loaded takes
    /// this much memory of the device.
    fn bytes(&self) -> usize;

    /// Writes a named buffer; the element count must be the buffer's.
    fn write(&mut self, name: &str, value: &HostTensor) -> Result<()>;

    /// Reads a whole named buffer, as a flat tensor. Waits.
    fn read(&mut self, name: &str) -> Result<HostTensor>;

    /// Starts to read a named buffer as it is after the steps run so far,
    /// without waiting.
    fn request(&mut self, name: &str) -> Result<Ticket>;

    /// The content asked for, once it has arrived; `None` before.
    ///
    /// Fails for a ticket that was collected already, or is another executor's.
    fn collect(&mut self, ticket: &Ticket) -> Result<Option<HostTensor>>;

    /// Waits until everything that was run has finished.
    fn wait(&mut self) -> Result<()>;
}

/// Why an executor's `program` is not what it knows.
pub(crate) fn not_computed(tensor: TensorId) -> Error {
    Error::model(format!("tensor {tensor:?} is not computed by this program"))
}

/// Why a name has no buffer.
pub(crate) fn no_buffer(name: &str) -> Error {
    Error::model(format!("no program uses a buffer named \"{name}\""))
}

/// A named buffer must have the size that is asked of it.
pub(crate) fn check_size(name: &str, held: usize, asked: usize) -> Result<()> {
    if held == asked {
        return Ok(());
    }
    Err(Error::model(format!("buffer \"{name}\" holds {held} elements; {asked} were expected")))
}
