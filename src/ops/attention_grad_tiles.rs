//! The tiles of attention's gradient: shaders of `attention_grad` in a file of
//! their own, for GPUs and sequences that fill tiles. The op, its reference and
//! its lowering are in that room.

use super::attention::{Attention, AttentionInputs};
use crate::graph::{Case, Fill};
use crate::kernel::Shader;
use crate::shader;
use crate::tensor::Spec;

pub(super) static SHADER: Shader = shader!("attention_grad_tiles");

/// One more than a tile and one less, of queries and of keys.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, tq: usize, tk: usize| {
        let inputs =
            [[1, 2, tq, 12], [1, 2, tk, 12], [1, 2, tk, 7]].map(|s| (Spec::f32(s), Fill::Normal(1.0))).to_vec();
        Case::new(format!("attention_grad_tiles/{name}"), inputs, |g, x| {
            Ok(vec![g.attention(x[0], x[1], x[2], Attention::default(), AttentionInputs::default())?])
        })
        .reduction(tq.max(tk))
        .extra(64.0, "WGSL allows exp 3 + 2|x| units in the last place")
    };
    vec![case("queries+1", 33, 31), case("keys+1", 31, 33)]
}
