//! What a CPU reference is, and the tensors that it reads and writes.

use crate::tensor::{Real, Shape, Spec};

/// The CPU version of an op. Written to be compared with the shader and more
/// careful than it; generic, so that the same text judges in f64 and trains in
/// f32.
pub trait Reference {
    /// Computes updates and outputs from the inputs.
    fn reference<T: Real>(&self, io: &mut Io<T>);
}

/// The object-safe face of [`Reference`]; implemented for every one of them.
pub trait Compute {
    /// [`Reference::reference`] in f32.
    fn compute_f32(&self, io: &mut Io<f32>);
    /// [`Reference::reference`] in f64.
    fn compute_f64(&self, io: &mut Io<f64>);
}

impl<R: Reference> Compute for R {
    fn compute_f32(&self, io: &mut Io<f32>) {
        self.reference(io);
    }
    fn compute_f64(&self, io: &mut Io<f64>) {
        self.reference(io);
    }
}

/// A read-only tensor in a reference.
#[derive(Clone, Copy)]
pub struct View<'a, T> {
    /// Floats (empty for an integer tensor).
    pub real: &'a [T],
    /// Integers (empty for a float tensor).
    pub index: &'a [u32],
    /// Shape and type.
    pub spec: &'a Spec,
}

/// A writable tensor in a reference.
pub struct ViewMut<'a, T> {
    /// Floats (empty for an integer tensor).
    pub real: &'a mut [T],
    /// Integers (empty for a float tensor).
    pub index: &'a mut [u32],
    /// Shape and type.
    pub spec: &'a Spec,
}

/// The tensors a reference reads and writes.
pub struct Io<'a, T> {
    /// Read.
    pub inputs: Vec<View<'a, T>>,
    /// Read and written in place.
    pub updates: Vec<ViewMut<'a, T>>,
    /// Written whole. They hold leftovers or poison, never zeros to rely on.
    pub outputs: Vec<ViewMut<'a, T>>,
}

impl<'a, T> Io<'a, T> {
    /// The floats of input `i`.
    pub fn x(&self, i: usize) -> &'a [T] {
        self.inputs[i].real
    }

    /// The integers of input `i`.
    pub fn x_u32(&self, i: usize) -> &'a [u32] {
        self.inputs[i].index
    }

    /// The axis lengths of input `i`.
    pub fn shape(&self, i: usize) -> &'a Shape {
        &self.inputs[i].spec.shape
    }

    /// The floats of output `i`.
    pub fn y(&mut self, i: usize) -> &mut [T] {
        self.outputs[i].real
    }

    /// The integers of output `i`.
    pub fn y_u32(&mut self, i: usize) -> &mut [u32] {
        self.outputs[i].index
    }

    /// The axis lengths of output `i`.
    pub fn y_shape(&self, i: usize) -> &'a Shape {
        &self.outputs[i].spec.shape
    }
}
