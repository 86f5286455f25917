//! What drivers get: a kernel in the language of each, as naga writes it with the
//! options that wgpu gives it for modules that are trusted, as training's are
//! (`gpu::Checks::Off`): nothing is checked, bounded or zeroed that WGSL does not say.

use super::{Kernel, reflect};
use crate::error::{Error, Result};
use naga::back::{glsl, hlsl, msl, spv};
use naga::valid::ModuleInfo;
use naga::{AddressSpace, GlobalVariable, Handle, Module, ResourceBinding, StorageAccess};

/// A language of drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Vulkan's, in words of 32 bits.
    Spirv,
    /// Metal's.
    Msl,
    /// DX12's.
    Hlsl,
    /// OpenGL's.
    Glsl,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 4] = [Language::Spirv, Language::Msl, Language::Hlsl, Language::Glsl];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Language::Spirv => "SPIR-V",
            Language::Msl => "MSL",
            Language::Hlsl => "HLSL",
            Language::Glsl => "GLSL",
        }
    }
}

/// A kernel with its constants filled in, as the bytes of a file: text, or
/// SPIR-V's words, lowest byte first.
pub fn translate(kernel: &Kernel, language: Language) -> Result<Vec<u8>> {
    let (module, info) = reflect::specialise(kernel)?;
    let translated = match language {
        Language::Spirv => spirv(&module, &info, kernel.entry),
        Language::Msl => metal(&module, &info, kernel.entry).map(String::into_bytes),
        Language::Hlsl => direct_x(&module, &info, kernel.entry).map(String::into_bytes),
        Language::Glsl => open_gl(&module, &info, kernel.entry).map(String::into_bytes),
    };
    translated.map_err(|e| {
        let (file, entry) = (kernel.shader.name, kernel.entry);
        Error::model(format!("shaders/{file}.wgsl, {entry} in {}: {e}", language.name()))
    })
}

type Translated<T> = std::result::Result<T, String>;

/// What an entry point binds. wgpu counts these from 0 on, whatever WGSL calls them.
fn bindings<'a>(module: &'a Module, info: &ModuleInfo, entry: &str) -> Vec<(ResourceBinding, &'a GlobalVariable)> {
    let used = module.entry_points.iter().position(|e| e.name == entry).map(|i| info.get_entry_point(i));
    let of = |(handle, v): (Handle<GlobalVariable>, &'a GlobalVariable)| {
        let binding = v.binding?;
        used.is_some_and(|used| !used[handle].is_empty()).then_some((binding, v))
    };
    let mut found: Vec<_> = module.global_variables.iter().filter_map(of).collect();
    found.sort_by_key(|(binding, _)| *binding);
    found
}

fn spirv(module: &Module, info: &ModuleInfo, entry: &str) -> Translated<Vec<u8>> {
    let place = |(number, (binding, _)): (usize, (ResourceBinding, _))| {
        let info = spv::BindingInfo { descriptor_set: 0, binding: number as u32, binding_array_size: None };
        (binding, info)
    };
    let options = spv::Options {
        // For a driver of Vulkan 1.3.
        lang_version: (1, 6),
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        fake_missing_bindings: false,
        binding_map: bindings(module, info, entry).into_iter().enumerate().map(place).collect(),
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        ray_query_initialization_tracking: false,
        mesh_shader_primitive_indices_clamp: false,
        emit_int_div_checks: false,
        // Among them the checks of indices, which are off.
        ..Default::default()
    };
    let pipeline = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: entry.into() };
    let words = spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|e| e.to_string())?;
    Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
}

fn metal(module: &Module, info: &ModuleInfo, entry: &str) -> Translated<String> {
    let bindings = bindings(module, info, entry);
    // Metal has no array lengths of its own; wgpu passes them in a buffer behind the others.
    let sizes_buffer = Some(bindings.len() as u8);
    let place = |(number, (binding, v)): (usize, (ResourceBinding, &GlobalVariable))| {
        let mutable = matches!(v.space, AddressSpace::Storage { access } if access.contains(StorageAccess::STORE));
        (binding, msl::BindTarget { buffer: Some(number as u8), mutable, ..Default::default() })
    };
    let resources = bindings.into_iter().enumerate().map(place).collect();
    let resources = msl::EntryPointResources { resources, sizes_buffer, ..Default::default() };
    let options = msl::Options {
        lang_version: (2, 0),
        per_entry_point_map: [(entry.to_string(), resources)].into(),
        fake_missing_bindings: false,
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        mesh_shader_primitive_indices_clamp: false,
        emit_int_div_checks: false,
        ray_query_initialization_tracking: false,
        ..Default::default()
    };
    let pipeline =
        msl::PipelineOptions { entry_point: Some((naga::ShaderStage::Compute, entry.into())), ..Default::default() };
    let (text, translation) = msl::write_string(module, info, &options, &pipeline).map_err(|e| e.to_string())?;
    let names = translation.entry_point_names.into_iter().collect::<std::result::Result<Vec<_>, _>>();
    names.map(|_| text).map_err(|e| e.to_string())
}

fn direct_x(module: &Module, info: &ModuleInfo, entry: &str) -> Translated<String> {
    // Subgroup operations exist from shader model 6.0 on.
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        zero_initialize_workgroup_memory: false,
        restrict_indexing: false,
        force_loop_bounding: false,
        mesh_shader_primitive_indices_clamp: false,
        ray_query_initialization_tracking: false,
        ..Default::default()
    };
    let pipeline = hlsl::PipelineOptions { entry_point: Some((naga::ShaderStage::Compute, entry.into())) };
    let mut text = String::new();
    let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
    let reflection = writer.write(module, info, None).map_err(|e| e.to_string())?;
    let names = reflection.entry_point_names.into_iter().collect::<std::result::Result<Vec<_>, _>>();
    drop(writer);
    names.map(|_| text).map_err(|e| e.to_string())
}

fn open_gl(module: &Module, info: &ModuleInfo, entry: &str) -> Translated<String> {
    let version = glsl::Version::Desktop(430);
    let options = glsl::Options { version, zero_initialize_workgroup_memory: false, ..Default::default() };
    let pipeline =
        glsl::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: entry.into(), multiview: None };
    let mut text = String::new();
    let writer = glsl::Writer::new(&mut text, module, info, &options, &pipeline, Default::default());
    let mut writer = writer.map_err(|e| e.to_string())?;
    writer.write().map_err(|e| e.to_string())?;
    drop(writer);
    Ok(text)
}
