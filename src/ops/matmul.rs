//! Matrix product: `y = op(a) op(b) + bias`, batched, each operand as it lies
//! or transposed.
//!
//! Shapes: `a [.., M, K]` (`[.., K, M]` if `transpose_a`), `b [.., K, N]`
//! (`[.., N, K]` if `transpose_b`), `y [.., M, N]`, `bias [N]`. The leading
//! axes are equal, or one operand has none and is used for every product.
//! A dense layer keeps its weights `[out, in]`: `matmul_t(x, w)`.
//!
//! Gradient (`op` leaves or transposes): `d_op(a) = d_y op(b)^T`,
//! `d_op(b) = op(a)^T d_y`, each computed in the layout of its operand, so all
//! four forms map onto each other and nothing is ever transposed in memory.
//! `d_bias` sums `d_y` over its rows.
//!
//! Kernels. `tiled`: square tiles of y per workgroup, operands staged in
//! workgroup memory, 4x4 elements per invocation. `blocks`: larger tiles, twice
//! over, by quads. `thin`: few rows or columns. These are for GPUs. `rows`: a block of
//! rows and columns in registers, no barriers, loads of four elements, and
//! those of a shared out among the lanes of a subgroup; for software adapters,
//! where every load runs lane by lane and costs as much as sixty
//! multiplications. When y is small and K long, K is cut into slices that run
//! side by side, and `combine` adds them in order.
//! Source: Boehm, "How to Optimize a CUDA Matmul Kernel", 2022 (tiling).

mod blocks;
mod rows;
mod thin;

use self::blocks::Blocks;
use self::rows::{LONGEST_SLICE, Rows};
use super::tiles::{Form, forms_for};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Init, Io, Lower, Op, Pointwise, Reference, TensorId};
use crate::kernel::{Class, Dispatch, GPUS, Kernel, Lowered, SOFTWARE, Shader, Slot, Store, Variant, groups_1d};
use crate::shader;
use crate::tensor::{Real, Shape, Spec, parallel};

static SHADER: Shader = shader!("matmul");

/// Depth of a tile of `tiled`.
const DEPTH: usize = 16;

/// `y = op(a) op(b) + bias`; the bias is an optional third input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matmul {
    /// `a` lies as `[.., K, M]`.
    pub transpose_a: bool,
    /// `b` lies as `[.., N, K]`.
    pub transpose_b: bool,
}

impl Graph {
    /// `a b`: `[.., M, K]` by `[.., K, N]`.
    pub fn matmul(&mut self, a: TensorId, b: TensorId) -> Result<TensorId> {
        self.matmul_with(a, b, false, false, None)
    }

    /// `a b^T + bias`: `[.., M, K]` by `[.., N, K]`, the layout of a dense layer.
    pub fn matmul_t(&mut self, a: TensorId, b: TensorId, bias: Option<TensorId>) -> Result<TensorId> {
        self.matmul_with(a, b, false, true, bias)
    }

    /// Any of the four forms.
    pub fn matmul_with(
        &mut self,
        a: TensorId,
        b: TensorId,
        transpose_a: bool,
        transpose_b: bool,
        bias: Option<TensorId>,
    ) -> Result<TensorId> {
        let inputs: Vec<TensorId> = [Some(a), Some(b), bias].into_iter().flatten().collect();
        self.push1(Matmul { transpose_a, transpose_b }, &inputs)
    }
}

/// The sizes of a product.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    batch: usize,
    m: usize,
    n: usize,
    k: usize,
    /// Whether each operand has a matrix per product, or one for all.
    batched: [bool; 2],
}

impl Matmul {
    /// The product to compute: a stack of matrices times one matrix is one tall
    /// product.
    fn product(&self, a: &Shape, b: &Shape) -> Sizes {
        let (s, _) = self.sizes(a, b).expect("infer accepted these shapes");
        match s.batched {
            [true, false] if !self.transpose_a => Sizes { batch: 1, m: s.batch * s.m, batched: [false; 2], ..s },
            _ => s,
        }
    }

