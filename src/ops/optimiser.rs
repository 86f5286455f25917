//! What the optimisers share. One dispatch updates the whole model: parameters,
//! gradients and moments are flat buffers, alike in layout, and `groups` holds
//! a factor of the learning rate and one of the weight decay for every 64
//! elements of them.
//!
//! A group whose learning-rate factor is zero is frozen: its parameters keep
//! their bits whatever the gradient is; its moments move on, as PyTorch's do in
//! a parameter group with `lr = 0`.
//!
//! Where the formulas of the optimisers let a number decay, it ends at zero
//! (`flush`): moments and weights below 1e-30, averages of squares below 1e-36,
//! and gradients below 1e-17 whose squares are averaged.
//!
//! In place of the clock an optimiser takes the output of `pace`, `u32 [2]`:
//! updates done, and whether this batch completes one. If it does not, nothing
//! is written: gradients are being accumulated. Likewise where the scale is no finite
//! number: the update is left out (`guard`).

use super::state::{expect, expect_list};
use super::{clock, pace};
use crate::error::{Error, Result};
use crate::graph::{Case, FLAT_ALIGN, Fill, Graph, Infer, Io, Lower, TensorId};
use crate::kernel::{Caps, Class, Dispatch, Kernel};
use crate::tensor::{DType, Real, Spec, parallel};
use rayon::prelude::*;

/// Elements per entry of `groups`: flat buffers align every parameter to this
/// many, so that no entry spans two of them.
pub(super) const GROUP: usize = FLAT_ALIGN;

/// Checks the length of a flat buffer of parameters or gradients.
pub(super) fn expect_flat(name: &str, found: &Spec) -> Result<usize> {
    let n = expect_list(name, found, DType::F32)?;
    if n.is_multiple_of(GROUP) {
        return Ok(n);
    }
    Err(Error::model(format!("{name} has {n} elements; expected a multiple of {GROUP}, as flat buffers have")))
}

/// Checks that an attribute is finite and within `[low, high)`.
pub(super) fn expect_within(name: &str, found: f64, low: f64, high: f64) -> Result<()> {
    if (low..high).contains(&found) && found.is_finite() {
        return Ok(());
    }
    Err(Error::model(match high.is_finite() {
        true => format!("{name} is {found}; expected at least {low} and less than {high}"),
        false => format!("{name} is {found}; expected a number of at least {low}"),
    }))
}

/// Checks the number added to a denominator.
pub(super) fn expect_eps(eps: f64) -> Result<()> {
    expect_within("eps", eps, 0.0, f64::INFINITY)?;
    if eps == 0.0 || eps >= f64::from(f32::MIN_POSITIVE) {
        return Ok(());
    }
    Err(Error::model(format!("eps is {eps}; f32 holds no number that small but 0")))
}

/// A momentum buffer must be given exactly when there is momentum.
pub(super) fn expect_momentum(momentum: f64, buffer: Option<TensorId>) -> Result<()> {
    match (momentum > 0.0, buffer) {
        (true, None) => Err(Error::model(format!("momentum is {momentum} and no momentum buffer was given"))),
        (false, Some(_)) => Err(Error::model("a momentum buffer was given and momentum is 0")),
        _ => Ok(()),
    }
}

/// What every optimiser reads, in the order of its inputs.
pub(super) struct Inputs {
    /// Gradients, f32 `[P]`.
    pub grads: TensorId,
    /// The clock, or the pace; its step picks the learning rate.
    pub clock: TensorId,
    /// Learning rate per step, f32 `[S]`.
    pub schedule: TensorId,
    /// The clip coefficient, f32 `[]`.
    pub scale: TensorId,
    /// Factors of learning rate and weight decay, f32 `[P / 64, 2]`.
    pub groups: TensorId,
}

impl Inputs {
    /// As the list of a node's inputs.
    pub fn list(&self) -> [TensorId; 5] {
        [self.grads, self.clock, self.schedule, self.scale, self.groups]
    }
}

/// Checks that an optimiser's state tensors are all different.
pub(super) fn expect_distinct(g: &Graph, updates: &[TensorId]) -> Result<()> {
    for (i, &a) in updates.iter().enumerate() {
        if updates[..i].iter().any(|&b| g.root(a).0 == g.root(b).0) {
            let label = &g.tensors()[a.index()].label;
            return Err(Error::model(format!("\"{label}\" is given twice as state; each needs a buffer of its own")));
        }
    }
    Ok(())
}

