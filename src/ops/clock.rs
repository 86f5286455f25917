//! The clock of training: `[step, batch, epoch, seed]`, u32, in a buffer of its
//! own, so that a step is a pure function of state on the device.
//!
//! `tick` ends a step: `step += 1; batch += 1;` and after the last batch
//! `batch = 0; epoch += 1`. Everything else in the step reads the clock as it
//! was before. No gradient.

use super::state;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{Real, Spec};

static SHADER: Shader = shader!("clock");

/// Where the clock holds the number of steps done since training began.
pub const STEP: usize = 0;
/// Where the clock holds the batch's number within the epoch.
pub const BATCH: usize = 1;
/// Where the clock holds the epoch.
pub const EPOCH: usize = 2;
/// Where the clock holds the seed of shuffling, dropout and augmentation.
pub const SEED: usize = 3;

/// Shape and type of a clock.
pub fn spec() -> Spec {
    Spec::u32([4])
}

/// Moves a clock on by one step.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    /// Batches per epoch.
    pub n_batches: usize,
}

impl Graph {
    /// Moves the clock on by one step of an epoch of `n_batches`. The last node
    /// of a training step.
    pub fn tick(&mut self, clock: TensorId, n_batches: usize) -> Result<()> {
        self.push_with(Tick { n_batches }, &[], &[clock]).map(drop)
    }
}

impl Op for Tick {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        state::expect("clock", &cx.updates[0], &spec())?;
        if self.n_batches == 0 || u32::try_from(self.n_batches).is_err() {
            return Err(Error::model(format!("an epoch of {} batches; expected 1 to {}", self.n_batches, u32::MAX)));
        }
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, _cx: &Lower) -> Result<Lowered> {
        let d = Kernel::new(&SHADER, "tick").set("BATCHES", self.n_batches).dispatch([1, 1, 1]);
        Ok(Lowered::one(d.update("clock", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for Tick {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let clock = &mut *io.updates[0].index;
        clock[STEP] = clock[STEP].wrapping_add(1);
        clock[BATCH] = clock[BATCH].wrapping_add(1);
        if clock[BATCH] >= self.n_batches as u32 {
            clock[BATCH] = 0;
            clock[EPOCH] = clock[EPOCH].wrapping_add(1);
        }
    }
}

/// Inside an epoch, at its end, and with a counter at its own.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, n_batches: usize, clock: [u32; 4]| {
        let x = (spec(), Fill::Indices(clock.to_vec()));
        Case::new(format!("clock/{name}"), vec![x], move |g, x| {
            g.tick(x[0], n_batches)?;
            Ok(vec![x[0]])
        })
        .no_gradient()
    };
    vec![
        case("first", 10, [0, 0, 0, 7]),
        case("middle", 10, [13, 3, 1, 7]),
        case("last_batch", 10, [19, 9, 1, 7]),
        case("one_batch", 1, [5, 0, 5, 0]),
        case("beyond_the_epoch", 3, [100, 7, 2, u32::MAX]),
        case("wraps", u32::MAX as usize, [u32::MAX, u32::MAX - 1, u32::MAX, 1]),
        Case::new("clock/twice", vec![(spec(), Fill::Indices(vec![3, 1, 1, 9]))], |g, x| {
            g.tick(x[0], 2)?;
            g.tick(x[0], 2)?;
            Ok(vec![x[0]])
        })
        .no_gradient(),
    ]
}
