//! Training: settings, the session that holds model, plans and executor
//! together, the loop, and what a run leaves behind.

pub mod checkpoint;
mod class_weights;
mod fit;
mod groups;
mod loss;
mod optimizer;
mod regularize;
mod schedule;
mod session;
mod settings;
mod step;
mod update;

pub use class_weights::{ClassWeights, Resolved};
pub use fit::{Epoch, Lines, Outcome, Progress, fit};
pub use groups::{Group, Groups, Rule};
pub use loss::{Loss, LossName};
pub use optimizer::Optimizer;
pub use regularize::Regularize;
pub use schedule::{Mode, Plateau, PlateauRule, Rates, Schedule, Shape, Warmup};
pub use session::{Scores, Session};
pub use settings::{Settings, set};
pub use update::{EMA, LR_FACTOR, UpdateSettings, Updated, update};
