//! The gradient of a recurrence through time; derived in
//! [`recurrence`](super::recurrence).
//!
//! Formula: from the last step to the first, `d_h = d_y[t] + carry +
//! w_hh^T d_a[t + 1]`, then the cell backwards; past a row's length the carry
//! alone goes on. Shapes: as there; `d_gx [B, T, G H]`; `h_before [B, T, H]`, the
//! state before each step, for the gradient of `w_hh`; `d_initial [S, B, H]`,
//! which is also the carry; and, for a GRU that resets after the product,
//! `d_gh [B, T, G H]`, the gradient of `w_hh h + b_hh`.

mod reference;

use super::recurrence::{Cell, Cut, Direction, Recurrence, STRIDE, Sizes, cost, weights};
use crate::error::Result;
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Lower, Op, TensorId};
use crate::kernel::{Dispatch, Kernel, Lowered, Shader, Slot};
use crate::shader;
use crate::tensor::Spec;

static SHADER: Shader = shader!("recurrence_grad");

/// Inputs saved, w_hh, steps and y of the recurrence, then those that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecurrenceGrad {
    /// The recurrence.
    pub of: Recurrence,
    /// Has the gradient of y.
    pub d_y: bool,
    /// Has the gradient of the last states.
    pub d_last: bool,
    /// Whether the gradient of the initial state is wanted.
    pub to_initial: bool,
}

impl RecurrenceGrad {
    /// The numbers of the optional inputs: initial, lengths, d_y, d_last.
    fn optional(&self) -> [Option<usize>; 4] {
        let mut next = 3;
        [self.of.initial, self.of.lengths, self.d_y, self.d_last].map(|has| {
            next += usize::from(has);
            has.then_some(next)
        })
    }

    fn sizes(&self, y: &[usize]) -> Sizes {
        Sizes { batch: y[0], steps: y[1], hidden: y[2] }
    }
}

impl Op for RecurrenceGrad {
    fn name(&self) -> &'static str {
        match self.of.cell {
            Cell::RnnTanh => "rnn_tanh_grad",
            Cell::RnnRelu => "rnn_relu_grad",
            Cell::Lstm => "lstm_grad",
            Cell::Gru { .. } => "gru_grad",
        }
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let [batch, steps, hidden] = cx.dims(3, "y")?;
        let states = [self.of.cell.states(), batch, hidden];
        let [_, _, d_y, d_last] = self.optional();
        if let Some(i) = d_y {
            cx.expect(i, "d_y", [batch, steps, hidden])?;
        }
        if let Some(i) = d_last {
            cx.expect(i, "d_last", states)?;
        }
        let gates = Spec::f32([batch, steps, self.of.cell.gates() * hidden]);
        let mut out = vec![gates.clone(), Spec::f32([batch, steps, hidden]), Spec::f32(states)];
        if self.of.cell.splits() {
            out.push(gates);
        }
        Ok(out)
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let s = self.sizes(&cx.inputs[3].shape);
        let all = self.of.cell.gates();
        let cut = Cut::of(&self.of, s, &cx.caps, 1, all * s.hidden, all * s.hidden);
        // Lanes own whole quads of units, so what they read begins one.
        let quads = cut.by_quads(s);
        let kernel_of = |cut: &Cut, entry, phase: usize, multiply, finish| {
            let k = self.of.kernel(Kernel::new(&SHADER, entry), s, cut, quads).set("PHASE", phase).constant("ALL", all);
            let k = k.flag("MULTIPLY", multiply).flag("FINISH", finish);
            k.flag("D_Y", self.d_y).flag("D_LAST", self.d_last)
        };
        let kernel = |entry| kernel_of(&cut, entry, 0, true, false);
        let [initial, lengths, d_y, d_last] = self.optional();
        // A file's entry points name these whether or not they are there.
        let or_saved = |i: Option<usize>| Slot::Input(i.unwrap_or(0));
        let lengths = Slot::Input(lengths.unwrap_or(2));
        let (d_gh, scratch) = match self.of.cell.splits() {
            true => (Slot::Output(3), vec![]),
            false => (Slot::Scratch(0), vec![Spec::f32([STRIDE])]),
        };
        let bind = |d: Dispatch| {
            let d = d.bind("d_y", or_saved(d_y)).input("saved", 0).input(weights(quads), 1).bind("lengths", lengths);
            d.output("d_gx", 0).bind("d_gh", d_gh).output("carry", 2)
        };
        let start = kernel("start").dispatch_1d(cx.outputs[2].elements(), 64);
        let shift = kernel("shift").dispatch_1d(cx.outputs[1].elements(), 64);
        let shift = shift.input("y", 3).bind("initial", or_saved(initial)).bind("lengths", lengths);
        let mut dispatches =
            vec![start.bind("d_last", or_saved(d_last)).output("carry", 2), shift.output("h_before", 1)];
        if cut.sequence {
            let k = kernel(cut.entry()).set("WG", cut.wg);
            dispatches.push(bind(k.dispatch(cut.groups(s))));
        }
        // A walk in one dispatch leaves the step behind the last to another.
        let single = cut.one_step();
        let step = |step: usize, phase: usize, finish: bool| {
            let k = kernel_of(&single, single.entry(), phase, step > 0 || phase > 0 || finish, finish);
            bind(k.dispatch(single.groups(s))).input_at("steps", 2, step * STRIDE)
        };
        if !cut.sequence {
            for i in 0..s.steps {
                dispatches.extend((0..self.of.cell.products()).map(|phase| step(i, phase, false)));
            }
        }
        if self.to_initial {
            dispatches.push(step(0, 0, true));
        }
        Ok(Lowered { scratch, dispatches })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        cost(cx, self.sizes(&cx.inputs[3].shape), self.of.cell)
    }
}

/// Gradients that arrive at one output alone, of which the cases of
/// `recurrence` have none.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![];
    for cell in [Cell::RnnTanh, Cell::Lstm, Cell::Gru { reset_after: true }, Cell::Gru { reset_after: false }] {
        for (only, reverse) in [("y", false), ("h", true), ("c", false)] {
            if only == "c" && cell != Cell::Lstm {
                continue;
            }
            let (b, t, h, n) = (3, 4, 5, cell.gates());
            let inputs = vec![
                (Spec::f32([b, t, n * h]), Fill::Normal(0.7)),
                (Spec::f32([n * h, h]), Fill::Normal(0.4)),
                (Spec::u32([b]), Fill::Indices(vec![4, 0, 2])),
            ];
            let after = if cell == (Cell::Gru { reset_after: false }) { "_reset_first" } else { "" };
            let case = Case::new(format!("recurrence_grad/{}{after}_{only}", cell.name()), inputs, move |g, x| {
                let direction = Direction { reverse, lengths: Some(x[2]), initial: None };
                let r = g.recurrence(cell, x[0], x[1], None, direction)?;
                Ok(vec![match only {
                    "y" => r.y,
                    "h" => r.last.h,
                    _ => r.last.c.unwrap_or(r.y),
                }])
            });
            cases.push(case.reduction(n * h * t).extra(64.0, super::recurrence::WHY));
        }
    }
    cases
}
