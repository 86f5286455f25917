//! `wgrad export`: a trained model for other programs.

use super::tool_flags::WebPrecision;
use super::{out, tool_flags};
use crate::deploy::web;
use crate::error::{Error, Result};
use crate::onnx::difference;
use crate::onnx::export::{self, Format, Options};
use serde_json::json;
use std::path::{Path, PathBuf};

pub fn run(f: &tool_flags::Export) -> Result<()> {
    let format = Format::named(&f.format)?;
    let of = |flag: &str, wanted: Format, given: bool| match given && format != wanted {
        false => Ok(()),
        true => Err(Error::usage(format!(
            "{flag}: it goes with --format {}, and --format is {}; leave it out",
            wanted.name(),
            format.name()
        ))),
    };
    of("--opset", Format::Onnx, f.opset.is_some())?;
    of("--with-preprocessing", Format::Onnx, f.with_preprocessing)?;
    of("--train", Format::Web, f.train)?;
    of("--precision", Format::Web, f.precision.is_some())?;
    let usual = Options::default();
    let web = web::Options { train: f.train, half: f.precision == Some(WebPrecision::F16) };
    let options = Options { opset: f.opset.unwrap_or(usual.opset), preprocessing: f.with_preprocessing, web, ..usual };
    let (model, loaded) = f.run.load()?;
    let path = f.out.clone().unwrap_or_else(|| beside(&f.run.run, format));
    let own = |file: &Path| file.canonicalize().ok().is_some_and(|p| Some(p) == f.run.run.canonicalize().ok());
    let has_weights_beside = !matches!(format, Format::Onnx | Format::Web);
    if has_weights_beside && own(&path.with_extension("safetensors")) || own(&path) {
        return Err(Error::usage(format!(
            "{}: the weights would be written over those that they come from; name another file with --out",
            path.display()
        )));
    }
    let files = export::write_as(format, &path, &model, &loaded, &options)?;
    let written = (format == Format::Onnx).then(|| export::written(&path)).transpose()?;
    let differs = match format == Format::Onnx && !options.preprocessing {
        true => Some(difference(&path, &model, &loaded)?),
        false => None,
    };
    if let Some(far) = differs.filter(|&d| d.is_nan() || d > LARGEST) {
        return Err(Error::model(format!(
            "{}: run here, its outputs differ from the model's by up to {far:.1e}, more than {LARGEST:.0e}; do not use \
             it, and please report the model",
            path.display()
        )));
    }
    if f.json {
        let files: Vec<_> = files.iter().map(|file| out::path(file)).collect();
        return out::json(&json!({
            "status": "ok",
            "format": format.name(),
            "files": files,
            "opset": written.as_ref().map(|_| options.opset),
            "difference": differs,
            "nodes": written.as_ref().map(|w| w.nodes),
            "inputs": written.as_ref().map(|w| w.inputs.clone()),
            "outputs": written.as_ref().map(|w| w.outputs.clone()),
        }));
    }
    for file in &files {
        out::line(file.display())?;
    }
    if let Some(w) = written {
        eprintln!("opset {}, {} nodes: {} -> {}", options.opset, w.nodes, w.inputs.join(", "), w.outputs.join(", "));
    }
    if let Some(far) = differs {
        eprintln!("run here on samples drawn at random, it differs from the model by up to {far:.1e}");
    }
    Ok(())
}

/// Differences between a file and its model above this are a fault.
const LARGEST: f64 = 1e-3;

/// `RUN/NAME.onnx` for a run's folder, `model.onnx` beside a file of weights.
fn beside(run: &Path, format: Format) -> PathBuf {
    let ending = format.ending();
    match run.is_dir() {
        true => {
            let name = run.canonicalize().ok().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()));
            run.join(format!("{}.{ending}", name.as_deref().unwrap_or("model")))
        }
        false => run.with_extension(ending),
    }
}
