//! `wgrad predict`: a trained run's answers for pictures, or for the rows of
//! tables and arrays.

use super::csv_cells;
use super::{flags, open_device, out};
use crate::data::{self, Dataset, Images, Interface, SourceKind, Task, picture};
use crate::device::DeviceInfo;
use crate::error::{Error, Result};
use crate::files;
use crate::nn::Model;
use crate::run::kinds::{self, settings_of};
use crate::train::Session;
use crate::train::checkpoint::Loaded;
use crate::train::text::texts_for;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

pub fn run(f: &flags::Predict) -> Result<()> {
    if f.safe_csv && f.json && f.out.is_none() {
        return Err(Error::usage(
            "--safe-csv: with --json nothing is written as CSV; name a file with --out, or leave one of the two out",
        ));
    }
    let (model, loaded) = f.run.load()?;
    if loaded.about.interface.series.is_some() {
        return super::forecast::run(f, model, loaded);
    }
    if f.all {
        return Err(Error::usage("--all is for a model of a series; this one answers for all rows or pictures anyway"));
    }
    if loaded.about.interface.vocabulary.is_some() {
        return texts(f, model, loaded);
    }
    match loaded.about.interface.preprocessing.is_some() {
        true => rows(f, model, loaded),
        false => pictures(f, model, loaded),
    }
}

/// One thing that was asked about.
struct Asked {
    file: PathBuf,
    /// The row of a table or an array, from 1.
    row: Option<usize>,
    /// The line of the file in which a table's row begins.
    line: Option<usize>,
    /// A number per output; none where the row cannot be used.
    answer: Option<Vec<f32>>,
}

fn pictures(f: &flags::Predict, model: Model, loaded: Loaded) -> Result<()> {
    // A file that is missing is reported as the picture that it should be.
    let is_table = |file: &&PathBuf| matches!(data::kind(file), Ok(SourceKind::Table));
    if let Some(table) = f.files.iter().find(is_table) {
        return Err(kinds::no_table(&table.display().to_string(), &model.input));
    }
    let is_array = |file: &PathBuf| matches!(data::kind(file), Ok(SourceKind::Npy));
    if f.files.iter().any(is_array) {
        return arrays(f, model, loaded);
    }
    let Some([channels, height, width]) = kinds::image_of(&model.input) else {
        return Err(Error::model(format!(
            "the model takes samples of shape {}, not pictures; expected arrays of them, .npy or .npz",
            model.input
        )));
    };
    let options = kinds::images_of(&loaded.about, &settings_of(&loaded.about)?);
    let mut pixels = vec![];
    for file in &f.files {
        let mut bytes = picture::load_with(file, channels, [height, width], &options)?;
        if f.invert {
            bytes.iter_mut().for_each(|b| *b = 255 - *b);
        }
        pixels.extend(bytes);
    }
    let (device, info) = open_device(&f.device)?;
    let interface = loaded.about.interface;
    let (classes, labels) = (interface.outputs.clone(), vec![0; f.files.len()]);
    let name = f.files[0].display().to_string();
    let mut set = Dataset::from(Images { name, channels, height, width, pixels, labels, classes });
    interface.adapt(&mut set, &model.input)?.iter().for_each(|note| eprintln!("note: {note}"));
    let mut session = Session::new(device, model, interface, loaded.weights)?;
    let answers = session.predict(&set)?;
    let answers = answers.chunks(session.interface.outputs.len());
    let ask = |(file, answer): (&PathBuf, &[f32])| Asked {
        file: file.clone(),
        row: None,
        line: None,
        answer: Some(answer.to_vec()),
    };
    let asked: Vec<Asked> = f.files.iter().zip(answers).map(ask).collect();
    if f.json || f.out.is_some() {
        return hand_over(f, &session.interface, &info, &asked);
    }
    if f.safe_csv {
        return Err(Error::usage(
            "--safe-csv: the answers for pictures are lines of text, not CSV; name a file with --out",
        ));
    }
    for a in &asked {
        out::line(format!("{}: {}", a.file.display(), words(&session.interface, a, f.top)))?;
    }
    Ok(())
}

/// Answers for the samples of arrays, a row each.
fn arrays(f: &flags::Predict, model: Model, loaded: Loaded) -> Result<()> {
    if f.invert {
        return Err(Error::usage("--invert is for pictures; an array is taken as it is"));
    }
    let mut sets = vec![];
    for file in &f.files {
        let (set, note) = kinds::samples_to_predict(file, &model, &loaded.about)?;
        note.iter().for_each(|note| eprintln!("note: {note}"));
        sets.push(set);
    }
    let (device, info) = open_device(&f.device)?;
    let mut session = Session::new(device, model, loaded.about.interface, loaded.weights)?;
    let width = session.interface.outputs.len();
    let mut asked = vec![];
    for (file, set) in f.files.iter().zip(&sets) {
        let answers = session.predict(set)?;
        let ask = |(i, answer): (usize, &[f32])| Asked {
            file: file.clone(),
            row: Some(i + 1),
            line: None,
            answer: Some(answer.to_vec()),
        };
        asked.extend(answers.chunks(width).enumerate().map(ask));
    }
    hand_over(f, &session.interface, &info, &asked)
}

