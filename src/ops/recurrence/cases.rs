//! Every cell, direction and optional input, at sizes that reach each kernel.

use super::{Cell, Direction, Recurrent, RecurrentWeights, State};
use crate::graph::{Case, Fill};
use crate::tensor::Spec;

/// Why tolerances are wider than a sum's.
pub(crate) const WHY: &str =
    "every step takes exp, tanh and division, 2.5 to 3 + 2|x| ulp in WGSL, of what the one before gave";

const CELLS: [Cell; 5] =
    [Cell::RnnTanh, Cell::RnnRelu, Cell::Lstm, Cell::Gru { reset_after: true }, Cell::Gru { reset_after: false }];

/// Sizes and what is given.
#[derive(Clone, Copy)]
struct Shape {
    batch: usize,
    steps: usize,
    hidden: usize,
    reverse: bool,
    initial: bool,
    bias: bool,
    /// Lengths cycle through these; none for full rows.
    lengths: &'static [u32],
}

const PLAIN: Shape = Shape { batch: 3, steps: 4, hidden: 5, reverse: false, initial: false, bias: false, lengths: &[] };

fn case(name: &str, cell: Cell, s: Shape) -> Case {
    let (b, h, n) = (s.batch, s.hidden, cell.gates());
    let after = if cell == (Cell::Gru { reset_after: false }) { "_reset_first" } else { "" };
    let bias = s.bias && cell == Cell::Gru { reset_after: true };
    let mut inputs = vec![
        (Spec::f32([b, s.steps, n * h]), Fill::Normal(0.8)),
        (Spec::f32([n * h, h]), Fill::Normal(0.8 / (h as f32).sqrt())),
    ];
    let mut give = |spec: Spec, fill: Fill, given: bool| {
        given.then(|| {
            inputs.push((spec, fill));
            inputs.len() - 1
        })
    };
    let bias = give(Spec::f32([n * h]), Fill::Normal(0.5), bias);
    let h0 = give(Spec::f32([b, h]), Fill::Normal(0.7), s.initial);
    let c0 = give(Spec::f32([b, h]), Fill::Normal(0.7), s.initial && cell == Cell::Lstm);
    let ends = s.lengths.iter().copied().cycle().take(b).collect();
    let lengths = give(Spec::u32([b]), Fill::Indices(ends), !s.lengths.is_empty());
    Case::new(format!("recurrence/{}{after}_{name}", cell.name()), inputs, move |g, x| {
        let initial = h0.map(|i| State { h: x[i], c: c0.map(|i| x[i]) });
        let direction = Direction { reverse: s.reverse, lengths: lengths.map(|i| x[i]), initial };
        let r = g.recurrence(cell, x[0], x[1], bias.map(|i| x[i]), direction)?;
        Ok([Some(r.y), Some(r.last.h), r.last.c].into_iter().flatten().collect())
    })
    .reduction(h.max(b) * s.steps)
    .extra(32.0, WHY)
}

/// The case table.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![];
    for cell in CELLS {
        // A length above the number of steps counts as all of them.
        let ragged = Shape { lengths: &[2, 0, 4, 9, 1], batch: 5, ..PLAIN };
        let full = Shape { reverse: true, initial: true, bias: true, ..ragged };
        cases.extend([
            case("plain", cell, PLAIN),
            case("one", cell, Shape { batch: 1, steps: 1, hidden: 1, ..PLAIN }),
            case("reverse", cell, Shape { reverse: true, bias: true, ..PLAIN }),
            case("ragged", cell, Shape { bias: true, initial: true, ..ragged }),
            case("ragged_reverse", cell, Shape { reverse: true, ..ragged }),
            case("ragged_reverse_initial", cell, full),
            // Several parts on the CPU, several blocks of units, edges of both.
            case("rows_33", cell, Shape { batch: 33, hidden: 31, steps: 3, ..full }),
            case("blocks", cell, Shape { batch: 7, hidden: 67, steps: 3, ..ragged }),
            case("sequence", cell, Shape { batch: 131, hidden: 33, steps: 3, bias: true, ..ragged }),
        ]);
    }
    let lstm = |name: &str, s: Shape| case(name, Cell::Lstm, s);
    let gru = |name: &str, s: Shape| case(name, Cell::Gru { reset_after: true }, s);
    cases.extend([
        // Too large for every workgroup to read all of w_hh.
        lstm("tiled", Shape { batch: 35, hidden: 130, steps: 2, ..PLAIN }),
        lstm("tiled_initial", Shape { batch: 3, hidden: 131, steps: 2, initial: true, ..PLAIN }),
        gru(
            "tiled",
            Shape { batch: 2, hidden: 150, steps: 3, bias: true, initial: true, reverse: true, lengths: &[2, 3] },
        ),
        case("wide", Cell::RnnTanh, Shape { hidden: 256, steps: 2, ..PLAIN }),
        case("tiled", Cell::RnnTanh, Shape { hidden: 257, steps: 2, batch: 2, initial: true, ..PLAIN }),
        lstm("long", Shape { steps: 67, batch: 2, hidden: 8, ..PLAIN }),
        gru("long", Shape { steps: 67, batch: 2, hidden: 8, reverse: true, lengths: &[67, 40], ..PLAIN }),
        case("grid_overflow", Cell::RnnRelu, Shape { batch: 65_536 * 32 + 1, steps: 1, hidden: 1, ..PLAIN })
            .no_gradient()
            .reduction(1),
        case(
            "grid_overflow_steps",
            Cell::RnnRelu,
            Shape { batch: 65_536 * 32 + 1, steps: 1, hidden: 1, initial: true, ..PLAIN },
        )
        .no_gradient()
        .reduction(1),
        stack(),
    ]);
    cases
}

/// Two layers both ways, to the weights of the inputs and all biases.
fn stack() -> Case {
    let (b, t, i, h, gates) = (3, 4, 5, 6, 3);
    let mut inputs = vec![(Spec::f32([b, t, i]), Fill::Normal(1.0)), (Spec::u32([b]), Fill::Indices(vec![4, 1, 3]))];
    for layer in 0..2 {
        for _ in 0..2 {
            let features = if layer == 0 { i } else { 2 * h };
            for shape in [vec![gates * h, features], vec![gates * h, h], vec![gates * h], vec![gates * h]] {
                inputs.push((Spec::f32(shape), Fill::Normal(0.4)));
            }
        }
    }
    Case::new("recurrence/gru_stack", inputs, move |g, x| {
        let weights: Vec<RecurrentWeights> = x[2..]
            .chunks(4)
            .map(|w| RecurrentWeights { w_ih: w[0], w_hh: w[1], b_ih: Some(w[2]), b_hh: Some(w[3]) })
            .collect();
        let cell = Cell::Gru { reset_after: true };
        let how = Recurrent { cell, bidirectional: true, lengths: Some(x[1]), initial: &[], dropout: None };
        let stack = g.recurrent(x[0], &weights, how)?;
        Ok([stack.y].into_iter().chain(stack.last.iter().map(|s| s.h)).collect())
    })
    .reduction(2 * h * t * gates)
    .extra(32.0, WHY)
}
