//! What a trained model answers here, for the check that its page answers the same
//! (`tests/web/check.py`): inputs, samples and answers as JSON.
//!
//! cargo run --release --example web_reference -- RUN [TABLE|TEXT]

use serde_json::{Value, json};
use std::path::Path;
use wgrad::data::table::Table;
use wgrad::data::{Input, Interface, Task, picture};
use wgrad::deploy::generate::Generator;
use wgrad::deploy::sample::{Sampler, Sampling};
use wgrad::deploy::web;
use wgrad::device::Device;
use wgrad::nn::Model;
use wgrad::plan::Target;
use wgrad::run::folder::{self, Checkpoint};
use wgrad::run::kinds;
use wgrad::run::predictor::Predictor;
use wgrad::tensor::HostTensor;
use wgrad::tensor::random::{Random, stream};
use wgrad::train::Planned;
use wgrad::train::checkpoint::Loaded;
use wgrad::{Error, Result};

/// Inputs that are asked about, and texts and pictures of which samples are compared.
const ASKED: usize = 100;
const SAMPLES: usize = 200;
/// Tokens that are written.
const WRITTEN: usize = 200;
/// Training steps.
const STEPS: usize = 20;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let run = args.next().ok_or_else(|| Error::usage("expected a run"))?;
    let data = args.next().map(|path| std::fs::read_to_string(&path).map_err(|e| Error::io(path, e))).transpose()?;
    let (model, loaded) = folder::load(Path::new(&run), Checkpoint::Last)?;
    let found = match &loaded.about.interface.input {
        Input::Samples => pictures(&model, &loaded)?,
        Input::Row(_) => rows(&model, &loaded, &data.unwrap_or_default())?,
        Input::Window(_) => series(&model, &loaded, &data.unwrap_or_default())?,
        Input::Tokens(_) if loaded.about.interface.task == Task::Language => {
            text(&model, &loaded, &data.unwrap_or_default())?
        }
        Input::Tokens(_) => texts(&model, &loaded, &data.unwrap_or_default())?,
    };
    println!("{found}");
    Ok(())
}

fn predictor(model: &Model, loaded: &Loaded) -> Result<Predictor> {
    Predictor::of(model.clone(), loaded.clone(), Device::Cpu)
}

/// Pictures of many sizes, some of them with transparent pixels.
fn pictures(model: &Model, loaded: &Loaded) -> Result<Value> {
    let settings = kinds::settings_of(&loaded.about)?;
    let options = kinds::images_of(&loaded.about, &settings);
    let [channels, h, w] = model.input[..] else { return Err(Error::model("expected pictures")) };
    let mut r = Random::new(5, stream::CASES);
    let mut all = vec![];
    let mut planes = vec![];
    for i in 0..SAMPLES {
        let [width, height] = match i % 4 {
            0 => [w, h],
            _ => [1 + r.below(3 * w as u32) as usize, 1 + r.below(3 * h as u32) as usize],
        };
        let noise = 1 + r.below(60);
        let (fx, fy) = (1 + r.below(9), 1 + r.below(9));
        let pixel = |r: &mut Random, x: usize, y: usize, c: usize| match c {
            3 if i % 5 == 4 => r.below(256) as u8,
            3 => 255,
            _ => ((x as u32 * fx * (c as u32 + 1) + y as u32 * fy + r.below(noise)) % 256) as u8,
        };
        let places = (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..4).map(move |c| (x, y, c))));
        let rgba: Vec<u8> = places.map(|(x, y, c)| pixel(&mut r, x, y, c)).collect();
        let image = image::RgbaImage::from_raw(width as u32, height as u32, rgba.clone()).expect("four bytes a pixel");
        let sample = picture::prepare(&image.into(), channels, [h, w], &options)?;
        all.push(json!({ "width": width, "height": height, "data": rgba, "sample": sample }));
        planes.push(sample);
    }
    let answers = predictor(model, loaded)?.pixels(&planes[..ASKED].concat())?;
    let answers: Vec<Vec<f64>> = answers.iter().map(|a| a.values()).collect();
    let losses = losses(model, loaded, &planes)?;
    Ok(json!({ "inputs": all, "answers": answers, "losses": losses }))
}

/// The losses of some steps on samples in turn, whose classes are their numbers.
fn losses(model: &Model, loaded: &Loaded, samples: &[Vec<u8>]) -> Result<Vec<f32>> {
    let interface: &Interface = &loaded.about.interface;
    let s = web::training_settings(&loaded.about)?;
    let planned = Planned::training(model, interface, &loaded.weights, &s, Target::Cpu)?;
    let mut executor = Device::Cpu.executor();
    let output = planned.output;
    let program = executor.load(planned.plan)?;
    let mut found = vec![];
    for step in 0..STEPS {
        let rows: Vec<usize> = (0..s.batch_size).map(|i| (step * s.batch_size + i) % samples.len()).collect();
        let bytes: Vec<u8> = rows.iter().flat_map(|&i| samples[i].clone()).collect();
        let words = wgrad::tensor::pack_bytes(&bytes);
        let labels = rows.iter().map(|&i| (i % interface.outputs.len()) as u32).collect();
        executor.write(planned.samples, &HostTensor::u32([words.len()], words))?;
        executor.write(planned.targets, &HostTensor::u32([rows.len()], labels))?;
        executor.run(&program, 1)?;
        found.push(executor.fetch(&program, output)?.as_f32()[0]);
    }
    Ok(found)
}

