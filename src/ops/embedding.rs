//! Rows of a table by index: `y[i] = table[index[i]]`.
//!
//! Shapes: `table [V, D]`, `index u32 [..]`, `y [.., D]`. An index that is no row
//! of the table gives a row of NaN, so that the error shows.
//!
//! Gradient: `d_table[v] = sum of d_y[i]` over the places `i` with `index[i] = v`,
//! added in order. Indices that are no row, and those of `padding_index`, add
//! nothing. As `torch.nn.functional.embedding`.
//!
//! Kernels of the gradient. The places are sorted by index, stably, digit by
//! digit; then the sorted list is cut into segments of one length, whatever the
//! indices are. Each segment adds its runs of equal indices: those that begin and
//! end in it are rows of the result, the sums of the others are joined in order by
//! the segment where the run starts. So one index that fills the whole batch, and
//! a table of which a batch names next to nothing, cost the same: work is
//! `n_indices D + V D`, and no sum depends on which invocation came first.
//! Source: a least-significant-digit radix sort, Knuth, TAOCP volume 3, 5.2.5.

use super::expect::expect_type;
use super::wide::{put_wide, stores_wide_itself, wide, width};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Pointwise, Reference, TensorId};
use crate::kernel::{Class, Dispatch, Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, Real, Spec, parallel};

static SHADER: Shader = shader!("embedding");

/// Invocations per workgroup.
const WG: usize = 64;

/// The most bits that one pass of the sort looks at.
const DIGIT: usize = 10;

/// Picks rows of a table. Inputs: table, index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Embedding {
    /// A row that does not learn.
    pub padding_index: Option<u32>,
}

/// The gradient of a table of `rows` rows. Inputs: `d_y`, index.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddingGrad {
    /// Rows of the table.
    pub rows: usize,
    /// As in [`Embedding`].
    pub padding_index: Option<u32>,
}

impl Graph {
    /// The rows `index` (u32 `[..]`) of `table [V, D]`: `[.., D]`. An index of `V`
    /// or more gives NaN. The row `padding_index` gets no gradient.
    pub fn embedding(&mut self, table: TensorId, index: TensorId, padding_index: Option<u32>) -> Result<TensorId> {
        self.push1(Embedding { padding_index }, &[table, index])
    }
}

impl Op for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "table", DType::F32)?;
        expect_type(cx, 1, "index", DType::U32)?;
        let [v, d] = cx.dims(0, "table")?;
        let index = cx.shape(1);
        if v == 0 || d == 0 || v >= u32::MAX as usize || index.elements() == 0 {
            return Err(Error::model(format!(
                "table has shape {} and index {index}; expected 1 to 2^32 - 2 rows and at least one element of each",
                cx.shape(0)
            )));
        }
        if let Some(p) = self.padding_index.filter(|&p| p as usize >= v) {
            return Err(Error::model(format!("padding_index is {p}; expected a row of the table, which has {v}")));
        }
        Ok(vec![Spec::f32(index.iter().copied().chain([d]).collect::<crate::tensor::Shape>())])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let op = EmbeddingGrad { rows: g.shape(at.inputs[0])[0], padding_index: self.padding_index };
        Ok(vec![Some(g.push1(op, &[at.d_y(), at.inputs[1]])?), None])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let (table, n) = (&cx.inputs[0].shape, cx.inputs[1].elements());
        let width = width(table[1]);
        let row = table[1] / width;
        let k = Kernel::new(&SHADER, "forward").set("V", table[0]).set("N", n).set("ROW", row);
        let d = wide(k, width).dispatch_1d(n * row, WG);
        Ok(Lowered::one(put_wide(d.input("table", 0).input("index", 1), &cx.store, width)))
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: 2 * cx.outputs[0].bytes() as u64 + cx.inputs[1].bytes() as u64 }
    }
}

impl Reference for Embedding {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (table, index, row) = (io.x(0), io.x_u32(1), io.shape(0)[1]);
        parallel::rows(io.y(0), row, |i, y| {
            let start = index[i] as usize * row;
            match table.get(start..start + row) {
                Some(x) => y.copy_from_slice(x),
                None => y.fill(T::of(f64::NAN)),
            }
        });
    }
}

/// How a list of indices is sorted and cut.
struct Cut {
    n: usize,
    v: usize,
    /// Passes of the sort, and the buckets of each.
    passes: usize,
    digit: usize,
    block: usize,
    /// Counters that one invocation adds.
    chunk: usize,
    /// Sorted indices that one invocation adds.
    length: usize,
    padding: usize,
}

impl EmbeddingGrad {
    fn cut(&self, n: usize, class: Class) -> Cut {
        // `rows` itself is a key: that of an index without a gradient.
        let bits = (usize::BITS - self.rows.leading_zeros()) as usize;
        let passes = bits.div_ceil(DIGIT);
        let digit = bits.div_ceil(passes);
        let block = if class == Class::Cpu { 64 } else { 256 };
        let counters = n.div_ceil(block) << digit;
        let (chunk, length) = (counters.isqrt().max(16), n.isqrt().next_power_of_two().clamp(16, 1024));
        let padding = self.padding_index.map_or(self.rows, |p| p as usize);
        Cut { n, v: self.rows, passes, digit, block, chunk, length, padding }
    }
}

