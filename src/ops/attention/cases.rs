//! What attention is tested on.

use super::{Attention, AttentionInputs};
use crate::graph::{Case, Fill, Graph, TensorId};
use crate::tensor::{HostTensor, Spec};

const EXP: &str = "WGSL allows exp 3 + 2|x| units in the last place, and the backward pass takes it of a difference";

/// Sizes and masks of a case; the usual ones by default.
#[derive(Clone)]
struct Kind {
    b: usize,
    heads: [usize; 2],
    t: [usize; 2],
    d: [usize; 2],
    packed: bool,
    lengths: Option<Vec<u32>>,
    /// `[batches, heads]` of the additive mask.
    mask: Option<[usize; 2]>,
    /// Whether the mask hides whole rows.
    blind: bool,
    options: Attention,
}

impl Kind {
    fn of(t: [usize; 2], d: [usize; 2]) -> Kind {
        let options = Attention::default();
        Kind { b: 2, heads: [2, 2], t, d, packed: false, lengths: None, mask: None, blind: false, options }
    }

    fn square(t: usize, d: usize) -> Kind {
        Kind::of([t; 2], [d; 2])
    }

    fn causal(mut self) -> Kind {
        self.options.causal = true;
        self
    }

    fn lengths(self, lengths: &[u32]) -> Kind {
        Kind { b: lengths.len(), lengths: Some(lengths.to_vec()), ..self }
    }

    fn dropout(mut self, p: f32) -> Kind {
        (self.options.dropout, self.options.layer) = (p, 5);
        self
    }

    fn inputs(&self) -> Vec<(Spec, Fill)> {
        let ([hq, hkv], [tq, tk], [d, dv]) = (self.heads, self.t, self.d);
        let shapes = match self.packed {
            true => vec![vec![self.b, tq, (hq + 2 * hkv) * d]],
            false => vec![vec![self.b, hq, tq, d], vec![self.b, hkv, tk, d], vec![self.b, hkv, tk, dv]],
        };
        let floats = shapes.into_iter().map(|s| (Spec::f32(s), Fill::Normal(1.0)));
        let lengths = self.lengths.iter().map(|l| (Spec::u32([l.len()]), Fill::Indices(l.clone())));
        let drops = self.options.dropout > 0.0;
        let clock = drops.then(|| (Spec::u32([4]), Fill::Indices(vec![7, 1, 2, 42])));
        floats.chain(lengths).chain(clock).collect()
    }

    /// A mask with pits and with minus infinity, which gets no gradient.
    fn mask(&self, g: &mut Graph) -> Option<TensorId> {
        let ([b, h], [tq, tk]) = (self.mask?, self.t);
        let value = |at: usize| {
            let (row, key) = (at / tk % tq, at % tk);
            // A row's own key stays, so that no row is blind by chance.
            let hidden = (at * 7 + at / 3).is_multiple_of(5) && key != row % tk || self.blind && row % 3 == 1;
            if hidden { f32::NEG_INFINITY } else { ((at * 37) % 101) as f32 / 50.0 - 1.0 }
        };
        let data: Vec<f32> = (0..b * h * tq * tk).map(value).collect();
        let shape = if [b, h] == [0, 0] { vec![tq, tk] } else { vec![b, h, tq, tk] };
        let data = if [b, h] == [0, 0] { (0..tq * tk).map(value).collect() } else { data };
        Some(g.constant(HostTensor::f32(shape, data)))
    }

    fn case(self, name: &str) -> Case {
        let (kind, longest) = (self.clone(), self.t[0].max(self.t[1]) * self.heads[0] / self.heads[1]);
        let width = self.d[0].max(self.d[1]);
        let build = move |g: &mut Graph, x: &[TensorId]| {
            let mut rest = x[if kind.packed { 1 } else { 3 }..].iter().copied();
            let lengths = kind.lengths.as_ref().and_then(|_| rest.next());
            let inputs = AttentionInputs { lengths, mask: kind.mask(g), clock: rest.next() };
            let o = match kind.packed {
                true => g.attention_packed(x[0], kind.heads, kind.options, inputs)?,
                false => g.attention(x[0], x[1], x[2], kind.options, inputs)?,
            };
            let mut outputs = vec![o];
            if kind.t[1] == 1 {
                // One key has probability 1 whatever q and k are. With these their
                // gradients of 0 are measured against numbers of size 1.
                for &x in &x[..2] {
                    outputs.push(g.mul(x, x)?);
                }
            }
            Ok(outputs)
        };
        Case::new(format!("attention/{name}"), self.inputs(), build).reduction(longest.max(width)).extra(64.0, EXP)
    }
}

