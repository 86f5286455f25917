//! Attention as its formula reads: products, sums and a softmax that stand in
//! memory. Shows what the op computes, and tests it.

use super::{Attention, AttentionInputs};
use crate::error::Result;
use crate::graph::{Graph, TensorId};
use crate::tensor::HostTensor;

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
        let [b, hq, tq, d] = [0, 1, 2, 3].map(|i| self.shape(q)[i]);
        let (hkv, tk) = (self.shape(k)[1], self.shape(k)[2]);
        let [k, v] = [self.repeat_heads(k, hq / hkv)?, self.repeat_heads(v, hq / hkv)?];
        let scale = options.scale.unwrap_or((1.0 / (d as f64).sqrt()) as f32);
        let scale = self.constant(HostTensor::f32([], vec![scale]));
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
        debug_assert_eq!(self.shape(p), [b, hq, tq, tk]);
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
