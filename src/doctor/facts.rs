//! What an adapter says of itself.

use crate::gpu::Gpu;
use serde::Serialize;

/// The limits that decide which kernels and tensors fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limits {
    /// Storage buffers per dispatch.
    pub storage_buffers: u32,
    /// Bytes per binding.
    pub binding_bytes: u64,
    /// Bytes per buffer.
    pub buffer_bytes: u64,
    /// Invocations per workgroup.
    pub invocations: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Workgroups per dimension.
    pub groups: u32,
    /// Invocations per subgroup, where that never varies.
    pub subgroup: Option<u32>,
}

/// Features and limits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// All features of the adapter, by their names in WebGPU and wgpu.
    pub features: Vec<String>,
    /// Shaders may hold f16.
    pub f16: bool,
    /// Products of matrices in f16 by subgroups.
    pub cooperative_matrices: bool,
    /// The limits.
    pub limits: Limits,
}

impl Facts {
    /// Of an opened adapter.
    pub fn of(gpu: &Gpu) -> Facts {
        let c = &gpu.caps;
        Facts {
            features: gpu.adapter.feature_names(),
            f16: c.f16,
            cooperative_matrices: gpu.adapter.multiplies_halves(),
            limits: Limits {
                storage_buffers: c.storage_buffers,
                binding_bytes: c.binding_bytes,
                buffer_bytes: c.buffer_bytes,
                invocations: c.invocations,
                workgroup_bytes: c.workgroup_bytes,
                groups: c.groups,
                subgroup: c.subgroup,
            },
        }
    }

    /// In a line.
    pub fn line(&self) -> String {
        let Limits { storage_buffers, binding_bytes, invocations, workgroup_bytes, groups, subgroup, .. } =
            &self.limits;
        let subgroup = subgroup.map_or("of varying size".into(), |n| format!("of {n}"));
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        format!(
            "limits: {storage_buffers} storage buffers, {:.0} MiB per binding, {invocations} invocations and {} KiB per \
             workgroup, {groups} workgroups per dimension, subgroups {subgroup}; f16: {}, cooperative matrices: {}",
            *binding_bytes as f64 / f64::from(1 << 20),
            workgroup_bytes / 1024,
            yes(self.f16),
            yes(self.cooperative_matrices)
        )
    }
}
