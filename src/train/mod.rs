//! Training: settings, the session that holds model, plans and executor
//! together, the loop, and what a run leaves behind.

pub mod augment;
pub mod checkpoint;
mod fit;
mod optimizer;
mod schedule;
mod session;
mod settings;
mod step;

pub use augment::Augment;
pub use fit::{Epoch, Lines, Outcome, Progress, fit};
pub use optimizer::Optimizer;
pub use schedule::Schedule;
pub use session::{Scores, Session};
pub use settings::{Settings, set};
