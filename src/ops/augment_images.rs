//! A batch of images out of a data set of bytes, each changed at random on the
//! way, and normalised: `gather_images` for training.
//!
//! Two ops. `draw` makes the parameters of each slot out of the clock;
//! `resample` computes the pixels. With bytes 0 to 255 and `p = (column, row)`:
//!
//! ```text
//! source = M p + offset + bend(p)
//! v      = image(source) gain + bias           brightness, contrast
//! v      = grey + saturation (v - grey)        grey = 0.299 r + 0.587 g + 0.114 b
//! v      = clamp(v + noise, 0, 255)
//! x      = v scale[c] + shift[c]               or a patch, in a rectangle
//! ```
//!
//! Flip, shift, crop, rotation, scale and shear are one affine map, so there is
//! one bilinear look-up and pixels blur once. A flip or a shift by whole pixels
//! blurs nothing: the coordinates are whole numbers, exactly.
//!
//! Where frameworks differ:
//! - Geometry is torchvision's `RandomAffine`: about the centre, pixel centres
//!   at whole numbers (`grid_sample` with `align_corners=False`).
//! - Brightness, contrast and saturation multiply by a factor around 1, as in
//!   torchvision's `ColorJitter`, but in this order and clamped once, at the
//!   end. Contrast is about the mean of the unchanged image over all channels;
//!   torchvision takes the mean of its grey version, Keras' `RandomContrast`
//!   the mean of each channel.
//! - `bend` is a smooth random displacement: random vectors at the nodes of a
//!   coarse grid, blended by Perlin's `3 f^2 - 2 f^3`. Simard et al., "Best
//!   Practices for Convolutional Neural Networks", ICDAR 2003, blur white noise
//!   to the same end, which costs a pass over the image.
//! - Erasing is Zhong et al., "Random Erasing", arXiv:1708.04896, over a table
//!   of rectangles spread evenly over area and aspect.
//!
//! Random bits are `pcg4d([seed, AUGMENT + purpose, step, slot])`: they depend
//! on the slot of the batch, never on where the sample lies in the data, and
//! are the same on every device. All choices that would jump (flips, crops,
//! rectangles) are made on integers, so rounding never changes a picture by
//! more than itself.
//!
//! Shapes: `data u32 [ceil(n C H W / 4)]` as in `gather_images`; `index u32
//! [B]`; `clock u32 [4]`; `params f32 [B, 16]`: M by rows, offset, gain, bias,
//! the rectangle's left, top, right and bottom, saturation, three zeros;
//! `scale`, `shift f32 [C]`; `x f32 [B, C, H, W]`, 0 where `index` is no row.
//! No gradient: data does not learn.

mod cases;
mod draw;
mod resample;
mod settings;

pub use cases::cases;
pub use draw::DrawAugmentation;
pub use resample::ResampleImages;
pub use settings::{Augmentation, Outside, Patch};

use super::state;
use crate::error::{Error, Result};
use crate::graph::{Graph, Infer, TensorId};
use crate::kernel::{Kernel, Shader};
use crate::shader;
use crate::tensor::random::{pcg4d, stream, unit};
use crate::tensor::{DType, HostTensor, Real, Spec};

static SHADER: Shader = shader!("augment_images");

/// Invocations per workgroup.
const WG: usize = 64;

/// Parameters per slot.
pub const PARAMS: usize = 16;

/// What a slot draws random bits for; the shader has the same list.
#[derive(Clone, Copy)]
enum Purpose {
    FlipAndCrop,
    Shape,
    Colour,
    Rectangle,
    Nodes,
    PixelNoise,
    PatchNoise,
}

/// The data set's images and how they are changed: what both ops know.
#[derive(Debug, Clone, Copy)]
struct Images {
    /// Images in the data.
    n: usize,
    /// Channels, height and width.
    image: [usize; 3],
    /// What is done to them.
    how: Augmentation,
}

impl Graph {
    /// The images `index` of `n` packed in `data` (see
    /// [`pack_bytes`](crate::tensor::pack_bytes)), each changed at random
    /// as `how` says, each channel scaled and shifted. An index beyond the data
    /// gives zeros. For training graphs only.
    pub fn augment_images(
        &mut self,
        data: TensorId,
        index: TensorId,
        clock: TensorId,
        scale: TensorId,
        shift: TensorId,
        n: usize,
        image: [usize; 3],
        how: Augmentation,
    ) -> Result<TensorId> {
        let params = self.draw_augmentation(data, index, clock, n, image, how)?;
        self.resample_images(data, index, params, clock, scale, shift, n, image, how)
    }

