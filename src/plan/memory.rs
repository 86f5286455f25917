//! How buffers, places and contents lie in the memory of a device: the same for every
//! player of a plan.

use super::step::{Buffer, Place};
use crate::tensor::{DType, HostTensor, Spec};
use std::borrow::Cow;

/// Shaders read up to a vec4 at once, and a tensor may be one element long.
const WIDEST: usize = 16;

/// Devices copy and bind whole words.
const WORD: usize = 4;

impl Buffer {
    /// Bytes of the device's buffer.
    pub fn held_bytes(&self) -> u64 {
        held_bytes(self.elements, self.dtype)
    }
}

/// Bytes of a buffer of so many elements.
pub fn held_bytes(elements: usize, dtype: DType) -> u64 {
    (elements.max(1) * dtype.bytes()).next_multiple_of(WIDEST) as u64
}

impl Place {
    /// The first byte that is bound, and how many: the last word may be half of one.
    pub fn span(&self) -> [u64; 2] {
        [(self.offset * self.spec.dtype.bytes()) as u64, whole_words(&self.spec)]
    }
}

/// The bytes of a tensor in whole words.
pub fn whole_words(spec: &Spec) -> u64 {
    spec.bytes().next_multiple_of(WORD) as u64
}

/// The bytes of numbers that are kept in a type, in whole words.
pub fn packed(dtype: DType, value: &HostTensor) -> Cow<'_, [u8]> {
    if dtype != DType::F16 {
        return value.bytes().into();
    }
    let mut halves: Vec<half::f16> = value.as_f32().iter().map(|&x| half::f16::from_f32(x)).collect();
    halves.resize(halves.len().next_multiple_of(WORD / 2), half::f16::ZERO);
    bytemuck::cast_slice(&halves).to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_whole_vectors_and_places_whole_words() {
        assert_eq!([0, 1, 4, 5].map(|n| held_bytes(n, DType::F32)), [16, 16, 16, 32]);
        let place = |n: usize, dtype| Place { buffer: 0, offset: 64, spec: Spec { shape: [n].into(), dtype } };
        assert_eq!(place(3, DType::F16).span(), [128, 8]);
        assert_eq!(place(3, DType::U32).span(), [256, 12]);
        let halves = packed(DType::F16, &HostTensor::f32([3], vec![1.0, -2.0, 0.5])).to_vec();
        assert_eq!(halves, [0, 0x3c, 0, 0xc0, 0, 0x38, 0, 0]);
    }
}
