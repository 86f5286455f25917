//! How much of a device's memory its driver leaves to this process: `VK_EXT_memory_budget`. Metal, DX12 and
//! drivers without the extension tell nothing; there it is tried ([`Gpu::has_room`](super::Gpu::has_room)).

use super::Adapter;

/// A part of a device's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heap {
    /// Whether it is the device's own, in which buffers lie.
    own: bool,
    /// What this process may have of it, by the driver's estimate at the moment.
    budget: u64,
    /// What this process has of it.
    used: u64,
}

impl Adapter {
    /// The bytes that this process may still allocate on the device, as its driver estimates at the moment;
    /// `None` where the driver does not tell.
    pub fn memory_left(&self) -> Option<u64> {
        left(&heaps(self))
    }
}

/// What is left of the heap from which buffers are taken: of several of the device's own the largest,
/// since the others are windows into it for the host. A driver that knows nothing says zero.
fn left(heaps: &[Heap]) -> Option<u64> {
    let own = heaps.iter().filter(|h| h.own && h.budget > 0).max_by_key(|h| h.budget)?;
    Some(own.budget.saturating_sub(own.used))
}

/// The heaps with their budgets; none where the driver does not tell of them.
#[cfg(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn heaps(adapter: &Adapter) -> Vec<Heap> {
    use ash::{ext, vk};
    // SAFETY: nothing of the adapter is destroyed here.
    let Some(hal) = (unsafe { adapter.inner.as_hal::<wgpu::hal::api::Vulkan>() }) else { return vec![] };
    let (instance, capabilities) = (hal.shared_instance(), hal.physical_device_capabilities());
    let versions = [instance.instance_api_version(), capabilities.properties().api_version];
    if !capabilities.supports_extension(ext::memory_budget::NAME) || versions.iter().any(|v| *v < vk::API_VERSION_1_1) {
        return vec![];
    }
    let mut budgets = vk::PhysicalDeviceMemoryBudgetPropertiesEXT::default();
    let mut found = vk::PhysicalDeviceMemoryProperties2::default().push_next(&mut budgets);
    // SAFETY: instance and device have Vulkan 1.1, to which the call belongs, and the device has the extension.
    unsafe { instance.raw_instance().get_physical_device_memory_properties2(hal.raw_physical_device(), &mut found) };
    let memory = found.memory_properties;
    let heap = |(i, heap): (usize, &vk::MemoryHeap)| Heap {
        own: heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL),
        budget: budgets.heap_budget[i],
        used: budgets.heap_usage[i],
    };
    memory.memory_heaps_as_slice().iter().enumerate().map(heap).collect()
}

/// There is no Vulkan.
#[cfg(not(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn heaps(_: &Adapter) -> Vec<Heap> {
    vec![]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn heap(own: bool, budget: u64, used: u64) -> Heap {
        Heap { own, budget, used }
    }

    #[test]
    fn what_is_left_is_that_of_the_largest_own_heap() {
        assert_eq!(left(&[]), None);
        assert_eq!(left(&[heap(false, 64 * GIB, 0)]), None, "the host's is none of the device's");
        assert_eq!(left(&[heap(true, 0, 0)]), None, "a driver that does not know");
        let window = heap(true, GIB / 4, 0);
        assert_eq!(left(&[heap(true, 8 * GIB, 3 * GIB), heap(false, 64 * GIB, 0), window]), Some(5 * GIB));
        assert_eq!(left(&[window, heap(true, 2 * GIB, 3 * GIB)]), Some(0), "more than it may have");
    }

    #[test]
    fn no_adapter_leaves_more_than_there_can_be() {
        for adapter in crate::gpu::adapters() {
            assert!(adapter.memory_left().is_none_or(|left| left < 1 << 50), "{}", adapter.name);
        }
    }
}
