//! A recurrence as an op, its sizes, and how the work of a pass over time, in either
//! direction, is cut up into dispatches.

use super::cell::Cell;
use crate::graph::{Cost, Lower};
use crate::kernel::{Caps, Class, Kernel, groups_1d};
use crate::ops::tiles::get_quad;
use crate::tensor::DType;

/// Elements between two numbers of `steps`: the coarsest alignment of a binding.
pub(crate) const STRIDE: usize = 64;

/// A cell walked over time; inputs gx, w_hh and steps, then those that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recurrence {
    /// The cell.
    pub cell: Cell,
    /// From the last step to the first.
    pub reverse: bool,
    /// Has `b_hh [G H]` (GRU that resets after the product).
    pub bias: bool,
    /// Has `initial [S, B, H]`: h, then c of an LSTM.
    pub initial: bool,
    /// Has `lengths [B]`.
    pub lengths: bool,
}

/// The sizes of a walk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub batch: usize,
    pub steps: usize,
    pub hidden: usize,
}

impl Sizes {
    /// From gx and w_hh.
    pub fn of(gx: &[usize], w_hh: &[usize]) -> Sizes {
        Sizes { batch: gx[0], steps: gx[1], hidden: w_hh[1] }
    }
}

impl Recurrence {
    /// The numbers of the optional inputs: b_hh, initial, lengths.
    pub(crate) fn optional(&self) -> [Option<usize>; 3] {
        let mut next = 2;
        [self.bias, self.initial, self.lengths].map(|has| {
            next += usize::from(has);
            has.then_some(next)
        })
    }

    /// Overrides that both directions set; `quads`: w is read by quads.
    pub(crate) fn kernel(&self, kernel: Kernel, s: Sizes, cut: &Cut, quads: bool) -> Kernel {
        let k = kernel.set("B", s.batch).set("T", s.steps).set("H", s.hidden).set("CELL", self.cell.code());
        let k = k.flag("REVERSE", self.reverse).flag("INITIAL", self.initial).flag("RAGGED", self.lengths);
        let k = k.constant("SLOTS", self.cell.slots().max(1)).constant("STATES", self.cell.states());
        let k =
            k.constant("ROWS", cut.rows).constant("UNITS", cut.units).constant("SHARED", cut.shared).lanes(cut.lanes);
        k.line("quad_w", get_quad("w", quads))
    }
}

/// How the work of a pass over time is cut up.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    /// One dispatch for all steps.
    pub sequence: bool,
    /// Rows of the batch per invocation (or per workgroup: `sequence_shared`).
    pub rows: usize,
    /// Units per invocation.
    pub units: usize,
    /// Invocations that share loads.
    pub lanes: usize,
    /// Invocations per workgroup (`sequence_shared`).
    pub wg: usize,
    /// Elements of workgroup memory of `sequence_shared`.
    pub shared: usize,
    /// Whether barriers and workgroup memory pay.
    pub tiled: bool,
}

/// The most elements of w_hh that every workgroup may read in every step.
const SMALL: usize = 1 << 16;

/// lavapipe silently ends all loops of an invocation after 65,535 turns.
const TURNS: usize = 60_000;

impl Cut {
    /// Whether every fourth element of w begins a quad of a row, in kernels that read w by quads.
    pub fn by_quads(&self, s: Sizes) -> bool {
        !self.tiled && s.hidden.is_multiple_of(4)
    }

    /// `columns`: sums per unit; `terms`: the length of the sums; `kept`:
    /// elements per row of what the next step multiplies.
    pub fn of(op: &Recurrence, s: Sizes, caps: &Caps, columns: usize, terms: usize, kept: usize) -> Cut {
        // Two products in a step need two dispatches.
        let one_product = op.cell != Cell::Gru { reset_after: false };
        if caps.class == Class::Cpu {
            let lanes = caps.shared_lanes();
            let units = (8 / columns).max(1).min(s.hidden.div_ceil(lanes).next_power_of_two());
            // The backward pass, with one sum per unit, takes them by quads.
            let units = if columns == 1 { units.max(4) } else { units };
            // The sums pass through workgroup memory.
            let room = caps.workgroup_bytes as usize / (DType::F32.bytes() * columns * units * lanes);
            let rows = s.batch.next_power_of_two().min(32).min(room.max(1));
            let blocks = s.hidden.div_ceil(lanes * units);
            let turns = s.steps * (1 + blocks * (terms.div_ceil(lanes) * (1 + lanes) + rows * (1 + units)));
            let enough = s.batch.div_ceil(rows) >= 4 || blocks == 1;
            let sequence = one_product && !op.initial && enough && turns < TURNS;
            return Cut { sequence, rows, units, lanes, wg: lanes, shared: 1, tiled: false };
        }
        let rows = 4;
        let sequence = one_product
            && s.hidden <= 256
            && op.cell.gates() * s.hidden * s.hidden <= SMALL
            && rows * kept * DType::F32.bytes() <= caps.workgroup_bytes as usize;
        let wg = if sequence { s.hidden.next_power_of_two().clamp(32, 256) } else { 64 };
        let cut = Cut { sequence, rows, units: 1, lanes: 1, wg, shared: rows * kept, tiled: true };
        if sequence { cut } else { cut.one_step() }
    }

    /// The same work cut up step by step.
    pub fn one_step(self) -> Cut {
        match self.tiled {
            true => Cut { sequence: false, rows: 2, wg: 64, shared: 1, ..self },
            false => Cut { sequence: false, ..self },
        }
    }

    /// The entry point.
    pub fn entry(&self) -> &'static str {
        match (self.sequence, self.tiled) {
            (true, true) => "sequence_shared",
            (true, false) => "sequence_rows",
            (false, true) => "step_tiled",
            (false, false) => "step_rows",
        }
    }

    /// Its workgroups.
    pub fn groups(&self, s: Sizes) -> [u32; 3] {
        if self.sequence {
            return groups_1d(s.batch.div_ceil(self.rows), 1);
        }
        let (x, rows) = match self.tiled {
            true => (s.hidden.div_ceil(16), 16 * self.rows),
            false => (s.hidden.div_ceil(self.lanes * self.units), self.rows),
        };
        let [y, z, _] = groups_1d(s.batch.div_ceil(rows), 1);
        [x as u32, y, z]
    }
}

/// What the shaders call w.
pub(crate) fn weights(quads: bool) -> &'static str {
    if quads { "w4" } else { "w" }
}

/// The work of a walk in either direction: its products.
pub(crate) fn cost(cx: &Lower, s: Sizes, cell: Cell) -> Cost {
    Cost { flops: (2 * s.batch * s.steps * cell.gates() * s.hidden * s.hidden) as u64, bytes: cx.bytes_once() }
}
