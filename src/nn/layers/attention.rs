//! `MultiHeadAttention`.

use super::Layer;
use super::dense::linear;
use super::inputs::{along_positions, sequence};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Build, Initializer, Keys, Mode};
use crate::ops::attention::{Attention, AttentionInputs};
use crate::tensor::Shape;
use toml::Table;

/// Attention over the positions of `[N, T, W]`: of one input over itself, or, of two, of the
/// queries of the first over the keys and values of the second (`inputs = ["x", "memory"]`).
/// Parameters, as in
/// PyTorch's: `in_proj_weight [(heads + 2 kv_heads) D, W]`, the rows of q, then
/// of k, then of v; `out_proj.weight [W, heads D]`; and their biases. D is
/// `key_dim`. Where the second input has another width V, there are `q_proj_weight [heads D, W]`,
/// `k_proj_weight [kv_heads D, V]` and `v_proj_weight [kv_heads D, V]` instead of the first.
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
                let parts = self.parts(cx, qkv, heads)?;
                self.decode(cx, parts, heads, prefix, position, length, context)?
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

    /// Attention of the positions of `x` over those of `memory`.
    fn across(&self, cx: &mut Build, x: TensorId, memory: TensorId) -> Result<TensorId> {
        let ([_, tq, width], [_, tk, from]) = (sequence(cx, x)?, sequence(cx, memory)?);
        let heads = self.resolve(width)?;
        let Heads { q, kv, d } = heads;
        if self.causal && tq != tk {
            return Err(Error::model(format!(
                "causal = true, and its inputs have {tq} and {tk} positions; expected as many of each, or causal = false"
            )));
        }
        let start = Initializer::GlorotUniform;
        let rows = [q * d, kv * d, kv * d];
        let total = rows.iter().sum();
        let weights = if from == width {
            let all = cx.param("in_proj_weight", [total, width], start, (width, total))?;
            cut(cx, all, rows)?
        } else {
            let of = [("q_proj_weight", width), ("k_proj_weight", from), ("v_proj_weight", from)];
            let mut each = vec![];
            for ((name, features), rows) in of.into_iter().zip(rows) {
                each.push(cx.param(name, [rows, features], start, (features, rows))?);
            }
            [each[0], each[1], each[2]]
        };
        let biases = match self.use_bias {
            true => {
                let all = cx.param("in_proj_bias", [total], Initializer::Zeros, (width, total))?;
                cut(cx, all, rows)?.map(Some)
            }
            false => [None; 3],
        };
        let mut parts = vec![];
        for (i, (source, count)) in [(x, q), (memory, kv), (memory, kv)].into_iter().enumerate() {
            let y = cx.g.matmul_t(source, weights[i], biases[i])?;
            parts.push(as_heads(cx, y, count, d)?);
        }
        let parts = [parts[0], parts[1], parts[2]];
        cx.lengths = cx.lengths_of(0);
        let o = match cx.mode {
            Mode::Decode { position, length, context } => {
                self.decode(cx, parts, heads, "", position, length, context)?
            }
            _ => {
                let lengths = cx.lengths_of(1);
                self.apart(cx, parts, lengths)?
            }
        };
        self.project(cx, "out_proj.", o, [width, q * d], start)
    }

    /// The options of the op, and the clock of its dropout.
    fn options(&self, cx: &Build) -> (Attention, Option<TensorId>) {
        let clock = if let Mode::Train { clock, .. } = cx.mode { Some(clock) } else { None };
        let dropout = if clock.is_some() { self.dropout as f32 } else { 0.0 };
        (Attention { scale: None, causal: self.causal, dropout, layer: cx.draws(0) }, clock)
    }

    fn over_all(&self, cx: &mut Build, qkv: TensorId, heads: Heads) -> Result<TensorId> {
        if self.rotary {
            let parts = self.parts(cx, qkv, heads)?;
            return self.apart(cx, parts, cx.lengths);
        }
        let (options, clock) = self.options(cx);
        let inputs = AttentionInputs { lengths: cx.lengths, mask: None, clock };
        cx.g.attention_packed(qkv, [heads.q, heads.kv], options, inputs)
    }

    /// Attention of q, k and v, each `[N, heads, T, D]`, as `[N, T, heads D]`; keys behind
    /// `lengths` are left out.
    fn apart(&self, cx: &mut Build, [mut q, mut k, v]: [TensorId; 3], lengths: Option<TensorId>) -> Result<TensorId> {
        let (options, clock) = self.options(cx);
        let inputs = AttentionInputs { lengths, mask: None, clock };
        if self.rotary {
            q = cx.g.rotary(q, ROTARY_BASE, false, None)?;
            k = cx.g.rotary(k, ROTARY_BASE, false, None)?;
        }
        let o = cx.g.attention(q, k, v, options, inputs)?;
        let &[n, h, t, d] = cx.g.shape(o) else { unreachable!("attention gives four axes") };
        let o = cx.g.permute(o, &[0, 2, 1, 3])?;
        cx.g.reshape(o, [n, t, h * d])
    }

    /// `[N, T, ..]` cut into q, k and v, each `[N, heads, T, D]`.
    fn parts(&self, cx: &mut Build, qkv: TensorId, heads: Heads) -> Result<[TensorId; 3]> {
        let Heads { q, kv, d } = heads;
        let mut at = 0;
        let mut part = |count: usize| -> Result<TensorId> {
            let (from, to) = (at, at + count * d);
            at = to;
            let x = cx.g.slice(qkv, 2, from, to, 1)?;
            as_heads(cx, x, count, d)
        };
        Ok([part(q)?, part(kv)?, part(kv)?])
    }

    /// [`Layer::causal`], for a layer that has it inside too.
    pub(super) fn expect_causal(&self, inputs: &[&Shape]) -> Result<()> {
        match inputs {
            [x, memory] if x.rank() == 3 && memory.rank() == 3 && x[1] == memory[1] => {}
            _ => along_positions(inputs)?,
        }
        match self.causal {
            true => Ok(()),
            false => Err(Error::model("its attention sees later positions too; set causal = true")),
        }
    }

    /// Attention of one position over those kept, and itself. It is causal.
    fn decode(
        &self,
        cx: &mut Build,
        [mut q, mut k, v]: [TensorId; 3],
        heads: Heads,
        prefix: &str,
        position: TensorId,
        length: TensorId,
        context: usize,
    ) -> Result<TensorId> {
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

/// The first axis cut into three parts.
fn cut(cx: &mut Build, x: TensorId, rows: [usize; 3]) -> Result<[TensorId; 3]> {
    let [a, b, c] = rows;
    let mut part = |from, to| cx.g.slice(x, 0, from, to, 1);
    Ok([part(0, a)?, part(a, a + b)?, part(a + b, a + b + c)?])
}

/// `[N, T, count D]` as `[N, count, T, D]`.
fn as_heads(cx: &mut Build, x: TensorId, count: usize, d: usize) -> Result<TensorId> {
    let [n, t, _] = sequence(cx, x)?;
    if t == 1 {
        return cx.g.reshape(x, [n, count, 1, d]);
    }
    let x = cx.g.reshape(x, [n, t, count, d])?;
    cx.g.permute(x, &[0, 2, 1, 3])
}

impl Layer for MultiHeadAttention {
    fn kind(&self) -> &'static str {
        "MultiHeadAttention"
    }

    fn short(&self) -> &'static str {
        "attn"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        match inputs {
            [x] => self.attend(cx, *x, "", Initializer::GlorotUniform),
            [x, memory] => self.across(cx, *x, *memory),
            _ => Err(Error::model(format!(
                "takes one input, or two: queries, and what they attend to; inputs names {}",
                inputs.len()
            ))),
        }
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
