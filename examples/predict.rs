//! Answers with a trained run: for pictures, or for the rows of a table.
//!
//!     cargo run --release --example predict -- RUN FILE..
//!
//! Without arguments a small run on the built-in digits is trained first.

use wgrad::prelude::*;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [run, files @ ..] = &args[..] else { return digits() };
    let mut predictor = Predictor::open(run)?;
    for file in files {
        if file.ends_with(".csv") {
            let text = std::fs::read_to_string(file).map_err(|e| Error::io(format!("reading {file}"), e))?;
            for (i, answer) in predictor.csv(&text)?.iter().enumerate() {
                let answer = answer.as_ref().map_or("cannot be used".into(), Answer::to_string);
                println!("{file}, row {}: {answer}", i + 1);
            }
        } else {
            println!("{file}: {}", predictor.pictures(&[file])?[0]);
        }
        predictor.notes().iter().for_each(|note| println!("note: {note}"));
    }
    Ok(())
}

/// Trains on the digits, keeps the run, and answers for some that it has not seen.
fn digits() -> Result<()> {
    let run = std::env::temp_dir().join("wgrad-digits");
    Trainer::new().model("mlp").data("builtin:digits").epochs(2).out(&run).fit()?;
    let mut predictor = Predictor::open(&run)?;
    let test = wgrad::data::open_test("builtin:digits", 1)?;
    for i in 0..5 {
        let answer = &predictor.pixels(test.image(i))?[0];
        println!("a {}: {:?}", test.classes[test.labels[i] as usize], answer.top(3));
    }
    Ok(())
}
