//! Goldens' ops by name: from the attributes that the script wrote to the
//! graph's constructors.

use serde_json::Value;
use wgrad::Result;
use wgrad::graph::{Graph, TensorId};
use wgrad::ops::attention::{Attention, AttentionInputs};
use wgrad::ops::avg_pool2d::AvgPool2d;
use wgrad::ops::batch_norm::BatchNorm;
use wgrad::ops::conv2d::Conv2d;
use wgrad::ops::cross_entropy::CrossEntropy;
use wgrad::ops::max_pool2d::MaxPool2d;
use wgrad::ops::recurrence::{Cell, Direction, Recurrent, RecurrentWeights, State};
use wgrad::ops::reduce::Fold;
use wgrad::ops::scatter_rows::Scatter;
use wgrad::ops::unary::Function;

/// A number of an attribute; f32 holds it exactly.
fn number(a: &Value) -> f32 {
    a.as_f64().unwrap_or_else(|| panic!("{a} is no number")) as f32
}

fn size(a: &Value) -> usize {
    a.as_u64().unwrap_or_else(|| panic!("{a} is no size")) as usize
}

fn flag(a: &Value) -> bool {
    a.as_bool().unwrap_or_else(|| panic!("{a} is neither true nor false"))
}

fn sizes(a: &Value) -> Vec<usize> {
    a.as_array().unwrap_or_else(|| panic!("{a} is no list")).iter().map(size).collect()
}

fn pair(a: &Value) -> [usize; 2] {
    sizes(a).try_into().unwrap_or_else(|v| panic!("{v:?} is no pair"))
}

