//! Every kernel that any case needs, without a GPU: naga validates it and
//! translates it to the language of every driver, it fits what WebGPU
//! guarantees, and it keeps the rules that drivers do not check.

mod support;

use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, LazyLock};
use support::lint;
use support::run::{build, options};
use wgrad::kernel::{Caps, Class, Kernel, reflect};
use wgrad::plan::{Launch, Plan, Target};

/// A kernel and the first case that needs it.
struct Needed {
    kernel: Kernel,
    case: String,
}

/// What the case table dispatches within the WebGPU floor.
struct Table {
    /// Each kernel once.
    kernels: Vec<Needed>,
    /// What is wrong with single launches.
    misfits: Vec<String>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let cases = wgrad::ops::cases();
    let per_case: Vec<(String, Vec<Launch>)> = cases
        .par_iter()
        .map(|case| {
            let built = build(case).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            let subgroups = Caps { subgroup: Some(8), ..Caps::floor(Class::Cpu) };
            let lowered = [Caps::floor(Class::Cpu), subgroups, Caps::floor(Class::Discrete)].map(|caps| {
                let class = caps.class;
                Plan::with(&built.graph, &built.fetches(), Target::Gpu(caps), &options(case))
                    .unwrap_or_else(|e| panic!("{} for {class:?}: {e}", case.name))
            });
            (case.name.clone(), lowered.into_iter().flat_map(|p| p.steps).flat_map(|s| s.launches).collect())
        })
        .collect();
    let mut kernels = BTreeMap::new();
    let mut misfits = vec![];
    for (case, launches) in per_case {
        for launch in launches {
            misfits.extend(misfit(&launch).into_iter().map(|m| format!("{case}: {}: {m}", launch.label)));
            let text = wgrad::kernel::assemble(&launch.kernel).expect("it was planned");
            let key = (text, launch.kernel.entry, format!("{:?}", launch.kernel.overrides));
            kernels.entry(key).or_insert_with(|| Needed { kernel: launch.kernel, case: case.clone() });
        }
    }
    Table { kernels: kernels.into_values().collect(), misfits }
});

/// What of a launch a browser on a small GPU would refuse.
fn misfit(launch: &Launch) -> Vec<String> {
    let caps = Caps::floor(Class::Integrated);
    let mut found = vec![];
    let mut most = |what: &str, n: u64, limit: u32| {
        if n > u64::from(limit) {
            found.push(format!("{n} {what}, {limit} allowed"));
        }
    };
    most("storage buffers", launch.bound.len() as u64, caps.storage_buffers);
    most("bytes of workgroup memory", launch.entry.workgroup_bytes.into(), caps.workgroup_bytes);
    let [x, y, z] = launch.entry.workgroup_size;
    most("invocations in a workgroup", u64::from(x) * u64::from(y) * u64::from(z), caps.invocations);
    most("invocations along z", z.into(), 64);
    for groups in launch.groups {
        most("workgroups in a dimension", groups.into(), caps.groups);
    }
    if launch.groups.contains(&0) {
        found.push(format!("an empty grid {:?}", launch.groups));
    }
    for (i, a) in launch.bound.iter().enumerate() {
        let unaligned = !(a.place.offset * 4).is_multiple_of(caps.offset_align as usize);
        if unaligned {
            found.push(format!("binding {} starts at element {}", a.number, a.place.offset));
        }
        for b in launch.bound.iter().skip(i + 1).filter(|b| b.place.buffer == a.place.buffer) {
            let (r, s) = (a.place.range(), b.place.range());
            if a.writable != b.writable || a.writable && r.start < s.end && s.start < r.end {
                found.push(format!("bindings {} and {} meet in one written buffer", a.number, b.number));
            }
        }
    }
    found
}

fn report(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{} {what}:\n{}", found.len(), found.join("\n"));
}

