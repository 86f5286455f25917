//! What an executor offers. `crate::gpu` and `crate::cpu` implement it; whoever
//! trains, evaluates or predicts need not know which one runs.

use super::{Plan, Timeline};
use crate::error::Result;
use crate::graph::TensorId;
use crate::tensor::HostTensor;

/// A program loaded into an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProgramId(pub usize);

/// A readback under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// Runs plans over a store of named buffers that its programs share.
pub trait Executor {
    /// Makes everything a plan needs: pipelines, bind groups, buffers. Named
    /// buffers that the store already holds keep their content.
    fn load(&mut self, plan: Plan) -> Result<ProgramId>;

    /// Runs a program `times` over. Does not wait for a GPU to finish.
    fn run(&mut self, program: ProgramId, times: usize) -> Result<()>;

    /// Runs one step of a program alone and waits for it: for measuring, and
    /// for comparing executors step by step.
    fn run_step(&mut self, program: ProgramId, step: usize) -> Result<()>;

    /// Runs a program `runs` times over, waits for each, and says when every
    /// dispatch of a GPU, or every step on the CPU, began and ended.
    fn time(&mut self, program: ProgramId, runs: usize) -> Result<Timeline>;

    /// [`Executor::time`] as training runs it, with no timers in between: only
    /// what the host does, and no kernels.
    fn time_host(&mut self, program: ProgramId, runs: usize) -> Result<Timeline>;

    /// Reads a fetched or persistent tensor of a program. Waits.
    fn fetch(&mut self, program: ProgramId, tensor: TensorId) -> Result<HostTensor>;

    /// Whether the store holds a buffer of this name.
    fn holds(&self, name: &str) -> bool;

    /// Writes a named buffer; the element count must be the buffer's.
    fn write(&mut self, name: &str, value: &HostTensor) -> Result<()>;

    /// Reads a whole named buffer, as a flat tensor. Waits.
    fn read(&mut self, name: &str) -> Result<HostTensor>;

    /// Starts to read a named buffer as it is after the steps run so far,
    /// without waiting.
    fn request(&mut self, name: &str) -> Result<Ticket>;

    /// The content asked for, once it has arrived.
    fn collect(&mut self, ticket: Ticket) -> Result<Option<HostTensor>>;

    /// Waits until everything that was run has finished.
    fn wait(&mut self) -> Result<()>;
}
