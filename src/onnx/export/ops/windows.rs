//! Convolution and pooling.

use crate::error::{Error, Result};
use crate::onnx::export::emit::Emitter;
use crate::onnx::export::probe::{Length, fixed, op_of};
use crate::onnx::export::writer::{int, ints};
use crate::onnx::proto::AttributeProto;
use crate::ops::avg_pool2d::AvgPool2d;
use crate::ops::conv2d::{Conv2d, Conv2dGradX};
use crate::ops::max_pool2d::MaxPool2d;

/// Writes the node if it is one of these.
pub fn write(cx: &mut Emitter, at: usize) -> Result<bool> {
    let node = cx.at(at);
    let made = if let Some(op) = op_of::<Conv2d>(node) {
        let mut inputs = vec![];
        for slot in 0..node.inputs.len() {
            inputs.push(cx.input(at, slot)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let mut attributes = convolution(cx, at, 1, op)?;
        attributes.push(ints("pads", &pads(op.padding)));
        cx.node("Conv", &inputs, attributes)
    } else if let Some(op) = op_of::<Conv2dGradX>(node) {
        transposed(cx, at, op)?
    } else if let Some(op) = op_of::<MaxPool2d>(node) {
        let mut x = cx.input(at, 0)?;
        let mut padding = op.padding;
        if op.ceil_mode {
            padding = up_to_the_last(cx, at, op.kernel, op.stride, op.dilation, padding)?;
        }
        if padding.iter().any(|[before, after]| before != after) {
            // ONNX's own evaluator knows even padding alone.
            let [[top, bottom], [left, right]] = padding.map(|p| p.map(|n| n as i64));
            let widths = cx.out.list(&[0, 0, top, left, 0, 0, bottom, right]);
            let least = cx.out.scalar(f32::NEG_INFINITY);
            x = cx.node("Pad", &[&x, &widths, &least], vec![]);
            padding = [[0; 2]; 2];
        }
        let mut attributes = window(op.kernel, op.stride, padding);
        if op.dilation != [1, 1] {
            attributes.push(ints("dilations", &op.dilation));
        }
        cx.node("MaxPool", &[&x], attributes)
    } else if let Some(op) = op_of::<AvgPool2d>(node) {
        let x = cx.input(at, 0)?;
        let mut padding = op.padding;
        if op.ceil_mode {
            let longer = up_to_the_last(cx, at, op.kernel, op.stride, op.dilation, padding)?;
            if op.count_include_pad && longer != padding {
                return Err(Error::model(
                    "ceil_mode with count_include_pad lets a window reach beyond the padding, which readers count in \
                     different ways; expected one of the two to be off",
                ));
            }
            padding = longer;
        }
        let mut attributes = window(op.kernel, op.stride, padding);
        attributes.push(int("count_include_pad", op.count_include_pad.into()));
        if op.dilation != [1, 1] {
            if cx.opset < 19 {
                return Err(Error::model(
                    "an average over windows with holes needs opset 19; export it with --opset 19",
                ));
            }
            attributes.push(ints("dilations", &op.dilation));
        }
        cx.node("AveragePool", &[&x], attributes)
    } else {
        return Ok(false);
    };
    cx.done(at, made);
    Ok(true)
}

/// What all convolutions say; `weight` is the number of the weight's input.
fn convolution(cx: &Emitter, at: usize, weight: usize, op: &Conv2d) -> Result<Vec<AttributeProto>> {
    let shape = cx.probes.input_lengths(at, weight);
    let kernel = numbers(&shape[2..])?;
    Ok(vec![
        ints("dilations", &op.dilation),
        int("group", op.groups as i64),
        ints("kernel_shape", &kernel),
        ints("strides", &op.stride),
    ])
}

/// The input's gradient of a convolution is the transposed one.
fn transposed(cx: &mut Emitter, at: usize, op: &Conv2dGradX) -> Result<String> {
    // Inputs: the weight and what is convolved.
    let (w, x) = (cx.input(at, 0)?, cx.input(at, 1)?);
    let mut attributes = convolution(cx, at, 0, &op.op)?;
    let (kernel, from) =
        (numbers(&cx.probes.input_lengths(at, 0)[2..])?, numbers(&cx.probes.input_lengths(at, 1)[2..])?);
    let more: Vec<usize> = (0..2)
        .map(|i| {
            let reached = (from[i] - 1) * op.op.stride[i] + op.op.dilation[i] * (kernel[i] - 1) + 1;
            op.input[i] + op.op.padding[i][0] + op.op.padding[i][1] - reached
        })
        .collect();
    attributes.push(ints("output_padding", &more));
    attributes.push(ints("pads", &pads(op.op.padding)));
    Ok(cx.node("ConvTranspose", &[&x, &w], attributes))
}

fn window(kernel: [usize; 2], stride: [usize; 2], padding: [[usize; 2]; 2]) -> Vec<AttributeProto> {
    vec![ints("kernel_shape", &kernel), ints("pads", &pads(padding)), ints("strides", &stride)]
}

/// All before, then all after.
fn pads(padding: [[usize; 2]; 2]) -> [usize; 4] {
    [padding[0][0], padding[1][0], padding[0][1], padding[1][1]]
}

/// Rounding up as padding at the end, which readers agree about.
fn up_to_the_last(
    cx: &Emitter,
    at: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: [[usize; 2]; 2],
) -> Result<[[usize; 2]; 2]> {
    let (from, to) = (numbers(&cx.probes.input_lengths(at, 0)[2..])?, numbers(&cx.probes.output_lengths(at, 0)[2..])?);
    Ok([0, 1].map(|i| {
        let reached = (to[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1;
        [padding[i][0], reached.saturating_sub(from[i] + padding[i][0]).max(padding[i][1])]
    }))
}

fn numbers(lengths: &[Length]) -> Result<Vec<usize>> {
    let all: Option<Vec<usize>> = lengths.iter().map(fixed).collect();
    all.ok_or_else(|| Error::model("its window depends on the size of the input; expected one size"))
}
