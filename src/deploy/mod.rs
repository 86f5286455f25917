//! What is done with a trained model.

pub mod generate;
pub mod look;
pub mod sample;
pub mod web;
