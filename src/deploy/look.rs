//! Where a model looks: the shares of its attention, worked out on the host
//! from what its attention ops read.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Graph, TensorId};
use crate::nn::{Mode, Model, Weights};
use crate::ops::attention::Attend;
use crate::tensor::HostTensor;

/// The shares of one head.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The layer's name.
    pub layer: String,
    /// The head, counted from 0.
    pub head: usize,
    /// `[shown, shown]`: how much the answer at a row takes of a column.
    pub shares: Vec<f32>,
}

/// What one attention op reads and leaves.
struct Looked {
    layer: String,
    op: Attend,
    q: TensorId,
    k: TensorId,
    log_sums: TensorId,
}

/// The shares of every head of a model of tokens over the first `shown`
/// positions of a sample. Empty for a model without attention.
pub fn attention(model: &Model, weights: &Weights, tokens: &[u32], shown: usize) -> Result<Vec<Head>> {
    if *model.input != [tokens.len()] || !model.description.takes_tokens() {
        let (found, wanted) = (tokens.len(), &model.input);
        return Err(Error::model(format!("{found} tokens to look at; the model takes samples of shape {wanted}")));
    }
    let mut g = Graph::new();
    let x = g.input("x", model.batch_spec(1));
    model.build(&mut g, x, Mode::Eval, &mut weights.clone())?;
    g.flatten_params("params");
    let all: Vec<Looked> = g.nodes().iter().filter_map(looked).collect();
    let fetched: Vec<TensorId> = all.iter().flat_map(|l| [l.q, l.k, l.log_sums]).collect();
    if fetched.is_empty() {
        return Ok(vec![]);
    }
    let device = Device::Cpu;
    let mut e = device.executor();
    let program = e.load(device.plan(&g, &fetched)?)?;
    e.write("x", &HostTensor::u32([tokens.len()], tokens.to_vec()))?;
    e.run(&program, 1)?;
    let mut heads = vec![];
    for l in &all {
        let [q, k, log_sums] = [l.q, l.k, l.log_sums].map(|t| e.fetch(&program, t));
        heads.extend(shares(l, &q?, &k?, &log_sums?, shown.min(tokens.len())));
    }
    Ok(heads)
}

fn looked(node: &crate::graph::Node) -> Option<Looked> {
    let op: &dyn std::any::Any = &*node.op;
    let op = *op.downcast_ref::<Attend>()?;
    let [q, k, _] = op.operands().map(|i| node.inputs[i]);
    Some(Looked { layer: node.scope.clone(), op, q, k, log_sums: node.outputs[1] })
}

/// `e^(scale q k - l)`, where l is the logarithm of the row's sum.
fn shares(l: &Looked, q: &HostTensor, k: &HostTensor, log_sums: &HostTensor, shown: usize) -> Vec<Head> {
    let [_, n_heads, t] = log_sums.shape[..] else { return vec![] };
    // Positions and heads of q and k are so many elements apart; k begins behind q
    // where they share a line.
    let (kv_heads, d, [step_q, step_k], [head_q, head_k], first_k) = match l.op.packed {
        Some([heads, kv_heads]) => {
            let line = q.shape[2];
            let d = line / (heads + 2 * kv_heads);
            (kv_heads, d, [line; 2], [d; 2], heads * d)
        }
        None => {
            let d = q.shape[3];
            (k.shape[1], d, [d; 2], [t * d, k.shape[2] * d], 0)
        }
    };
    let at_q = |h: usize, i: usize| i * step_q + h * head_q;
    let at_k = |h: usize, i: usize| first_k + i * step_k + h * head_k;
    let (scale, q, k, log_sums) = (l.op.scale(d) as f32, q.as_f32(), k.as_f32(), log_sums.as_f32());
    let group = n_heads / kv_heads.max(1);
    let head = |h: usize| {
        let mut shares = vec![0.0; shown * shown];
        for i in 0..shown {
            let seen = if l.op.options.causal { i + 1 } else { shown };
            for j in 0..seen.min(shown) {
                let (a, b) = (at_q(h, i), at_k(h / group, j));
                let product: f32 = q[a..a + d].iter().zip(&k[b..b + d]).map(|(x, y)| x * y).sum();
                shares[i * shown + j] = (scale * product - log_sums[h * t + i]).exp();
            }
        }
        Head { layer: l.layer.clone(), head: h, shares }
    };
    (0..n_heads).map(head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Description;

    #[test]
    fn shares_of_a_row_sum_to_one_packed_or_not() {
        for more in ["", "rotary = true\n", "kv_heads = 1\n"] {
            let text = format!(
                "[[layer]]\ntype = \"Embedding\"\noutput_dim = 8\n[[layer]]\ntype = \"MultiHeadAttention\"\nheads = \
                 2\ncausal = true\n{more}"
            );
            let model = Model::new(Description::parse(&text).unwrap(), Some([6].into()), Some(5)).unwrap();
            let model = model.with_vocabulary(Some(5));
            let mut weights = Weights::new(1);
            model.inspect(1, &mut weights).unwrap();
            let heads = attention(&model, &weights, &[1, 0, 4, 2, 2, 3], 4).unwrap();
            assert_eq!(heads.len(), 2);
            for head in heads {
                for (i, row) in head.shares.chunks(4).enumerate() {
                    assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{more}: {row:?}");
                    assert!(row[i + 1..].iter().all(|&s| s == 0.0), "{more}: {row:?} looks ahead");
                }
            }
        }
    }
}
