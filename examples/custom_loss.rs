//! A loss of one's own, made of graph methods: log cosh, which is squared near zero and
//! linear far away.
//!
//!     cargo run --release --example custom_loss

use wgrad::prelude::*;

/// `log cosh d = |d| + softplus(-2 |d|) - log 2` for each sample.
fn log_cosh(g: &mut Graph, outputs: TensorId, targets: TensorId) -> Result<TensorId> {
    let distance = g.sub(outputs, targets)?;
    let size = g.abs(distance)?;
    let doubled = g.affine(size, -2.0, 0.0)?;
    let tail = g.softplus(doubled)?;
    let sum = g.add(size, tail)?;
    let each = g.affine(sum, 1.0, -std::f32::consts::LN_2)?;
    g.mean(each, &[1], false)
}

fn main() -> Result<()> {
    register_loss("log_cosh", log_cosh)?;
    // A line with a few wild values, which a squared error would follow.
    let samples: Vec<f32> = (0..400).map(|i| i as f32 / 200.0 - 1.0).collect();
    let wild = |i: usize| if i % 40 == 7 { 30.0 } else { 0.0 };
    let values = samples.iter().enumerate().map(|(i, x)| 3.0 * x + 1.0 + wild(i)).collect();
    let line = Dataset::of_values("a line", &[1], samples, values, &["y"])?;

    for loss in ["mse", "log_cosh"] {
        let model = Sequential::new().add(Dense::new(1));
        let trained = Trainer::new().model(model).data(line.clone()).loss(loss).epochs(60).lr(0.05).fit()?;
        let answer = trained.into_predictor()?.tensors(&[0.5])?[0].values()[0];
        println!("{loss}: y(0.5) = {answer:.2}, without the wild values it is 2.5");
    }
    Ok(())
}
