//! Which GPUs there are.

use crate::kernel::{Caps, Class};

/// A GPU, or software that poses as one.
#[derive(Clone)]
pub struct Adapter {
    pub(crate) inner: wgpu::Adapter,
    /// The name the driver gives: `llvmpipe (LLVM 15.0.6, 256 bits)`.
    pub name: String,
    /// The graphics API: `vulkan`, `metal`, `dx12`.
    pub backend: String,
    /// The driver and its version, as far as it says.
    pub driver: String,
    /// The kind of device.
    pub class: Class,
}

/// All adapters, in the driver's order. Empty without a driver.
pub fn adapters() -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    // Validation layers cost time and are not installed on users' machines;
    // wgpu's own validation stays on.
    descriptor.flags = wgpu::InstanceFlags::empty();
    let backends = descriptor.backends;
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(backends));
    found.into_iter().map(Adapter::new).collect()
}

impl Adapter {
    fn new(inner: wgpu::Adapter) -> Adapter {
        let info = inner.get_info();
        let class = match info.device_type {
            wgpu::DeviceType::DiscreteGpu | wgpu::DeviceType::VirtualGpu => Class::Discrete,
            wgpu::DeviceType::IntegratedGpu => Class::Integrated,
            wgpu::DeviceType::Cpu => Class::Cpu,
            // "Other" is how some drivers report themselves; treat it as the
            // weaker kind of GPU.
            _ => Class::Integrated,
        };
        let driver = format!("{} {}", info.driver, info.driver_info).trim().to_string();
        Adapter { name: info.name, backend: info.backend.to_str().to_string(), driver, class, inner }
    }

    /// The features of the adapter that are made use of: subgroups, where
    /// lanes share loads (see [`Caps::shared_lanes`]).
    pub(crate) fn features(&self) -> wgpu::Features {
        match self.class {
            Class::Cpu => self.inner.features() & wgpu::Features::SUBGROUP,
            _ => wgpu::Features::empty(),
        }
    }

    fn subgroup(&self) -> Option<u32> {
        let info = self.inner.get_info();
        let fixed = info.subgroup_min_size == info.subgroup_max_size && info.subgroup_min_size > 1;
        (fixed && self.features().contains(wgpu::Features::SUBGROUP)).then_some(info.subgroup_min_size)
    }

    /// What kernels may use on this adapter.
    pub fn caps(&self) -> Caps {
        let l = self.inner.limits();
        Caps {
            class: self.class,
            storage_buffers: l.max_storage_buffers_per_shader_stage,
            binding_bytes: l.max_storage_buffer_binding_size,
            buffer_bytes: l.max_buffer_size,
            offset_align: l.min_storage_buffer_offset_alignment,
            invocations: l.max_compute_invocations_per_workgroup,
            workgroup_bytes: l.max_compute_workgroup_storage_size,
            groups: l.max_compute_workgroups_per_dimension,
            subgroup: self.subgroup(),
            half: false,
        }
    }
}
