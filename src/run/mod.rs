//! The workflow: from a source of data and a configuration to a trained, scored and saved
//! model, and back from a run's folder to a model that answers. Knows neither the command
//! line nor a terminal: whoever watches is an [`observer::Observer`].

pub mod answer;
mod batch;
mod callbacks;
pub mod config;
pub mod diff;
pub mod ensemble;
pub mod folder;
pub mod folds;
pub mod forecast;
pub mod info;
pub mod inputs;
pub mod job;
pub mod kinds;
mod language_samples;
pub mod lr_find;
mod mistakes;
pub mod observer;
mod one_of_many;
pub mod predictor;
pub mod request;
pub mod same_data;
pub mod score;
pub mod search;
pub mod together;
pub mod train;
pub mod trainer;
pub mod tuning;
mod watch;
