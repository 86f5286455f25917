//! Which variant of an op runs: what was chosen for it, if the device can run
//! that, else what suits the kind of device.
//!
//! A variant may add up in another order than its neighbour. So choices are
//! part of what makes a run repeatable: they are given to the planner, never
//! made by it.

use crate::graph::{Lower, Op};
use crate::kernel::Variant;
use crate::tensor::Spec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Variants by what they were chosen for (see [`key`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Choices(pub BTreeMap<String, String>);

impl Choices {
    /// The variant that computes an op: the one chosen if it is among the
    /// `eligible`, else the usual one; `""` where there is only one way.
    pub fn of(&self, op: &dyn Op, cx: &Lower) -> &'static str {
        let eligible = eligible(op, cx);
        let Some(usual) = Variant::usual(&eligible, cx.caps.class) else { return "" };
        if self.0.is_empty() {
            return usual.name;
        }
        let chosen = self.0.get(&key(op, cx));
        eligible.iter().find(|v| chosen.is_some_and(|c| c == v.name)).unwrap_or(&usual).name
    }
}

/// The op's variants that the device can run and computes rightly, in the op's order.
pub fn eligible(op: &dyn Op, cx: &Lower) -> Vec<Variant> {
    let right = |v: &Variant| cx.caps.refused.variant(op.name(), v.name).is_none();
    op.variants(cx).into_iter().filter(|v| v.fits(&cx.caps) && right(v)).collect()
}

/// Whether a device computes an op wrongly in every way that there is: the CPU does it.
pub(super) fn is_refused(op: &dyn Op, cx: &Lower) -> bool {
    let refused = &cx.caps.refused;
    if refused.is_empty() {
        return false;
    }
    let whole = refused.op(op.name(), || format!("{op:?}")).is_some();
    whole || eligible(op, cx).is_empty() && op.variants(cx).iter().any(|v| v.fits(&cx.caps))
}

/// What a choice is for: the op with its attributes, and the shapes of its
/// tensors.
pub fn key(op: &dyn Op, cx: &Lower) -> String {
    let list = |specs: &[Spec]| specs.iter().map(|s| s.shape.to_string()).collect::<Vec<_>>().join(" ");
    format!("{op:?}: {} -> {}", list(&cx.inputs), list(&cx.outputs))
}
