//! Rows of updates, merged into the rows of a tensor that an index names:
//! `y[r] = x[r]` merged with `updates[b]` for all `b` with `index[b] = r`, in the
//! order of `b`. Where the updates replace, the last of a row stays.
//!
//! Shapes: `x [n, ..]`, `index u32 [B]`, `updates [B, ..]`, `y [n, ..]`. An index
//! of `n` or more is ignored.
//!
//! Gradients, with `u` an update of row `r`:
//! replace: `d_x = d_y` in rows without updates, else 0; `d_u = d_y[r]` for the
//! last update of a row, else 0. Add: `d_x = d_y`, `d_u = d_y[r]`. Multiply: `d_y`
//! times the product of the other factors, as for `Fold::Prod`. Maximum, minimum:
//! the elements that tie for it share `d_y` evenly.
//!
//! On a GPU each row finds its first and last update, and each element then walks
//! from one to the other: no atomics, a fixed order.

use super::expect::expect_type;
use super::state;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId, with_gradients};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, HostTensor, Real, Spec};

static SHADER: Shader = shader!("scatter_rows");

/// Invocations per workgroup.
const WG: usize = 64;

/// Updates that one invocation walks at most.
const MOST: usize = 32_768;

/// How an update is merged into its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scatter {
    /// It takes the row's place; the last one stays.
    Replace,
    /// It is added.
    Add,
    /// It is multiplied with the row.
    Mul,
    /// The larger stays; NaN wins.
    Max,
    /// The smaller stays; NaN wins.
    Min,
}

/// Merges updates into rows.
#[derive(Debug, Clone, Copy)]
pub struct ScatterRows {
    /// How.
    pub mode: Scatter,
}

impl Graph {
    /// `x` `[n, ..]` with the rows `updates` `[B, ..]` merged in order into the
    /// rows that `index`, u32 `[B]`, names; an index of `n` or more is ignored.
    pub fn scatter_rows(&mut self, x: TensorId, index: TensorId, updates: TensorId, mode: Scatter) -> Result<TensorId> {
        self.push1(ScatterRows { mode }, &[x, index, updates])
    }
}

impl ScatterRows {
    /// The gradients of `x` and of the updates where these replace.
    fn replaced(g: &mut Graph, at: &Backward) -> Result<[Option<TensorId>; 2]> {
        let (index, d_y) = (at.inputs[1], at.d_y());
        let updates = g.spec(at.inputs[2]).shape.clone();
        let mut sides = [None, None];
        if at.needs[0] {
            let zero = g.constant(HostTensor::f32([], vec![0.0]));
            let zeros = g.expand(zero, updates.clone())?;
            sides[0] = Some(g.scatter_rows(d_y, index, zeros, Scatter::Replace)?);
        }
        if at.needs[2] {
            // Each row remembers the number of its last update, counted from 1.
            let (n, batch) = (g.shape(d_y)[0], updates[0]);
            if batch >= 1 << 24 {
                return Err(Error::model(format!(
                    "{batch} updates; those that replace rows have a gradient below 2^24"
                )));
            }
            let numbers = g.constant(HostTensor::f32([batch], (1..=batch).map(|b| b as f32).collect()));
            let none = g.constant(HostTensor::f32([n], vec![0.0; n]));
            let owners = g.scatter_rows(none, index, numbers, Scatter::Replace)?;
            let owner = g.gather_rows(owners, index)?;
            let last = g.equal(owner, numbers)?;
            let ones = (0..updates.rank()).map(|k| if k == 0 { batch } else { 1 }).collect::<Vec<_>>();
            let last = g.reshape(last, ones)?;
            let rows = g.gather_rows(d_y, index)?;
            sides[1] = Some(g.mul(rows, last)?);
        }
        Ok(sides)
    }

    /// The same where they are factors.
    fn multiplied(g: &mut Graph, at: &Backward) -> Result<[Option<TensorId>; 2]> {
        let (x, index, updates, d_y) = (at.inputs[0], at.inputs[1], at.inputs[2], at.d_y());
        let mut sides = [None, None];
        if at.needs[0] {
            sides[0] = Some(g.scatter_rows(d_y, index, updates, Scatter::Mul)?);
        }
        if at.needs[2] {
            let (no_x, no_update) = (g.not(x)?, g.not(updates)?);
            let (filled_x, filled) = (g.add(x, no_x)?, g.add(updates, no_update)?);
            let zeros = g.scatter_rows(no_x, index, no_update, Scatter::Add)?;
            let product = g.scatter_rows(filled_x, index, filled, Scatter::Mul)?;
            let share = g.mul(d_y, product)?;
            let (zeros, share) = (g.gather_rows(zeros, index)?, g.gather_rows(share, index)?);
            let others = g.sub(zeros, no_update)?;
            let alone = g.not(others)?;
            let share = g.div(share, filled)?;
            let zero = g.constant(HostTensor::f32([], vec![0.0]));
            sides[1] = Some(g.select(alone, share, zero)?);
        }
        Ok(sides)
    }

