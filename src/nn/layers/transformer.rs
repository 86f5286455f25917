//! `TransformerBlock`: attention and a feed-forward network, each with a norm
//! before it and a path around it.

use super::Layer;
use super::attention::MultiHeadAttention;
use super::dense::linear;
use super::inputs::{sequence, single};
use super::norm::Norm;
use crate::error::{Result, unknown};
use crate::graph::TensorId;
use crate::nn::{Activation, Build, Initializer, Keys};
use crate::tensor::Shape;
use toml::Table;

/// The network between attentions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FeedForward {
    /// `down(activation(up x))`: GPT-2's, with GELU.
    Mlp,
    /// `down(activation(gate x) * (up x))`: Llama's, with SiLU.
    Gated,
}

/// `x + attention(norm(x))`, then `x + feed_forward(norm(x))`.
///
/// Parameters, as PyTorch's `TransformerEncoderLayer` with `norm_first` has them:
/// `norm1.weight`, `norm2.weight` (and `.bias` for layer norm); `self_attn.*` as
/// [`MultiHeadAttention`] has them; `linear1.weight [hidden, W]`, `linear2.weight
/// [W, hidden]`, of a gated network also `gate.weight [hidden, W]`; and their
/// biases.
///
/// Sources: Radford et al., GPT-2, 2019 (norms first); Shazeer, "GLU Variants
/// Improve Transformer", arXiv:2002.05202.
#[derive(Debug, Clone)]
pub struct TransformerBlock {
    /// The attention.
    pub attention: MultiHeadAttention,
    /// The feed-forward network.
    pub feed_forward: FeedForward,
    /// Its inner width; `None` for four times the outer one (gated: 8/3).
    pub hidden: Option<usize>,
    /// Its activation.
    pub activation: Activation,
    /// The norm before each part.
    pub norm: Norm,
    /// Share of elements dropped behind each part.
    pub dropout: f64,
    /// Whether the linear layers have biases.
    pub use_bias: bool,
}

impl TransformerBlock {
    pub(super) fn read(keys: &mut Keys) -> Result<TransformerBlock> {
        let attention = MultiHeadAttention::read(keys)?;
        let name = keys.text("feed_forward")?.unwrap_or_else(|| "mlp".into());
        let (feed_forward, usual) = match &name[..] {
            "mlp" => (FeedForward::Mlp, "gelu"),
            "gated" | "swiglu" => (FeedForward::Gated, "silu"),
            _ => return Err(unknown("feed_forward", &name, ["mlp", "gated"])),
        };
        Ok(TransformerBlock {
            dropout: attention.dropout,
            use_bias: attention.use_bias,
            attention,
            feed_forward,
            hidden: Some(keys.count("hidden", 0, Some(0))?).filter(|&n| n > 0),
            activation: Activation::named(&keys.text("activation")?.unwrap_or_else(|| usual.into()))?,
            norm: Norm::read(keys)?,
        })
    }

    fn feed(&self, cx: &mut Build, x: TensorId, width: usize) -> Result<TensorId> {
        let usual = match self.feed_forward {
            FeedForward::Mlp => 4 * width,
            // As many weights as the other kind, in whole eights.
            FeedForward::Gated => (8 * width / 3).next_multiple_of(8),
        };
        let hidden = self.hidden.unwrap_or(usual);
        let fc = self.linear(cx, "linear1.", x, [hidden, width])?;
        let inner = match self.feed_forward {
            FeedForward::Mlp => self.activation.apply(cx.g, fc)?,
            FeedForward::Gated => {
                let gate = self.linear(cx, "gate.", x, [hidden, width])?;
                let gate = self.activation.apply(cx.g, gate)?;
                cx.g.mul(gate, fc)?
            }
        };
        self.linear(cx, "linear2.", inner, [width, hidden])
    }

    fn linear(&self, cx: &mut Build, prefix: &str, x: TensorId, sizes: [usize; 2]) -> Result<TensorId> {
        linear(cx, prefix, x, sizes, Initializer::Gpt, self.use_bias.then_some(Initializer::Zeros))
    }
}

impl Layer for TransformerBlock {
    fn kind(&self) -> &'static str {
        "TransformerBlock"
    }

    fn short(&self) -> &'static str {
        "block"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [_, _, width] = sequence(cx, x)?;
        let normed = self.norm.apply(cx, x, "norm1.")?;
        let attended = self.attention.attend(cx, normed, "self_attn.", Initializer::Gpt)?;
        let attended = cx.dropout(attended, self.dropout, 1)?;
        let x = cx.g.add(x, attended)?;
        let normed = self.norm.apply(cx, x, "norm2.")?;
        let fed = self.feed(cx, normed, width)?;
        let fed = cx.dropout(fed, self.dropout, 2)?;
        cx.g.add(x, fed)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        self.attention.expect_causal(inputs)
    }

    fn to_table(&self) -> Table {
        let mut t = self.attention.to_table();
        let feed_forward = if self.feed_forward == FeedForward::Mlp { "mlp" } else { "gated" };
        t.insert("feed_forward".into(), feed_forward.into());
        t.insert("hidden".into(), (self.hidden.unwrap_or(0) as i64).into());
        t.insert("activation".into(), self.activation.name().into());
        t.extend(self.norm.to_table());
        t
    }
}
