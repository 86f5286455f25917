//! `wgrad train`

use super::progress::Terminal;
use super::run_folder::RunFolder;
use super::{flags, open_device, out};
use crate::data;
use crate::error::{Context, Error, Result};
use crate::nn::{Model, Weights};
use crate::train::{Session, Settings, fit, set};
use toml::{Table, Value};

pub fn run(f: &flags::Train) -> Result<()> {
    let settings = Settings::read(table(f)?)?;
    let (device, info) = open_device(&f.device)?;
    let opened = super::data::open(&settings.data, settings.seed, &data::OpenOptions::default())?;
    let set = opened.set;
    let (train, val) = match (set.val, settings.val_split) {
        (Some(val), _) => (set.train, Some(val)),
        (None, 0.0) => (set.train, None),
        (None, share) => {
            let (train, val) = set.train.split(share, settings.seed)?;
            (train, Some(val))
        }
    };
    let counted = |i: Option<&data::Images>| i.map_or(0, data::Images::len);
    eprintln!(
        "data: {} ({} training, {} validation, {} test samples of {}x{}x{}, {} classes)",
        settings.data,
        train.len(),
        counted(val.as_ref()),
        counted(set.test.as_ref()),
        train.channels,
        train.height,
        train.width,
        train.classes.len()
    );
    let input = vec![train.channels, train.height, train.width].into();
    let model = Model::new(settings.model.clone(), Some(input), Some(train.classes.len()))?;
    let normal = train.channel_stats();
    let mut session = Session::new(device, model, train.classes.clone(), normal, Weights::new(settings.seed))?;
    eprintln!("model: {} ({} parameters)", session.model.description.name, session.parameters());
    // What does not fit the device is found here, before anything is written.
    session.prepare_training(&train, &settings)?;
    let folder = RunFolder::create(f.out.as_deref(), &settings)?;
    let mut watch = Terminal::new(&folder, settings.batch_size.min(train.len()));
    let outcome = fit(&mut session, &train, val.as_ref(), &settings, &mut watch)?;
    let test = match &set.test {
        Some(images) => {
            let scorer = session.scorer("test", images, settings.batch_size)?;
            Some(session.score(&scorer)?)
        }
        None => None,
    };
    let test_text =
        test.map_or(String::new(), |t| format!("test loss {:.4}, test accuracy {:.4}; ", t.loss, t.accuracy));
    eprintln!(
        "{test_text}{:.1} steps/s, {:.0} samples/s; saved in {}",
        outcome.steps_per_second,
        outcome.samples_per_second,
        folder.path().display()
    );
    if f.json {
        return out::json(&serde_json::json!({
            "status": "ok",
            "device": info,
            "model": session.model.description.name,
            "parameters": session.parameters(),
            "epochs": outcome.epochs,
            "test": test,
            "steps_per_second": outcome.steps_per_second,
            "samples_per_second": outcome.samples_per_second,
            "run": folder.path(),
        }));
    }
    Ok(())
}

/// The configuration file with the flags written over it.
fn table(f: &flags::Train) -> Result<Table> {
    let mut table = match &f.config {
        None => Table::new(),
        Some(path) => {
            let name = path.display();
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(format!("reading {name}"), e))?;
            text.parse::<Table>().map_err(|e| Error::model(format!("{name} is not valid TOML: {e}")))?
        }
    };
    let mut put = |key: &str, value: Option<Value>| value.map_or(Ok(()), |v| set(&mut table, key, v));
    let count = |n: Option<usize>| n.map(|n| Value::Integer(n as i64));
    put("model", f.model.clone().map(Value::from))?;
    put("data.source", f.data.clone().map(Value::from))?;
    put("data.val_split", f.val_split.map(Value::from))?;
    put("train.epochs", count(f.epochs))?;
    put("train.batch_size", count(f.batch_size))?;
    put("train.seed", f.seed.map(|n| Value::Integer(n.into())))?;
    put("optimizer.name", f.optimizer.clone().map(Value::from))?;
    put("optimizer.lr", f.lr.map(Value::from))?;
    put("schedule.name", f.schedule.clone().map(Value::from))?;
    put_pairs(&mut table, &f.set)?;
    Ok(table)
}

/// Writes `KEY=VALUE` pairs into a table.
pub(super) fn put_pairs(table: &mut Table, pairs: &[String]) -> Result<()> {
    for pair in pairs {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| Error::usage(format!("--set {pair}: expected KEY=VALUE, such as optimizer.lr=0.01")))?;
        set(table, key.trim(), parse_value(value.trim())).context(|| format!("--set {pair}"))?;
    }
    Ok(())
}

/// A value as TOML reads it; anything else is a string.
fn parse_value(text: &str) -> Value {
    let parsed = format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    parsed.unwrap_or_else(|| Value::String(text.to_string()))
}
