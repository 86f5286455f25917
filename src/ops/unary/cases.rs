//! The case table of the elementwise functions.

use super::Function::{self, *};
use crate::graph::{Case, Fill, Graph, TensorId, with_gradients};
use crate::tensor::Spec;

/// Every function over values on both sides of its kinks, and the shapes that
/// break index arithmetic.
pub fn cases() -> Vec<Case> {
    let functions = [
        ("relu", Relu),
        ("leaky_relu", LeakyRelu(0.01)),
        ("leaky_relu_negative_slope", LeakyRelu(-0.2)),
        ("elu", Elu(1.3)),
        ("gelu", Gelu),
        ("gelu_tanh", GeluTanh),
        ("silu", Silu),
        ("sigmoid", Sigmoid),
        ("tanh", Tanh),
        ("softplus", Softplus),
        ("hard_swish", HardSwish),
        ("exp", Exp),
        ("ln", Ln),
        ("sqrt", Sqrt),
        ("square", Square),
        ("abs", Abs),
        ("affine", Affine(-1.5, 0.25)),
    ];
    let case = |name: String, f: Function, shape: Vec<usize>| {
        let fill = match f {
            Ln | Sqrt => Fill::Uniform(0.1, 4.0),
            Relu | LeakyRelu(_) | Elu(_) | Abs | HardSwish => Fill::Distinct(0.037),
            _ => Fill::Normal(2.0),
        };
        Case::new(name, vec![(Spec::f32(shape), fill)], move |g, x| Ok(vec![g.unary(f, x[0])?]))
            .extra(64.0, "WGSL allows exp 3 + 2|x| ulp and derives tanh from it")
    };
    let mut cases: Vec<Case> =
        functions.iter().map(|(name, f)| case(format!("unary/{name}"), *f, vec![3, 37])).collect();
    for (name, shape) in
        [("one", vec![1]), ("wg", vec![64]), ("wg+1", vec![65]), ("vec4", vec![5, 8]), ("rank4", vec![2, 3, 5, 4])]
    {
        cases.push(case(format!("unary/relu_{name}"), Relu, shape));
    }
    // More than 65,535 workgroups of 64 invocations, one element each.
    cases.push(case("unary/square_grid_overflow".into(), Square, vec![65_536 * 64 + 1]));
    // Far out, where a careless exponential overflows.
    for (name, f) in
        [("sigmoid", Sigmoid), ("softplus", Softplus), ("tanh", Tanh), ("silu", Silu), ("gelu_tanh", GeluTanh)]
    {
        let far = Fill::Values(vec![-200.0, -90.0, -30.0, -10.0, 0.0, 10.0, 30.0, 90.0, 200.0]);
        let build = move |g: &mut Graph, x: &[TensorId]| Ok(vec![g.unary(f, x[0])?]);
        cases.push(
            Case::new(format!("unary/{name}_far_out"), vec![(Spec::f32([9]), far)], build)
                .extra(512.0, "WGSL allows exp 3 + 2|x| ulp, and |x| reaches 200 here"),
        );
    }
    cases.extend(elementary());
    cases
}

