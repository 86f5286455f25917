//! The settings of `wgrad train`: a configuration file, flags written over it,
//! and what an earlier run of the folder was made with.

use super::tool_flags::SettingFlags;
use super::{flags, same_data};
use crate::data;
use crate::error::{Context, Error, Result, nearest};
use crate::files;
use crate::keys;
use crate::nn::{Description, preset};
use crate::train::{RECIPES, Settings, recipe, set};
use std::path::Path;
use toml::{Table, Value};

/// The settings of a new run.
pub fn new_run(f: &flags::Train) -> Result<Settings> {
    let mut table = match &f.config {
        None => Table::new(),
        Some(path) => read(path)?,
    };
    apply(f, &mut table)?;
    table.get("model").and_then(Value::as_str).into_iter().for_each(say_model);
    Settings::read(table)
}

/// The settings of a run that goes on: those it was made with, and flags for
/// what may change on the way.
pub fn resumed(f: &flags::Train, folder: &Path) -> Result<Settings> {
    let saved = read(&folder.join("config.toml"))?;
    let before = Settings::read(saved.clone()).context(|| format!("the settings of {}", folder.display()))?;
    let mut table = saved;
    if let Some(path) = &f.config {
        table.extend(read(path)?);
    }
    apply(f, &mut table)?;
    table.get("model").and_then(Value::as_str).into_iter().for_each(say_model);
    if f.data.is_none() {
        locate(&mut table, &before.data.source, folder)?;
    }
    let now = Settings::read(table)?;
    let [was, is] = [&before, &now].map(|s| s.early_stopping.patience.unwrap_or(usize::MAX));
    if is < was {
        let shown = |n: usize| if n == usize::MAX { "never".into() } else { n.to_string() };
        return Err(Error::usage(format!(
            "patience = {}, and it was {} so far; for a run that goes on it can only be raised",
            shown(is),
            shown(was)
        )));
    }
    let (a, b) = (before.deciding(), now.deciding());
    // More epochs, and a schedule that spans them, are the reason to go on.
    let differs = |(a, b): &(&str, &str)| a != b && !a.starts_with("epochs = ");
    match a.lines().zip(b.lines()).find(differs) {
        None if a.lines().count() == b.lines().count() => Ok(now),
        found => {
            let (a, b) = found.unwrap_or(("one set of keys", "another"));
            Err(Error::usage(format!(
                "{} was trained with {a}, and now {b} is asked for; resume with the same settings, or start a new run \
                 from its weights with --init",
                folder.display()
            )))
        }
    }
}

/// Finds the data of a run that goes on, unless another source is named than the
/// run's own.
pub fn locate(table: &mut Table, own: &str, folder: &Path) -> Result<()> {
    let named = table.get("data").and_then(|data| data.get("source")).and_then(Value::as_str);
    let named = named.map_or_else(|| own.to_string(), |source| data::settled(source.into()));
    let source = if named == own { same_data::located(folder, own) } else { named };
    set(table, "data.source", source.into())
}

/// A configuration file, or a recipe of that name where no such file lies here;
/// it is said which where both could be meant.
pub fn read(path: &Path) -> Result<Table> {
    let name = path.display().to_string();
    let parsed = |text: &str| keys::parse(text).context(|| name.clone());
    let Some(text) = recipe(&name) else {
        return parsed(&files::settings(path).map_err(|e| unreadable(path, e))?);
    };
    if path.exists() {
        let own = files::settings(path).map_err(|e| unreadable(path, e)).and_then(|text| parsed(&text));
        match own {
            Ok(table) => {
                eprintln!("note: {name} is the file that lies here, not the recipe of that name");
                return Ok(table);
            }
            Err(e) => eprintln!("note: {name} is the recipe; what lies here under that name is no configuration: {e}"),
        }
    }
    parsed(text)
}

/// Says which of two models a name means, where a file or folder is called like
/// a preset.
pub fn say_model(name: &str) {
    if preset(name).is_err() {
        return;
    }
    match (Description::is_file(name), Path::new(name).exists()) {
        (true, _) => eprintln!("note: model {name} is the file that lies here, not the preset of that name"),
        (false, true) => {
            eprintln!("note: model {name} is the preset; what lies here under that name is no description in TOML");
        }
        (false, false) => {}
    }
}

