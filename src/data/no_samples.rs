//! Folders in which no samples lie, whatever is in them: runs of this program,
//! what tools keep for themselves, and hidden ones. They are no classes.

use std::path::Path;

/// What archivers and interpreters leave behind.
const LITTER: [&str; 3] = ["__MACOSX", "__pycache__", "node_modules"];
/// Files that mark a folder: as a Python environment, and as a cache
/// (<https://bford.info/cachedir>).
const MARKS: [(&str, &str); 2] = [("pyvenv.cfg", "a Python environment"), ("CACHEDIR.TAG", "a cache")];
/// Folders around runs, at most.
const DEEP: usize = 3;
/// Folders that a note lists.
const LISTED: usize = 6;

/// Why no samples lie in a folder of this name; `None` if some may.
pub(super) fn why(folder: &Path) -> Option<&'static str> {
    let name = folder.file_name().map_or_else(Default::default, |n| n.to_string_lossy());
    if name.starts_with('.') {
        return Some("hidden");
    }
    if LITTER.contains(&&*name) {
        return Some("litter of a tool");
    }
    // A run may lie where its data does.
    let of_a_run = matches!(&*name, "plots" | "checkpoints") && folder.parent().is_some_and(is_run);
    if of_a_run {
        return Some("a part of a run of this program");
    }
    let marked = MARKS.iter().find(|(file, _)| folder.join(file).is_file()).map(|(_, why)| *why);
    marked.or_else(|| holds_runs(folder, 0).then_some("runs of this program"))
}

fn is_run(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).exists();
    has("config.toml") && (has("checkpoints") || has("metrics.jsonl"))
}

/// Whether a folder is a run, a cross-validation or a search, or holds such and
/// nothing else. Beside the runs of one called `runs` there may lie anything.
fn holds_runs(folder: &Path, depth: usize) -> bool {
    let has = |name: &str| folder.join(name).exists();
    if is_run(folder) || has("search.toml") && has("trials.jsonl") {
        return true;
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    let named = folder.file_name().is_some_and(|n| n == "runs");
    let mut found = false;
    for entry in entries.flatten().filter(|e| !e.file_name().to_string_lossy().starts_with('.')) {
        let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
        match is_folder && depth < DEEP && holds_runs(&entry.path(), depth + 1) {
            true if named => return true,
            true => found = true,
            false if named => {}
            false => return false,
        }
    }
    found
}

/// What is said of folders that were left out: their names and why.
pub(super) fn note(left_out: &[(String, &str)]) -> Option<String> {
    let shown = left_out.iter().take(LISTED).map(|(name, why)| format!("{name} ({why})")).collect::<Vec<_>>();
    let more = if left_out.len() > LISTED { format!(" and {} more", left_out.len() - LISTED) } else { String::new() };
    (!shown.is_empty()).then(|| format!("left out, as no samples lie there: {}{more}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_tools_have_no_samples_and_classes_have() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for file in [
            "runs/mlp-001/config.toml",
            "runs/mlp-001/metrics.jsonl",
            "runs/notes.txt",
            "out/config.toml",
            "out/checkpoints/last.safetensors",
            "found/search.toml",
            "found/trials.jsonl",
            "all/a/config.toml",
            "all/a/metrics.jsonl",
            "mixed/a/config.toml",
            "mixed/a/metrics.jsonl",
            "mixed/1.png",
            "env/pyvenv.cfg",
            "target/CACHEDIR.TAG",
            "__pycache__/a.pyc",
            ".git/HEAD",
            "cat/1.png",
            "own/config.toml",
            "nested/cat/1.png",
        ] {
            std::fs::create_dir_all(at(file).parent().unwrap()).unwrap();
            std::fs::write(at(file), "").unwrap();
        }
        std::fs::create_dir(at("empty")).unwrap();
        let (runs, is) = (Some("runs of this program"), |name: &str| why(&at(name)));
        for name in ["runs", "runs/mlp-001", "out", "found", "all"] {
            assert_eq!(is(name), runs, "{name}");
        }
        std::fs::create_dir(at("out/plots")).unwrap();
        assert_eq!(is("out/plots"), Some("a part of a run of this program"));
        for name in ["mixed", "cat", "own", "nested", "empty"] {
            assert_eq!(is(name), None, "{name}");
        }
        assert_eq!([is("env"), is("target")], [Some("a Python environment"), Some("a cache")]);
        assert_eq!([is(".git"), is("__pycache__")], [Some("hidden"), Some("litter of a tool")]);
        let said = note(&[("runs".into(), "runs of this program"), (".git".into(), "hidden")]).unwrap();
        assert!(said.ends_with("runs (runs of this program), .git (hidden)"), "{said}");
        assert_eq!(note(&[]), None);
    }
}
