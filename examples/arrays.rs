//! Trains on arrays in memory: two classes of points that a line cannot tell apart.
//!
//!     cargo run --release --example arrays

use wgrad::prelude::*;

fn main() -> Result<()> {
    // Points on two rings, one inside the other.
    let ring = |i: usize| {
        let (angle, radius) = (0.1 * i as f32, 1.0 + (i % 2) as f32);
        [radius * angle.cos(), radius * angle.sin()]
    };
    let samples: Vec<f32> = (0..512).flat_map(ring).collect();
    let labels = (0..512).map(|i| i % 2).collect();
    let rings = Dataset::of_classes("rings", &[2], samples, labels, &["inner", "outer"])?;

    let model = Sequential::new()
        .add(Dense::new(32).activation("relu"))
        .add(Dense::new(32).activation("relu"))
        .add(Dense::new(2));
    let mut trained = Trainer::new().model(model).data(rings).epochs(20).lr(0.01).fit()?;
    for epoch in trained.history() {
        println!("{epoch}");
    }
    println!("accuracy on held-out points: {:.3}", trained.figure("accuracy").unwrap_or_default());

    let file = std::env::temp_dir().join("rings.safetensors");
    trained.save(&file)?;
    let mut predictor = Predictor::open(&file)?;
    for (point, answer) in [[0.9, 0.1], [0.0, -2.1]].iter().zip(predictor.tensors(&[0.9, 0.1, 0.0, -2.1])?) {
        println!("{point:?}: {answer}");
    }
    Ok(())
}
