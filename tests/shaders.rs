//! Every kernel that any case needs, without a GPU: naga validates it and
//! translates it to the language of every driver, it fits what WebGPU
//! guarantees, and it keeps the rules that drivers do not check.

mod support;

use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use support::lint;
use wgrad::graph::Case;
use wgrad::kernel::{Caps, Class, Kernel, Language, reflect, translate};
use wgrad::plan::{Launch, Plan, Target, launches_of};

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
    let all = |case: &Case| launches_of(case).unwrap_or_else(|e| panic!("{e}"));
    let per_case: Vec<(String, Vec<Launch>)> = cases.par_iter().map(|c| (c.name.clone(), all(c))).collect();
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
    let found = over_kernels(|kernel| {
        let failed = |l| translate(kernel, l).err().map(|e| e.to_string());
        Language::ALL.into_iter().filter_map(failed).collect()
    });
    report("translations failed", &found);
    println!("{} kernels, four languages each", TABLE.kernels.len());
}

/// What naga adds to SPIR-V where it is asked to: a counter of a loop's turns, which is a pair of u32; zeros that are
/// stored to workgroup memory; a divisor that is chosen, lest it be zero.
fn additions_to_spirv(spirv: &[u8]) -> BTreeSet<&'static str> {
    let words: Vec<u32> = spirv.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    let (mut unsigned, mut workgroup, mut zeros, mut chosen) = (None, vec![], vec![], vec![]);
    let (mut found, mut at) = (BTreeSet::new(), 5);
    while at < words.len() {
        let instruction = &words[at..][..(words[at] >> 16) as usize];
        match (instruction[0] & 0xffff, &instruction[1..]) {
            // OpTypeInt of 32 bits without sign, OpTypeVector of two.
            (21, &[id, 32, 0]) => unsigned = Some(id),
            (23, &[_, of, 2]) if Some(of) == unsigned => drop(found.insert(PAIRS)),
            // OpVariable of the storage class Workgroup, OpConstantNull, OpStore.
            (59, &[_, id, 4, ..]) => workgroup.push(id),
            (46, &[_, id]) => zeros.push(id),
            (62, &[to, what, ..]) if workgroup.contains(&to) && zeros.contains(&what) => {
                found.insert("zeros in workgroup memory");
            }
            // OpSelect; OpUDiv, OpSDiv and the remainders.
            (169, &[_, id, ..]) => chosen.push(id),
            (134 | 135 | 137..=139, &[_, _, _, by]) if chosen.contains(&by) => drop(found.insert("checked divisors")),
            _ => {}
        }
        at += instruction.len();
    }
    found
}

const PAIRS: &str = "pairs of u32";

/// The same in the languages that are text: names of naga's own, and forms that come of nothing in these shaders. HLSL
/// gives workgroup variables their zeros as wholes.
fn additions_to_texts(wgsl: &str) -> [(Language, Vec<String>); 3] {
    let words = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let shared = wgsl.split("var<workgroup> ").skip(1).filter_map(|rest| rest.split(':').next());
    let zeroed = shared.map(|name| format!(" {name} = (")).collect();
    [
        (Language::Msl, words(&["loop_bound", "naga_div", "naga_mod", "[__i0]"])),
        (Language::Hlsl, [words(&["loop_bound", "[min(uint("]), zeroed].concat()),
        (Language::Glsl, words(&["gl_LocalInvocationID == uvec3(0u)"])),
    ]
}

#[test]
fn translations_hold_nothing_that_training_does_not_run() {
    let [loops, divisions, workgroups] = [(); 3].map(|()| AtomicUsize::new(0));
    let found = over_kernels(|kernel| {
        let text = wgrad::kernel::assemble(kernel).expect("it was planned");
        let of = |language| translate(kernel, language).expect("another test says why it does not");
        let mut there = additions_to_spirv(&of(Language::Spirv));
        if text.contains("vec2") {
            there.remove(PAIRS);
        } else if text.contains("for (") {
            loops.fetch_add(1, Ordering::Relaxed);
        }
        for (of, part) in [(&divisions, " % "), (&workgroups, "var<workgroup>")] {
            of.fetch_add(text.contains(part).into(), Ordering::Relaxed);
        }
        let mut found: Vec<String> =
            there.into_iter().map(|a| format!("{} holds {a}", Language::Spirv.name())).collect();
        for (language, added) in additions_to_texts(&text) {
            let bytes = of(language);
            let text = String::from_utf8_lossy(&bytes);
            let there = added.iter().filter(|a| text.contains(*a));
            found.extend(there.map(|a| format!("{} holds {a}", language.name())));
        }
        found
    });
    report("additions", &found);
    for (count, what) in [(loops, "loops"), (divisions, "divisions"), (workgroups, "workgroup memory")] {
        assert!(count.into_inner() > 100, "most kernels have {what}");
    }
}