fn rows(f: &flags::Predict, model: Model, loaded: Loaded) -> Result<()> {
    if f.invert {
        return Err(Error::usage("--invert is for pictures; this model was trained on a table"));
    }
    let interface = loaded.about.interface;
    let fitted = interface.preprocessing.as_ref().expect("the caller has looked");
    let tables =
        f.files.iter().map(|file| kinds::rows_to_predict(file, &interface, fitted)).collect::<Result<Vec<_>>>()?;
    let (device, info) = open_device(&f.device)?;
    let mut session = Session::new(device, model, interface, loaded.weights)?;
    let width = session.interface.outputs.len();
    let mut asked = vec![];
    for (file, rows) in f.files.iter().zip(&tables) {
        rows.notes.iter().for_each(|note| eprintln!("note: {note}"));
        let answers = session.predict(&rows.set)?;
        let mut known = vec![None; rows.table.rows()];
        rows.kept.iter().zip(answers.chunks(width)).for_each(|(&row, answer)| known[row] = Some(answer.to_vec()));
        let ask = |(i, answer)| Asked { file: file.clone(), row: Some(i + 1), line: Some(rows.table.lines[i]), answer };
        asked.extend(known.into_iter().enumerate().map(ask));
    }
    hand_over(f, &session.interface, &info, &asked)
}

/// Classes for texts: the rows of tables, or whole files.
fn texts(f: &flags::Predict, model: Model, loaded: Loaded) -> Result<()> {
    if loaded.about.interface.task == Task::Language {
        return Err(Error::usage("this is a language model: generate text with `wgrad generate`"));
    }
    let settings = settings_of(&loaded.about)?.data;
    let mut asked: Vec<Asked> = vec![];
    let mut texts: Vec<String> = vec![];
    for file in &f.files {
        let (of_file, table) = kinds::known_texts(file, &settings)?;
        let row = |i: usize| table.as_ref().map(|t| (i + 1, t.lines[i])).unzip();
        asked.extend((0..of_file.len()).map(|i| {
            let (row, line) = row(i);
            Asked { file: file.clone(), row, line, answer: None }
        }));
        texts.extend(of_file);
    }
    let (device, info) = open_device(&f.device)?;
    let length = model.input.first().copied().unwrap_or(1);
    let interface = loaded.about.interface;
    let (set, notes) = texts_for("texts", &texts, vec![0; texts.len()], &interface, length)?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let mut session = Session::new(device, model, interface, loaded.weights)?;
    let answers = session.predict(&set)?;
    let width = session.interface.outputs.len();
    for (a, answer) in asked.iter_mut().zip(answers.chunks(width)) {
        a.answer = Some(answer.to_vec());
    }
    hand_over(f, &session.interface, &info, &asked)
}

/// Prints or writes the answers, as CSV or JSON.
fn hand_over(f: &flags::Predict, interface: &Interface, info: &DeviceInfo, asked: &[Asked]) -> Result<()> {
    if let Some(path) = &f.out {
        files::write(path, csv(interface, asked, f).as_bytes())?;
    }
    if f.json {
        let predictions: Vec<Value> = asked.iter().map(|a| object(interface, a, f.top)).collect();
        return out::json(&json!({
            "status": "ok",
            "device": info,
            "positive_class": interface.positive_class().map(|class| &interface.outputs[class]),
            "predictions": predictions,
            "out": f.out.as_deref().map(out::path),
        }));
    }
    match &f.out {
        Some(path) => {
            eprintln!("{} predictions in {}", asked.iter().filter(|a| a.answer.is_some()).count(), path.display());
            Ok(())
        }
        None => out::data(csv(interface, asked, f).trim_end()),
    }
}

/// The outputs of an answer, the likeliest first.
fn order(answer: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..answer.len()).collect();
    order.sort_by(|&a, &b| answer[b].total_cmp(&answer[a]).then(a.cmp(&b)));
    order
}

/// What is said of a picture in a line.
fn words(interface: &Interface, asked: &Asked, top: usize) -> String {
    let (names, answer) = (&interface.outputs, asked.answer.as_deref().unwrap_or_default());
    let said: Vec<String> = match interface.task {
        Task::Classification => {
            let best = order(answer).into_iter().take(top.max(1));
            best.map(|i| format!("{} {:.1}%", names[i], 100.0 * answer[i])).collect()
        }
        Task::Language | Task::Regression => {
            let values = answer.iter().zip(interface.centres()).map(|(&v, centre)| value(v, centre));
            names.iter().zip(values).map(|(n, v)| format!("{n} {v}")).collect()
        }
    };
    said.join(", ")
}

/// A value in the units of its target, as short as it is exact.
pub(super) fn value(v: f32, centre: f64) -> String {
    match centre {
        0.0 => v.to_string(),
        _ => (centre + v.to_string().parse::<f64>().unwrap_or(f64::NAN)).to_string(),
    }
}