/// The error of a configuration that cannot be read, with the nearest recipe.
fn unreadable(path: &Path, e: std::io::Error) -> Error {
    let name = path.display().to_string();
    let known: Vec<&str> = RECIPES.iter().map(|(n, _)| *n).collect();
    let hint = match nearest(&name, known.iter().copied()).filter(|_| e.kind() == std::io::ErrorKind::NotFound) {
        Some(near) => format!("reading {name} (did you mean the recipe \"{near}\"?)"),
        None => format!("reading {name}"),
    };
    Error::io(hint, e)
}

/// Writes the flags over a table.
fn apply(f: &flags::Train, table: &mut Table) -> Result<()> {
    let mut put = |key: &str, value: Option<Value>| value.map_or(Ok(()), |v| set(table, key, v));
    let count = |n: Option<usize>| n.map(|n| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX)));
    put("model", f.model.clone().map(Value::from))?;
    put("data.source", f.data.clone().map(Value::from))?;
    put("data.target", f.target.clone().map(Value::from))?;
    put("data.group", f.group.clone().map(group_value))?;
    put("data.task", f.task.clone().map(Value::from))?;
    put("data.val_split", f.val_split.map(Value::from))?;
    put("data.folds", count(f.folds))?;
    put("train.epochs", count(f.epochs))?;
    put("train.batch_size", count(f.batch_size))?;
    put("train.seed", f.seed.map(|n| Value::Integer(n.into())))?;
    put("train.checkpoint_every", count(f.checkpoint_every))?;
    put("train.max_steps", count(f.max_steps))?;
    put("train.max_time", f.max_time.map(Value::from))?;
    put("early_stopping.patience", count(f.patience))?;
    put("optimizer.name", f.optimizer.clone().map(Value::from))?;
    put("optimizer.lr", f.lr.map(Value::from))?;
    put("schedule.name", f.schedule.clone().map(Value::from))?;
    f.plan.apply(table)?;
    f.series.apply(table)?;
    f.text.apply(table)?;
    put_pairs(table, &f.set)
}

/// A configuration with the flags of a tool written over it.
pub fn of_tool(config: Option<&Path>, f: &SettingFlags, epochs: Option<usize>) -> Result<Table> {
    let mut table = config.map_or(Ok(Table::new()), read)?;
    let mut put = |key: &str, value: Option<Value>| value.map_or(Ok(()), |v| set(&mut table, key, v));
    let count = |n: Option<usize>| n.map(|n| Value::Integer(n as i64));
    put("model", f.model.clone().map(Value::from))?;
    put("data.source", f.data.clone().map(Value::from))?;
    put("data.target", f.target.clone().map(Value::from))?;
    put("data.group", f.group.clone().map(group_value))?;
    put("data.task", f.task.clone().map(Value::from))?;
    put("train.epochs", count(epochs))?;
    put("train.batch_size", count(f.batch_size))?;
    put("train.seed", f.seed.map(|n| Value::Integer(n.into())))?;
    put_pairs(&mut table, &f.set)?;
    table.get("model").and_then(Value::as_str).into_iter().for_each(say_model);
    Ok(table)
}

/// Columns of a group as they stand in a configuration.
pub fn group_value(mut columns: Vec<String>) -> Value {
    if columns.len() == 1 { columns.remove(0).into() } else { columns.into() }
}

/// Writes `KEY=VALUE` pairs into a table.
pub fn put_pairs(table: &mut Table, pairs: &[String]) -> Result<()> {
    for pair in pairs {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| Error::usage(format!("--set {pair}: expected KEY=VALUE, such as optimizer.lr=0.01")))?;
        set(table, key.trim(), parse_value(value.trim())).context(|| format!("--set {pair}"))?;
    }
    Ok(())
}

/// A value as TOML reads it; anything else is a string.
pub fn parse_value(text: &str) -> Value {
    let parsed = format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    parsed.unwrap_or_else(|| Value::String(text.to_string()))
}
