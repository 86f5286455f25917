//! The server: what it answers in each protocol, what it does with hostile requests, and how
//! it begins, reloads and ends.

mod client;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "../support/device.rs"]
mod device;
mod hostile;
mod life;
mod make;
mod protocols;
