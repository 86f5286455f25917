//! Softmax of bfloat16, whose three digits leave no room for a difference: rounded after each
//! step, sums from first to last, as ONNX's own evaluator computes it. A row without any finite
//! element gives zeros.

use crate::onnx::element::Elem;

/// Softmax along the middle axis of `[outer, n, inner]`.
pub fn softmax(all: &mut [f64], n: usize, inner: usize) {
    let round = |v: f64| Elem::BFloat16.round(v, false);
    for outer in all.chunks_mut(n * inner) {
        for i in 0..inner {
            let at = |k: usize| k * inner + i;
            let most = (0..n).map(|k| outer[at(k)]).fold(f64::NEG_INFINITY, f64::max);
            let most = if most.is_finite() { most } else { 0.0 };
            (0..n).for_each(|k| outer[at(k)] = round(round(outer[at(k)] - most).exp()));
            let sum = (0..n).fold(0.0, |sum, k| round(sum + outer[at(k)]));
            (0..n).for_each(|k| outer[at(k)] = round(outer[at(k)] / if sum == 0.0 { 1.0 } else { sum }));
        }
    }
}