    /// The same where one of all stays.
    fn picked(g: &mut Graph, at: &Backward) -> Result<[Option<TensorId>; 2]> {
        let (x, index, updates) = (at.inputs[0], at.inputs[1], at.inputs[2]);
        let y = at.outputs[0];
        let tied_x = g.equal(x, y)?;
        let rows = g.gather_rows(y, index)?;
        let tied = g.equal(updates, rows)?;
        let count = g.scatter_rows(tied_x, index, tied, Scatter::Add)?;
        let share = g.div(at.d_y(), count)?;
        let d_x = if at.needs[0] { Some(g.mul(tied_x, share)?) } else { None };
        if !at.needs[2] {
            return Ok([d_x, None]);
        }
        let share = g.gather_rows(share, index)?;
        Ok([d_x, Some(g.mul(tied, share)?)])
    }
}

impl Op for ScatterRows {
    fn name(&self) -> &'static str {
        "scatter_rows"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "x", DType::F32)?;
        expect_type(cx, 2, "updates", DType::F32)?;
        let (x, updates) = (cx.shape(0), cx.shape(2));
        if x.rank() == 0 || x.elements() == 0 {
            return Err(Error::model(format!("x has shape {x}; expected rows of at least one element")));
        }
        let batch = state::expect_list("index", &cx.inputs[1], DType::U32)?;
        if updates.first() != Some(&batch) || updates[1..] != x[1..] {
            let expected: Vec<usize> = [batch].into_iter().chain(x[1..].iter().copied()).collect();
            return Err(Error::model(format!(
                "updates has shape {updates}; expected {expected:?} for {batch} rows of x, which has shape {x}"
            )));
        }
        Ok(vec![Spec::f32(x.clone())])
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        let [d_x, d_updates] = match self.mode {
            Scatter::Replace => ScatterRows::replaced(g, at)?,
            Scatter::Add => [Some(at.d_y()), Some(g.gather_rows(at.d_y(), at.inputs[1])?)],
            Scatter::Mul => ScatterRows::multiplied(g, at)?,
            Scatter::Max | Scatter::Min => ScatterRows::picked(g, at)?,
        };
        Ok(vec![d_x, None, d_updates])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let (x, batch) = (&cx.inputs[0].shape, cx.inputs[1].elements());
        let (n, row) = (x[0], x[1..].iter().product::<usize>());
        let kernel = |entry, start: usize, end: usize| {
            Kernel::new(&SHADER, entry).set("N", n).set("START", start).set("END", end)
        };
        let ranges = |most: usize| (0..batch).step_by(most).map(move |start| (start, batch.min(start + most)));
        let find = ranges(MOST)
            .map(|(start, end)| kernel("find", start, end).dispatch_1d(n, WG).input("index", 1).scratch("found", 0));
        // The last of a row is known, and not looked for.
        let merge = ranges(if self.mode == Scatter::Replace { batch } else { MOST }).map(|(start, end)| {
            let k = kernel("merge", start, end).set("ROW", row).set("MODE", self.mode as usize);
            let d = k.dispatch_1d(n * row, WG).input("x", 0).input("index", 1).input("updates", 2);
            d.scratch("spans", 0).output("y", 0)
        });
        let dispatches = find.chain(merge).collect();
        Ok(Lowered { scratch: vec![Spec::u32([2 * n])], dispatches })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.inputs[2].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for ScatterRows {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, index, updates) = (io.x(0), io.x_u32(1), io.x(2));
        let row = updates.len() / index.len();
        let y = io.y(0);
        y.copy_from_slice(x);
        let merged: fn(T, T) -> T = match self.mode {
            Scatter::Replace => |_, b| b,
            Scatter::Add => |a, b| a + b,
            Scatter::Mul => |a, b| a * b,
            Scatter::Max => |a, b| if b > a || b.is_nan() { b } else { a },
            Scatter::Min => |a, b| if b < a || b.is_nan() { b } else { a },
        };
        for (&r, update) in index.iter().zip(updates.chunks(row)) {
            let start = (r as usize).saturating_mul(row);
            if let Some(y) = y.get_mut(start..start.saturating_add(row)) {
                y.iter_mut().zip(update).for_each(|(y, &u)| *y = merged(*y, u));
            }
        }
    }
}

