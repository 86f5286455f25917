//! `wgrad predict`: a trained run's answers for pictures, or for the rows of
//! tables and arrays.

use super::csv_cells;
use super::{flags, open_device, out};
use crate::data::{self, Interface, SourceKind, Task, picture};
use crate::device::DeviceInfo;
use crate::error::{Error, Result};
use crate::files;
use crate::nn::Model;
use crate::run::answer::Answer;
use crate::run::kinds::{self, settings_of};
use crate::run::predictor::Predictor;
use crate::train::checkpoint::Loaded;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

pub fn run(f: &flags::Predict) -> Result<()> {
    if f.safe_csv && f.json && f.out.is_none() {
        return Err(Error::usage(
            "--safe-csv: with --json nothing is written as CSV; name a file with --out, or leave one of the two out",
        ));
    }
    let (model, loaded) = f.run.load()?;
    if loaded.about.interface.series().is_some() {
        return super::forecast::run(f, model, loaded);
    }
    if f.all {
        return Err(Error::usage("--all is for a model of a series; this one answers for all rows or pictures anyway"));
    }
    if loaded.about.interface.vocabulary().is_some() {
        return texts(f, model, loaded);
    }
    match loaded.about.interface.row().is_some() {
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
    /// None where the row cannot be used.
    answer: Option<Answer>,
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
    let (mut predictor, info) = predictor(f, model, loaded)?;
    let answers = predictor.pixels_of(&f.files[0].display().to_string(), pixels)?;
    predictor.notes().iter().for_each(|note| eprintln!("note: {note}"));
    let ask =
        |(file, answer): (&PathBuf, Answer)| Asked { file: file.clone(), row: None, line: None, answer: Some(answer) };
    let asked: Vec<Asked> = f.files.iter().zip(answers).map(ask).collect();
    if f.json || f.out.is_some() {
        return hand_over(f, predictor.interface(), &info, &asked);
    }
    if f.safe_csv {
        return Err(Error::usage(
            "--safe-csv: the answers for pictures are lines of text, not CSV; name a file with --out",
        ));
    }
    for a in &asked {
        out::line(format!("{}: {}", a.file.display(), words(a, f.top)))?;
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
    let (mut predictor, info) = predictor(f, model, loaded)?;
    let mut asked = vec![];
    for (file, set) in f.files.iter().zip(&sets) {
        let ask = |(i, answer)| Asked { file: file.clone(), row: Some(i + 1), line: None, answer: Some(answer) };
        asked.extend(predictor.set(set)?.into_iter().enumerate().map(ask));
    }
    hand_over(f, predictor.interface(), &info, &asked)
}

fn rows(f: &flags::Predict, model: Model, loaded: Loaded) -> Result<()> {
    if f.invert {
        return Err(Error::usage("--invert is for pictures; this model was trained on a table"));
    }
    let interface = &loaded.about.interface;
    let fitted = interface.row().expect("the caller has looked");
    let tables =
        f.files.iter().map(|file| kinds::rows_to_predict(file, interface, fitted)).collect::<Result<Vec<_>>>()?;
    let (mut predictor, info) = predictor(f, model, loaded)?;
    let mut asked = vec![];
    for (file, rows) in f.files.iter().zip(&tables) {
        rows.notes.iter().for_each(|note| eprintln!("note: {note}"));
        let ask = |(i, answer)| Asked { file: file.clone(), row: Some(i + 1), line: Some(rows.table.lines[i]), answer };
        asked.extend(predictor.rows_of(rows)?.into_iter().enumerate().map(ask));
    }
    hand_over(f, predictor.interface(), &info, &asked)
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
    let (mut predictor, info) = predictor(f, model, loaded)?;
    let answers = predictor.texts(&texts)?;
    predictor.notes().iter().for_each(|note| eprintln!("note: {note}"));
    asked.iter_mut().zip(answers).for_each(|(a, answer)| a.answer = Some(answer));
    hand_over(f, predictor.interface(), &info, &asked)
}

/// The loaded model on the device that is asked for.
fn predictor(f: &flags::Predict, model: Model, loaded: Loaded) -> Result<(Predictor, DeviceInfo)> {
    let (device, info) = open_device(&f.device)?;
    Ok((Predictor::of(model, loaded, device)?, info))
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

/// What is said of a picture in a line.
fn words(asked: &Asked, top: usize) -> String {
    let Some(answer) = &asked.answer else { return String::new() };
    if !answer.is_class() {
        return answer.to_string();
    }
    let said: Vec<String> =
        answer.top(top.max(1)).iter().map(|(class, p)| format!("{class} {:.1}%", 100.0 * p)).collect();
    said.join(", ")
}

fn object(interface: &Interface, asked: &Asked, top: usize) -> Value {
    let mut all = Map::from_iter([("file".to_string(), json!(out::path(&asked.file)))]);
    all.extend(asked.row.map(|row| ("row".to_string(), row.into())));
    all.extend(asked.line.map(|line| ("line".to_string(), line.into())));
    match (&asked.answer, interface.task) {
        (None, Task::Classification) => drop(all.insert("class".into(), Value::Null)),
        (None, Task::Language | Task::Regression) => drop(all.insert("values".into(), Value::Null)),
        (Some(answer), Task::Language | Task::Regression) => {
            all.insert("values".into(), answer.json().collect::<Map<_, _>>().into());
        }
        (Some(answer), Task::Classification) => {
            all.insert("class".into(), json!(answer.class()));
            all.insert("probability".into(), json!(answer.probability()));
            if asked.row.is_some() {
                all.insert("probabilities".into(), answer.json().collect::<Map<_, _>>().into());
            } else {
                let one = |(class, p)| json!({ "class": class, "probability": p });
                all.insert("top".into(), answer.top(top.max(1)).into_iter().map(one).collect());
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
    let width = head.len();
    let mut all = vec![head];
    for a in asked {
        let mut cells: Vec<String> = with_file.then(|| shown(&a.file)).into_iter().collect();
        cells.extend(a.row.map(|row| row.to_string()));
        if let Some(answer) = &a.answer {
            cells.extend(answer.class().map(String::from));
            cells.extend(answer.decimals());
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

    fn asked(interface: &Interface, row: usize, numbers: Option<&[f32]>) -> Asked {
        let answer = numbers.map(|numbers| Answer::of(interface, numbers).remove(0));
        Asked { file: "a.csv".into(), row: Some(row), line: Some(row + 1), answer }
    }

    #[test]
    fn answers_are_a_table_with_a_row_for_each_row() {
        let classes = Interface::of_images(vec!["no".into(), "yes, \"so\"".into()], &[]);
        let rows = [asked(&classes, 1, Some(&[0.25, 0.75])), asked(&classes, 2, None)];
        let csv = |interface: &Interface, asked: &[Asked], with_file| {
            csv_cells::csv(cells(interface, asked, with_file), false)
        };
        let text = csv(&classes, &rows, false);
        let expected = "row,prediction,p_no,\"p_yes, \"\"so\"\"\"\n1,\"yes, \"\"so\"\"\",0.25,0.75\n2,,,\n";
        assert_eq!(text, expected);
        assert!(csv(&classes, &rows, true).starts_with("file,row,prediction,"));
        let values = Interface { task: Task::Regression, outputs: vec!["y".into()], ..classes };
        let rows = [asked(&values, 1, Some(&[1.5])), asked(&values, 2, None)];
        assert_eq!(csv(&values, &rows, false), "row,prediction\n1,1.5\n2,\n");
        let json = object(&values, &asked(&values, 3, Some(&[2.5])), 3);
        assert_eq!(json, json!({ "file": "a.csv", "row": 3, "line": 4, "values": { "y": 2.5 } }));
    }

    #[test]
    fn equal_probabilities_go_to_the_first_class() {
        let classes = Interface::of_images(["0", "1", "2", "3"].map(String::from).to_vec(), &[]);
        let answer = Answer::of(&classes, &[0.25, 0.5, 0.25, 0.0]).remove(0);
        assert_eq!(answer.top(4).iter().map(|t| t.0).collect::<Vec<_>>(), ["1", "0", "2", "3"]);
    }
}