/// Adds the op; returns its outputs.
pub fn build(g: &mut Graph, op: &str, a: &Value, x: &[TensorId]) -> Result<Vec<TensorId>> {
    let y = match op {
        "matmul" => g.matmul_with(x[0], x[1], flag(&a["transpose_a"]), flag(&a["transpose_b"]), None)?,
        "linear" => g.matmul_t(x[0], x[1], x.get(2).copied())?,
        "conv2d" => conv2d(g, a, x)?,
        "max_pool2d" => {
            let (kernel, stride) = (pair(&a["kernel"]), pair(&a["stride"]));
            let padding = pair(&a["padding"]).map(|n| [n, n]);
            let pool =
                MaxPool2d { kernel, stride, padding, dilation: pair(&a["dilation"]), ceil_mode: flag(&a["ceil"]) };
            return g.push(pool, x);
        }
        "avg_pool2d" => {
            let (kernel, stride) = (pair(&a["kernel"]), pair(&a["stride"]));
            let padding = pair(&a["padding"]).map(|n| [n, n]);
            let count_include_pad = flag(&a["count_include_pad"]);
            g.avg_pool2d(
                x[0],
                AvgPool2d { stride, padding, count_include_pad, ceil_mode: flag(&a["ceil"]), ..AvgPool2d::new(kernel) },
            )?
        }
        "unary" => g.unary(function(a), x[0])?,
        "binary" => match a["op"].as_str() {
            Some("add") => g.add(x[0], x[1])?,
            Some("sub") => g.sub(x[0], x[1])?,
            Some("mul") => g.mul(x[0], x[1])?,
            Some("div") => g.div(x[0], x[1])?,
            Some("maximum") => g.maximum(x[0], x[1])?,
            Some("minimum") => g.minimum(x[0], x[1])?,
            Some("power") => g.power(x[0], x[1])?,
            Some("modulo") => g.modulo(x[0], x[1])?,
            Some("fmod") => g.fmod(x[0], x[1])?,
            other => panic!("no binary op {other:?}"),
        },
        "select" => g.select(x[0], x[1], x[2])?,
        "arg_max" => g.arg_max(x[0], size(&a["axis"]), flag(&a["largest"]), false)?,
        "top_k" => {
            let (values, index) = g.top_k(x[0], size(&a["k"]), size(&a["axis"]), flag(&a["largest"]))?;
            return Ok(vec![values, index]);
        }
        "index_to_float" => g.index_to_float(x[0])?,
        "float_to_index" => g.float_to_index(x[0])?,
        "cumsum" => g.cumsum(x[0], size(&a["axis"]), false, flag(&a["reverse"]))?,
        "cumprod" => g.cumprod(x[0], size(&a["axis"]), false, flag(&a["reverse"]))?,
        "scatter_rows" => g.scatter_rows(x[0], x[1], x[2], scatter(a))?,
        "grid_sample" => grid_sample(g, a, x)?,
        "permute" => g.permute(x[0], &sizes(&a["order"]))?,
        "slice" => g.slice(x[0], size(&a["axis"]), size(&a["start"]), size(&a["end"]), size(&a["step"]))?,
        "pad" => {
            let widths = a["widths"].as_array().expect("a list").iter().map(pair).map(|[b, e]| (b, e));
            g.pad(x[0], &widths.collect::<Vec<_>>(), number(&a["fill"]))?
        }
        "flip" => g.flip(x[0], size(&a["axis"]))?,
        "expand" => g.expand(x[0], sizes(&a["shape"]))?,
        "reshape" => g.reshape(x[0], sizes(&a["shape"]))?,
        "concat" => g.concat(x, size(&a["axis"]))?,
        "reduce" => g.reduce(fold(a), x[0], &sizes(&a["axes"]), flag(&a["keep"]))?,
        "softmax" => g.softmax(x[0], size(&a["axis"]))?,
        "log_softmax" => g.log_softmax(x[0], size(&a["axis"]))?,
        "batch_norm" => {
            let rows = flag(&a["masked"]).then(|| x[3]);
            let options = BatchNorm { eps: number(&a["eps"]), momentum: number(&a["momentum"]) };
            g.batch_norm(x[0], x[1], x[2], x[x.len() - 2], x[x.len() - 1], rows, options)?
        }
        "batch_norm_eval" => g.batch_norm_eval(x[0], x[1], x[2], x[3], x[4], number(&a["eps"]))?,
        "attention" => {
            let options = Attention {
                scale: a["scale"].as_f64().map(|s| s as f32),
                causal: flag(&a["causal"]),
                ..Attention::default()
            };
            g.attention(x[0], x[1], x[2], options, attention_inputs(a, &x[3..]))?
        }
        "multi_head_attention" => {
            let qkv = g.matmul_t(x[0], x[1], Some(x[2]))?;
            let options = Attention { causal: flag(&a["causal"]), ..Attention::default() };
            let o = g.attention_packed(qkv, pair(&a["heads"]), options, attention_inputs(a, &x[5..]))?;
            g.matmul_t(o, x[3], Some(x[4]))?
        }
        "recurrence" => return recurrence(g, a, x),
        "layer_norm" => {
            let (weight, bias) = (flag(&a["weight"]).then(|| x[1]), flag(&a["bias"]).then(|| x[x.len() - 1]));
            g.layer_norm(x[0], weight, bias, number(&a["eps"]))?
        }
        "rms_norm" => g.rms_norm(x[0], x.get(1).copied(), number(&a["eps"]))?,
        "embedding" => g.embedding(x[0], x[1], a["padding"].as_u64().map(|i| i as u32))?,
        "rotary" => g.rotary(x[0], number(&a["base"]), flag(&a["interleaved"]), x.get(1).copied())?,
        "mask_rows" => g.mask_rows(x[0], x[1])?,
        "mean_rows" => g.mean_rows(x[0], x[1])?,
        "take_row" => g.take_row(x[0], x[1])?,
        "cross_entropy" => {
            let mut rest = x[2..].iter().copied();
            let options = CrossEntropy {
                label_smoothing: number(&a["smoothing"]),
                ignore_index: a["ignore"].as_u64().map(|i| i as u32),
                class_weights: flag(&a["weighted"]).then(|| rest.next().expect("weights")),
            };
            g.cross_entropy(x[0], x[1], rest.next(), options)?
        }
        "regression_loss" => {
            let rows = x.get(2).copied();
            match a["op"].as_str() {
                Some("mse") => g.mse(x[0], x[1], rows)?,
                Some("mae") => g.mae(x[0], x[1], rows)?,
                Some("huber") => g.huber(x[0], x[1], rows, number(&a["delta"]))?,
                Some("bce") => {
                    let weight = a.get("pos_weight").map(number);
                    g.binary_cross_entropy(x[0], x[1], rows, weight)?
                }
                other => panic!("no regression loss {other:?}"),
            }
        }
        other => panic!("no op {other}"),
    };
    Ok(vec![y])
}

