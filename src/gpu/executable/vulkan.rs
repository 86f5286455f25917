//! A bare Vulkan device beside wgpu's, opened with the extensions and features with which wgpu would open it and
//! `VK_KHR_pipeline_executable_properties` besides. It gets the SPIR-V that training runs.

use super::{Executable, Figure, Statistic};
use crate::error::{Error, Result};
use crate::gpu::Adapter;
use crate::kernel::{Kernel, Language, reflect, translate};
use ash::{khr, vk};
use std::ffi::{CStr, CString, c_char};

/// A driver's compiler: it makes pipelines and tells of them. It runs none.
pub struct Compiler {
    device: ash::Device,
    reports: khr::pipeline_executable_properties::Device,
    /// Keeps the instance open that the device belongs to.
    adapter: Adapter,
}

impl Compiler {
    /// The compiler of an adapter.
    ///
    /// Fails on other backends than Vulkan, and where the driver is without the extension.
    pub fn open(adapter: &Adapter) -> Result<Compiler> {
        let name = format!("{} ({})", adapter.name, adapter.backend);
        // SAFETY: nothing of the adapter is destroyed here.
        let Some(hal) = (unsafe { adapter.inner.as_hal::<wgpu::hal::api::Vulkan>() }) else {
            return Err(Error::device(format!(
                "{name} does not say what its compiler makes of a kernel; only Vulkan drivers do"
            )));
        };
        let extension = khr::pipeline_executable_properties::NAME;
        if !hal.physical_device_capabilities().supports_extension(extension) {
            return Err(Error::device(format!(
                "{name}, {}: the driver does not report what it compiles, because it has no {}; those of AMD, Intel and \
                 NVIDIA have it, and Mesa's for them; --family asks Mesa's RADV without a GPU",
                adapter.driver,
                extension.to_string_lossy()
            )));
        }
        let features = adapter.features() | adapter.timing_features();
        let mut extensions = hal.required_device_extensions(features);
        let mut enabled = hal.physical_device_features(&extensions, features);
        extensions.push(extension);
        let names: Vec<*const c_char> = extensions.iter().map(|e| e.as_ptr()).collect();
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
        let mut reports =
            vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
        let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues).enabled_extension_names(&names);
        let info = enabled.add_to_device_create(info).push_next(&mut reports);
        let instance = hal.shared_instance().raw_instance();
        // SAFETY: extensions and features are the adapter's own, and everything that `info` points to lives on.
        let device = unsafe { instance.create_device(hal.raw_physical_device(), &info, None) }
            .map_err(|e| Error::device(format!("{name} does not open to compile: {e}")))?;
        let reports = khr::pipeline_executable_properties::Device::new(instance, &device);
        Ok(Compiler { device, reports, adapter: adapter.clone() })
    }

    /// What it makes of a kernel.
    ///
    /// Fails where the kernel does not translate, or the driver refuses it.
    pub fn compile(&self, kernel: &Kernel) -> Result<Executable> {
        let bytes = translate(kernel, Language::Spirv)?;
        let words: Vec<u32> =
            bytes.chunks_exact(4).map(|w| u32::from_le_bytes(w.try_into().expect("four bytes"))).collect();
        let bindings = reflect::entry(kernel)?.bindings.len();
        let mut made = Made::new(&self.device);
        let pipeline = made.pipeline(&words, kernel.entry, bindings as u32);
        let told = pipeline.and_then(|p| self.told(p));
        told.map_err(|e| {
            let (file, entry, name) = (kernel.shader.name, kernel.entry, &self.adapter.name);
            Error::device(format!("shaders/{file}.wgsl, {entry}: {name} does not compile it: {e}"))
        })
    }

    /// What the driver tells of a pipeline. A compute pipeline is one executable; of several the last is meant.
    fn told(&self, pipeline: vk::Pipeline) -> std::result::Result<Executable, vk::Result> {
        let of = vk::PipelineInfoKHR::default().pipeline(pipeline);
        // SAFETY: the pipeline is alive and was made to be asked.
        let executables = unsafe { self.reports.get_pipeline_executable_properties(&of) }?;
        let last = executables.len().saturating_sub(1);
        let which = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(last as u32);
        // SAFETY: as above.
        let statistics = unsafe { self.reports.get_pipeline_executable_statistics(&which) }?;
        let statistic = |s: &vk::PipelineExecutableStatisticKHR| Statistic {
            name: text(&s.name),
            // SAFETY: the format says which one it is.
            value: unsafe {
                match s.format {
                    vk::PipelineExecutableStatisticFormatKHR::BOOL32 => Figure::Bool(s.value.b32 != vk::FALSE),
                    vk::PipelineExecutableStatisticFormatKHR::INT64 => Figure::I64(s.value.i64),
                    vk::PipelineExecutableStatisticFormatKHR::UINT64 => Figure::U64(s.value.u64),
                    _ => Figure::F64(s.value.f64),
                }
            },
        };
        let subgroup = executables.last().map_or(0, |e| e.subgroup_size);
        let statistics = statistics.iter().map(statistic).collect();
        Ok(Executable { subgroup, statistics, texts: self.texts(&which)? })
    }

    /// The driver's texts. The first call says how long each is, the second writes them.
    fn texts(&self, which: &vk::PipelineExecutableInfoKHR) -> std::result::Result<Vec<(String, String)>, vk::Result> {
        // SAFETY: the pipeline is alive and was made to be asked.
        let mut found = unsafe { self.reports.get_pipeline_executable_internal_representations(which) }?;
        let mut buffers: Vec<Vec<u8>> = found.iter().map(|r| vec![0; r.data_size]).collect();
        for (r, buffer) in found.iter_mut().zip(&mut buffers) {
            r.p_data = buffer.as_mut_ptr().cast();
        }
        let mut count = found.len() as u32;
        let ask = self.reports.fp().get_pipeline_executable_internal_representations_khr;
        // SAFETY: each text has as many bytes as the driver has said.
        unsafe { ask(self.device.handle(), which, &mut count, found.as_mut_ptr()) }.result()?;
        let named = |(r, buffer): (&vk::PipelineExecutableInternalRepresentationKHR, Vec<u8>)| {
            let end = buffer.iter().position(|b| *b == 0).unwrap_or(buffer.len());
            (r.is_text != vk::FALSE).then(|| (text(&r.name), String::from_utf8_lossy(&buffer[..end]).into_owned()))
        };
        Ok(found.iter().zip(buffers).filter_map(named).collect())
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        // SAFETY: everything made with it is gone.
        unsafe { self.device.destroy_device(None) };
    }
}

