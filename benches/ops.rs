//! Ops at the sizes of real models: time, GFLOP/s and GB/s of each node of
//! forward and backward pass.
//!
//!     cargo bench --bench ops -- [FILTER] [cpu|ADAPTER]

use std::sync::Arc;
use std::time::Instant;
use wgrad::cpu::Cpu;
use wgrad::gpu::{Checks, Gpu, GpuExecutor, adapters};
use wgrad::graph::{Case, Fill, Graph, Init, Seed, TensorId, gradient};
use wgrad::ops::attention::{Attention, AttentionInputs};
use wgrad::ops::augment_images::Augmentation;
use wgrad::ops::conv2d::Conv2d;
use wgrad::ops::mix_batch::MixBatch;
use wgrad::ops::unary::Function;
use wgrad::plan::{Executor, Options, Plan, Target};
use wgrad::tensor::{DType, Spec};

fn main() -> wgrad::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let filter = args.first().cloned().unwrap_or_default();
    let device = args.get(1).cloned().unwrap_or_else(|| "cpu".into());
    let (mut executor, target): (Box<dyn Executor>, Target) = if device == "cpu" {
        (Box::new(Cpu::<f32>::new()), Target::Cpu)
    } else {
        let named = |a: &wgrad::gpu::Adapter| a.name.to_lowercase().contains(&device.to_lowercase());
        let adapter = adapters().into_iter().find(named).expect("an adapter of that name");
        let gpu = Arc::new(Gpu::open(&adapter, Checks::Off)?);
        let target = Target::Gpu(gpu.caps.clone());
        (Box::new(GpuExecutor::new(gpu)), target)
    };
    for case in cases().into_iter().filter(|c| c.name.contains(&filter)) {
        bench(&mut *executor, &target, &case)?;
    }
    Ok(())
}

