//! What a page asks its visitors for, and how that becomes a sample.

use super::Computer;
use crate::data::series::SeriesFitted;
use crate::data::table::{Encoder, Fitted};
use crate::data::text::Vocabulary;
use crate::data::{Elements, Filter, Input, Interface, OpenOptions, Task, picture};
use crate::error::{Error, Result};
use crate::nn::Model;
use serde_json::{Value, json};

/// The input of a model as data.
///
/// Fails where the player has nothing to do it with, and says what.
pub fn input(
    model: &Model,
    interface: &Interface,
    elements: Elements,
    images: &OpenOptions,
    computer: Computer,
) -> Result<Value> {
    match &interface.input {
        Input::Row(fitted) => row(fitted),
        Input::Window(fitted) => series(fitted),
        Input::Tokens(vocabulary) => {
            let kind = if interface.task == Task::Language { "corpus" } else { "text" };
            let length = model.input.first().copied().unwrap_or(1);
            let vocabulary = match computer {
                Computer::Page => vocabulary_of(vocabulary)?,
                Computer::Server => Value::Null,
            };
            Ok(json!({ "kind": kind, "length": length, "vocabulary": vocabulary }))
        }
        Input::Samples if elements == Elements::Bytes => pictures(model, interface, images, computer),
        Input::Samples => Ok(json!({ "kind": "numbers", "shape": model.input.to_vec() })),
    }
}

fn pictures(model: &Model, interface: &Interface, images: &OpenOptions, computer: Computer) -> Result<Value> {
    let [channels, height, width] = model.input[..] else {
        return Err(Error::model(format!(
            "samples of shape {}; expected pictures, [channels, height, width]",
            model.input
        )));
    };
    if channels != 1 && channels != 3 {
        return Err(Error::usage(format!(
            "--format web: the model takes pictures of {channels} channels; a page has those of 1 (grey) or 3 (red, green, \
             blue)"
        )));
    }
    if computer == Computer::Page && !matches!(images.filter, Filter::Triangle | Filter::Nearest) {
        return Err(Error::usage(format!(
            "--format web: this model's pictures are resized by \"{}\" (data.filter), and the page knows \"triangle\" and \
             \"nearest\"; train with one of these",
            images.filter.name()
        )));
    }
    // Of bytes b, scale * b + shift is 0 at the mean of the training pixels.
    let mean = |(scale, shift): (&f32, &f32)| -shift / scale;
    let normal = &interface.normal;
    let means = normal.scale.iter().zip(&normal.shift).map(mean);
    let (sum, n) = means.fold((0.0, 0), |(sum, n), mean| (sum + mean, n + 1));
    Ok(json!({
        "kind": "picture",
        "channels": channels,
        "height": height,
        "width": width,
        "filter": images.filter.name(),
        "levels": images.levels,
        "luma": picture::luma(),
        "dark": n > 0 && sum / (n as f32) < 128.0,
    }))
}

fn row(fitted: &Fitted) -> Result<Value> {
    let used: Vec<_> = fitted.columns.iter().filter(|c| c.is_used()).collect();
    let columns = used.iter().map(|c| {
        let is_read = !matches!(c.encoder, Encoder::Dropped { .. });
        json!({
            "name": c.name,
            "kind": c.kind.name(),
            "required": c.required,
            "encoder": is_read.then_some(&c.encoder),
            "values": fitted.layout.kept.get(&c.name),
        })
    });
    Ok(json!({
        "kind": "row",
        "columns": columns.collect::<Vec<_>>(),
        "features": fitted.features.len(),
        "missing": fitted.missing_values,
    }))
}

fn series(fitted: &SeriesFitted) -> Result<Value> {
    Ok(json!({
        "kind": "series",
        "window": fitted.window,
        "horizon": fitted.horizon,
        "inputs": fitted.inputs,
        "targets": fitted.targets,
        "date": fitted.date,
        "group": fitted.group,
        "calendar": fitted.calendar,
        "difference": fitted.difference,
        "lag": fitted.lag,
        "reach": fitted.reach(),
        "missing": fitted.missing_values,
    }))
}

/// The vocabulary as the player reads it: characters, bytes, or byte-level pairs.
fn vocabulary_of(vocabulary: &Vocabulary) -> Result<Value> {
    let mut all = serde_json::to_value(vocabulary).map_err(|e| Error::data(format!("the vocabulary: {e}")))?;
    let Some(text) = all.get("tokenizer").and_then(Value::as_str) else { return Ok(all) };
    let t: Value = serde_json::from_str(text).map_err(|e| Error::data(format!("the tokenizer: {e}")))?;
    let is = |at: &str, wanted: &[Value]| wanted.contains(t.pointer(at).unwrap_or(&Value::Null));
    let none = [Value::Null, json!(false), json!([]), json!("")];
    let plain = ["/normalizer", "/added_tokens", "/model/unk_token", "/model/continuing_subword_prefix"];
    let more = [
        "/model/end_of_word_suffix",
        "/model/byte_fallback",
        "/model/ignore_merges",
        "/pre_tokenizer/add_prefix_space",
    ];
    let fits = plain.iter().chain(&more).all(|at| is(at, &none))
        && is("/model/type", &[json!("BPE")])
        && is("/pre_tokenizer/type", &[json!("ByteLevel")])
        && is("/pre_tokenizer/use_regex", &[json!(true), Value::Null])
        && is("/decoder/type", &[json!("ByteLevel")]);
    let pair = |m: &Value| match m {
        Value::String(both) => Some(both.clone()),
        Value::Array(two) => Some(format!("{} {}", two.first()?.as_str()?, two.get(1)?.as_str()?)),
        _ => None,
    };
    let merges = t.pointer("/model/merges").and_then(Value::as_array);
    let merges: Option<Vec<String>> = merges.and_then(|all| all.iter().map(pair).collect());
    let (true, Some(merges)) = (fits, merges) else {
        return Err(Error::usage(format!(
            "--format web: the page knows byte-level byte pairs, as `--tokenizer bpe` trains them, characters and bytes; \
             this model's tokens are {}",
            vocabulary.describe()
        )));
    };
    all["tokenizer"] = json!({ "tokens": t["model"]["vocab"], "merges": merges });
    Ok(all)
}