/// Runs a check over all kernels at once and names the case of each failure.
fn over_kernels(check: impl Fn(&Kernel) -> Vec<String> + Sync) -> Vec<String> {
    let describe = |n: &Needed| -> Vec<String> {
        let at = format!("shaders/{}.wgsl, {} (case {})", n.kernel.shader.name, n.kernel.entry, n.case);
        check(&n.kernel).into_iter().map(|m| format!("{at}: {m}")).collect()
    };
    TABLE.kernels.par_iter().flat_map_iter(describe).collect()
}

#[test]
fn every_kernel_translates_to_every_drivers_language() {
    let found = over_kernels(|kernel| match reflect::specialise(kernel) {
        Err(e) => vec![e.to_string()],
        Ok((module, info)) => [spirv, msl, hlsl, glsl]
            .iter()
            .filter_map(|translate| translate(&module, &info, kernel.entry).err())
            .collect(),
    });
    report("translations failed", &found);
    println!("{} kernels, four languages each", TABLE.kernels.len());
}

type Translated = Result<(), String>;

fn spirv(module: &naga::Module, info: &naga::valid::ModuleInfo, entry: &str) -> Translated {
    use naga::back::spv;
    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    let pipeline = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: entry.into() };
    spv::write_vec(module, info, &options, Some(&pipeline)).map(drop).map_err(|e| format!("SPIR-V: {e}"))
}

fn msl(module: &naga::Module, info: &naga::valid::ModuleInfo, entry: &str) -> Translated {
    use naga::back::msl;
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
    let (_, translation) = msl::write_string(module, info, &options, &pipeline).map_err(|e| format!("MSL: {e}"))?;
    let names = translation.entry_point_names.into_iter().collect::<Result<Vec<_>, _>>();
    names.map(drop).map_err(|e| format!("MSL: {e}"))
}

fn hlsl(module: &naga::Module, info: &naga::valid::ModuleInfo, entry: &str) -> Translated {
    use naga::back::hlsl;
    // Subgroup operations exist from shader model 6.0 on.
    let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..Default::default() };
    let pipeline = hlsl::PipelineOptions { entry_point: Some((naga::ShaderStage::Compute, entry.into())) };
    let mut text = String::new();
    let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
    let reflection = writer.write(module, info, None).map_err(|e| format!("HLSL: {e}"))?;
    let names = reflection.entry_point_names.into_iter().collect::<Result<Vec<_>, _>>();
    names.map(drop).map_err(|e| format!("HLSL: {e}"))
}

fn glsl(module: &naga::Module, info: &naga::valid::ModuleInfo, entry: &str) -> Translated {
    use naga::back::glsl;
    let options = glsl::Options { version: glsl::Version::Desktop(430), ..Default::default() };
    let pipeline =
        glsl::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: entry.into(), multiview: None };
    let mut text = String::new();
    let writer = glsl::Writer::new(&mut text, module, info, &options, &pipeline, Default::default());
    let mut writer = writer.map_err(|e| format!("GLSL: {e}"))?;
    writer.write().map(drop).map_err(|e| format!("GLSL: {e}"))
}

#[test]
fn every_launch_fits_what_webgpu_guarantees() {
    report("launches do not fit", &TABLE.misfits);
}

#[test]
fn barriers_are_reached_by_all_invocations() {
    report("barriers", &over_modules(|m, entry| lint::barriers(&m.module, &m.text, entry)));
}

#[test]
fn nothing_is_compared_with_itself() {
    // WGSL may assume that there are no NaNs; the kernels test bits.
    report("comparisons", &over_modules(|m, _| lint::self_comparisons(&m.module, &m.text)));
}

/// Runs a check once per text and entry point.
fn over_modules(check: impl Fn(&reflect::Module, &str) -> Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut found = vec![];
    for n in &TABLE.kernels {
        let module: Arc<reflect::Module> = reflect::module(&n.kernel).expect("it was planned");
        if seen.insert((module.text.clone(), n.kernel.entry)) {
            let at = |m| format!("shaders/{}.wgsl (case {}): {m}", n.kernel.shader.name, n.case);
            found.extend(check(&module, n.kernel.entry).into_iter().map(at));
        }
    }
    found
}

