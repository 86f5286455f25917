//! Fingerprints of the weights by step: lines of `metrics.jsonl` by which two runs are compared.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The fingerprint of the weights after a step: a line of its own, which has a `fingerprint`. Equal
/// bits have equal fingerprints on every device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Steps since the run began.
    pub step: u64,
    /// Of all trained weights: 16 hexadecimal digits.
    pub fingerprint: String,
    /// Of each tensor by name, in the model's order.
    #[serde(default)]
    pub tensors: Map<String, Value>,
}
