//! Meganeura's steps per second at those workloads of wgrad's benches that it
//! can express.
//!
//!     cargo run --release -- MODEL [BATCH] [--json] [--limit SECONDS]
//!
//! MODEL is mlp or keras-cnn. Its gradient of max pooling is that of average
//! pooling, so keras-cnn does a little less work than it should. It has no
//! recurrence, and its attention knows one sequence, not a batch of them.

#[path = "../../timing.rs"]
mod timing;
#[path = "../../watchdog.rs"]
mod watchdog;

use meganeura::nn::Linear;
use meganeura::{Graph, NodeId, SessionConfig};

fn main() {
    let args = watchdog::Args::read();
    let batch = args.batch;
    let mut g = Graph::new();
    let pixels = g.input("pixels", &[batch * 784]);
    let labels = g.input("labels", &[batch, 10]);
    let logits = match args.model.as_str() {
        "mlp" => {
            let x = g.reshape(pixels, &[batch, 784]);
            dense(&mut g, x, 784)
        }
        "keras-cnn" => keras_cnn(&mut g, pixels, batch),
        other => panic!("{other} is no workload: mlp, keras-cnn"),
    };
    let loss = g.cross_entropy_loss(logits, labels);
    g.set_outputs(vec![loss]);
    let mut session = meganeura::build(&g, SessionConfig::from_env()).0;
    let parameters: Vec<String> = session.param_names().into_iter().map(String::from).collect();
    for name in parameters {
        let n = session.param_size(&name).expect("it is one of them");
        session.set_parameter(&name, &noise(n, 0.05));
    }
    session.set_input("pixels", &noise(batch * 784, 1.0));
    let one_hot = (0..batch * 10).map(|i| f32::from(u8::from(i % 10 == i / 10 % 10))).collect::<Vec<_>>();
    session.set_input("labels", &one_hot);
    session.set_adam(1e-3, 0.9, 0.999, 1e-8);
    let device = session.device_information().device_name.clone();
    args.measure("Meganeura", "0.3.0", &device, |n| {
        for _ in 0..n {
            session.step();
        }
        session.wait();
        Ok(())
    });
    let loss = session.read_loss();
    assert!(loss.is_finite(), "the loss is {loss}");
}

/// Scores of ten classes through 128 hidden units.
fn dense(g: &mut Graph, x: NodeId, width: usize) -> NodeId {
    let h = Linear::new(g, "dense1", width, 128).forward(g, x);
    let h = g.relu(h);
    Linear::new(g, "dense2", 128, 10).forward(g, h)
}

fn keras_cnn(g: &mut Graph, pixels: NodeId, batch: usize) -> NodeId {
    let (weight, bias) = (g.parameter("conv1.weight", &[32 * 9]), g.parameter("conv1.bias", &[32]));
    let n = batch as u32;
    let h = g.conv2d(pixels, weight, n, 1, 28, 28, 32, 3, 3, 1, 0);
    let h = g.add_per_channel(h, bias, 32, 26 * 26);
    let h = g.relu(h);
    let h = g.max_pool_2d(h, n, 32, 26, 26, 2, 2, 2, 0);
    let h = g.reshape(h, &[batch, 5408]);
    dense(g, h, 5408)
}

/// Numbers around zero, in no order.
fn noise(n: usize, scale: f32) -> Vec<f32> {
    (0..n).map(|i| scale * ((i as f32 + 1.0) * 3.883_22).sin()).collect()
}