impl Cut {
    fn counters(&self) -> usize {
        self.n.div_ceil(self.block) << self.digit
    }

    fn chunks(&self) -> usize {
        self.counters().div_ceil(self.chunk)
    }

    fn segments(&self) -> usize {
        self.n.div_ceil(self.length)
    }

    fn kernel(&self, entry: &'static str, width: usize) -> Kernel {
        stores_wide_itself(wide(Kernel::new(&SHADER, entry), width), width)
    }

    /// One pass of the sort: from the scratch tensors `from` (the indices
    /// themselves, if `None`) to the scratch tensors `to`, keys and order each.
    fn pass(&self, pass: usize, from: Option<[usize; 2]>, to: [usize; 2]) -> Vec<Dispatch> {
        let grid = |k: Kernel| k.set("BUCKETS", 1 << self.digit).set("BLOCKS", self.n.div_ceil(self.block));
        let scan = |entry| grid(self.kernel(entry, 1)).set("CHUNK", self.chunk).set("CHUNKS", self.chunks());
        let sort = |entry| {
            let k = grid(self.kernel(entry, 1)).set("N", self.n).set("V", self.v).set("PADDING", self.padding);
            let k = k.set("BLOCK", self.block).set("SHIFT", pass * self.digit).flag("FIRST", from.is_none());
            let d = k.dispatch_1d(self.n, WG);
            match from {
                Some([keys, _]) => d.scratch("keys", keys),
                None => d.input("keys", 1),
            }
        };
        let scatter = sort("scatter").scratch("started", STARTS).scratch("ranked", RANKS);
        let scatter = match from {
            Some([_, order]) => scatter.scratch("order", order),
            None => scatter.input("order", 1),
        };
        vec![
            grid(self.kernel("clear", 1)).dispatch_1d(self.counters(), WG).scratch("counts", COUNTS),
            sort("rank").scratch("ranks", RANKS).scratch("counts", COUNTS),
            scan("sum_chunks").dispatch_1d(self.chunks(), 8).scratch("counted", COUNTS).scratch("chunk_sums", SUMS),
            scan("start_counts")
                .dispatch_1d(self.chunks(), 8)
                .scratch("counted", COUNTS)
                .scratch("chunk_summed", SUMS)
                .scratch("starts", STARTS),
            scatter.scratch("next_keys", to[0]).scratch("next_order", to[1]),
        ]
    }
}

/// The scratch tensors of the gradient; keys and order lie twice.
const COUNTS: usize = 0;
const RANKS: usize = 1;
const SUMS: usize = 2;
const STARTS: usize = 3;
const CARRY: usize = 4;
const SORTED: [[usize; 2]; 2] = [[5, 6], [7, 8]];

impl Op for EmbeddingGrad {
    fn name(&self) -> &'static str {
        "embedding_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let d_y = cx.shape(0);
        Ok(vec![Spec::f32([self.rows, d_y[d_y.rank() - 1]])])
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let (n, columns) = (cx.inputs[1].elements(), cx.outputs[0].shape[1]);
        let cut = self.cut(n, cx.caps.class);
        let width = width(columns);
        let row = columns / width;
        let mut dispatches = vec![];
        for pass in 0..cut.passes {
            let from = pass.checked_sub(1).map(|before| SORTED[before % 2]);
            dispatches.extend(cut.pass(pass, from, SORTED[pass % 2]));
        }
        let [keys, order] = SORTED[(cut.passes - 1) % 2];
        let zero = cut.kernel("zero", width).set("V", cut.v).set("ROW", row).dispatch_1d(cut.v * row, WG);
        dispatches.push(zero.output("d_table", 0));
        let sums = |entry| {
            let k = cut.kernel(entry, width).set("V", cut.v).set("N", n).set("ROW", row);
            let k = k.set("LENGTH", cut.length).set("SEGMENTS", cut.segments());
            k.dispatch_1d(cut.segments() * row, WG).scratch("keys", keys).output("d_table", 0)
        };
        dispatches.push(sums("segment_sums").scratch("order", order).input("d_y", 0).scratch("carry", CARRY));
        dispatches.push(sums("combine").scratch("sums", CARRY));
        let list = |n: usize| Spec::u32([n]);
        let mut scratch = vec![list(cut.counters()), list(n), list(cut.chunks()), list(cut.counters())];
        scratch.push(Spec::f32([2, cut.segments(), columns]));
        scratch.extend(vec![list(n); 2 * cut.passes.min(2)]);
        Ok(Lowered { scratch, dispatches })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for EmbeddingGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (d_y, index, row) = (io.x(0), io.x_u32(1), io.y_shape(0)[1]);
        let counts = |i: &u32| (*i as usize) < self.rows && Some(*i) != self.padding_index;
        // A counting sort: where the places of each row start, then the places.
        let mut starts = vec![0; self.rows + 1];
        for &i in index.iter().filter(|i| counts(i)) {
            starts[i as usize + 1] += 1;
        }
        for v in 0..self.rows {
            starts[v + 1] += starts[v];
        }
        let mut next = starts.clone();
        let mut places = vec![0; starts[self.rows]];
        for (place, &i) in index.iter().enumerate().filter(|(_, i)| counts(i)) {
            places[next[i as usize]] = place;
            next[i as usize] += 1;
        }
        parallel::rows(
            io.y(0),
            row,
            #[inline(always)]
            |v, d| {
                d.fill(T::ZERO);
                for &place in &places[starts[v]..starts[v + 1]] {
                    for (d, &d_y) in d.iter_mut().zip(&d_y[place * row..]) {
                        *d += d_y;
                    }
                }
            },
        );
    }
}

