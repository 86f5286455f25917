//! Scaled dot-product attention, with grouped queries.
//!
//! Formula, per batch and head: `s = scale q k^T + mask`, `p = softmax(s)`,
//! `o = p v`; `scale` is `1 / sqrt(D)` unless given.
//! Shapes: `q [B, Hq, Tq, D]`, `k [B, Hkv, Tk, D]`, `v [B, Hkv, Tk, Dv]`,
//! `o [B, Hq, Tq, Dv]`; Hq is a multiple of Hkv, and query head h reads key head
//! `h / (Hq / Hkv)`. Packed: `qkv [B, T, (Hq + 2 Hkv) D]`, in each line the
//! heads of q, then of k, then of v; `o [B, T, Hq D]`. Both forms run the same
//! kernels with other strides. The second output is the logarithm of the sum of
//! exponentials of each row, `l [B, Hq, Tq]`, for the backward pass.
//!
//! Masks: causal (row i sees keys 0 to i: aligned at the top left where Tq and
//! Tk differ, as PyTorch's `is_causal`), the number of keys that each sample
//! has, and an additive mask, which may hold minus infinity and gets no
//! gradient. A row that sees no key gives 0 and passes no gradient (PyTorch:
//! NaN or 0, by kernel).
//!
//! Dropout multiplies p by `m`, 0 or `1 / (1 - p_drop)`, drawn as in `dropout`:
//! `bits = pcg4d([seed, DROPOUT + layer, step, row * ceil(Tk / 4) + j / 4])`, word
//! `j % 4`, with the row's number in `[B, Hq, Tq]`. It is drawn again in the
//! backward pass.
//!
//! Gradient, from `p = e^(s - l)`, with `delta_i = d_o_i . o_i`:
//! `d_v_j = sum_i m p d_o_i`, `d_s = p (m d_o_i . v_j - delta_i)`,
//! `d_q_i = scale sum_j d_s k_j`, `d_k_j = scale sum_i d_s q_i`; `delta` is
//! `sum_j p d_p`, the sum in softmax's own gradient. Room `attention_grad`.
//!
//! Kernels never store s. `forward_tile`: tiles of 32 queries by 32 keys in
//! workgroup memory, softmax rescaled from tile to tile; for GPUs.
//! `forward_rows`: the plain form, rows in registers, without barriers; for
//! software adapters, where the lanes of a subgroup share the loads of keys and
//! values, and for short sequences on GPUs.
//! Sources: Vaswani et al., arXiv:1706.03762; Dao, "FlashAttention-2",
//! arXiv:2307.08691; Ainslie et al., arXiv:2305.13245 (grouped queries).

mod attend;
mod cases;
mod plain;
pub(crate) mod reference;
pub(crate) mod sizes;

pub(crate) use attend::Attend;
pub use attend::{Attention, AttentionInputs};

use super::attention_grad::AttendGrad;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec};
use sizes::{SIDE, Sizes};

static SHADER: Shader = shader!("attention");

impl Graph {
    /// Attention of `q [B, Hq, Tq, D]` over `k [B, Hkv, Tk, D]` and
    /// `v [B, Hkv, Tk, Dv]`: `[B, Hq, Tq, Dv]`.
    pub fn attention(
        &mut self,
        q: TensorId,
        k: TensorId,
        v: TensorId,
        options: Attention,
        inputs: AttentionInputs,
    ) -> Result<TensorId> {
        self.attend(&[q, k, v], None, options, inputs)
    }

    /// Self-attention on one tensor `qkv [B, T, (heads[0] + 2 heads[1]) D]`, whose
    /// lines hold the heads of q, then of k, then of v: `[B, T, heads[0] D]`.
    /// Nothing is split, moved or copied.
    pub fn attention_packed(
        &mut self,
        qkv: TensorId,
        heads: [usize; 2],
        options: Attention,
        inputs: AttentionInputs,
    ) -> Result<TensorId> {
        self.attend(&[qkv], Some(heads), options, inputs)
    }

    fn attend(
        &mut self,
        operands: &[TensorId],
        packed: Option<[usize; 2]>,
        options: Attention,
        more: AttentionInputs,
    ) -> Result<TensorId> {
        let op = Attend { options, packed, lengths: more.lengths.is_some(), mask: more.mask.is_some() };
        let clock = more.clock.filter(|_| op.drops());
        if op.drops() && clock.is_none() {
            let p = options.dropout;
            return Err(Error::model(format!("attention: dropout is {p} and there is no clock to draw from")));
        }
        let more = [more.lengths, more.mask, clock];
        let inputs: Vec<TensorId> = operands.iter().copied().chain(more.into_iter().flatten()).collect();
        Ok(self.push(op, &inputs)?[0])
    }
}