    fn sizes(&self, a: &Shape, b: &Shape) -> Result<(Sizes, Shape)> {
        if a.rank() < 2 || b.rank() < 2 {
            return Err(Error::model(format!("a has shape {a} and b {b}; a matrix product needs two axes of each")));
        }
        let (lead_a, ab) = a.split_at(a.rank() - 2);
        let (lead_b, bb) = b.split_at(b.rank() - 2);
        let (m, k) = if self.transpose_a { (ab[1], ab[0]) } else { (ab[0], ab[1]) };
        let (k_b, n) = if self.transpose_b { (bb[1], bb[0]) } else { (bb[0], bb[1]) };
        if k != k_b {
            let t = |on| if on { " transposed" } else { "" };
            return Err(Error::model(format!(
                "a has shape {a}{} and b {b}{}: the inner lengths are {k} and {k_b}; they must be equal",
                t(self.transpose_a),
                t(self.transpose_b)
            )));
        }
        let lead = match (lead_a, lead_b) {
            (l, []) | ([], l) => l,
            (l, r) if l == r => l,
            _ => {
                return Err(Error::model(format!(
                    "a has shape {a} and b {b}: the leading axes must be equal, or missing on one side"
                )));
            }
        };
        let shape: Shape = lead.iter().copied().chain([m, n]).collect();
        let batch = lead.iter().product();
        Ok((Sizes { batch, m, n, k, batched: [!lead_a.is_empty(), !lead_b.is_empty()] }, shape))
    }
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let (s, shape) = self.sizes(cx.shape(0), cx.shape(1))?;
        if s.k == 0 || shape.elements() == 0 {
            return Err(Error::model(format!(
                "a has shape {} and b {}: nothing to multiply",
                cx.shape(0),
                cx.shape(1)
            )));
        }
        if cx.inputs.len() > 2 {
            cx.expect(2, "bias", [s.n])?;
        }
        Ok(vec![Spec::f32(shape)])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let (a, b, d_y) = (at.inputs[0], at.inputs[1], at.d_y());
        let (ta, tb) = (self.transpose_a, self.transpose_b);
        let mut d = vec![None; at.inputs.len()];
        if at.needs[0] {
            let full = match ta {
                false => g.matmul_with(d_y, b, false, !tb, None)?,
                true => g.matmul_with(b, d_y, tb, true, None)?,
            };
            let shape = g.spec(a).shape.clone();
            d[0] = Some(g.sum_to(full, shape)?);
        }
        if at.needs[1] {
            let shape = g.spec(b).shape.clone();
            // One weight matrix for a stack of inputs: the stack is one tall
            // matrix, and the product itself sums over it.
            let (a, d_y) = if shape.rank() == 2 && !ta { (one_matrix(g, a)?, one_matrix(g, d_y)?) } else { (a, d_y) };
            let full = match tb {
                false => g.matmul_with(a, d_y, !ta, false, None)?,
                true => g.matmul_with(d_y, a, true, ta, None)?,
            };
            d[1] = Some(g.sum_to(full, shape)?);
        }
        if at.inputs.len() > 2 && at.needs[2] {
            let shape = g.spec(at.inputs[2]).shape.clone();
            d[2] = Some(g.sum_to(d_y, shape)?);
        }
        Ok(d)
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let s = self.product(&cx.inputs[0].shape, &cx.inputs[1].shape);
        let bias = cx.inputs.len() > 2;
        let transpose = [self.transpose_a, self.transpose_b];
        let cut = match (cx.variant, Form::of(cx)) {
            (_, Some(form)) => Cut::blocks(Blocks::new(form, s, transpose)),
            ("rows", _) => Cut::rows(Rows::new(s, transpose, cx.caps.shared_lanes())),
            ("thin", _) => Cut::thin(s, transpose),
            _ => Cut::tiles(s, transpose),
        };
        // Slices are added before the bias is, once.
        let kernel = |entry, bias: bool| {
            let k = Kernel::new(&SHADER, entry).set("M", s.m).set("N", s.n).set("K", s.k).set("BATCH", s.batch);
            let k = k.set("STRIDE_A", if s.batched[0] { s.m * s.k } else { 0 });
            let k = k.set("STRIDE_B", if s.batched[1] { s.k * s.n } else { 0 });
            let k = k.set("SPLIT", cut.split).set("SLICE", cut.slice);
            let k = k.flag("TRANSPOSE_A", cut.transpose[0]).flag("TRANSPOSE_B", cut.transpose[1]);
            let k = k.constant("SIDE", cut.side).constant("DEPTH", DEPTH).flag("BIAS", bias);
            cut.rows.unwrap_or(Rows::unused(s)).describe(k)
        };
        // A file's entry points name `bias` whether or not there is one.
        let with_bias = |d: Dispatch| d.input("bias", if bias { 2 } else { 0 });
        let at_once = bias && cut.split == 1;
        let product = match cut.own.clone() {
            Some(own) => own.flag("BIAS", at_once),
            None => kernel(cut.entry, at_once).set("WG", cut.wg),
        };
        let product = product.dispatch(cut.groups.map(|n| n as u32));
        let product = with_bias(product.input(cut.names[0], 0).input(cut.names[1], 1));
        if cut.split == 1 {
            return Ok(Lowered::one(cut.stores(product, &cx.store)));
        }
        let combine = kernel("combine", bias).set("WG", 64);
        let combine = combine.dispatch(groups_1d(s.batch * s.m * s.n, 64)).scratch("parts", 0).put(&cx.store);
        Ok(Lowered {
            scratch: vec![Spec::f32([cut.split, s.batch, s.m, s.n])],
            dispatches: vec![cut.stores(product, &Store::plain(Slot::Scratch(0))), with_bias(combine)],
        })
    }

    fn variants(&self, cx: &Lower) -> Vec<Variant> {
        let s = self.product(&cx.inputs[0].shape, &cx.inputs[1].shape);
        let mut all: Vec<Variant> = thin::variant(s).into_iter().collect();
        let fits = |f: &Form| Blocks::new(*f, s, [false; 2]).groups().iter().all(|&n| n <= cx.caps.groups as usize);
        all.extend(forms_for(s.m, s.n, s.batch, cx.caps.half).iter().filter(|f| fits(f)).map(Form::variant));
        all.push(Variant::new("tiled", GPUS).takes(8_192, 256));
        // It holds more in registers than a GPU has.
        if cx.caps.class == Class::Cpu {
            all.push(Variant::new("rows", SOFTWARE).takes(0, 256));
        }
        all
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let (s, _) = self.sizes(&cx.inputs[0].shape, &cx.inputs[1].shape).expect("infer accepted these shapes");
        Cost { flops: 2 * (s.batch * s.m * s.n * s.k) as u64, bytes: cx.bytes_once() }
    }
}

