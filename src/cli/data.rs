//! `wgrad data`, and opening data with a bar on a terminal.

use super::{flags, out, train_settings};
use crate::data::audit::{audit_and_show, samples};
use crate::data::findings::Findings;
use crate::data::{self, OpenOptions, Opened, SourceKind, sheet};
use crate::error::{Error, Result};
use crate::keys::Keys;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::path::Path;
use toml::Table;

pub fn run(f: &flags::Data) -> Result<()> {
    if !(0.0..1.0).contains(&f.val_split) {
        return Err(Error::usage(format!("--val-split {}: expected a number from 0, below 1", f.val_split)));
    }
    let (audit, findings) = match data::kind(&f.source)? {
        SourceKind::Digits | SourceKind::Idx | SourceKind::Cifar10 | SourceKind::ImageFolder => images(f)?,
        kind => {
            return Err(Error::data(format!(
                "{} is {}; expected a set of images",
                f.source,
                if kind == SourceKind::Table { "a table" } else { "a file of arrays" }
            )));
        }
    };
    if let Some(path) = &f.html {
        save(path, findings.to_html().as_bytes())?;
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

/// Looks through a set of images, and writes the sheet of samples.
fn images(f: &flags::Data) -> Result<(Value, Findings)> {
    if let Some(target) = &f.target {
        return Err(Error::usage(format!("--target {target}: {} is a set of images, not a table", f.source)));
    }
    let kind = data::kind(&f.source)?;
    let opened = open_quietly(&f.source, f.seed, &options(f)?)?;
    if let Some(path) = &f.sheet {
        save(path, &sheet::png(&samples(&opened)))?;
    }
    let (audit, findings) = audit_and_show(&f.source, kind, &opened, f.val_split, f.seed);
    Ok((serde_json::to_value(audit).expect("plain data prints"), findings))
}

/// The keys of `[data]` that are set.
fn options(f: &flags::Data) -> Result<OpenOptions> {
    let mut table = Table::new();
    train_settings::put_pairs(&mut table, &f.set)?;
    let mut keys = Keys::new(table, "--set");
    let mut section = Keys::new(keys.table("data")?.unwrap_or_default(), "--set data");
    keys.finish()?;
    let options = OpenOptions::read(&mut section)?;
    section.finish()?;
    Ok(options)
}

/// Opens a data set, with a bar on a terminal while pictures are read, and says
/// what there is to know.
pub fn open(source: &str, seed: u32, options: &OpenOptions) -> Result<Opened> {
    let opened = open_quietly(source, seed, options)?;
    opened.notes().iter().for_each(|note| eprintln!("note: {note}"));
    Ok(opened)
}

fn open_quietly(source: &str, seed: u32, options: &OpenOptions) -> Result<Opened> {
    // indicatif draws nothing where stderr is no terminal.
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("reading pictures {bar:28} {percent}%  left {eta}");
    bar.set_style(style.expect("the template is valid"));
    let opened = data::open_with(source, seed, options, &|_, total| {
        bar.set_length(total as u64);
        bar.inc(1);
    });
    bar.finish_and_clear();
    opened
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::io(format!("cannot write {}", path.display()), e))
}