fn conv2d(g: &mut Graph, a: &Value, x: &[TensorId]) -> Result<TensorId> {
    let (stride, dilation, groups) = (pair(&a["stride"]), pair(&a["dilation"]), size(&a["groups"]));
    let padding = match a["padding"].as_array() {
        Some(widths) => [pair(&widths[0]), pair(&widths[1])],
        None => {
            let last = |t: TensorId| -> [usize; 2] { g.shape(t)[2..].try_into().expect("two axes") };
            Conv2d::same_padding(last(x[0]), last(x[1]), stride, dilation)
        }
    };
    g.conv2d(x[0], x[1], x.get(2).copied(), Conv2d { stride, padding, dilation, groups })
}

/// y, h_n and, for an LSTM, c_n, the last two stacked as PyTorch stacks them.
fn recurrence(g: &mut Graph, a: &Value, x: &[TensorId]) -> Result<Vec<TensorId>> {
    let cell = match a["cell"].as_str() {
        Some("rnn_tanh") => Cell::RnnTanh,
        Some("rnn_relu") => Cell::RnnRelu,
        Some("lstm") => Cell::Lstm,
        Some("gru") => Cell::Gru { reset_after: true },
        Some("gru_reset_first") => Cell::Gru { reset_after: false },
        other => panic!("no cell {other:?}"),
    };
    let bidirectional = flag(&a["bidirectional"]);
    let walks = size(&a["layers"]) * if bidirectional { 2 } else { 1 };
    // Keras' GRU has one bias.
    let each = if cell == (Cell::Gru { reset_after: false }) { 3 } else { 4 };
    let (weights, rest) = x[1..].split_at(walks * each);
    let set = |w: &[TensorId]| RecurrentWeights { w_ih: w[0], w_hh: w[1], b_ih: Some(w[2]), b_hh: w.get(3).copied() };
    let weights: Vec<RecurrentWeights> = weights.chunks(each).map(set).collect();
    let row = |g: &mut Graph, states: TensorId, i: usize| {
        let &[_, batch, hidden] = g.shape(states) else { panic!("states have three axes") };
        let state = g.slice(states, 0, i, i + 1, 1)?;
        g.reshape(state, [batch, hidden])
    };
    let mut initial = vec![];
    for i in 0..walks {
        let h = row(g, rest[0], i)?;
        let c = if cell == Cell::Lstm { Some(row(g, rest[1], i)?) } else { None };
        initial.push(State { h, c });
    }
    let lengths = flag(&a["ragged"]).then(|| rest[rest.len() - 1]);
    if a["reverse"].as_bool() == Some(true) {
        let direction = Direction { reverse: true, lengths, initial: Some(initial[0]) };
        let walked = g.recurrent_layer(cell, x[0], &weights[0], direction)?;
        let &[batch, hidden] = g.shape(walked.last.h) else { panic!("a state has two axes") };
        return Ok(vec![walked.y, g.reshape(walked.last.h, [1, batch, hidden])?]);
    }
    let how = Recurrent { cell, bidirectional, lengths, initial: &initial, dropout: None };
    let stack = g.recurrent(x[0], &weights, how)?;
    let mut outputs = vec![stack.y];
    for of in [|s: &State| Some(s.h), |s: &State| s.c] {
        let mut states = vec![];
        for state in stack.last.iter().filter_map(of) {
            let shape: Vec<usize> = [1].into_iter().chain(g.shape(state).iter().copied()).collect();
            states.push(g.reshape(state, shape)?);
        }
        if !states.is_empty() {
            outputs.push(g.concat(&states, 0)?);
        }
    }
    Ok(outputs)
}