/// Checks the tensor that counts updates: a clock, or a pace.
pub(super) fn expect_clock(found: &Spec) -> Result<()> {
    if is_pace(found) { Ok(()) } else { expect("clock", found, &clock::spec()) }
}

/// Whether that tensor is a pace, which also says when to wait.
fn is_pace(clock: &Spec) -> bool {
    *clock == pace::spec()
}

/// Whether the input `clock` of an op says that nothing is to be written now.
pub(super) fn waits<T: Real>(io: &Io<T>, clock: usize) -> bool {
    is_pace(io.inputs[clock].spec) && io.x_u32(clock)[pace::DUE] == 0
}

/// The shape rule of the optimisers: [`Inputs`] and flat buffers alike.
pub(super) fn infer(cx: &Infer, state: &[&str]) -> Result<Vec<Spec>> {
    let n = expect_flat("grads", &cx.inputs[0])?;
    expect_clock(&cx.inputs[1])?;
    expect_list("schedule", &cx.inputs[2], DType::F32)?;
    expect("scale", &cx.inputs[3], &Spec::f32([]))?;
    expect("groups", &cx.inputs[4], &Spec::f32([n / GROUP, 2]))?;
    for (name, found) in state.iter().zip(&cx.updates) {
        expect(name, found, &Spec::f32([n]))?;
    }
    Ok(vec![])
}

/// A pass over a flat buffer, gated by a `clock` if one is given: four elements per
/// invocation and turn, as many invocations as fill the device, which then walk
/// on with a stride.
pub(super) fn pass(kernel: Kernel, elements: usize, clock: Option<&Spec>, caps: &Caps) -> Dispatch {
    let (wg, enough) = match caps.class {
        Class::Cpu => (64, 8 * 1024),
        _ => (256, 256 * 1024),
    };
    let quads = elements / 4;
    let groups = quads.min(enough).div_ceil(wg);
    let kernel = kernel.set("WG", wg).set("QUADS", quads).set("STRIDE", groups * wg);
    let kernel = match clock {
        Some(clock) => kernel.flag("GATED", is_pace(clock)),
        None => kernel,
    };
    kernel.dispatch([groups as u32, 1, 1])
}

/// The dispatch of an optimiser.
pub(super) fn dispatch(kernel: Kernel, cx: &Lower) -> Dispatch {
    let kernel = kernel.constant("QUADS_PER_GROUP", GROUP / 4).set("STEPS", cx.inputs[2].elements());
    let d = pass(kernel, cx.inputs[0].elements(), Some(&cx.inputs[1]), &cx.caps);
    d.input("grads4", 0).input("clock", 1).input("schedule", 2).input("scale", 3).input("groups", 4)
}

/// What one entry of `groups` makes of learning rate and weight decay.
#[derive(Clone, Copy)]
pub(super) struct Rates<T> {
    /// The step's learning rate times the group's factor.
    pub lr: T,
    /// The optimiser's weight decay times the group's factor.
    pub decay: T,
}

/// The learning rate of the clock's step, and the weight decay, before any
/// factor.
pub(super) fn rates<T: Real>(io: &Io<T>, weight_decay: f64) -> Rates<T> {
    let schedule = io.x(2);
    let step = io.x_u32(1)[clock::STEP] as usize;
    Rates { lr: schedule[step.min(schedule.len() - 1)], decay: T::of(weight_decay) }
}

