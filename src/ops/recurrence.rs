//! Recurrent cells over time: plain RNN, LSTM, GRU, in PyTorch's conventions.
//!
//! Formula, with `gx[b, t] = w_ih x[b, t] + b` made by one product for all
//! steps (see [`Graph::recurrent`]), `h` the state before the step, and
//! `a = gx + w_hh h`, cut into gates of `H` rows:
//! - RNN: `h' = tanh(a)` or `relu(a)`;
//! - LSTM, gates i, f, g, o: `c' = s(a_f) c + s(a_i) tanh(a_g)`,
//!   `h' = s(a_o) tanh(c')`, `s` the sigmoid;
//! - GRU, gates r, z, n: `r = s(a_r)`, `z = s(a_z)`,
//!   `n = tanh(gx_n + r (w_n h + b_n))`, `h' = (1 - z) n + z h`. Keras'
//!   `reset_after = false` has `n = tanh(gx_n + w_n (r h))`.
//!
//! Shapes: `gx [B, T, G H]`, `w_hh [G H, H]`, `b_hh [G H]` (GRU only: added to
//! `w_hh h`, inside the product with r; elsewhere it belongs in gx), initial
//! states `[B, H]`, `y [B, T, H]`. `lengths [B]` as PyTorch packs sequences: from
//! its length on, a row's `y` is 0 and its state stays; walked in reverse, it
//! starts at its last valid step. A row of length 0 keeps its initial state.
//!
//! Gradient (Werbos 1990), from the last step to the first, `d_a` the gradient
//! of the gates: `d_h = d_y[t] + w_hh^T d_a[t + 1] + (kept)`, where a GRU keeps
//! `z d_h` and an LSTM hands on `d_c f`. With `k = tanh(c')`:
//! LSTM: `d_c += d_h o (1 - k^2)`, `d_a = (d_c g i(1-i), d_c c f(1-f),
//! d_c i (1-g^2), d_h k o(1-o))`;
//! GRU: `d_n = d_h (1-z)(1-n^2)`, `d_a = (d_n (w_n h + b_n) r(1-r),
//! d_h (h-n) z(1-z), d_n)`; what `w_hh` sees of n is `d_n r`.
//! Only this runs through time; `d_w_hh` is one product over all steps, and
//! `d_w_ih` and the biases come from the product that made gx.
//!
//! Kernels, forward and backward alike: a dispatch per step, with the cell as
//! the product's epilogue; or one dispatch for all steps where a workgroup can
//! walk its own rows of the batch through time: on GPUs with h in workgroup
//! memory while `w_hh` is small, on software adapters without barriers. The
//! number of a step reaches the shader through `steps`, bound at an offset.
//! Source: Appleyard et al. 2016, arXiv:1604.01946 (one product for all gates).

mod cases;
mod cell;
mod cut;
mod reference;
mod stack;
mod state;

pub(crate) use cases::WHY;
pub use cases::cases;
pub use cell::Cell;
pub use cut::Recurrence;
pub(crate) use cut::{Cut, STRIDE, Sizes, cost, weights};
pub(crate) use reference::{PART, Walk};
pub use stack::{Recurrent, RecurrentWeights, Stack};
pub use state::{Direction, Recurred, State};

use super::recurrence_grad::RecurrenceGrad;
use crate::error::{Error, Result};
use crate::graph::{Backward, Cost, Graph, Infer, Lower, Op, TensorId};
use crate::kernel::{Dispatch, Kernel, Lowered, Shader, Slot};
use crate::shader;
use crate::tensor::{HostTensor, Spec};

static SHADER: Shader = shader!("recurrence");

impl Graph {
    /// Walks a cell over `gx [B, T, G H]`, what the inputs add to the gates.
    /// `b_hh` is for a GRU that resets after the product; other cells take
    /// their second bias through gx.
    pub fn recurrence(
        &mut self,
        cell: Cell,
        gx: TensorId,
        w_hh: TensorId,
        b_hh: Option<TensorId>,
        direction: Direction,
    ) -> Result<Recurred> {
        let Direction { reverse, lengths, initial } = direction;
        let steps = match self.shape(gx) {
            [_, t, _] => (0..t * STRIDE).map(|i| (i / STRIDE) as u32).collect(),
            found => return Err(Error::model(format!("gx has shape {found:?}; expected [batch, steps, gates]"))),
        };
        let steps: Vec<u32> = steps;
        let steps = self.constant(HostTensor::u32([steps.len()], steps));
        let initial = initial.map(|state| self.one_state(cell, state)).transpose()?;
        let op =
            Recurrence { cell, reverse, bias: b_hh.is_some(), initial: initial.is_some(), lengths: lengths.is_some() };
        let inputs: Vec<TensorId> =
            [Some(gx), Some(w_hh), Some(steps), b_hh, initial, lengths].into_iter().flatten().collect();
        let out = self.push(op, &inputs)?;
        let [_, batch, hidden] = self.shape(out[1]).to_vec()[..] else { unreachable!("infer gives three axes") };
        let c = match cell.states() {
            1 => None,
            _ => {
                let c = self.slice(out[1], 0, 1, 2, 1)?;
                Some(self.reshape(c, [batch, hidden])?)
            }
        };
        let h = if c.is_some() { self.slice(out[1], 0, 0, 1, 1)? } else { out[1] };
        let h = self.reshape(h, [batch, hidden])?;
        Ok(Recurred { y: out[0], last: State { h, c } })
    }

