//! Elements that a data set and an executor share, so that memory holds them once.

use super::HostTensor;
use std::sync::Arc;

/// Elements that belong to a data set. The CPU executor reads them where they lie; a
/// GPU's buffer is filled piece by piece.
#[derive(Clone, Debug, PartialEq)]
pub enum Shared {
    /// Bytes, as words of four, the lowest first; the last is filled up with zeros.
    Bytes(Arc<Vec<u8>>),
    /// Floats.
    Floats(Arc<Vec<f32>>),
    /// Integers.
    Words(Arc<Vec<u32>>),
}

impl Shared {
    /// The number of elements as a tensor has them.
    pub fn elements(&self) -> usize {
        match self {
            Shared::Bytes(v) => v.len().div_ceil(4),
            Shared::Floats(v) => v.len(),
            Shared::Words(v) => v.len(),
        }
    }

    /// The floats where they lie; `None` for integers.
    pub fn floats(&self) -> Option<&[f32]> {
        match self {
            Shared::Floats(v) => Some(v),
            Shared::Bytes(_) | Shared::Words(_) => None,
        }
    }

    /// The integers where they lie; `None` for floats, and for bytes that do not lie
    /// as whole words do.
    pub fn words(&self) -> Option<&[u32]> {
        match self {
            Shared::Words(v) => Some(v),
            Shared::Bytes(v) if cfg!(target_endian = "little") => bytemuck::try_cast_slice(v).ok(),
            Shared::Bytes(_) | Shared::Floats(_) => None,
        }
    }

    /// Calls `put(first element, elements)` for pieces that take little memory.
    pub(crate) fn each(&self, put: &mut dyn FnMut(usize, &HostTensor)) {
        const PIECE: usize = 1 << 20;
        match self {
            Shared::Bytes(v) => v.chunks(4 * PIECE).enumerate().for_each(|(i, part)| {
                let words = pack_bytes(part);
                put(i * PIECE, &HostTensor::u32([words.len()], words));
            }),
            Shared::Floats(v) => v
                .chunks(PIECE)
                .enumerate()
                .for_each(|(i, part)| put(i * PIECE, &HostTensor::f32([part.len()], part.to_vec()))),
            Shared::Words(v) => v
                .chunks(PIECE)
                .enumerate()
                .for_each(|(i, part)| put(i * PIECE, &HostTensor::u32([part.len()], part.to_vec()))),
        }
    }
}

/// Packs bytes four to a word, the lowest first; the last word is filled up
/// with zeros.
pub fn pack_bytes(bytes: &[u8]) -> Vec<u32> {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut packed: Vec<u32> = words.iter().map(|&w| u32::from_le_bytes(w)).collect();
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        packed.push(u32::from_le_bytes(last));
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of [`Shared::each`], one after the other.
    fn pieces(shared: &Shared) -> Vec<u32> {
        let mut all = vec![];
        shared.each(&mut |first, part| {
            assert_eq!(first, all.len());
            all.extend_from_slice(bytemuck::cast_slice(part.bytes()));
        });
        assert_eq!(all.len(), shared.elements());
        all
    }

    #[test]
    fn bytes_are_words_where_they_lie_or_in_pieces() {
        let bytes: Vec<u8> = (0..(5u32 << 20)).map(|i| (i * 7 % 251) as u8).collect();
        for n in [0, 4, 8, 4 << 20, (4 << 20) + 4, 5 << 20] {
            let shared = Shared::Bytes(Arc::new(bytes[..n].to_vec()));
            assert_eq!(pieces(&shared), pack_bytes(&bytes[..n]), "{n} bytes");
            if let Some(words) = shared.words() {
                assert_eq!(words, pack_bytes(&bytes[..n]), "{n} bytes");
            }
        }
        // A last word of fewer bytes does not lie there whole.
        let odd = Shared::Bytes(Arc::new(bytes[..(4 << 20) + 3].to_vec()));
        assert_eq!((odd.words(), odd.floats(), odd.elements()), (None, None, (1 << 20) + 1));
        assert_eq!(pieces(&odd), pack_bytes(&bytes[..(4 << 20) + 3]));
    }

    #[test]
    fn floats_and_words_come_in_pieces() {
        let n = (2 << 20) + 5;
        let words: Vec<u32> = (0..n).collect();
        assert_eq!(pieces(&Shared::Words(Arc::new(words.clone()))), words);
        let floats: Vec<f32> = words.iter().map(|&w| f32::from_bits(w)).collect();
        assert_eq!(pieces(&Shared::Floats(Arc::new(floats))), words);
    }
}
