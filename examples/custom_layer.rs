//! A layer of one's own, with a trained parameter, known to TOML and to checkpoints by its
//! name: a gate for each feature, `gain * x * sigmoid(weight)`.
//!
//!     cargo run --release --example custom_layer

use std::sync::Arc;
use wgrad::nn::layers;
use wgrad::prelude::*;

#[derive(Debug)]
struct Gate {
    /// What an open gate multiplies by.
    gain: f64,
}

impl Gate {
    fn read(keys: &mut Keys) -> Result<Arc<dyn Layer>> {
        Ok(Arc::new(Gate { gain: keys.real("gain", 0.0, 100.0, Some(2.0))? }))
    }
}

impl Layer for Gate {
    fn kind(&self) -> &'static str {
        "Gate"
    }

    fn short(&self) -> &'static str {
        "gate"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let features = *cx.g.shape(inputs[0]).last().expect("samples have an axis");
        let weight = cx.param("weight", [features], Initializer::Zeros, (1, 1))?;
        let open = cx.g.sigmoid(weight)?;
        let gate = cx.g.affine(open, self.gain as f32, 0.0)?;
        cx.g.mul(inputs[0], gate)
    }

    fn causal(&self, _: &[&Shape]) -> Result<()> {
        Ok(()) // Each position is gated for itself.
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("gain".to_string(), self.gain.into())])
    }
}

fn main() -> Result<()> {
    layers::register("Gate", Gate::read)?;
    // Of eight features only the first tells the class.
    let noise = |i: usize| ((i * 7_919) % 1_000) as f32 / 500.0 - 1.0;
    let samples: Vec<f32> = (0..4_096).map(noise).collect();
    let labels = samples.chunks(8).map(|x| u32::from(x[0] > 0.0)).collect();
    let set = Dataset::of_classes("noise", &[8], samples, labels, &["no", "yes"])?;

    let model = Sequential::new().add(Gate { gain: 2.0 }).add(Dense::new(2));
    let mut trained = Trainer::new().model(model).data(set).epochs(30).lr(0.02).fit()?;
    println!("accuracy {:.3}", trained.figure("accuracy").unwrap_or_default());

    // What is saved names the layer; whoever opens it has registered it.
    let file = std::env::temp_dir().join("gate.safetensors");
    trained.save(&file)?;
    println!("{}", Predictor::open(&file)?.tensors(&[0.9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])?[0]);
    Ok(())
}
