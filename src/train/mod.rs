//! Training: settings, the session that holds model, plans and executor
//! together, the loop, and what a run leaves behind.

pub mod augment;
pub mod checkpoint;
mod class_weights;
mod curve;
mod early_stopping;
mod fit;
pub mod gradcheck;
mod groups;
mod loss;
mod optimizer;
mod planned;
mod predict;
mod prepare;
mod progress;
mod recipes;
mod regularize;
mod resident;
mod row_groups;
mod schedule;
mod scores;
mod session;
mod settings;
mod step;
mod stream;
pub mod text;
mod update;
mod usual;

pub use augment::{Augment, preview};
pub use class_weights::{ClassWeights, Resolved};
pub use early_stopping::{EarlyStopping, Verdict, Watched};
pub use fit::{EARLY_STOPPING, Kept, MAX_STEPS, Outcome, Start, check_monitors, fit, go_on};
pub use groups::{Group, Groups, Rule};
pub use loss::{Loss, LossName};
pub use optimizer::Optimizer;
pub use planned::made_up;
pub use prepare::{Folds, Prepared, Source, model_for};
pub use progress::{Epoch, Lines, Progress};
pub use recipes::{RECIPES, recipe, recipe_names};
pub use regularize::Regularize;
pub use schedule::{Mode, Plateau, PlateauRule, Rates, Schedule, Shape, Warmup};
pub use scores::Scores;
pub use session::{Scorer, Session};
pub use settings::{DataSettings, Settings, SplitBy, set};
pub use update::{EMA, LOSS_SCALE, LOSS_SCALE_COUNTS, LR_FACTOR, UpdateSettings, Updated, update};
pub use usual::usual_batch;