    /// h and, for an LSTM, c, in one tensor.
    fn one_state(&mut self, cell: Cell, state: State) -> Result<TensorId> {
        if (cell.states() == 2) != state.c.is_some() {
            let has = if state.c.is_some() { "has a cell state c" } else { "has no cell state c" };
            return Err(Error::model(format!(
                "the initial state of {} {has}; an LSTM has one, others none",
                cell.name()
            )));
        }
        let mut parts = vec![];
        for part in [Some(state.h), state.c].into_iter().flatten() {
            let shape: Vec<usize> = [1].into_iter().chain(self.shape(part).iter().copied()).collect();
            parts.push(self.reshape(part, shape)?);
        }
        self.concat(&parts, 0)
    }
}

impl Op for Recurrence {
    fn name(&self) -> &'static str {
        self.cell.name()
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let ([batch, steps, gates], [rows, hidden]) = (cx.dims(0, "gx")?, cx.dims(1, "w_hh")?);
        let g = self.cell.gates();
        if gates != g * hidden || rows != gates || batch * steps * hidden == 0 {
            return Err(Error::model(format!(
                "gx has shape {} and w_hh {}; expected [batch, steps, {g} H] and [{g} H, H], none of them 0",
                cx.shape(0),
                cx.shape(1)
            )));
        }
        if self.bias && self.cell != (Cell::Gru { reset_after: true }) {
            return Err(Error::model("b_hh is for a GRU that resets after the product; add it to gx"));
        }
        cx.expect(2, "steps", [steps * STRIDE])?;
        let [bias, initial, lengths] = self.optional();
        if let Some(i) = bias {
            cx.expect(i, "b_hh", [gates])?;
        }
        if let Some(i) = initial {
            cx.expect(i, "the initial state", [self.cell.states(), batch, hidden])?;
        }
        if let Some(i) = lengths
            && cx.inputs[i] != Spec::u32([batch])
        {
            return Err(Error::model(format!("lengths is {}; expected u32[{batch}], one per row", cx.inputs[i])));
        }
        let mut out = vec![Spec::f32([batch, steps, hidden]), Spec::f32([self.cell.states(), batch, hidden])];
        if self.cell.slots() > 0 {
            out.push(Spec::f32([batch, steps, self.cell.slots() * hidden]));
        }
        Ok(out)
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let [bias, initial, lengths] = self.optional();
        let (y, saved) = (at.outputs[0], *at.outputs.get(2).unwrap_or(&at.outputs[0]));
        let op = RecurrenceGrad {
            of: *self,
            d_y: at.d_outputs[0].is_some(),
            d_last: at.d_outputs[1].is_some(),
            to_initial: initial.is_some_and(|i| at.needs[i]),
        };
        let input = |i: Option<usize>| i.map(|i| at.inputs[i]);
        let given = [input(initial), input(lengths), at.d_outputs[0], at.d_outputs[1]];
        let fixed = [saved, at.inputs[1], at.inputs[2], y];
        let inputs: Vec<TensorId> = fixed.into_iter().chain(given.into_iter().flatten()).collect();
        let out = g.push(op, &inputs)?;
        let (d_gx, h_before, d_initial) = (out[0], out[1], out[2]);
        let d_gh = *out.get(3).unwrap_or(&d_gx);
        let mut d = vec![None; at.inputs.len()];
        d[0] = Some(d_gx);
        if at.needs[1] {
            d[1] = Some(d_weights(g, self.cell, d_gh, h_before, saved)?);
        }
        if let Some(i) = bias.filter(|&i| at.needs[i]) {
            let shape = g.spec(at.inputs[i]).shape.clone();
            d[i] = Some(g.sum_to(d_gh, shape)?);
        }
        if let Some(i) = initial.filter(|&i| at.needs[i]) {
            d[i] = Some(d_initial);
        }
        Ok(d)
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let s = Sizes::of(&cx.inputs[0].shape, &cx.inputs[1].shape);
        let (all, h) = (self.cell.gates(), s.hidden);
        let cut = Cut::of(self, s, &cx.caps, all, h, h);
        // The lanes hold as many elements of a sum as there are lanes; fewer than a quad are taken one by one, each of
        // which begins anywhere in a quad of w.
        let turn = if cut.lanes.is_multiple_of(4) { 4 } else { 1 };
        let quads = cut.by_quads(s) && turn == 4;
        let kernel = |entry, phase: usize, multiply, first| {
            let gates = if self.cell == (Cell::Gru { reset_after: false }) { 2 - phase } else { all };
            let k = self.kernel(Kernel::new(&SHADER, entry), s, &cut, quads).set("ALL", all).set("PHASE", phase);
            k.flag("BIAS", self.bias)
                .flag("MULTIPLY", multiply)
                .flag("FIRST", first)
                .constant("GATES", gates)
                .constant("TURN", turn)
        };
        let [bias, initial, lengths] = self.optional();
        // A file's entry points name these whether or not they are there.
        let initial = Slot::Input(initial.unwrap_or(0));
        let lengths = Slot::Input(lengths.unwrap_or(2));
        let mut scratch = vec![];
        let saved = if self.cell.slots() > 0 { Slot::Output(2) } else { Slot::Scratch(0) };
        if self.cell.slots() == 0 {
            scratch.push(Spec::f32([STRIDE]));
        }
        let bind = |d: Dispatch, w: Slot| {
            let d = d.input("gx", 0).bind(weights(quads), w).input("b_hh", bias.unwrap_or(0)).bind("initial", initial);
            d.bind("lengths", lengths).output("y", 0).bind("saved", saved)
        };
        let mut dispatches = vec![];
        let mut w = Slot::Input(1);
        if cut.sequence && cut.tiled {
            let turn = kernel("turn_w", 0, false, false).dispatch_1d(all * h * h, 64);
            dispatches.push(turn.input("w", 1).scratch("turned", scratch.len()));
            w = Slot::Scratch(scratch.len());
            scratch.push(Spec::f32([h, all * h]));
        }
        if cut.sequence {
            let k = kernel(cut.entry(), 0, true, false).set("WG", cut.wg);
            dispatches.push(bind(k.dispatch(cut.groups(s)), w));
        } else {
            for step in 0..s.steps {
                for phase in 0..self.cell.products() {
                    let first = step == 0 && self.initial && phase == 0;
                    let k = kernel(cut.entry(), phase, step > 0 || first || phase > 0, first);
                    dispatches.push(bind(k.dispatch(cut.groups(s)), w).input_at("steps", 2, step * STRIDE));
                }
            }
        }
        let finish = kernel("finish", 0, false, false).dispatch_1d(cx.outputs[1].elements(), 64);
        let finish = finish.bind("initial", initial).bind("lengths", lengths);
        dispatches.push(finish.output("y", 0).bind("saved", saved).output("last", 1));
        Ok(Lowered { scratch, dispatches })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        cost(cx, Sizes::of(&cx.inputs[0].shape, &cx.inputs[1].shape), self.cell)
    }
}