/// Lengths and mask, as far as the attributes say that there are any.
fn attention_inputs(a: &Value, x: &[TensorId]) -> AttentionInputs {
    let mut rest = x.iter().copied();
    let mut next = |key: &str| a[key].as_bool().unwrap_or(false).then(|| rest.next().expect("one more input"));
    AttentionInputs { lengths: next("lengths"), mask: next("mask"), clock: None }
}

fn fold(a: &Value) -> Fold {
    match a["fold"].as_str() {
        Some("sum") => Fold::Sum,
        Some("mean") => Fold::Mean,
        Some("max") => Fold::Max,
        Some("min") => Fold::Min,
        Some("prod") => Fold::Prod,
        other => panic!("no fold {other:?}"),
    }
}

fn scatter(a: &Value) -> Scatter {
    match a["mode"].as_str() {
        Some("replace") => Scatter::Replace,
        Some("add") => Scatter::Add,
        Some("mul") => Scatter::Mul,
        Some("max") => Scatter::Max,
        Some("min") => Scatter::Min,
        other => panic!("no mode {other:?}"),
    }
}

fn grid_sample(g: &mut Graph, a: &Value, x: &[TensorId]) -> Result<TensorId> {
    use wgrad::ops::grid_sample::{Mode, Padding};
    let mode = match a["mode"].as_str() {
        Some("bilinear") => Mode::Bilinear,
        Some("nearest") => Mode::Nearest,
        Some("bicubic") => Mode::Bicubic,
        other => panic!("no mode {other:?}"),
    };
    let padding = match a["padding"].as_str() {
        Some("zeros") => Padding::Zeros,
        Some("border") => Padding::Border,
        Some("reflection") => Padding::Reflection,
        other => panic!("no padding {other:?}"),
    };
    g.grid_sample(x[0], x[1], mode, padding, flag(&a["align_corners"]))
}

fn function(a: &Value) -> Function {
    use Function::*;
    let constant = |i: usize| number(&a["constants"][i]);
    match a["function"].as_str().expect("a name") {
        "reciprocal" => Reciprocal,
        "sin" => Sin,
        "cos" => Cos,
        "tan" => Tan,
        "asin" => Asin,
        "acos" => Acos,
        "atan" => Atan,
        "sinh" => Sinh,
        "cosh" => Cosh,
        "asinh" => Asinh,
        "acosh" => Acosh,
        "atanh" => Atanh,
        "erf" => Erf,
        "softsign" => Softsign,
        "mish" => Mish,
        "celu" => Celu(constant(0)),
        "hard_sigmoid" => HardSigmoid(constant(0), constant(1)),
        "thresholded_relu" => ThresholdedRelu(constant(0)),
        "clip" => Clip(constant(0), constant(1)),
        "round" => Round,
        "relu" => Relu,
        "leaky_relu" => LeakyRelu(number(&a["a"])),
        "elu" => Elu(number(&a["a"])),
        "gelu" => Gelu,
        "gelu_tanh" => GeluTanh,
        "silu" => Silu,
        "sigmoid" => Sigmoid,
        "tanh" => Tanh,
        "softplus" => Softplus,
        "hard_swish" => HardSwish,
        "exp" => Exp,
        "ln" => Ln,
        "sqrt" => Sqrt,
        "square" => Square,
        "abs" => Abs,
        other => panic!("no function {other}"),
    }
}
