//! `wgrad data`

use super::progress::Terminal;
use super::{flags, out};
use crate::data::audit::samples;
use crate::data::{GroupBy, SourceKind, sheet};
use crate::error::{Error, Result};
use crate::files;
use crate::run::config::{self, Configured};
use crate::run::kinds::{self, Audit};
use crate::train::{count, set};
use serde_json::{Value, json};
use toml::Table;

pub fn run(f: &flags::Data) -> Result<()> {
    if !(0.0..1.0).contains(&f.val_split) {
        return Err(Error::usage(format!("--val-split {}: expected a number from 0, below 1", f.val_split)));
    }
    let mut terminal = Terminal::new();
    let Configured { settings, found } = settings(f, &mut terminal)?;
    let what = match found.kind() {
        SourceKind::Table => "a table",
        SourceKind::Text | SourceKind::TextFolder => "text",
        SourceKind::Npy => "a file of arrays",
        _ => "a set of images",
    };
    match (&f.target, found.kind()) {
        (None, _) | (_, SourceKind::Table) => {}
        (Some(target), _) => {
            return Err(Error::usage(format!("--target {target}: {} is {what}, not a table", f.source)));
        }
    }
    let Audit { json: audit, findings, images } = kinds::audit(&found, &settings, &mut terminal)?;
    match (&f.sheet, images) {
        (None, _) => {}
        (Some(_), None) => return Err(Error::usage(format!("--sheet: {} is {what}; expected images", f.source))),
        (Some(path), Some(opened)) => {
            let picture = match settings.augment.is_none() {
                true => samples(&opened),
                false => kinds::augmented(&opened.set.train, &settings)?,
            };
            files::write(path, &sheet::png(&picture))?;
        }
    }
    if let Some(path) = &f.html {
        files::write(path, findings.to_html().as_bytes())?;
    }
    if f.json {
        let mut object = json!({ "status": "ok" });
        if let (Value::Object(all), Value::Object(own)) = (&mut object, audit) {
            all.extend(own);
        }
        return out::json(&object);
    }
    out::line(findings.to_text().trim_end())
}

/// The settings that a training on this data would have.
fn settings(f: &flags::Data, terminal: &mut Terminal) -> Result<Configured> {
    let mut table = match &f.augment {
        Some(path) => {
            let all = config::read(path, terminal)?;
            let only = all
                .get("augment")
                .cloned()
                .ok_or_else(|| Error::model(format!("{} has no table [augment]; expected one", path.display())))?;
            Table::from_iter([("augment".to_string(), only)])
        }
        None => Table::new(),
    };
    set(&mut table, "data.source", f.source.clone().into())?;
    set(&mut table, "data.val_split", f.val_split.into())?;
    set(&mut table, "train.seed", i64::from(f.seed).into())?;
    if let Some(target) = &f.target {
        set(&mut table, "data.target", target.clone().into())?;
    }
    if let Some(group) = &f.group {
        set(&mut table, "data.group", GroupBy::typed(group))?;
    }
    if let Some(window) = f.window {
        set(&mut table, "data.window", count(window))?;
        // A look at a series needs no model, and any will do.
        set(&mut table, "model", "mlp".into())?;
    }
    config::put_pairs(&mut table, &f.set)?;
    config::settle(table, terminal)
}
