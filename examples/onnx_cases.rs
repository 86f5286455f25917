//! Every case of every op that ONNX has something for, as files:
//!
//! ```text
//! cargo run --example onnx_cases -- FOLDER OPSET
//! ```
//!
//! NAME.onnx is the case, NAME.x0, .. its inputs and NAME.y0, .. what the CPU executor makes of
//! them, as little-endian words of 32 bits. `tests/onnx/export.py --cases` compares.

use prost::Message;
use std::path::Path;
use wgrad::device::Device;
use wgrad::error::{Error, Result};
use wgrad::graph::{Case, Fill, Graph, TensorId};
use wgrad::onnx::export;
use wgrad::ops::attention::{Attention, AttentionInputs};
use wgrad::ops::conv2d::{Conv2d, Conv2dGradX};
use wgrad::plan::Precision;
use wgrad::run::observer::Quiet;
use wgrad::run::request::DeviceRequest;
use wgrad::tensor::{HostTensor, Spec};

fn main() -> Result<()> {
    let [folder, opset]: [String; 2] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| Error::usage("expected FOLDER OPSET"))?;
    let opset: i64 = opset.parse().map_err(|_| Error::usage(format!("OPSET {opset}: expected a number")))?;
    let device = DeviceRequest::named("cpu").open(Precision::F32, &mut Quiet)?;
    let (mut written, mut without) = (0, std::collections::BTreeSet::new());
    for case in wgrad::ops::cases().into_iter().chain(more()) {
        let elements: usize = case.inputs.iter().map(|(spec, _)| spec.elements()).sum();
        if elements > 1 << 18 {
            continue;
        }
        match write(&case, Path::new(&folder), opset, &device)? {
            true => written += 1,
            false => drop(without.insert(case.name.split('/').next().unwrap_or_default().to_string())),
        }
    }
    println!("{written} cases; none of {}", without.into_iter().collect::<Vec<_>>().join(", "));
    Ok(())
}

/// Writes a case; false where ONNX has nothing for it.
fn write(case: &Case, folder: &Path, opset: i64, device: &Device) -> Result<bool> {
    let built = Case { gradient: false, ..case.clone() }.built()?;
    let Ok(model) = export::graph(&built.graph, &built.inputs, &built.outputs, opset) else { return Ok(false) };
    let put = |ending: &str, bytes: &[u8]| {
        let path = folder.join(format!("{}.{ending}", case.name.replace('/', "-")));
        std::fs::write(&path, bytes).map_err(|e| Error::io(format!("writing {}", path.display()), e))
    };
    let mut executor = device.executor();
    let program = executor.load(device.plan(&built.graph, &built.outputs)?)?;
    executor.run(&program, 1)?;
    for (i, output) in built.outputs.iter().enumerate() {
        put(&format!("y{i}"), executor.fetch(&program, *output)?.bytes())?;
    }
    built.values.iter().enumerate().try_for_each(|(i, x)| put(&format!("x{i}"), x.draw().bytes()))?;
    put("onnx", &model.encode_to_vec())?;
    Ok(true)
}

/// What the table has as gradients alone, or not at all.
fn more() -> Vec<Case> {
    let x = |shape: &[usize]| (Spec::f32(shape), Fill::Normal(1.0));
    let transposed = |name: &str, op: Conv2d, w: &[usize], y: &[usize], input: [usize; 2]| {
        Case::new(format!("conv_transpose/{name}"), vec![x(w), x(y)], move |g: &mut Graph, x: &[TensorId]| {
            Ok(vec![g.push1(Conv2dGradX { op, input }, &[x[0], x[1]])?])
        })
    };
    let same = Conv2d { padding: [[1, 1]; 2], ..Conv2d::default() };
    let apart = Conv2d { stride: [2, 3], padding: [[0, 1], [1, 2]], dilation: [2, 1], groups: 2 };
    let mask = |name: &str, mask: &[usize], heads: usize, causal: bool| {
        let never = HostTensor::f32(
            mask,
            (0..mask.iter().product()).map(|i| if i % 3 == 0 { f32::NEG_INFINITY } else { 0.5 }).collect(),
        );
        let inputs = vec![x(&[2, 4, 5, 8]), x(&[2, heads, 7, 8]), x(&[2, heads, 7, 6])];
        Case::new(format!("attention_mask/{name}"), inputs, move |g: &mut Graph, x: &[TensorId]| {
            let mask = g.constant(never.clone());
            let inputs = AttentionInputs { mask: Some(mask), ..AttentionInputs::default() };
            Ok(vec![g.attention(x[0], x[1], x[2], Attention { causal, ..Attention::default() }, inputs)?])
        })
    };
    vec![
        transposed("same", same, &[3, 2, 3, 3], &[2, 3, 6, 5], [6, 5]),
        transposed("apart", apart, &[4, 3, 3, 4], &[2, 4, 4, 5], [10, 14]),
        mask("plain", &[5, 7], 4, false),
        mask("causal", &[2, 1, 5, 7], 2, true),
        mask("heads", &[2, 4, 5, 7], 2, false),
    ]
}