/// How a product is cut up on a device.
struct Cut {
    entry: &'static str,
    /// Invocations per workgroup.
    wg: usize,
    groups: [usize; 3],
    /// Slices of K and their length.
    split: usize,
    slice: usize,
    /// Whether a and b are read transposed.
    transpose: [bool; 2],
    /// What the kernel calls a and b.
    names: [&'static str; 2],
    /// Whether it stores four elements at once.
    quads: bool,
    /// Elements per side of an invocation's tile (`tiled`).
    side: usize,
    /// The rest of the cut (`rows`).
    rows: Option<Rows>,
    /// The kernel, where it lies in a file of its own.
    own: Option<Kernel>,
}

impl Cut {
    /// For GPUs: tiles of 64x64, or 32x32 where the matrix is narrow, and
    /// slices of K, none shorter than four turns, where tiles are few.
    fn tiles(s: Sizes, transpose: [bool; 2]) -> Cut {
        let side = if s.m.min(s.n) <= 32 { 2 } else { 4 };
        let tiles = [s.n.div_ceil(16 * side), s.m.div_ceil(16 * side)];
        let split = (192 / (tiles[0] * tiles[1] * s.batch)).clamp(1, (s.k / (4 * DEPTH)).max(1));
        let split = split.max(s.k.div_ceil(LONGEST_SLICE));
        let slice = s.k.div_ceil(split);
        let (groups, names) = ([tiles[0], tiles[1], s.batch * split], ["a", "b"]);
        Cut {
            entry: "tiled",
            wg: 256,
            groups,
            split,
            slice,
            transpose,
            names,
            quads: false,
            side,
            rows: None,
            own: None,
        }
    }

    /// For GPUs: larger tiles by quads.
    fn blocks(b: Blocks) -> Cut {
        let (groups, names, quads, own) = (b.groups(), b.names(), b.stores_quads(), Some(b.kernel()));
        let Blocks { split, slice, .. } = b;
        let transpose = [false; 2];
        Cut { entry: "multiply", wg: 0, groups, split, slice, transpose, names, quads, side: 1, rows: None, own }
    }

    /// For GPUs: few rows or columns.
    fn thin(s: Sizes, transpose: [bool; 2]) -> Cut {
        let (kernel, groups) = thin::product(s, transpose);
        let (split, slice, names, own) = (1, s.k, ["a", "b"], Some(kernel));
        Cut { entry: "multiply", wg: 0, groups, split, slice, transpose, names, quads: false, side: 1, rows: None, own }
    }