/// The optimisers' loop on the CPU: calls `f(gradients, [parameters, state ..],
/// rates)` for each group of 64 elements, in parallel. The gradients are not
/// yet clipped. When the pace says to wait, nothing happens.
pub(super) fn walk<T: Real, const N: usize>(
    io: &mut Io<T>,
    rates: Rates<T>,
    f: impl Fn(&[T; GROUP], [&mut [T; GROUP]; N], Rates<T>) + Sync,
) {
    if waits(io, 1) || !io.x(3)[0].is_finite() {
        return;
    }
    let (grads, groups) = (io.x(0), io.x(4));
    let mut updates = io.updates.iter_mut();
    let mut parts: [_; N] =
        std::array::from_fn(|_| updates.next().expect("as many as N").real.chunks_mut(parallel::CHUNK));
    let mut tasks = vec![];
    for start in (0..grads.len()).step_by(parallel::CHUNK) {
        tasks.push((start, parts.each_mut().map(|p| p.next().expect("flat buffers are alike"))));
    }
    let run = |(start, parts): (usize, [&mut [T]; N])| {
        let grads = grads[start..start + parts[0].len()].as_chunks::<GROUP>().0;
        let factors = groups[start / GROUP * 2..].as_chunks::<2>().0;
        let mut parts = parts.map(|p| p.as_chunks_mut::<GROUP>().0.iter_mut());
        for (grads, factor) in grads.iter().zip(factors) {
            let mut slots = parts.each_mut().map(|p| p.next().expect("flat buffers are alike"));
            let mut aside = *slots[0];
            if factor[0] == T::ZERO {
                slots[0] = &mut aside;
            }
            f(grads, slots, Rates { lr: rates.lr * factor[0], decay: rates.decay * factor[1] });
        }
    };
    match tasks.len() {
        0..=4 => tasks.into_iter().for_each(run),
        _ => tasks.into_par_iter().for_each(run),
    }
}

/// A case of `n` elements at a reading of the clock or the pace; `state` fills
/// the buffers written in place, parameters first. Learning rates and decays
/// are large, so that a wrong update is far outside the tolerance of the
/// parameters.
pub(super) fn case(
    name: String,
    (n, clock): (usize, &[u32]),
    state: Vec<Fill>,
    build: impl Fn(&mut Graph, Inputs, &[TensorId]) -> Result<()> + Send + Sync + 'static,
) -> Case {
    let name = match clock {
        [step, due] => format!("{name}_{n}_update_{step}_{}", if *due == 0 { "waits" } else { "is_due" }),
        _ => format!("{name}_{n}_step_{}", clock[clock::STEP]),
    };
    // Frozen, plain, and in-between groups.
    let factors = [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.5, 2.0];
    let groups = factors.iter().copied().cycle().take(n / GROUP * 2).collect();
    let n_state = state.len();
    let mut inputs: Vec<(Spec, Fill)> = state.into_iter().map(|fill| (Spec::f32([n]), fill)).collect();
    inputs.extend([
        (Spec::f32([n]), Fill::Normal(1.0)),
        (Spec::u32([clock.len()]), Fill::Indices(clock.to_vec())),
        (Spec::f32([3]), Fill::Values(vec![0.5, 0.2, 0.3])),
        (Spec::f32([]), Fill::Values(vec![0.7])),
        (Spec::f32([n / GROUP, 2]), Fill::Values(groups)),
    ]);
    Case::new(name, inputs, move |g, x| {
        let (updates, read) = x.split_at(n_state);
        let [grads, clock, schedule, scale, groups] = read else { unreachable!("five are declared") };
        let (grads, clock, schedule) = (*grads, *clock, *schedule);
        build(g, Inputs { grads, clock, schedule, scale: *scale, groups: *groups }, updates)?;
        Ok(updates.to_vec())
    })
    .no_gradient()
}

/// Numbers around a bound of `flush`, on both sides of zero and down to the
/// subnormal ones.
pub(super) fn fading(bound: f32) -> Fill {
    let sizes = [0.0, 1e-45, 1e-40, 1e-38, 0.3 * bound, 0.7 * bound, 2.0 * bound, 3.0 * bound];
    Fill::Values((0..GROUP).map(|i| sizes[i % 8] * if i % 16 < 8 { 1.0 } else { -1.0 }).collect())
}

/// The same in another order: those below the bound meet those above it.
pub(super) fn fading_apart(bound: f32) -> Fill {
    let Fill::Values(mut values) = fading(bound) else { unreachable!("these are values") };
    values.rotate_left(6);
    Fill::Values(values)
}

/// The same without signs, for squares.
pub(super) fn fading_squares(bound: f32) -> Fill {
    let Fill::Values(values) = fading(bound) else { unreachable!("these are values") };
    Fill::Values(values.into_iter().map(f32::abs).collect())
}

