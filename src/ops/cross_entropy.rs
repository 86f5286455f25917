//! Cross-entropy of softmax: the mean surprise of the targets under the
//! distribution that the logits stand for.
//!
//! Shapes: `logits x [.., C]`; `target`: class numbers `u32 [..]`, or
//! probabilities `f32 [.., C]`; `loss []`. Every row of classes has a weighted
//! target distribution, with smoothing `e` and class weights `w`:
//! `share_c = w_c ((1 - e) t_c + e / C)`, `t` being one-hot for class numbers.
//! With `lse = ln sum_c exp x_c`,
//! `loss = sum_rows sum_c share_c (lse - x_c) / denominator`,
//! where the denominator is the sum of the targets' weights for class numbers
//! and the number of rows for probabilities, as in PyTorch's `cross_entropy`.
//! Rows beyond the valid ones, and rows whose target is `ignore_index`, count
//! nowhere. Where the denominator is 0, as when all classes of a batch have weight
//! 0, there is nothing to learn: loss and gradient are 0 (PyTorch: NaN). A class
//! number that does not exist makes the loss NaN.
//!
//! Gradient, with `p = softmax(x)` and `d lse / d x_c = p_c`:
//! `d_x_c = (p_c sum_k share_k - share_c) d_loss / denominator`, and for
//! probabilities `d_t_c = (1 - e) w_c (lse - x_c) d_loss / denominator`.
//!
//! `lse` is kept as the row's maximum and the logarithm of the shifted sum, two
//! numbers, so that large logits cost no precision.

mod cases;

pub use self::cases::cases;

use super::expect::{expect_rows, expect_type, valid_rows};
use super::rows::{Rows, SHORT, SMALL, STEPS, group, tree};
use crate::error::{Error, Result};
use crate::graph::{Backward, Cost, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Dispatch, Kernel, Lowered, Shader, groups_1d};
use crate::shader;
use crate::tensor::{DType, Real, Spec, lanes, parallel};

static SHADER: Shader = shader!("cross_entropy");

/// Invocations per workgroup of the kernels without barriers.
const WG: usize = 64;

/// What the mean is taken over and how targets are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CrossEntropy {
    /// The share of probability that is spread evenly over all classes.
    pub label_smoothing: f32,
    /// Rows with this class number count nowhere.
    pub ignore_index: Option<u32>,
    /// Weights `[C]` of the classes. They get no gradient.
    pub class_weights: Option<TensorId>,
}

/// The loss, its denominator `[]`, and what the gradient needs of each row
/// `[3, rows]`. Inputs: logits, target, weights if any, rows if any.
#[derive(Debug, Clone, Copy)]
pub struct CrossEntropyLoss {
    label_smoothing: f32,
    ignore_index: Option<u32>,
    weighted: bool,
    masked: bool,
    soft: bool,
}

/// The gradient of the logits, or of probabilities given as the target. Inputs:
/// those of the loss, then the kept rows, the denominator and `d_loss`.
#[derive(Debug, Clone, Copy)]
pub struct CrossEntropyGrad {
    loss: CrossEntropyLoss,
    of_target: bool,
}

impl Graph {
    /// The mean cross-entropy of `softmax(logits)` and the targets: `logits
    /// [.., C]`, `target` u32 `[..]` (class numbers) or f32 `[.., C]`
    /// (probabilities). `rows`, u32 `[1]`, is the number of elements of the
    /// first axis that count; all, if `None`.
    pub fn cross_entropy(
        &mut self,
        logits: TensorId,
        target: TensorId,
        rows: Option<TensorId>,
        options: CrossEntropy,
    ) -> Result<TensorId> {
        self.cross_entropy_with_weight(logits, target, rows, options).map(|(loss, _)| loss)
    }

