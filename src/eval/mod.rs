//! Evaluation: metrics of predictions, and what is made of them for people:
//! plots, reports, TensorBoard's event files, advice. Reads and writes the
//! files of a run's folder; knows nothing of models or devices.

pub mod advice;
mod dropping;
mod fingerprint;
pub mod forecast;
pub mod history;
pub(crate) mod html;
pub mod live;
mod lost;
pub mod metrics;
pub mod plot;
mod point;
pub mod report;
pub mod run;
pub mod tensorboard;

pub use crate::data::Task;
pub use advice::advise;
pub use dropping::advise as advise_dropout;
pub use fingerprint::Fingerprint;
pub use forecast::Forecast;
pub use history::{EpochRecord, EpochScores, History};
pub use live::Live;
pub use lost::LostDevice;
pub use metrics::{Classification, Language, Metrics, Regression};
pub use point::Point;
pub use run::{Evaluation, Mistake, RunFiles, RunInfo, State};
