//! Mixes the samples of a batch in pairs, and their targets with them.
//!
//! MixUp (Zhang et al., arXiv:1710.09412): `y = l x + (1 - l) x[partner]`.
//! CutMix (Yun et al., arXiv:1905.04899): a box of `x[partner]`, of the share
//! `1 - l` of the area, is pasted into `x`; it is clipped at the edge, and `l`
//! becomes the share that was really kept. Either way the target is
//! `l onehot(label) + (1 - l) onehot(label[partner])`, with
//! `l ~ Beta(alpha, alpha)`.
//!
//! The partner of slot `i` of `r` valid ones is `(i + k) mod r` with `k` of
//! `1..r` drawn per step: a permutation without fixed points. Where both kinds
//! are on, each is taken half of the time. `l` comes out of a table of the
//! distribution's quantiles, so that it, like every choice, is the same on
//! every device.
//!
//! Three ops: `plan` draws, `mix_samples` and `mix_targets` compute.
//! Shapes: `clock u32 [4]`; `rows u32 [1]`; `plan u32 [B, 5]`: partner, left,
//! top, right, bottom; `shares f32 [B, 2]`: what is kept of the sample outside
//! of the box, and of the target; `x`, `y f32 [B, ..]`, for CutMix `[B, C, H,
//! W]`; `labels u32 [B]`; `targets f32 [B, classes]`. A label that is no class
//! has no share in any. No gradient: data does not learn.

mod beta;
mod samples;
mod targets;

pub use beta::quantiles;
pub use samples::MixSamples;
pub use targets::MixTargets;

use super::{clock, state};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::random::{pcg4d, stream, unit};
use crate::tensor::{HostTensor, Real, Spec};

static SHADER: Shader = shader!("mix_batch");

/// Invocations per workgroup.
const WG: usize = 64;

/// Words per slot of a plan.
pub const PLAN: usize = 5;

/// Quantiles in the table of lambdas.
const TABLE: usize = 1024;

/// The first of three numbers that are added to the stream of augmentation.
const STREAM: u32 = stream::AUGMENT + 0x100;

/// How a batch is mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixBatch {
    /// Alpha of MixUp's Beta distribution; 0 turns it off.
    pub mixup: f64,
    /// Alpha of CutMix's Beta distribution; 0 turns it off.
    pub cutmix: f64,
    /// Probability that a batch, or a sample, is mixed at all.
    pub probability: f32,
    /// Whether each sample draws for itself, instead of the batch for all.
    pub each: bool,
}

impl MixBatch {
    /// Checks that every number makes sense.
    pub fn check(&self) -> Result<()> {
        for (name, alpha) in [("mixup", self.mixup), ("cutmix", self.cutmix)] {
            if alpha != 0.0 && !(1e-3..=1e3).contains(&alpha) {
                return Err(Error::model(format!("{name} is {alpha}; expected 0 or an alpha from 0.001 to 1000")));
            }
        }
        if !(0.0..=1.0).contains(&self.probability) {
            let p = self.probability;
            return Err(Error::model(format!("mix_probability is {p}; expected a number from 0 to 1")));
        }
        Ok(())
    }

    /// Whether it mixes nothing.
    pub fn is_none(&self) -> bool {
        self.mixup == 0.0 && self.cutmix == 0.0 || self.probability == 0.0
    }

    /// The probability that what is mixed is mixed by CutMix.
    fn cut(&self) -> f32 {
        match (self.mixup > 0.0, self.cutmix > 0.0) {
            (true, true) => 0.5,
            (_, cut) => f32::from(u8::from(cut)),
        }
    }
}

/// Draws what is mixed with what. Inputs: clock, rows, lambdas, boxes.
#[derive(Debug, Clone, Copy)]
pub struct PlanMix {
    how: MixBatch,
    batch: usize,
    plane: [usize; 2],
}

impl Graph {
    /// Mixes a batch; returns the samples and the soft targets of `classes`.
    /// `rows` counts the valid slots; the others stay as they are.
    pub fn mix_batch(
        &mut self,
        x: TensorId,
        labels: TensorId,
        rows: TensorId,
        clock: TensorId,
        classes: usize,
        how: MixBatch,
    ) -> Result<(TensorId, TensorId)> {
        let (plan, shares) = self.plan_mix(x, rows, clock, how)?;
        Ok((self.mix_samples(x, plan, shares)?, self.mix_targets(labels, plan, shares, classes)?))
    }

