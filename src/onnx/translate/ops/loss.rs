//! Losses, and the optimisers of the training domain.

use super::super::node::Node;
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::onnx::value::Value;
use crate::ops::unary::Function;

pub const OPS: &[Translation] = &[
    op("NegativeLogLikelihoodLoss", |cx| likelihood(cx, false)),
    op("SoftmaxCrossEntropyLoss", |cx| likelihood(cx, true)),
];

/// The domain `ai.onnx.preview.training`.
pub const TRAINING: &[Translation] =
    &[op("Adagrad", adagrad), op("Adam", adam), op("Gradient", gradient), op("Momentum", momentum)];

/// The negative logarithm of the target's probability, weighted, over all but those ignored.
/// Scores are `[N, C, ..]`, targets `[N, ..]`.
fn likelihood(cx: &mut Node, scores: bool) -> Result<Vec<Value>> {
    let (shape, target_shape) = (cx.shape(0)?, cx.shape(1)?);
    if shape.len() < 2 || shape[0] != target_shape[0] || shape[2..] != target_shape[1..] {
        return Err(Error::model(format!("scores of shape {shape:?} with targets of shape {target_shape:?}")));
    }
    let elem = cx.elem(0)?;
    let ignored = cx.int_opt("ignore_index")?;
    let reduction = cx.text("reduction", "mean")?;
    let mut one = shape.clone();
    one[1] = 1;
    let x = cx.x(0)?;
    let logs = if scores { cx.g().log_softmax(x, 1)? } else { x };
    let target = cx.x(1)?;
    let classes = shape[1];
    let mut line = vec![1; shape.len()];
    line[1] = classes;
    let numbers = cx.numbers(line.clone(), (0..classes).map(|c| c as f64).collect())?;
    let zero = cx.number(0.0)?;
    let g = cx.g();
    let target = g.reshape(target, one.clone())?;
    let hot = g.equal(numbers, target)?;
    let picked = g.select(hot, logs, zero)?;
    let picked = g.sum(picked, &[1], true)?;
    let loss = g.affine(picked, -1.0, 0.0)?;
    // The weight of each target: its class's, and zero for those that are ignored.
    let mut weight = match cx.x_opt(2)? {
        None => None,
        Some(w) => {
            let g = cx.g();
            let w = g.reshape(w, line)?;
            let w = g.mul(hot, w)?;
            Some(g.sum(w, &[1], true)?)
        }
    };
    if let Some(ignored) = ignored {
        let ignored = cx.number(ignored as f64)?;
        let g = cx.g();
        let is = g.equal(target, ignored)?;
        let counts = g.unary(Function::Not, is)?;
        weight = Some(match weight {
            None => counts,
            Some(w) => g.mul(w, counts)?,
        });
    }
    let g = cx.g();
    let weighted = weight.map_or(Ok(loss), |w| g.mul(loss, w))?;
    let all: Vec<usize> = (0..shape.len()).collect();
    let y = match &reduction[..] {
        "none" => g.reshape(weighted, target_shape)?,
        "sum" => g.sum(weighted, &all, false)?,
        "mean" => {
            let sum = g.sum(weighted, &all, false)?;
            match weight {
                Some(w) => {
                    let total = g.sum(w, &all, false)?;
                    g.div(sum, total)?
                }
                None => g.mean(weighted, &all, false)?,
            }
        }
        other => return Err(Error::model(format!("reduction is \"{other}\"; expected none, sum or mean"))),
    };
    Ok(vec![Value::Graph(elem, y), Value::Graph(elem, logs)])
}

/// Learning rate and step, then for each of n tensors its value, gradient and state.
fn groups(cx: &mut Node, states: usize) -> Result<(f64, f64, usize)> {
    let (rate, step) = (cx.float_in(0)?, cx.float_in(1)?);
    let n = cx.inputs.len().saturating_sub(2);
    if !n.is_multiple_of(2 + states) {
        return Err(Error::model(format!("{n} tensors; expected {} for each parameter", 2 + states)));
    }
    Ok((rate, step, n / (2 + states)))
}

/// Values that have `a x + b y`.
fn blend(cx: &mut Node, x: TensorId, a: f64, y: TensorId, b: f64) -> Result<TensorId> {
    let (a, b) = (cx.number(a)?, cx.number(b)?);
    let g = cx.g();
    let (x, y) = (g.mul(x, a)?, g.mul(y, b)?);
    g.add(x, y)
}

fn collected(cx: &Node, all: Vec<Vec<TensorId>>, n: usize) -> Result<Vec<Value>> {
    let kinds = all.first().map_or(0, Vec::len);
    let elem = cx.elem(2)?;
    Ok((0..kinds).flat_map(|k| (0..n).map(|i| Value::Graph(elem, all[i][k])).collect::<Vec<_>>()).collect())
}

