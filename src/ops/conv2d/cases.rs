//! The case table of convolution.

use super::sizes::Sizes;
use super::{Conv2d, Conv2dGradX};
use crate::graph::{Case, Fill};
use crate::tensor::Spec;

/// Stride, padding on either side, dilation, groups down to depthwise, windows
/// that outgrow the image, and sizes that run past every block. Those of Winograd
/// have channels enough for it, and tiles that end inside and outside the image;
/// those of lanes also have phases of which some see no tap.
pub fn cases() -> Vec<Case> {
    let plain = Conv2d::default();
    let case = |name: &str, x: [usize; 4], w: [usize; 4], bias: bool, op: Conv2d| {
        let mut inputs = vec![(Spec::f32(x), Fill::Normal(1.0)), (Spec::f32(w), Fill::Normal(0.5))];
        if bias {
            inputs.push((Spec::f32([w[0]]), Fill::Normal(1.0)));
        }
        let s = Sizes::new(op, x, w).expect("cases are valid");
        Case::new(format!("conv2d/{name}"), inputs, move |g, x| {
            Ok(vec![g.conv2d(x[0], x[1], x.get(2).copied(), op)?])
        })
        .reduction((s.n * s.positions()).max(s.columns()).max(s.og() * s.k[0] * s.k[1]))
    };
    let same = |h, k, stride, dilation| Conv2d {
        stride,
        dilation,
        padding: Conv2d::same_padding(h, k, stride, dilation),
        groups: 1,
    };
    vec![
        case("plain", [2, 1, 8, 8], [5, 1, 3, 3], true, plain),
        case("no_bias", [2, 3, 7, 9], [9, 3, 3, 3], false, plain),
        case("one_by_one", [3, 5, 4, 6], [7, 5, 1, 1], true, plain),
        case("one", [1, 1, 1, 1], [1, 1, 1, 1], true, plain),
        case("same_3", [2, 3, 9, 7], [4, 3, 3, 3], true, same([9, 7], [3, 3], [1, 1], [1, 1])),
        case("same_even_kernel", [2, 2, 7, 6], [3, 2, 4, 2], true, same([7, 6], [4, 2], [1, 1], [1, 1])),
        case("same_stride_2", [2, 3, 9, 8], [4, 3, 3, 3], true, same([9, 8], [3, 3], [2, 2], [1, 1])),
        case("stride_2_no_padding", [2, 2, 10, 9], [3, 2, 3, 2], true, Conv2d { stride: [2, 3], ..plain }),
        case("pointwise_stride_2", [2, 4, 7, 7], [8, 4, 1, 1], false, Conv2d { stride: [2, 2], ..plain }),
        case(
            "dilation",
            [1, 2, 11, 12],
            [3, 2, 3, 3],
            true,
            Conv2d { dilation: [2, 3], padding: [[2, 2], [3, 1]], ..plain },
        ),
        case("groups", [2, 6, 6, 5], [9, 2, 3, 3], true, Conv2d { groups: 3, padding: [[1, 1]; 2], ..plain }),
        case("depthwise", [2, 7, 6, 6], [7, 1, 3, 3], true, Conv2d { groups: 7, padding: [[1, 1]; 2], ..plain }),
        case("depthwise_multiplier", [1, 3, 6, 6], [6, 1, 3, 3], false, Conv2d { groups: 3, ..plain }),
        case("window_beyond_image", [2, 1, 2, 2], [2, 1, 5, 5], true, Conv2d { padding: [[3, 3]; 2], ..plain }),
        case("wide_channels", [1, 17, 5, 5], [13, 17, 3, 3], true, plain),
        case("tiles", [2, 33, 7, 8], [35, 33, 3, 3], true, same([7, 8], [3, 3], [1, 1], [1, 1])),
        case("tiles_stride_2", [3, 34, 9, 7], [40, 34, 3, 3], false, same([9, 7], [3, 3], [2, 2], [1, 1])),
        case("tiles_groups", [2, 70, 6, 6], [66, 35, 3, 2], true, Conv2d { groups: 2, ..plain }),
        case("many_images", [67, 1, 5, 5], [2, 1, 3, 3], true, plain),
        case("mnist", [4, 1, 28, 28], [32, 1, 3, 3], true, plain),
        case("kernel_of_image", [3, 2, 5, 4], [4, 2, 5, 4], true, plain),
        case("winograd_odd", [3, 17, 9, 7], [19, 17, 3, 3], true, same([9, 7], [3, 3], [1, 1], [1, 1])),
        case("winograd_one", [3, 16, 1, 1], [18, 16, 3, 3], true, same([1, 1], [3, 3], [1, 1], [1, 1])),
        case("winograd_wide", [1, 18, 5, 33], [16, 18, 3, 3], false, Conv2d { padding: [[2, 2]; 2], ..plain }),
        case("winograd_uneven", [2, 16, 4, 2], [16, 16, 3, 3], true, Conv2d { padding: [[0, 3], [4, 1]], ..plain }),
        winograd_fused(),
        case(
            "lanes_stride_3",
            [2, 9, 11, 10],
            [10, 9, 5, 4],
            true,
            Conv2d { stride: [3, 2], padding: [[2, 1], [3, 0]], ..plain },
        ),
        case(
            "lanes_groups",
            [3, 12, 9, 9],
            [10, 6, 3, 3],
            true,
            Conv2d { groups: 2, ..same([9, 9], [3, 3], [2, 2], [1, 1]) },
        ),
        case("lanes_window_7", [1, 5, 12, 45], [6, 5, 7, 7], true, same([12, 45], [7, 7], [1, 1], [1, 1])),
        case("lanes_gaps", [2, 8, 9, 9], [9, 8, 2, 1], false, Conv2d { stride: [3, 4], ..plain }),
        // Windows that outgrow what they look at: taps that never meet the image, windows in the padding alone.
        case("beyond_dilated", [2, 3, 8, 8], [4, 3, 3, 3], true, same([8, 8], [3, 3], [1, 1], [9, 9])),
        case("beyond_window", [2, 2, 3, 3], [3, 2, 8, 8], true, same([3, 3], [8, 8], [1, 1], [1, 1])),
        case("beyond_sequence", [2, 3, 1, 6], [5, 3, 1, 3], true, same([1, 6], [1, 3], [1, 1], [1, 8])),
        case("beyond_column", [2, 3, 5, 1], [4, 3, 4, 4], true, same([5, 1], [4, 4], [1, 1], [1, 1])),
        case(
            "beyond_causal",
            [2, 3, 1, 1],
            [4, 3, 1, 3],
            true,
            Conv2d { dilation: [1, 2], padding: [[0, 0], [4, 0]], ..plain },
        ),
        case("beyond_stride", [2, 3, 7, 5], [4, 3, 3, 3], true, same([7, 5], [3, 3], [2, 3], [9, 8])),
        case(
            "beyond_groups",
            [2, 12, 4, 3],
            [10, 6, 5, 5],
            false,
            Conv2d { groups: 2, ..same([4, 3], [5, 5], [1, 1], [1, 4]) },
        ),
        case(
            "beyond_depthwise",
            [2, 5, 3, 4],
            [5, 1, 7, 3],
            true,
            Conv2d { groups: 5, ..same([3, 4], [7, 3], [1, 1], [1, 6]) },
        ),
        case("beyond_padding", [2, 17, 2, 3], [18, 17, 3, 3], true, Conv2d { padding: [[9, 4], [5, 9]], ..plain }),
        case("beyond_tiles", [2, 33, 4, 5], [35, 33, 3, 3], true, same([4, 5], [3, 3], [1, 1], [4, 6])),
        case("lanes_dilation", [1, 6, 12, 20], [24, 6, 3, 3], true, same([12, 20], [3, 3], [1, 1], [2, 3])),
        transposed("plain", [2, 3, 4, 5], [3, 2, 3, 3], [6, 7], plain),
        transposed("stride_2", [2, 4, 3, 3], [4, 3, 3, 2], [8, 7], Conv2d { stride: [2, 2], ..plain }),
        transposed(
            "padding_groups",
            [1, 6, 4, 3],
            [6, 2, 3, 4],
            [8, 6],
            Conv2d { stride: [2, 1], padding: [[1, 0], [0, 0]], groups: 3, ..plain },
        ),
        transposed("tiles", [2, 33, 7, 8], [33, 35, 3, 3], [7, 8], same([7, 8], [3, 3], [1, 1], [1, 1])),
        case("grid_overflow", [1, 1, 4096, 4097], [1, 1, 1, 1], false, plain).no_gradient().reduction(1),
    ]
}

