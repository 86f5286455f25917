//! The server: what it answers in each protocol, what it does with hostile requests, and how
//! it begins, reloads and ends.

mod client;
mod hostile;
mod life;
mod make;
mod protocols;
