//! The complete source of a kernel: a WGSL file, the fragments it includes, and the
//! constants that the kernel adds.
//!
//! WGSL's module scope knows no order, so fragments and constants go **after**
//! the file: naga's line numbers stay those of the file that a person edits.

use super::{Kernel, halves};
use crate::error::{Context, Error, Result};
use std::collections::HashMap;
use std::sync::{LazyLock, RwLock};

impl Kernel {
    /// Lets `lanes` neighbouring invocations share values: adds `const LANES`
    /// and the function `lane_of`, which needs subgroups if there is more than
    /// one lane.
    pub fn lanes(self, lanes: usize) -> Kernel {
        let name = if lanes > 1 { "lib/lanes" } else { "lib/no_lanes" };
        self.constant("LANES", lanes).line("lane_of", taken(name))
    }

    /// Adds the functions that multiply tiles in workgroup memory, in f32 or
    /// with factors rounded to f16.
    pub fn tiles(self, half: bool) -> Kernel {
        self.line("tiles", taken(if half { "lib/tiles_half" } else { "lib/tiles" }))
    }
}

/// The fragments in `shaders/lib`.
const LIB: &[(&str, &str)] = &[
    ("lib/activation", include_str!("../../shaders/lib/activation.wgsl")),
    ("lib/arithmetic", include_str!("../../shaders/lib/arithmetic.wgsl")),
    ("lib/choose", include_str!("../../shaders/lib/choose.wgsl")),
    ("lib/dropout", include_str!("../../shaders/lib/dropout.wgsl")),
    ("lib/elementary", include_str!("../../shaders/lib/elementary.wgsl")),
    ("lib/flush", include_str!("../../shaders/lib/flush.wgsl")),
    ("lib/guard", include_str!("../../shaders/lib/guard.wgsl")),
    ("lib/index", include_str!("../../shaders/lib/index.wgsl")),
    ("lib/order", include_str!("../../shaders/lib/order.wgsl")),
    ("lib/reduce", include_str!("../../shaders/lib/reduce.wgsl")),
    ("lib/random", include_str!("../../shaders/lib/random.wgsl")),
    ("lib/recurrence", include_str!("../../shaders/lib/recurrence.wgsl")),
    ("lib/turn", include_str!("../../shaders/lib/turn.wgsl")),
    ("lib/attention", include_str!("../../shaders/lib/attention.wgsl")),
    ("lib/conv2d", include_str!("../../shaders/lib/conv2d.wgsl")),
    ("lib/attention_rows", include_str!("../../shaders/lib/attention_rows.wgsl")),
    ("lib/attention_tiles", include_str!("../../shaders/lib/attention_tiles.wgsl")),
    ("lib/winograd_2", include_str!("../../shaders/lib/winograd_2.wgsl")),
    ("lib/winograd_4", include_str!("../../shaders/lib/winograd_4.wgsl")),
    ("lib/lanes", include_str!("../../shaders/lib/lanes.wgsl")),
    ("lib/no_lanes", include_str!("../../shaders/lib/no_lanes.wgsl")),
    ("lib/tiles", include_str!("../../shaders/lib/tiles.wgsl")),
    ("lib/tiles_half", include_str!("../../shaders/lib/tiles_half.wgsl")),
];

/// Texts that stand in for compiled-in ones.
static REPLACED: LazyLock<RwLock<HashMap<String, String>>> = LazyLock::new(Default::default);

/// Lets a text stand in for that of a shader (`matmul`) or of a fragment that
/// shaders include (`lib/index`) from now on: for a person who tunes it while
/// the program runs. What was compiled before stays as it is.
pub fn replace(name: &str, text: String) {
    REPLACED.write().expect("nobody panics while holding it").insert(name.to_string(), text);
}

/// The text of a fragment: what stands in for it, else the compiled-in one.
fn fragment<'a>(replaced: &'a HashMap<String, String>, name: &str) -> Option<&'a str> {
    let compiled = || LIB.iter().find(|(n, _)| *n == name).map(|(_, text)| *text);
    replaced.get(name).map(String::as_str).or_else(compiled)
}

/// A fragment that a kernel takes among its own lines.
fn taken(name: &str) -> String {
    let replaced = REPLACED.read().expect("nobody panics while holding it");
    fragment(&replaced, name).expect("it is one of LIB").to_string()
}

/// The names that the lines `// include: lib/..` of a text give.
pub fn includes(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.trim().strip_prefix("// include:").map(str::trim))
}

/// The complete WGSL of a kernel: its file, each fragment that the file or the
/// kernel's constants include once, then the constants. What these enable stands in
/// front of the file's first line, where WGSL wants it. Last, what is kept in
/// halves is written so.
pub fn assemble(kernel: &Kernel) -> Result<String> {
    let replaced = REPLACED.read().expect("nobody panics while holding it");
    let file = replaced.get(kernel.shader.name).map_or(kernel.shader.source, String::as_str);
    let mut text = file.to_string();
    let mut included = vec![];
    for name in includes(file).chain(kernel.consts.iter().flat_map(|(_, added)| includes(added))) {
        if included.contains(&name) {
            continue;
        }
        included.push(name);
        let Some(fragment) = fragment(&replaced, name) else {
            let all: Vec<&str> = LIB.iter().map(|(n, _)| *n).collect();
            return Err(Error::model(format!(
                "shader {} includes \"{name}\", which does not exist; there are {}",
                kernel.shader.name,
                all.join(", ")
            )));
        };
        text.push('\n');
        text.push_str(fragment);
    }
    let mut enabled = String::new();
    for (_, added) in &kernel.consts {
        for line in added.lines() {
            match line.starts_with("enable ") {
                true => enabled = enabled + line + " ",
                false => text = text + "\n" + line,
            }
        }
    }
    text.push('\n');
    text.insert_str(0, &enabled);
    match &kernel.halves {
        (names, _) if names.is_empty() => Ok(text),
        (names, form) => halves::narrow(&text, names, *form)
            .context(|| format!("shaders/{}.wgsl, {}", kernel.shader.name, kernel.entry)),
    }
}
