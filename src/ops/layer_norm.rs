//! Layer norm and RMS norm: every row, the last axis, to variance 1 (layer norm:
//! around its mean; RMS norm: around zero), then scaled and shifted.
//!
//! Formula: `rstd = 1 / sqrt(mean((x - mean)^2) + eps)`, with `mean = 0` for RMS
//! norm; `xhat = (x - mean) rstd`; `y = xhat weight + bias`, each factor left out
//! where it is not given. The variance is divided by `D`, as in PyTorch.
//! Shapes: `x, y [.., D]`; `weight, bias [D]`; the outputs `mean, rstd [rows]`
//! are kept for the gradient.
//! Sources: Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450; Zhang
//! and Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467.
//!
//! Gradient, with `g = d_y weight` and means over the row: `d xhat_j / d x_i =
//! rstd ([i = j] - 1 / D - xhat_i xhat_j / D)`, hence `d_x = rstd (g - mean(g) -
//! xhat mean(g xhat))`; without its own mean, RMS norm lacks the middle term.
//! Over rows: `d_weight = sum d_y xhat`, `d_bias = sum d_y`.
//!
//! Kernels: an invocation walks a row (software adapters, short rows) or a
//! workgroup shares it. The sums over rows are taken in blocks of rows, which a
//! second dispatch adds in order.

use super::expect::expect_type;
use super::rows::{STEPS, group};
use super::wide::{put_wide, stores_wide_itself, wide, width};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Pointwise, Reference, TensorId};
use crate::kernel::{Class, Dispatch, Kernel, Lowered, Shader, groups_1d};
use crate::shader;
use crate::tensor::{DType, Real, Shape, Spec, lanes, parallel};

static SHADER: Shader = shader!("layer_norm");

/// Invocations per workgroup where each has a row or a column.
const WG: usize = 64;

/// The longest row that one invocation walks alone on a GPU.
const SHORT: usize = 64;

/// Either norm. Inputs: x, weight if any, bias if any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerNorm {
    /// Added to the variance.
    pub eps: f32,
    /// Subtracts the mean; RMS norm does not.
    pub center: bool,
    /// Whether there is a weight.
    pub weight: bool,
    /// Whether there is a bias.
    pub bias: bool,
}

/// `d_x`. Inputs: x, mean, rstd, `d_y`, weight if any.
#[derive(Debug, Clone, Copy)]
pub struct LayerNormGrad {
    /// As in [`LayerNorm`].
    pub center: bool,
}

/// `d_weight` and, with `bias`, `d_bias`. Inputs: x, mean, rstd, `d_y`.
#[derive(Debug, Clone, Copy)]
pub struct LayerNormParamGrad {
    /// Whether the second output is wanted.
    pub bias: bool,
}

impl Graph {
    /// Layer norm over the last axis: `(x - mean) / sqrt(var + eps) weight + bias`.
    pub fn layer_norm(
        &mut self,
        x: TensorId,
        weight: Option<TensorId>,
        bias: Option<TensorId>,
        eps: f32,
    ) -> Result<TensorId> {
        let inputs: Vec<TensorId> = [Some(x), weight, bias].into_iter().flatten().collect();
        let op = LayerNorm { eps, center: true, weight: weight.is_some(), bias: bias.is_some() };
        Ok(self.push(op, &inputs)?[0])
    }

    /// RMS norm over the last axis: `x / sqrt(mean(x^2) + eps) weight`.
    pub fn rms_norm(&mut self, x: TensorId, weight: Option<TensorId>, eps: f32) -> Result<TensorId> {
        let inputs: Vec<TensorId> = [Some(x), weight].into_iter().flatten().collect();
        let op = LayerNorm { eps, center: false, weight: weight.is_some(), bias: false };
        Ok(self.push(op, &inputs)?[0])
    }
}

/// `x` as rows.
#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    row: usize,
}

impl Sizes {
    fn of(x: &Shape) -> Sizes {
        let row = x[x.rank() - 1];
        Sizes { rows: x.elements() / row, row }
    }

    fn kernel(self, entry: &'static str) -> Kernel {
        let width = width(self.row);
        wide(Kernel::new(&SHADER, entry).set("ROWS", self.rows).set("ROW", self.row / width), width)
    }