    /// For software adapters: no workgroup memory and no barriers.
    fn rows(rows: Rows) -> Cut {
        let Rows { split, slice, transpose, .. } = rows;
        let [a, b, quads] = rows.quads();
        let names = [if a { "a4" } else { "a" }, if b { "b4" } else { "b" }];
        let (wg, groups, rows) = (rows.wg(), rows.groups(), Some(rows));
        Cut { entry: "rows", wg, groups, split, slice, transpose, names, quads, side: 1, rows, own: None }
    }

    /// Lets the product store its elements.
    fn stores(&self, product: Dispatch, store: &Store) -> Dispatch {
        if self.quads { product.put4(store) } else { product.put(store) }
    }
}

/// `x` as one matrix of all its rows.
fn one_matrix(g: &mut Graph, x: TensorId) -> Result<TensorId> {
    let shape = g.spec(x).shape.clone();
    let last = shape[shape.rank() - 1];
    if shape.rank() == 2 { Ok(x) } else { g.reshape(x, [shape.elements() / last, last]) }
}

impl Reference for Matmul {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let s = self.product(io.shape(0), io.shape(1));
        let (a, b) = (io.x(0), io.x(1));
        let bias = (io.inputs.len() > 2).then(|| io.x(2));
        let product = |i: usize, y: &mut [T], alone: bool| {
            let a = &a[if s.batched[0] { i * s.m * s.k } else { 0 }..][..s.m * s.k];
            let b = &b[if s.batched[1] { i * s.k * s.n } else { 0 }..][..s.k * s.n];
            let gemm = if alone { gemm_alone } else { gemm };
            gemm(y, a, b, [s.m, s.n, s.k], self.transpose_a, self.transpose_b, T::ZERO);
        };
        match s.batch {
            1 => product(0, io.y(0), false),
            _ => parallel::rows(io.y(0), s.m * s.n, |i, y| product(i, y, true)),
        }
        if let Some(bias) = bias {
            parallel::rows(
                io.y(0),
                s.n,
                #[inline(always)]
                |_, y| {
                    for (y, &b) in y.iter_mut().zip(bias) {
                        *y += b;
                    }
                },
            );
        }
    }
}

/// `y = keep * y + op(a) op(b)` with sizes `[m, n, k]`, by the `gemm` crate on
/// all threads when the product is large.
pub(crate) fn gemm<T: Real>(
    y: &mut [T],
    a: &[T],
    b: &[T],
    [m, n, k]: [usize; 3],
    transpose_a: bool,
    transpose_b: bool,
    keep: T,
) {
    let parallelism = if m * n * k < 1 << 17 { ::gemm::Parallelism::None } else { ::gemm::Parallelism::Rayon(0) };
    gemm_with(y, a, b, [m, n, k], transpose_a, transpose_b, keep, parallelism);
}

/// [`gemm`] on the calling thread alone, for callers that are parallel
/// themselves.
pub(crate) fn gemm_alone<T: Real>(
    y: &mut [T],
    a: &[T],
    b: &[T],
    sizes: [usize; 3],
    transpose_a: bool,
    transpose_b: bool,
    keep: T,
) {
    gemm_with(y, a, b, sizes, transpose_a, transpose_b, keep, ::gemm::Parallelism::None);
}

