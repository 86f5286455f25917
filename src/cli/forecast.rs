//! `wgrad predict` for a model of a series: what comes after the end of a file,
//! or after each of its rows.

use super::csv_cells::csv;
use super::{flags, open_device, out};
use crate::error::Result;
use crate::files;
use crate::nn::Model;
use crate::run::forecast::Forecast;
use crate::run::kinds::table_of_series;
use crate::run::predictor::Predictor;
use crate::train::checkpoint::Loaded;
use serde_json::{Map, Value, json};

/// A forecast, and the file that it is of.
struct Row {
    file: String,
    of: Forecast,
}

pub fn run(f: &flags::Predict, model: Model, loaded: Loaded) -> Result<()> {
    let fitted = loaded.about.interface.series().cloned().expect("the caller has looked");
    let tables = f.files.iter().map(|file| table_of_series(file, &fitted)).collect::<Result<Vec<_>>>()?;
    let (device, info) = open_device(&f.device)?;
    let mut predictor = Predictor::of(model, loaded, device)?;
    let mut rows = vec![];
    for (path, table) in f.files.iter().zip(&tables) {
        let file = path.display().to_string();
        rows.extend(predictor.forecast_table(table, f.all)?.into_iter().map(|of| Row { file: file.clone(), of }));
        predictor.notes().iter().for_each(|note| eprintln!("note: {note}"));
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

/// The columns that say of what an answer is.
struct Head<'a> {
    with_file: bool,
    /// Those that tell series apart.
    by: &'a [String],
}

fn object(row: &Row) -> Value {
    let Row { file, of } = row;
    let mut all = Map::from_iter([("file".to_string(), json!(file)), ("row".to_string(), of.row.into())]);
    if !of.group.is_empty() {
        all.insert("group".into(), of.group.join(", ").into());
    }
    all.extend(of.date.iter().map(|d| ("date".to_string(), json!(d))));
    all.insert("values".into(), of.answer.json().collect::<Map<_, _>>().into());
    Value::Object(all)
}

/// The answers as a table.
fn cells(rows: &[Row], head: &Head) -> Vec<Vec<String>> {
    let dated = rows.iter().any(|r| r.of.date.is_some());
    let mut first: Vec<String> = head.with_file.then(|| "file".into()).into_iter().collect();
    first.extend(head.by.iter().cloned());
    first.push("row".into());
    first.extend(dated.then(|| "date".into()));
    match rows.first().map_or(&[][..], |r| r.of.answer.names()) {
        [_] => first.push("prediction".into()),
        all => first.extend(all.iter().map(|name| format!("prediction_{name}"))),
    }
    let mut all = vec![first];
    for Row { file, of } in rows {
        let mut cells: Vec<String> = head.with_file.then(|| file.clone()).into_iter().collect();
        // A file of one series may say nothing of its group.
        cells.extend((0..head.by.len()).map(|i| of.group.get(i).cloned().unwrap_or_default()));
        cells.push(of.row.to_string());
        cells.extend(dated.then(|| of.date.clone().unwrap_or_default()));
        cells.extend(of.answer.decimals());
        all.push(cells);
    }
    all
}