    /// A row per invocation or per workgroup: the entry's number, and the grid.
    fn dispatch(self, class: Class, entries: [&'static str; 2], more: impl Fn(Kernel) -> Kernel) -> Dispatch {
        let steps = self.row / width(self.row);
        let kernel = |entry| more(self.kernel(entry).set("COUNT", self.row));
        if self.row <= SHORT || class == Class::Cpu && steps <= STEPS {
            // Few rows still keep every core of a software adapter busy.
            let wg = if class == Class::Cpu && self.rows < 16 * WG { 8 } else { WG };
            return kernel(entries[0]).dispatch_1d(self.rows, wg);
        }
        kernel(entries[1]).set("WG", group(class, steps)).dispatch(groups_1d(self.rows, 1))
    }

    /// Blocks of rows, and the rows of each.
    fn parts(self, class: Class) -> (usize, usize) {
        let columns = self.row / width(self.row);
        let (wanted, most) = if class == Class::Cpu { (256, 16) } else { (16_384, 128) };
        let parts = (wanted / columns).clamp(1, most).min(self.rows.div_ceil(16)).max(self.rows.div_ceil(STEPS));
        let length = self.rows.div_ceil(parts);
        (self.rows.div_ceil(length), length)
    }
}

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        if self.center { "layer_norm" } else { "rms_norm" }
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let x = &cx.inputs[0];
        if x.dtype != DType::F32 || x.shape.rank() == 0 || x.elements() == 0 {
            return Err(Error::model(format!("x is {x}; expected f32 [.., D] with at least one element")));
        }
        let z = Sizes::of(&x.shape);
        for (i, name) in [(self.weight, "weight"), (self.bias, "bias")].iter().filter(|(on, _)| *on).enumerate() {
            expect_type(cx, i + 1, name.1, DType::F32)?;
            cx.expect(i + 1, name.1, [z.row])?;
        }
        if !(self.eps.is_finite() && self.eps >= 0.0) {
            return Err(Error::model(format!("eps is {}; expected a number of at least 0", self.eps)));
        }
        Ok(vec![x.clone(), Spec::f32([z.rows]), Spec::f32([z.rows])])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let [Some(d_y), None, None] = at.d_outputs else {
            return Err(Error::model("a row's statistics have no gradient of their own; only y has"));
        };
        let mut inputs = vec![at.inputs[0], at.outputs[1], at.outputs[2], *d_y];
        let mut d = vec![None; at.inputs.len()];
        if at.needs[1..].contains(&true) {
            let params = g.push(LayerNormParamGrad { bias: self.bias }, &inputs)?;
            // Without a weight the bias is input 1.
            let of_params = if self.weight { &params[..] } else { &params[1..] };
            for (d, &param) in d[1..].iter_mut().zip(of_params) {
                *d = Some(param);
            }
        }
        if at.needs[0] {
            inputs.extend(self.weight.then(|| at.inputs[1]));
            d[0] = Some(g.push1(LayerNormGrad { center: self.center }, &inputs)?);
        }
        Ok(d)
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let z = Sizes::of(&cx.inputs[0].shape);
        let d = z.dispatch(cx.caps.class, ["forward", "forward_tree"], |k| {
            let k = k.real("EPS", self.eps.into()).flag("CENTER", self.center);
            k.flag("WEIGHT", self.weight).flag("BIAS", self.bias)
        });
        // The shader names both whether or not they are there.
        let weight = if self.weight { 1 } else { 0 };
        let bias = if self.bias { weight + 1 } else { 0 };
        let d = d.input("x", 0).input("weight", weight).input("bias", bias);
        let d = d.output("mean", 1).output("rstd", 2);
        Ok(Lowered::one(put_wide(d, &cx.store, width(z.row))))
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 7 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for LayerNorm {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (z, x) = (Sizes::of(io.shape(0)), io.x(0));
        let of_rows = parallel::map(
            z.rows,
            x.len(),
            #[inline(always)]
            |r| statistics(&x[r * z.row..][..z.row], self.center, T::of(self.eps.into())),
        );
        let weight = self.weight.then(|| io.x(1));
        let bias = self.bias.then(|| io.x(1 + usize::from(self.weight)));
        parallel::rows(
            io.y(0),
            z.row,
            #[inline(always)]
            |r, y| {
                let [mean, rstd] = of_rows[r];
                for (y, &x) in y.iter_mut().zip(&x[r * z.row..]) {
                    *y = (x - mean) * rstd;
                }
                for (y, &w) in y.iter_mut().zip(weight.unwrap_or_default()) {
                    *y *= w;
                }
                for (y, &b) in y.iter_mut().zip(bias.unwrap_or_default()) {
                    *y += b;
                }
            },
        );
        for (k, y) in io.outputs[1..].iter_mut().enumerate() {
            y.real.iter_mut().zip(&of_rows).for_each(|(y, row)| *y = row[k]);
        }
    }
}

