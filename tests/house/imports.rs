//! Which file of `src` imports which, and the circles among them.

use std::collections::{BTreeMap, BTreeSet};

/// The path of a module from the root of the crate: `["train", "fit"]`.
type Module = Vec<String>;

/// The circles of files: each is named with what it imports of the circle. A module and what lies in it may import
/// each other, and unit tests may import anything.
pub fn circles(files: &[(String, String)]) -> Vec<String> {
    let texts: BTreeMap<Module, String> =
        files.iter().filter(|(path, _)| path != "src/main.rs").map(|(p, t)| (module(p), without_tests(t))).collect();
    let imports = imports(&texts);
    let mut left: BTreeSet<&Module> = texts.keys().collect();
    let mut found = vec![];
    while let Some(&start) = left.iter().next() {
        let circle: BTreeSet<&Module> =
            reached(&imports, start).into_iter().filter(|m| reached(&imports, m).contains(start)).collect();
        left.remove(start);
        left.retain(|m| !circle.contains(m));
        let of =
            |m: &Module| imports[m].iter().filter(|i| circle.contains(i)).map(|i| i.join("::")).collect::<Vec<_>>();
        let lines: Vec<String> =
            circle.iter().map(|m| format!("{} imports {}", m.join("::"), of(m).join(", "))).collect();
        if !lines.is_empty() {
            found.push(lines.join("\n    "));
        }
    }
    found
}

/// What can be reached from a module; it itself only by a circle.
fn reached<'a>(imports: &'a BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<&'a Module> {
    let mut found: BTreeSet<&Module> = imports[from].iter().collect();
    let mut next: Vec<&Module> = found.iter().copied().collect();
    while let Some(m) = next.pop() {
        next.extend(imports[m].iter().filter(|i| found.insert(*i)));
    }
    found
}

fn module(path: &str) -> Module {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { vec![] } else { path.split('/').map(String::from).collect() }
}

/// The code of a file: no comments, and nothing from its module of tests on.
fn without_tests(text: &str) -> String {
    let code = |l: &str| l.split("//").next().unwrap_or_default().to_string();
    let lines: Vec<String> = text.lines().map(code).collect();
    let is_tests = |i: &usize| {
        lines[*i].trim() == "#[cfg(test)]"
            && lines[i + 1..].iter().find(|l| !l.trim().starts_with("#[")).is_some_and(|l| l.contains("mod "))
    };
    let end = (0..lines.len()).find(is_tests).unwrap_or(lines.len());
    lines[..end].join("\n")
}

fn imports(texts: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut exported: BTreeMap<(Module, String), Module> = BTreeMap::new();
    for (m, text) in texts {
        for (tree, public) in uses(text) {
            for (path, name) in leaves(&[], tree).into_iter().filter(|_| public) {
                exported.extend(absolute(texts, m, &path).map(|to| ((m.clone(), name), to)));
            }
        }
    }
    let related = |a: &Module, b: &Module| a.starts_with(b) || b.starts_with(a);
    let of = |(m, text): (&Module, &String)| {
        let trees = uses(text).into_iter().flat_map(|(tree, _)| leaves(&[], tree)).map(|(path, _)| path);
        let all = trees.chain(paths(text)).filter_map(|path| absolute(texts, m, &path));
        let files: BTreeSet<Module> = all.map(|path| file_of(texts, &exported, path)).collect();
        (m.clone(), files.into_iter().filter(|f| !related(m, f)).collect())
    };
    texts.iter().map(of).collect()
}

/// The `use` items of a text, and whether they are public.
fn uses(text: &str) -> Vec<(&str, bool)> {
    let starts = text.match_indices("use ").filter(|(at, _)| {
        let before = text[..*at].trim_end_matches(' ');
        before.is_empty() || before.ends_with(['\n', ';', '}', '{']) || before.ends_with("pub") || before.ends_with(')')
    });
    let item = |(at, _): (usize, &str)| {
        let line = text[..at].rsplit('\n').next().unwrap_or_default();
        let tree = text[at + 4..].split(';').next().unwrap_or_default();
        (tree, line.trim_start().starts_with("pub"))
    };
    starts.map(item).collect()
}

