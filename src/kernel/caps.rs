//! What a device can do, as lowering needs to know it.

use super::Refused;

/// The kind of device, which decides the shape of a fast kernel: on a CPU
/// posing as a GPU registers and vec4 pay and barriers cost; on a GPU it is
/// the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A software adapter.
    Cpu,
    /// Shares memory with the CPU.
    Integrated,
    /// Has memory of its own.
    Discrete,
}

/// Limits and features, from the adapter or from the WebGPU floor.
#[derive(Debug, Clone, PartialEq)]
pub struct Caps {
    /// The kind of device.
    pub class: Class,
    /// Storage buffers per dispatch.
    pub storage_buffers: u32,
    /// Bytes per storage binding.
    pub binding_bytes: u64,
    /// Bytes per buffer.
    pub buffer_bytes: u64,
    /// Alignment of binding offsets, in bytes.
    pub offset_align: u32,
    /// Invocations per workgroup.
    pub invocations: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Workgroups per dimension of a dispatch.
    pub groups: u32,
    /// Invocations per subgroup, where subgroup operations are there and the
    /// size never varies.
    pub subgroup: Option<u32>,
    /// Shaders may hold f16.
    pub f16: bool,
    /// Where products may round their factors to f16 and multiply cooperative
    /// matrices of 16x16: the invocations of the subgroups that do. The adapter
    /// can, the user has asked for it, and it was tried out.
    pub half: Option<u32>,
    /// What the device was found to compute wrongly, and is not asked to.
    pub refused: Refused,
}

impl Caps {
    /// Neighbouring invocations that can share loads, on devices where loads
    /// are what costs: on a CPU posing as a GPU every load is a gather, lane by
    /// lane. 1 elsewhere.
    pub fn shared_lanes(&self) -> usize {
        match (self.class, self.subgroup) {
            (Class::Cpu, Some(n)) => n as usize,
            _ => 1,
        }
    }

    /// The limits that every WebGPU adapter guarantees. Every op runs within
    /// them.
    pub fn floor(class: Class) -> Caps {
        Caps {
            class,
            storage_buffers: 8,
            binding_bytes: 128 << 20,
            buffer_bytes: 256 << 20,
            offset_align: 256,
            invocations: 256,
            workgroup_bytes: 16_384,
            groups: 65_535,
            subgroup: None,
            f16: false,
            half: None,
            refused: Refused::default(),
        }
    }
}