fn gemm_with<T: Real>(
    y: &mut [T],
    a: &[T],
    b: &[T],
    [m, n, k]: [usize; 3],
    transpose_a: bool,
    transpose_b: bool,
    keep: T,
    parallelism: ::gemm::Parallelism,
) {
    assert!(y.len() == m * n && a.len() == m * k && b.len() == k * n, "a product of {m}x{k} and {k}x{n}");
    let (a_row, a_col) = if transpose_a { (1, m) } else { (k, 1) };
    let (b_row, b_col) = if transpose_b { (1, k) } else { (n, 1) };
    // SAFETY: the assertion above bounds every element that the strides reach.
    unsafe {
        ::gemm::gemm(
            m,
            n,
            k,
            y.as_mut_ptr(),
            1,
            n as isize,
            keep != T::ZERO,
            a.as_ptr(),
            a_col as isize,
            a_row as isize,
            b.as_ptr(),
            b_col as isize,
            b_row as isize,
            keep,
            T::ONE,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Products in all four forms that fill no tile evenly, to try a device out.
pub fn trials() -> Vec<(Graph, TensorId)> {
    let trial = |transpose_a: bool, transpose_b: bool| {
        let mut g = Graph::new();
        let mut input = |name: &str, shape: [usize; 2], transposed: bool, seed: u32| {
            let spec = Spec::f32(if transposed { [shape[1], shape[0]] } else { shape });
            g.persistent(name, spec.clone(), Init::Data(Fill::Normal(1.0).draw(&spec, seed).into()))
        };
        let (a, b) = (input("a", [97, 83], transpose_a, 0), input("b", [83, 130], transpose_b, 1));
        let y = g.matmul_with(a, b, transpose_a, transpose_b, None).expect("the shapes fit");
        (g, y)
    };
    [(false, false), (false, true), (true, false), (true, true)].map(|(a, b)| trial(a, b)).to_vec()
}

/// All four forms at awkward sizes, batches, biases, and the sizes that make
/// each kernel split K or run past its tiles.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![];
    let mut add =
        |name: &str, m: usize, n: usize, k: usize, ta: bool, tb: bool, batch: (&[usize], &[usize]), bias: bool| {
            let shape = |lead: &[usize], r: usize, c: usize, t: bool| -> Vec<usize> {
                lead.iter().copied().chain(if t { [c, r] } else { [r, c] }).collect()
            };
            let mut inputs = vec![
                (Spec::f32(shape(batch.0, m, k, ta)), Fill::Normal(1.0)),
                (Spec::f32(shape(batch.1, k, n, tb)), Fill::Normal(1.0)),
            ];
            if bias {
                inputs.push((Spec::f32([n]), Fill::Normal(1.0)));
            }
            let rows: usize = m * batch.0.iter().product::<usize>();
            let case = Case::new(format!("matmul/{name}"), inputs, move |g, x| {
                Ok(vec![g.matmul_with(x[0], x[1], ta, tb, x.get(2).copied())?])
            });
            cases.push(case.reduction(k.max(n).max(rows)));
        };
    for (form, ta, tb) in [("nn", false, false), ("nt", false, true), ("tn", true, false), ("tt", true, true)] {
        add(&format!("{form}_odd"), 17, 13, 11, ta, tb, (&[], &[]), true);
        add(&format!("{form}_vec4"), 8, 12, 16, ta, tb, (&[], &[]), false);
        add(&format!("{form}_tiles+1"), 65, 65, 33, ta, tb, (&[], &[]), false);
        add(&format!("{form}_batched"), 5, 8, 12, ta, tb, (&[2, 3], &[2, 3]), false);
        add(&format!("{form}_split_k"), 7, 8, 1031, ta, tb, (&[], &[]), true);
        add(&format!("{form}_split_k_vec4"), 9, 8, 1028, ta, tb, (&[], &[]), true);
    }
    // The gradients of the first are the other two forms.
    for (form, ta, tb) in [("nn", false, false), ("tt", true, true)] {
        add(&format!("{form}_blocks+1"), 129, 133, 35, ta, tb, (&[], &[]), true);
        add(&format!("{form}_blocks_vec4"), 72, 140, 40, ta, tb, (&[2], &[2]), false);
        add(&format!("{form}_blocks_split"), 68, 36, 390, ta, tb, (&[2], &[2]), true);
        add(&format!("{form}_thin_rows"), 8, 300, 77, ta, tb, (&[], &[]), true);
        add(&format!("{form}_thin_columns"), 40, 5, 130, ta, tb, (&[3], &[3]), true);
    }
    add("one", 1, 1, 1, false, false, (&[], &[]), true);
    add("row_vector", 1, 70, 64, false, true, (&[], &[]), true);
    add("column", 70, 1, 9, false, false, (&[], &[]), false);
    add("shared_b", 5, 6, 7, false, true, (&[4], &[]), true);
    add("shared_b_transposed_a", 5, 6, 7, true, false, (&[4], &[]), false);
    add("shared_a", 5, 8, 7, false, false, (&[], &[3]), false);
    add("wide", 3, 300, 5, false, false, (&[], &[]), false);
    add("column_deep", 9, 1, 520, true, false, (&[], &[]), true);
    add("row_deep", 1, 9, 521, true, true, (&[3], &[3]), true);
    add("rows+1", 33, 3, 6, true, false, (&[], &[]), false);
    add("panels+1", 4, 97, 4, false, true, (&[], &[]), true);
    add("slices_stacked", 3, 5, 1502, true, true, (&[5], &[5]), true);
    add("products_stacked", 2, 8, 4, true, false, (&[37], &[37]), false);
    add("products_single", 1, 3, 3, false, true, (&[41], &[]), true);
    cases
}
