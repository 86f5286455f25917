//! Training: settings, the session that holds model, plans and executor
//! together, the loop, and what a run leaves behind.

pub mod checkpoint;
mod early_stopping;
mod fit;
mod optimizer;
mod prepare;
mod progress;
mod resident;
mod schedule;
mod scores;
mod session;
mod settings;
mod step;
mod stream;

pub use early_stopping::{EarlyStopping, Verdict, Watched};
pub use fit::{Kept, Outcome, Start, fit, go_on};
pub use optimizer::Optimizer;
pub use prepare::{Prepared, Source};
pub use progress::{Epoch, Lines, Progress};
pub use schedule::Schedule;
pub use scores::Scores;
pub use session::{Scorer, Session};
pub use settings::{DataSettings, Settings, SplitBy, set};