    /// [`Graph::cross_entropy`], and what its mean divides by, f32 `[]`.
    pub fn cross_entropy_with_weight(
        &mut self,
        logits: TensorId,
        target: TensorId,
        rows: Option<TensorId>,
        options: CrossEntropy,
    ) -> Result<(TensorId, TensorId)> {
        let op = CrossEntropyLoss {
            label_smoothing: options.label_smoothing,
            ignore_index: options.ignore_index,
            weighted: options.class_weights.is_some(),
            masked: rows.is_some(),
            soft: self.spec(target).dtype == DType::F32,
        };
        let inputs: Vec<TensorId> =
            [Some(logits), Some(target), options.class_weights, rows].into_iter().flatten().collect();
        let y = self.push(op, &inputs)?;
        Ok((y[0], y[1]))
    }
}

/// What one row contributes, and what its gradient needs.
#[derive(Clone, Copy)]
struct Row<T> {
    shift: T,
    log_sum: T,
    share: T,
    loss: T,
    weight: T,
}

impl CrossEntropyLoss {
    fn weights(&self) -> Option<usize> {
        self.weighted.then_some(2)
    }

    fn rows(&self) -> Option<usize> {
        self.masked.then_some(2 + usize::from(self.weighted))
    }

    /// The number of inputs.
    fn inputs(&self) -> usize {
        2 + usize::from(self.weighted) + usize::from(self.masked)
    }

    /// Whether every class has a share in a row's target.
    fn dense(&self) -> bool {
        self.soft || self.label_smoothing > 0.0
    }

    /// What of a target stays with it, and what every class gets.
    fn spread(&self, classes: usize) -> (f64, f64) {
        let e = f64::from(self.label_smoothing);
        (1.0 - e, e / classes as f64)
    }

    fn kernel(&self, entry: &'static str, sizes: Rows) -> Kernel {
        let (keep, spread) = self.spread(sizes.classes);
        let k = sizes.describe(Kernel::new(&SHADER, entry));
        let k = k.flag("SOFT", self.soft).flag("WEIGHTED", self.weighted).flag("MASKED", self.masked);
        let k = k.flag("IGNORES", self.ignore_index.is_some());
        let k = k.set("IGNORE", self.ignore_index.unwrap_or(0) as usize).flag("DENSE", self.dense());
        k.real("KEEP", keep).real("SPREAD", spread)
    }

    /// Binds the inputs. The shader names weights and rows whether or not there
    /// are any; without them the logits stand in and are not read.
    fn bind(&self, d: Dispatch, logits: &'static str) -> Dispatch {
        let d = d.input(logits, 0).input("targets", 1);
        d.input("weights", self.weights().unwrap_or(0)).input("valid", self.rows().unwrap_or(0))
    }

    /// The weighted share of each class in the target of row `r`.
    fn share<'a, T: Real>(&self, io: &Io<'a, T>, r: usize, classes: usize) -> impl Fn(usize) -> T + use<'a, T> {
        let (keep, spread) = self.spread(classes);
        let (keep, spread) = (T::of(keep), T::of(spread));
        let weights = self.weights().map(|i| io.x(i));
        let (given, class) = match self.soft {
            true => (Some(&io.x(1)[r * classes..][..classes]), classes),
            false => (None, io.x_u32(1)[r] as usize),
        };
        move |c| {
            let t = match given {
                Some(t) => keep * t[c] + spread,
                None if c == class => keep + spread,
                None => spread,
            };
            weights.map_or(t, |w| w[c] * t)
        }
    }

    /// Whether row `r` counts.
    fn counts<T>(&self, io: &Io<T>, r: usize) -> bool {
        self.soft || self.ignore_index != Some(io.x_u32(1)[r])
    }

    #[inline(always)]
    fn row<T: Real>(&self, io: &Io<T>, r: usize, classes: usize) -> Row<T> {
        let x = &io.x(0)[r * classes..][..classes];
        let shift = lanes::max(x);
        // A sum per block keeps the error of long rows low.
        let mut sum = T::ZERO;
        for block in x.chunks(1024) {
            sum += lanes::sum(block, |v| (v - shift).exp());
        }
        let log_sum = sum.ln();
        let weight = if self.soft { T::ONE } else { self.weight(io, r, classes) };
        if self.dense() && !weight.is_nan() {
            let share = self.share(io, r, classes);
            let (mut loss, mut all) = (T::ZERO, T::ZERO);
            for (c, &v) in x.iter().enumerate() {
                loss += share(c) * (shift - v);
                all += share(c);
            }
            return Row { shift, log_sum, share: all, loss: loss + all * log_sum, weight };
        }
        let target = x.get(io.x_u32(1)[r] as usize).copied().unwrap_or(T::ZERO);
        Row { shift, log_sum, share: weight, loss: weight * (shift - target + log_sum), weight }
    }

    /// The weight of the class of row `r`; NaN if there is no such class.
    fn weight<T: Real>(&self, io: &Io<T>, r: usize, classes: usize) -> T {
        match (io.x_u32(1)[r] as usize, self.weights()) {
            (class, _) if class >= classes => T::of(f64::NAN),
            (class, Some(i)) => io.x(i)[class],
            (_, None) => T::ONE,
        }
    }
}

