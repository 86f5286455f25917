//! `wgrad shaders`: the shaders, what is made of each, and what drivers get.

mod stats;

use super::out;
use super::profile::flags::Shaders;
use crate::error::{Error, Result, unknown};
use crate::files;
use crate::graph::Case;
use crate::kernel::reflect::Binding;
use crate::kernel::{Language, translate};
use crate::ops;
use crate::plan::{Needed, kernels};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::Path;

pub fn run(f: &Shaders) -> Result<()> {
    if f.stats || f.isa {
        return stats::run(f);
    }
    let Some(name) = &f.name else {
        let all = kernels(&ops::cases())?;
        return match (&f.all, language(f)) {
            (Some(folder), Some(language)) => write_all(&all, folder, language, f.json),
            (_, Some(language)) => {
                Err(Error::usage(format!("{} of which shader? expected a name, or --all DIR", language.name())))
            }
            (_, None) => list(&all, f.json),
        };
    };
    let all = of_shader(name)?;
    let chosen = select(f, &all)?;
    match language(f) {
        Some(language) => write(f, language, &chosen),
        None if f.json => {
            let list: Vec<Value> = chosen.iter().map(|(i, n)| described(*i, n)).collect();
            out::json(&json!({ "status": "ok", "shader": name, "variants": list }))
        }
        None => out::line(chosen.iter().map(|(i, n)| details(*i, n)).collect::<Vec<_>>().join("\n")),
    }
}

/// The kernels of a shader. Most are needed by the cases of its own room.
fn of_shader(name: &str) -> Result<Vec<Needed>> {
    let name = name.strip_prefix("shaders/").unwrap_or(name);
    let name = name.strip_suffix(".wgsl").unwrap_or(name);
    let room = format!("{}/", name.split('/').next().unwrap_or_default());
    let (own, others): (Vec<_>, Vec<_>) = ops::cases().into_iter().partition(|c| c.name.starts_with(&room));
    let of = |cases: &[Case]| -> Result<Vec<Needed>> {
        Ok(kernels(cases)?.into_iter().filter(|n| n.kernel.shader.name == name).collect())
    };
    let found = of(&own)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let all = kernels(&[own, others].concat())?;
    let mut names: Vec<&str> = all.iter().map(|n| n.kernel.shader.name).collect();
    names.dedup();
    if !names.contains(&name) {
        return Err(unknown("shader", name, names));
    }
    Ok(all.into_iter().filter(|n| n.kernel.shader.name == name).collect())
}

/// The variants that the flags ask for, with their numbers from 1.
fn select<'a>(f: &Shaders, all: &'a [Needed]) -> Result<Vec<(usize, &'a Needed)>> {
    let numbered = all.iter().enumerate().map(|(i, n)| (i + 1, n));
    let by_case = |n: &Needed| f.case.as_ref().is_none_or(|c| n.cases.contains(c));
    let by_entry = |n: &Needed| f.entry.as_ref().is_none_or(|e| n.kernel.entry == e);
    if let Some(case) = f.case.as_ref().filter(|c| !all.iter().any(|n| n.cases.contains(c))) {
        let mut cases: Vec<&str> = all.iter().flat_map(|n| &n.cases).map(String::as_str).collect();
        cases.sort_unstable();
        cases.dedup();
        return Err(unknown("case", case, cases));
    }
    if let Some(entry) = f.entry.as_ref().filter(|e| !all.iter().any(|n| n.kernel.entry == **e)) {
        let mut entries: Vec<&str> = all.iter().map(|n| n.kernel.entry).collect();
        entries.dedup();
        return Err(unknown("entry point", entry, entries));
    }
    let chosen: Vec<(usize, &Needed)> =
        numbered.filter(|(i, n)| by_case(n) && by_entry(n) && f.variant.is_none_or(|v| v == *i)).collect();
    match chosen.is_empty() {
        true => Err(Error::usage(format!(
            "no variant is what --variant, --entry and --case ask for together{}; the shader has {}, which \
             `wgrad shaders NAME` lists",
            f.variant.map_or(String::new(), |v| format!(" (--variant {v})")),
            all.len()
        ))),
        false => Ok(chosen),
    }
}

fn language(f: &Shaders) -> Option<Language> {
    let asked =
        [(f.spirv, Language::Spirv), (f.msl, Language::Msl), (f.hlsl, Language::Hlsl), (f.glsl, Language::Glsl)];
    asked.into_iter().find(|(asked, _)| *asked).map(|(_, l)| l)
}