/// The paths that a tree of `use` names, with the name that each has here.
fn leaves(prefix: &[&str], tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    let (path, inner) = match tree.split_once('{') {
        Some((path, inner)) => (path, Some(inner.trim_end().trim_end_matches('}'))),
        None => (tree, None),
    };
    // The last brace of `{a, b::{c, d}}` was its own; give inner ones theirs back.
    let inner = inner.map(|inner| {
        let open = inner.matches('{').count() - inner.matches('}').count();
        format!("{inner}{}", "}".repeat(open))
    });
    let mut all = prefix.to_vec();
    all.extend(path.split("::").map(str::trim).filter(|p| !p.is_empty()));
    let Some(inner) = inner else {
        let last = all.pop().unwrap_or_default();
        let (last, name) = last.split_once(" as ").unwrap_or((last, last));
        let owned = |all: &[&str]| all.iter().map(|p| p.to_string()).collect::<Vec<_>>();
        return match (last, all.last()) {
            ("self", Some(own)) => vec![(owned(&all), own.to_string())],
            _ => vec![([owned(&all), vec![last.to_string()]].concat(), name.to_string())],
        };
    };
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inner.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => parts.last_mut().expect("there is one").push(c),
        }
    }
    parts.iter().filter(|p| !p.trim().is_empty()).flat_map(|part| leaves(&all, part)).collect()
}

/// Paths in the code, `use` items aside, that begin with `crate`, `super` or `self`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let text = uses(text).into_iter().fold(text.to_string(), |text, (tree, _)| text.replace(tree, ""));
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c: char| !part(c));
    let path = |w: &str| w.trim_matches(':').split("::").map(String::from).collect::<Vec<_>>();
    words.map(path).filter(|p| p.len() > 1 && matches!(&*p[0], "crate" | "super" | "self")).collect()
}

/// A path from the root; `None` for one into another crate.
fn absolute(texts: &BTreeMap<Module, String>, from: &Module, path: &[String]) -> Option<Module> {
    let child = [&from[..], &path[..1]].concat();
    match &*path[0] {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([&from[..], &path[1..]].concat()),
        "super" => {
            let up = path.iter().take_while(|p| *p == "super").count();
            Some([&from[..from.len().checked_sub(up)?], &path[up..]].concat())
        }
        _ => texts.contains_key(&child).then(|| [&from[..], path].concat()),
    }
}

/// The file in which what a path names stands: re-exports are followed.
fn file_of(texts: &BTreeMap<Module, String>, exported: &BTreeMap<(Module, String), Module>, path: Module) -> Module {
    let mut path = path;
    for _ in 0..8 {
        let deepest = (0..=path.len()).rev().find(|n| texts.contains_key(&path[..*n])).unwrap_or(0);
        let (file, rest) = path.split_at(deepest);
        let Some(to) = rest.first().and_then(|name| exported.get(&(file.to_vec(), name.clone()))) else {
            return file.to_vec();
        };
        path = [&to[..], &rest[1..]].concat();
    }
    panic!("{path:?} is exported in circles")
}

#[test]
fn circles_are_found_through_braces_and_exports() {
    let file = |path: &str, text: &str| (format!("src/{path}.rs"), text.to_string());
    let lib = file("lib", "pub mod a;\npub mod b;");
    let a = file("a/mod", "mod low;\nmod high;\npub use low::Low;\npub use high::{High, more::Most as Best};");
    let low = file("a/low", "use super::high::High; // super::low");
    let more = file("a/high/more", "pub struct Most;");
    let alone = |high: &str, b: &str| {
        circles(&[lib.clone(), a.clone(), low.clone(), more.clone(), file("a/high/mod", high), file("b", b)])
    };
    assert_eq!(alone("use super::*;", "use crate::a::{Best, Low};"), [""; 0]);
    // Its own parent's export of the other is the other.
    assert_eq!(
        alone("mod more;\nuse crate::{a::{Best, Low}};", ""),
        ["a::high imports a::low\n    a::low imports a::high"]
    );
    assert_eq!(alone("fn f() { crate::b::g() }", "use crate::a::Best;"), [""; 0]);
    assert_eq!(alone("fn f() { crate::b::g() }", "use crate::a::High;").len(), 1);
    assert_eq!(alone("#[cfg(test)]\nmod tests {\n use crate::a::Low;\n}", ""), [""; 0]);
}