impl Op for Attend {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let z = Sizes::new(self, &cx.inputs)?;
        if self.options.scale.is_some_and(|s| !s.is_finite()) {
            return Err(Error::model(format!("scale is {:?}; expected a finite number", self.options.scale)));
        }
        Ok(vec![Spec::f32(z.output(self.packed.is_some())), Spec::f32([z.b, z.hq, z.tq])])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let [Some(d_o), None] = at.d_outputs else {
            return Err(Error::model("attention: the sums of its rows have no gradient of their own; only o has"));
        };
        if self.mask_at().is_some_and(|i| at.needs[i]) {
            return Err(Error::model(
                "attention: its additive mask gets no gradient, so nothing that learns may stand behind it",
            ));
        }
        let inputs = [at.inputs, at.outputs, &[*d_o]].concat();
        let d = g.push(AttendGrad(*self), &inputs)?;
        let rest = at.inputs.len() - d.len();
        Ok(d.into_iter().map(Some).chain(vec![None; rest]).collect())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let z = Sizes::new(self, &cx.inputs)?;
        let lanes = cx.caps.shared_lanes();
        z.check_turns(cx.caps.class, lanes)?;
        let rows = z.in_registers(cx.caps.class);
        // More rows share a load, and make a kernel that drivers compile for long.
        let each = if cx.caps.class == Class::Cpu { (64 / z.d.max(z.dv)).clamp(1, 2) } else { 1 };
        // Lanes that share loads must walk the same keys: they are a workgroup.
        let wg = if lanes > 1 { lanes } else { SIDE };
        let k = z.kernel(self, &SHADER, if rows { "forward_rows" } else { "forward_tile" });
        let k = z.row_constants(k, each, lanes).constant("PARTS_V", z.dv.div_ceil(SIDE));
        let d = match rows {
            true => k.set("WG", wg).dispatch(z.groups(z.hq, z.tq, wg * each)),
            false => k.dispatch(z.groups(z.hq, z.tq, SIDE)),
        };
        let [q, k, v] = self.operands();
        let d = self.bind(d.input("q", q).input("k", k).input("v", v), &["lengths", "mask", "clock"]);
        Ok(Lowered::one(d.output("o", 0).output("lse", 1)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let z = Sizes::new(self, &cx.inputs).expect("infer accepted these shapes");
        let flops = 2 * z.pairs(self.options.causal) * (z.d + z.dv);
        Cost { flops: flops as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Attend {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let specs: Vec<Spec> = io.inputs.iter().map(|i| i.spec.clone()).collect();
        let z = Sizes::new(self, &specs).expect("infer accepted these shapes");
        let operands = self.operands().map(|i| io.x(i));
        let extras = self.extras(io);
        let [o, lse] = &mut io.outputs[..] else { unreachable!("attention has two outputs") };
        reference::forward(self, &z, operands, extras, o.real, lse.real);
    }
}

/// Every mask, alone and together; grouped heads; widths and lengths around
/// the tiles; packed and apart; dropout.
pub fn cases() -> Vec<Case> {
    cases::cases()
}

#[cfg(test)]
mod tests {
    use super::attend::LAYERS;
    use super::*;
    use crate::graph::{Seed, gradient};

    #[test]
    fn bad_arguments_are_errors_that_name_them() {
        let mut g = Graph::new();
        let mut input = |name: &str, shape: &[usize]| g.input(name, Spec::f32(shape));
        let [q, k, v] = ["q", "k", "v"].map(|name| input(name, &[2, 4, 5, 8]));
        let (three, wide, narrow) =
            (input("three", &[2, 3, 5, 8]), input("wide", &[1, 1, 1, 257]), input("n", &[2, 4, 5, 7]));
        let (empty, mask, bad_mask) = (input("e", &[2, 4, 0, 8]), input("m", &[5, 5]), input("bm", &[2, 2, 5, 5]));
        let qkv = input("qkv", &[2, 5, 12 * 8]);
        let huge = input("huge", &[40, 16, 8192, 1]);
        let (lengths, clock) = (g.input("lengths", Spec::u32([3])), g.input("clock", Spec::u32([4])));
        let (options, none) = (Attention::default(), AttentionInputs::default());
        let drop = Attention { dropout: 0.5, ..options };
        let with = AttentionInputs { clock: Some(clock), ..none };
        let mut fails = |q, k, v, options, inputs, word: &str| {
            let found = g.attention(q, k, v, options, inputs).expect_err(word).to_string();
            assert!(found.contains(word), "{found}\nshould say {word}");
        };
        fails(q, three, three, options, none, "do not divide");
        fails(q, k, three, options, none, "v [2, 3, 5, 8]");
        fails(q, narrow, narrow, options, none, "width must be equal");
        fails(wide, wide, wide, options, none, "257 wide");
        fails(empty, k, v, options, none, "empty");
        fails(q, k, qkv, options, none, "batch, heads, time, width");
        fails(q, k, v, options, AttentionInputs { lengths: Some(lengths), ..none }, "u32[2]");
        fails(q, k, v, options, AttentionInputs { mask: Some(bad_mask), ..none }, "f32[2, 1, 5, 5]");
        fails(q, k, v, drop, none, "clock");
        fails(q, k, v, drop, AttentionInputs { clock: Some(q), ..none }, "u32[4]");
        fails(q, k, v, Attention { dropout: 1.0, ..options }, with, "probability");
        fails(q, k, v, Attention { dropout: f32::NAN, ..options }, with, "probability");
        fails(q, k, v, Attention { layer: LAYERS, ..drop }, with, "layer");
        fails(q, k, v, Attention { scale: Some(f32::INFINITY), ..options }, none, "finite");
        fails(huge, huge, huge, drop, with, "2^32");
        for heads in [[5, 5], [0, 4], [4, 0], [6, 4]] {
            assert!(g.attention_packed(qkv, heads, options, none).is_err(), "{heads:?}");
        }
        let inputs = AttentionInputs { mask: Some(mask), ..none };
        let o = g.attention(q, k, v, options, inputs).unwrap();
        let seed = Seed { tensor: o, gradient: q };
        let found = gradient(&mut g, &[seed], &[mask]).expect_err("a mask does not learn").to_string();
        assert!(found.contains("mask"), "{found}");
    }
}
