//! Shapes, row-major strides and broadcasting.

use super::DType;
use crate::error::{Error, Result};
use std::fmt;
use std::ops::Deref;

/// The lengths of a tensor's axes, outermost first; `[]` is a scalar.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The number of elements (1 for a scalar); `usize::MAX` where that is too small for it.
    pub fn elements(&self) -> usize {
        self.0.iter().fold(1, |n, &d| n.saturating_mul(d))
    }

    /// Whether the elements are so few that kernels can count them in 32 bits.
    pub fn is_countable(&self) -> bool {
        let count = self.0.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        count.is_some_and(|n| u32::try_from(n).is_ok())
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Row-major strides, in elements.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.rank()];
        for axis in (1..self.rank()).rev() {
            strides[axis - 1] = strides[axis] * self.0[axis];
        }
        strides
    }

    /// The shape both operands broadcast to, as in NumPy: axes align at the
    /// end, and a length of 1 stretches.
    pub fn broadcast(&self, other: &Shape) -> Result<Shape> {
        let rank = self.rank().max(other.rank());
        let at = |s: &Shape, i: usize| if i + s.rank() < rank { 1 } else { s.0[i + s.rank() - rank] };
        (0..rank)
            .map(|i| match (at(self, i), at(other, i)) {
                (a, b) if a == b => Ok(a),
                (1, b) => Ok(b),
                (a, 1) => Ok(a),
                _ => Err(Error::model(format!(
                    "shapes {self} and {other} do not broadcast: axes must be equal or 1, counted from the last"
                ))),
            })
            .collect()
    }

    /// Strides for reading this shape as if it had shape `to`: stretched axes
    /// get stride 0. `to` must be a broadcast of this shape.
    pub fn broadcast_strides(&self, to: &Shape) -> Vec<usize> {
        let own = self.strides();
        let lead = to.rank() - self.rank();
        (0..to.rank())
            .map(|i| if i < lead || self.0[i - lead] == 1 && to.0[i] != 1 { 0 } else { own[i - lead] })
            .collect()
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(iter: I) -> Shape {
        Shape(iter.into_iter().collect())
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Shape {
        Shape(dims.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Shape {
        Shape(dims)
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Shape {
        Shape(dims.to_vec())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Shape and element type: all that a shape rule needs to know of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Axis lengths.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

impl Spec {
    /// A float tensor.
    pub fn f32(shape: impl Into<Shape>) -> Spec {
        Spec { shape: shape.into(), dtype: DType::F32 }
    }

    /// An unsigned integer tensor.
    pub fn u32(shape: impl Into<Shape>) -> Spec {
        Spec { shape: shape.into(), dtype: DType::U32 }
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.shape.elements()
    }

    /// The number of bytes.
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.bytes()
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_aligns_at_the_end() {
        let a = Shape::from([8, 1, 3]);
        let b = Shape::from([5, 1]);
        assert_eq!(a.broadcast(&b).unwrap(), Shape::from([8, 5, 3]));
        assert_eq!(b.broadcast_strides(&Shape::from([8, 5, 3])), vec![0, 1, 0]);
        assert_eq!(a.broadcast_strides(&Shape::from([8, 5, 3])), vec![3, 0, 1]);
        assert!(Shape::from([2]).broadcast(&Shape::from([3])).is_err());
    }
}
