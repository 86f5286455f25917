//! What the fuzz targets share: how a process begins, where inputs lie as files, what a training
//! and a trained model do with a file of data, and small runs.

mod begin;
pub mod learn;
mod place;
pub mod runs;
pub mod server;

pub use begin::begin;
pub use place::Place;
