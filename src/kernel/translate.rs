//! What drivers get: a kernel in the language of each, as naga writes it.

use super::{Kernel, reflect};
use crate::error::{Error, Result};
use naga::Module;
use naga::back::{glsl, hlsl, msl, spv};
use naga::valid::ModuleInfo;

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

fn spirv(module: &Module, info: &ModuleInfo, entry: &str) -> Translated<Vec<u8>> {
    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    let pipeline = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: entry.into() };
    let words = spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|e| e.to_string())?;
    Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
}

fn metal(module: &Module, info: &ModuleInfo, entry: &str) -> Translated<String> {
    let bindings = module.global_variables.iter().filter_map(|(_, v)| v.binding);
    let resources = bindings.map(|b| {
        let target = msl::BindTarget { buffer: Some(b.binding as u8), mutable: true, ..Default::default() };
        (b, target)
    });
    let resources = msl::EntryPointResources {
        resources: resources.collect(),
        // Metal has no array lengths of its own; wgpu passes them in a buffer.
        sizes_buffer: Some(30),
        ..Default::default()
    };
    let options = msl::Options {
        lang_version: (2, 0),
        per_entry_point_map: [(entry.to_string(), resources)].into(),
        fake_missing_bindings: false,
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
    let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..Default::default() };
    let pipeline = hlsl::PipelineOptions { entry_point: Some((naga::ShaderStage::Compute, entry.into())) };
    let mut text = String::new();
    let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
    let reflection = writer.write(module, info, None).map_err(|e| e.to_string())?;
    let names = reflection.entry_point_names.into_iter().collect::<std::result::Result<Vec<_>, _>>();
    drop(writer);
    names.map(|_| text).map_err(|e| e.to_string())
}

fn open_gl(module: &Module, info: &ModuleInfo, entry: &str) -> Translated<String> {
    let options = glsl::Options { version: glsl::Version::Desktop(430), ..Default::default() };
    let pipeline =
        glsl::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: entry.into(), multiview: None };
    let mut text = String::new();
    let writer = glsl::Writer::new(&mut text, module, info, &options, &pipeline, Default::default());
    let mut writer = writer.map_err(|e| e.to_string())?;
    writer.write().map_err(|e| e.to_string())?;
    drop(writer);
    Ok(text)
}
