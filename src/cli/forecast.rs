//! `wgrad predict` for a model of a series: what comes after the end of a file,
//! or after each of its rows.

use super::csv_cells::csv;
use super::predict::{json_value, value};
use super::{flags, open_device, out};
use crate::data::series::{Series, SeriesFitted, dates_after};
use crate::error::{Error, Result};
use crate::files;
use crate::nn::Model;
use crate::run::kinds::table_of_series;
use crate::train::Session;
use crate::train::checkpoint::Loaded;
use serde_json::{Map, Value, json};

/// A row of the answer.
struct Row {
    file: String,
    /// The number of the row: the one that is forecast, or with `--all` the last
    /// one that the forecast knows.
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
    let fitted = loaded.about.interface.series.clone().expect("the caller has looked");
    let files =
        f.files.iter().map(|file| fitted.read(&table_of_series(file, &fitted)?, false)).collect::<Result<Vec<_>>>()?;
    let asked = files.iter().map(|s| fitted.to_forecast(s, f.all)).collect::<Result<Vec<_>>>()?;
    let (device, info) = open_device(&f.device)?;
    let mut session = Session::new(device, model, loaded.about.interface, loaded.weights)?;
    let mut rows = vec![];
    for ((path, series), asked) in f.files.iter().zip(&files).zip(&asked) {
        series.notes.iter().for_each(|note| eprintln!("note: {note}"));
        let mut answers = session.predict(&asked.set)?;
        asked.restore(&mut answers);
        let file = path.display().to_string();
        match f.all {
            true => rows.extend(from_each(&fitted, series, &asked.starts, &answers, &file)),
            false => rows.extend(beyond(&fitted, series, &answers, &file)),
        }
    }
    if let Some(path) = &f.out {
        files::write(path, csv(cells(&rows, f.files.len() > 1), f.safe_csv).as_bytes())?;
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
        None => out::data(csv(cells(&rows, f.files.len() > 1), f.safe_csv).trim_end()),
    }
}

/// A row for each of the rows that follow a series.
fn beyond(fitted: &SeriesFitted, series: &Series, answers: &[f32], file: &str) -> Vec<Row> {
    let dates = dates_after(series, fitted.horizon);
    let last = series.rows.iter().max().map_or(0, |row| row + 1);
    let row = |(h, values): (usize, &[f32])| Row {
        file: file.into(),
        number: last + h + 1,
        date: dates.get(h).cloned(),
        values: fitted.targets.iter().zip(values).map(|(t, &v)| (t.name.clone(), v, t.centre)).collect(),
    };
    answers.chunks(fitted.targets.len()).enumerate().map(row).collect()
}

/// A row for each window: what is forecast from its last row.
fn from_each(fitted: &SeriesFitted, series: &Series, starts: &[usize], answers: &[f32], file: &str) -> Vec<Row> {
    let (names, centres) = (fitted.outputs(), fitted.centres());
    let row = |(start, values): (&usize, &[f32])| Row {
        file: file.into(),
        number: series.rows[start - 1] + 1,
        date: series.dates.is_some().then(|| series.labels[start - 1].clone()),
        values: names.iter().zip(values).zip(&centres).map(|((name, &v), &centre)| (name.clone(), v, centre)).collect(),
    };
    starts.iter().zip(answers.chunks(names.len())).map(row).collect()
}

fn object(row: &Row) -> Value {
    let mut all = Map::from_iter([("file".to_string(), json!(row.file)), ("row".to_string(), row.number.into())]);
    all.extend(row.date.iter().map(|d| ("date".to_string(), json!(d))));
    let values: Map<String, Value> =
        row.values.iter().map(|(n, v, centre)| (n.clone(), json_value(*v, *centre))).collect();
    all.insert("values".into(), values.into());
    Value::Object(all)
}

/// The answers as a table.
fn cells(rows: &[Row], with_file: bool) -> Vec<Vec<String>> {
    let dated = rows.iter().any(|r| r.date.is_some());
    let mut head: Vec<String> = with_file.then(|| "file".into()).into_iter().collect();
    head.push("row".into());
    head.extend(dated.then(|| "date".into()));
    match rows.first().map_or(&[][..], |r| &r.values[..]) {
        [_] => head.push("prediction".into()),
        all => head.extend(all.iter().map(|(name, ..)| format!("prediction_{name}"))),
    }
    let mut all = vec![head];
    for row in rows {
        let mut cells: Vec<String> = with_file.then(|| row.file.clone()).into_iter().collect();
        cells.push(row.number.to_string());
        cells.extend(dated.then(|| row.date.clone().unwrap_or_default()));
        cells.extend(row.values.iter().map(|(_, v, centre)| value(*v, *centre)));
        all.push(cells);
    }
    all
}
