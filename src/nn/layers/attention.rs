//! `MultiHeadAttention`.

use super::{Layer, single};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Build, Initializer, Keys, Mode};
use crate::ops::attention::{Attention, AttentionInputs};
use toml::Table;

/// Self-attention on `[batch, time, width]`, with as many outputs as inputs:
/// projects to heads of queries, keys and values, attends in each head, and
/// projects back. Parameters: `in_proj.weight [(heads + 2 kv_heads) key_dim,
/// width]`, whose rows are those of queries, then keys, then values, and
/// `in_proj.bias`; `out_proj.weight [width, heads key_dim]` and `out_proj.bias`.
/// With `kv_heads = heads` and the usual `key_dim` these are the tensors of
/// `torch.nn.MultiheadAttention`, which calls the first two `in_proj_weight` and
/// `in_proj_bias`.
#[derive(Debug, Clone)]
pub struct MultiHeadAttention {
    /// Heads of queries.
    pub heads: usize,
    /// Width of a head; `None` for the input's width divided by `heads`.
    pub key_dim: Option<usize>,
    /// Heads of keys and values, each shared by `heads / kv_heads` heads of
    /// queries; `None` for one each.
    pub kv_heads: Option<usize>,
    /// Every place of a sequence sees itself and what is before it.
    pub causal: bool,
    /// The share of attention dropped while training.
    pub dropout: f64,
    /// Whether both projections add a bias.
    pub use_bias: bool,
}

impl MultiHeadAttention {
    /// `heads` heads, each a share of the input's width; no mask, no dropout.
    pub fn new(heads: usize) -> MultiHeadAttention {
        MultiHeadAttention { heads, key_dim: None, kv_heads: None, causal: false, dropout: 0.0, use_bias: true }
    }

    pub(super) fn read(keys: &mut Keys) -> Result<MultiHeadAttention> {
        let mut optional = |key| if keys.has(key) { keys.count(key, 1, None).map(Some) } else { Ok(None) };
        let (key_dim, kv_heads) = (optional("key_dim")?, optional("kv_heads")?);
        Ok(MultiHeadAttention {
            heads: keys.count("heads", 1, None)?,
            key_dim,
            kv_heads,
            causal: keys.flag("causal", false)?,
            dropout: keys.real("dropout", 0.0, 0.999_999, Some(0.0))?,
            use_bias: keys.flag("use_bias", true)?,
        })
    }

    /// The width of a head on inputs of this width.
    fn head(&self, width: usize) -> Result<usize> {
        let (heads, kv_heads) = (self.heads, self.kv_heads.unwrap_or(self.heads));
        if heads == 0 || kv_heads == 0 || heads % kv_heads != 0 {
            return Err(Error::model(format!(
                "{heads} heads and kv_heads = {kv_heads}; heads must be a multiple of kv_heads"
            )));
        }
        match self.key_dim {
            Some(n) => Ok(n),
            None if width % heads == 0 => Ok(width / heads),
            None => Err(Error::model(format!(
                "its input is {width} wide, which {heads} heads do not divide; write key_dim, or use other heads"
            ))),
        }
    }

    /// A dense layer from `x` to `outputs`, as PyTorch's `Linear` names it.
    fn project(&self, cx: &mut Build, x: TensorId, name: &str, outputs: usize, init: Initializer) -> Result<TensorId> {
        let inputs = cx.g.shape(x)[2];
        let fans = (inputs, outputs);
        let w = cx.param(&format!("{name}.weight"), [outputs, inputs], init, fans)?;
        let bias = match self.use_bias {
            true => Some(cx.param(&format!("{name}.bias"), [outputs], Initializer::Zeros, fans)?),
            false => None,
        };
        cx.g.matmul_t(x, w, bias)
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
        let x = single(inputs)?;
        let shape = cx.g.shape(x).to_vec();
        let [_, _, width] = shape[..] else {
            return Err(Error::model(format!("its input has shape {shape:?}; expected [batch, time, width]")));
        };
        let head = self.head(width)?;
        let heads = [self.heads, self.kv_heads.unwrap_or(self.heads)];
        let lines = (heads[0] + 2 * heads[1]) * head;
        let qkv = self.project(cx, x, "in_proj", lines, Initializer::GlorotUniform)?;
        let (dropout, clock) = match cx.mode {
            Mode::Train { clock, .. } => (self.dropout as f32, Some(clock)),
            Mode::Eval => (0.0, None),
        };
        let options = Attention { scale: None, causal: self.causal, dropout, layer: cx.index };
        let more = AttentionInputs { lengths: None, mask: None, clock };
        let o = cx.g.attention_packed(qkv, heads, options, more)?;
        self.project(cx, o, "out_proj", width, Initializer::Torch)
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("heads".into(), (self.heads as i64).into());
        for (key, value) in [("key_dim", self.key_dim), ("kv_heads", self.kv_heads)] {
            if let Some(n) = value {
                t.insert(key.into(), (n as i64).into());
            }
        }
        t.insert("causal".into(), self.causal.into());
        t.insert("dropout".into(), self.dropout.into());
        t.insert("use_bias".into(), self.use_bias.into());
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
                "attn1.in_proj.bias [36]",
                "attn1.in_proj.weight [36, 12]",
                "attn1.out_proj.bias [12]",
                "attn1.out_proj.weight [12, 12]",
            ]
        );
        assert_eq!(
            named("heads = 4\nkv_heads = 2\nkey_dim = 5\nuse_bias = false\ncausal = true\ndropout = 0.1"),
            ["attn1.in_proj.weight [40, 12]", "attn1.out_proj.weight [12, 20]"]
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
