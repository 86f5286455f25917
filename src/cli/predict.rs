//! `wgrad predict`: a trained run's answers for pictures, or for the rows of
//! tables and arrays.

use super::csv_cells;
use super::{flags, open_device, out};
use crate::data::{Interface, Samples, Task};
use crate::device::DeviceInfo;
use crate::error::{Error, Result};
use crate::files;
use crate::nn::Model;
use crate::run::answer::Answer;
use crate::run::kinds::{self, PartsToPredict, settings_of};
use crate::run::predictor::Predictor;
use crate::run::{ensemble, folder};
use crate::train::checkpoint::Loaded;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

pub fn run(f: &flags::Predict) -> Result<()> {
    if f.safe_csv && f.json && f.out.is_none() {
        return Err(Error::usage(
            "--safe-csv: with --json nothing is written as CSV; name a file with --out, or leave one of the two out",
        ));
    }
    if let Some(folds) = folder::kept_folds(&f.run.run)? {
        return together(f, &folds);
    }
    let (model, loaded) = f.run.load()?;
    let interface = &loaded.about.interface;
    if f.invert && !kinds::is_of_images(interface) {
        return Err(Error::usage(format!(
            "--invert is for pictures; this model was trained on {}",
            kinds::kind_of_model(interface).name()
        )));
    }
    if interface.series().is_some() {
        return super::forecast::run(f, model, loaded);
    }
    if f.all {
        return Err(Error::usage("--all is for a model of a series; this one answers for all rows or pictures anyway"));
    }
    let settings = settings_of(&loaded.about)?;
    let trained = kinds::Trained { model: &model, about: &loaded.about, settings: &settings, seed: 0, stride: None };
    if let [file] = &f.files[..]
        && !f.json
        && let Some(parts) = kinds::in_parts(file, &trained)?
    {
        return in_parts(f, file, parts, model.clone(), loaded);
    }
    let mut files = f.files.iter().map(|file| kinds::to_predict(file, &trained)).collect::<Result<Vec<_>>>()?;
    if f.invert {
        files.iter_mut().try_for_each(invert)?;
    }
    files.iter().flat_map(|file| &file.notes).for_each(|note| eprintln!("note: {note}"));
    let (mut predictor, info) = predictor(f, model, loaded)?;
    let answers = predictor.answers(&files)?;
    predictor.notes().iter().for_each(|note| eprintln!("note: {note}"));
    let mut asked = vec![];
    for ((file, read), answers) in f.files.iter().zip(&files).zip(answers) {
        let ask = |(a, answer): (&kinds::Asked, _)| Asked { file: file.clone(), row: a.row, line: a.line, answer };
        asked.extend(read.asked.iter().zip(answers).map(ask));
    }
    say(f, predictor.interface(), &info, &asked)
}

/// Prints or writes the answers: of pictures in words, unless something else is asked for.
fn say(f: &flags::Predict, interface: &Interface, info: &DeviceInfo, asked: &[Asked]) -> Result<()> {
    let of_pictures = kinds::is_of_images(interface) && asked.iter().all(|a| a.row.is_none());
    if f.json || f.out.is_some() || !of_pictures {
        return hand_over(f, interface, info, asked);
    }
    if f.safe_csv {
        return Err(Error::usage(
            "--safe-csv: the answers for pictures are lines of text, not CSV; name a file with --out",
        ));
    }
    for a in asked {
        out::line(format!("{}: {}", a.file.display(), words(a, f.top)))?;
    }
    Ok(())
}

/// The mean of the answers of the models of some folds.
fn together(f: &flags::Predict, folds: &[PathBuf]) -> Result<()> {
    if f.all {
        return Err(Error::usage("--all is for a model of a series; these answer for all rows or pictures anyway"));
    }
    let prepare = |interface: &Interface, file: &mut kinds::ToPredict| match f.invert {
        true if !kinds::is_of_images(interface) => Err(Error::usage("--invert is for pictures")),
        true => invert(file),
        false => Ok(()),
    };
    let (device, info) = open_device(&f.device)?;
    let found = ensemble::predict(folds, f.run.which(), &f.files, &device, &prepare)?;
    found.notes.iter().for_each(|note| eprintln!("note: {note}"));
    let mut asked = vec![];
    for ((file, of_file), answers) in f.files.iter().zip(&found.asked).zip(found.answers) {
        let ask = |(a, answer): (&kinds::Asked, _)| Asked { file: file.clone(), row: a.row, line: a.line, answer };
        asked.extend(of_file.iter().zip(answers).map(ask));
    }
    say(f, &found.interface, &info, &asked)
}

/// Answers for a file that memory has no room for: they are written part by part.
fn in_parts(
    f: &flags::Predict,
    file: &Path,
    mut parts: Box<dyn PartsToPredict>,
    model: Model,
    loaded: Loaded,
) -> Result<()> {
    parts.notes().iter().for_each(|note| eprintln!("note: {note}"));
    let (mut predictor, _) = predictor(f, model, loaded)?;
    let (mut is_first, mut answered) = (true, 0);
    let mut write = |to: &mut dyn FnMut(&str) -> Result<()>| -> Result<()> {
        while let Some(part) = parts.next() {
            let part = part?;
            let answers = predictor.answers(std::slice::from_ref(&part))?.remove(0);
            let ask = |(a, answer): (&kinds::Asked, _)| Asked { file: file.into(), row: a.row, line: a.line, answer };
            let asked: Vec<Asked> = part.asked.iter().zip(answers).map(ask).collect();
            answered += asked.iter().filter(|a| a.answer.is_some()).count();
            let mut cells = cells(predictor.interface(), &asked, false);
            if !std::mem::take(&mut is_first) {
                cells.remove(0);
            }
            to(&csv_cells::csv(cells, f.safe_csv))?;
        }
        Ok(())
    };
    match &f.out {
        None => write(&mut |text| out::data(text.trim_end()))?,
        Some(path) => {
            let mut failed = None;
            let written = files::write_with(path, &mut |file| {
                write(&mut |text| {
                    file.write_all(text.as_bytes()).map_err(|e| Error::io(format!("writing {}", path.display()), e))
                })
                .map_err(|e| {
                    failed = Some(e);
                    std::io::Error::other("stopped")
                })
            });
            failed.map_or(written, Err)?;
        }
    }
    parts.lines().iter().for_each(|note| eprintln!("note: {note}"));
    if let Some(path) = &f.out {
        eprintln!("{answered} predictions in {}", path.display());
    }
    Ok(())
}

/// Turns dark into bright.
fn invert(file: &mut kinds::ToPredict) -> Result<()> {
    match &file.set.samples {
        Samples::Bytes(pixels) if file.asked.iter().all(|a| a.row.is_none()) => {
            file.set.samples = pixels.iter().map(|b| 255 - b).collect::<Vec<u8>>().into();
            Ok(())
        }
        _ => Err(Error::usage("--invert is for pictures; an array is taken as it is")),
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