/// Every index once, one index for all, tables of one and two digits, padding,
/// indices that are no row, and a table used twice.
pub fn cases() -> Vec<Case> {
    let with = |name: &str, table: [usize; 2], shape: &[usize], fill: Fill, longest: usize| {
        let inputs = vec![(Spec::f32(table), Fill::Normal(1.0)), (Spec::u32(shape), fill)];
        Case::new(format!("embedding/{name}"), inputs, |g, x| Ok(vec![g.embedding(x[0], x[1], None)?]))
            .reduction(longest)
    };
    let below = |name: &str, table: [usize; 2], shape: &[usize]| {
        let n: usize = shape.iter().product();
        with(name, table, shape, Fill::Below(table[0] as u32), (2 * n / table[0]).clamp(16, n.max(16)))
    };
    let indices = |name: &str, table: [usize; 2], list: Vec<u32>| {
        let n = list.len();
        with(name, table, &[n], Fill::Indices(list), n)
    };
    let runs = |n: u32, of: &dyn Fn(u32) -> u32| (0..n).map(of).collect::<Vec<u32>>();
    let tied = Case::new(
        "embedding/tied",
        vec![(Spec::f32([11, 6]), Fill::Normal(1.0)), (Spec::u32([2, 9]), Fill::Below(11))],
        |g, x| {
            let h = g.embedding(x[0], x[1], None)?;
            Ok(vec![g.matmul_t(h, x[0], None)?])
        },
    );
    // What a finite difference cannot see, NaN and a row that is kept from
    // learning: the gradient is an output.
    let given = |name: &str, table: [usize; 2], list: Vec<u32>, padding: Option<u32>| {
        let n = list.len();
        let inputs = vec![
            (Spec::f32(table), Fill::Normal(1.0)),
            (Spec::u32([n]), Fill::Indices(list)),
            (Spec::f32([n, table[1]]), Fill::Normal(1.0)),
        ];
        Case::new(format!("embedding/{name}"), inputs, move |g, x| {
            let y = g.embedding(x[0], x[1], padding)?;
            let d = crate::graph::gradient(g, &[crate::graph::Seed { tensor: y, gradient: x[2] }], &[x[0]])?;
            Ok(vec![y, d[0]])
        })
        .no_gradient()
        .reduction(n)
    };
    vec![
        below("odd", [7, 5], &[3, 13]),
        below("vec4", [7, 12], &[3, 13]),
        below("one", [1, 1], &[1]),
        below("block", [65, 3], &[64]),
        below("block+1", [65, 4], &[257]),
        below("characters", [65, 8], &[16, 64]),
        below("two_digits", [2049, 3], &[1031]),
        below("three_digits", [1_048_577, 1], &[300]),
        below("sparse", [5003, 4], &[70]),
        indices("all_one_row", [5, 8], vec![3; 1000]),
        indices("runs", [40, 4], runs(1500, &|i| i / 41)),
        indices("runs_apart", [40, 3], runs(1500, &|i| i * 7 % 37)),
        given("padding", [9, 4], runs(200, &|i| i % 9), Some(2)),
        given("padding_alone", [9, 5], vec![8; 70], Some(8)),
        given("last_row_and_padding", [4, 4], vec![3, 0, 0, 3, 3, 0], Some(0)),
        given("beyond", [6, 4], vec![6, 5, u32::MAX, 0, 7, 5, 0], None),
        tied.reduction(18),
        below("grid_overflow", [3, 1], &[65_536 * 64 + 1]).reduction(65_536),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_arguments_are_errors() {
        let mut g = Graph::new();
        let (table, index) = (g.input("table", Spec::f32([4, 3])), g.input("index", Spec::u32([2])));
        assert!(g.embedding(table, index, Some(4)).unwrap_err().to_string().contains("padding_index is 4"));
        assert!(g.embedding(index, index, None).unwrap_err().to_string().contains("table is u32[2]"));
        assert!(g.embedding(table, table, None).unwrap_err().to_string().contains("index is f32"));
    }
}
