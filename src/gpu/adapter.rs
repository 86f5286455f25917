//! Which GPUs there are.

use crate::kernel::{Caps, Class, Refused};

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

    /// The same adapter among those that are found now; itself where it is not among them, for
    /// then opening it says why.
    pub(super) fn again(&self, found: Vec<Adapter>) -> Adapter {
        let place = |a: &Adapter| a.inner.get_info().device_pci_bus_id;
        let own = place(self);
        let same = |a: &Adapter| a.full_name() == self.full_name() && place(a) == own;
        found.into_iter().find(same).unwrap_or_else(|| self.clone())
    }

    /// The features of the adapter that are made use of: pipelines kept on disk,
    /// tensors in half precision, and subgroups where lanes share loads (see [`Caps::shared_lanes`]).
    pub(crate) fn features(&self) -> wgpu::Features {
        let used = match self.class {
            Class::Cpu => wgpu::Features::SUBGROUP,
            _ => wgpu::Features::empty(),
        };
        self.inner.features() & (used | wgpu::Features::PIPELINE_CACHE | wgpu::Features::SHADER_F16)
    }

    /// The features that timing needs, as far as the adapter has them.
    pub(crate) fn timing_features(&self) -> wgpu::Features {
        self.inner.features() & (wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES)
    }

    /// The features that cooperative matrices of f16 take.
    pub(crate) fn half_features() -> wgpu::Features {
        wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SHADER_F16
    }

    /// The invocations of a subgroup, where subgroups multiply matrices of 16x16
    /// in f16 and add them up in f32. Where the size varies nobody could say
    /// which invocations belong together.
    pub(crate) fn half(&self) -> Option<u32> {
        use wgpu::CooperativeScalarType as Scalar;
        let info = self.inner.get_info();
        let lanes = info.subgroup_min_size;
        let fixed = lanes == info.subgroup_max_size && (16..=64).contains(&lanes);
        let fits = |p: &wgpu::CooperativeMatrixProperties| {
            [p.m_size, p.n_size, p.k_size] == [16; 3] && p.ab_type == Scalar::F16 && p.cr_type == Scalar::F32
        };
        let there = fixed && self.inner.features().contains(Adapter::half_features());
        (there && self.inner.cooperative_matrix_properties().iter().any(fits)).then_some(lanes)
    }

    /// The names of all its features.
    pub fn feature_names(&self) -> Vec<String> {
        self.inner.features().iter_names().map(|(name, _)| name.to_lowercase()).collect()
    }

    /// Whether subgroups multiply matrices in f16 as kernels ask for.
    pub fn multiplies_halves(&self) -> bool {
        self.half().is_some()
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
            f16: self.features().contains(wgpu::Features::SHADER_F16),
            half: None,
            refused: Refused::default(),
        }
    }
}
