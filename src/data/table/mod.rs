//! Tables: from a raw CSV or TSV file, or records of JSON, to a [`Dataset`](super::Dataset).
//!
//! [`Table::open`] reads the file as text, [`infer`](infer::infer) finds out
//! what each column holds, [`Fitted::fit`] learns from the training rows how to
//! turn cells into numbers, and [`Fitted::apply`] does it to any rows. What was
//! learned is plain data and can be stored beside a model. [`TableAudit`] looks
//! at a table for people.

pub mod apply;
pub(super) mod arff;
#[cfg(feature = "arrow")]
pub(super) mod arrow;
pub mod audit;
mod body;
pub(super) mod cells;
mod choices;
pub mod clean;
mod columns;
mod comments;
pub(super) mod container;
mod cut;
pub(super) mod date;
mod describe;
mod encoding;
mod fit;
mod fitted;
mod histogram;
pub mod in_time;
pub mod infer;
mod issue;
pub(super) mod json;
mod kind;
pub mod large;
mod layout;
mod leakage;
mod leaks;
mod left_out;
mod lesson;
mod lines;
pub(super) mod marks;
pub mod missing;
pub(super) mod names;
mod nearly;
mod normalize;
pub(super) mod number;
pub mod options;
pub(super) mod prose;
mod quotes;
mod read;
mod relation;
mod restyle;
mod rewritten;
mod row;
mod rows;
mod scales;
mod scan;
mod show;
mod slots;
mod sniff;
mod span;
mod stop_words;
pub mod subjects;
mod summary;
#[allow(clippy::module_inception)]
mod table;
mod target;
mod text;
pub mod twins;
pub(super) mod values;
mod worth;

pub use apply::{Applied, Features};
pub use audit::TableAudit;
pub use cells::Cells;
pub use clean::{Cleaning, Rules};
pub use columns::{Encoder, FittedColumn, Gap};
pub use date::Part;
pub use fitted::Fitted;
pub use histogram::Histogram;
pub use issue::{CellNote, Dropped, Issue};
pub use kind::Kind;
pub use large::LargeTable;
pub use layout::{Header, Layout, ReadOptions};
pub use leakage::{Leakage, leakage};
pub use leaks::{By, Leak, leaks};
pub use missing::Kept;
pub use nearly::Nearly;
pub use normalize::Normalize;
pub use number::{Bound, Clock, Decimal, FileMark, Format, Likely, Rescale};
pub use options::{TableOptions, Task};
pub use relation::Relation;
pub(super) use restyle::TRUTH;
pub(super) use rewritten::{Learned, Marks, rewritten};
pub use slots::Slots;
pub use span::Span;
pub use summary::Summary;
pub use table::{Column, Table};
pub(super) use target::centre;
pub use target::{FittedTarget, Goal};
pub use text::TextRule;
