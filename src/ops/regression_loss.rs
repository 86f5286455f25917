//! Mean losses between a prediction `x` and a target `t` of the same shape:
//! squared error, absolute error, Huber's, and binary cross-entropy of logits.
//!
//! Shapes: `x, t [B, ..]`, `loss []`. With `d = x - t`, element by element:
//! - MSE: `d^2`; gradient `2 d`;
//! - MAE: `|d|`; gradient `sign(d)`, 0 at 0;
//! - Huber (1964): `d^2 / 2` up to `|d| = delta`, then `delta (|d| - delta / 2)`;
//!   gradient `d`, bounded by `delta` on both sides;
//! - BCE: `-(p t ln s(x) + (1 - t) ln(1 - s(x)))` with the sigmoid `s` and the
//!   positive weight `p`. With `l(x) = -ln s(x) = ln(1 + e^-|x|) + max(-x, 0)` it
//!   is `(1 - t) l(-x) + p t l(x)`, where nothing overflows and nothing cancels.
//!   As `l'(x) = -s(-x)`: gradient `(1 - t) s(x) - p t s(-x)`.
//!
//! The target's gradient is minus the prediction's, and `p l(x) - l(-x)` for
//! BCE. The mean runs over the elements of valid rows; with none the loss is 0.
//! Semantics are those of PyTorch's functions of the same names.

use super::expect::{expect_rows, expect_type, valid_rows};
use super::rows::{STEPS, tree};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, HostTensor, Real, Spec, parallel};

static SHADER: Shader = shader!("regression_loss");

/// Invocations per workgroup of the kernels without barriers.
const WG: usize = 64;

/// Elements up to which one workgroup does everything in one dispatch.
const SMALL: usize = 8192;

/// The most parts that a long sum is cut into.
const PARTS: usize = 16_384;

/// What is averaged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distance {
    /// Squared error.
    Mse,
    /// Absolute error.
    Mae,
    /// Squared up to this error, linear beyond.
    Huber(f32),
    /// Binary cross-entropy of logits, with this weight of the positive share.
    BinaryCrossEntropy(f32),
}

use Distance::*;

impl Distance {
    /// The number of the function in the shader.
    fn code(self) -> usize {
        match self {
            Mse => 0,
            Mae => 1,
            Huber(_) => 2,
            BinaryCrossEntropy(_) => 3,
        }
    }

    fn value<T: Real>(self, x: T, t: T) -> T {
        let d = x - t;
        match self {
            Mse => d * d,
            Mae => d.abs(),
            Huber(delta) => {
                let delta = T::of(delta.into());
                let half = T::of(0.5);
                if d.abs() > delta { delta * (d.abs() - half * delta) } else { half * d * d }
            }
            BinaryCrossEntropy(p) => (T::ONE - t) * surprise(-x) + T::of(p.into()) * t * surprise(x),
        }
    }

    /// The derivative by the prediction.
    fn slope<T: Real>(self, x: T, t: T) -> T {
        let d = x - t;
        match self {
            Mse => T::of(2.0) * d,
            Mae if d > T::ZERO => T::ONE,
            Mae if d < T::ZERO => -T::ONE,
            Mae => T::ZERO,
            Huber(delta) => {
                let delta = T::of(delta.into());
                // Not min and max, which would hide NaN.
                match () {
                    _ if d > delta => delta,
                    _ if d < -delta => -delta,
                    _ => d,
                }
            }
            BinaryCrossEntropy(p) => {
                let e = (-x.abs()).exp();
                let (large, small) = (T::ONE / (T::ONE + e), e / (T::ONE + e));
                let (yes, no) = if x < T::ZERO { (small, large) } else { (large, small) };
                (T::ONE - t) * yes - T::of(p.into()) * t * no
            }
        }
    }

    /// The derivative by the target.
    fn slope_of_target<T: Real>(self, x: T, t: T) -> T {
        match self {
            BinaryCrossEntropy(p) => {
                // l(x) and l(-x) share a term; its difference is taken first.
                let p = T::of(p.into());
                (p - T::ONE) * (-x.abs()).exp().ln_1p() - if x < T::ZERO { p * x } else { x }
            }
            _ => -self.slope(x, t),
        }
    }
}