#[test]
fn products_in_f16_translate_to_spirv() {
    // Cooperative matrices of 16x16 exist in Vulkan alone. Nobody but a device can say whether they are right; this says
    // that every kernel that uses them is valid.
    let caps = Caps { half: Some(32), ..Caps::floor(Class::Discrete) };
    let cases = wgrad::ops::cases();
    let found: Vec<(usize, Vec<String>)> = cases
        .par_iter()
        .filter(|case| ["matmul/", "conv2d/"].iter().any(|room| case.name.starts_with(room)))
        .map(|case| {
            let built = case.built().unwrap_or_else(|e| panic!("{}: {e}", case.name));
            let plan = Plan::build(&built.graph, &built.fetches(), Target::Gpu(caps.clone()))
                .unwrap_or_else(|e| panic!("{}: {e}", case.name));
            let half = plan.steps.iter().filter(|s| s.variant == "half").flat_map(|s| &s.launches);
            let mut wrong = vec![];
            let mut count = 0;
            for launch in half {
                count += 1;
                wrong.extend(misfit(launch).into_iter().map(|m| format!("{}: {m}", case.name)));
                let translated = translate(&launch.kernel, Language::Spirv);
                wrong.extend(translated.err().map(|e| format!("{}: {e}", case.name)));
            }
            (count, wrong)
        })
        .collect();
    assert!(found.iter().map(|f| f.0).sum::<usize>() > 20, "the cases have products large enough");
    report("kernels in f16", &found.into_iter().flat_map(|f| f.1).collect::<Vec<_>>());
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

#[test]
fn variables_in_loops_are_given_a_value() {
    let mut found = over_modules(|m, _| lint::stale_variables(&m.text));
    // Some files make no module that runs everywhere: cooperative matrices.
    for (name, text) in files() {
        found.extend(lint::stale_variables(&text).into_iter().map(|m| format!("shaders/{name}.wgsl: {m}")));
    }
    found.sort();
    found.dedup();
    report("variables", &found);
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

/// All shader files: stem and text. Fragments have `lib/` in front, variants in
/// files of their own the name of their room.
fn files() -> Vec<(String, String)> {
    fn walk(folder: &Path, prefix: &str, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("the shaders are there") {
            let path = entry.expect("readable").path();
            let stem = format!("{prefix}{}", path.file_stem().expect("it has a name").to_string_lossy());
            if path.is_dir() {
                walk(&path, &format!("{stem}/"), found);
            } else if path.extension().is_some_and(|e| e == "wgsl") {
                found.push((stem, fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    let mut found = vec![];
    walk(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders")), "", &mut found);
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
    fn a_variable_in_a_loop_without_a_value() {
        let in_loops = [
            "for (var i = 0u; i < N; i++) { var sum: array<f32, 4>; x[i] = sum[0]; }",
            "loop { if a { var sum: f32; } break; }",
            "while a { // of a turn\n var sum: f32; }",
            "for (var i = 0u; i < N; i++) { for (var k: u32; k < N; k++) { x[i] = k; } }",
            "loop { continuing { var last: u32; break if last == 0u; } }",
        ];
        for body in in_loops {
            let text = format!("var<private> p: u32;\nfn f() {{ var before: u32;\n{body} }}");
            assert_eq!(lint::stale_variables(&text).len(), 1, "{body}");
        }
        let fine = [
            "for (var i = 0u; i < N; i++) { var sum = array<f32, 4>(); x[i] = sum[0]; }",
            "for (var i = 0u; i < N; i++) { let var_a: u32 = 1u; } var sum: f32;",
            "for (var i: u32; i < N; i++) { x[i] = 1u; } if a { var sum: f32; }",
            "loop { break; } { var sum: f32; } // loop {",
        ];
        for body in fine {
            let text = format!("fn f() {{ {body} }}\nfn g() {{ var sum: f32; }}");
            assert_eq!(lint::stale_variables(&text), Vec::<String>::new(), "{body}");
        }
        assert!(lint::stale_variables("fn f() {\n loop {\n var a: u32;\n } }")[0].starts_with("line 3: "));
    }

    #[test]
    fn an_override_that_nothing_uses() {
        let text =
            "override WG: u32;\noverride IDLE: u32; // IDLE\nconst TWO = 2u;\nfn f() -> u32 { return WG * TWO; }";
        assert_eq!(lint::idle_constants(text), ["IDLE"]);
    }
}
