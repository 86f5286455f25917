//! Running a case on an executor.

use wgrad::error::Result;
use wgrad::graph::{Case, TensorId};
use wgrad::plan::Executor;
use wgrad::tensor::HostTensor;

pub use wgrad::graph::{Built, input_name};
pub use wgrad::plan::{all_variants, options_for};

/// Builds forward and, if the case has one, backward pass.
pub fn build(case: &Case) -> Result<Built> {
    case.built()
}

/// Fetches tensors after a run.
pub fn fetch_all(e: &mut dyn Executor, program: wgrad::plan::ProgramId, ids: &[TensorId]) -> Result<Vec<HostTensor>> {
    ids.iter().map(|&t| e.fetch(program, t)).collect()
}