/// `-ln s(x) = ln(1 + e^-x)`, without an exponential of a positive number; NaN
/// passes.
fn surprise<T: Real>(x: T) -> T {
    let positive = if x < T::ZERO { -x } else { T::ZERO };
    (-x.abs()).exp().ln_1p() + positive
}

/// The mean of a distance. Inputs: prediction, target, rows if any.
#[derive(Debug, Clone, Copy)]
pub struct RegressionLoss {
    /// What is averaged.
    pub distance: Distance,
}

/// The gradient of the prediction or of the target. Inputs: prediction, target,
/// `d_loss`, rows if any.
#[derive(Debug, Clone, Copy)]
pub struct RegressionLossGrad {
    /// What was averaged.
    pub distance: Distance,
    /// Whose gradient it is.
    pub of_target: bool,
}

impl Graph {
    /// The mean of a distance between `prediction` and `target`, both
    /// `[B, ..]`, over the first `rows` (u32 `[1]`) rows; all, if `None`.
    pub fn regression_loss(
        &mut self,
        distance: Distance,
        prediction: TensorId,
        target: TensorId,
        rows: Option<TensorId>,
    ) -> Result<TensorId> {
        let inputs: Vec<TensorId> = [Some(prediction), Some(target), rows].into_iter().flatten().collect();
        self.push1(RegressionLoss { distance }, &inputs)
    }

    /// The mean squared error.
    pub fn mse(&mut self, prediction: TensorId, target: TensorId, rows: Option<TensorId>) -> Result<TensorId> {
        self.regression_loss(Mse, prediction, target, rows)
    }

    /// The mean absolute error.
    pub fn mae(&mut self, prediction: TensorId, target: TensorId, rows: Option<TensorId>) -> Result<TensorId> {
        self.regression_loss(Mae, prediction, target, rows)
    }

    /// Huber's loss: half the squared error up to `delta`, linear beyond.
    pub fn huber(
        &mut self,
        prediction: TensorId,
        target: TensorId,
        rows: Option<TensorId>,
        delta: f32,
    ) -> Result<TensorId> {
        self.regression_loss(Huber(delta), prediction, target, rows)
    }

    /// The cross-entropy between targets in `[0, 1]` and the sigmoid of
    /// `logits`; `pos_weight` multiplies what positive targets contribute.
    pub fn binary_cross_entropy(
        &mut self,
        logits: TensorId,
        target: TensorId,
        rows: Option<TensorId>,
        pos_weight: Option<f32>,
    ) -> Result<TensorId> {
        self.regression_loss(BinaryCrossEntropy(pos_weight.unwrap_or(1.0)), logits, target, rows)
    }
}

/// The first axis of a shape of rows, and the elements behind each of it.
fn split(shape: &[usize]) -> (usize, usize) {
    (shape.first().copied().unwrap_or(1), shape.iter().skip(1).product())
}

fn kernel(distance: Distance, entry: &'static str, shape: &[usize], masked: bool) -> Kernel {
    let (batch, inner) = split(shape);
    let k = Kernel::new(&SHADER, entry).set("N", batch * inner).set("BATCH", batch).set("INNER", inner);
    let k = k.flag("MASKED", masked).set("FUNCTION", distance.code());
    let k = k.real("DELTA", if let Huber(delta) = distance { delta.into() } else { 0.0 });
    k.real("POSITIVE", if let BinaryCrossEntropy(p) = distance { p.into() } else { 1.0 })
}

