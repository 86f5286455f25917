//! The rules of the house: which layer may import which, where things lie,
//! and how long a file may be.

mod imports;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first, and what each may import besides itself. A layer
/// imports only from lines above its own, so there are no cycles.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("terminal", &[]),
    ("files", &["error"]),
    ("tensor", &["error"]),
    ("keys", &["error"]),
    ("ranks", &["error", "tensor"]),
    ("kernel", &["error", "tensor"]),
    ("graph", &["error", "tensor", "kernel"]),
    ("ops", &["error", "tensor", "kernel", "graph"]),
    ("plan", &["error", "tensor", "kernel", "graph"]),
    ("cpu", &["error", "tensor", "graph", "plan"]),
    // The two executors share the check of a named buffer's size.
    ("gpu", &["error", "files", "tensor", "kernel", "graph", "plan", "cpu"]),
    // Each op beside its reference; what an op's functions may cost is in its cases.
    ("verify", &["error", "tensor", "kernel", "graph", "ops", "plan", "cpu", "gpu"]),
    ("device", &["error", "ranks", "kernel", "graph", "plan", "cpu", "gpu"]),
    // What runs fastest is found out by running it.
    ("tuning", &["error", "files", "tensor", "kernel", "graph", "plan", "cpu", "gpu"]),
    ("data", &["error", "files", "terminal", "tensor", "keys"]),
    // A summary counts work and memory, which the plan knows.
    ("nn", &["error", "terminal", "files", "tensor", "keys", "graph", "ops", "plan"]),
    ("eval", &["error", "terminal", "files", "tensor", "keys", "data"]),
    (
        "train",
        &[
            "error", "files", "tensor", "keys", "ranks", "kernel", "graph", "ops", "plan", "cpu", "verify", "device",
            "data", "nn", "eval",
        ],
    ),
    (
        "deploy",
        &[
            "error", "files", "tensor", "keys", "kernel", "graph", "ops", "plan", "device", "data", "nn", "eval",
            "train",
        ],
    ),
    (
        "onnx",
        &[
            "error", "files", "terminal", "tensor", "keys", "kernel", "graph", "ops", "plan", "cpu", "device", "data",
            "nn", "eval", "train", "deploy",
        ],
    ),
    // It draws with the plots and pages of reports.
    (
        "profile",
        &["error", "terminal", "files", "tensor", "kernel", "graph", "plan", "cpu", "gpu", "verify", "device", "eval"],
    ),
    // Every kernel of a device, then trainings on it.
    (
        "doctor",
        &[
            "error", "files", "tensor", "kernel", "graph", "ops", "plan", "gpu", "verify", "device", "data", "nn",
            "train", "profile",
        ],
    ),
    (
        "run",
        &[
            "error", "files", "tensor", "keys", "ranks", "kernel", "graph", "ops", "plan", "device", "data", "nn",
            "eval", "train", "deploy", "onnx", "tuning",
        ],
    ),
    ("serve", &["error", "files", "device", "data", "train", "deploy", "run"]),
    (
        "cli",
        &[
            "error", "terminal", "files", "tensor", "keys", "ranks", "kernel", "graph", "ops", "plan", "device",
            "data", "nn", "eval", "train", "deploy", "onnx", "tuning", "profile", "doctor", "run", "serve",
        ],
    ),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below the folders with one of the endings: path from the root,
/// and text.
fn files(folders: &[&str], endings: &[&str]) -> Vec<(String, String)> {
    fn walk(at: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(at).into_iter().flatten() {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                walk(&path, endings, found);
            } else if path.extension().is_some_and(|e| endings.iter().any(|x| e == *x)) {
                found.push(path);
            }
        }
    }
    let mut found = vec![];
    for folder in folders {
        walk(&root().join(folder), endings, &mut found);
    }
    found.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
        (name, fs::read_to_string(&path).expect("UTF-8"))
    };
    found.into_iter().map(read).collect()
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty())
}

/// What `needle` is followed by, wherever it stands in a line.
fn after<'a>(line: &'a str, needle: &'a str) -> impl Iterator<Item = &'a str> {
    line.split(needle).skip(1).filter_map(|rest| words(rest).next())
}

