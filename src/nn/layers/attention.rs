//! `MultiHeadAttention`.

use super::Layer;
use super::dense::linear;
use super::inputs::{along_positions, sequence, single};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Build, Initializer, Keys, Mode};
use crate::ops::attention::{Attention, AttentionInputs};
use crate::tensor::Shape;
use toml::Table;

/// Self-attention over the positions of `[N, T, W]`. Parameters, as in
/// PyTorch's: `in_proj_weight [(heads + 2 kv_heads) D, W]`, the rows of q, then
/// of k, then of v; `out_proj.weight [W, heads D]`; and their biases. D is
/// `key_dim`.
///
/// Positions behind a sample's length are not attended to, where lengths are
/// known. While decoding, keys and values of earlier positions are kept.
///
/// Sources: Vaswani et al., arXiv:1706.03762; Ainslie et al., "GQA",
/// arXiv:2305.13245 (fewer heads of keys); Su et al., arXiv:2104.09864 (rotary).
#[derive(Debug, Clone)]
pub struct MultiHeadAttention {
    /// Heads of queries.
    pub heads: usize,
    /// Elements of a head; `None` for the width shared out among the heads.
    pub key_dim: Option<usize>,
    /// Heads of keys and values; `None` for as many as of queries.
    pub kv_heads: Option<usize>,
    /// No position sees a later one.
    pub causal: bool,
    /// Share of attention weights dropped.
    pub dropout: f64,
    /// Whether the projections have biases.
    pub use_bias: bool,
    /// Whether queries and keys are turned by their position.
    pub rotary: bool,
}

/// The base of rotary frequencies.
const ROTARY_BASE: f32 = 10_000.0;

/// Heads and their size, resolved.
#[derive(Clone, Copy)]
struct Heads {
    q: usize,
    kv: usize,
    d: usize,
}

impl MultiHeadAttention {
    /// `heads` heads, each a share of the input's width; no mask, no dropout.
    pub fn new(heads: usize) -> MultiHeadAttention {
        MultiHeadAttention {
            heads,
            key_dim: None,
            kv_heads: None,
            causal: false,
            dropout: 0.0,
            use_bias: true,
            rotary: false,
        }
    }

    pub(super) fn read(keys: &mut Keys) -> Result<MultiHeadAttention> {
        let heads = keys.count("heads", 1, None)?;
        let mut optional = |key| keys.count(key, 0, Some(0)).map(|n| (n > 0).then_some(n));
        let (key_dim, kv_heads) = (optional("key_dim")?, optional("kv_heads")?);
        Ok(MultiHeadAttention {
            heads,
            key_dim,
            kv_heads,
            causal: keys.flag("causal", false)?,
            dropout: keys.real("dropout", 0.0, 0.99, Some(0.0))?,
            use_bias: keys.flag("use_bias", true)?,
            rotary: keys.flag("rotary", false)?,
        })
    }

    fn resolve(&self, width: usize) -> Result<Heads> {
        let (q, kv) = (self.heads, self.kv_heads.unwrap_or(self.heads));
        if !q.is_multiple_of(kv) {
            return Err(Error::model(format!(
                "heads = {q} and kv_heads = {kv}; the first must be a multiple of the second"
            )));
        }
        let d = match self.key_dim {
            Some(d) => d,
            None if width.is_multiple_of(q) => width / q,
            None => {
                return Err(Error::model(format!(
                    "heads = {q} do not divide its {width} features; take another number of heads, or say key_dim"
                )));
            }
        };
        if self.rotary && !d.is_multiple_of(2) {
            return Err(Error::model(format!(
                "rotary turns pairs of elements, and a head has {d}; expected an even number"
            )));
        }
        Ok(Heads { q, kv, d })
    }

    /// Attention of `x`, with parameters named `PREFIXin_proj_weight` and so on.
    pub(super) fn attend(&self, cx: &mut Build, x: TensorId, prefix: &str, start: Initializer) -> Result<TensorId> {
        let [_, _, width] = sequence(cx, x)?;
        let heads = self.resolve(width)?;
        let Heads { q, kv, d } = heads;
        let qkv = self.project(cx, &format!("{prefix}in_proj_"), x, [(q + 2 * kv) * d, width], start)?;
        let o = match cx.mode {
            Mode::Decode { position, length, context } => {
                self.decode(cx, qkv, heads, prefix, position, length, context)?
            }
            _ => self.over_all(cx, qkv, heads)?,
        };
        self.project(cx, &format!("{prefix}out_proj."), o, [width, q * d], start)
    }

    fn project(
        &self,
        cx: &mut Build,
        prefix: &str,
        x: TensorId,
        sizes: [usize; 2],
        start: Initializer,
    ) -> Result<TensorId> {
        linear(cx, prefix, x, sizes, start, self.use_bias.then_some(Initializer::Zeros))
    }

    fn over_all(&self, cx: &mut Build, qkv: TensorId, heads: Heads) -> Result<TensorId> {
        let clock = if let Mode::Train { clock, .. } = cx.mode { Some(clock) } else { None };
        let dropout = if clock.is_some() { self.dropout as f32 } else { 0.0 };
        let options = Attention { scale: None, causal: self.causal, dropout, layer: cx.draws(0) };
        let inputs = AttentionInputs { lengths: cx.lengths, mask: None, clock };
        if !self.rotary {
            return cx.g.attention_packed(qkv, [heads.q, heads.kv], options, inputs);
        }
        let [q, k, v] = self.parts(cx, qkv, heads)?;
        let q = cx.g.rotary(q, ROTARY_BASE, false, None)?;
        let k = cx.g.rotary(k, ROTARY_BASE, false, None)?;
        let o = cx.g.attention(q, k, v, options, inputs)?;
        let &[n, h, t, d] = cx.g.shape(o) else { unreachable!("attention gives four axes") };
        let o = cx.g.permute(o, &[0, 2, 1, 3])?;
        cx.g.reshape(o, [n, t, h * d])
    }

