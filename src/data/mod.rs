//! Data sets: the built-in digits, IDX files as MNIST has them, CIFAR-10 in its
//! binary form, single pictures, NumPy's arrays, and tables of text. Images
//! arrive as bytes, `[N, channels, height, width]`, with labels; [`open`] finds
//! out what a source is. Knows nothing of models or devices.

mod bytes;
mod cifar;
pub mod dataset;
pub mod digits;
mod glyphs;
pub mod idx;
mod images;
pub mod npy;
pub mod picture;
mod source;
pub mod table;

pub use cifar::read_cifar10;
pub use dataset::{Dataset, Samples, Split, Targets};
pub use digits::digits;
pub use images::{ImageSet, Images};
pub use source::{open, open_test};
