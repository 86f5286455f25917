//! `wgrad predict` for a model of a series: what comes after the end of a file,
//! or after each of its rows.

use super::csv_cells::csv;
use super::{flags, open_device, out};
use crate::data::series::{Series, SeriesFitted, dates_after};
use crate::error::{Error, Result};
use crate::files;
use crate::nn::Model;
use crate::run::answer::{decimal, json_number};
use crate::run::kinds::table_of_series;
use crate::train::Session;
use crate::train::checkpoint::Loaded;
use serde_json::{Map, Value, json};

/// A row of the answer.
struct Row {
    file: String,
    /// What tells its series apart, where the model knows several.
    group: Vec<String>,
    /// The number of the row: the one that is forecast (of several series, counted
    /// within its own), or with `--all` the last one that the forecast knows.
    number: usize,
    /// Its date, where it is known.
    date: Option<String>,
    /// Names of what is forecast, with the values and what is added to them.
    values: Vec<(String, f32, f64)>,
}

pub fn run(f: &flags::Predict, model: Model, loaded: Loaded) -> Result<()> {
    if f.invert {
        return Err(Error::usage("--invert is for pictures; this model was trained on a series"));
    }
    let fitted = loaded.about.interface.series().cloned().expect("the caller has looked");
    let files =
        f.files.iter().map(|file| fitted.read(&table_of_series(file, &fitted)?, false)).collect::<Result<Vec<_>>>()?;
    let asked = files.iter().map(|s| fitted.to_forecast(s, f.all)).collect::<Result<Vec<_>>>()?;
    let (device, info) = open_device(&f.device)?;
    let mut session = Session::new(device, model, loaded.about.interface, loaded.weights)?;
    let mut rows = vec![];
    for ((path, panel), asked) in f.files.iter().zip(&files).zip(&asked) {
        panel.notes.iter().chain(&asked.notes).for_each(|note| eprintln!("note: {note}"));
        let mut answers = session.predict(&asked.set)?;
        asked.restore(&mut answers);
        let file = path.display().to_string();
        for (&[i, start], answers) in asked.starts.iter().zip(answers.chunks(fitted.outputs().len())) {
            let series = &panel.series[i];
            match f.all {
                true => rows.push(from_each(&fitted, series, start, answers, &file)),
                false => rows.extend(beyond(&fitted, series, answers, &file)),
            }
        }
    }
    let head = Head { with_file: f.files.len() > 1, by: &fitted.group };
    if let Some(path) = &f.out {
        files::write(path, csv(cells(&rows, &head), f.safe_csv).as_bytes())?;
    }
    if f.json {
        let predictions: Vec<Value> = rows.iter().map(object).collect();
        return out::json(
            &json!({ "status": "ok", "device": info, "predictions": predictions, "out": f.out.as_deref().map(out::path) }),
        );
    }
    match &f.out {
        Some(path) => {
            eprintln!("{} forecasts in {}", rows.len(), path.display());
            Ok(())
        }
        None => out::data(csv(cells(&rows, &head), f.safe_csv).trim_end()),
    }
}

/// A row for each of the rows that follow a series.
fn beyond(fitted: &SeriesFitted, series: &Series, answers: &[f32], file: &str) -> Vec<Row> {
    let dates = dates_after(series, fitted.horizon);
    let last = match series.group.is_empty() {
        true => series.rows.iter().max().map_or(0, |row| row + 1),
        false => series.len(),
    };
    let row = |(h, values): (usize, &[f32])| Row {
        file: file.into(),
        group: series.group.clone(),
        number: last + h + 1,
        date: dates.get(h).cloned(),
        values: fitted.targets.iter().zip(values).map(|(t, &v)| (t.name.clone(), v, t.centre)).collect(),
    };
    answers.chunks(fitted.targets.len()).enumerate().map(row).collect()
}

/// The row of a window: what is forecast from its last row, the one before `start`.
fn from_each(fitted: &SeriesFitted, series: &Series, start: usize, answers: &[f32], file: &str) -> Row {
    let (names, centres) = (fitted.outputs(), fitted.centres());
    let values = names.into_iter().zip(answers).zip(centres);
    Row {
        file: file.into(),
        group: series.group.clone(),
        number: series.rows[start - 1] + 1,
        date: series.dates.is_some().then(|| series.labels[start - 1].clone()),
        values: values.map(|((name, &v), centre)| (name, v, centre)).collect(),
    }
}

/// The columns that say of what an answer is.
struct Head<'a> {
    with_file: bool,
    /// Those that tell series apart.
    by: &'a [String],
}

fn object(row: &Row) -> Value {
    let mut all = Map::from_iter([("file".to_string(), json!(row.file)), ("row".to_string(), row.number.into())]);
    if !row.group.is_empty() {
        all.insert("group".into(), row.group.join(", ").into());
    }
    all.extend(row.date.iter().map(|d| ("date".to_string(), json!(d))));
    let values: Map<String, Value> =
        row.values.iter().map(|(n, v, centre)| (n.clone(), json_number(*v, *centre))).collect();
    all.insert("values".into(), values.into());
    Value::Object(all)
}

/// The answers as a table.
fn cells(rows: &[Row], head: &Head) -> Vec<Vec<String>> {
    let dated = rows.iter().any(|r| r.date.is_some());
    let mut first: Vec<String> = head.with_file.then(|| "file".into()).into_iter().collect();
    first.extend(head.by.iter().cloned());
    first.push("row".into());
    first.extend(dated.then(|| "date".into()));
    match rows.first().map_or(&[][..], |r| &r.values[..]) {
        [_] => first.push("prediction".into()),
        all => first.extend(all.iter().map(|(name, ..)| format!("prediction_{name}"))),
    }
    let mut all = vec![first];
    for row in rows {
        let mut cells: Vec<String> = head.with_file.then(|| row.file.clone()).into_iter().collect();
        // A file of one series may say nothing of its group.
        cells.extend((0..head.by.len()).map(|i| row.group.get(i).cloned().unwrap_or_default()));
        cells.push(row.number.to_string());
        cells.extend(dated.then(|| row.date.clone().unwrap_or_default()));
        cells.extend(row.values.iter().map(|(_, v, centre)| decimal(*v, *centre)));
        all.push(cells);
    }
    all
}
