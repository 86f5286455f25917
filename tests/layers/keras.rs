//! Layers beside Keras: `assets/goldens/layers.json`, as `make_layers.py` writes it.

use libtest_mimic::Failed;
use serde::Deserialize;
use wgrad::cpu::Cpu;
use wgrad::graph::Graph;
use wgrad::nn::{Description, Mode, Model, Weights};
use wgrad::plan::{Executor, Plan, Target};
use wgrad::tensor::{HostTensor, Spec};

#[derive(Deserialize)]
struct Golden {
    layer: String,
    input: Vec<usize>,
    parameters: Vec<(String, Vec<usize>)>,
    shape: Vec<usize>,
    values: Vec<f64>,
}

/// Tensor `number` as the script draws it.
fn drawn(shape: &[usize], number: usize, size: f64) -> HostTensor {
    let n: usize = shape.iter().product();
    let value = |i: usize| (size * (0.7 * i as f64 + number as f64 + 1.0).sin()) as f32;
    HostTensor::f32(shape, (0..n).map(value).collect())
}

pub fn values_are_those_of_keras() -> Result<(), Failed> {
    let all: Vec<Golden> = serde_json::from_str(include_str!("../../assets/goldens/layers.json"))?;
    let mut wrong = vec![];
    for golden in all {
        let text = format!("[[layer]]\nname = \"it\"\n{}\n", golden.layer);
        let model = Model::new(Description::parse(&text)?, Some(golden.input[1..].into()), None)?;
        let mut weights = Weights::new(0);
        for (i, (name, shape)) in golden.parameters.iter().enumerate() {
            weights.set(format!("it.{name}"), drawn(shape, i + 1, 1.0));
        }
        let mut g = Graph::new();
        let x = g.input("x", Spec::f32(golden.input.clone()));
        let output = model.build(&mut g, x, Mode::Eval, &mut weights)?.output;
        let mut cpu = Cpu::<f32>::new();
        let program = cpu.load(Plan::build(&g, &[output], Target::Cpu)?)?;
        let size = if golden.layer.contains("\"Activation\"") { 8.0 } else { 1.0 };
        cpu.write("x", &drawn(&golden.input, 0, size))?;
        cpu.run(&program, 1)?;
        let found = cpu.fetch(&program, output)?;
        let far = found.as_f32().iter().zip(&golden.values).map(|(a, b)| (f64::from(*a) - b).abs() / (1.0 + b.abs()));
        let far = far.fold(0.0, f64::max);
        if found.shape.to_vec() != golden.shape || far.is_nan() || far > 2e-5 {
            wrong.push(format!("{text}: shape {}, Keras {:?}; off by {far}", found.shape, golden.shape));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}
