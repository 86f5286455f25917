//! Trains neural networks on any Vulkan, Metal or DX12 GPU with compute
//! shaders written by hand in WGSL.
//!
//! Values flow one way: `cli -> train -> nn -> graph -> plan -> gpu | cpu`.
//! `ARCHITECTURE.md` is the map.

/// Prints a line on stderr, in place of the standard macro of this name: that
/// one panics where nobody reads any more, as in `wgrad train 2>&1 | head`, and a
/// training should go on. What would steer the terminal is escaped.
macro_rules! eprintln {
    ($($line:tt)*) => {{
        use std::io::Write;
        let line = format!($($line)*);
        let _ = writeln!(std::io::stderr(), "{}", $crate::terminal::one_line(&line));
    }};
}

pub mod cli;
pub mod cpu;
pub mod data;
pub mod deploy;
pub mod device;
pub mod error;
pub mod eval;
pub mod files;
pub mod gpu;
pub mod graph;
pub mod kernel;
pub mod keys;
pub mod nn;
pub mod ops;
pub mod plan;
pub mod profile;
pub mod run;
pub mod tensor;
pub mod terminal;
pub mod train;
pub mod tuning;

pub use error::{Context, Error, Result};