/// Every mode, rows that are named often, once and never, and indices beyond.
pub fn cases() -> Vec<Case> {
    let case = |name: String, mode: Scatter, x: &[usize], index: Fill, batch: usize, fill: &Fill| {
        let updates: Vec<usize> = [batch].into_iter().chain(x[1..].iter().copied()).collect();
        let inputs =
            vec![(Spec::f32(x), fill.clone()), (Spec::u32([batch]), index), (Spec::f32(updates), fill.clone())];
        Case::new(format!("scatter_rows/{name}"), inputs, move |g, x| Ok(vec![g.scatter_rows(x[0], x[1], x[2], mode)?]))
            .reduction(batch.min(64))
            .extra(4.0, "WGSL allows division 2.5 ulp")
    };
    let mut cases = vec![];
    for mode in [Scatter::Replace, Scatter::Add, Scatter::Mul, Scatter::Max, Scatter::Min] {
        let named = |what: &str| format!("{}_{what}", format!("{mode:?}").to_lowercase());
        let fill = match mode {
            Scatter::Mul => Fill::Uniform(0.5, 2.0),
            _ => Fill::Distinct(0.01),
        };
        cases.push(case(named("rows"), mode, &[31, 13], Fill::Below(33), 63, &fill));
        cases.push(case(named("single"), mode, &[5], Fill::Indices(vec![4, 0, 4, 9, u32::MAX, 4, 1]), 7, &fill));
        cases.push(case(named("rank3"), mode, &[7, 2, 3], Fill::Indices(vec![2, 2, 6]), 3, &fill));
        cases.push(case(named("one"), mode, &[1], Fill::Indices(vec![0]), 1, &fill));
        cases.push(case(named("wg+1"), mode, &[65, 1], Fill::Below(65), 64, &fill));
    }
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    for (name, mode) in [("max", Scatter::Max), ("min", Scatter::Min), ("replace", Scatter::Replace)] {
        let x = Fill::Values(vec![1.0, nan, -0.0, 3.0]);
        let updates = Fill::Values(vec![1.0, 2.0, 0.0, nan, inf, 3.0, -inf, 1.0]);
        let index = Fill::Indices(vec![0, 1, 2, 3, 3, 3, 2, 0]);
        let inputs = vec![(Spec::f32([4]), x), (Spec::u32([8]), index), (Spec::f32([8]), updates)];
        let edges = Case::new(format!("scatter_rows/{name}_edges"), inputs, move |g, x| {
            Ok(vec![g.scatter_rows(x[0], x[1], x[2], mode)?])
        });
        cases.push(edges.no_gradient());
    }
    for (name, mode) in [("max", Scatter::Max), ("min", Scatter::Min)] {
        let x = Fill::Values(vec![1.0, 2.0, -1.0]);
        let updates = Fill::Values(vec![1.0, 2.0, 2.0, -1.0, 0.0, 0.0]);
        let inputs = vec![
            (Spec::f32([3]), x),
            (Spec::u32([6]), Fill::Indices(vec![0, 1, 1, 2, 2, 9])),
            (Spec::f32([6]), updates),
        ];
        let ties = Case::new(format!("scatter_rows/{name}_ties"), inputs, move |g, x| {
            let y = g.scatter_rows(x[0], x[1], x[2], mode)?;
            with_gradients(g, y, &[x[0], x[2]])
        });
        cases.push(ties.no_gradient().extra(4.0, "WGSL allows division 2.5 ulp"));
    }
    let zeros = vec![0.0, 2.0, 0.0, -3.0, 0.5, 0.0, 0.0];
    cases.push(case(
        "mul_zeros".into(),
        Scatter::Mul,
        &[7],
        Fill::Indices(vec![0, 1, 1, 2, 3, 3, 3]),
        7,
        &Fill::Values(zeros),
    ));
    // More updates than an invocation walks.
    for (name, mode) in [("add", Scatter::Add), ("replace", Scatter::Replace)] {
        let batch = 2 * MOST + 5;
        let large = case(format!("{name}_beyond_a_walk"), mode, &[300], Fill::Below(301), batch, &Fill::Normal(1.0));
        cases.push(large.no_gradient().reduction(400));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_that_do_not_fit_are_named() {
        let mut g = Graph::new();
        let (x, index) = (g.input("x", Spec::f32([5, 3])), g.input("index", Spec::u32([2])));
        let updates = g.input("updates", Spec::f32([2, 4]));
        let message = g.scatter_rows(x, index, updates, Scatter::Add).expect_err("3 and 4").to_string();
        assert!(message.contains("updates has shape [2, 4]; expected [2, 3]"), "{message}");
        let scalar = g.input("scalar", Spec::f32([]));
        assert!(g.scatter_rows(x, index, scalar, Scatter::Add).is_err());
        assert!(g.scatter_rows(scalar, index, updates, Scatter::Add).is_err());
    }
}
