//! The case table of sampling by a grid.

use super::{GridSample, Mode, Padding};
use crate::graph::{Case, Fill};
use crate::tensor::Spec;

/// Every mode, padding and alignment; places inside and far outside.
pub fn cases() -> Vec<Case> {
    let case = |name: String, [n, c, h, w]: [usize; 4], [oh, ow]: [usize; 2], fill: Fill, op: GridSample| {
        let inputs = vec![(Spec::f32([n, c, h, w]), Fill::Normal(1.0)), (Spec::f32([n, oh, ow, 2]), fill)];
        Case::new(format!("grid_sample/{name}"), inputs, move |g, x| {
            Ok(vec![g.grid_sample(x[0], x[1], op.mode, op.padding, op.align_corners)?])
        })
        .reduction(16 * oh * ow)
        .extra(64.0, "the weights' error is that of a coordinate, which counts elements")
    };
    let mut cases = vec![];
    for (mode, mode_name) in [(Mode::Bilinear, "bilinear"), (Mode::Nearest, "nearest"), (Mode::Bicubic, "bicubic")] {
        for (padding, padding_name) in
            [(Padding::Zeros, "zeros"), (Padding::Border, "border"), (Padding::Reflection, "reflection")]
        {
            for (align_corners, align) in [(false, ""), (true, "_aligned")] {
                let op = GridSample { mode, padding, align_corners };
                let name = format!("{mode_name}_{padding_name}{align}");
                cases.push(case(name, [2, 3, 5, 7], [4, 3], Fill::Normal(1.0), op));
            }
        }
        let op = GridSample { mode, padding: Padding::Zeros, align_corners: false };
        cases.push(case(format!("{mode_name}_one"), [1, 1, 1, 1], [1, 1], Fill::Uniform(-0.7, 0.7), op));
        cases.push(case(format!("{mode_name}_wg-1"), [1, 1, 8, 9], [7, 9], Fill::Uniform(-1.1, 1.1), op));
        cases.push(case(format!("{mode_name}_wg+1"), [1, 1, 13, 5], [5, 13], Fill::Uniform(-1.1, 1.1), op));
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let edges = vec![nan, 0.1, 0.2, inf, -inf, 0.3, 1e30, -1e30, 7.3, -5.2, -0.9, 0.77];
        let edges = case(format!("{mode_name}_edges"), [1, 2, 3, 4], [2, 3], Fill::Values(edges), op);
        cases.push(edges.no_gradient());
    }
    // One element along an axis reflects to itself.
    let narrow = GridSample { mode: Mode::Bilinear, padding: Padding::Reflection, align_corners: true };
    cases.push(case("narrow".into(), [1, 2, 1, 6], [3, 5], Fill::Normal(1.0), narrow));
    // More outputs than an invocation of the gradient of x walks.
    let plain = GridSample { mode: Mode::Bilinear, padding: Padding::Border, align_corners: false };
    let beyond = case("beyond_a_walk".into(), [1, 1, 2, 3], [130, 127], Fill::Uniform(-1.2, 1.2), plain);
    cases.push(beyond.reduction(16_510 / 3));
    cases
}
