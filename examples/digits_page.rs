//! Makes a web page of a network that reads digits and can be trained further in the browser:
//!
//! cargo run --release --example digits_page
//!
//! Open `digits.html` in a browser with WebGPU, draw a digit, then teach it your own hand.

use std::path::Path;
use wgrad::Result;
use wgrad::deploy::web;
use wgrad::onnx::export::{Format, Options};
use wgrad::prelude::{Predictor, Trainer};

fn main() -> Result<()> {
    let run = Path::new("digits-run");
    if !run.exists() {
        Trainer::new().model("keras-cnn").data("builtin:digits").out(run).fit()?;
    }
    let options = Options { web: web::Options { train: true, half: false }, ..Options::default() };
    let files = Predictor::open(run)?.export(Format::Web, Path::new("digits.html"), &options)?;
    files.iter().for_each(|file| println!("{}", file.display()));
    Ok(())
}