/// Writes the first of the variants in a language.
fn write(f: &Shaders, language: Language, chosen: &[(usize, &Needed)]) -> Result<()> {
    let (number, needed) = chosen[0];
    if chosen.len() > 1 {
        eprintln!("variant {number} of {} that fit; choose with --variant, --entry or --case", chosen.len());
    }
    let bytes = translate(&needed.kernel, language)?;
    if let Some(path) = &f.out {
        files::write(path, &bytes)?;
        return match f.json {
            true => {
                out::json(&json!({ "status": "ok", "file": out::path(path), "variant": described(number, needed) }))
            }
            false => out::line(format!("{}: {} bytes of {}", path.display(), bytes.len(), language.name())),
        };
    }
    if language != Language::Spirv {
        return out::piece(String::from_utf8_lossy(&bytes));
    }
    let mut stdout = std::io::stdout().lock();
    if stdout.is_terminal() {
        return Err(Error::usage("SPIR-V is binary; write it to a file with --out FILE.spv, or into a pipe"));
    }
    match stdout.write_all(&bytes).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::io("writing to stdout", e)),
        _ => Ok(()),
    }
}

/// Writes every kernel in a language: `NAME-ENTRY-NUMBER` with the language's ending.
fn write_all(all: &[Needed], folder: &Path, language: Language, as_json: bool) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io(format!("making {}", folder.display()), e))?;
    let ending = match language {
        Language::Spirv => "spv",
        Language::Msl => "metal",
        Language::Hlsl => "hlsl",
        Language::Glsl => "comp",
    };
    all.par_iter().enumerate().try_for_each(|(i, n)| {
        let name = format!("{}-{}-{i}.{ending}", n.kernel.shader.name.replace('/', "-"), n.kernel.entry);
        files::write(&folder.join(name), &translate(&n.kernel, language)?)
    })?;
    match as_json {
        true => out::json(&json!({ "status": "ok", "folder": out::path(folder), "files": all.len() })),
        false => out::line(format!("{}: {} files of {}", folder.display(), all.len(), language.name())),
    }
}

/// One line per shader.
fn list(all: &[Needed], as_json: bool) -> Result<()> {
    let mut names: Vec<&str> = all.iter().map(|n| n.kernel.shader.name).collect();
    names.dedup();
    let of = |name: &str| all.iter().filter(|n| n.kernel.shader.name == name).collect::<Vec<_>>();
    let entries = |list: &[&Needed]| {
        let mut names: Vec<&str> = list.iter().map(|n| n.kernel.entry).collect();
        names.dedup();
        names
    };
    let memory = |list: &[&Needed]| list.iter().map(|n| n.entry.workgroup_bytes).max().unwrap_or(0);
    if as_json {
        let shader = |name: &&str| {
            let list = of(name);
            json!({
                "name": name, "entry_points": entries(&list), "variants": list.len(),
                "workgroup_bytes": memory(&list),
            })
        };
        return out::json(&json!({ "status": "ok", "shaders": names.iter().map(shader).collect::<Vec<_>>() }));
    }
    let width = names.iter().map(|n| n.len()).max().unwrap_or(0);
    let row = |name: &&str| {
        let list = of(name);
        let (count, entries) = (list.len(), entries(&list).join(", "));
        format!("{name:<width$}  {count:>4} variants  {:>5} B  {entries}", memory(&list))
    };
    let rows: Vec<String> = names.iter().map(row).collect();
    out::line(format!(
        "{}\n`wgrad shaders NAME` lists the variants of one; bytes are of workgroup memory",
        rows.join("\n")
    ))
}

/// A variant as several lines.
fn details(number: usize, n: &Needed) -> String {
    let [x, y, z] = n.entry.workgroup_size;
    let constants: Vec<String> = n.kernel.overrides.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let lines = n.kernel.consts.iter().map(|(name, _)| name.to_string());
    let constants = constants.into_iter().chain(lines).collect::<Vec<_>>().join(" ");
    let binding = |b: &Binding| format!("{}: {} {}", b.number, if b.writable { "read_write" } else { "read" }, b.name);
    let bindings: Vec<String> = n.entry.bindings.iter().map(binding).collect();
    let more = if n.cases.len() > 1 { format!(" and {} more", n.cases.len() - 1) } else { String::new() };
    format!(
        "#{number} {}.{}  groups of {x}x{y}x{z}, {} B workgroup memory\n    {constants}\n    {}\n    {}{more}",
        n.kernel.shader.name,
        n.kernel.entry,
        n.entry.workgroup_bytes,
        bindings.join(", "),
        n.cases[0]
    )
}

fn described(number: usize, n: &Needed) -> Value {
    let binding = |b: &Binding| {
        json!({
            "binding": b.number, "name": b.name, "access": if b.writable { "read_write" } else { "read" },
            "stride": b.stride,
        })
    };
    let overrides: serde_json::Map<String, Value> =
        n.kernel.overrides.iter().map(|(k, v)| (k.to_string(), json!(v))).collect();
    json!({
        "variant": number,
        "entry_point": n.kernel.entry,
        "overrides": overrides,
        "lines": n.kernel.consts.iter().map(|(_, line)| line).collect::<Vec<_>>(),
        "workgroup_size": n.entry.workgroup_size,
        "workgroup_bytes": n.entry.workgroup_bytes,
        "bindings": n.entry.bindings.iter().map(binding).collect::<Vec<_>>(),
        "cases": n.cases,
    })
}
