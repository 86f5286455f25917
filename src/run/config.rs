//! Configurations: TOML read from a file or a recipe, what is said over it, the defaults
//! by the kind of data, and what an earlier run was made with.

use super::kinds::{Wants, kind_of};
use super::observer::Observer;
use super::same_data;
use crate::data::{self, Recognised};
use crate::error::{Context, Error, Result, nearest};
use crate::files;
use crate::keys;
use crate::nn::{Description, preset};
use crate::train::{RECIPES, Settings, recipe, set};
use std::path::Path;
use toml::{Table, Value};

/// What somebody writes over a configuration.
pub type Overrides<'a> = &'a dyn Fn(&mut Table) -> Result<()>;

/// Settings, and what was found under the name of their data.
pub struct Configured {
    /// The settings.
    pub settings: Settings,
    /// Their data, recognised and not yet opened.
    pub found: Recognised,
}

/// The settings of a configuration; what it leaves out has the defaults of the kind of
/// its data.
pub fn settle(table: Table, observer: &mut dyn Observer) -> Result<Configured> {
    let wants = Wants::of(&table);
    settle_as(table, &wants, observer)
}

/// [`settle`] for data that is read in this way, whatever the configuration says of it.
pub(super) fn settle_as(mut table: Table, wants: &Wants, observer: &mut dyn Observer) -> Result<Configured> {
    let found = match data::recognise(&source_of(&table)) {
        Ok(found) => found,
        // A mistake in the configuration itself comes first.
        Err(e) => return Err(Settings::read(table).err().unwrap_or(e)),
    };
    table.get("model").and_then(Value::as_str).into_iter().for_each(|name| say_model(name, observer));
    kind_of(found.kind(), wants).defaults().fill_in(&mut table)?;
    Ok(Configured { settings: Settings::read(table)?, found })
}

/// Adds to a configuration what it leaves out, by the kind of its data.
pub fn fill_in(table: &mut Table, found: &Recognised) -> Result<()> {
    kind_of(found.kind(), &Wants::of(table)).defaults().fill_in(table)
}

/// The data that a configuration names, as settings will have it.
pub fn source_of(table: &Table) -> String {
    let named = table.get("data").and_then(|data| data.get("source")).and_then(Value::as_str);
    named.map_or_else(|| data::BUILT_IN.into(), |source| data::settled(source.into()))
}

/// The settings of a run that is resumed: those it was made with, `config` and `over`
/// written over them as far as they may change on the way.
///
/// `names_data`: whether `over` names the data, which is otherwise looked for where it
/// was.
pub fn resumed(
    folder: &Path,
    config: Option<&Path>,
    over: Overrides,
    names_data: bool,
    observer: &mut dyn Observer,
) -> Result<Configured> {
    let (mut table, before) = saved(folder, observer)?;
    if let Some(path) = config {
        table.extend(read(path, observer)?);
    }
    over(&mut table)?;
    if !names_data {
        locate(&mut table, &before.data.source, folder, observer)?;
    }
    let now = settle(table, observer)?;
    check_resumed(folder, &before, &now.settings)?;
    Ok(now)
}

/// What a run was made with.
pub(super) fn saved(folder: &Path, observer: &mut dyn Observer) -> Result<(Table, Settings)> {
    let table = read(&folder.join("config.toml"), observer)?;
    let settings = Settings::read(table.clone()).context(|| format!("the settings of {}", folder.display()))?;
    Ok((table, settings))
}

/// Fails where a run that goes on would be another: what decides its training has
/// changed, or its patience is less.
pub(super) fn check_resumed(folder: &Path, before: &Settings, now: &Settings) -> Result<()> {
    let [was, is] = [before, now].map(|s| s.early_stopping.patience.unwrap_or(usize::MAX));
    if is < was {
        let shown = |n: usize| if n == usize::MAX { "never".into() } else { n.to_string() };
        return Err(Error::usage(format!(
            "patience = {}, and it was {} so far; for a run that is resumed it can only be raised",
            shown(is),
            shown(was)
        )));
    }
    let (a, b) = (before.deciding(), now.deciding());
    // More epochs, and a schedule that spans them, are the reason to go on.
    let differs = |(a, b): &(&str, &str)| a != b && !a.starts_with("epochs = ");
    match a.lines().zip(b.lines()).find(differs) {
        None if a.lines().count() == b.lines().count() => Ok(()),
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
pub fn locate(table: &mut Table, own: &str, folder: &Path, observer: &mut dyn Observer) -> Result<()> {
    let named = table.get("data").and_then(|data| data.get("source")).and_then(Value::as_str);
    let named = named.map_or_else(|| own.to_string(), |source| data::settled(source.into()));
    let source = if named == own { same_data::located(folder, own, observer) } else { named };
    set(table, "data.source", source.into())
}

/// A configuration file, or a recipe of that name where no such file lies here;
/// it is said which where both could be meant.
pub fn read(path: &Path, observer: &mut dyn Observer) -> Result<Table> {
    let name = path.display().to_string();
    let parsed = |text: &str| keys::parse(text).context(|| name.clone());
    let Some(text) = recipe(&name) else {
        return parsed(&files::settings(path).map_err(|e| unreadable(path, e))?);
    };
    if path.exists() {
        let own = files::settings(path).map_err(|e| unreadable(path, e)).and_then(|text| parsed(&text));
        match own {
            Ok(table) => {
                observer.note(&format!("{name} is the file that lies here, not the recipe of that name"));
                return Ok(table);
            }
            Err(e) => observer
                .note(&format!("{name} is the recipe; what lies here under that name is not a configuration: {e}")),
        }
    }
    parsed(text)
}

/// Says which of two models a name means, where a file or folder is called like
/// a preset.
pub fn say_model(name: &str, observer: &mut dyn Observer) {
    if preset(name).is_err() {
        return;
    }
    match (Description::is_file(name), Path::new(name).exists()) {
        (true, _) => observer.note(&format!("model {name} is the file that lies here, not the preset of that name")),
        (false, true) => {
            observer.note(&format!(
                "model {name} is the preset; what lies here under that name is not a description in TOML"
            ));
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
