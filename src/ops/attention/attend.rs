//! What attention is told, as an op, and where its inputs lie.

use crate::graph::{Io, TensorId};
use crate::kernel::Dispatch;
use crate::tensor::random::stream;

/// Layers beyond this one would draw from another use's stream.
pub(crate) const LAYERS: u32 = stream::AUGMENT - stream::DROPOUT;

/// How attention attends.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Attention {
    /// The factor of `q k^T`; `None` for `1 / sqrt(D)`.
    pub scale: Option<f32>,
    /// Row i sees keys 0 to i only.
    pub causal: bool,
    /// The probability that a probability is dropped; for training graphs only,
    /// and it needs a clock.
    pub dropout: f32,
    /// Tells the dropouts of one model apart.
    pub layer: u32,
}

/// Optional tensors of attention.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AttentionInputs {
    /// u32 `[B]`: keys from this number on are not seen. More than there are is
    /// all of them.
    pub lengths: Option<TensorId>,
    /// f32 `[Tq, Tk]`, `[B, 1, Tq, Tk]` or `[B, Hq, Tq, Tk]`, added to the scores.
    /// It gets no gradient: asking for one is an error.
    pub mask: Option<TensorId>,
    /// u32 `[4]`, step, batch, epoch and seed: for dropout.
    pub clock: Option<TensorId>,
}

/// The optional inputs.
#[derive(Clone, Copy)]
pub(crate) struct Extras<'a, T> {
    pub lengths: Option<&'a [u32]>,
    pub mask: Option<&'a [T]>,
    pub clock: Option<&'a [u32]>,
}

/// The op. Inputs: q, k, v or qkv, then lengths, mask and clock where there
/// are. Outputs: o and l.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Attend {
    pub options: Attention,
    /// Heads of q and of k, where one tensor holds q, k and v.
    pub packed: Option<[usize; 2]>,
    pub lengths: bool,
    pub mask: bool,
}

impl Attend {
    /// q, k and v.
    pub fn operands(&self) -> [usize; 3] {
        if self.packed.is_some() { [0; 3] } else { [0, 1, 2] }
    }

    fn first(&self) -> usize {
        if self.packed.is_some() { 1 } else { 3 }
    }

    pub fn lengths_at(&self) -> Option<usize> {
        self.lengths.then_some(self.first())
    }

    pub fn mask_at(&self) -> Option<usize> {
        self.mask.then_some(self.first() + usize::from(self.lengths))
    }

    pub fn clock_at(&self) -> Option<usize> {
        self.drops().then_some(self.first() + usize::from(self.lengths) + usize::from(self.mask))
    }

    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.first() + usize::from(self.lengths) + usize::from(self.mask) + usize::from(self.drops())
    }

    pub fn drops(&self) -> bool {
        self.options.dropout != 0.0
    }

    /// What a kept probability is multiplied by.
    pub fn keep_scale(&self) -> f64 {
        1.0 / (1.0 - f64::from(self.options.dropout))
    }

    pub fn scale(&self, d: usize) -> f64 {
        self.options.scale.map_or(1.0 / (d as f64).sqrt(), f64::from)
    }

    /// Binds lengths, mask and clock; a file's entry points name them whether
    /// or not there are any.
    pub fn bind(&self, d: Dispatch, names: &[&'static str]) -> Dispatch {
        let at = [("lengths", self.lengths_at()), ("mask", self.mask_at()), ("clock", self.clock_at())];
        let named = at.into_iter().filter(|(name, _)| names.contains(name));
        named.fold(d, |d, (name, i)| d.input(name, i.unwrap_or(0)))
    }

    /// The optional inputs of a reference.
    pub fn extras<'a, T>(&self, io: &Io<'a, T>) -> Extras<'a, T> {
        Extras {
            lengths: self.lengths_at().map(|i| io.x_u32(i)),
            mask: self.mask_at().map(|i| io.x(i)),
            clock: self.clock_at().map(|i| io.x_u32(i)),
        }
    }
}
