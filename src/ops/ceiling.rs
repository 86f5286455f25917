//! What a device can do at most: `copy`, which only moves memory, and
//! `multiply_add_chains`, which only multiplies and adds. They train nothing;
//! profiles measure them, to say how near every other kernel comes.
//!
//! Shapes: `x, y f32 [N]`, `N` a multiple of 4 for the copy. No gradient.
//! A chain is a vector of four, `a = a / 2 + x` in every turn; chain `k` begins
//! with `x (4k, 4k + 1, 4k + 2, 4k + 3)`, and `y` is the sum of all.
//!
//! Source: the roofline of Williams, Waterman and Patterson, CACM 52(4), 2009.

use super::state;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec, parallel};

static SHADER: Shader = shader!("ceiling");

/// Invocations per workgroup: four subgroups of the widest kind.
const WG: usize = 256;
/// Turns that a loop may have on every driver.
pub const MOST_TURNS: usize = 32_768;

/// `y = x`.
#[derive(Debug, Clone, Copy)]
struct Copy;

/// Multiplications that are each followed by an addition, and nothing else.
#[derive(Debug, Clone, Copy)]
struct Chains {
    turns: usize,
    many: bool,
}

impl Chains {
    fn count(&self) -> usize {
        if self.many { 8 } else { 3 }
    }
}

impl Graph {
    /// A copy of `x`, four elements at a time and nothing else.
    pub fn copy_quads(&mut self, x: TensorId) -> Result<TensorId> {
        self.push1(Copy, &[x])
    }

    /// Three chains of multiply-adds per element of `x`, or eight if `many`.
    pub fn multiply_add_chains(&mut self, x: TensorId, turns: usize, many: bool) -> Result<TensorId> {
        self.push1(Chains { turns, many }, &[x])
    }
}

impl Op for Copy {
    fn name(&self) -> &'static str {
        "ceiling"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let [n] = cx.dims(0, "x")?;
        match n.is_multiple_of(4) {
            true => Ok(vec![Spec::f32([n])]),
            false => Err(Error::model(format!("x has {n} elements; expected a multiple of 4"))),
        }
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let quads = cx.inputs[0].elements() / 4;
        let k = Kernel::new(&SHADER, "copy").set("QUADS", quads);
        Ok(Lowered::one(k.dispatch_1d(quads, WG).input("x4", 0).output("y4", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for Copy {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let x = io.x(0);
        parallel::chunks(io.y(0), |start, y| y.copy_from_slice(&x[start..][..y.len()]));
    }
}

impl Op for Chains {
    fn name(&self) -> &'static str {
        "ceiling"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let [n] = cx.dims(0, "x")?;
        match self.turns <= MOST_TURNS {
            true => Ok(vec![Spec::f32([n])]),
            false => Err(Error::model(format!("{} turns; expected at most {MOST_TURNS}", self.turns))),
        }
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let n = cx.inputs[0].elements();
        let k = Kernel::new(&SHADER, "chains").set("N", n).set("TURNS", self.turns).flag("MANY", self.many);
        Ok(Lowered::one(k.dispatch_1d(n, WG).input("x", 0).output("y", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        let each = 2 * 4 * self.count() * self.turns;
        Cost { flops: (cx.inputs[0].elements() * each) as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Chains {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, turns, count) = (io.x(0), self.turns, 4 * self.count());
        parallel::chunks(io.y(0), |start, y| {
            for (y, &x) in y.iter_mut().zip(&x[start..]) {
                let mut a: [T; 32] = std::array::from_fn(|k| x * T::of(k as f64));
                for _ in 0..turns {
                    a[..count].iter_mut().for_each(|a| *a = *a * T::of(0.5) + x);
                }
                *y = a[..count].iter().fold(T::ZERO, |sum, &a| sum + a);
            }
        });
    }
}

/// One element and many, short and long chains, a grid of two dimensions.
pub fn cases() -> Vec<Case> {
    let copy = |name: &str, n: usize| {
        let build = |g: &mut Graph, x: &[TensorId]| Ok(vec![g.copy_quads(x[0])?]);
        Case::new(format!("ceiling/copy_{name}"), vec![(Spec::f32([n]), Fill::Normal(1.0))], build).no_gradient()
    };
    let chains = |name: &str, n: usize, turns: usize, many: bool| {
        let build = move |g: &mut Graph, x: &[TensorId]| Ok(vec![g.multiply_add_chains(x[0], turns, many)?]);
        Case::new(format!("ceiling/chains_{name}"), vec![(Spec::f32([n]), Fill::Normal(1.0))], build)
            .no_gradient()
            .reduction(32)
    };
    vec![
        copy("quad", 4),
        copy("beyond_a_group", 4 * (WG + 1)),
        copy("prime", 4 * 997),
        chains("one", 1, 0, true),
        chains("few", WG + 1, 7, false),
        chains("many", WG - 1, 7, true),
        chains("long", 65, 300, true),
        chains("grid_of_two_dimensions", 65_536 * WG + 1, 1, false),
    ]
}
