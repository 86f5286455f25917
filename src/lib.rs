//! Trains neural networks on any Vulkan, Metal or DX12 GPU with compute
//! shaders written by hand in WGSL.
//!
//! A [`Trainer`](run::trainer::Trainer) takes a model (a preset, TOML, or layers in code)
//! and data (a path, or arrays in memory), and gives a trained and scored one; a
//! [`Predictor`](run::predictor::Predictor) answers for new samples, from memory or from a
//! run's folder:
//!
//! ```
//! use wgrad::prelude::*;
//!
//! # fn main() -> wgrad::Result<()> {
//! # let folder = std::env::temp_dir().join(format!("wgrad-quick-start-{}", std::process::id()));
//! let model = Sequential::new()
//!     .add(Flatten)
//!     .add(Dense::new(32).activation("relu"))
//!     .add(Dense::new(10));
//! let trained = Trainer::new()
//!     .model(model)
//!     .data("builtin:digits") // or a folder of pictures, a table, arrays, a text
//!     .epochs(1)
//!     .settings(|s| s.early_stopping.patience = Some(3))
//!     .device("cpu") // or "auto", or a part of a GPU's name
//!     .out(&folder)
//!     .fit()?;
//! println!("accuracy {:?}", trained.figure("accuracy"));
//!
//! let mut predictor = Predictor::open(&folder)?;
//! let answers = predictor.pixels(&[0; 28 * 28])?;
//! println!("{}", answers[0]); // "7 93.1%"
//! # std::fs::remove_dir_all(folder).map_err(|e| Error::io("removing the run", e))
//! # }
//! ```
//!
//! Layers and losses of your own: [`nn::layers::register`], [`train::register_loss`].
//! Whoever watches a run is an [`Observer`](run::observer::Observer).
//!
//! Values flow one way: `cli -> run -> train -> nn -> graph -> plan -> gpu | cpu`.
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
pub mod doctor;
pub mod error;
pub mod eval;
pub mod files;
pub mod gpu;
pub mod graph;
pub mod kernel;
pub mod keys;
pub mod nn;
pub mod onnx;
pub mod ops;
pub mod plan;
pub mod prelude;
pub mod profile;
pub mod ranks;
pub mod run;
#[cfg(feature = "serve")]
pub mod serve;
pub mod tensor;
pub mod terminal;
pub mod train;
pub mod tuning;
pub mod verify;

pub use error::{Context, Error, Result};
