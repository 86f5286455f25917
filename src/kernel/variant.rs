//! The ways in which an op can be computed, and what each asks of a device.

use super::{Caps, Class};

/// A way to compute an op on a GPU: one of several lowerings that give the
/// same result up to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// Its name among the op's variants.
    pub name: &'static str,
    /// The kinds of device on which it is taken unless a choice says otherwise.
    pub suits: &'static [Class],
    /// Bytes of workgroup memory that it needs.
    pub workgroup_bytes: u32,
    /// Invocations per workgroup that it needs.
    pub invocations: u32,
    /// Whether it multiplies cooperative matrices in f16: less precision, so
    /// it is there only where [`Caps::half`] allows it.
    pub half: bool,
}

/// GPUs of their own.
pub const GPUS: &[Class] = &[Class::Integrated, Class::Discrete];

/// Software that poses as a GPU.
pub const SOFTWARE: &[Class] = &[Class::Cpu];

/// Every kind of device.
pub const ANYWHERE: &[Class] = &[Class::Cpu, Class::Integrated, Class::Discrete];

impl Variant {
    /// A variant that needs nothing but 64 invocations.
    pub const fn new(name: &'static str, suits: &'static [Class]) -> Variant {
        Variant { name, suits, workgroup_bytes: 0, invocations: 64, half: false }
    }

    /// States its workgroup: bytes of memory and invocations.
    pub const fn takes(self, workgroup_bytes: u32, invocations: u32) -> Variant {
        Variant { workgroup_bytes, invocations, ..self }
    }

    /// Whether a device has what it needs.
    pub fn fits(&self, caps: &Caps) -> bool {
        self.workgroup_bytes <= caps.workgroup_bytes
            && self.invocations <= caps.invocations
            && (!self.half || caps.half)
    }

    /// The variant that runs when nobody has measured: the first that suits
    /// the class of device, else the first. Depends on class and shapes alone.
    pub fn usual(variants: &[Variant], class: Class) -> Option<Variant> {
        variants.iter().find(|v| v.suits.contains(&class)).or(variants.first()).copied()
    }
}
