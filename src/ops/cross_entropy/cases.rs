//! The case table of cross-entropy.

use super::CrossEntropy;
use crate::graph::{Case, Fill, Graph, Seed, TensorId, gradient};
use crate::tensor::{HostTensor, Spec};
use std::sync::Arc;

/// The class that weighs nothing where classes have weights.
const WEIGHTLESS: u32 = 6;

/// A case on logits `[.., C]` with class numbers or probabilities, and up to
/// that many valid rows.
fn case(name: &str, shape: &[usize], target: Fill, valid: Option<u32>, options: CrossEntropy, weighted: bool) -> Case {
    let (classes, rows) = (shape[shape.len() - 1], shape[..shape.len() - 1].iter().product::<usize>());
    let spec = match target {
        Fill::Below(_) | Fill::Indices(_) => Spec::u32(&shape[..shape.len() - 1]),
        _ => Spec::f32(shape),
    };
    let mut inputs = vec![(Spec::f32(shape), Fill::Normal(2.0)), (spec, target)];
    inputs.extend(valid.map(|n| (Spec::u32([1]), Fill::Indices(vec![n]))));
    let build = move |g: &mut Graph, x: &[TensorId]| {
        // Constants, because weights have no gradient to check.
        let weight = |c: usize| if c as u32 == WEIGHTLESS { 0.0 } else { 0.25 + (c * 7 % 5) as f32 * 0.5 };
        let weights: Vec<f32> = (0..classes).map(weight).collect();
        let class_weights = weighted.then(|| g.constant(HostTensor::f32([classes], weights)));
        Ok(vec![g.cross_entropy(x[0], x[1], x.get(2).copied(), CrossEntropy { class_weights, ..options })?])
    };
    let extra = "WGSL allows exp 3 + 2|x| ulp and log 2^-21 near 1";
    Case::new(format!("cross_entropy/{name}"), inputs, build)
        .reduction(rows.min(64).max(classes.min(1031)))
        .extra(32.0, extra)
}

/// Hard and soft targets, each option alone and all together, rows on both
/// sides of every kernel's sizes, and the grids that overflow.
pub fn cases() -> Vec<Case> {
    let plain = CrossEntropy::default();
    let smooth = CrossEntropy { label_smoothing: 0.1, ..plain };
    let ignore = CrossEntropy { ignore_index: Some(2), ..plain };
    let both = CrossEntropy { label_smoothing: 0.2, ..ignore };
    let below = |n: usize| Fill::Below(n as u32);
    let soft = || Fill::Uniform(0.0, 1.0);
    let mut cases = vec![];
    for shape in [[1, 1], [1, 10], [128, 10], [17, 31], [257, 32], [5, 33], [3, 64], [7, 257], [2, 1031], [1001, 12]] {
        let name = format!("{}x{}", shape[0], shape[1]);
        cases.push(case(&name, &shape, below(shape[1]), None, plain, false));
    }
    for (size, shape) in [("short", [13, 7]), ("long", [9, 68])] {
        let named = |what: &str| format!("{what}_{size}");
        let classes = below(shape[1]);
        cases.push(case(&named("weights"), &shape, classes.clone(), None, plain, true));
        cases.push(case(&named("smoothing"), &shape, classes.clone(), None, smooth, false));
        cases.push(case(&named("ignore"), &shape, below(4), None, ignore, false));
        cases.push(case(&named("rows"), &shape, classes.clone(), Some(5), plain, false));
        cases.push(case(&named("all"), &shape, below(5), Some(8), both, true));
        cases.push(case(&named("soft"), &shape, soft(), None, plain, false));
        cases.push(case(&named("soft_all"), &shape, soft(), Some(6), smooth, true));
        cases.push(case(&named("no_row"), &shape, classes.clone(), Some(0), smooth, true));
        cases.push(case(&named("more_rows_than_there_are"), &shape, classes, Some(u32::MAX), plain, false));
        // A class that does not exist, and nothing but ignored rows.
        let mut wrong = vec![0; shape[0]];
        wrong[3] = shape[1] as u32;
        wrong[4] = u32::MAX;
        for (what, options) in [("wrong_class", plain), ("wrong_class_smooth", smooth)] {
            cases.push(with_gradient(case(&named(what), &shape, Fill::Indices(wrong.clone()), None, options, true)));
        }
        cases.push(case(&named("masked_wrong_class"), &shape, Fill::Indices(wrong), Some(3), plain, false));
        let ignored = Fill::Indices(vec![2; shape[0]]);
        cases.push(with_gradient(case(&named("all_ignored"), &shape, ignored, None, both, false)));
        let weightless = Fill::Indices(vec![WEIGHTLESS; shape[0]]);
        for (what, options) in [("no_weight", plain), ("no_weight_smooth", smooth)] {
            cases.push(with_gradient(case(&named(what), &shape, weightless.clone(), None, options, true)));
        }
    }
    cases.push(case("sequence", &[3, 5, 7], below(7), Some(2), both, true));
    cases.push(case("sequence_soft", &[3, 2, 40], soft(), Some(1), smooth, true));
    cases.push(case("no_axis", &[11], Fill::Indices(vec![4]), None, smooth, false));
    let mut far = case("far_out", &[2, 4], Fill::Indices(vec![1, 3]), None, plain, false);
    far.inputs[0].1 = Fill::Values(vec![1e4, 1e4 - 3.0, -1e4, 0.0, -9e4, -9e4, -9e4 - 2.0, -9e4 + 1.0]);
    cases.push(with_gradient(far));
    let mut infinite = case("minus_infinity", &[2, 3], Fill::Indices(vec![1, 2]), None, plain, false);
    infinite.inputs[0].1 = Fill::Values(vec![f32::NEG_INFINITY, 1.0, 2.0, 0.0, 0.5, f32::NEG_INFINITY]);
    cases.push(with_gradient(infinite));
    cases.push(case("many_rows", &[100_003, 2], below(2), None, plain, false).no_gradient());
    cases.push(with_gradient(case("vocabulary", &[3, 70_003], below(70_003), None, smooth, false)));
    cases.push(case("grid_overflow", &[65_536 * 64 + 1, 2], below(2), None, plain, false).no_gradient());
    cases.push(case("group_overflow", &[65_537, 33], below(33), None, plain, false).no_gradient());
    cases
}

/// Compares the gradient as an output, where no finite difference can be taken:
/// the nudge would be lost, or as large as the distances between the logits.
fn with_gradient(case: Case) -> Case {
    let inner = case.build.clone();
    let build = move |g: &mut Graph, x: &[TensorId]| {
        let loss = inner(g, x)?[0];
        let one = g.constant(HostTensor::f32([], vec![1.0]));
        let d = gradient(g, &[Seed { tensor: loss, gradient: one }], &[x[0]])?;
        Ok(vec![loss, d[0]])
    };
    Case { build: Arc::new(build), ..case }.no_gradient()
}
