//! Tensors in host memory.

use super::{DType, Shape, Spec};

/// The elements of a host tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Floats.
    F32(Vec<f32>),
    /// Unsigned integers.
    U32(Vec<u32>),
}

/// A shape with its elements, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Axis lengths.
    pub shape: Shape,
    /// Elements; as many as the shape says.
    pub data: Data,
}

impl HostTensor {
    /// A float tensor. Panics when the count is not the shape's.
    pub fn f32(shape: impl Into<Shape>, data: Vec<f32>) -> HostTensor {
        let shape = shape.into();
        assert_eq!(shape.elements(), data.len(), "element count of a host tensor of shape {shape}");
        HostTensor { shape, data: Data::F32(data) }
    }

    /// An unsigned integer tensor. Panics when the count is not the shape's.
    pub fn u32(shape: impl Into<Shape>, data: Vec<u32>) -> HostTensor {
        let shape = shape.into();
        assert_eq!(shape.elements(), data.len(), "element count of a host tensor of shape {shape}");
        HostTensor { shape, data: Data::U32(data) }
    }

    /// All zeros.
    pub fn zeros(spec: &Spec) -> HostTensor {
        let n = spec.elements();
        match spec.dtype {
            DType::F32 | DType::F16 => HostTensor::f32(spec.shape.clone(), vec![0.0; n]),
            DType::U32 => HostTensor::u32(spec.shape.clone(), vec![0; n]),
        }
    }

    /// Shape and element type.
    pub fn spec(&self) -> Spec {
        let dtype = match self.data {
            Data::F32(_) => DType::F32,
            Data::U32(_) => DType::U32,
        };
        Spec { shape: self.shape.clone(), dtype }
    }

    /// The floats; panics on an integer tensor.
    pub fn as_f32(&self) -> &[f32] {
        match &self.data {
            Data::F32(v) => v,
            Data::U32(_) => panic!("a u32 tensor was read as f32"),
        }
    }

    /// The floats, to be changed; panics on an integer tensor.
    pub fn as_f32_mut(&mut self) -> &mut [f32] {
        match &mut self.data {
            Data::F32(v) => v,
            Data::U32(_) => panic!("a u32 tensor was written as f32"),
        }
    }

    /// The integers; panics on a float tensor.
    pub fn as_u32(&self) -> &[u32] {
        match &self.data {
            Data::U32(v) => v,
            Data::F32(_) => panic!("an f32 tensor was read as u32"),
        }
    }

    /// The elements as raw little-endian words, as every device stores them.
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::F32(v) => bytemuck::cast_slice(v),
            Data::U32(v) => bytemuck::cast_slice(v),
        }
    }
}