impl Op for RegressionLoss {
    fn name(&self) -> &'static str {
        "regression_loss"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "prediction", DType::F32)?;
        expect_type(cx, 1, "target", DType::F32)?;
        let x = cx.shape(0);
        cx.expect(1, "target", x.clone())?;
        if x.elements() == 0 {
            return Err(Error::model(format!("prediction has shape {x}: nothing to average")));
        }
        if cx.inputs.len() > 2 {
            expect_rows(cx, 2, x.rank())?;
        }
        match self.distance {
            Huber(delta) if !(delta > 0.0 && delta.is_finite()) => {
                Err(Error::model(format!("delta is {delta}; expected a positive number")))
            }
            BinaryCrossEntropy(p) if !p.is_finite() => {
                Err(Error::model(format!("pos_weight is {p}; expected a finite number")))
            }
            _ => Ok(vec![Spec::f32([])]),
        }
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let mut inputs = vec![at.inputs[0], at.inputs[1], at.d_y()];
        inputs.extend(at.inputs.get(2));
        let mut d = vec![None; at.inputs.len()];
        for (i, of_target) in [(0, false), (1, true)] {
            if at.needs[i] {
                d[i] = Some(g.push1(RegressionLossGrad { distance: self.distance, of_target }, &inputs)?);
            }
        }
        Ok(d)
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let x = &cx.inputs[0].shape;
        let masked = cx.inputs.len() > 2;
        // The shader names `valid` whether or not there is one.
        let rows = if masked { 2 } else { 0 };
        let n = x.elements();
        let cpu = cx.caps.class == Class::Cpu;
        let kernel = |entry| kernel(self.distance, entry, x, masked);
        if n <= SMALL {
            let wg = n.next_power_of_two().min(tree(cx.caps.class, n));
            let d = kernel("whole").set("WG", wg).dispatch([1, 1, 1]).input("prediction", 0).input("wanted", 1);
            return Ok(Lowered::one(d.input("valid", rows).output("loss", 0)));
        }
        let split = n.div_ceil(if cpu { STEPS / 4 } else { 16 }).min(PARTS);
        let parts = kernel("parts_of").set("SPLIT", split).dispatch_1d(split, if cpu { 8 } else { WG });
        let parts = parts.input("prediction", 0).input("wanted", 1).input("valid", rows).scratch("parts", 0);
        let total = kernel("total").set("SPLIT", split).set("WG", tree(cx.caps.class, split)).dispatch([1, 1, 1]);
        let total = total.scratch("summands", 0).input("valid", rows).output("loss", 0);
        Ok(Lowered { scratch: vec![Spec::f32([split])], dispatches: vec![parts, total] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 3 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for RegressionLoss {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (batch, inner) = split(io.shape(0));
        let n = valid_rows(io, (io.inputs.len() > 2).then_some(2), batch) * inner;
        let (x, t) = (&io.x(0)[..n], &io.x(1)[..n]);
        // A sum per block keeps the error of long sums low.
        let blocks = parallel::map(n.div_ceil(parallel::CHUNK), n, |b| {
            let block = b * parallel::CHUNK..((b + 1) * parallel::CHUNK).min(n);
            let terms = x[block.clone()].iter().zip(&t[block]);
            terms.map(|(&x, &t)| self.distance.value(x, t).f64()).sum::<f64>()
        });
        let sum: f64 = blocks.iter().sum();
        io.y(0)[0] = if n == 0 { T::ZERO } else { T::of(sum / n as f64) };
    }
}

impl Op for RegressionLossGrad {
    fn name(&self) -> &'static str {
        "regression_loss_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        cx.expect(2, "d_loss", [])?;
        Ok(vec![cx.inputs[0].clone()])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let x = &cx.inputs[0].shape;
        let masked = cx.inputs.len() > 3;
        let k = kernel(self.distance, "backward", x, masked).flag("OF_TARGET", self.of_target);
        let d = k.dispatch_1d(x.elements(), WG).input("prediction", 0).input("wanted", 1).input("d_loss", 2);
        Ok(Lowered::one(d.input("valid", if masked { 3 } else { 0 }).output("d_x", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 4 * cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for RegressionLossGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (batch, inner) = split(io.shape(0));
        let n = valid_rows(io, (io.inputs.len() > 3).then_some(3), batch) * inner;
        let (x, t) = (io.x(0), io.x(1));
        let scale = io.x(2)[0] / T::of(n as f64);
        parallel::chunks(io.y(0), |start, d| {
            let live = n.saturating_sub(start).min(d.len());
            let (live, rest) = d.split_at_mut(live);
            for (i, d) in live.iter_mut().enumerate() {
                let (x, t) = (x[start + i], t[start + i]);
                let slope =
                    if self.of_target { self.distance.slope_of_target(x, t) } else { self.distance.slope(x, t) };
                *d = slope * scale;
            }
            rest.fill(T::ZERO);
        });
    }
}

/// Every distance with and without masked rows, sizes on both sides of each
/// kernel's bounds, ties at the kinks, and logits far out.
pub fn cases() -> Vec<Case> {
    let distances = [
        ("mse", Mse),
        ("mae", Mae),
        ("huber", Huber(0.7)),
        ("bce", BinaryCrossEntropy(1.0)),
        ("bce_weighted", BinaryCrossEntropy(2.5)),
    ];
    let case = |name: String, distance: Distance, shape: &[usize], rows: Option<u32>| {
        let n: usize = shape.iter().product();
        let (prediction, target) = match distance {
            BinaryCrossEntropy(_) => (Fill::Normal(2.0), Fill::Uniform(0.0, 1.0)),
            _ if n > 1000 => (Fill::Normal(1.5), Fill::Uniform(-1.0, 1.0)),
            // Steps without a common multiple nearby: no difference lies at a kink.
            _ => (Fill::Distinct(0.062), Fill::Distinct(0.25)),
        };
        let mut inputs = vec![(Spec::f32(shape), prediction), (Spec::f32(shape), target)];
        inputs.extend(rows.map(|r| (Spec::u32([1]), Fill::Indices(vec![r]))));
        Case::new(format!("regression_loss/{name}"), inputs, move |g, x| {
            Ok(vec![g.regression_loss(distance, x[0], x[1], x.get(2).copied())?])
        })
        .reduction(n.min(4096))
        .extra(16.0, "WGSL allows exp 3 + 2|x| ulp, log 3 and division 2.5")
    };
    let mut cases = vec![];
    for (name, distance) in distances {
        cases.push(case(format!("{name}_odd"), distance, &[7, 13], None));
        cases.push(case(format!("{name}_rows"), distance, &[9, 3, 5], Some(4)));
        cases.push(case(format!("{name}_long"), distance, &[1009, 11], Some(1008)));
    }
    for (name, n) in [("one", 1), ("wg-1", 255), ("wg+1", 257), ("small", SMALL), ("small+1", SMALL + 1)] {
        cases.push(case(name.into(), Mse, &[n], None));
    }
    cases.push(case("no_axis".into(), Mse, &[], None));
    cases.push(case("no_row".into(), Mae, &[5, 3], Some(0)));
    cases.push(case("more_rows_than_there_are".into(), Mse, &[5, 3], Some(u32::MAX)));
    cases.push(case("grid_overflow".into(), Mse, &[65_536 * 64 + 1], None).no_gradient());
    // Ties and kinks, and logits where a careless exponential overflows: the
    // gradient as an output, where no finite difference can be taken.
    let x = vec![1.0, 1.5, -0.5, 0.3, -200.0, 200.0, 0.0, 30.0, -30.0];
    let t = vec![1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0];
    for (name, distance) in [("mae", Mae), ("huber", Huber(0.5)), ("bce", BinaryCrossEntropy(0.5))] {
        let inputs = vec![(Spec::f32([9]), Fill::Values(x.clone())), (Spec::f32([9]), Fill::Values(t.clone()))];
        let build = move |g: &mut Graph, x: &[TensorId]| {
            let loss = g.regression_loss(distance, x[0], x[1], None)?;
            let gradient = g.constant(HostTensor::f32([], vec![1.0]));
            let d = crate::graph::gradient(g, &[crate::graph::Seed { tensor: loss, gradient }], &[x[0], x[1]])?;
            Ok(vec![loss, d[0], d[1]])
        };
        let case = Case::new(format!("regression_loss/{name}_kinks"), inputs, build).no_gradient();
        cases.push(case.extra(512.0, "WGSL allows exp 3 + 2|x| ulp, and |x| reaches 200 here"));
    }
    cases
}