/// [`value`] as a number.
pub(super) fn json_value(v: f32, centre: f64) -> Value {
    match centre {
        0.0 => json!(v),
        _ => value(v, centre).parse::<f64>().map_or(Value::Null, |v| json!(v)),
    }
}

fn object(interface: &Interface, asked: &Asked, top: usize) -> Value {
    let mut all = Map::from_iter([("file".to_string(), json!(out::path(&asked.file)))]);
    let names = &interface.outputs;
    all.extend(asked.row.map(|row| ("row".to_string(), row.into())));
    all.extend(asked.line.map(|line| ("line".to_string(), line.into())));
    let named = |answer: &[f32]| names.iter().cloned().zip(answer.iter().map(|&v| json!(v))).collect::<Map<_, _>>();
    match (&asked.answer, interface.task) {
        (None, Task::Classification) => drop(all.insert("class".into(), Value::Null)),
        (None, Task::Language | Task::Regression) => drop(all.insert("values".into(), Value::Null)),
        (Some(answer), Task::Language | Task::Regression) => {
            let number = |(&v, centre): (&f32, f64)| json_value(v, centre);
            let values = names.iter().cloned().zip(answer.iter().zip(interface.centres()).map(number));
            all.insert("values".into(), values.collect::<Map<_, _>>().into());
        }
        (Some(answer), Task::Classification) => {
            let best = order(answer);
            all.insert("class".into(), names[best[0]].clone().into());
            all.insert("probability".into(), json!(answer[best[0]]));
            if asked.row.is_some() {
                all.insert("probabilities".into(), named(answer).into());
            } else {
                let one = |i: usize| json!({ "class": names[i], "probability": answer[i] });
                all.insert("top".into(), best.into_iter().take(top.max(1)).map(one).collect());
            }
        }
    }
    Value::Object(all)
}

/// The answers as CSV.
fn csv(interface: &Interface, asked: &[Asked], f: &flags::Predict) -> String {
    csv_cells::csv(cells(interface, asked, f.files.len() > 1), f.safe_csv)
}

/// The answers as a table: where, the prediction, and a probability per class; or
/// a value per target.
fn cells(interface: &Interface, asked: &[Asked], with_file: bool) -> Vec<Vec<String>> {
    let names = &interface.outputs;
    let of_rows = asked.iter().any(|a| a.row.is_some());
    let with_file = with_file || !of_rows;
    let mut head: Vec<String> = with_file.then(|| "file".into()).into_iter().collect();
    head.extend(of_rows.then(|| "row".into()));
    match (interface.task, &names[..]) {
        (Task::Language | Task::Regression, [_]) => head.push("prediction".into()),
        (Task::Language | Task::Regression, all) => head.extend(all.iter().map(|n| format!("prediction_{n}"))),
        (Task::Classification, all) => {
            head.push("prediction".into());
            head.extend(all.iter().map(|n| format!("p_{n}")));
        }
    }
    let (width, centres) = (head.len(), interface.centres());
    let mut all = vec![head];
    for a in asked {
        let mut cells: Vec<String> = with_file.then(|| shown(&a.file)).into_iter().collect();
        cells.extend(a.row.map(|row| row.to_string()));
        if let Some(answer) = &a.answer {
            if interface.task == Task::Classification {
                cells.push(names[order(answer)[0]].clone());
            }
            cells.extend(answer.iter().zip(&centres).map(|(&v, &centre)| value(v, centre)));
        }
        cells.resize(width, String::new());
        all.push(cells);
    }
    all
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(row: usize, answer: Option<Vec<f32>>) -> Asked {
        Asked { file: "a.csv".into(), row: Some(row), line: Some(row + 1), answer }
    }

    #[test]
    fn answers_are_a_table_with_a_row_for_each_row() {
        let classes = Interface::of_images(vec!["no".into(), "yes, \"so\"".into()], &[]);
        let rows = [asked(1, Some(vec![0.25, 0.75])), asked(2, None)];
        let csv = |interface: &Interface, asked: &[Asked], with_file| {
            csv_cells::csv(cells(interface, asked, with_file), false)
        };
        let text = csv(&classes, &rows, false);
        let expected = "row,prediction,p_no,\"p_yes, \"\"so\"\"\"\n1,\"yes, \"\"so\"\"\",0.25,0.75\n2,,,\n";
        assert_eq!(text, expected);
        assert!(csv(&classes, &rows, true).starts_with("file,row,prediction,"));
        let values = Interface { task: Task::Regression, outputs: vec!["y".into()], ..classes };
        assert_eq!(csv(&values, &[asked(1, Some(vec![1.5])), asked(2, None)], false), "row,prediction\n1,1.5\n2,\n");
        let json = object(&values, &asked(3, Some(vec![2.5])), 3);
        assert_eq!(json, json!({ "file": "a.csv", "row": 3, "line": 4, "values": { "y": 2.5 } }));
    }

    #[test]
    fn equal_probabilities_go_to_the_first_class() {
        assert_eq!(order(&[0.25, 0.5, 0.25, 0.0]), [1, 0, 2, 3]);
    }
}
