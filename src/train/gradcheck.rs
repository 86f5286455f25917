//! Finite differences through a whole model: whether the backward pass that
//! the graph built is the gradient of what the forward pass computes.
//!
//! The model is built for training on a small batch of random samples, dropout
//! included: its mask is a function of the clock, which stands still. Random
//! weights contract the output to a number, in f64 on the CPU, and a few
//! elements of each parameter are nudged both ways:
//! `(f(w + h) - f(w - h)) / 2h`, which is off by O(h^2).
//!
//! A kink (a relu, the largest of a window) between the two makes a difference
//! meaningless. Then a smaller step tells it from a wrong gradient.

use crate::cpu::Cpu;
use crate::error::{Error, Result};
use crate::graph::{Fill, Graph, Init, Seed, TensorId, gradient};
use crate::nn::{Mode, Model, Weights};
use crate::ops::clock;
use crate::plan::{Executor, Plan, Target};
use crate::tensor::random::{Random, stream};
use crate::tensor::{DType, HostTensor, Spec};
use std::sync::Arc;

/// What to check.
#[derive(Debug, Clone, Copy)]
pub struct GradCheck {
    /// Samples in the batch.
    pub batch: usize,
    /// Elements of each parameter that are nudged; all, if it has fewer.
    pub elements: usize,
    /// What everything random is drawn from.
    pub seed: u32,
    /// The largest relative error that passes.
    pub tolerance: f64,
}

impl Default for GradCheck {
    fn default() -> GradCheck {
        GradCheck { batch: 3, elements: 6, seed: 0, tolerance: 1e-5 }
    }
}

/// What was found about one parameter, or the input.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Elements compared.
    pub elements: usize,
    /// The largest error, relative to the gradient's size.
    pub error: f64,
    /// Where that was: the element, its gradient by the rule, and by difference.
    pub worst: (usize, f64, f64),
    /// Whether it is small enough.
    pub ok: bool,
}

/// Steps of the differences, tried in turn.
const STEPS: [f64; 3] = [1e-5, 1e-6, 1e-4];

/// Compares the gradients of all parameters of a model, and of its input where
/// that is numbers, with finite differences.
///
/// Fails when the model cannot be built, has nothing to learn, or gives values
/// that are not finite.
pub fn gradcheck(model: &Model, options: GradCheck) -> Result<Vec<Checked>> {
    let mut g = Graph::new();
    let (names, objective) = objective(&mut g, model, options)?;
    let one = g.constant(HostTensor::f32(vec![], vec![1.0]));
    let wrt: Vec<TensorId> = names.iter().map(|n| g.find(n).expect("it was declared")).collect();
    let d = gradient(&mut g, &[Seed { tensor: objective, gradient: one }], &wrt)?;
    let mut fetches = d.clone();
    fetches.push(objective);
    let mut cpu = Cpu::<f64>::new();
    let program = cpu.load(Plan::build(&g, &fetches, Target::Cpu)?)?;
    // Differences need no backward pass.
    let forward = cpu.load(Plan::build(&g, &[objective], Target::Cpu)?)?;
    cpu.run(&program, 1)?;
    let value = cpu.values(&program, objective)?[0];
    if !value.is_finite() {
        return Err(Error::model(format!(
            "the model's output is {value} on random samples: there is nothing to compare"
        )));
    }
    let rules: Vec<Vec<f64>> = d.iter().map(|&t| cpu.values(&program, t)).collect::<Result<_>>()?;
    let mut draw = Random::new(options.seed, stream::CASES);
    let mut checked = vec![];
    for ((name, &t), rule) in names.iter().zip(&wrt).zip(&rules) {
        let mut start = cpu.values(&program, t)?;
        let mut nudge = |at: usize, h: f64| -> Result<f64> {
            let kept = start[at];
            start[at] = kept + h;
            cpu.write_values(name, &start)?;
            cpu.run(&forward, 1)?;
            let value = cpu.values(&forward, objective)?[0];
            start[at] = kept;
            cpu.write_values(name, &start)?;
            Ok(value)
        };
        let places = places(rule.len(), options.elements, &mut draw);
        // What rounding alone makes of a difference cannot be told from zero.
        let floor = 1e-6 * (1.0 + value.abs());
        checked.push(compare(name, g.spec(t), rule, &places, floor, options.tolerance, &mut nudge)?);
    }
    Ok(checked)
}

