//! Reflection with naga: bindings, access and sizes come from the shader
//! itself, so nothing is typed twice and nothing has to be kept in sync.

use super::{Kernel, assemble};
use crate::error::{Error, Result};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

/// A storage variable that an entry point uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The variable's name.
    pub name: String,
    /// `@binding(..)`; the group is always 0.
    pub number: u32,
    /// Declared `read_write`.
    pub writable: bool,
    /// Bytes per element of the runtime-sized array (16 for vec4).
    pub stride: u32,
}

/// What an entry point needs, with the kernel's constants filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The storage variables it uses, in binding order.
    pub bindings: Vec<Binding>,
    /// Invocations per dimension of a workgroup.
    pub workgroup_size: [u32; 3],
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
}

/// A parsed and validated module with the analysis that writers need.
#[derive(Debug)]
pub struct Module {
    /// The text that was parsed.
    pub text: String,
    /// The module.
    pub module: naga::Module,
    /// What validation learned.
    pub info: naga::valid::ModuleInfo,
}

/// Parsed modules by text: many kernels share one.
static MODULES: LazyLock<Mutex<HashMap<String, Arc<Module>>>> = LazyLock::new(Default::default);

/// Everything that some kernel asks of some device; whether the one at hand has
/// it is the planner's question.
const CAPABILITIES: Capabilities = Capabilities::SUBGROUP
    .union(Capabilities::SHADER_FLOAT16)
    .union(Capabilities::SHADER_FLOAT16_IN_FLOAT32)
    .union(Capabilities::COOPERATIVE_MATRIX);

fn validator() -> Validator {
    let mut v = Validator::new(ValidationFlags::all(), CAPABILITIES);
    v.subgroup_stages(naga::valid::ShaderStages::all());
    v.subgroup_operations(naga::valid::SubgroupOperationSet::all());
    v
}

/// Parses and validates the assembled source of a kernel.
pub fn module(kernel: &Kernel) -> Result<Arc<Module>> {
    let text = assemble(kernel)?;
    if let Some(found) = MODULES.lock().expect("no thread panics while it holds the cache").get(&text) {
        return Ok(found.clone());
    }
    let path = format!("shaders/{}.wgsl", kernel.shader.name);
    let options = naga::front::wgsl::Options { parse_doc_comments: false, capabilities: CAPABILITIES };
    let mut frontend = naga::front::wgsl::Frontend::new_with_options(options);
    let module = frontend.parse(&text).map_err(|e| Error::model(e.emit_to_string_with_path(&text, &path)))?;
    let info = validator().validate(&module).map_err(|e| Error::model(e.emit_to_string_with_path(&text, &path)))?;
    let parsed = Arc::new(Module { text: text.clone(), module, info });
    MODULES.lock().expect("no thread panics while it holds the cache").insert(text, parsed.clone());
    Ok(parsed)
}

/// The module of a kernel with every `override` resolved to its value, ready
/// for a naga writer.
pub fn specialise(kernel: &Kernel) -> Result<(naga::Module, naga::valid::ModuleInfo)> {
    let parsed = module(kernel)?;
    let constants = kernel.overrides.iter().map(|(k, v)| (k.to_string(), *v)).collect();
    let stage = Some((naga::ShaderStage::Compute, kernel.entry));
    let (module, info) =
        naga::back::pipeline_constants::process_overrides(&parsed.module, &parsed.info, stage, &constants)
            .map_err(|e| Error::model(format!("shaders/{}.wgsl, {}: {e}", kernel.shader.name, kernel.entry)))?;
    Ok((module.into_owned(), info.into_owned()))
}

/// What the kernel's entry point binds and how much workgroup memory it takes.
pub fn entry(kernel: &Kernel) -> Result<Entry> {
    let (module, info) = specialise(kernel)?;
    let missing = || {
        let all: Vec<&str> = module.entry_points.iter().map(|e| e.name.as_str()).collect();
        let (file, all) = (kernel.shader.name, all.join(", "));
        Error::model(format!("shaders/{file}.wgsl has no entry point \"{}\"; it has {all}", kernel.entry))
    };
    let i = module.entry_points.iter().position(|e| e.name == kernel.entry).ok_or_else(missing)?;
    let used = info.get_entry_point(i);
    let mut bindings = vec![];
    let mut workgroup_bytes = 0;
    for (handle, var) in module.global_variables.iter() {
        if used[handle].is_empty() {
            continue;
        }
        match (var.space, &var.binding) {
            (naga::AddressSpace::Storage { access }, Some(binding)) => bindings.push(Binding {
                name: var.name.clone().unwrap_or_default(),
                number: binding.binding,
                writable: access.contains(naga::StorageAccess::STORE),
                stride: match module.types[var.ty].inner {
                    naga::TypeInner::Array { stride, .. } => stride,
                    _ => 4,
                },
            }),
            (naga::AddressSpace::WorkGroup, _) => {
                workgroup_bytes += module.types[var.ty].inner.size(module.to_ctx()).next_multiple_of(16);
            }
            _ => {}
        }
    }
    bindings.sort_by_key(|b| b.number);
    Ok(Entry { bindings, workgroup_size: module.entry_points[i].workgroup_size, workgroup_bytes })
}