#[test]
fn every_constant_has_a_giver_and_a_consumer() {
    let mut found = BTreeSet::new();
    for n in &TABLE.kernels {
        let module = reflect::module(&n.kernel).expect("it was planned");
        let declared = |name: &str| module.module.overrides.iter().any(|(_, o)| o.name.as_deref() == Some(name));
        let mut note =
            |m: String| found.insert(format!("shaders/{}.wgsl, {}: {m}", n.kernel.shader.name, n.kernel.entry));
        for name in lint::idle_constants(&module.text) {
            note(format!("nothing uses {name}"));
        }
        let mut set = BTreeSet::new();
        for (name, _) in &n.kernel.overrides {
            if !declared(name) {
                note(format!("no override is called {name}"));
            }
            if !set.insert(name) {
                note(format!("{name} is set twice"));
            }
        }
    }
    report("constants", &found.into_iter().collect::<Vec<_>>());
}

/// All shader files: stem and text. Fragments have `lib/` in front.
fn files() -> Vec<(String, String)> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders");
    let mut found = vec![];
    for (folder, prefix) in [(root.to_string(), ""), (format!("{root}/lib"), "lib/")] {
        for entry in fs::read_dir(folder).expect("the shaders are there") {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|e| e == "wgsl") {
                let stem = path.file_stem().expect("it has an extension").to_string_lossy();
                found.push((format!("{prefix}{stem}"), fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    found
}

/// The names of the functions marked `@compute`.
fn entry_points(text: &str) -> Vec<&str> {
    let after = text.split("@compute").skip(1);
    after.filter_map(|t| t.split_once("fn ")?.1.split_once('(')).map(|(name, _)| name.trim()).collect()
}

#[test]
fn every_file_opens_with_its_contract() {
    let mut found = vec![];
    for (name, text) in files() {
        let lines = text.lines().count();
        if lines > 300 {
            found.push(format!("{name}: {lines} lines, 300 allowed"));
        }
        if name.starts_with("lib/") {
            continue;
        }
        let header: Vec<&str> = text.lines().take_while(|l| l.starts_with("//")).collect();
        for word in ["Formula:", "Shapes:", "Launch:", "Source:", "Numerics:"] {
            if !header.iter().any(|l| l.trim_start_matches("// ").starts_with(word)) {
                found.push(format!("{name}: no line \"// {word}\" in the header"));
            }
        }
    }
    report("files", &found);
}

#[test]
fn every_entry_point_says_what_it_does_and_is_dispatched_by_some_case() {
    let mut found = vec![];
    for (name, text) in files() {
        for entry in entry_points(&text) {
            if entry == "main" {
                found.push(format!("{name}: an entry point is called main"));
            }
            if !TABLE.kernels.iter().any(|n| n.kernel.shader.name == name && n.kernel.entry == entry) {
                found.push(format!("{name}: no case dispatches {entry}"));
            }
        }
    }
    report("entry points", &found);
}

mod the_lints_catch {
    use super::lint;

    fn barriers(body: &str) -> Vec<String> {
        let text = format!(
            "@group(0) @binding(0) var<storage, read> x: array<f32>;
             @group(0) @binding(1) var<storage, read_write> y: array<f32>;
             override N: u32 = 4u;
             override WG: u32 = 64u;
             var<workgroup> sh_reduce: array<f32, WG>;
             fn wait() {{ workgroupBarrier(); }}
             fn first() -> f32 {{ workgroupBarrier(); return sh_reduce[0]; }}
             fn twice(v: u32) -> u32 {{ return v * 2u; }}
             @compute @workgroup_size(WG)
             fn f(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) at: u32,
                  @builtin(workgroup_id) group: vec3<u32>) {{
             y[id.x] = sh_reduce[at];
             {body}
             }}"
        );
        let module = naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&text)));
        lint::barriers(&module, &text, "f")
    }

    #[test]
    fn barriers_that_some_invocations_miss() {
        for body in [
            "if id.x >= N { return; } workgroupBarrier();",
            "if group.x == 0u { if N > 2u { return; } } wait();",
            "for (var i = 0u; i < N; i++) { { if i == 2u { return; } } } workgroupBarrier();",
            "for (var i = 0u; i < N; i++) { workgroupBarrier(); if i == 2u { return; } }",
            "if at < 4u { workgroupBarrier(); }",
            "if at < 4u { for (var i = 0u; i < N; i++) { wait(); } }",
            "if y[0] > 0.0 { workgroupBarrier(); }",
            "if first() > 0.0 { workgroupBarrier(); }",
            "if x[id.x] > 0.0 { y[0] = first(); }",
            "for (var i = at; i < N; i++) { workgroupBarrier(); }",
            "for (var i = 0u; i < N; i++) { if i == at { break; } workgroupBarrier(); }",
            "for (var i = 0u; i < N; i++) { workgroupBarrier(); if i == at { continue; } y[i] = 0.0; }",
            "switch twice(at) { case 0u: { } default: { workgroupBarrier(); } }",
            "var n = N; if at == 0u { n = 2u; } if n == 2u { workgroupBarrier(); }",
            "loop { workgroupBarrier(); continuing { break if at > N; } }",
            "if group.x == 0u && at == 3u { workgroupBarrier(); }",
            "if at == 3u { y[0] = subgroupShuffle(y[1], 2u); }",
        ] {
            assert!(!barriers(body).is_empty(), "not caught: {body}");
        }
    }

    #[test]
    fn nothing_where_all_is_well() {
        for body in [
            "workgroupBarrier(); if id.x >= N { return; } y[0] = 1.0;",
            "for (var i = 0u; i < N; i++) { if at < i { y[i] = 2.0; } workgroupBarrier(); }",
            "for (var i = at; i < N; i++) { y[i] = 2.0; } workgroupBarrier();",
            "for (var i = at; i < N; i++) { if i == 7u { break; } } y[1] = first();",
            "if group.x == 0u && x[group.y] > 0.0 { wait(); }",
            "if twice(group.x) == N { workgroupBarrier(); }",
            "let v = subgroupShuffle(x[id.x], 2u); if v > 0.0 { y[0] = v; }",
            "let v = first() + first(); if v > 0.0 { y[0] = v; }",
            "for (var span = WG / 2u; span > 0u; span >>= 1u) { if at < span { y[at] = 1.0; } wait(); }",
        ] {
            assert_eq!(barriers(body), Vec::<String>::new(), "{body}");
        }
    }

    #[test]
    fn a_value_compared_with_itself() {
        let found = |condition: &str| {
            let text = format!(
                "@group(0) @binding(0) var<storage, read_write> x: array<f32>;
                 @compute @workgroup_size(1) fn f(@builtin(global_invocation_id) id: vec3<u32>) {{
                 let v = x[id.x]; var w = v;
                 if {condition} {{ x[0] = w; }} }}"
            );
            lint::self_comparisons(&naga::front::wgsl::parse_str(&text).expect("it parses"), &text).len()
        };
        for planted in ["v != v", "!(v == v)", "x[id.x] != x[id.x]", "w != w"] {
            assert_eq!(found(planted), 1, "{planted}");
        }
        assert_eq!(found("v != x[id.y]"), 0);
        assert_eq!(found("(bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u"), 0);
    }

    #[test]
    fn an_override_that_nothing_uses() {
        let text =
            "override WG: u32;\noverride IDLE: u32; // IDLE\nconst TWO = 2u;\nfn f() -> u32 { return WG * TWO; }";
        assert_eq!(lint::idle_constants(text), ["IDLE"]);
    }
}