/// A text of a fixed length.
fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().map(|c| *c as u8).collect();
    CStr::from_bytes_until_nul(&bytes).unwrap_or_default().to_string_lossy().into_owned()
}

/// What is made for one pipeline, to be destroyed with it.
struct Made<'a> {
    device: &'a ash::Device,
    module: vk::ShaderModule,
    bindings: vk::DescriptorSetLayout,
    layout: vk::PipelineLayout,
    pipeline: vk::Pipeline,
}

impl<'a> Made<'a> {
    fn new(device: &'a ash::Device) -> Made<'a> {
        Made {
            device,
            module: vk::ShaderModule::null(),
            bindings: vk::DescriptorSetLayout::null(),
            layout: vk::PipelineLayout::null(),
            pipeline: vk::Pipeline::null(),
        }
    }

    /// The pipeline of an entry point with so many storage buffers, as wgpu makes it.
    fn pipeline(&mut self, words: &[u32], entry: &str, bindings: u32) -> std::result::Result<vk::Pipeline, vk::Result> {
        let binding = |number| {
            vk::DescriptorSetLayoutBinding::default()
                .binding(number)
                .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let entry = CString::new(entry).expect("WGSL's names have no zero in them");
        let bindings: Vec<_> = (0..bindings).map(binding).collect();
        // SAFETY: everything that is pointed to lives until the call returns; naga has written valid words.
        unsafe {
            let info = vk::ShaderModuleCreateInfo::default().code(words);
            self.module = self.device.create_shader_module(&info, None)?;
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            self.bindings = self.device.create_descriptor_set_layout(&info, None)?;
            let sets = [self.bindings];
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            self.layout = self.device.create_pipeline_layout(&info, None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(self.module)
                .name(&entry);
            let told = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
            let info = vk::ComputePipelineCreateInfo::default().flags(told).stage(stage).layout(self.layout);
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            self.pipeline = made.map_err(|(_, e)| e)?[0];
        }
        Ok(self.pipeline)
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        // SAFETY: nothing runs; destroying what is null does nothing.
        unsafe {
            self.device.destroy_pipeline(self.pipeline, None);
            self.device.destroy_pipeline_layout(self.layout, None);
            self.device.destroy_descriptor_set_layout(self.bindings, None);
            self.device.destroy_shader_module(self.module, None);
        }
    }
}
