//! What an elementwise op says about itself, so that a plan can do its work
//! where its operand is made.

use crate::tensor::Real;

/// The operands of an elementwise op over neighbouring elements of its output.
pub struct Stretch<'a, T> {
    /// Number of the first element; a multiple of four.
    pub start: usize,
    /// Float operands, stretched to the output's shape: element `start + i` at `i`.
    pub x: Vec<&'a [T]>,
    /// Integer operands, whole.
    pub tables: Vec<&'a [u32]>,
}

/// The CPU version of an elementwise op over a stretch that lies in a core's
/// cache. The same loop as in its reference.
pub trait Elementwise {
    /// Computes `y`, as long as each operand.
    fn elements<T: Real>(&self, at: &Stretch<T>, y: &mut [T]);
}

/// The object-safe face of [`Elementwise`]; implemented for every one of them.
pub trait Stretches {
    /// [`Elementwise::elements`] in f32.
    fn stretch_f32(&self, at: &Stretch<f32>, y: &mut [f32]);
    /// [`Elementwise::elements`] in f64.
    fn stretch_f64(&self, at: &Stretch<f64>, y: &mut [f64]);
}

impl<E: Elementwise> Stretches for E {
    fn stretch_f32(&self, at: &Stretch<f32>, y: &mut [f32]) {
        self.elements(at, y);
    }
    fn stretch_f64(&self, at: &Stretch<f64>, y: &mut [f64]) {
        self.elements(at, y);
    }
}

/// An op with one output, each element of which depends on the same element of
/// its operands alone (stretched as in broadcasting), and on integers.
pub trait Pointwise: Stretches {
    /// What people call it: `gelu`.
    fn label(&self) -> String;

    /// Fragments of `shaders/lib` that the expressions use.
    fn fragments(&self) -> &'static [&'static str];

    /// The value of element `i` in WGSL, from expressions of its operands: an
    /// f32 each, or the name of an array of integers.
    fn wgsl(&self, x: &[String]) -> String;

    /// The values of elements `4 q` to `4 q + 3`, from expressions of type
    /// `vec4<f32>`, or names of arrays of integers.
    fn wgsl4(&self, x: &[String]) -> String {
        let lane = |k: &str| self.wgsl(&x.iter().map(|x| format!("{x}.{k}")).collect::<Vec<_>>());
        format!("vec4<f32>({}, {}, {}, {})", lane("x"), lane("y"), lane("z"), lane("w"))
    }
}
