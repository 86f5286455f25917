//! The case table of max pooling.

use super::MaxPool2d;
use crate::graph::{Case, Fill};
use crate::tensor::{HostTensor, Spec};

/// Window shapes, edges, ties and what is no number.
pub fn cases() -> Vec<Case> {
    let uneven =
        |kernel, stride, padding, dilation, ceil_mode| MaxPool2d { kernel, stride, padding, dilation, ceil_mode };
    let pool = |kernel, stride, padding: [usize; 2], dilation, ceil_mode| {
        uneven(kernel, stride, padding.map(|n| [n, n]), dilation, ceil_mode)
    };
    let case = |name: &str, shape: [usize; 4], pool: MaxPool2d| {
        let overlap = (pool.kernel[0].div_ceil(pool.stride[0])) * (pool.kernel[1].div_ceil(pool.stride[1]));
        Case::new(format!("max_pool2d/{name}"), vec![(Spec::f32(shape), Fill::Distinct(0.01))], move |g, x| {
            g.push(pool, &[x[0]])
        })
        .reduction(overlap)
    };
    // The gradient of ties and of NaN, as an output: a finite difference
    // cannot see it.
    let exact = |name: &str, values: Vec<f32>, width: usize, pool: MaxPool2d| {
        let spec = Spec::f32([1, 1, values.len() / width, width]);
        Case::new(format!("max_pool2d/{name}"), vec![(spec, Fill::Values(values))], move |g, x| {
            let outputs = g.push(pool, &[x[0]])?;
            let spec = g.spec(outputs[0]).clone();
            let d_y = (1..=spec.elements()).map(|i| i as f32).collect();
            let gradient = g.constant(HostTensor::f32(spec.shape, d_y));
            let seed = crate::graph::Seed { tensor: outputs[0], gradient };
            let d_x = crate::graph::gradient(g, &[seed], &[x[0]])?;
            Ok([outputs, d_x].concat())
        })
        .no_gradient()
        .reduction(9)
    };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    vec![
        case("2x2", [2, 3, 8, 6], MaxPool2d::new([2, 2])),
        case("2x2_odd", [2, 3, 7, 5], MaxPool2d::new([2, 2])),
        case("2x2_odd_ceil", [2, 3, 7, 5], MaxPool2d { ceil_mode: true, ..MaxPool2d::new([2, 2]) }),
        case("3x2", [1, 2, 11, 13], MaxPool2d::new([3, 2])),
        case("pairs", [2, 3, 7, 6], MaxPool2d::new([3, 2])),
        case("pairs_ceil", [3, 2, 7, 10], MaxPool2d { ceil_mode: true, ..MaxPool2d::new([2, 2]) }),
        case("one", [1, 1, 1, 1], MaxPool2d::new([1, 1])),
        case("whole_plane", [3, 1, 5, 7], MaxPool2d::new([5, 7])),
        case("wg", [1, 1, 8, 8], MaxPool2d::new([1, 1])),
        case("wg+1", [1, 5, 13, 2], MaxPool2d::new([1, 2])),
        case("overlap", [2, 2, 9, 10], pool([3, 3], [2, 2], [1, 1], [1, 1], false)),
        case("overlap_dense", [1, 2, 7, 8], pool([3, 4], [1, 1], [1, 2], [1, 1], false)),
        case("overlap_inside", [1, 2, 9, 9], pool([3, 3], [2, 2], [0, 0], [1, 1], false)),
        case("gaps", [1, 2, 11, 12], pool([2, 2], [3, 4], [0, 0], [1, 1], false)),
        case("dilated", [1, 2, 12, 11], pool([3, 2], [2, 1], [1, 1], [2, 3], false)),
        case("dilated_ceil", [1, 2, 12, 11], pool([2, 3], [3, 2], [1, 1], [3, 2], true)),
        case("padded_ceil", [1, 2, 10, 7], pool([3, 3], [2, 3], [1, 0], [1, 1], true)),
        case("beyond_window", [2, 2, 3, 2], pool([5, 4], [1, 1], [2, 2], [1, 1], false)),
        case("beyond_sequence", [2, 3, 1, 3], pool([1, 7], [1, 2], [0, 3], [1, 1], false)),
        case("beyond_dilated", [1, 2, 3, 5], pool([3, 3], [1, 1], [1, 1], [2, 3], false)),
        case("beyond_ceil", [1, 2, 2, 3], pool([4, 5], [3, 2], [2, 2], [1, 1], true)),
        case("empty_window", [1, 2, 1, 3], pool([2, 2], [1, 1], [1, 1], [2, 2], false)).no_gradient(),
        case("uneven", [2, 3, 5, 5], uneven([2, 2], [2, 2], [[0, 1], [1, 0]], [1, 1], false)),
        case("uneven_dense", [1, 2, 6, 7], uneven([4, 3], [1, 1], [[3, 1], [0, 2]], [1, 1], false)),
        case("uneven_dilated", [1, 2, 9, 8], uneven([3, 2], [2, 1], [[4, 1], [0, 3]], [2, 3], false)),
        case("uneven_ceil", [1, 2, 7, 6], uneven([3, 4], [3, 3], [[0, 2], [3, 0]], [1, 1], true)),
        case("causal", [2, 3, 1, 6], uneven([1, 4], [1, 1], [[0, 0], [3, 0]], [1, 1], false)),
        case("uneven_empty", [1, 2, 1, 3], uneven([3, 2], [1, 1], [[3, 2], [0, 1]], [2, 2], false)).no_gradient(),
        case("grid_overflow", [1, 1, 65_536, 65], MaxPool2d::new([1, 1])).no_gradient(),
        exact("ties", vec![1.0, 1.0, 0.0, 2.0, 1.0, 1.0, 2.0, 2.0], 4, MaxPool2d::new([2, 2])),
        exact(
            "ties_overlap",
            vec![1.0, 1.0, 0.0, 2.0, 1.0, 1.0, 2.0, 2.0, -0.0, 0.0, 0.0, -0.0],
            4,
            pool([2, 2], [1, 1], [1, 1], [1, 1], false),
        ),
        exact(
            "nan_and_infinite",
            vec![nan, 1.0, -inf, -inf, nan, 5.0, -inf, -inf, 3.0, inf, 1.0, nan, inf, -inf, nan, 2.0],
            4,
            MaxPool2d::new([2, 2]),
        ),
        Case::new("max_pool2d/of_relu", vec![(Spec::f32([2, 3, 6, 6]), Fill::Distinct(0.01))], |g, x| {
            let relu = g.relu(x[0])?;
            Ok(vec![g.max_pool2d(relu, MaxPool2d::new([2, 2]))?])
        }),
    ]
}