/// `d_gh^T h_before`, one product over all steps. A GRU that resets before the
/// product multiplies n's weights by `r h`, which it saved.
fn d_weights(g: &mut Graph, cell: Cell, d_gh: TensorId, h_before: TensorId, saved: TensorId) -> Result<TensorId> {
    let hidden = g.shape(h_before)[2];
    let product = |g: &mut Graph, d: TensorId, x: TensorId| {
        let flat = |g: &mut Graph, t: TensorId| {
            let &[batch, steps, n] = g.shape(t) else { unreachable!("three axes") };
            g.reshape(t, [batch * steps, n])
        };
        let (d, x) = (flat(g, d)?, flat(g, x)?);
        g.matmul_with(d, x, true, false, None)
    };
    if cell != (Cell::Gru { reset_after: false }) {
        return product(g, d_gh, h_before);
    }
    let (d_rz, d_n) = (g.slice(d_gh, 2, 0, 2 * hidden, 1)?, g.slice(d_gh, 2, 2 * hidden, 3 * hidden, 1)?);
    let reset = g.slice(saved, 2, 3 * hidden, 4 * hidden, 1)?;
    let parts = [product(g, d_rz, h_before)?, product(g, d_n, reset)?];
    g.concat(&parts, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_arguments_are_errors() {
        let mut g = Graph::new();
        let gx = g.input("gx", Spec::f32([2, 3, 20]));
        let w = g.input("w", Spec::f32([20, 5]));
        let h = g.input("h", Spec::f32([2, 5]));
        let lengths = g.input("lengths", Spec::u32([3]));
        let d = Direction::default();
        let mut error = |cell, gx, b_hh, d| g.recurrence(cell, gx, w, b_hh, d).unwrap_err().to_string();
        assert!(error(Cell::Gru { reset_after: true }, gx, None, d).contains("[3 H, H]"));
        assert!(error(Cell::Lstm, gx, Some(h), d).contains("add it to gx"));
        assert!(error(Cell::Lstm, h, None, d).contains("[batch, steps, gates]"));
        let state = |c| Direction { initial: Some(State { h, c }), ..d };
        assert!(error(Cell::Lstm, gx, None, state(None)).contains("no cell state"));
        let ragged = Direction { lengths: Some(lengths), ..d };
        assert!(error(Cell::Lstm, gx, None, ragged).contains("one per row"));
        assert!(g.recurrence(Cell::Lstm, gx, w, None, state(Some(h))).is_ok());
    }
}