    /// The plan and the shares alone; see the module.
    pub fn plan_mix(
        &mut self,
        x: TensorId,
        rows: TensorId,
        clock: TensorId,
        how: MixBatch,
    ) -> Result<(TensorId, TensorId)> {
        how.check()?;
        let shape = self.shape(x).to_vec();
        let plane = plane(&shape);
        if how.cutmix > 0.0 && (shape.len() != 4 || plane.iter().any(|&side| side == 0 || side > 65_535)) {
            let shape = &self.spec(x).shape;
            return Err(Error::model(format!(
                "cutmix needs images, [batch, channels, height, width] with sides of 1 to 65535; the batch has shape \
                 {shape}"
            )));
        }
        let lambdas = if how.mixup > 0.0 { quantiles(how.mixup, TABLE) } else { vec![1.0; TABLE] };
        let boxes = if how.cutmix > 0.0 { boxes(&quantiles(how.cutmix, TABLE), plane) } else { vec![0; TABLE] };
        let lambdas = self.constant(HostTensor::f32([TABLE], lambdas));
        let boxes = self.constant(HostTensor::u32([TABLE], boxes));
        let batch = shape.first().copied().unwrap_or(0);
        let y = self.push(PlanMix { how, batch, plane }, &[clock, rows, lambdas, boxes])?;
        Ok((y[0], y[1]))
    }
}

/// Height and width of what a batch of this shape holds; 1 where it holds no
/// images.
fn plane(batch: &[usize]) -> [usize; 2] {
    match *batch {
        [_, _, h, w] => [h, w],
        _ => [1, 1],
    }
}

/// The boxes to paste, `height << 16 | width`, that leave these shares.
fn boxes(lambdas: &[f32], plane: [usize; 2]) -> Vec<u32> {
    let side = |lambda: f32, side: usize| ((1.0 - f64::from(lambda)).sqrt() * side as f64).round() as u32;
    lambdas.iter().map(|&l| side(l, plane[0]) << 16 | side(l, plane[1])).collect()
}

