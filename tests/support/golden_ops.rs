//! Goldens' ops by name: from the attributes that the script wrote to the
//! graph's constructors.

use serde_json::Value;
use wgrad::Result;
use wgrad::graph::{Graph, TensorId};
use wgrad::ops::avg_pool2d::AvgPool2d;
use wgrad::ops::batch_norm::BatchNorm;
use wgrad::ops::conv2d::Conv2d;
use wgrad::ops::cross_entropy::CrossEntropy;
use wgrad::ops::max_pool2d::MaxPool2d;
use wgrad::ops::reduce::Fold;
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
            let (kernel, stride, padding) = (pair(&a["kernel"]), pair(&a["stride"]), pair(&a["padding"]));
            let pool =
                MaxPool2d { kernel, stride, padding, dilation: pair(&a["dilation"]), ceil_mode: flag(&a["ceil"]) };
            return g.push(pool, x);
        }
        "avg_pool2d" => {
            let (kernel, stride, padding) = (pair(&a["kernel"]), pair(&a["stride"]), pair(&a["padding"]));
            let count_include_pad = flag(&a["count_include_pad"]);
            g.avg_pool2d(x[0], AvgPool2d { kernel, stride, padding, count_include_pad, ceil_mode: flag(&a["ceil"]) })?
        }
        "unary" => g.unary(function(a), x[0])?,
        "binary" => match a["op"].as_str() {
            Some("add") => g.add(x[0], x[1])?,
            Some("sub") => g.sub(x[0], x[1])?,
            Some("mul") => g.mul(x[0], x[1])?,
            Some("div") => g.div(x[0], x[1])?,
            other => panic!("no binary op {other:?}"),
        },
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

fn fold(a: &Value) -> Fold {
    match a["fold"].as_str() {
        Some("sum") => Fold::Sum,
        Some("mean") => Fold::Mean,
        Some("max") => Fold::Max,
        other => panic!("no fold {other:?}"),
    }
}

fn function(a: &Value) -> Function {
    use Function::*;
    match a["function"].as_str().expect("a name") {
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