fn momentum(cx: &mut Node) -> Result<Vec<Value>> {
    let (rate, step, n) = groups(cx, 1)?;
    let [alpha, beta, decay] =
        [cx.float("alpha", 0.0)?, cx.float("beta", 0.0)?, cx.float("norm_coefficient", 0.0)?].map(f64::from);
    let nesterov = cx.text("mode", "standard")? == "nesterov";
    let beta = if step > 0.0 { beta } else { 1.0 };
    let mut all = vec![];
    for i in 0..n {
        let [x, g, v] = [cx.x(2 + i)?, cx.x(2 + n + i)?, cx.x(2 + 2 * n + i)?];
        let g = blend(cx, x, decay, g, 1.0)?;
        let v = blend(cx, v, alpha, g, beta)?;
        let direction = if nesterov { blend(cx, g, 1.0, v, alpha)? } else { v };
        let x = blend(cx, x, 1.0, direction, -rate)?;
        all.push(vec![x, v]);
    }
    collected(cx, all, n)
}

fn adagrad(cx: &mut Node) -> Result<Vec<Value>> {
    let (rate, step, n) = groups(cx, 1)?;
    let [decay_rate, eps, decay] =
        [cx.float("decay_factor", 0.0)?, cx.float("epsilon", 0.0)?, cx.float("norm_coefficient", 0.0)?].map(f64::from);
    let rate = rate / (1.0 + step * decay_rate);
    let mut all = vec![];
    for i in 0..n {
        let [x, g, h] = [cx.x(2 + i)?, cx.x(2 + n + i)?, cx.x(2 + 2 * n + i)?];
        let g = blend(cx, x, decay, g, 1.0)?;
        let square = cx.g().unary(Function::Square, g)?;
        let h = cx.g().add(h, square)?;
        let root = cx.g().unary(Function::Sqrt, h)?;
        let eps = cx.number(eps)?;
        let divisor = cx.g().add(root, eps)?;
        let change = cx.g().div(g, divisor)?;
        all.push(vec![blend(cx, x, 1.0, change, -rate)?, h]);
    }
    collected(cx, all, n)
}

fn adam(cx: &mut Node) -> Result<Vec<Value>> {
    let (rate, step, n) = groups(cx, 2)?;
    let [alpha, beta, eps, decay, after] = [
        cx.float("alpha", 0.9)?,
        cx.float("beta", 0.999)?,
        cx.float("epsilon", 1e-6)?,
        cx.float("norm_coefficient", 0.0)?,
        cx.float("norm_coefficient_post", 0.0)?,
    ]
    .map(f64::from);
    let rate = match step > 0.0 {
        true => rate * (1.0 - beta.powf(step)).sqrt() / (1.0 - alpha.powf(step)),
        false => rate,
    };
    let mut all = vec![];
    for i in 0..n {
        let [x, g, m, v] = [cx.x(2 + i)?, cx.x(2 + n + i)?, cx.x(2 + 2 * n + i)?, cx.x(2 + 3 * n + i)?];
        let g = blend(cx, x, decay, g, 1.0)?;
        let m = blend(cx, m, alpha, g, 1.0 - alpha)?;
        let square = cx.g().unary(Function::Square, g)?;
        let v = blend(cx, v, beta, square, 1.0 - beta)?;
        let root = cx.g().unary(Function::Sqrt, v)?;
        let eps = cx.number(eps)?;
        let divisor = cx.g().add(root, eps)?;
        let change = cx.g().div(m, divisor)?;
        let x = blend(cx, x, 1.0, change, -rate)?;
        let scale = cx.number(1.0 - after)?;
        all.push(vec![cx.g().mul(x, scale)?, m, v]);
    }
    collected(cx, all, n)
}

/// The gradient of a value by others, of what the graph has computed so far.
fn gradient(cx: &mut Node) -> Result<Vec<Value>> {
    let y = cx.text("y", "")?;
    let named = cx.texts("xs")?.unwrap_or_default();
    let elem = cx.elem(0)?;
    let target = cx.walk.find(&y).cloned();
    let Some(Value::Graph(_, y)) = target else {
        return Err(Error::model(format!("\"{y}\" is not computed by the graph, or its values were needed already")));
    };
    let mut xs = vec![];
    for i in 0..named.len() {
        xs.push(cx.x(i)?);
    }
    let shape = cx.g().shape(y).to_vec();
    let ones = cx.numbers(shape.clone(), vec![1.0; shape.iter().product()])?;
    let seed = crate::graph::Seed { tensor: y, gradient: ones };
    let grads = crate::graph::gradient(cx.g(), &[seed], &xs)?;
    Ok(grads.into_iter().map(|g| Value::Graph(elem, g)).collect())
}
