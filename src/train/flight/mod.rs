//! The flight recorder: what the device notes of steps whose numbers are not finite
//! (`ops::guard`), what is done about them, and a file from which such a step runs again
//! on the judge, which names the first tensor that is not finite.

pub(super) mod record;
pub mod replay;
pub(super) mod settings;
pub(super) mod walk;

pub use replay::Replay;
pub use settings::{FlightSettings, OnNan};
pub use walk::{Culprit, Pass, Replayed};