/// Rows of a table as its cells; none of those that the model cannot use.
fn rows(model: &Model, loaded: &Loaded, text: &str) -> Result<Value> {
    let text: String = text.lines().take(SAMPLES + 1).map(|line| format!("{line}\n")).collect();
    let fitted = loaded.about.interface.row().expect("a model of rows").clone();
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.delimiter(delimiter(&text)).has_headers(false).from_reader(text.as_bytes());
    let fail = |e: csv::Error| Error::data(e.to_string());
    let mut records = reader.records().collect::<std::result::Result<Vec<_>, _>>().map_err(fail)?;
    let names: Vec<String> = match fitted.has_header {
        true => records.remove(0).iter().map(String::from).collect(),
        false => (1..=records[0].len()).map(|i| format!("column{i}")).collect(),
    };
    let table = Table::parse("the rows", text.as_bytes(), &fitted.read_options())?;
    let all: Vec<usize> = (0..table.rows()).collect();
    let features = fitted.apply_features(&table, &all)?;
    let answers = predictor(model, loaded)?.csv(&text)?;
    let input = |(&row, sample): (&usize, &[f32])| {
        let cells = names.iter().zip(records[row].iter()).map(|(name, cell)| (name.to_string(), json!(cell)));
        json!({ "input": cells.collect::<serde_json::Map<_, _>>(), "sample": sample })
    };
    let inputs: Vec<Value> = features.kept.iter().zip(features.values.chunks(features.width)).map(input).collect();
    let answers: Vec<Vec<f64>> = answers.into_iter().flatten().take(ASKED).map(|a| a.values()).collect();
    Ok(json!({ "inputs": inputs, "answers": answers }))
}

fn delimiter(text: &str) -> u8 {
    let head = text.lines().next().unwrap_or_default();
    *[b',', b';', b'\t'].iter().max_by_key(|&&d| head.bytes().filter(|&b| b == d).count()).expect("three")
}

/// The last windows of a series of more and more rows.
fn series(model: &Model, loaded: &Loaded, text: &str) -> Result<Value> {
    let lines: Vec<&str> = text.lines().collect();
    let reach = loaded.about.interface.series().expect("a model of series").reach();
    let mut predictor = predictor(model, loaded)?;
    let (mut inputs, mut answers) = (vec![], vec![]);
    for n in 0..ASKED.min(lines.len().saturating_sub(reach + 1)) {
        let csv = lines[..=reach + n].join("\n");
        let found = predictor.forecast(&csv)?;
        answers.push(found.iter().flat_map(|f| f.answer.values()).collect::<Vec<f64>>());
        inputs.push(json!({ "input": csv }));
    }
    Ok(json!({ "inputs": inputs, "answers": answers }))
}

/// Odd strings besides those of a file.
const ODD: [&str; 8] = [
    "",
    " ",
    "It's  we'll I'D they've",
    "naïve café 日本語 👍🏽 e\u{301}",
    "tab\tand\n\nnew lines\r\n  end ",
    "12:30, 3.5% & 1,000",
    "\u{a0}\u{2009}blank\u{85}s\u{feff}",
    "a_b-c/d?!…",
];

fn pieces(text: &str, n: usize) -> Vec<String> {
    let mut r = Random::new(7, stream::CASES);
    let chars: Vec<char> = text.chars().collect();
    let piece = |r: &mut Random| {
        let length = 1 + r.below(160) as usize;
        let at = r.below(chars.len().saturating_sub(length).max(1) as u32) as usize;
        chars[at..(at + length).min(chars.len())].iter().collect()
    };
    (0..n).map(|_| piece(&mut r)).collect()
}

/// Texts with classes.
fn texts(model: &Model, loaded: &Loaded, text: &str) -> Result<Value> {
    let interface = &loaded.about.interface;
    let mut all = pieces(text, SAMPLES - ODD.len());
    all.splice(0..0, ODD.map(String::from));
    let (set, _) = kinds::texts_for("texts", &all, vec![0; all.len()], interface, model.input[0])?;
    let width = model.input[0];
    let wgrad::data::Samples::Tokens(tokens) = &set.samples else { return Err(Error::model("expected tokens")) };
    let mut predictor = predictor(model, loaded)?;
    let answers: Vec<Vec<f64>> = predictor.texts(&all[..ASKED])?.iter().map(|a| a.values()).collect();
    let inputs = all.iter().zip(tokens.chunks(width)).map(|(text, row)| json!({ "input": text, "sample": row }));
    Ok(json!({ "inputs": inputs.collect::<Vec<_>>(), "answers": answers }))
}

/// Prompts as tokens, and what is written behind one.
fn text(model: &Model, loaded: &Loaded, text: &str) -> Result<Value> {
    let vocabulary = loaded.about.interface.vocabulary().expect("a model of texts");
    let known = |text: &String| vocabulary.encode(text).is_ok();
    let all = ODD.iter().map(|t| t.to_string()).chain(pieces(text, SAMPLES)).filter(known);
    let tokens = |text: &String| Ok(json!({ "input": text, "tokens": vocabulary.encode(text)? }));
    let inputs = all.map(|text| tokens(&text)).collect::<Result<Vec<_>>>()?;
    let prompt = vocabulary.beginning().unwrap_or_default() + "The ";
    let mut generator = Generator::new(&Device::Cpu, model, &loaded.weights)?;
    let mut sampler = Sampler::new(Sampling { temperature: 0.0, ..Sampling::default() })?;
    let mut decoder = vocabulary.decoder();
    let prompt_tokens = vocabulary.encode(&prompt)?;
    decoder.follow(&prompt_tokens);
    let mut written = String::new();
    generator.write(&prompt_tokens, WRITTEN, &mut sampler, |token| {
        written += &decoder.push(token);
        Ok(())
    })?;
    written += &decoder.finish();
    Ok(json!({ "inputs": inputs, "prompt": prompt, "length": WRITTEN, "written": written }))
}
