//! Inverted dropout: zeroes elements at random while training and scales the
//! others, so that the expected value stays.
//!
//! Formula: `y = x * m`, `m = 1 / (1 - p)` where the element is kept, else 0.
//! Element `i` of layer `l` is kept if `unit(bits) >= p`, with
//! `bits = pcg4d([seed, DROPOUT + l, step, i / 4])[i % 4]`: a pure function of
//! the clock, the same on every device.
//! Shapes: any; `clock` is u32 `[4]`: step, batch, epoch, seed.
//! Source: Srivastava et al., JMLR 15 (2014), in the inverted form.
//!
//! Gradient: `d_x = d_y * m`: the same op on `d_y`, which draws the mask again
//! instead of storing it. NaN and infinity are multiplied, not replaced, so a
//! dropped one still shows (as in PyTorch).

use crate::error::{Error, Result};
use crate::graph::{
    Backward, Case, Cost, Elementwise, Fill, Graph, Infer, Io, Lower, Op, Pointwise, Reference, Stretch, TensorId,
};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::random::{pcg4d, stream, unit};
use crate::tensor::{DType, Real, Spec, parallel};

static SHADER: Shader = shader!("dropout");

/// Invocations per workgroup.
const WG: usize = 64;

/// Layers beyond this one would draw from another use's stream.
const LAYERS: u32 = stream::AUGMENT - stream::DROPOUT;

/// Multiplies by a random mask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The probability that an element is dropped; in [0, 1).
    pub p: f32,
    /// Tells the dropouts of one model apart.
    pub layer: u32,
}

impl Dropout {
    /// What a kept element is multiplied by.
    fn scale(&self) -> f64 {
        1.0 / (1.0 - f64::from(self.p))
    }
}

impl Graph {
    /// Drops elements of `x` with probability `p` and scales the others by
    /// `1 / (1 - p)`. For training graphs only. `clock` is the u32 `[4]` tensor
    /// of step, batch, epoch and seed; dropouts of different `layer` draw
    /// different masks.
    pub fn dropout(&mut self, x: TensorId, p: f32, clock: TensorId, layer: u32) -> Result<TensorId> {
        if p == 0.0 {
            return Ok(x);
        }
        self.push1(Dropout { p, layer }, &[x, clock])
    }
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        let (x, clock) = (&cx.inputs[0], &cx.inputs[1]);
        if !(0.0..1.0).contains(&self.p) {
            return Err(Error::model(format!("p is {}; expected a probability of at least 0 and below 1", self.p)));
        }
        if self.layer >= LAYERS {
            return Err(Error::model(format!("layer is {}; expected less than {LAYERS}", self.layer)));
        }
        if x.dtype != DType::F32 || x.elements() == 0 {
            return Err(Error::model(format!("x is {x}; expected f32 and at least one element")));
        }
        if *clock != Spec::u32([4]) {
            return Err(Error::model(format!("the clock is {clock}; expected u32[4]: step, batch, epoch, seed")));
        }
        Ok(vec![x.clone()])
    }

    fn bears_half(&self, output: usize) -> bool {
        output == 0
    }

    fn gradient(&self, g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![Some(g.push1(*self, &[at.d_y(), at.inputs[1]])?), None])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let n = cx.outputs[0].elements();
        let (entry, x) = if n.is_multiple_of(4) { ("forward4", "x4") } else { ("forward", "x") };
        let k = Kernel::new(&SHADER, entry).set("N", n).set("STREAM", (stream::DROPOUT + self.layer) as usize);
        let d = k.real("P", self.p.into()).real("SCALE", self.scale()).dispatch_1d(n.div_ceil(4), WG);
        let d = d.input(x, 0).input("clock", 1);
        Ok(Lowered::one(if n.is_multiple_of(4) { d.put4(&cx.store) } else { d.put(&cx.store) }))
    }

    fn pointwise(&self) -> Option<&dyn Pointwise> {
        Some(self)
    }

    fn hosts(&self, _cx: &Lower, _work: &dyn Pointwise) -> bool {
        true
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.outputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Dropout {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, clock) = (io.x(0), io.x_u32(1));
        // Chunks start at multiples of four elements.
        parallel::chunks(io.y(0), |start, y| self.mask(start, &x[start..start + y.len()], clock, y));
    }
}