impl Op for PlanMix {
    fn name(&self) -> &'static str {
        "mix_batch"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        state::expect("clock", &cx.inputs[0], &clock::spec())?;
        state::expect("rows", &cx.inputs[1], &Spec::u32([1]))?;
        state::expect("lambdas", &cx.inputs[2], &Spec::f32([TABLE]))?;
        state::expect("boxes", &cx.inputs[3], &Spec::u32([TABLE]))?;
        let batch = self.batch;
        if batch == 0 || batch > 1 << 28 {
            return Err(Error::model(format!("a batch of {batch} to mix; expected 1 to 2^28")));
        }
        Ok(vec![Spec::u32([batch, PLAN]), Spec::f32([batch, 2])])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, _cx: &Lower) -> Result<Lowered> {
        let [h, w] = self.plane;
        let k = Kernel::new(&SHADER, "draw").set("SLOTS", self.batch).set("HEIGHT", h).set("WIDTH", w);
        let k = k.set("STREAM", STREAM as usize).set("TABLE", TABLE).flag("EACH", self.how.each);
        let k = k.real("PROBABILITY", self.how.probability.into()).real("CUT", self.how.cut().into());
        let d = k.dispatch_1d(self.batch, WG).input("clock", 0).input("rows", 1).input("lambdas", 2);
        Ok(Lowered::one(d.input("boxes", 3).output("planned", 0).output("shared_out", 1)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for PlanMix {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (clock, rows, lambdas, boxes) = (io.x_u32(0), io.x_u32(1)[0] as usize, io.x(2), io.x_u32(3));
        let (seed, step) = (clock[clock::SEED], clock[clock::STEP]);
        let valid = rows.min(self.batch) as u32;
        let [h, w] = self.plane.map(|side| side as u32);
        let ahead = pcg4d([seed, STREAM, step, 0])[0];
        for slot in 0..self.batch as u32 {
            let item = if self.how.each { slot } else { 0 };
            let chance = pcg4d([seed, STREAM + 1, step, item]);
            let place = pcg4d([seed, STREAM + 2, step, item]);
            let (mut plan, mut shares) = ([slot, 0, 0, 0, 0], [T::ONE; 2]);
            if slot < valid && valid > 1 && unit(chance[0]) < self.how.probability {
                plan[0] = (slot + 1 + ahead % (valid - 1)) % valid;
                let entry = chance[2] as usize % TABLE;
                if unit(chance[1]) < self.how.cut() {
                    let (high, wide) = (boxes[entry] >> 16, boxes[entry] & 0xffff);
                    let (col, row) = (place[0] % w, place[1] % h);
                    let (left, top) = (col.saturating_sub(wide / 2), row.saturating_sub(high / 2));
                    let (right, bottom) = ((col + wide - wide / 2).min(w), (row + high - high / 2).min(h));
                    plan[1..].copy_from_slice(&[left, top, right, bottom]);
                    let area = f64::from(right - left) * f64::from(bottom - top);
                    shares[1] = T::ONE - T::of(area) / T::of(f64::from(w) * f64::from(h));
                } else {
                    shares = [lambdas[entry]; 2];
                }
            }
            let slot = slot as usize;
            io.y_u32(0)[slot * PLAN..(slot + 1) * PLAN].copy_from_slice(&plan);
            io.y(1)[slot * 2..(slot + 1) * 2].copy_from_slice(&shares);
        }
    }
}

/// Either kind, both, per batch and per sample, short batches, no images.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, shape: &[usize], rows: u32, classes: usize, how: MixBatch| {
        let batch = shape[0];
        let inputs = vec![
            (Spec::f32(shape), Fill::Normal(1.0)),
            (Spec::u32([batch]), Fill::Below(classes as u32)),
            (Spec::u32([1]), Fill::Indices(vec![rows])),
            (Spec::u32([4]), Fill::Indices(vec![3, 1, 0, 9])),
        ];
        Case::new(format!("mix_batch/{name}"), inputs, move |g, x| {
            let (plan, shares) = g.plan_mix(x[0], x[2], x[3], how)?;
            let y = g.mix_samples(x[0], plan, shares)?;
            Ok(vec![plan, shares, y, g.mix_targets(x[1], plan, shares, classes)?])
        })
        .no_gradient()
    };
    let mixup = MixBatch { mixup: 0.2, cutmix: 0.0, probability: 1.0, each: false };
    let cutmix = MixBatch { mixup: 0.0, cutmix: 1.0, ..mixup };
    let both = MixBatch { mixup: 0.8, cutmix: 1.0, probability: 0.8, each: true };
    vec![
        case("mixup", &[7, 1, 9, 9], 7, 10, mixup),
        case("mixup_table", &[65, 13], 65, 3, MixBatch { each: true, ..mixup }),
        case("mixup_numbers", &[65], 65, 2, MixBatch { each: true, ..mixup }),
        case("cutmix", &[8, 3, 11, 6], 8, 10, cutmix),
        case("cutmix_each", &[63, 1, 28, 28], 63, 10, MixBatch { each: true, ..cutmix }),
        case("both", &[64, 3, 8, 8], 64, 10, both),
        case("short_batch", &[64, 3, 5, 7], 41, 10, both),
        case("one_row", &[5, 1, 3, 3], 1, 4, both),
        case("no_rows", &[5, 1, 3, 3], 0, 4, both),
        case("two_rows", &[2, 1, 3, 3], 2, 1, both),
        case("grid_overflow", &[65_536, 65], 65_536, 65, MixBatch { each: true, ..mixup }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::graph::Init;
    use crate::plan::{Executor, Plan, Target};
    use std::sync::Arc;

    /// Plan and shares of a batch of images of 20x10 pixels.
    fn plans(batch: usize, rows: u32, step: u32, how: MixBatch) -> (Vec<[u32; 5]>, Vec<[f32; 2]>) {
        let mut g = Graph::new();
        let x = g.input("x", Spec::f32([batch, 1, 20, 10]));
        let mut given = |name: &str, v: Vec<u32>| {
            let t = HostTensor::u32([v.len()], v);
            g.persistent(name, t.spec(), Init::Data(Arc::new(t)))
        };
        let (rows, clock) = (given("rows", vec![rows]), given("clock", vec![step, 0, 0, 1]));
        let (plan, shares) = g.plan_mix(x, rows, clock, how).unwrap();
        let mut cpu = Cpu::<f32>::new();
        let program = cpu.load(Plan::build(&g, &[plan, shares], Target::Cpu).unwrap()).unwrap();
        cpu.run(&program, 1).unwrap();
        let plan = cpu.fetch(&program, plan).unwrap().as_u32().as_chunks::<5>().0.to_vec();
        (plan, cpu.fetch(&program, shares).unwrap().as_f32().as_chunks::<2>().0.to_vec())
    }

    const EACH: MixBatch = MixBatch { mixup: 0.4, cutmix: 0.0, probability: 1.0, each: true };

    #[test]
    fn partners_are_a_permutation_of_the_valid_rows_without_fixed_points() {
        let mut offsets = std::collections::BTreeSet::new();
        for step in 0..40 {
            let (plan, _) = plans(12, 9, step, EACH);
            let mut partners: Vec<u32> = plan[..9].iter().map(|p| p[0]).collect();
            assert!(partners.iter().zip(0..).all(|(&p, i)| p != i));
            offsets.insert(partners[0]);
            partners.sort_unstable();
            assert_eq!(partners, (0..9).collect::<Vec<u32>>());
            assert!(plan[9..].iter().zip(9..).all(|(p, i)| *p == [i, 0, 0, 0, 0]));
        }
        assert_eq!(offsets.len(), 8, "every partner comes at some step");
    }

    #[test]
    fn a_batch_shares_one_lambda_unless_each_draws() {
        let (_, shares) = plans(64, 64, 2, MixBatch { each: false, ..EACH });
        assert!(shares.iter().all(|s| *s == shares[0]) && shares[0] != [1.0; 2]);
        let (_, shares) = plans(64, 64, 2, EACH);
        assert!(shares.iter().any(|s| *s != shares[0]));
    }

    #[test]
    fn lambda_has_the_moments_of_its_beta_distribution() {
        let (_, shares) = plans(20_000, 20_000, 0, EACH);
        let n = shares.len() as f64;
        let mean = shares.iter().map(|s| f64::from(s[0])).sum::<f64>() / n;
        let variance = shares.iter().map(|s| (f64::from(s[0]) - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - 0.5).abs() < 0.01, "mean {mean}");
        // 1 / (4 (2 alpha + 1)) = 0.1389.
        assert!((variance - 1.0 / (4.0 * 1.8)).abs() < 0.003, "variance {variance}");
    }

    #[test]
    fn boxes_stay_inside_and_targets_follow_what_was_pasted() {
        let how = MixBatch { mixup: 0.0, cutmix: 1.0, probability: 0.5, each: true };
        let (plan, shares) = plans(20_000, 20_000, 0, how);
        let mixed = plan.iter().zip(0..).filter(|(p, i)| p[0] != *i).count() as f64 / 20_000.0;
        assert!((mixed - 0.5).abs() < 0.015, "{mixed} of the samples are mixed");
        let mut middle = 0.0;
        for (&[_, left, top, right, bottom], share) in plan.iter().zip(&shares) {
            assert!(left <= right && right <= 10 && top <= bottom && bottom <= 20);
            let kept = 1.0 - ((right - left) * (bottom - top)) as f32 / 200.0;
            assert!((share[1] - kept).abs() < 1e-6 && share[0] == 1.0);
            middle += f64::from(left + right) / 2.0 * f64::from(u8::from(right > left));
        }
        let boxes = plan.iter().filter(|p| p[3] > p[1]).count() as f64;
        assert!((middle / boxes - 5.0).abs() < 0.2, "the middle of the boxes is at {}", middle / boxes);
    }

    #[test]
    fn both_kinds_are_taken_in_turn() {
        let (plan, shares) = plans(20_000, 20_000, 0, MixBatch { cutmix: 1.0, ..EACH });
        let pasted = plan.iter().filter(|p| p[3] > p[1]).count() as f64 / 20_000.0;
        let blended = shares.iter().filter(|s| s[0] < 1.0).count() as f64 / 20_000.0;
        assert!((0.45..0.52).contains(&pasted) && (0.45..0.52).contains(&blended), "{pasted} {blended}");
    }

    #[test]
    fn mistaken_settings_are_named() {
        let mut g = Graph::new();
        let (x, rows) = (g.input("x", Spec::f32([4, 3])), g.input("rows", Spec::u32([1])));
        let clock = g.input("clock", Spec::u32([4]));
        let mut wrong = |how: MixBatch, word: &str| {
            let message = g.plan_mix(x, rows, clock, how).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        };
        wrong(MixBatch { mixup: -1.0, ..EACH }, "mixup is -1");
        wrong(MixBatch { mixup: f64::NAN, ..EACH }, "mixup is NaN");
        wrong(MixBatch { probability: 1.5, ..EACH }, "mix_probability is 1.5");
        wrong(MixBatch { cutmix: 1.0, ..EACH }, "cutmix needs images");
    }
}