pub(super) fn cases() -> Vec<Case> {
    let square = Kind::square;
    let mut cases = vec![
        square(1, 1).case("one"),
        square(1, 8).causal().case("one_query_causal"),
        square(63, 16).case("tile-1"),
        square(64, 32).causal().case("char_gpt_causal"),
        square(65, 8).causal().case("tile+1_causal"),
        square(5, 5).case("odd_width"),
        square(37, 33).causal().case("odd_width_causal"),
        Kind { b: 1, heads: [1, 1], ..square(66, 80) }.case("width_80"),
        Kind { b: 1, heads: [1, 1], ..square(40, 128) }.causal().case("width_128"),
        Kind { b: 1, heads: [1, 1], ..Kind::of([35, 34], [160, 256]) }.case("width_256"),
        Kind { b: 1, heads: [1, 1], ..square(257, 16) }.case("long"),
        Kind { b: 1, heads: [1, 1], ..square(257, 64) }.causal().case("long_causal"),
        Kind::of([1, 257], [8, 8]).case("one_query_of_many_keys"),
        Kind::of([65, 1], [8, 8]).case("many_queries_of_one_key"),
        Kind::of([13, 70], [16, 8]).causal().case("fewer_queries_causal"),
        Kind::of([70, 13], [8, 16]).causal().case("more_queries_causal"),
        Kind::of([33, 65], [4, 33]).case("values_wider"),
        Kind { heads: [6, 2], ..square(35, 8) }.causal().case("grouped_queries"),
        Kind { heads: [4, 1], ..square(20, 12) }.case("multi_query"),
        square(40, 8).lengths(&[40, 7, 0, 1, 99]).case("lengths"),
        square(12, 8).lengths(&[12, 7, 0]).case("lengths_short"),
        square(65, 16).lengths(&[65, 33, 0]).causal().case("lengths_causal"),
        Kind { mask: Some([0, 0]), ..square(17, 8) }.case("mask_shared"),
        Kind { mask: Some([2, 1]), ..Kind::of([9, 66], [8, 8]) }.case("mask_of_samples"),
        Kind { mask: Some([2, 4]), blind: true, heads: [4, 2], ..square(40, 8) }.case("mask_of_heads_blind_rows"),
        Kind { mask: Some([3, 4]), heads: [4, 2], ..square(67, 24) }.lengths(&[67, 40, 0]).causal().case("all_masks"),
        Kind { mask: Some([3, 4]), heads: [4, 2], ..square(11, 24) }
            .lengths(&[11, 5, 0])
            .causal()
            .case("all_masks_short"),
        square(20, 8).dropout(0.3).case("dropout"),
        Kind { heads: [4, 2], ..Kind::of([37, 43], [8, 8]) }.dropout(0.5).case("dropout_odd"),
        Kind { mask: Some([2, 4]), heads: [4, 2], ..square(37, 8) }
            .lengths(&[37, 9])
            .causal()
            .dropout(0.2)
            .case("everything"),
        Kind { packed: true, ..square(64, 32) }.causal().case("packed"),
        Kind { packed: true, heads: [6, 2], ..square(35, 5) }.case("packed_grouped"),
        Kind { packed: true, heads: [4, 2], mask: Some([2, 4]), ..square(37, 8) }
            .lengths(&[37, 9])
            .causal()
            .dropout(0.2)
            .case("packed_everything"),
        Kind { b: 50, heads: [40, 40], ..square(3, 2) }.causal().case("many_heads"),
        Kind { b: 65_537, heads: [1, 1], ..square(1, 1) }.case("grid_overflow").no_gradient(),
        Kind { b: 33_000, heads: [2, 1], ..Kind::of([1, 33], [1, 1]) }.case("grid_overflow_of_tiles").no_gradient(),
    ];
    let mut scaled = square(10, 8);
    scaled.options.scale = Some(-0.7);
    cases.push(scaled.case("scale"));
    // Scores of a few hundred: softmax must not overflow.
    let far = square(33, 16);
    let large: Vec<(Spec, Fill)> = far.inputs().into_iter().map(|(s, _)| (s, Fill::Uniform(4.0, 12.0))).collect();
    let extra = "scores of several hundred are rounded to 2^-15, and exp carries that over";
    cases.push(Case { inputs: large, ..far.case("large_scores") }.no_gradient().extra(1000.0, extra));
    cases
}
