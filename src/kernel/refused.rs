//! Kernels that a device was found to compute wrongly.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refusal {
    /// The op: its name, or with its attributes where those are another function each.
    pub op: String,
    /// The op's variant; empty where there is only one way to compute it.
    pub variant: String,
    /// What was found.
    pub why: String,
}

/// What a device is not asked to compute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused(Arc<[Refusal]>);

impl Refused {
    /// Of a list.
    pub fn of(mut all: Vec<Refusal>) -> Refused {
        all.sort();
        all.dedup_by(|b, a| (&a.op, &a.variant) == (&b.op, &b.variant));
        Refused(all.into())
    }

    /// All of them.
    pub fn all(&self) -> &[Refusal] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Why a variant of the op of this name is refused, if it is.
    pub fn variant(&self, op: &str, variant: &str) -> Option<&Refusal> {
        self.0.iter().find(|r| r.op == op && r.variant == variant && !variant.is_empty())
    }

    /// Why an op is refused as a whole, if it is; `text` is the op with its attributes, and
    /// with what is fused behind it.
    pub fn op(&self, op: &str, text: impl FnOnce() -> String) -> Option<&Refusal> {
        let mut whole = self.0.iter().filter(|r| r.variant.is_empty()).peekable();
        whole.peek()?;
        let text = text();
        whole.find(|r| r.op == op || r.op.contains(' ') && text.contains(&r.op))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_op_is_refused_by_name_by_variant_and_by_what_it_does() {
        let refusal = |op: &str, variant: &str| Refusal { op: op.into(), variant: variant.into(), why: "wrong".into() };
        let refused = Refused::of(vec![
            refusal("matmul", "rows"),
            refusal("softmax", ""),
            refusal("Unary { function: Tan }", ""),
        ]);
        assert!(refused.variant("matmul", "rows").is_some() && refused.variant("matmul", "blocks").is_none());
        assert!(refused.variant("softmax", "").is_none() && refused.op("softmax", String::new).is_some());
        assert!(refused.op("matmul", || "MatMul".into()).is_none());
        let fused = |function: &str| format!("Fused {{ host: Conv, tail: [Unary {{ function: {function} }}] }}");
        assert!(refused.op("conv2d", || fused("Tan")).is_some() && refused.op("conv2d", || fused("Tanh")).is_none());
        assert!(Refused::default().op("softmax", || unreachable!("nobody asks for the text")).is_none());
    }
}