fn report(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The layer a file of `src` belongs to; `None` for the two roots.
fn layer(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    let first = rest.split('/').next()?.trim_end_matches(".rs");
    (!matches!(first, "lib" | "main" | "prelude")).then_some(first)
}

#[test]
fn layers_import_downwards() {
    for (i, (name, imports)) in LAYERS.iter().enumerate() {
        for import in *imports {
            assert!(LAYERS[..i].iter().any(|(l, _)| l == import), "the table itself: {name} imports {import}");
        }
    }
    let mut found = vec![];
    for (path, text) in files(&["src"], &["rs"]) {
        let Some(layer) = layer(&path) else { continue };
        let Some((_, imports)) = LAYERS.iter().find(|(l, _)| *l == layer) else {
            found.push(format!("{path}: the table knows no layer \"{layer}\""));
            continue;
        };
        // Unit tests stand last in a file, and may run what they build.
        for (number, line) in text.lines().take_while(|l| l.trim() != "#[cfg(test)]").enumerate() {
            if code(line).contains("crate::{") {
                found.push(format!("{path}:{}: one `use` per layer, please", number + 1));
            }
            for import in after(code(line), "crate::") {
                // Macros and re-exports live in the root.
                let free = matches!(import, "shader" | "Error" | "Result" | "Context");
                if !free && import != layer && !imports.contains(&import) {
                    found.push(format!("{path}:{}: {layer} imports {import}", number + 1));
                }
            }
        }
    }
    report(&found);
}

#[test]
fn files_do_not_import_in_circles() {
    report(&imports::circles(&files(&["src"], &["rs"])));
}

#[test]
fn only_the_gpu_folder_says_wgpu() {
    let mut found = vec![];
    for (path, text) in files(&["src"], &["rs"]) {
        let lines =
            text.lines().enumerate().filter(|(_, l)| code(l).contains("wgpu::") || code(l).contains("use wgpu"));
        if !path.starts_with("src/gpu/") {
            found.extend(lines.map(|(n, _)| format!("{path}:{}", n + 1)));
        }
    }
    report(&found);
}

#[test]
fn files_are_opened_in_one_place() {
    // It refuses pipes and bounds what is read; it never writes through links or
    // under a name that can be guessed. What the system says of itself is read as
    // it is, and `create_new` follows no link.
    let ways = ["fs::read(", "fs::read_to_string(", "fs::write(", "File::open(", "File::create(", "fs::OpenOptions"];
    let mut found = vec![];
    for (path, text) in files(&["src"], &["rs"]) {
        if path.starts_with("src/files") || path.ends_with("tests.rs") {
            continue;
        }
        for (number, line) in text.lines().take_while(|l| l.trim() != "#[cfg(test)]").enumerate() {
            let line = code(line);
            if ways.iter().any(|w| line.contains(w)) && !line.contains("(\"/") {
                found.push(format!("{path}:{}: files are opened in src/files.rs", number + 1));
            }
        }
    }
    report(&found);
}

#[test]
fn graph_and_plan_know_no_op_by_name() {
    let mut found = vec![];
    for (path, text) in files(&["src/graph", "src/plan"], &["rs"]) {
        for (number, line) in text.lines().enumerate() {
            let line = code(line);
            // Constructors of ops are methods of the graph, and calling one is
            // fine; a path, a string or a match arm is not.
            let named = |room: &&&str| line.contains(&format!("\"{room}\"")) || line.contains(&format!("{room}::"));
            if let Some(room) = wgrad::ops::ROOMS.iter().find(named) {
                found.push(format!("{path}:{}: names {room}", number + 1));
            }
            if line.contains("crate::ops") {
                found.push(format!("{path}:{}: imports the ops", number + 1));
            }
        }
    }
    report(&found);
}

#[test]
fn a_room_and_its_shader_have_one_stem() {
    // `src/ops/x.rs` uses `shaders/x.wgsl`, and it and what lies in `src/ops/x` may use what lies in `shaders/x`.
    let mut found = vec![];
    let mut used = BTreeSet::new();
    for (path, text) in files(&["src"], &["rs"]) {
        let room = path.strip_prefix("src/ops/").map(|p| p.split(['/', '.']).next().unwrap_or_default());
        let own = |stem: &str| room.is_some_and(|r| stem == r || stem.starts_with(&format!("{r}/")));
        let stem_of = |line: &str| Some(line.split_once("shader!(\"")?.1.split_once('"')?.0.to_string());
        for stem in text.lines().filter_map(|l| stem_of(code(l))) {
            used.insert(stem.clone());
            if !own(&stem) {
                found.push(format!("{path} uses shaders/{stem}.wgsl, which belongs to src/ops/{stem}.rs"));
            }
        }
    }
    for (path, _) in files(&["shaders"], &["wgsl"]) {
        let stem = path.trim_start_matches("shaders/").trim_end_matches(".wgsl");
        if !stem.starts_with("lib/") && !used.contains(stem) {
            found.push(format!("{path}: no room uses it"));
        }
    }
    for room in fs::read_dir(root().join("src/ops")).expect("the rooms are there") {
        let name = room.expect("readable").file_name().to_string_lossy().trim_end_matches(".rs").to_string();
        let shared =
            fs::read_to_string(root().join("src/ops/mod.rs")).expect("UTF-8").contains(&format!("mod {name};"));
        if name != "mod" && !shared && !wgrad::ops::ROOMS.contains(&name.as_str()) {
            found
                .push(format!("src/ops/{name} is neither a room nor shared by rooms: src/ops/mod.rs does not name it"));
        }
    }
    report(&found);
}

#[test]
fn the_licences_that_the_manifest_claims_are_there() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(read("Cargo.toml").contains("license = \"MIT OR Apache-2.0\""));
    assert!(read("LICENSE-MIT").contains("Permission is hereby granted, free of charge"));
    assert!(read("LICENSE-APACHE").contains("TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION"));
    // The notices name every crate that the manifest depends on, at the version in use.
    let (notices, lock) = (read("THIRD-PARTY.md"), read("Cargo.lock"));
    let manifest = read("Cargo.toml");
    let dependencies =
        manifest.split("\n[dependencies]\n").nth(1).and_then(|t| t.split("\n[").next()).expect("a table");
    let mut found = vec![];
    for name in dependencies.lines().filter_map(|l| l.split_once(" = ")).map(|(name, _)| name) {
        let locked = lock.split("[[package]]").filter(|p| p.contains(&format!("name = \"{name}\"\n")));
        let versions = locked.filter_map(|p| p.split("version = \"").nth(1)?.split('"').next());
        if !versions.into_iter().any(|v| notices.contains(&format!("| {name} {v} |"))) {
            found.push(format!("THIRD-PARTY.md does not name {name} as locked: run scripts/third-party"));
        }
    }
    report(&found);
}

