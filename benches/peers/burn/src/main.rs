//! Burn's steps per second at the workloads of wgrad's benches, on wgpu with
//! WGSL, kernel fusion and autotuning.
//!
//!     cargo run --release -- MODEL [BATCH] [--json] [--limit SECONDS]
//!
//! MODEL is keras-cnn, lstm, char-gpt, resnet8 or mlp, or matmul, BATCH then
//! being the side of the two square matrices. `CUBECL_WGPU_DEFAULT_DEVICE`
//! chooses another adapter than the fastest.

mod models;
#[path = "../../timing.rs"]
mod timing;
#[path = "../../watchdog.rs"]
mod watchdog;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::Distribution;

fn main() {
    let args = watchdog::Args::read();
    let (device, setup) = Device::wgpu_options().init_with_setup().expect("an adapter");
    let adapter = setup.adapter.get_info().name;
    let device = device.autodiff();
    let batch = args.batch;
    match args.model.as_str() {
        "matmul" => {
            let device = device.inner();
            let random = || Tensor::<2>::random([batch, batch], Distribution::Default, &device);
            let (a, b) = (random(), random());
            let product = |n| {
                for _ in 0..n {
                    std::hint::black_box(a.clone().matmul(b.clone()));
                }
                device.sync().map_err(|e| format!("{e:?}"))
            };
            args.measure("Burn", "0.22.1", &adapter, product);
        }
        "keras-cnn" => {
            let x = Tensor::random([batch, 1, 28, 28], Distribution::Default, &device);
            train(&args, &adapter, &device, models::KerasCnn::new(&device), 10, |m| m.forward(x.clone()));
        }
        "mlp" => {
            let x = Tensor::random([batch, 784], Distribution::Default, &device);
            train(&args, &adapter, &device, models::Mlp::new(&device), 10, |m| m.forward(x.clone()));
        }
        "lstm" => {
            let x = Tensor::random([batch, 28, 28], Distribution::Default, &device);
            train(&args, &adapter, &device, models::Rows::new(&device), 10, |m| m.forward(x.clone()));
        }
        "resnet8" => {
            let x = Tensor::random([batch, 3, 32, 32], Distribution::Default, &device);
            train(&args, &adapter, &device, models::ResNet8::new(&device), 10, |m| m.forward(x.clone()));
        }
        "char-gpt" => {
            let n = batch * models::CONTEXT;
            let x = classes(n, models::VOCABULARY, &device).reshape([batch, models::CONTEXT]);
            let gpt = models::Gpt::new(&device);
            train(&args, &adapter, &device, gpt, models::VOCABULARY, |m| m.forward(x.clone()));
        }
        other => panic!("{other} is no workload: keras-cnn, lstm, char-gpt, resnet8, mlp, matmul"),
    }
}

/// Integers below `classes`, in no order.
fn classes(n: usize, classes: usize, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = (0..n).map(|i| ((i * 7919 + 13) % 10_007 % classes) as i32).collect();
    Tensor::from_ints(values.as_slice(), device)
}

/// Steps of training with AdamW, one after the other.
fn train<M: Module + Clone>(
    args: &watchdog::Args,
    adapter: &str,
    device: &Device,
    model: M,
    kinds: usize,
    forward: impl Fn(&M) -> Tensor<2>,
) {
    let [rows, _] = forward(&model).dims();
    let targets = classes(rows, kinds, device);
    let loss = CrossEntropyLossConfig::new().init(device);
    let mut optimizer = AdamWConfig::new().init();
    let mut model = Some(model);
    args.measure("Burn", "0.22.1", adapter, |n| {
        for _ in 0..n {
            let now = model.take().expect("put back below");
            let gradients = loss.forward(forward(&now), targets.clone()).backward();
            let gradients = GradientsParams::from_grads(gradients, &now);
            model = Some(optimizer.step(1e-3, now, gradients));
        }
        device.sync().map_err(|e| format!("{e:?}"))
    });
}