/// The model on random samples, its output contracted with random weights; the
/// names of what can be nudged.
fn objective(g: &mut Graph, model: &Model, options: GradCheck) -> Result<(Vec<String>, TensorId)> {
    if options.batch == 0 {
        return Err(Error::usage("a batch of 0 samples; expected at least 1"));
    }
    let start = HostTensor::u32([4], vec![0, 0, 0, options.seed]);
    let clock = g.persistent("clock", clock::spec(), Init::Data(Arc::new(start)));
    let rows = g.constant(HostTensor::u32([1], vec![options.batch as u32]));
    let spec = model.batch_spec(options.batch);
    let fill = match spec.dtype {
        DType::F32 | DType::F16 => Fill::Normal(1.0),
        DType::U32 => {
            // Token 0 may be padding, whose gradient is withheld on purpose.
            let (n, mut draw) = (tokens(model)?, Random::new(options.seed, stream::CASES));
            let token = |_| if n > 1 { 1 + draw.below(n - 1) } else { 0 };
            Fill::Indices((0..spec.elements()).map(token).collect())
        }
    };
    let x = g.persistent("input", spec.clone(), Init::Data(Arc::new(fill.draw(&spec, options.seed))));
    let built = model.build(g, x, Mode::Train { clock, rows }, &mut Weights::new(options.seed))?;
    let mut names: Vec<String> = g.params().iter().map(|&p| g.tensors()[p.index()].label.clone()).collect();
    if names.is_empty() {
        return Err(Error::model(format!("model \"{}\" has no parameters", model.description.name)));
    }
    if spec.dtype == DType::F32 {
        names.insert(0, "input".into());
    }
    let output = g.spec(built.output).clone();
    let weights = Fill::Normal(1.0).draw(&output, options.seed.wrapping_add(1));
    let weights = g.constant(weights);
    let product = g.mul(built.output, weights)?;
    let axes: Vec<usize> = (0..output.shape.len()).collect();
    let sum = g.sum(product, &axes, false)?;
    Ok((names, sum))
}

/// The tokens that a model takes.
fn tokens(model: &Model) -> Result<u32> {
    model.vocabulary.filter(|&n| n > 0).map(|n| n as u32).ok_or_else(|| {
        Error::model(format!("model \"{}\" takes tokens; say how many there are", model.description.name))
    })
}

/// The elements to nudge.
fn places(n: usize, wanted: usize, draw: &mut Random) -> Vec<usize> {
    match n <= wanted {
        true => (0..n).collect(),
        false => (0..wanted).map(|_| draw.below(n as u32) as usize).collect(),
    }
}

fn compare(
    name: &str,
    spec: &Spec,
    rule: &[f64],
    places: &[usize],
    floor: f64,
    tolerance: f64,
    nudge: &mut dyn FnMut(usize, f64) -> Result<f64>,
) -> Result<Checked> {
    let rms = (rule.iter().map(|v| v * v).sum::<f64>() / rule.len().max(1) as f64).sqrt();
    let mut found = Checked {
        name: name.into(),
        shape: spec.shape.to_vec(),
        elements: places.len(),
        error: 0.0,
        worst: (0, 0.0, 0.0),
        ok: true,
    };
    for &at in places {
        let mut best = (f64::INFINITY, f64::NAN);
        for h in STEPS {
            let difference = (nudge(at, h)? - nudge(at, -h)?) / (2.0 * h);
            let error = (rule[at] - difference).abs() / (difference.abs() + rms + floor);
            if error < best.0 {
                best = (error, difference);
            }
            if best.0 <= tolerance {
                break;
            }
        }
        if best.0 >= found.error {
            (found.error, found.worst) = (best.0, (at, rule[at], best.1));
        }
    }
    found.ok = found.error <= tolerance;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Description;

    fn model(layers: &str, input: &[usize]) -> Model {
        Model::new(Description::parse(layers).unwrap(), Some(input.into()), Some(3)).unwrap()
    }

    #[test]
    fn a_right_gradient_passes_and_a_wrong_one_does_not() {
        let text = "[[layer]]\ntype = \"Dense\"\nunits = 4\nactivation = \"tanh\"\n\n[[layer]]\ntype = \"Dropout\"\nrate = 0.3\n";
        let found = gradcheck(&model(text, &[5]), GradCheck::default()).unwrap();
        assert_eq!(
            found.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(),
            ["input", "dense1.weight", "dense1.bias"]
        );
        assert!(found.iter().all(|c| c.ok && c.error < 1e-7), "{found:?}");
        let spec = Spec::f32([2]);
        // f(w) = w0^2 + w1, near w = (3, 1): the rule for w0 is 1 % off.
        let mut nudge = |at: usize, h: f64| Ok(if at == 0 { (3.0 + h).powi(2) } else { 1.0 + h });
        let wrong = compare("w", &spec, &[6.06, 1.0], &[0, 1], 1e-9, 1e-5, &mut nudge).unwrap();
        assert!(!wrong.ok && wrong.worst.0 == 0 && wrong.error > 1e-3, "{wrong:?}");
    }

    #[test]
    fn what_cannot_be_checked_is_said() {
        let flat = gradcheck(&model("[[layer]]\ntype = \"Flatten\"\n", &[5]), GradCheck::default()).unwrap_err();
        assert!(flat.to_string().contains("no parameters"), "{flat}");
        let none = GradCheck { batch: 0, ..GradCheck::default() };
        assert!(gradcheck(&model("[[layer]]\ntype = \"Flatten\"\n", &[5]), none).is_err());
    }
}
