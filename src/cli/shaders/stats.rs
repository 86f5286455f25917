//! `wgrad shaders NAME|MODEL --stats` and `--isa`: what a driver's compiler makes of kernels.

use super::{of_shader, select};
use crate::cli::profile::flags::Shaders;
use crate::cli::{offline, out, profile};
use crate::error::{Error, Result, unknown};
use crate::files;
use crate::kernel::{Kernel, replace};
use crate::nn::PRESETS;
use crate::ops::ROOMS;
use crate::profile::aligned;
use crate::profile::compiled::{Compiled, Offline, Planned, kernels_of};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;

pub fn run(f: &Shaders) -> Result<()> {
    let name = f.name.as_deref().unwrap_or_default();
    let offline = match &f.family {
        Some(family) => offline::of_family(family)?,
        None => Offline::of_device(&wanted(f))?,
    };
    f.sources.as_deref().map_or(Ok(()), replace_all)?;
    if is_model(name) {
        if f.case.is_some() || f.variant.is_some() {
            return Err(Error::usage(
                "--case and --variant choose among a shader's variants; a model has --entry alone",
            ));
        }
        let plan = profile::plan_of(name, f.batch_size, offline.target())?;
        let (mut rows, _) = kernels_of(&plan)?;
        let entries: BTreeSet<&str> = rows.iter().map(|p| p.kernel.entry).collect();
        rows.retain(|p| f.entry.as_ref().is_none_or(|e| p.kernel.entry == e));
        if rows.is_empty() {
            return Err(unknown("entry point", f.entry.as_deref().unwrap_or_default(), entries));
        }
        return report(f, &offline, &rows);
    }
    if f.batch_size.is_some() {
        return Err(Error::usage("--batch-size is for models; a shader's variants have the shapes of its cases"));
    }
    let all = of_shader(name)?;
    let rows: Vec<Planned> = select(f, &all)?
        .into_iter()
        .map(|(number, n)| Planned {
            kernel: &n.kernel,
            label: format!("{number} {}", n.kernel.entry),
            count: n.cases.len(),
            workgroup: n.entry.workgroup_size.iter().product(),
            workgroup_bytes: n.entry.workgroup_bytes,
        })
        .collect();
    report(f, &offline, &rows)
}

/// Puts the shaders of a folder, laid out as `shaders/`, in the place of those inside the program;
/// other files in it are left alone.
///
/// Fails where there are none.
fn replace_all(folder: &Path) -> Result<()> {
    let mut found = 0;
    let mut left = vec![folder.to_path_buf()];
    while let Some(at) = left.pop() {
        let list = std::fs::read_dir(&at).map_err(|e| Error::io(format!("reading {}", at.display()), e))?;
        for entry in list {
            let path = entry.map_err(|e| Error::io(format!("reading {}", at.display()), e))?.path();
            let name = path.strip_prefix(folder).unwrap_or(&path).with_extension("");
            let room = name.iter().next().unwrap_or_default();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == "wgsl")
                && (room == "lib" || ROOMS.iter().any(|name| room == *name))
                && let Some(text) = files::read(&path)?
            {
                replace(&name.to_string_lossy().replace('\\', "/"), text);
                found += 1;
            }
        }
    }
    match found {
        0 => Err(Error::data(format!(
            "{} has no shaders by the names of those inside the program; expected a folder like shaders/",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// The adapter asked for: by the flag, else by the variable.
fn wanted(f: &Shaders) -> String {
    let variable = || std::env::var("WGRAD_DEVICE").ok();
    f.device.clone().or_else(variable).unwrap_or_default()
}

/// Whether a name stands for a model: a preset, or the file of a description.
fn is_model(name: &str) -> bool {
    PRESETS.iter().any(|(preset, _)| *preset == name) || name.ends_with(".toml")
}

fn report(f: &Shaders, offline: &Offline, rows: &[Planned]) -> Result<()> {
    let kernels: Vec<&Kernel> = rows.iter().map(|r| r.kernel).collect();
    let compiled = offline.compile(&kernels)?;
    let [device, driver] = offline.names();
    if f.json {
        let list: Vec<Value> = rows.iter().zip(&compiled).map(|(r, c)| object(r, c, f.isa)).collect();
        return out::json(&json!({ "status": "ok", "device": device, "driver": driver, "kernels": list }));
    }
    if f.isa {
        for (row, c) in rows.iter().zip(&compiled) {
            let Some(text) = c.executable.assembly() else {
                return Err(Error::device(format!(
                    "{device}, {driver}: the driver does not hand out its machine code"
                )));
            };
            out::line(format!("# {}\n{}", row.label, text.trim_end()))?;
        }
        return Ok(());
    }
    out::line(format!("{}\n{device}, {driver}: {} kernels, compiled and not run", table(rows, &compiled), rows.len()))
}

/// What the driver counts that bounds a kernel's speed; all its figures are in the JSON.
const TOLD: [&str; 12] = [
    "vgpr",
    "sgpr",
    "register",
    "spill",
    "lds",
    "shared",
    "scratch",
    "subgroups per",
    "occupancy",
    "instruction",
    "latency",
    "throughput",
];

fn table(rows: &[Planned], compiled: &[Compiled]) -> String {
    let mut names: Vec<&str> = vec![];
    for s in compiled.iter().flat_map(|c| &c.executable.statistics) {
        let name = s.name.to_lowercase();
        let is_told = TOLD.iter().any(|t| name.contains(t)) && !name.contains("pre-sched");
        if is_told && !names.contains(&s.name.as_str()) {
            names.push(&s.name);
        }
    }
    let has_code = compiled.iter().any(|c| c.code.is_some());
    let mut heads: Vec<String> = ["kernel", "x", "workgroup"].map(String::from).to_vec();
    heads.extend(names.iter().map(|n| n.to_lowercase()));
    heads.extend(has_code.then(|| "fma share".to_string()));
    let row = |(r, c): (&Planned, &Compiled)| {
        let memory = if r.workgroup_bytes > 0 { format!(", {} B", r.workgroup_bytes) } else { String::new() };
        let mut cells = vec![r.label.clone(), r.count.to_string(), format!("{}{memory}", r.workgroup)];
        let number = |n: &&str| c.executable.statistic(n).map_or(String::new(), |x| format!("{x:.0}"));
        cells.extend(names.iter().map(number));
        if has_code {
            cells.push(c.fma_share().map_or(String::new(), |share| format!("{share:.2}")));
        }
        cells
    };
    let all: Vec<Vec<String>> = std::iter::once(heads).chain(rows.iter().zip(compiled).map(row)).collect();
    aligned(&all)
}

fn object(r: &Planned, c: &Compiled, isa: bool) -> Value {
    let statistics: Map<String, Value> =
        c.executable.statistics.iter().map(|s| (s.name.clone(), json!(s.value))).collect();
    let mut object = json!({
        "name": r.label,
        "shader": r.kernel.shader.name,
        "entry_point": r.kernel.entry,
        "count": r.count,
        "workgroup": r.workgroup,
        "workgroup_bytes": r.workgroup_bytes,
        "subgroup": c.executable.subgroup,
        "statistics": statistics,
        "fma_share": c.fma_share(),
        "instructions": c.code,
    });
    if isa {
        object["isa"] = json!(c.executable.assembly());
    }
    object
}
