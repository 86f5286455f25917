//! The random parameters of each slot.

use super::{Bits, Images, PARAMS, Purpose, WG, both_ways, share};
use crate::error::Result;
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::Lowered;
use crate::ops::{clock, state};
use crate::tensor::random::unit;
use crate::tensor::{DType, Real, Spec, parallel};

/// Draws the parameters of a batch. Inputs: data, index, clock, rectangles.
#[derive(Debug, Clone, Copy)]
pub struct DrawAugmentation(pub(super) Images);

impl Op for DrawAugmentation {
    fn name(&self) -> &'static str {
        "augment_images"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let batch = self.0.infer(cx)?;
        state::expect("clock", &cx.inputs[2], &clock::spec())?;
        state::expect_list("rectangles", &cx.inputs[3], DType::U32)?;
        Ok(vec![Spec::f32([batch, PARAMS])])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let slots = cx.inputs[1].elements();
        let draw = self.0.kernel("draw", slots).set("PER", 1).dispatch_1d(slots, WG);
        let draw = draw.input("clock", 2).input("rectangles", 3).output("drawn", 0);
        if self.0.how.contrast == 0.0 {
            // The shader names the sums whether or not it reads them.
            return Ok(Lowered::one(draw.input("measured", 1)));
        }
        let sums = slots * self.0.parts();
        let measure = self.0.kernel("measure", slots).set("PER", 1).dispatch_1d(sums, WG);
        let measure = measure.input("data", 0).input("index", 1).scratch("sums", 0);
        Ok(Lowered { scratch: vec![Spec::u32([sums])], dispatches: vec![measure, draw.scratch("measured", 0)] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let read = if self.0.how.contrast > 0.0 { cx.inputs[1].elements() * self.0.bytes() } else { 0 };
        Cost { flops: 64 * cx.inputs[1].elements() as u64, bytes: (read + cx.outputs[0].bytes()) as u64 }
    }
}

impl Reference for DrawAugmentation {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (index, bits, rectangles) = (io.x_u32(1), Bits::of(io.x_u32(2)), io.x_u32(3));
        let data: &[u8] = bytemuck::cast_slice(io.x_u32(0));
        let Images { n, how, .. } = self.0;
        let bytes = self.0.bytes();
        let means = parallel::map(index.len(), index.len() * bytes, |slot| {
            let row = index[slot] as usize;
            if how.contrast == 0.0 || row >= n {
                return T::ZERO;
            }
            let sum: u64 = data[row * bytes..(row + 1) * bytes].iter().map(|&b| u64::from(b)).sum();
            T::of(sum as f64) / T::of(bytes as f64)
        });
        for (slot, params) in io.y(0).chunks_mut(PARAMS).enumerate() {
            params.fill(T::ZERO);
            self.geometry(bits, slot, params);
            self.colour(bits, slot, means[slot], params);
            self.rectangle(bits, slot, rectangles, params);
        }
    }
}

impl DrawAugmentation {
    /// Where an output pixel comes from: about the centre, the inverse of
    /// "mirror, then slant, turn and zoom, then shift", which is
    /// `mirror slant^-1 turn^-1 / zoom`.
    fn geometry<T: Real>(&self, bits: Bits, slot: usize, params: &mut [T]) {
        let (how, [_, h, w]) = (&self.0.how, self.0.image);
        let (first, second) = (bits.draw(Purpose::FlipAndCrop, slot), bits.draw(Purpose::Shape, slot));
        let mirror = |bits: u32, p: f32| if unit(bits) < p { -T::ONE } else { T::ONE };
        let (mirror_x, mirror_y) = (mirror(first[0], how.flip_horizontal), mirror(first[1], how.flip_vertical));
        let crop = |bits: u32| T::of(f64::from(bits % (2 * how.crop_padding as u32 + 1)) - how.crop_padding as f64);
        let moved_x = crop(first[2]) + both_ways::<T>(second[0]) * T::of(how.reach(w, 0));
        let moved_y = crop(first[3]) + both_ways::<T>(second[1]) * T::of(how.reach(h, 1));
        let angle = both_ways::<T>(second[2]) * T::of(f64::from(how.rotation).to_radians());
        let lean = both_ways::<T>(second[3]) * T::of(f64::from(how.shear).to_radians());
        let (cos, sin, slope) = (angle.cos(), angle.sin(), lean.sin() / lean.cos());
        let [low, high] = how.scale.map(|s| T::of(s.into()));
        let zoom = T::ONE / (low + (high - low) * share(bits.draw(Purpose::Colour, slot)[3]));
        let m = [
            mirror_x * zoom * (cos - slope * sin),
            mirror_x * zoom * (sin + slope * cos),
            mirror_y * zoom * -sin,
            mirror_y * zoom * cos,
        ];
        let [centre_x, centre_y] = [w, h].map(|side| T::of((side - 1) as f64 * 0.5));
        let (from_x, from_y) = (centre_x + moved_x, centre_y + moved_y);
        params[..4].copy_from_slice(&m);
        params[4] = centre_x - (m[0] * from_x + m[1] * from_y);
        params[5] = centre_y - (m[2] * from_x + m[3] * from_y);
    }