/// Mean and `1 / sqrt(var + eps)` of a row; in two passes, of which the second
/// finds what rounding took from the mean.
#[inline(always)]
fn statistics<T: Real>(x: &[T], center: bool, eps: T) -> [T; 2] {
    let n = T::of(x.len() as f64);
    let centre = if center { lanes::sum(x, |x| x) / n } else { T::ZERO };
    let [left, square] = lanes::sums(x, x, |x, _| [x - centre, (x - centre) * (x - centre)]);
    let shift = if center { left / n } else { T::ZERO };
    let variance = (square - left * shift).max(T::ZERO) / n;
    // `max` drops NaN.
    let variance = if square.is_nan() { square } else { variance };
    [centre + shift, T::ONE / (variance + eps).sqrt()]
}

impl Op for LayerNormGrad {
    fn name(&self) -> &'static str {
        if self.center { "layer_norm_grad" } else { "rms_norm_grad" }
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        cx.expect(3, "d_y", cx.shape(0).clone())?;
        Ok(vec![cx.inputs[0].clone()])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let z = Sizes::of(&cx.inputs[0].shape);
        let weight = cx.inputs.len() > 4;
        let d = z.dispatch(cx.caps.class, ["backward", "backward_tree"], |k| {
            k.flag("CENTER", self.center).flag("WEIGHT", weight)
        });
        let d = d.input("x", 0).input("saved_mean", 1).input("saved_rstd", 2).input("d_y", 3);
        let d = d.input("weight", if weight { 4 } else { 0 });
        Ok(Lowered::one(put_wide(d, &cx.store, width(z.row))))
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 10 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for LayerNormGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let z = Sizes::of(io.shape(0));
        let (x, mean, rstd, d_y) = (io.x(0), io.x(1), io.x(2), io.x(3));
        let weight = io.inputs.get(4).map(|w| w.real);
        let n = T::of(z.row as f64);
        parallel::rows(
            io.y(0),
            z.row,
            #[inline(always)]
            |r, g| {
                let (x, mean, rstd) = (&x[r * z.row..][..z.row], mean[r], rstd[r]);
                g.copy_from_slice(&d_y[r * z.row..][..z.row]);
                for (g, &w) in g.iter_mut().zip(weight.unwrap_or_default()) {
                    *g *= w;
                }
                let [plain, moment] = lanes::sums(g, x, |g, x| [g, g * ((x - mean) * rstd)]);
                let (plain, moment) = (if self.center { plain / n } else { T::ZERO }, moment / n);
                for (g, &x) in g.iter_mut().zip(x) {
                    *g = (*g - plain - (x - mean) * rstd * moment) * rstd;
                }
            },
        );
    }
}

