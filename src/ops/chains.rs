//! Cases of ops with elementwise work behind them, as plans fuse them: every
//! host, every kind of operand, and values that are needed later.

use super::batch_norm::BatchNorm;
use super::conv2d::Conv2d;
use super::max_pool2d::MaxPool2d;
use super::unary::Function;
use crate::error::Result;
use crate::graph::{Case, Fill, Graph, TensorId};
use crate::tensor::Spec;

type Built = Result<Vec<TensorId>>;

fn case(name: &str, shapes: &[&[usize]], sum: usize, build: fn(&mut Graph, &[TensorId]) -> Built) -> Case {
    let inputs = shapes.iter().map(|s| (Spec::f32(*s), Fill::Normal(1.0))).collect();
    Case::new(format!("chains/{name}"), inputs, build)
        .fused()
        .reduction(sum)
        .extra(64.0, "WGSL allows exp 3 + 2|x| ulp and derives tanh from it")
}

/// The same with a clock as the last input, for dropout.
fn clocked(name: &str, shapes: &[&[usize]], sum: usize, build: fn(&mut Graph, &[TensorId]) -> Built) -> Case {
    let mut case = case(name, shapes, sum, build);
    case.inputs.push((Spec::u32([4]), Fill::Indices(vec![7, 1, 2, 42])));
    case
}

/// Chains behind each host, by elements and by quads.
pub fn cases() -> Vec<Case> {
    [products(), images(), rows(), elements()].concat()
}

fn products() -> Vec<Case> {
    fn dense(g: &mut Graph, x: &[TensorId]) -> Built {
        let y = g.matmul_t(x[0], x[1], Some(x[2]))?;
        Ok(vec![g.unary(Function::Tanh, y)?])
    }
    fn gelu_dense(g: &mut Graph, x: &[TensorId]) -> Built {
        let y = g.matmul_t(x[0], x[1], Some(x[2]))?;
        let y = g.unary(Function::Gelu, y)?;
        Ok(vec![g.matmul_t(y, x[3], None)?])
    }
    vec![
        case("dense_odd", &[&[17, 11], &[13, 11], &[13]], 17, dense),
        case("dense_quads", &[&[24, 16], &[12, 16], &[12]], 24, dense),
        case("dense_wide", &[&[70, 33], &[72, 33], &[72]], 72, dense),
        case("dense_split_k", &[&[9, 1028], &[8, 1028], &[8]], 1028, dense),
        case("dense_stack", &[&[3, 5, 8], &[12, 8], &[12]], 15, dense),
        case("gelu_dense", &[&[9, 8], &[12, 8], &[12], &[6, 12]], 12, gelu_dense),
        case("residual", &[&[9, 8], &[8, 8], &[8]], 9, |g, x| {
            let y = g.matmul_t(x[0], x[1], Some(x[2]))?;
            let y = g.add(x[0], y)?;
            let z = g.matmul_t(y, x[1], None)?;
            Ok(vec![g.add(y, z)?])
        }),
        clocked("dropped_residual", &[&[6, 8], &[8, 8], &[8]], 8, |g, x| {
            let y = g.matmul_t(x[0], x[1], Some(x[2]))?;
            let y = g.dropout(y, 0.25, x[3], 1)?;
            Ok(vec![g.add(x[0], y)?])
        }),
        case("reshaped", &[&[6, 5], &[12, 5]], 12, |g, x| {
            let y = g.matmul_t(x[0], x[1], None)?;
            let y = g.reshape(y, [6, 3, 4])?;
            Ok(vec![g.unary(Function::Silu, y)?])
        }),
    ]
}