#[test]
fn everything_is_printed_where_it_is_escaped() {
    // `eprintln!` is the crate's own macro; `main` prints errors, `out` the rest.
    // A translated shader is bytes for a file or a pipe.
    let may = ["src/lib.rs", "src/main.rs", "src/cli/out.rs", "src/cli/shaders.rs"];
    let mut found = vec![];
    for (path, text) in files(&["src"], &["rs"]) {
        if may.contains(&&*path) || path.ends_with("tests.rs") {
            continue;
        }
        for (number, line) in text.lines().take_while(|l| l.trim() != "#[cfg(test)]").enumerate() {
            let line = code(line);
            let prints = ["print", "println", "eprint", "dbg"];
            let macros = line.match_indices('!').filter_map(|(at, _)| words(&line[..at]).last());
            let past = macros.filter(|name| prints.contains(name)).map(String::from);
            let past: Vec<String> = past
                .chain(["io::stdout", "io::stderr"].iter().filter(|w| line.contains(**w)).map(|w| w.to_string()))
                .collect();
            found.extend(
                past.iter().map(|what| format!("{path}:{}: {what}; print with `eprintln!` or `cli::out`", number + 1)),
            );
        }
    }
    report(&found);
}

#[test]
fn files_are_short_enough_to_read() {
    let all = files(&["src", "shaders", "tests", "benches", "examples"], &["rs", "wgsl"]);
    let written = all.iter().filter(|(_, text)| !text.starts_with("// This file is @generated"));
    let long = written.map(|(path, text)| (path, text.lines().count())).filter(|(_, n)| *n > 500);
    report(&long.map(|(path, n)| format!("{path}: {n} lines, 500 allowed")).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later_and_nothing_points_outside() {
    // Written in halves, so that this file does not name them.
    let banned =
        [["TO", "DO"], ["FIX", "ME"], ["to", "do!"], ["unimpl", "emented!"], ["../sha", "red"], ["/wo", "rk/"]];
    let folders = ["src", "shaders", "tests", "benches", "examples", "assets", "scripts", "docs"];
    let endings = ["rs", "wgsl", "md", "py", "toml", "sh", "html", "js"];
    let mut all = files(&folders, &endings);
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "Cargo.toml"] {
        all.extend(fs::read_to_string(root().join(name)).ok().map(|text| (name.to_string(), text)));
    }
    let mut found = vec![];
    for (path, text) in all {
        for (number, line) in text.lines().enumerate() {
            for word in banned.iter().map(|halves| halves.concat()).filter(|word| line.contains(word.as_str())) {
                found.push(format!("{path}:{}: {word}", number + 1));
            }
        }
    }
    report(&found);
}