/// The functions of `lib/elementary`, with the range in which they are tried.
fn elementary() -> Vec<Case> {
    let normal = || Fill::Normal(2.0);
    let kinked = || Fill::Distinct(0.037);
    let inside = || Fill::Uniform(-0.97, 0.97);
    let all = [
        ("reciprocal", Reciprocal, Fill::Uniform(0.3, 3.0)),
        ("sin", Sin, normal()),
        ("cos", Cos, normal()),
        ("tan", Tan, Fill::Uniform(-1.3, 1.3)),
        ("asin", Asin, inside()),
        ("acos", Acos, inside()),
        ("atan", Atan, normal()),
        ("sinh", Sinh, normal()),
        ("cosh", Cosh, normal()),
        ("asinh", Asinh, normal()),
        ("acosh", Acosh, Fill::Uniform(1.05, 5.0)),
        ("atanh", Atanh, inside()),
        ("erf", Erf, normal()),
        ("ceil", Ceil, kinked()),
        ("floor", Floor, kinked()),
        ("round", Round, kinked()),
        ("trunc", Trunc, kinked()),
        ("sign", Sign, kinked()),
        ("hard_sigmoid", HardSigmoid(0.3, 0.4), kinked()),
        ("softsign", Softsign, normal()),
        ("mish", Mish, normal()),
        ("celu", Celu(1.3), kinked()),
        ("thresholded_relu", ThresholdedRelu(0.7), kinked()),
        ("clip", Clip(-0.8, 1.2), kinked()),
        ("clip_below", Clip(-0.8, f32::INFINITY), kinked()),
        ("clip_above", Clip(f32::NEG_INFINITY, 1.2), kinked()),
        ("clip_nothing", Clip(f32::NEG_INFINITY, f32::INFINITY), kinked()),
        ("shrink", Shrink(0.5, 0.25), kinked()),
    ];
    let questions = [
        ("is_nan", IsNan),
        ("is_inf", IsInf(true, true)),
        ("is_inf_negative", IsInf(true, false)),
        ("is_inf_positive", IsInf(false, true)),
        ("not", Not),
    ];
    let case = |name: String, f: Function, shape: Vec<usize>, fill: Fill| {
        Case::new(name, vec![(Spec::f32(shape), fill)], move |g, x| Ok(vec![g.unary(f, x[0])?]))
            .extra(64.0, "WGSL allows exp 3 + 2|x| ulp and log an absolute error of 2^-21 near 1")
    };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let special = || Fill::Values(vec![nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5]);
    let mut cases = vec![];
    for (name, f, fill) in &all {
        cases.push(case(format!("unary/{name}"), *f, vec![3, 37], fill.clone()));
        cases.push(case(format!("unary/{name}_special"), *f, vec![13], special()).no_gradient());
    }
    for (name, f) in questions {
        cases.push(case(format!("unary/{name}"), f, vec![13], special()).no_gradient());
    }
    for (name, shape) in [("one", vec![1]), ("wg-1", vec![63]), ("wg+1", vec![65]), ("vec4", vec![5, 8])] {
        cases.push(case(format!("unary/sin_{name}"), Sin, shape.clone(), normal()));
        cases.push(case(format!("unary/clip_{name}"), Clip(-0.8, 1.2), shape, kinked()));
    }
    // Where the angle is many turns, and where a square or an exponential leaves f32.
    let turns = vec![-100.0, 30.0, 31.4159, 355.0, -1000.0, 5000.0, -9999.0, 20_000.0];
    for (name, f) in [("sin", Sin), ("cos", Cos)] {
        cases.push(case(format!("unary/{name}_far_out"), f, vec![8], Fill::Values(turns.clone())).no_gradient());
    }
    let far = vec![-1e30, -87.0, -30.0, -1e-3, 1e-3, 30.0, 87.0, 1e30];
    for (name, f) in [("atan", Atan), ("asinh", Asinh), ("erf", Erf), ("softsign", Softsign), ("mish", Mish)] {
        cases.push(case(format!("unary/{name}_far_out"), f, vec![8], Fill::Values(far.clone())).no_gradient());
    }
    for (name, f) in [("sinh", Sinh), ("cosh", Cosh)] {
        let far = Fill::Values(vec![-89.0, -1.0, -1e-3, 1e-3, 0.999, 1.001, 30.0, 89.0]);
        cases.push(
            case(format!("unary/{name}_far_out"), f, vec![8], far)
                .no_gradient()
                .extra(512.0, "WGSL allows exp 3 + 2|x| ulp, and |x| reaches 89 here"),
        );
    }
    // The derivative at the kinks, as an output: a finite difference cannot see it.
    let kinks = [
        ("clip", Clip(-0.5, 1.5), vec![-0.5, 1.5, -1.0, 2.0]),
        ("hard_sigmoid", HardSigmoid(0.5, 0.5), vec![-1.0, 1.0, 0.0, 2.0]),
        ("celu", Celu(2.0), vec![0.0, -0.0, 1.0, -1.0]),
        ("thresholded_relu", ThresholdedRelu(1.0), vec![1.0, 1.5, 0.5, -1.0]),
        ("shrink", Shrink(0.5, 0.5), vec![-0.5, 0.5, 1.0, 0.0]),
        ("round", Round, vec![0.5, -0.5, 1.0, 0.0]),
    ];
    for (name, f, at) in kinks {
        cases.push(
            Case::new(format!("unary/{name}_kinks"), vec![(Spec::f32([4]), Fill::Values(at))], move |g, x| {
                let y = g.unary(f, x[0])?;
                with_gradients(g, y, &[x[0]])
            })
            .no_gradient()
            .extra(64.0, "WGSL allows exp 3 + 2|x| ulp"),
        );
    }
    let chain = Case::new("unary/elementary_chain", vec![(Spec::f32([6, 8]), Fill::Normal(1.0))], |g, x| {
        let y = g.unary(Gelu, x[0])?;
        let y = g.unary(Atan, y)?;
        let y = g.unary(Clip(-0.31, 0.77), y)?;
        Ok(vec![g.unary(Sin, y)?])
    });
    cases.push(chain.fused().extra(64.0, "WGSL allows exp 3 + 2|x| ulp"));
    cases
}