fn images() -> Vec<Case> {
    fn conv(g: &mut Graph, x: &[TensorId]) -> Built {
        let op = Conv2d { padding: [[1, 1]; 2], ..Conv2d::default() };
        let y = g.conv2d(x[0], x[1], Some(x[2]), op)?;
        let y = g.unary(Function::Silu, y)?;
        let y = g.conv2d(y, x[3], None, op)?;
        let y = g.add(x[0], y)?;
        Ok(vec![g.unary(Function::Softplus, y)?])
    }
    vec![
        case("conv", &[&[2, 3, 5, 7], &[4, 3, 3, 3], &[4], &[3, 4, 3, 3]], 70, conv),
        case("pool", &[&[2, 3, 6, 7]], 4, |g, x| {
            let pool =
                MaxPool2d { kernel: [2, 2], stride: [2, 2], padding: [[0, 0]; 2], dilation: [1, 1], ceil_mode: false };
            let y = g.max_pool2d(x[0], pool)?;
            let y = g.unary(Function::Square, y)?;
            Ok(vec![g.affine(y, 2.0, -1.0)?])
        }),
        case("batch_norm", &[&[3, 4, 2, 4], &[4], &[4], &[3, 4, 2, 4]], 24, normed),
        case("batch_norm_odd", &[&[3, 4, 3, 3], &[4], &[4], &[3, 4, 3, 3]], 27, normed),
        case("channel", &[&[2, 3, 4, 5], &[3, 1, 1], &[3, 1, 1]], 40, |g, x| {
            let y = g.unary(Function::Tanh, x[0])?;
            let y = g.mul(y, x[1])?;
            Ok(vec![g.add(y, x[2])?])
        }),
    ]
}

fn normed(g: &mut Graph, x: &[TensorId]) -> Built {
    let state = |g: &mut Graph, name: &str| g.input(name, Spec::f32([4]));
    let (mean, var) = (state(g, "mean"), state(g, "var"));
    let y = g.batch_norm(x[0], x[1], x[2], mean, var, None, BatchNorm::default())?;
    let y = g.add(y, x[3])?;
    let y = g.unary(Function::Gelu, y)?;
    let (mean, var) = (state(g, "kept_mean"), state(g, "kept_var"));
    let y = g.batch_norm_eval(y, x[1], x[2], mean, var, 0.5)?;
    Ok(vec![g.unary(Function::Sigmoid, y)?])
}

fn rows() -> Vec<Case> {
    fn norm(g: &mut Graph, x: &[TensorId]) -> Built {
        let y = g.unary(Function::Tanh, x[0])?;
        let y = g.layer_norm(y, Some(x[1]), Some(x[2]), 1e-5)?;
        let y = g.unary(Function::Silu, y)?;
        Ok(vec![g.add(x[0], y)?])
    }
    fn place(g: &mut Graph, x: &[TensorId]) -> Built {
        let index = g.input("index", Spec::u32([2, 3]));
        let y = g.embedding(x[0], index, None)?;
        Ok(vec![g.add(y, x[1])?])
    }
    vec![
        case("layer_norm", &[&[5, 8], &[8], &[8]], 40, norm),
        case("layer_norm_odd", &[&[4, 7], &[7], &[7]], 28, norm),
        case("embedding", &[&[5, 8], &[3, 8]], 8, place),
        case("embedding_odd", &[&[5, 3], &[3, 3]], 8, place),
    ]
}

fn elements() -> Vec<Case> {
    fn all(g: &mut Graph, x: &[TensorId]) -> Built {
        let a = g.unary(Function::GeluTanh, x[0])?;
        let b = g.dropout(a, 0.5, x[3], 2)?;
        let c = g.mul(b, x[1])?;
        let d = g.sub(c, x[2])?;
        let e = g.add(d, a)?;
        Ok(vec![e, g.unary(Function::Exp, d)?])
    }
    vec![
        clocked("row_odd", &[&[5, 7], &[7], &[]], 35, all),
        clocked("row_quads", &[&[6, 8], &[8], &[]], 48, all),
        clocked("column", &[&[6, 8], &[6, 1], &[1, 8]], 48, all),
        clocked("long", &[&[70, 128], &[128], &[70, 1]], 8960, all),
        case("divided", &[&[33], &[33]], 1, |g, x| {
            let y = g.unary(Function::Softplus, x[0])?;
            let z = g.div(x[1], y)?;
            Ok(vec![g.mul(z, z)?])
        })
        .reduction(4),
    ]
}