impl Op for CrossEntropyLoss {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "logits", DType::F32)?;
        let logits = cx.shape(0);
        if logits.rank() == 0 || logits.elements() == 0 {
            return Err(Error::model(format!(
                "logits has shape {logits}; expected a last axis of classes, none empty"
            )));
        }
        let lead = &logits[..logits.rank() - 1];
        cx.expect(1, "target", if self.soft { logits.clone() } else { lead.into() })?;
        if let Some(i) = self.weights() {
            expect_type(cx, i, "class_weights", DType::F32)?;
            cx.expect(i, "class_weights", [logits[logits.rank() - 1]])?;
        }
        if let Some(i) = self.rows() {
            expect_rows(cx, i, lead.len())?;
        }
        let e = self.label_smoothing;
        if !(0.0..=1.0).contains(&e) {
            return Err(Error::model(format!("label_smoothing is {e}; expected a share between 0 and 1")));
        }
        if self.soft && self.ignore_index.is_some() {
            return Err(Error::model("ignore_index was given and the target holds probabilities, which have no class"));
        }
        Ok(vec![Spec::f32([]), Spec::f32([]), Spec::f32([3, Rows::of(logits).rows])])
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let tail = [at.outputs[2], at.outputs[1], at.d_y()];
        let inputs: Vec<TensorId> = at.inputs.iter().copied().chain(tail).collect();
        let mut d = vec![None; at.inputs.len()];
        for (i, of_target) in [(0, false), (1, true)] {
            if at.needs[i] && (i == 0 || self.soft) {
                d[i] = Some(g.push1(CrossEntropyGrad { loss: *self, of_target }, &inputs)?);
            }
        }
        Ok(d)
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let sizes = Rows::of(&cx.inputs[0].shape);
        let (rows, classes) = (sizes.rows, sizes.classes);
        let cpu = cx.caps.class == Class::Cpu;
        let tree = tree(cx.caps.class, rows);
        if classes <= SHORT && rows * classes <= SMALL {
            let wg = rows.next_power_of_two().min(tree);
            let d = self.bind(self.kernel("small", sizes).set("WG", wg).dispatch([1, 1, 1]), "logits");
            return Ok(Lowered::one(d.output("loss", 0).output("denominator", 1).output("stats", 2)));
        }
        let each = if classes <= if cpu { STEPS } else { SHORT } {
            self.kernel("rows_serial", sizes).dispatch_1d(rows, if cpu { 16 } else { WG })
        } else {
            let wg = group(cx.caps.class, classes);
            self.kernel("rows_group", sizes).set("WG", wg).dispatch(groups_1d(rows, 1))
        };
        let each = self.bind(each, "logits").output("stats", 2).scratch("parts", 0);
        let total = self.kernel("total", sizes).set("WG", tree).dispatch([1, 1, 1]).scratch("summands", 0);
        let total = total.output("loss", 0).output("denominator", 1);
        Ok(Lowered { scratch: vec![Spec::f32([2, rows])], dispatches: vec![each, total] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 4 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for CrossEntropyLoss {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let sizes = Rows::of(io.shape(0));
        let batch = valid_rows(io, self.rows(), sizes.batch);
        let valid = batch * (sizes.rows / sizes.batch);
        let none = Row { shift: T::ZERO, log_sum: T::ZERO, share: T::ZERO, loss: T::ZERO, weight: T::ZERO };
        let read = Io { inputs: io.inputs.clone(), updates: vec![], outputs: vec![] };
        let rows = parallel::map(
            sizes.rows,
            sizes.rows * sizes.classes,
            #[inline(always)]
            |r| match r < valid && self.counts(&read, r) {
                true => self.row(&read, r, sizes.classes),
                false => none,
            },
        );
        let loss: f64 = rows.iter().map(|r| r.loss.f64()).sum();
        let weight: f64 = rows.iter().map(|r| r.weight.f64()).sum();
        io.y(0)[0] = if weight == 0.0 { T::ZERO } else { T::of(loss / weight) };
        io.y(1)[0] = T::of(weight);
        let (shifts, rest) = io.y(2).split_at_mut(sizes.rows);
        let (log_sums, shares) = rest.split_at_mut(sizes.rows);
        for (i, r) in rows.iter().enumerate() {
            (shifts[i], log_sums[i], shares[i]) = (r.shift, r.log_sum, r.share);
        }
    }
}

impl Op for CrossEntropyGrad {
    fn name(&self) -> &'static str {
        "cross_entropy_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        cx.expect(self.loss.inputs() + 2, "d_loss", [])?;
        Ok(vec![cx.inputs[0].clone()])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let sizes = Rows::of(&cx.inputs[0].shape);
        let n = sizes.rows * sizes.classes;
        let first = self.loss.inputs();
        let kernel = |entry| self.loss.kernel(entry, sizes);
        let d = if self.of_target {
            let d = kernel("backward_target").dispatch_1d(n, WG).input("logits", 0).output("d_x", 0);
            d.input("weights", self.loss.weights().unwrap_or(0)).input("valid", self.loss.rows().unwrap_or(0))
        } else if sizes.classes.is_multiple_of(4) {
            self.loss.bind(kernel("backward4").dispatch_1d(n / 4, WG), "logits4").output("d_x4", 0)
        } else {
            self.loss.bind(kernel("backward").dispatch_1d(n, WG), "logits").output("d_x", 0)
        };
        Ok(Lowered::one(d.input("saved", first).input("divisor", first + 1).input("d_loss", first + 2)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 5 * cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for CrossEntropyGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (sizes, first) = (Rows::of(io.shape(0)), self.loss.inputs());
        let (rows, classes) = (sizes.rows, sizes.classes);
        let valid = valid_rows(io, self.loss.rows(), sizes.batch) * (rows / sizes.batch);
        let (x, saved) = (io.x(0), io.x(first));
        let (d_loss, denominator) = (io.x(first + 2)[0], io.x(first + 1)[0]);
        let scale = if denominator == T::ZERO { T::ZERO } else { d_loss / denominator };
        let weights = self.loss.weights().map(|i| io.x(i));
        let keep = T::of(self.loss.spread(classes).0);
        let read = Io { inputs: io.inputs.clone(), updates: vec![], outputs: vec![] };
        parallel::rows(
            io.y(0),
            classes,
            #[inline(always)]
            |r, d| {
                if r >= valid || !self.loss.counts(&read, r) {
                    return d.fill(T::ZERO);
                }
                let (shift, log_sum, all) = (saved[r], saved[rows + r], saved[2 * rows + r]);
                let x = &x[r * classes..][..classes];
                if self.of_target {
                    for (c, (d, &x)) in d.iter_mut().zip(x).enumerate() {
                        *d = keep * weights.map_or(T::ONE, |w| w[c]) * (shift - x + log_sum) * scale;
                    }
                    return;
                }
                // A loop of its own, which becomes vector instructions.
                for (d, &x) in d.iter_mut().zip(x) {
                    *d = (x - shift - log_sum).exp() * all;
                }
                let share = self.loss.share(&read, r, classes);
                for (c, d) in d.iter_mut().enumerate() {
                    *d = (*d - share(c)) * scale;
                }
            },
        );
    }
}