fn bench(e: &mut dyn Executor, target: &Target, case: &Case) -> wgrad::Result<()> {
    let mut g = Graph::new();
    let name = |what: &str, i: usize| format!("{}.{what}{i}", case.name);
    let inputs: Vec<TensorId> = case
        .inputs
        .iter()
        .enumerate()
        .map(|(i, (spec, fill))| {
            g.persistent(&name("x", i), spec.clone(), Init::Data(fill.draw(spec, i as u32).into()))
        })
        .collect();
    let outputs = (case.build)(&mut g, &inputs)?;
    let mut fetch = outputs.clone();
    if case.gradient {
        let spec = g.spec(outputs[0]).clone();
        let floats: Vec<TensorId> = inputs.iter().copied().filter(|&t| g.spec(t).dtype == DType::F32).collect();
        let seed = g.persistent(&name("seed", 0), spec.clone(), Init::Data(Fill::Normal(1.0).draw(&spec, 9).into()));
        fetch.extend(gradient(&mut g, &[Seed { tensor: outputs[0], gradient: seed }], &floats)?);
    }
    let plan = Plan::with(&g, &fetch, target.clone(), &Options { fuse: false, ..Options::default() })?;
    let program = e.load(plan.clone())?;
    e.run(&program, 1)?;
    e.wait()?;
    println!("{}", case.name);
    for (i, step) in plan.steps.iter().enumerate() {
        let mut times = vec![];
        for _ in 0..9 {
            let begun = Instant::now();
            e.run_step(&program, i)?;
            times.push(begun.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let node = &plan.graph.nodes()[step.node];
        let cost = node.op.cost(&plan.lower_context(node));
        let t = times[times.len() / 2];
        let (flops, bytes) = (cost.flops as f64 / t / 1e9, cost.bytes as f64 / t / 1e9);
        println!("  {:9.3} ms {flops:8.2} GFLOP/s {bytes:7.2} GB/s  {}", 1e3 * t, node.label());
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    let f = |shape: &[usize]| (Spec::f32(shape), Fill::Normal(1.0));
    let matmul = |name: &str, m: usize, n: usize, k: usize| {
        Case::new(format!("matmul/{name}"), vec![f(&[m, k]), f(&[n, k]), f(&[n])], |g, x| {
            Ok(vec![g.matmul_t(x[0], x[1], Some(x[2]))?])
        })
    };
    let conv = |name: &str, x: [usize; 4], o: usize, k: usize, op: Conv2d| {
        Case::new(format!("conv2d/{name}"), vec![f(&x), f(&[o, x[1], k, k]), f(&[o])], move |g, x| {
            Ok(vec![g.conv2d(x[0], x[1], Some(x[2]), op)?])
        })
    };
    let same = Conv2d { padding: [[1, 1]; 2], ..Conv2d::default() };
    let mut cases = vec![
        matmul("keras_cnn_dense1", 128, 128, 5408),
        matmul("keras_cnn_dense2", 128, 10, 128),
        matmul("512", 512, 512, 512),
        Case::new("matmul/512_nn", vec![f(&[512, 512]), f(&[512, 512])], |g, x| Ok(vec![g.matmul(x[0], x[1])?])),
        matmul("1024", 1024, 1024, 1024),
        conv("keras_cnn", [128, 1, 28, 28], 32, 3, Conv2d::default()),
        conv("resnet8_16", [128, 16, 32, 32], 16, 3, same),
        conv("resnet8_64", [128, 64, 8, 8], 64, 3, same),
        Case::new("unary/relu", vec![f(&[128, 32, 26, 26])], |g, x| Ok(vec![g.relu(x[0])?])),
        Case::new("max_pool2d/keras_cnn", vec![f(&[128, 32, 26, 26])], |g, x| {
            Ok(vec![g.max_pool2d(x[0], wgrad::ops::max_pool2d::MaxPool2d::new([2, 2]))?])
        }),
    ];
    cases.extend(attention());
    cases.extend(elementwise());
    cases.extend(batches());
    cases
}

/// A character model's attention, its q, k and v apart and packed, and a longer
/// one.
fn attention() -> Vec<Case> {
    let causal = Attention { causal: true, ..Attention::default() };
    let f = |shape: &[usize]| (Spec::f32(shape), Fill::Normal(1.0));
    let apart = |name: &str, shape: [usize; 4]| {
        Case::new(format!("attention/{name}"), vec![f(&shape), f(&shape), f(&shape)], move |g, x| {
            Ok(vec![g.attention(x[0], x[1], x[2], causal, AttentionInputs::default())?])
        })
    };
    let packed = |name: &str, b: usize, heads: usize, t: usize, d: usize| {
        Case::new(format!("attention/{name}"), vec![f(&[b, t, 3 * heads * d])], move |g, x| {
            Ok(vec![g.attention_packed(x[0], [heads; 2], causal, AttentionInputs::default())?])
        })
    };
    // What the packed form saves: the same, by slices and permutations.
    let split = Case::new("attention/char_gpt_split", vec![f(&[16, 64, 384])], move |g, x| {
        let qkv = g.reshape(x[0], [16, 64, 3, 4, 32])?;
        let qkv = g.permute(qkv, &[2, 0, 3, 1, 4])?;
        let mut part = |i| {
            let part = g.slice(qkv, 0, i, i + 1, 1)?;
            g.reshape(part, [16, 4, 64, 32])
        };
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let o = g.attention(q, k, v, causal, AttentionInputs::default())?;
        let o = g.permute(o, &[0, 2, 1, 3])?;
        Ok(vec![g.reshape(o, [16, 64, 128])?])
    });
    let plain = Case::new("attention/char_gpt_plain", vec![f(&[16, 4, 64, 32]); 3], move |g, x| {
        Ok(vec![g.attention_plain(x[0], x[1], x[2], causal, AttentionInputs::default())?])
    });
    vec![
        apart("char_gpt", [16, 4, 64, 32]),
        packed("char_gpt_packed", 16, 4, 64, 32),
        split,
        plain,
        apart("1024", [1, 4, 1024, 64]),
    ]
}

/// What decides a step of a small transformer besides its products.
fn elementwise() -> Vec<Case> {
    let x = || vec![(Spec::f32([1024, 512]), Fill::Normal(1.0))];
    let unary = |name: &str, f: Function| {
        Case::new(format!("elementwise/{name}"), x(), move |g, x| Ok(vec![g.unary(f, x[0])?]))
    };
    let row = || vec![(Spec::f32([512]), Fill::Normal(1.0))];
    let embedding = |name: &str, table: [usize; 2], n: usize| {
        let inputs = vec![(Spec::f32(table), Fill::Normal(1.0)), (Spec::u32([n]), Fill::Below(table[0] as u32))];
        Case::new(format!("embedding/{name}"), inputs, |g, x| Ok(vec![g.embedding(x[0], x[1], None)?]))
    };
    vec![
        unary("gelu", Function::Gelu),
        unary("gelu_tanh", Function::GeluTanh),
        unary("tanh", Function::Tanh),
        unary("sigmoid", Function::Sigmoid),
        unary("silu", Function::Silu),
        Case::new("elementwise/softmax", x(), |g, x| Ok(vec![g.softmax(x[0], 1)?])),
        Case::new("elementwise/layer_norm", [x(), row(), row()].concat(), |g, x| {
            Ok(vec![g.layer_norm(x[0], Some(x[1]), Some(x[2]), 1e-5)?])
        }),
        embedding("characters", [65, 512], 16_384),
        embedding("words", [50_257, 768], 4096),
        Case::new("rotary/heads", vec![(Spec::f32([16, 8, 256, 64]), Fill::Normal(1.0))], |g, x| {
            Ok(vec![g.rotary(x[0], 10_000.0, false, None)?])
        }),
    ]
}

/// A batch of MNIST's and CIFAR-10's shapes, gathered and changed.
fn batches() -> Vec<Case> {
    let n = 1000;
    let inputs = |image: [usize; 3]| {
        vec![
            (Spec::u32([n * image.iter().product::<usize>() / 4]), Fill::Below(u32::MAX)),
            (Spec::u32([128]), Fill::Below(n as u32)),
            (Spec::u32([4]), Fill::Indices(vec![3, 0, 0, 1])),
            (Spec::f32([image[0]]), Fill::Uniform(0.01, 0.02)),
            (Spec::f32([image[0]]), Fill::Normal(0.5)),
        ]
    };
    let none = Augmentation::default();
    let flip_crop = Augmentation { flip_horizontal: 0.5, crop_padding: 4, ..none };
    let affine = Augmentation { rotation: 10.0, scale: [0.9, 1.1], shift: [0.1; 2], ..none };
    let elastic = Augmentation { elastic_alpha: 2.0, ..affine };
    let colour = Augmentation { brightness: 0.2, contrast: 0.2, ..flip_crop };
    let noise = Augmentation { noise: 0.05, ..none };
    let erase = Augmentation { erase: 0.5, ..none };
    let all = Augmentation { brightness: 0.2, contrast: 0.2, noise: 0.05, erase: 0.5, ..elastic };
    let kinds = [
        ("flip_crop", flip_crop),
        ("affine", affine),
        ("elastic", elastic),
        ("colour", colour),
        ("noise", noise),
        ("erase", erase),
        ("all", all),
    ];
    let mut cases = vec![];
    for (data, image) in [("mnist", [1, 28, 28]), ("cifar", [3, 32, 32])] {
        let gather = Case::new(format!("gather_images/{data}"), inputs(image), move |g, x| {
            Ok(vec![g.gather_images(x[0], x[1], x[3], x[4], n, image)?])
        });
        cases.push(gather.no_gradient());
        for (kind, how) in kinds {
            let case = Case::new(format!("augment_images/{data}_{kind}"), inputs(image), move |g, x| {
                Ok(vec![g.augment_images(x[0], x[1], x[2], x[3], x[4], n, image, how)?])
            });
            cases.push(case.no_gradient());
        }
        let batch = vec![
            (Spec::f32([128, image[0], image[1], image[2]]), Fill::Normal(1.0)),
            (Spec::u32([128]), Fill::Below(10)),
            (Spec::u32([1]), Fill::Indices(vec![128])),
            (Spec::u32([4]), Fill::Indices(vec![3, 0, 0, 1])),
        ];
        for (kind, mixup, cutmix) in [("mixup", 0.2, 0.0), ("cutmix", 0.0, 1.0)] {
            let how = MixBatch { mixup, cutmix, probability: 1.0, each: false };
            let case = Case::new(format!("mix_batch/{data}_{kind}"), batch.clone(), move |g, x| {
                let (y, targets) = g.mix_batch(x[0], x[1], x[2], x[3], 10, how)?;
                Ok(vec![y, targets])
            });
            cases.push(case.no_gradient());
        }
    }
    cases
}
