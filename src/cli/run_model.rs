//! `wgrad run`

use super::onnx_flags::{Format, Run};
use super::{open_device, out};
use crate::error::{Error, Result};
use crate::files::{self, name};
use crate::onnx::{Data, Model, Output, Port, Tensor, Value, describe, npy};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};

/// Steps that are shown of a profile.
const LONGEST: usize = 20;

/// Values that are shown of a tensor.
const SHOWN: usize = 8;

pub fn run(f: &Run) -> Result<()> {
    let model = Model::open(&f.model)?;
    let inputs = inputs(&model.inputs(), &f.inputs)?;
    let (device, info) = open_device(&f.device)?;
    let ran = model.run_with(&device, inputs, f.profile)?;
    if ran.doubles && info.backend != "cpu" {
        eprintln!("note: the model has doubles, which GPUs do not compute: it ran on the CPU, in f64");
    }
    let mut files: Vec<PathBuf> = vec![];
    let mut shown = vec![];
    if let Some(folder) = &f.output_dir {
        files::make_folder(folder, "the outputs")?;
    }
    for (name, output) in &ran.outputs {
        let mut one = |name: &str, t: &Tensor| -> Result<()> {
            let file = f.output_dir.as_deref().map(|folder| target(folder, name, f.format, &files)).transpose()?;
            if let Some(file) = &file {
                npy::write(file, t)?;
                files.push(file.clone());
            }
            shown.push((name.to_string(), t.clone(), file));
            Ok(())
        };
        each(name, output, &mut one)?;
    }
    if f.json {
        let outputs: Vec<Json> = shown.iter().map(|(name, t, file)| {
            json!({ "name": name, "type": t.elem.to_string(), "shape": t.shape, "file": file.as_deref().map(out::path) })
        }).collect();
        return out::json(&json!({
            "status": "ok", "device": info, "outputs": outputs, "steps": ran.steps, "doubles": ran.doubles,
            "times": times(&ran.times),
        }));
    }
    for (name, t, file) in &shown {
        let file = file.as_ref().map_or(String::new(), |f| format!("  -> {}", f.display()));
        out::line(format!("{name}  {} {:?}  {}{file}", t.elem, t.shape, first_values(t)))?;
    }
    if f.profile { print_times(&ran.times) } else { Ok(()) }
}

/// Steps by what they compute, with nanoseconds, the slowest first.
fn times(steps: &[(String, f64)]) -> Vec<(String, f64, usize)> {
    let mut sums: Vec<(String, f64, usize)> = vec![];
    for (label, ns) in steps {
        match sums.iter_mut().find(|(l, ..)| l == label) {
            Some((_, sum, n)) => {
                *sum += ns;
                *n += 1;
            }
            None => sums.push((label.clone(), *ns, 1)),
        }
    }
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    sums
}

/// The steps that take longest, with their share of all.
fn print_times(steps: &[(String, f64)]) -> Result<()> {
    let all: f64 = steps.iter().map(|(_, ns)| ns).sum();
    out::line(format!("{:.3} ms in {} steps", all / 1e6, steps.len()))?;
    for (label, ns, n) in times(steps).into_iter().take(LONGEST) {
        let times = if n > 1 { format!(" ({n} times)") } else { String::new() };
        out::line(format!("{:9.3} ms {:5.1} %  {label}{times}", ns / 1e6, 100.0 * ns / all.max(1.0)))?;
    }
    Ok(())
}

/// The inputs that the flags name.
fn inputs(ports: &[Port], given: &[String]) -> Result<Vec<(String, Value)>> {
    let mut inputs: Vec<(String, Value)> = vec![];
    for text in given {
        let (name, file) = match text.split_once('=') {
            Some((name, file)) => (name.to_string(), file),
            None => match ports {
                [one] => (one.name.clone(), &text[..]),
                _ => {
                    let all: Vec<String> = ports.iter().map(describe).collect();
                    return Err(Error::usage(format!(
                        "--input {text}: expected NAME=FILE, since the model has {} inputs: {}",
                        ports.len(),
                        all.join(", ")
                    )));
                }
            },
        };
        let value = Value::host(npy::read(Path::new(file))?);
        let is_list = ports.iter().any(|p| p.name == name && p.is_list);
        match inputs.iter_mut().find(|(n, _)| *n == name) {
            Some((_, Value::List(all))) => all.push(value),
            None if is_list => inputs.push((name, Value::List(vec![value]))),
            _ => inputs.push((name, value)),
        }
    }
    Ok(inputs)
}

/// Calls `f` with each tensor of an output, and what it is called.
fn each(name: &str, output: &Output, f: &mut dyn FnMut(&str, &Tensor) -> Result<()>) -> Result<()> {
    match output {
        Output::Tensor(t) => f(name, t),
        Output::List(all) => all.iter().enumerate().try_for_each(|(i, o)| each(&format!("{name}.{i}"), o, f)),
        Output::Nothing => Ok(()),
    }
}

/// Where an output is written; names that are alike once they are file names get a number.
fn target(folder: &Path, output: &str, format: Format, taken: &[PathBuf]) -> Result<PathBuf> {
    let ending = if format == Format::Pb { "pb" } else { "npy" };
    let plain = name::plain_name(output, "output");
    let candidates = (0..).map(|i| match i {
        0 => folder.join(format!("{plain}.{ending}")),
        i => folder.join(format!("{plain}-{i}.{ending}")),
    });
    Ok(candidates.into_iter().find(|c| !taken.contains(c)).expect("numbers do not end"))
}

fn first_values(t: &Tensor) -> String {
    fn list<T: std::fmt::Display>(v: &[T]) -> String {
        let more = if v.len() > SHOWN { ", .." } else { "" };
        let values: Vec<String> = v.iter().take(SHOWN).map(T::to_string).collect();
        format!("[{}{more}]", values.join(", "))
    }
    match &t.data {
        Data::F32(v) => list(v),
        Data::F64(v) => list(v),
        Data::Int(v) => list(v),
        Data::Text(v) => list(v),
    }
}