impl Op for LayerNormParamGrad {
    fn name(&self) -> &'static str {
        "layer_norm_param_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        cx.expect(3, "d_y", cx.shape(0).clone())?;
        let z = Sizes::of(cx.shape(0));
        Ok(vec![Spec::f32([z.row]); 1 + usize::from(self.bias)])
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let z = Sizes::of(&cx.inputs[0].shape);
        let columns = z.row / width(z.row);
        let (parts, length) = z.parts(cx.caps.class);
        let wg = if cx.caps.class == Class::Cpu { 8 } else { WG };
        let first = stores_wide_itself(z.kernel("column_parts"), width(z.row))
            .set("PARTS", parts)
            .set("LENGTH", length)
            .dispatch_1d(parts * columns, wg);
        let first = first.input("x", 0).input("saved_mean", 1).input("saved_rstd", 2).input("d_y", 3);
        let sum = wide(Kernel::new(&SHADER, "combine").set("ROW", columns).set("PARTS", parts), width(z.row));
        let sum = stores_wide_itself(sum, width(z.row));
        let sum = sum.dispatch_1d(columns, wg).scratch("summands", 0).output("d_weight", 0);
        let mut scratch = vec![Spec::f32([2, parts, z.row])];
        let sum = match self.bias {
            true => sum.output("d_bias", 1),
            false => {
                scratch.push(Spec::f32([z.row]));
                sum.scratch("d_bias", 1)
            }
        };
        Ok(Lowered { scratch, dispatches: vec![first.scratch("parts", 0), sum] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 5 * cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for LayerNormParamGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let z = Sizes::of(io.shape(0));
        let (x, mean, rstd, d_y) = (io.x(0), io.x(1), io.x(2), io.x(3));
        let together = (4 * parallel::CHUNK / z.row).max(1);
        let blocks = parallel::map(
            z.rows.div_ceil(together),
            x.len(),
            #[inline(always)]
            |block| {
                let (mut moments, mut plain) = (vec![T::ZERO; z.row], vec![T::ZERO; z.row]);
                for r in block * together..((block + 1) * together).min(z.rows) {
                    let (mean, rstd) = (mean[r], rstd[r]);
                    let pairs = x[r * z.row..][..z.row].iter().zip(&d_y[r * z.row..][..z.row]);
                    for ((moment, plain), (&x, &d)) in moments.iter_mut().zip(&mut plain).zip(pairs) {
                        *moment += d * ((x - mean) * rstd);
                        *plain += d;
                    }
                }
                [moments, plain]
            },
        );
        for (k, y) in io.outputs.iter_mut().enumerate() {
            y.real.fill(T::ZERO);
            for block in &blocks {
                y.real.iter_mut().zip(&block[k]).for_each(|(y, &part)| *y += part);
            }
        }
    }
}

/// Both norms with and without parameters, rows of every kernel, many rows, a
/// mean far from zero, and a row that does not vary.
pub fn cases() -> Vec<Case> {
    const WHY: &str = "WGSL allows division and square root 2.5 ulp each";
    let case = |name: &str, shape: &[usize], center: bool, weight: bool, bias: bool| {
        let row = shape[shape.len() - 1];
        let mut inputs = vec![(Spec::f32(shape), Fill::Normal(1.5))];
        inputs.extend(weight.then(|| (Spec::f32([row]), Fill::Uniform(0.5, 1.5))));
        inputs.extend(bias.then(|| (Spec::f32([row]), Fill::Normal(0.5))));
        let build = move |g: &mut Graph, x: &[TensorId]| {
            let y = match center {
                true => g.layer_norm(x[0], weight.then(|| x[1]), bias.then(|| x[x.len() - 1]), 1e-5)?,
                false => g.rms_norm(x[0], weight.then(|| x[1]), 1e-5)?,
            };
            Ok(vec![y])
        };
        let longest = row.max(Spec::f32(shape).elements() / row).min(4096);
        Case::new(format!("layer_norm/{name}"), inputs, build).reduction(longest.max(4)).extra(16.0, WHY)
    };
    let filled = |name: &str, values: Vec<f32>, row: usize| {
        let plain = case(name, &[values.len() / row, row], true, true, true);
        let mut inputs = plain.inputs.clone();
        inputs[0].1 = Fill::Values(values);
        Case { inputs, ..plain }
    };
    let far: Vec<f32> = (0..3 * 260).map(|i| 300.0 + (i * 37 % 101) as f32 * 0.03).collect();
    let level = vec![2.5; 2 * 36];
    vec![
        case("odd", &[17, 5], true, true, true),
        case("vec4", &[3, 7, 12], true, true, true),
        case("plain", &[9, 13], true, false, false),
        case("weight_only", &[9, 12], true, true, false),
        case("bias_only", &[9, 12], true, false, true),
        case("vector", &[24], true, true, true),
        case("wide_rows", &[5, 257], true, true, true),
        case("row_64", &[65, 64], true, true, true),
        case("row_65", &[63, 65], true, true, true),
        case("row_1028", &[3, 1028], true, true, true),
        case("many_rows", &[5000, 8], true, true, true),
        case("row_beyond_a_loop", &[2, 70_001], true, true, true),
        case("grid_overflow", &[65_536 * 64 + 1, 2], true, true, true).no_gradient(),
        case("grid_overflow_tree", &[65_537, 65], true, false, false).no_gradient(),
        filled("far_from_zero", far, 260).extra(256.0, "a mean of 350 deviations is rounded to f32"),
        filled("level", level, 36).no_gradient(),
        case("rms_odd", &[17, 5], false, true, false),
        case("rms_vec4", &[3, 7, 12], false, true, false),
        case("rms_plain", &[9, 13], false, false, false),
        // What is left of the gradient is what eps leaves.
        case("one", &[6, 1], true, true, true).no_gradient(),
        case("rms_one", &[6, 1], false, true, false).no_gradient(),
        case("rms_row_257", &[5, 257], false, true, false),
        case("rms_row_1028", &[3, 1028], false, true, false),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_arguments_are_errors() {
        let mut g = Graph::new();
        let (x, w) = (g.input("x", Spec::f32([2, 3])), g.input("w", Spec::f32([2])));
        let labels = g.input("labels", Spec::u32([2, 3]));
        assert!(g.layer_norm(x, Some(w), None, 1e-5).unwrap_err().to_string().contains("weight has shape"));
        assert!(g.layer_norm(x, None, Some(w), 1e-5).unwrap_err().to_string().contains("bias has shape"));
        assert!(g.rms_norm(x, None, f32::NAN).unwrap_err().to_string().contains("eps is NaN"));
        assert!(g.rms_norm(labels, None, 1e-5).unwrap_err().to_string().contains("expected f32"));
    }
}