    /// Gain, bias and saturation.
    fn colour<T: Real>(&self, bits: Bits, slot: usize, mean: T, params: &mut [T]) {
        let how = &self.0.how;
        let drawn = bits.draw(Purpose::Colour, slot);
        let factor = |bits: u32, spread: f32| {
            let (low, high) = ((1.0 - f64::from(spread)).max(0.0), 1.0 + f64::from(spread));
            T::of(low) + T::of(high - low) * share(bits)
        };
        let (bright, contrast) = (factor(drawn[0], how.brightness), factor(drawn[1], how.contrast));
        params[6] = bright * contrast;
        params[7] = bright * mean * (T::ONE - contrast);
        params[12] = factor(drawn[2], how.saturation);
    }

    /// Left, top, right and bottom of what is erased; all 0 for nothing.
    fn rectangle<T: Real>(&self, bits: Bits, slot: usize, rectangles: &[u32], params: &mut [T]) {
        let [_, h, w] = self.0.image.map(|side| side as u32);
        let [chance, which, across, down] = bits.draw(Purpose::Rectangle, slot);
        if unit(chance) >= self.0.how.erase {
            return;
        }
        let size = rectangles[which as usize % rectangles.len()];
        let (wide, high) = (size & 0xffff, size >> 16);
        let (left, top) = (across % (w - wide + 1), down % (h - high + 1));
        for (param, corner) in params[8..12].iter_mut().zip([left, top, left + wide, top + high]) {
            *param = T::of(corner.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Augmentation;
    use crate::cpu::Cpu;
    use crate::graph::{Graph, Init};
    use crate::ops::clock;
    use crate::plan::{Executor, Plan, Target};
    use crate::tensor::{HostTensor, Spec};
    use std::sync::Arc;

    const SLOTS: usize = 20_000;

    /// The parameters of many slots of grey images of 40x20 pixels.
    fn params(how: Augmentation, step: u32) -> Vec<[f32; 16]> {
        let mut g = Graph::new();
        let given = |t: HostTensor| (t.spec(), Init::Data(Arc::new(t)));
        let (spec, init) = given(HostTensor::u32([200], vec![0x6464_6464; 200]));
        let data = g.persistent("data", spec, init);
        let index = g.persistent("index", Spec::u32([SLOTS]), Init::Zeros);
        let (spec, init) = given(HostTensor::u32([4], vec![step, 0, 0, 5]));
        assert_eq!(spec, clock::spec());
        let clock = g.persistent("clock", spec, init);
        let drawn = g.draw_augmentation(data, index, clock, 1, [1, 40, 20], how).unwrap();
        let mut cpu = Cpu::<f32>::new();
        let program = cpu.load(Plan::build(&g, &[drawn], Target::Cpu).unwrap()).unwrap();
        cpu.run(&program, 1).unwrap();
        let values = cpu.fetch(&program, drawn).unwrap();
        values.as_f32().as_chunks::<16>().0.to_vec()
    }

    fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
        let n = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / n;
        (mean, (values.map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    /// Checks that values are spread evenly over a range.
    fn even(what: &str, values: impl Iterator<Item = f64> + Clone, low: f64, high: f64) {
        let (mean, deviation) = moments(values.clone());
        let span = high - low;
        assert!((mean - (low + high) / 2.0).abs() < 0.01 * span, "{what}: mean {mean}");
        assert!((deviation - span / 12f64.sqrt()).abs() < 0.01 * span, "{what}: deviation {deviation}");
        let slack = 1e-5 * (1.0 + high.abs());
        assert!(values.clone().all(|v| v >= low - slack && v <= high + slack), "{what} leaves {low}..{high}");
    }

    #[test]
    fn nothing_asked_is_nothing_done() {
        for p in params(Augmentation::default(), 3) {
            assert_eq!(p, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        }
    }

    #[test]
    fn flips_have_their_rates_and_are_exact() {
        let all = params(Augmentation { flip_horizontal: 0.5, flip_vertical: 0.1, ..Default::default() }, 0);
        let rate = |i: usize| all.iter().filter(|p| p[i] == -1.0).count() as f64 / SLOTS as f64;
        assert!((rate(0) - 0.5).abs() < 0.015 && (rate(3) - 0.1).abs() < 0.01, "{} {}", rate(0), rate(3));
        // The last pixel comes first.
        assert!(all.iter().all(|p| p[4] == if p[0] == -1.0 { 19.0 } else { 0.0 }));
        assert!(all.iter().all(|p| p[5] == if p[3] == -1.0 { 39.0 } else { 0.0 }));
        let other = params(Augmentation { flip_horizontal: 0.5, ..Default::default() }, 1);
        let same = all.iter().zip(&other).filter(|(a, b)| a[0] == b[0]).count() as f64 / SLOTS as f64;
        assert!((same - 0.5).abs() < 0.015, "two steps agree on {same} of the flips");
    }

    #[test]
    fn crops_are_whole_and_even() {
        let all = params(Augmentation { crop_padding: 3, flip_horizontal: 0.5, ..Default::default() }, 0);
        let mut counts = [0; 7];
        for p in &all {
            assert_eq!([p[4].fract(), p[5].fract()], [0.0; 2]);
            counts[(p[5] + 3.0) as usize] += 1;
        }
        assert!(counts.iter().all(|&c: &i32| (c - SLOTS as i32 / 7).abs() < 250), "{counts:?}");
    }

    #[test]
    fn angles_scales_slants_and_shifts_spread_evenly() {
        let angle = |p: &[f32; 16]| f64::from(p[1]).atan2(p[0].into()).to_degrees();
        let turned = params(Augmentation { rotation: 30.0, ..Default::default() }, 0);
        even("rotation", turned.iter().map(angle), -30.0, 30.0);
        let centre = |p: &[f32; 16]| {
            let at = |a: f32, b: f32, c: f32| f64::from(a * 9.5 + b * 19.5 + c);
            (at(p[0], p[1], p[4]) - 9.5).abs() + (at(p[2], p[3], p[5]) - 19.5).abs()
        };
        assert!(turned.iter().all(|p| centre(p) < 1e-4), "the centre stays");
        let zoomed = params(Augmentation { scale: [0.8, 1.4], ..Default::default() }, 0);
        even("scale", zoomed.iter().map(|p| 1.0 / f64::from(p[0])), 0.8, 1.4);
        let slanted = params(Augmentation { shear: 20.0, ..Default::default() }, 0);
        even("shear", slanted.iter().map(|p| f64::from(p[1]).atan().to_degrees()), -20.0, 20.0);
        let moved = params(Augmentation { shift: [0.1, 0.25], ..Default::default() }, 0);
        even("shift across", moved.iter().map(|p| p[4].into()), -2.0, 2.0);
        even("shift down", moved.iter().map(|p| p[5].into()), -10.0, 10.0);
    }

    #[test]
    fn colours_spread_evenly_and_contrast_keeps_the_mean() {
        let how = Augmentation { brightness: 0.4, ..Default::default() };
        even("brightness", params(how, 0).iter().map(|p| p[6].into()), 0.6, 1.4);
        let contrast = params(Augmentation { contrast: 0.5, ..Default::default() }, 0);
        even("contrast", contrast.iter().map(|p| p[6].into()), 0.5, 1.5);
        // Every byte of the image is 100.
        assert!(contrast.iter().all(|p| (p[6] * 100.0 + p[7] - 100.0).abs() < 1e-4));
    }

    #[test]
    fn rectangles_come_at_their_rate_and_everywhere() {
        let all = params(Augmentation { erase: 0.3, ..Default::default() }, 0);
        let erased: Vec<&[f32; 16]> = all.iter().filter(|p| p[10] > 0.0).collect();
        let rate = erased.len() as f64 / SLOTS as f64;
        assert!((rate - 0.3).abs() < 0.015, "{rate}");
        assert!(erased.iter().all(|p| p[8] < p[10] && p[9] < p[11] && p[10] <= 20.0 && p[11] <= 40.0));
        let (mean, _) = moments(erased.iter().map(|p| f64::from(p[8] + p[10]) / 2.0));
        assert!((mean - 10.0).abs() < 0.2, "mean middle {mean}");
    }
}