    /// `[N, T, ..]` cut into q, k and v, each `[N, heads, T, D]`.
    fn parts(&self, cx: &mut Build, qkv: TensorId, heads: Heads) -> Result<[TensorId; 3]> {
        let [n, t, _] = sequence(cx, qkv)?;
        let Heads { q, kv, d } = heads;
        let mut at = 0;
        let mut part = |count: usize| -> Result<TensorId> {
            let (from, to) = (at, at + count * d);
            at = to;
            let x = cx.g.slice(qkv, 2, from, to, 1)?;
            if t == 1 {
                return cx.g.reshape(x, [n, count, 1, d]);
            }
            let x = cx.g.reshape(x, [n, t, count, d])?;
            cx.g.permute(x, &[0, 2, 1, 3])
        };
        Ok([part(q)?, part(kv)?, part(kv)?])
    }

    /// [`Layer::causal`], for a layer that has it inside too.
    pub(super) fn expect_causal(&self, inputs: &[&Shape]) -> Result<()> {
        along_positions(inputs)?;
        match self.causal {
            true => Ok(()),
            false => Err(Error::model("its attention sees later positions too; set causal = true")),
        }
    }

    /// Attention of one position over those kept, and itself. It is causal.
    fn decode(
        &self,
        cx: &mut Build,
        qkv: TensorId,
        heads: Heads,
        prefix: &str,
        position: TensorId,
        length: TensorId,
        context: usize,
    ) -> Result<TensorId> {
        let [mut q, mut k, v] = self.parts(cx, qkv, heads)?;
        if self.rotary {
            q = cx.g.rotary(q, ROTARY_BASE, false, Some(position))?;
            k = cx.g.rotary(k, ROTARY_BASE, false, Some(position))?;
        }
        let shape = [1, heads.kv, context, heads.d];
        let mut kept = |what: &str| cx.kept(&format!("{prefix}{what}"), shape, 0.0);
        let (keys, values) = (kept("keys"), kept("values"));
        cx.g.write_rows(keys, k, position)?;
        cx.g.write_rows(values, v, position)?;
        let inputs = AttentionInputs { lengths: Some(length), ..AttentionInputs::default() };
        let o = cx.g.attention(q, keys, values, Attention::default(), inputs)?;
        cx.g.reshape(o, [1, 1, heads.q * heads.d])
    }
}

impl Layer for MultiHeadAttention {
    fn kind(&self) -> &'static str {
        "MultiHeadAttention"
    }

    fn short(&self) -> &'static str {
        "attn"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        self.attend(cx, single(inputs)?, "", Initializer::GlorotUniform)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        self.expect_causal(inputs)
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        let mut put = |key: &str, n: usize| t.insert(key.into(), (n as i64).into());
        put("heads", self.heads);
        put("key_dim", self.key_dim.unwrap_or(0));
        put("kv_heads", self.kv_heads.unwrap_or(0));
        t.insert("causal".into(), self.causal.into());
        t.insert("dropout".into(), self.dropout.into());
        t.insert("use_bias".into(), self.use_bias.into());
        t.insert("rotary".into(), self.rotary.into());
        t
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Description, Model, Weights};
    use crate::tensor::Shape;

    fn shapes(text: &str) -> Result<Vec<(String, Shape)>> {
        let text = format!("input = [5, 12]\n[[layer]]\ntype = \"MultiHeadAttention\"\n{text}\n");
        let mut weights = Weights::new(1);
        Model::new(Description::parse(&text)?, None, None)?.inspect(2, &mut weights)?;
        Ok(weights.iter().map(|(name, value)| (name.to_string(), value.shape.clone())).collect())
    }

    #[test]
    fn parameters_are_those_of_pytorch() {
        let named = |text: &str| -> Vec<String> {
            shapes(text).unwrap().into_iter().map(|(name, shape)| format!("{name} {shape}")).collect()
        };
        assert_eq!(
            named("heads = 3"),
            [
                "attn1.in_proj_bias [36]",
                "attn1.in_proj_weight [36, 12]",
                "attn1.out_proj.bias [12]",
                "attn1.out_proj.weight [12, 12]",
            ]
        );
        assert_eq!(
            named("heads = 4\nkv_heads = 2\nkey_dim = 5\nuse_bias = false\ncausal = true\ndropout = 0.1"),
            ["attn1.in_proj_weight [40, 12]", "attn1.out_proj.weight [12, 20]"]
        );
    }

    #[test]
    fn heads_that_do_not_fit_are_errors() {
        for (text, word) in [
            ("heads = 5", "do not divide"),
            ("heads = 4\nkv_heads = 3", "multiple"),
            ("heads = 0", "heads"),
            ("heads = 2\ndropout = 1.0", "dropout"),
            ("", "heads"),
        ] {
            let found = shapes(text).unwrap_err().to_string();
            assert!(found.contains(word), "{text}: {found}");
        }
    }
}
