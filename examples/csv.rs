//! Trains on a table with gaps and words, and answers for new rows by name.
//!
//!     cargo run --release --example csv

use wgrad::prelude::*;

fn main() -> Result<()> {
    // Flats with their prices: size and district decide, and a few sizes are missing.
    let mut table = String::from("size,district,price\n");
    for i in 0..400 {
        let (size, district) = (30 + (i * 37) % 90, ["north", "south", "centre"][i % 3]);
        let price = size * [2_000, 2_500, 4_000][i % 3] + (i * 7_919) % 10_000;
        let size = if i % 25 == 0 { String::new() } else { size.to_string() };
        table += &format!("{size},{district},{price}\n");
    }
    let file = std::env::temp_dir().join("flats.csv");
    std::fs::write(&file, table).map_err(|e| Error::io("writing the table", e))?;

    let trained = Trainer::new().data(file.as_path()).target("price").epochs(60).fit()?;
    println!("R2 on held-out rows: {:.3}", trained.figure("r2").unwrap_or_default());

    let mut predictor = trained.into_predictor()?;
    let flats = [[("size", "80"), ("district", "centre")], [("size", "80"), ("district", "north")]];
    for (flat, answer) in flats.iter().zip(predictor.rows(flats)?) {
        println!("{flat:?}: {}", answer.map_or("cannot be used".into(), |a| a.to_string()));
    }
    Ok(())
}
