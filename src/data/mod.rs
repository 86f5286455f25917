//! Data sets: the built-in digits, IDX files as MNIST has them, CIFAR-10 and
//! CIFAR-100 in their binary form, folders of pictures, single pictures, NumPy's
//! arrays, tables, and text. Images arrive as bytes, `[N, channels, height,
//! width]`, with labels; [`open`] finds out what a source is, and [`audit`] what
//! is wrong with it. Knows nothing of models or devices.

pub mod alike;
pub mod audit;
mod bytes;
mod cifar;
pub mod dataset;
pub mod digits;
mod drawn;
pub mod findings;
pub mod fingerprint;
mod folder;
mod glyphs;
mod group_names;
pub mod grouping;
pub mod html;
pub mod idx;
mod image_files;
mod images;
mod interface;
mod jpeg;
mod labels;
mod levels;
mod made;
mod moments;
mod no_samples;
mod normal;
pub mod npy;
mod options;
mod origin;
pub mod picture;
pub mod positive;
mod progress;
mod raw_images;
mod recognise;
mod samples;
mod scan;
pub mod series;
pub mod sheet;
mod source;
mod split;
mod split_names;
mod store;
pub mod table;
pub mod text;
mod value_scale;

pub use cifar::read_cifar;
pub use dataset::{Dataset, Targets};
pub use digits::digits;
pub use drawn::Sampled;
pub use folder::{FolderReport, Origins, SizeCount, Unreadable};
pub use grouping::{GroupBy, RowGroups};
pub use images::{ImageSet, Images};
pub use interface::{Input, Interface, TargetScale, Task};
pub use labels::{IGNORED, Labels};
pub use levels::Levels;
pub use normal::Normal;
pub use options::{Filter, OpenOptions};
pub use origin::{Origin, Place};
pub use positive::Positive;
pub use progress::OnProgress;
pub use recognise::{BUILT_IN, Recognised, SourceKind, is_built_in, kind, recognise, settled};
pub use samples::{Elements, ReadSamples, Reader, Samples};
pub use source::{Opened, OpenedOnDisk, open, open_test, open_test_with, open_with};
pub use split::Split;
pub use store::{Store, Stored};
pub use table::TableOptions;
pub use value_scale::ValueScale;