    /// The random parameters alone, `[B, 16]`; see the module.
    pub fn draw_augmentation(
        &mut self,
        data: TensorId,
        index: TensorId,
        clock: TensorId,
        n: usize,
        image: [usize; 3],
        how: Augmentation,
    ) -> Result<TensorId> {
        how.check(image)?;
        let rectangles = how.rectangles(image);
        let rectangles = self.constant(HostTensor::u32([rectangles.len()], rectangles));
        self.push1(DrawAugmentation(Images { n, image, how }), &[data, index, clock, rectangles])
    }

    /// The images, changed as the parameters say. Noise and bends are drawn
    /// here; they are not among the parameters.
    pub fn resample_images(
        &mut self,
        data: TensorId,
        index: TensorId,
        params: TensorId,
        clock: TensorId,
        scale: TensorId,
        shift: TensorId,
        n: usize,
        image: [usize; 3],
        how: Augmentation,
    ) -> Result<TensorId> {
        self.push1(ResampleImages(Images { n, image, how }), &[data, index, params, clock, scale, shift])
    }
}

impl Images {
    /// Bytes of one image.
    fn bytes(&self) -> usize {
        self.image.iter().product()
    }

    /// Checks the settings and the inputs that both ops begin with; returns the
    /// number of slots.
    fn infer(&self, cx: &Infer) -> Result<usize> {
        let (n, [c, h, w]) = (self.n, self.image);
        let total = [n, c, h, w].iter().try_fold(1usize, |a, &b| a.checked_mul(b)).unwrap_or(usize::MAX);
        if total == 0 || total as u64 > 1 << 32 {
            return Err(Error::model(format!("data of {n} images {c}x{h}x{w}; expected 1 to 2^32 bytes in all")));
        }
        self.how.check(self.image)?;
        state::expect("data", &cx.inputs[0], &Spec::u32([total.div_ceil(4)]))?;
        let batch = state::expect_list("index", &cx.inputs[1], DType::U32)?;
        if batch.saturating_mul(self.bytes().max((self.how.elastic_grid + 1).pow(2))) > u32::MAX as usize {
            return Err(Error::model(format!("a batch of {batch} images {c}x{h}x{w} has 2^32 elements or more")));
        }
        Ok(batch)
    }

    /// An entry point with everything that the shader's file leaves open.
    fn kernel(&self, entry: &'static str, slots: usize) -> Kernel {
        let (a, [c, h, w]) = (&self.how, self.image);
        let k = Kernel::new(&SHADER, entry).set("N", self.n).set("SLOTS", slots).set("SAMPLE", self.bytes());
        let k = k.set("CHANNELS", c).set("HEIGHT", h).set("WIDTH", w).set("STREAM", stream::AUGMENT as usize);
        let k = k.real("FLIP_X", a.flip_horizontal.into()).real("FLIP_Y", a.flip_vertical.into());
        let k = k.set("CROP", a.crop_padding).real("SHIFT_X", a.reach(w, 0)).real("SHIFT_Y", a.reach(h, 1));
        let k = k.real("ROTATION", f64::from(a.rotation) / 360.0).real("SHEAR", f64::from(a.shear) / 360.0);
        let k = k.real("SCALE_LOW", a.scale[0].into()).real("SCALE_HIGH", a.scale[1].into());
        let k = k.real("BRIGHTNESS", a.brightness.into()).real("CONTRAST", a.contrast.into());
        let k = k.real("SATURATION", a.saturation.into()).real("NOISE", 255.0 * f64::from(a.noise));
        let k = k.real("ERASE", a.erase.into()).set("RECTANGLES", a.rectangles(self.image).len());
        let k = k.real("BEND", a.elastic_alpha.into()).set("GRID", a.elastic_grid);
        let k = k.set("OUTSIDE", a.outside as usize).set("PATCH", a.patch as usize).flag("SMOOTH", a.blends());
        k.set("PARTS", self.parts())
    }

    /// The pieces in which a GPU sums an image up. A software adapter ends
    /// loops after 65,535 turns.
    fn parts(&self) -> usize {
        self.bytes().div_ceil(32_768).max(32)
    }
}

/// The bits of one step.
#[derive(Clone, Copy)]
struct Bits {
    seed: u32,
    step: u32,
}

impl Bits {
    fn of(clock: &[u32]) -> Bits {
        Bits { seed: clock[super::clock::SEED], step: clock[super::clock::STEP] }
    }

    fn draw(&self, purpose: Purpose, item: usize) -> [u32; 4] {
        pcg4d([self.seed, stream::AUGMENT + purpose as u32, self.step, item as u32])
    }
}

/// A number in [0, 1).
fn share<T: Real>(bits: u32) -> T {
    T::of(unit(bits).into())
}

/// A number in [-1, 1).
fn both_ways<T: Real>(bits: u32) -> T {
    share::<T>(bits) * T::of(2.0) - T::ONE
}
