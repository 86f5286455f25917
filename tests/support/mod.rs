//! What the suites share: the device under test, running a case on an
//! executor, and the tolerance policy.

#![allow(dead_code, unused_imports, reason = "each suite uses its part")]

pub mod browser;
pub mod capabilities;
pub mod device;
pub mod golden_ops;
pub mod golden_optimisers;
pub mod lint;
pub mod probe;
pub mod run;
pub mod sequences;
pub mod training;
pub mod updates;

pub use wgrad::graph::tolerance;
