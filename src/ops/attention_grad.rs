//! The gradient of attention: `d_q`, `d_k` and `d_v`, or `d_qkv` where one tensor
//! holds all three. Room `attention` derives it.
//!
//! Kernels. `prepare` gathers what each query row needs (the logarithm of its
//! sum, and `delta = d_o . o`) with lengths and clock in one tensor, because eight
//! bindings are all that WebGPU guarantees. Then each row of q owns its `d_q` and
//! walks keys, and each row of k owns its `d_k` and `d_v` and walks queries, so
//! there are no atomics and the order of every sum is fixed. Rows in registers
//! for software adapters and short sequences; tiles (room
//! `attention_grad_tiles`) for GPUs.

use super::attention::reference::{self, Saved};
use super::attention::sizes::{SIDE, Sizes};
use super::attention::{Attend, Attention};
use super::attention_grad_tiles;
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Dispatch, Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec};

static SHADER: Shader = shader!("attention_grad");

/// Invocations per workgroup of `prepare`.
const WG: usize = 64;

/// Inputs: those of [`Attend`], its outputs, and `d_o`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AttendGrad(pub(crate) Attend);

impl AttendGrad {
    fn sizes(&self, inputs: &[Spec]) -> Result<Sizes> {
        Sizes::new(&self.0, &inputs[..self.0.inputs()])
    }

    /// The inputs o, l and `d_o`.
    fn saved(&self) -> [usize; 3] {
        [0, 1, 2].map(|i| self.0.inputs() + i)
    }

    /// The dispatch over rows of q (`queries`) or of k.
    fn rows(&self, z: &Sizes, cx: &Lower, queries: bool) -> Dispatch {
        let (heads, rows) = if queries { (z.hq, z.tq) } else { (z.hkv, z.tk) };
        if !z.in_registers(cx.caps.class) {
            let entry = if queries { "queries_tile" } else { "keys_tile" };
            let k = z.kernel(&self.0, &attention_grad_tiles::SHADER, entry);
            let k = k.constant("PARTS", z.d.div_ceil(SIDE)).constant("PARTS_V", z.dv.div_ceil(SIDE));
            return stores(k, self.0.packed.is_some()).dispatch(z.groups(heads, rows, SIDE));
        }
        let lanes = cx.caps.shared_lanes();
        let wg = if lanes > 1 { lanes } else { SIDE };
        let each = rows_each(z, cx.caps.class);
        let k = self.row_kernel(z, if queries { "queries_rows" } else { "keys_rows" }, each, lanes);
        k.set("WG", wg).dispatch(z.groups(heads, rows, wg * each))
    }

    fn row_kernel(&self, z: &Sizes, entry: &'static str, each: usize, lanes: usize) -> Kernel {
        stores(z.row_constants(z.kernel(&self.0, &SHADER, entry), each, lanes), self.0.packed.is_some())
    }
}

/// Rows per invocation: more share a load, and make a kernel that drivers
/// compile for long.
fn rows_each(z: &Sizes, class: Class) -> usize {
    if class == Class::Cpu { (32 / z.d.max(z.dv)).clamp(1, 2) } else { 1 }
}

/// Where gradients of keys and values go: tensors of their own, or that of the
/// queries.
fn stores(k: Kernel, packed: bool) -> Kernel {
    let [d_k, d_v] = if packed { ["d_q"; 2] } else { ["d_k", "d_v"] };
    let store = |name: &str, to: &str| format!("fn {name}(at: u32, x: f32) {{ {to}[at] = x; }}");
    k.line("store_k", store("store_k", d_k)).line("store_v", store("store_v", d_v))
}

impl Op for AttendGrad {
    fn name(&self) -> &'static str {
        "attention_grad"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let z = self.sizes(&cx.inputs)?;
        let [o, l, d_o] = self.saved();
        cx.expect(o, "o", z.output(self.0.packed.is_some()))?;
        cx.expect(l, "l", [z.b, z.hq, z.tq])?;
        cx.expect(d_o, "d_o", cx.shape(o).clone())?;
        let given = if self.0.packed.is_some() { 1 } else { 3 };
        Ok(cx.inputs[..given].to_vec())
    }

    fn bears_half(&self, _output: usize) -> bool {
        true
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let z = self.sizes(&cx.inputs)?;
        z.check_turns(cx.caps.class, cx.caps.shared_lanes())?;
        let [o, l, d_o] = self.saved();
        let state = Spec::u32([2 * z.rows() + z.b + 4]);
        let prepare = self.row_kernel(&z, "prepare", 1, 1).dispatch_1d(z.rows().max(z.b).max(4), WG);
        let prepare = prepare.input("o", o).input("lse", l).input("d_o", d_o).scratch("state", 0);
        let prepare = self.0.bind(prepare, &["lengths", "clock"]);
        let [q, k, v] = self.0.operands();
        let inputs = |d: Dispatch| {
            let d = d.input("q", q).input("k", k).input("v", v).input("d_o", d_o).scratch("row_state", 0);
            self.0.bind(d, &["mask"])
        };
        let queries = inputs(self.rows(&z, cx, true)).output("d_q", 0);
        let keys = inputs(self.rows(&z, cx, false));
        let keys = match self.0.packed {
            Some(_) => keys.output("d_q", 0),
            None => keys.output("d_k", 1).output("d_v", 2),
        };
        Ok(Lowered { scratch: vec![state], dispatches: vec![prepare, queries, keys] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let z = self.sizes(&cx.inputs).expect("infer accepted these shapes");
        // Scores and d_p again, then three products.
        let flops = 2 * z.pairs(self.0.options.causal) * (3 * z.d + 2 * z.dv);
        Cost { flops: flops as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for AttendGrad {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let specs: Vec<Spec> = io.inputs.iter().map(|i| i.spec.clone()).collect();
        let z = self.sizes(&specs).expect("infer accepted these shapes");
        let ([q, k, v], [o, l, d_o]) = (self.0.operands(), self.saved());
        let saved = Saved { q: io.x(q), k: io.x(k), v: io.x(v), o: io.x(o), lse: io.x(l), d_o: io.x(d_o) };
        let extras = self.0.extras(io);
        let mut d: Vec<&mut [T]> = io.outputs.iter_mut().map(|y| &mut *y.real).collect();
        reference::backward(&self.0, &z, saved, extras, &mut d);
    }
}

/// More than 65,535 workgroups of rows and of keys; all else is in the cases of
/// `attention`, which run this backward pass.
pub fn cases() -> Vec<Case> {
    let overflow = |name: &str, shape: [usize; 4]| {
        let tensor = (Spec::f32(shape), Fill::Normal(1.0));
        let [b, h, t, _] = shape;
        let inputs =
            vec![tensor.clone(), tensor.clone(), tensor.clone(), tensor, (Spec::f32([b, h, t]), Fill::Normal(1.0))];
        Case::new(format!("attention_grad/{name}"), inputs, |g, x| {
            let op = Attend { options: Attention::default(), packed: None, lengths: false, mask: false };
            g.push(AttendGrad(op), &[x[0], x[1], x[2], x[3], x[4], x[3]])
        })
        .no_gradient()
        .reduction(8)
        .extra(64.0, "WGSL allows exp 3 + 2|x| units in the last place")
    };
    vec![overflow("grid_overflow", [65_537, 1, 1, 1]), overflow("grid_overflow_of_tiles", [1, 1_001, 33, 1])]
}