/// Zeros for one group.
pub(super) fn zeros() -> Fill {
    Fill::Values(vec![0.0; GROUP])
}

/// A case of one group of state that fades: `state` and gradients are small, the
/// learning rate is not.
pub(super) fn fading_case(
    name: String,
    state: Vec<Fill>,
    grads: Fill,
    build: impl Fn(&mut Graph, Inputs, &[TensorId]) -> Result<()> + Send + Sync + 'static,
) -> Case {
    let mut case = case(name, (GROUP, &[1000, 0, 0, 7]), state, build);
    let read = case.inputs.len() - 5;
    case.inputs[read].1 = grads;
    case
}

/// A case of an update that is left out: nothing is written, whatever the gradients are.
pub(super) fn left_out_case(
    name: String,
    state: Vec<Fill>,
    build: impl Fn(&mut Graph, Inputs, &[TensorId]) -> Result<()> + Send + Sync + 'static,
) -> Case {
    let mut case = case(name, (3 * GROUP, &[1000, 0, 0, 7]), state, build);
    let read = case.inputs.len() - 5;
    case.inputs[read].1 = Fill::Values(vec![f32::NAN; 3 * GROUP]);
    case.inputs[read + 3].1 = Fill::Values(vec![f32::NAN]);
    case
}

/// Sizes and clocks that every optimiser is tested at: one group, one
/// workgroup and one more, more than one turn of the loop; the first step, and
/// steps far beyond the schedule; a pace that is due, and one that is not.
pub(super) const SIZES: [(usize, &[u32]); 7] = [
    (GROUP, &[0, 0, 0, 7]),
    (2 * GROUP, &[1, 0, 0, 7]),
    (1025 * GROUP, &[1000, 0, 0, 7]),
    (GROUP, &[1_000_000, 0, 0, 7]),
    (16_500 * GROUP, &[2, 0, 0, 7]),
    (9 * GROUP, &[1, 1]),
    (9 * GROUP, &[1, 0]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Init;
    use crate::ops::adam::Adam;
    use crate::ops::sgd::Sgd;

    #[test]
    fn bad_arguments_are_refused_by_name() {
        let mut g = Graph::new();
        let mut flat = |name: &str, n: usize| g.persistent(name, Spec::f32([n]), Init::Zeros);
        let (params, grads, m, v, short) = (flat("p", 64), flat("g", 64), flat("m", 64), flat("v", 64), flat("s", 63));
        let schedule = flat("schedule", 1);
        let clock = g.input("clock", clock::spec());
        let scale = g.input("scale", Spec::f32([]));
        let groups = g.input("groups", Spec::f32([1, 2]));
        let mut adam = |m, grads, settings| {
            let made = g.adam(params, grads, m, v, clock, schedule, scale, groups, settings);
            made.map_err(|e| e.to_string()).err().unwrap_or_default()
        };
        assert_eq!(adam(m, grads, Adam::default()), "");
        assert!(adam(v, grads, Adam::default()).contains("\"v\" is given twice"));
        assert!(adam(m, short, Adam::default()).contains("grads has 63 elements; expected a multiple of 64"));
        assert!(adam(short, grads, Adam::default()).contains("m is f32[63]; expected f32[64]"));
        assert!(adam(m, clock, Adam::default()).contains("grads is u32[4]"));
        assert!(adam(m, grads, Adam { beta1: 1.0, ..Adam::default() }).contains("beta1 is 1;"));
        assert!(adam(m, grads, Adam { eps: f64::NAN, ..Adam::default() }).contains("eps is NaN"));
        let mut sgd = |buffer, settings| {
            let made = g.sgd(params, grads, buffer, clock, schedule, scale, groups, settings);
            made.map_err(|e| e.to_string()).err().unwrap_or_default()
        };
        assert_eq!(sgd(None, Sgd::default()), "");
        assert!(sgd(Some(m), Sgd::default()).contains("momentum is 0"));
        assert!(sgd(None, Sgd { momentum: 0.9, ..Sgd::default() }).contains("no momentum buffer"));
        let settings = Sgd { momentum: 0.9, nesterov: true, dampening: 0.1, ..Sgd::default() };
        assert!(sgd(Some(m), settings).contains("nesterov needs momentum and no dampening; found 0.9 and 0.1"));
    }
}