/// A convolution backwards, as an op that learns: its input is as large as the output of one
/// over images of `size`.
fn transposed(name: &str, y: [usize; 4], w: [usize; 4], size: [usize; 2], op: Conv2d) -> Case {
    let inputs = vec![(Spec::f32(w), Fill::Normal(0.5)), (Spec::f32(y), Fill::Normal(1.0))];
    let reduction = (y[0] * size[0] * size[1]).max(w[0] * w[2] * w[3]).max(w[1] * w[2] * w[3]);
    Case::new(format!("conv2d/transposed_{name}"), inputs, move |g, x| {
        Ok(vec![g.push1(Conv2dGradX { op, input: size }, &[x[0], x[1]])?])
    })
    .reduction(reduction)
}

/// Rows of whole quads, and work behind the convolution that is done before it
/// stores.
fn winograd_fused() -> Case {
    let op = Conv2d { padding: [[1, 1]; 2], ..Conv2d::default() };
    let inputs = [
        (Spec::f32([1, 64, 6, 8]), Fill::Normal(1.0)),
        (Spec::f32([17, 64, 3, 3]), Fill::Normal(0.5)),
        (Spec::f32([17]), Fill::Normal(1.0)),
        (Spec::f32([1, 17, 6, 8]), Fill::Normal(1.0)),
    ];
    Case::new("conv2d/winograd_fused", inputs.into(), move |g, x| {
        let y = g.conv2d(x[0], x[1], Some(x[2]), op)?;
        let y = g.add(y, x[3])?;
        Ok(vec![g.relu(y)?])
    })
    .fused()
    .reduction(9 * 64)
}
