//! A batch of images out of a data set of bytes, normalised on the way:
//! `x[b, c, ..] = byte(index[b], c, ..) * scale[c] + shift[c]`, and 0 where
//! `index[b]` is no row of the data.
//!
//! Shapes: `data u32 [ceil(n C H W / 4)]`, bytes packed four to a word, the
//! lowest first, sample after sample without gaps; `index u32 [B]`;
//! `scale`, `shift f32 [C]`; `x f32 [B, C, H, W]`. No gradient: data does not
//! learn.

use super::state;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Spec, pack_bytes, parallel};

static SHADER: Shader = shader!("gather_images");

/// Invocations per workgroup.
const WG: usize = 64;

/// Gathers and normalises images.
#[derive(Debug, Clone, Copy)]
pub struct GatherImages {
    /// Images in the data.
    pub n: usize,
    /// Channels, height and width.
    pub image: [usize; 3],
}

impl Graph {
    /// The images `index` of `n` packed in `data` (see [`pack_bytes`](crate::tensor::pack_bytes)), each
    /// channel scaled and shifted. An index beyond the data gives zeros.
    pub fn gather_images(
        &mut self,
        data: TensorId,
        index: TensorId,
        scale: TensorId,
        shift: TensorId,
        n: usize,
        image: [usize; 3],
    ) -> Result<TensorId> {
        self.push1(GatherImages { n, image }, &[data, index, scale, shift])
    }
}

impl GatherImages {
    /// Bytes of one image.
    fn bytes(&self) -> usize {
        self.image.iter().product()
    }
}

impl Op for GatherImages {
    fn name(&self) -> &'static str {
        "gather_images"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let (n, [c, h, w]) = (self.n, self.image);
        let total = [n, c, h, w].iter().try_fold(1usize, |a, &b| a.checked_mul(b)).unwrap_or(usize::MAX);
        if total == 0 || total as u64 > 1 << 32 {
            return Err(Error::model(format!("data of {n} images {c}x{h}x{w}; expected 1 to 2^32 bytes in all")));
        }
        state::expect("data", &cx.inputs[0], &Spec::u32([total.div_ceil(4)]))?;
        let batch = state::expect_list("index", &cx.inputs[1], DType::U32)?;
        state::expect("scale", &cx.inputs[2], &Spec::f32([c]))?;
        state::expect("shift", &cx.inputs[3], &Spec::f32([c]))?;
        if batch.saturating_mul(self.bytes()) > u32::MAX as usize {
            return Err(Error::model(format!("a batch of {batch} images {c}x{h}x{w} has 2^32 elements or more")));
        }
        Ok(vec![Spec::f32([batch, c, h, w])])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let bytes = self.bytes();
        let elements = cx.outputs[0].elements();
        let (entry, x, per) = if bytes.is_multiple_of(4) { ("forward4", "x4", 4) } else { ("forward", "x", 1) };
        let k = Kernel::new(&SHADER, entry).set("N", self.n).set("SLOTS", cx.inputs[1].elements());
        let k = k.set("SAMPLE", bytes).set("PLANE", self.image[1] * self.image[2]);
        let d = k.dispatch_1d(elements / per, WG).input("data", 0).input("index", 1);
        Ok(Lowered::one(d.input("scale", 2).input("shift", 3).output(x, 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let elements = cx.outputs[0].elements() as u64;
        Cost { flops: 2 * elements, bytes: elements + cx.outputs[0].bytes() as u64 }
    }
}

impl Reference for GatherImages {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (index, scale, shift) = (io.x_u32(1), io.x(2), io.x(3));
        let data: &[u8] = bytemuck::cast_slice(io.x_u32(0));
        let plane = self.image[1] * self.image[2];
        // 256 values per channel: a look-up is cheaper than the arithmetic.
        let value = |c: usize, byte: u8| T::of(byte.into()) * scale[c] + shift[c];
        let tables: Vec<[T; 256]> =
            (0..scale.len()).map(|c| std::array::from_fn(|byte| value(c, byte as u8))).collect();
        let bytes = self.bytes();
        parallel::rows(io.y(0), bytes, |slot, x| {
            let row = index[slot] as usize;
            if row >= self.n {
                x.fill(T::ZERO);
                return;
            }
            let image = &data[row * bytes..(row + 1) * bytes];
            for ((x, image), table) in x.chunks_mut(plane).zip(image.chunks(plane)).zip(&tables) {
                for (x, &byte) in x.iter_mut().zip(image) {
                    *x = table[usize::from(byte)];
                }
            }
        });
    }
}

/// One word and many, one channel and three, every alignment, sentinels.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, image: [usize; 3], index: Fill, batch: usize| {
        let bytes: usize = n * image.iter().product::<usize>();
        let [c, ..] = image;
        let mut random = crate::tensor::random::Random::new(9, crate::tensor::random::stream::CASES);
        let data: Vec<u8> = (0..bytes).map(|_| random.below(256) as u8).collect();
        let data = pack_bytes(&data);
        let inputs = vec![
            (Spec::u32([data.len()]), Fill::Indices(data)),
            (Spec::u32([batch]), index),
            (Spec::f32([c]), Fill::Uniform(0.002, 0.02)),
            (Spec::f32([c]), Fill::Normal(1.0)),
        ];
        Case::new(format!("gather_images/{name}"), inputs, move |g, x| {
            Ok(vec![g.gather_images(x[0], x[1], x[2], x[3], n, image)?])
        })
        .no_gradient()
    };
    vec![
        case("mnist", 11, [1, 28, 28], Fill::Below(11), 5),
        case("cifar", 7, [3, 32, 32], Fill::Indices(vec![6, 0, 7, 3, u32::MAX]), 5),
        case("planes_share_words", 9, [4, 3, 3], Fill::Below(10), 7),
        case("odd", 13, [3, 5, 7], Fill::Indices(vec![12, 0, 13, 1, 2, 3, 14]), 7),
        case("one_byte", 5, [1, 1, 1], Fill::Below(6), 65),
        case("two_bytes", 5, [2, 1, 1], Fill::Below(6), 63),
        case("one_word", 3, [1, 2, 2], Fill::Indices(vec![2]), 1),
        case("all_beyond", 2, [1, 2, 2], Fill::Indices(vec![2, 3, u32::MAX]), 3),
        case("grid_overflow", 3, [5, 13, 1], Fill::Below(4), 65_536),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pack_lowest_first_and_the_last_word_is_filled_up() {
        assert_eq!(pack_bytes(&[]), Vec::<u32>::new());
        assert_eq!(pack_bytes(&[1, 2, 3, 4, 5]), vec![0x0403_0201, 5]);
    }
}
