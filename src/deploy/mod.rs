//! What is done with a trained model.

pub mod generate;
pub mod sample;
