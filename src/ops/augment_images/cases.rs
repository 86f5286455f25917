//! The case table of both ops.

use super::{Augmentation, Outside, Patch};
use crate::graph::{Case, Fill};
use crate::tensor::random::{Random, stream};
use crate::tensor::{Spec, pack_bytes};

/// Why results may be further off than a sum of few terms.
const COORDINATES: (f64, &str) = (
    400.0,
    "coordinates are rounded at the size of the image, and neighbouring pixels of a case differ as much as pixels can",
);

/// Each change alone, all at once, every fill, channels and sizes of all kinds.
pub fn cases() -> Vec<Case> {
    let none = Augmentation::default();
    let grey = [1, 28, 28];
    let affine =
        Augmentation { rotation: 25.0, scale: [0.7, 1.3], shear: 15.0, shift: [0.2, 0.1], flip_vertical: 0.3, ..none };
    let all = Augmentation {
        flip_horizontal: 0.5,
        crop_padding: 2,
        elastic_alpha: 1.5,
        brightness: 0.3,
        contrast: 0.4,
        noise: 0.1,
        erase: 0.5,
        patch: Patch::Noise,
        outside: Outside::Reflect,
        ..affine
    };
    vec![
        case("none", grey, 5, none),
        case("flip", grey, 65, Augmentation { flip_horizontal: 0.5, flip_vertical: 0.5, ..none }),
        case("crop", [3, 32, 32], 7, Augmentation { crop_padding: 4, flip_horizontal: 0.5, ..none }),
        case("crop_edge", [1, 5, 3], 9, Augmentation { crop_padding: 5, outside: Outside::Edge, ..none }),
        case("crop_reflect", [2, 3, 7], 9, Augmentation { crop_padding: 7, outside: Outside::Reflect, ..none }),
        case("affine", grey, 9, affine),
        case("affine_edge", [3, 9, 14], 7, Augmentation { outside: Outside::Edge, ..affine }),
        case("affine_reflect", [2, 13, 6], 7, Augmentation { outside: Outside::Reflect, ..affine }),
        case("half_turn", [1, 7, 7], 9, Augmentation { rotation: 180.0, ..none }),
        case("tiny", [1, 6, 6], 9, Augmentation { scale: [0.05, 0.1], outside: Outside::Reflect, ..none }),
        case("elastic", grey, 6, Augmentation { elastic_alpha: 3.0, ..none }),
        case("elastic_fine", [1, 9, 20], 6, Augmentation { elastic_alpha: 1.0, elastic_grid: 11, ..none }),
        case("colour", [3, 8, 8], 9, Augmentation { brightness: 0.5, contrast: 2.0, saturation: 1.5, ..none }),
        case("contrast_odd", [2, 5, 3], 65, Augmentation { contrast: 0.5, ..none }),
        case("saturation_affine", [3, 16, 16], 7, Augmentation { saturation: 0.7, ..affine }),
        case("noise", [3, 7, 5], 9, Augmentation { noise: 0.2, ..none }),
        case("noise_odd_channels", [5, 3, 3], 9, Augmentation { noise: 0.05, flip_horizontal: 1.0, ..none }),
        case("erase_mean", grey, 9, Augmentation { erase: 0.7, ..none }),
        case("erase_zero", [3, 5, 9], 9, Augmentation { erase: 1.0, patch: Patch::Zero, ..none }),
        case("erase_noise", [3, 9, 5], 9, Augmentation { erase: 1.0, patch: Patch::Noise, ..none }),
        case("all_grey", grey, 63, all),
        case("all_colour", [3, 32, 32], 9, Augmentation { saturation: 0.4, ..all }),
        case("one_pixel", [1, 1, 1], 65, Augmentation { crop_padding: 1, ..all }),
        case("one_row", [3, 1, 17], 5, Augmentation { outside: Outside::Zero, ..all }),
        case("grid_overflow", [1, 33, 5], 100_000, Augmentation { flip_horizontal: 0.5, ..none }),
        fixed(),
    ]
}

/// A batch of random pictures with an index beyond the data in it.
fn inputs(n: usize, image: [usize; 3], batch: usize) -> Vec<(Spec, Fill)> {
    let mut random = Random::new(9, stream::CASES);
    let bytes: Vec<u8> = (0..n * image.iter().product::<usize>()).map(|_| random.below(256) as u8).collect();
    let data = pack_bytes(&bytes);
    let index = (0..batch).map(|slot| if slot == 2 { n as u32 } else { random.below(n as u32) }).collect();
    vec![
        (Spec::u32([data.len()]), Fill::Indices(data)),
        (Spec::u32([batch]), Fill::Indices(index)),
        (Spec::u32([4]), Fill::Indices(vec![11, 3, 1, 42])),
        (Spec::f32([image[0]]), Fill::Uniform(0.01, 0.02)),
        (Spec::f32([image[0]]), Fill::Normal(0.5)),
    ]
}

fn case(name: &str, image: [usize; 3], batch: usize, how: Augmentation) -> Case {
    let n = 7;
    let case = Case::new(format!("augment_images/{name}"), inputs(n, image, batch), move |g, x| {
        let params = g.draw_augmentation(x[0], x[1], x[2], n, image, how)?;
        Ok(vec![params, g.resample_images(x[0], x[1], params, x[2], x[3], x[4], n, image, how)?])
    })
    .no_gradient();
    // Copies are as exact as in `gather_images`.
    let exact = !how.blends() && !how.recolours() && how.noise == 0.0;
    if exact { case } else { case.extra(COORDINATES.0, COORDINATES.1) }
}

/// Given parameters that none would draw: look-ups many images away.
fn fixed() -> Case {
    let (n, image, batch) = (3, [1, 4, 6], 5);
    let how = Augmentation { rotation: 1.0, outside: Outside::Reflect, ..Augmentation::default() };
    let mut random = Random::new(10, stream::CASES);
    let mut params = vec![0.0; batch * super::PARAMS];
    for slot in params.chunks_mut(super::PARAMS) {
        slot[..4].fill_with(|| random.uniform(-3.0, 3.0));
        slot[4..6].fill_with(|| random.uniform(-40.0, 40.0));
        (slot[6], slot[12]) = (1.0, 1.0);
    }
    let mut inputs = inputs(n, image, batch);
    inputs.push((Spec::f32([batch, super::PARAMS]), Fill::Values(params)));
    Case::new("augment_images/far_outside", inputs, move |g, x| {
        Ok(vec![g.resample_images(x[0], x[1], x[5], x[2], x[3], x[4], n, image, how)?])
    })
    .no_gradient()
    .extra(COORDINATES.0, COORDINATES.1)
}