impl Dropout {
    /// `y = x * m` for elements from `start` on, a multiple of four.
    fn mask<T: Real>(&self, start: usize, x: &[T], clock: &[u32], y: &mut [T]) {
        let (step, seed, stream) = (clock[0], clock[3], stream::DROPOUT + self.layer);
        // A table, because a branch on random bits is guessed wrong half the time.
        let factors = [T::ZERO, T::of(self.scale())];
        let factor = |bits: u32| factors[usize::from(unit(bits) >= self.p)];
        let bits = |quad: usize| pcg4d([seed, stream, step, quad as u32]);
        let whole = y.len() / 4;
        let quads = y.chunks_exact_mut(4).zip(x.chunks_exact(4));
        for (q, (y, x)) in quads.enumerate() {
            let bits = bits(start / 4 + q);
            for k in 0..4 {
                y[k] = x[k] * factor(bits[k]);
            }
        }
        let last = bits(start / 4 + whole);
        for (k, i) in (whole * 4..y.len()).enumerate() {
            y[i] = x[i] * factor(last[k]);
        }
    }
}

impl Elementwise for Dropout {
    fn elements<T: Real>(&self, at: &Stretch<T>, y: &mut [T]) {
        self.mask(at.start, at.x[0], at.tables[0], y);
    }
}

impl Pointwise for Dropout {
    fn label(&self) -> String {
        "dropout".into()
    }

    fn fragments(&self) -> &'static [&'static str] {
        &["lib/random", "lib/dropout"]
    }

    fn wgsl(&self, x: &[String]) -> String {
        format!("{} * {}[i % 4u]", x[0], self.factors(&x[1], "i / 4u"))
    }

    fn wgsl4(&self, x: &[String]) -> String {
        format!("{} * {}", x[0], self.factors(&x[1], "q"))
    }
}

impl Dropout {
    fn factors(&self, clock: &str, quad: &str) -> String {
        let (stream, p, scale) = (stream::DROPOUT + self.layer, self.p, self.scale() as f32);
        format!("dropout_mask({clock}[3], {stream}u, {clock}[0], {quad}, f32({p:?}), f32({scale:?}))")
    }
}

/// Shapes that do and do not divide by four, small and large `p`.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, shape: &[usize], p: f32, clock: [u32; 4]| {
        let inputs = vec![(Spec::f32(shape), Fill::Normal(1.0)), (Spec::u32([4]), Fill::Indices(clock.to_vec()))];
        Case::new(format!("dropout/{name}"), inputs, move |g, x| Ok(vec![g.dropout(x[0], p, x[1], 3)?]))
    };
    let clock = [7, 1, 2, 42];
    vec![
        case("vec4", &[4, 33], 0.25, clock),
        case("odd", &[5, 13], 0.5, clock),
        case("one", &[1], 0.1, clock),
        case("scalar", &[], 0.1, clock),
        case("wg", &[256], 0.9, clock),
        case("wg+1", &[257], 0.9, clock),
        case("large_clock", &[2, 3, 7], 0.3, [u32::MAX, u32::MAX, 0, u32::MAX]),
        case("none", &[3, 4], 0.0, clock),
        case("grid_overflow", &[65_536 * 64 * 4 + 1], 0.5, clock).no_gradient(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_arguments_are_errors_and_zero_is_the_identity() {
        let mut g = Graph::new();
        let x = g.input("x", Spec::f32([4]));
        let clock = g.input("clock", Spec::u32([4]));
        assert_eq!(g.dropout(x, 0.0, clock, 0).unwrap(), x);
        for p in [1.0, -0.1, 1.5, f32::NAN, f32::INFINITY] {
            assert!(g.dropout(x, p, clock, 0).unwrap_err().to_string().contains("probability"), "p {p}");
        }
        assert!(g.dropout(x, 0.5, clock, LAYERS).is_err());
        assert!(g.dropout(x, 0.5, x, 0).unwrap_err().to_string().contains("clock"));
    }
}
