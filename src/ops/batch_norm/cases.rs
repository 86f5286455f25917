//! The case table of batch normalisation.

use super::BatchNorm;
use crate::graph::{Case, Fill, Graph, Init, TensorId};
use crate::tensor::{HostTensor, Spec};

/// Two to four axes, every kernel's sizes, masked rows, a mean far from zero,
/// the running statistics, and evaluation.
pub fn cases() -> Vec<Case> {
    let running = |c: usize| -> [Vec<f32>; 2] {
        [(0..c).map(|i| i as f32 * 0.3 - 0.5).collect(), (0..c).map(|i| 0.2 + (i * 3 % 7) as f32 * 0.4).collect()]
    };
    let case = |name: &str, shape: &[usize], rows: Option<u32>, evaluate: bool| {
        let c = shape[1];
        let per_channel = Spec::f32([c]);
        let (gamma, beta) = (Fill::Uniform(0.5, 1.5), Fill::Normal(0.5));
        let mut inputs = vec![(Spec::f32(shape), Fill::Normal(1.0)), (per_channel.clone(), gamma), (per_channel, beta)];
        inputs.extend(rows.map(|r| (Spec::u32([1]), Fill::Indices(vec![r]))));
        let build = move |g: &mut Graph, x: &[TensorId]| {
            let [mean, var] = running(c).map(|v| HostTensor::f32([c], v));
            if evaluate {
                let (mean, var) = (g.constant(mean), g.constant(var));
                return Ok(vec![g.batch_norm_eval(x[0], x[1], x[2], mean, var, 1e-3)?]);
            }
            let mut state = |name: &str, v: HostTensor| g.persistent(name, v.spec(), Init::Data(v.into()));
            let (mean, var) = (state("running_mean", mean), state("running_var", var));
            Ok(vec![g.batch_norm(x[0], x[1], x[2], mean, var, x.get(3).copied(), BatchNorm::default())?])
        };
        let m = shape[0] * shape[2..].iter().product::<usize>();
        Case::new(format!("batch_norm/{name}"), inputs, build)
            .reduction(m.max(4))
            .extra(8.0, "WGSL allows division and square root 2.5 ulp each")
    };
    let mut cases = vec![
        case("two_values", &[2, 1], None, false)
            .extra(128.0, "with two values the gradient cancels to what eps leaves"),
        case("odd", &[17, 5], None, false),
        case("dense", &[65, 37], None, false),
        case("dense_rows", &[65, 12], Some(33), false),
        case("sequence", &[5, 3, 7], None, false),
        case("vec4", &[3, 5, 2, 4], None, false),
        case("one_row", &[1, 3, 5, 7], None, false),
        case("image", &[7, 3, 13, 11], None, false),
        case("image_vec4", &[9, 2, 16, 16], None, false),
        case("image_rows", &[9, 2, 16, 16], Some(4), false),
        case("image_rows_odd", &[5, 3, 7, 11], Some(2), false),
        case("more_rows_than_there_are", &[5, 3, 2], Some(u32::MAX), false),
        case("many_channels", &[19, 1031], None, false),
        case("eval_dense", &[17, 5], None, true),
        case("eval_image", &[3, 5, 6, 7], None, true),
        case("eval_vec4", &[1, 5, 6, 8], None, true),
        case("grid_overflow", &[65_537, 65], None, false).no_gradient(),
        case("group_overflow", &[1, 65_537, 33], None, false).no_gradient(),
        case("no_row", &[3, 2, 2], Some(0), false).no_gradient(),
    ];
    let far = case("far_from_zero", &[257, 2], None, false).extra(32.0, "the mean, 350 deviations, is rounded to f32");
    cases.push(Case {
        inputs: [vec![(Spec::f32([257, 2]), Fill::Uniform(100.0, 101.0))], far.inputs[1..].to_vec()].concat(),
        ..far
    });
    // With momentum 1 a second run leaves the same running statistics.
    let image = Spec::f32([6, 5, 7, 7]);
    let inputs = vec![(image, Fill::Normal(2.0)), (Spec::u32([1]), Fill::Indices(vec![4]))];
    let build = |g: &mut Graph, x: &[TensorId]| {
        let [mean, var] = ["mean", "var"].map(|name| g.persistent(name, Spec::f32([5]), Init::Zeros));
        let one = g.constant(HostTensor::f32([5], vec![1.0; 5]));
        let y = g.batch_norm(x[0], one, one, mean, var, Some(x[1]), BatchNorm { momentum: 1.0, eps: 1e-5 })?;
        Ok(vec![y, g.copy(mean)?, g.copy(var)?])
    };
    let extra = "WGSL allows division and square root 2.5 ulp each";
    cases.push(Case::new("batch_norm/running", inputs, build).no_gradient().reduction(196).extra(8.0, extra));
    // Channels in which nothing happens any more.
    let faded = |bound: f32| vec![1e-45, 1e-40, 0.5 * bound, 2.0 * bound, 3.0 * bound];
    let mut inputs = vec![(Spec::f32([3, 5, 2]), Fill::Values(vec![0.0; 30]))];
    inputs.extend([1e-30, 1e-36].map(|bound| (Spec::f32([5]), Fill::Values(faded(bound)))));
    let build = |g: &mut Graph, x: &[TensorId]| {
        let one = g.constant(HostTensor::f32([5], vec![1.0; 5]));
        g.batch_norm(x[0], one, one, x[1], x[2], None, BatchNorm::default())?;
        Ok(vec![x[1], x[2]])
    };
    cases.push(Case::new("batch_norm/running_fades", inputs, build).no_gradient());
    cases
}
