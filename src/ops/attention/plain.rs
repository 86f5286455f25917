//! Attention as its formula reads: products, sums and a softmax that stand in
//! memory. Shows what the op computes, and tests it.

use super::sizes::Sizes;
use super::{Attend, Attention, AttentionInputs};
use crate::error::{Error, Result};
use crate::graph::{Graph, TensorId};
use crate::tensor::{HostTensor, Spec};

impl Graph {
    /// [`Graph::attention`] made of matrix products and a softmax, which stores
    /// the probabilities `[B, Hq, Tq, Tk]`. For comparison. It takes no lengths,
    /// a row that sees no key is NaN, and with dropout its masks are those of
    /// [`Graph::attention`] where Tk is a multiple of 4.
    pub fn attention_plain(
        &mut self,
        q: TensorId,
        k: TensorId,
        v: TensorId,
        options: Attention,
        inputs: AttentionInputs,
    ) -> Result<TensorId> {
        if inputs.lengths.is_some() {
            return Err(Error::model("attention_plain takes no lengths; write them as an additive mask"));
        }
        let op = Attend { options, packed: None, lengths: false, mask: inputs.mask.is_some() };
        let all = [Some(q), Some(k), Some(v), inputs.mask, inputs.clock];
        let specs: Vec<Spec> = all.into_iter().flatten().map(|t| self.spec(t).clone()).collect();
        let z = Sizes::new(&op, &specs)?;
        let (tq, tk) = (z.tq, z.tk);
        let [k, v] = [self.repeat_heads(k, z.group())?, self.repeat_heads(v, z.group())?];
        let scale = self.constant(HostTensor::f32([], vec![op.scale(z.d) as f32]));
        let s = self.matmul_with(q, k, false, true, None)?;
        let mut s = self.mul(s, scale)?;
        if let Some(mask) = inputs.mask {
            s = self.add(s, mask)?;
        }
        if options.causal {
            let hidden = |at: usize| if at % tk > at / tk { f32::NEG_INFINITY } else { 0.0 };
            let mask = self.constant(HostTensor::f32([tq, tk], (0..tq * tk).map(hidden).collect()));
            s = self.add(s, mask)?;
        }
        let mut p = self.softmax(s, 3)?;
        if let Some(clock) = inputs.clock {
            p = self.dropout(p, options.dropout, clock, options.layer)?;
        }
        self.matmul(p, v)
    }

    /// `x [B, H, T, D]` with every head `times` times.
    fn repeat_heads(&mut self, x: TensorId, times: usize) -> Result<TensorId> {
        if times == 1 {
            return Ok(x);
        }
        let [b, h, t, d] = [0, 1, 2, 3].map(|i| self.shape(x)[i]);
        let x = self.reshape(x, [b, h, 1, t * d])?;
        let x = self.expand(x, [b, h, times, t * d])?;
        self.reshape(x, [b, h * times, t, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::graph::{Fill, Init, Seed, gradient};
    use crate::plan::{Executor, Plan, Target};

    /// Values of o, `d_q`, `d_k` and `d_v`, by one form or the other.
    fn values(options: Attention, heads: [usize; 2], t: [usize; 2], mask: bool, plain: bool) -> Vec<Vec<f64>> {
        let mut g = Graph::new();
        let mut input = |name: &str, shape: [usize; 4], seed| {
            let spec = Spec::f32(shape);
            let value = Fill::Normal(1.0).draw(&spec, seed);
            g.persistent(name, spec, Init::Data(value.into()))
        };
        let q = input("q", [2, heads[0], t[0], 6], 1);
        let [k, v] = [("k", 2), ("v", 3)].map(|(name, seed)| input(name, [2, heads[1], t[1], 6], seed));
        let cotangent = input("c", [2, heads[0], t[0], 6], 4);
        let mask = mask.then(|| input("mask", [2, 1, t[0], t[1]], 5));
        let clock = (options.dropout > 0.0).then(|| g.constant(HostTensor::u32([4], vec![3, 1, 0, 9])));
        let inputs = AttentionInputs { mask, clock, lengths: None };
        let o = match plain {
            true => g.attention_plain(q, k, v, options, inputs).unwrap(),
            false => g.attention(q, k, v, options, inputs).unwrap(),
        };
        let d = gradient(&mut g, &[Seed { tensor: o, gradient: cotangent }], &[q, k, v]).unwrap();
        let all = [vec![o], d].concat();
        let mut cpu = Cpu::<f64>::new();
        let program = cpu.load(Plan::build(&g, &all, Target::Cpu).unwrap()).unwrap();
        cpu.run(&program, 1).unwrap();
        all.into_iter().map(|t| cpu.values(&program, t).unwrap()).collect()
    }

    #[test]
    fn attention_is_what_its_formula_says() {
        let scale = Some(0.5);
        for options in [
            Attention { scale, ..Attention::default() },
            Attention { scale, causal: true, ..Attention::default() },
            Attention { scale, causal: true, dropout: 0.4, layer: 2 },
        ] {
            // Blocks of 64 queries, and more queries than keys and fewer.
            for (heads, t) in [([2, 2], [8, 8]), ([4, 2], [70, 12]), ([3, 1], [12, 132])] {
                let [fused, plain] = [false, true].map(|plain| values(options, heads, t, !options.causal, plain));
                for (fused, plain) in fused.iter().zip(&plain) {
                    let worst = fused.iter().zip(plain).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(worst < 1e-12, "{options:?}, heads {heads:?}, lengths {t:?}: {worst:e}");
                }
            }
        }
    }
}
