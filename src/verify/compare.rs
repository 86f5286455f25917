//! How far an op's result may be from the judge's, and where it is farthest.
//!
//! A result `g` agrees with the judge's `c` when
//!
//! ```text
//! |g - c| <= t (|c| + rms(c)) + noise,    t = (8 + extra) eps sqrt(k)
//! ```
//!
//! as `graph::tolerance` says of the ops' cases. Here `k` follows from the op's cost and its
//! shapes, and `extra` is the largest that a case of the op declares. Where that does not
//! do, because a result cancels to nearly nothing (the gradient of a bias in front of a
//! normalisation), `noise` counts: what the judge's own result moves by when its inputs
//! move by an epsilon of f32, the median over the tensor, times `(8 + extra) sqrt(k)`.

use super::Numbers;
use crate::graph::Node;
use crate::graph::tolerance;
use crate::kernel::Variant;
use crate::ops;
use crate::plan::{Plan, Step, eligible};
use crate::tensor::Spec;
use std::collections::HashMap;
use std::sync::LazyLock;

/// An op of no case: what exp, division and a few more may cost.
const EXTRA: f64 = 32.0;

/// Rounding to f16.
const HALF: f64 = 1.0 / 2048.0;

/// What the cases of each op allow its functions, in units in the last place.
static EXTRAS: LazyLock<HashMap<String, f64>> = LazyLock::new(|| {
    let mut found = HashMap::new();
    for case in ops::cases() {
        let room = case.name.split('/').next().unwrap_or_default().to_string();
        let most = found.entry(room).or_insert(0.0f64);
        *most = most.max(case.extra.map_or(0.0, |(ulps, _)| ulps));
    }
    found
});

/// What an op is allowed.
pub(super) struct Allowed {
    name: String,
    reduction: usize,
    extra: f64,
    /// Its factors are rounded to f16.
    half: bool,
}

impl Allowed {
    pub fn of(plan: &Plan, node: &Node, step: &Step) -> Allowed {
        let cx = plan.lower_context(node);
        let written = if cx.outputs.is_empty() { &cx.updates } else { &cx.outputs };
        let out: usize = written.iter().map(Spec::elements).sum::<usize>().max(1);
        let most = cx.inputs.iter().map(Spec::elements).max().unwrap_or(1);
        let terms = node.op.cost(&cx).flops as usize / (2 * out);
        // A flat buffer is no sum; a row of a matrix may be one.
        let rows = cx.inputs.iter().chain(&cx.outputs).filter(|s| s.shape.rank() > 1);
        let row = rows.flat_map(|s| s.shape.to_vec()).max().unwrap_or(1);
        let elementwise = node.op.pointwise().is_some() && node.op.followers().is_empty();
        let row = if elementwise { 1 } else { row };
        // The room of an op, or of those that are fused: the first word of each.
        let names = node.label();
        let parts = names.split(" @ ").next().unwrap_or_default().split(" + ");
        let extra = |name: &str| {
            let room = EXTRAS.iter().filter(|(room, _)| name.starts_with(room.as_str()));
            room.max_by_key(|(room, _)| room.len()).map_or(EXTRA, |(_, extra)| *extra)
        };
        let half = |v: &Variant| v.name == step.variant && v.half;
        Allowed {
            name: names.clone(),
            reduction: terms.max(most / out).max(row).max(1),
            extra: parts.map(extra).sum(),
            half: eligible(&*node.op, &cx).iter().any(half),
        }
    }

    /// The tolerance relative to a value and its tensor's size; `half`: the result is kept
    /// in f16.
    pub fn relative(&self, half: bool) -> f64 {
        let sum = tolerance::relative_within(&self.name, self.reduction, self.extra);
        sum + f64::from(u8::from(half)) * HALF + f64::from(u8::from(self.half)) * 8.0 * HALF
    }

    /// How much larger an op's error may be than what its inputs' last bit makes.
    pub fn growth(&self) -> f64 {
        (8.0 + self.extra) * (self.reduction as f64).sqrt()
    }
}

/// Where a result is farthest from the judge's.
pub(super) struct Worst {
    /// The error as a share of what is allowed.
    pub share: f64,
    pub element: usize,
    /// What is allowed there, relative to the value and its tensor's size.
    pub tolerance: f64,
}

pub(super) fn worst(found: &Numbers, judge: &Numbers, relative: f64, noise: Option<f64>) -> Worst {
    if let Some(element) = found.index.iter().zip(&judge.index).position(|(a, b)| a != b) {
        return Worst { share: f64::INFINITY, element, tolerance: 0.0 };
    }
    let finite = judge.real.iter().filter(|v| v.is_finite());
    let (n, squares) = finite.fold((0usize, 0.0), |(n, sum), v| (n + 1, sum + v * v));
    let rms = (squares / n.max(1) as f64).sqrt();
    let mut worst = Worst { share: 0.0, element: 0, tolerance: relative };
    for (element, (&g, &c)) in found.real.iter().zip(&judge.real).enumerate() {
        // What overflows f32 is infinite there.
        let c = if c.abs() > f64::from(f32::MAX) { f64::INFINITY.copysign(c) } else { c };
        if g == c || g.is_nan() && c.is_nan() {
            continue;
        }
        let size = (c.abs() + rms).max(f64::MIN_POSITIVE);
        let tolerance = if c.is_finite() { relative + noise.unwrap_or(0.0) / size } else { relative };
        let share = (g - c).abs() / size / tolerance;
        // A NaN on one side only is never within any tolerance.
        let share = if share.is_nan() { f64::INFINITY } else { share };
        if share > worst.share {
            worst = Worst { share, element, tolerance };
        }
    }
    worst
}

/// The median of the differences that are not zero; 0 where there are none.
pub(super) fn median_difference(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<f64> = a.iter().zip(b).map(|(a, b)| (a - b).abs()).filter(|d| *d > 0.0 && d.is_finite()).collect();
    let middle = all.len() / 2;
    if all.is_empty() { 0.0 } else { *all.select_nth_unstable_by(middle, f64::total_cmp).1 }
}
