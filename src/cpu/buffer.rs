//! Buffers of the CPU executor.

use super::CpuReal;
use crate::graph::Init;
use crate::tensor::{DType, Data, HostTensor, Shared, parallel};
use std::ops::Range;

/// A buffer: floats or integers, never both; of its own, or those of a data set
/// until somebody writes them.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    real: Vec<T>,
    index: Vec<u32>,
    shared: Option<Shared>,
}

impl<T> Default for Buffer<T> {
    fn default() -> Self {
        Buffer { real: vec![], index: vec![], shared: None }
    }
}

impl<T: CpuReal> Buffer<T> {
    pub fn zeros(dtype: DType, n: usize) -> Buffer<T> {
        match dtype {
            DType::F32 | DType::F16 => Buffer { real: vec![T::ZERO; n], ..Buffer::default() },
            DType::U32 => Buffer { index: vec![0; n], ..Buffer::default() },
        }
    }

    /// The data set that such a buffer can read where it lies, if it begins with one.
    pub fn shared_with(dtype: DType, n: usize, init: &Init) -> Option<&Shared> {
        let Init::Shared(shared) = init else { return None };
        let lies_so = match dtype {
            DType::F32 => T::of_floats(shared).is_some(),
            DType::U32 => shared.words().is_some(),
            DType::F16 => false,
        };
        (lies_so && shared.elements() == n).then_some(shared)
    }

    /// What a buffer of `n` elements holds in the beginning, as it is kept.
    pub fn begun(dtype: DType, n: usize, init: &Init) -> Buffer<T> {
        if let Some(shared) = Buffer::<T>::shared_with(dtype, n, init) {
            return Buffer { shared: Some(shared.clone()), ..Buffer::default() };
        }
        let mut buffer = Buffer::zeros(dtype, n);
        init.each(&mut |first, value| buffer.put(first, &value.data));
        if dtype == DType::F16 {
            round(&mut buffer.real);
        }
        buffer
    }

    /// Writes elements from `first` on.
    fn put(&mut self, first: usize, data: &Data) {
        match data {
            Data::F32(v) => {
                let part = self.real[first..first + v.len()].iter_mut().zip(v);
                part.for_each(|(to, &x)| *to = T::from_f32(x));
            }
            Data::U32(v) => self.index[first..first + v.len()].copy_from_slice(v),
        }
    }

    /// Writes all elements; false if they are of another type.
    pub fn fill(&mut self, data: &Data) -> bool {
        if matches!(data, Data::F32(_)) != self.is_real() {
            return false;
        }
        self.own();
        self.put(0, data);
        true
    }

    fn is_real(&self) -> bool {
        match &self.shared {
            Some(shared) => shared.floats().is_some(),
            // An empty buffer is of either type.
            None => self.index.is_empty(),
        }
    }

    /// The floats; none for integers.
    pub fn real(&self, range: Range<usize>) -> &[T] {
        match &self.shared {
            Some(shared) => &T::of_floats(shared).unwrap_or_default()[range],
            None => &self.real[range],
        }
    }

    /// The integers; none for floats.
    pub fn index(&self, range: Range<usize>) -> &[u32] {
        match &self.shared {
            Some(shared) => &shared.words().unwrap_or_default()[range],
            None => &self.index[range],
        }
    }

    /// Floats and integers, to be written; those of a data set are copied first.
    pub fn parts(&mut self) -> (&mut Vec<T>, &mut Vec<u32>) {
        self.own();
        (&mut self.real, &mut self.index)
    }

    fn own(&mut self) {
        if let Some(shared) = self.shared.take() {
            match T::of_floats(&shared) {
                Some(all) => self.real = all.to_vec(),
                None => self.index = shared.words().unwrap_or_default().to_vec(),
            }
        }
    }

    pub fn len(&self) -> usize {
        self.shared.as_ref().map_or(self.real.len() + self.index.len(), Shared::elements)
    }

    /// Bytes of memory, not counting a data set's.
    pub fn bytes(&self) -> usize {
        self.real.len() * size_of::<T>() + self.index.len() * 4
    }

    pub fn host(&self) -> HostTensor {
        let n = self.len();
        match self.is_real() {
            true => HostTensor::f32([n], self.real(0..n).iter().map(|x| x.to_f32()).collect()),
            false => HostTensor::u32([n], self.index(0..n).to_vec()),
        }
    }
}

/// Rounds to half precision.
pub(super) fn round<T: CpuReal>(values: &mut [T]) {
    parallel::chunks(values, |_, part| part.iter_mut().for_each(|v| *v = T::from_half(v.to_half())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_data_set_is_read_where_it_lies_until_it_is_written() {
        let floats = Arc::new(vec![1.0f32, 2.0, 3.0]);
        let init = Init::Shared(Shared::Floats(floats.clone()));
        let mut buffer = Buffer::<f32>::begun(DType::F32, 3, &init);
        drop(init);
        assert_eq!((buffer.real(0..3).as_ptr(), buffer.len(), buffer.bytes()), (floats.as_ptr(), 3, 0));
        assert_eq!(Arc::strong_count(&floats), 2);
        assert!(!buffer.fill(&Data::U32(vec![1, 2, 3])), "integers into floats");
        assert!(buffer.fill(&Data::F32(vec![4.0, 5.0, 6.0])));
        assert_eq!((buffer.real(1..3), &floats[..]), (&[5.0, 6.0][..], &[1.0, 2.0, 3.0][..]));
        assert_eq!(Arc::strong_count(&floats), 1, "what is written is not shared any more");
        // Doubles are another type, and three bytes are no whole word.
        let doubles = Buffer::<f64>::begun(DType::F32, 3, &Init::Shared(Shared::Floats(floats)));
        assert_eq!((doubles.real(0..3), doubles.bytes()), (&[1.0, 2.0, 3.0][..], 24));
        let odd = Buffer::<f32>::begun(DType::U32, 1, &Init::Shared(Shared::Bytes(vec![1, 2, 3].into())));
        assert_eq!((odd.index(0..1), odd.bytes()), (&[0x03_0201][..], 4));
    }
}
