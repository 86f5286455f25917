//! The rows of the data set that make up the batch of the clock.
//!
//! Slot `i` of the batch is position `p = clock.batch * batch + i` of the
//! epoch; its row is `p`, or, shuffled, `permute(p, n, seed, epoch)`: a keyed
//! bijection, so that an order is a pure function of the clock. Slots beyond
//! the data hold the sentinel `n`; `rows` counts the slots before them.
//!
//! Where the device holds only a window of the epoch, already in order, the
//! row is the slot's place in the window: `p - (p / (window batch)) window batch`.
//!
//! Shapes: `clock u32 [4]`, `index u32 [batch]`, `rows u32 [1]`. No gradient.
//!
//! Source: the cycle-walking Feistel network of `crate::tensor::random`.

use super::{clock, state};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::random::{half_bits, permute};
use crate::tensor::{Real, Spec, parallel};

static SHADER: Shader = shader!("select_rows");

/// Invocations per workgroup.
const WG: usize = 64;

/// Picks the rows of a batch.
#[derive(Debug, Clone, Copy)]
pub struct SelectRows {
    /// Rows of the data set.
    pub n: usize,
    /// Slots of the batch.
    pub batch: usize,
    /// How positions become rows.
    pub order: Order,
}

/// How positions of an epoch become rows of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Position by position.
    Same,
    /// Each epoch has an order of its own.
    Shuffled,
    /// The data is a window of so many batches of the epoch, in order.
    Window(usize),
}

impl Order {
    /// Shuffled or not.
    pub fn shuffled(yes: bool) -> Order {
        if yes { Order::Shuffled } else { Order::Same }
    }
}

impl Graph {
    /// The rows of the clock's batch out of `n`: `index u32 [batch]`, where `n`
    /// marks a slot beyond the data, and `rows u32 [1]`, the number of slots
    /// that hold a row.
    pub fn select_rows(
        &mut self,
        clock: TensorId,
        n: usize,
        batch: usize,
        order: Order,
    ) -> Result<(TensorId, TensorId)> {
        let y = self.push(SelectRows { n, batch, order }, &[clock])?;
        Ok((y[0], y[1]))
    }
}

impl SelectRows {
    /// The position of slot 0, and `n` for a clock beyond the last batch.
    fn first(&self, clock: &[u32]) -> usize {
        (clock[clock::BATCH] as usize).saturating_mul(self.batch).min(self.n)
    }
}

impl Op for SelectRows {
    fn name(&self) -> &'static str {
        "select_rows"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        state::expect("clock", &cx.inputs[0], &clock::spec())?;
        let (n, batch) = (self.n, self.batch);
        if n == 0 || batch == 0 || n.saturating_add(batch) > u32::MAX as usize {
            return Err(Error::model(format!(
                "batches of {batch} out of {n} rows; expected at least one of each and less than 2^32 together"
            )));
        }
        if self.order == Order::Window(0) {
            return Err(Error::model("a window of 0 batches; expected at least one"));
        }
        Ok(vec![Spec::u32([batch]), Spec::u32([1])])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, _cx: &Lower) -> Result<Lowered> {
        let k = Kernel::new(&SHADER, "forward").set("N", self.n).set("SLOTS", self.batch);
        let k = k.set("BATCHES", self.n.div_ceil(self.batch)).set("HALF_BITS", half_bits(self.n as u32) as usize);
        let window = if let Order::Window(w) = self.order { w.min(u32::MAX as usize) } else { 1 };
        let k = k.set("WINDOW", window).flag("WINDOWED", matches!(self.order, Order::Window(_)));
        let d = k.flag("SHUFFLE", self.order == Order::Shuffled).dispatch_1d(self.batch, WG);
        Ok(Lowered::one(d.input("clock", 0).output("index", 0).output("rows", 1)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for SelectRows {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let clock = io.x_u32(0);
        let first = self.first(clock);
        let n = self.n as u32;
        parallel::chunks(io.y_u32(0), |start, index| {
            for (i, index) in index.iter_mut().enumerate() {
                let p = (first + start + i).min(self.n) as u32;
                *index = match self.order {
                    Order::Shuffled if p < n => permute(p, n, clock[clock::SEED], clock[clock::EPOCH]),
                    Order::Window(w) if p < n => p % (w * self.batch).min(u32::MAX as usize) as u32,
                    _ => p,
                };
            }
        });
        io.y_u32(1)[0] = self.batch.min(self.n - first) as u32;
    }
}

/// Full and short batches, in order and shuffled, and clocks beyond the data.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, batch: usize, order: Order, clock: [u32; 4]| {
        let x = (clock::spec(), Fill::Indices(clock.to_vec()));
        Case::new(format!("select_rows/{name}"), vec![x], move |g, x| {
            let (index, rows) = g.select_rows(x[0], n, batch, order)?;
            Ok(vec![index, rows])
        })
        .no_gradient()
    };
    let mut cases = vec![
        case("in_order", 1000, 64, Order::Same, [3, 3, 0, 7]),
        case("in_order_short", 1000, 64, Order::Same, [15, 15, 0, 7]),
        case("one_row", 1, 1, Order::Shuffled, [0, 0, 0, 7]),
        case("one_row_big_batch", 1, 65, Order::Shuffled, [9, 0, 9, 7]),
        case("beyond_the_data", 100, 10, Order::Shuffled, [0, 10, 0, 7]),
        case("far_beyond_the_data", 100, 16, Order::Shuffled, [0, u32::MAX, 0, 7]),
        case("huge", u32::MAX as usize - 65, 65, Order::Shuffled, [1, 66_076_418, 3, 7]),
        case("window_first", 1000, 64, Order::Window(3), [2, 2, 0, 7]),
        case("window_later", 1000, 63, Order::Window(4), [9, 9, 1, 7]),
        case("window_short", 1000, 64, Order::Window(2), [15, 15, 0, 7]),
        case("window_beyond", 1000, 64, Order::Window(5), [16, 16, 0, 7]),
        case("window_of_all", 100, 10, Order::Window(10), [9, 9, 0, 7]),
        case("grid_overflow", 65_536 * 64 + 3, 65_536 * 64 + 1, Order::Same, [0, 0, 0, 0]),
    ];
    for (n, batch, at) in [(1009, 63, 0), (1009, 65, 15), (60_000, 128, 200), (64, 64, 0), (65, 64, 1)] {
        for (seed, epoch) in [(0, 0), (u32::MAX, 41)] {
            let name = format!("shuffled_{n}_by_{batch}_epoch_{epoch}");
            cases.push(case(&name, n, batch, Order::Shuffled, [at, at, epoch, seed]));
        }
    }
    cases
}
