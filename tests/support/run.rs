//! Running a case on an executor.

use wgrad::error::Result;
use wgrad::graph::{Case, TensorId};
use wgrad::plan::{Options, Plan, Precision, Target};
use wgrad::tensor::DType;

pub use wgrad::graph::{Built, input_name};
pub use wgrad::plan::{all_variants, options_for};
pub use wgrad::verify::case::fetch_all;

/// Builds forward and, if the case has one, backward pass.
pub fn build(case: &Case) -> Result<Built> {
    case.built()
}

/// The named tensors of a case: its inputs and the cotangents of its outputs.
pub fn given(built: &Built) -> Vec<TensorId> {
    let seed = |i: usize| built.graph.find(&format!("seed{i}")).expect("it was made");
    built.inputs.iter().copied().chain(built.seeds.iter().map(|(i, _)| seed(*i))).collect()
}

/// Plans that keep in halves every tensor that ops bear so.
pub fn in_halves(built: &Built, fuse: bool) -> Options {
    let halves = given(built).into_iter().chain(built.fetches()).collect();
    Options { fuse, precision: Precision::F16, halves, ..Options::default() }
}

/// Whether a case keeps any tensor in halves, is small enough to be run again, and
/// has inputs that a half can hold.
pub fn suits_halves(case: &Case) -> bool {
    let Ok(built) = build(case) else { return true };
    let elements: usize = case.inputs.iter().map(|(s, _)| s.elements()).sum();
    let fits = |x: &f32| x.is_finite() && x.abs() <= 1e3;
    let of_floats = case.inputs.iter().zip(&built.values).filter(|((spec, _), _)| spec.dtype == DType::F32);
    if elements > 100_000 || !of_floats.into_iter().all(|(_, v)| v.draw().as_f32().iter().all(fits)) {
        return false;
    }
    let plan = Plan::with(&built.graph, &built.fetches(), Target::Cpu, &in_halves(&built, false));
    plan.map_or(true, |p| built.fetches().iter().any(|&t| p.graph.spec(t).dtype == DType::F16))
}
