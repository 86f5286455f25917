//! `wgrad data`, and opening data with a bar on a terminal.

use super::{flags, out, train_settings};
use crate::data::audit::{audit_and_show, samples};
use crate::data::findings::Findings;
use crate::data::series::SeriesAudit;
use crate::data::table::TableAudit;
use crate::data::text::{self, Corpus, audit_labelled, labelled};
use crate::data::{self, Dataset, ImageSet, Images, OpenOptions, Opened, SourceKind, sheet};
use crate::error::{Error, Result};
use crate::files;
use crate::train::{Settings, Source, set};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::path::Path;
use toml::Table;

/// Samples, cells of a table and bytes of a text that are looked through without
/// being asked to: more would be felt before a training.
pub const LOOKED_THROUGH: usize = 20_000;
const CELLS_LOOKED_THROUGH: usize = 2_000_000;
const BYTES_LOOKED_THROUGH: usize = 4 << 20;

pub fn run(f: &flags::Data) -> Result<()> {
    if !(0.0..1.0).contains(&f.val_split) {
        return Err(Error::usage(format!("--val-split {}: expected a number from 0, below 1", f.val_split)));
    }
    let settings = settings(f)?;
    data::choice(&f.source).iter().for_each(|note| eprintln!("note: {note}"));
    let (audit, findings) = match data::kind(&f.source)? {
        SourceKind::Table => table(f, &settings)?,
        SourceKind::Npy => arrays(f, &settings)?,
        SourceKind::Text | SourceKind::TextFolder => text(f)?,
        _ => images(f, &settings, open_quietly(&f.source, f.seed, &settings.data.images)?)?,
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
fn images(f: &flags::Data, s: &Settings, opened: Opened) -> Result<(Value, Findings)> {
    if let Some(target) = &f.target {
        return Err(Error::usage(format!("--target {target}: {} is a set of images, not a table", f.source)));
    }
    if let Some(path) = &f.sheet {
        let picture = if s.augment.is_none() { samples(&opened) } else { augmented(&opened.set.train, s)? };
        save(path, &sheet::png(&picture))?;
    }
    let (audit, findings) = audit_and_show(&f.source, data::kind(&f.source)?, &opened, f.val_split, f.seed);
    Ok((serde_json::to_value(audit).expect("plain data prints"), findings))
}

/// Looks through a table.
fn table(f: &flags::Data, s: &Settings) -> Result<(Value, Findings)> {
    if f.sheet.is_some() {
        return Err(Error::usage(format!("--sheet: {} is a table; expected images", f.source)));
    }
    let table = data::table::Table::open(Path::new(&f.source), &s.data.table.read_options())?;
    if let Some(series) = &s.data.series {
        let audit = SeriesAudit::new(&table, &s.data.table, series)?;
        return Ok((serde_json::to_value(&audit).expect("plain data prints"), audit.findings()));
    }
    let audit = TableAudit::new(&table, &s.data.table)?;
    Ok((serde_json::to_value(&audit).expect("plain data prints"), audit.findings()))
}

/// Looks through a text, or through texts with classes.
fn text(f: &flags::Data) -> Result<(Value, Findings)> {
    if f.sheet.is_some() {
        return Err(Error::usage(format!("--sheet: {} is text; expected images", f.source)));
    }
    if let Some(target) = &f.target {
        return Err(Error::usage(format!("--target {target}: {} is text, not a table", f.source)));
    }
    let path = Path::new(&f.source);
    if data::kind(&f.source)? == SourceKind::TextFolder {
        let audit = audit_labelled(&f.source, &labelled::open_folder(path)?);
        return Ok((serde_json::to_value(&audit).expect("plain data prints"), audit.findings()));
    }
    let corpus = Corpus::open(path)?;
    let audit = data::text::audit(&corpus.name, corpus.text()?);
    Ok((serde_json::to_value(&audit).expect("plain data prints"), audit.findings()))
}

/// Looks through arrays: as images where they are such.
fn arrays(f: &flags::Data, s: &Settings) -> Result<(Value, Findings)> {
    let set = data::npy::open(Path::new(&f.source), s.data.table.task, false)?;
    match opened_images(&set) {
        Some(opened) => {
            let (mut audit, mut findings) = images(f, s, opened)?;
            if let Some(Value::Array(notes)) = audit.get_mut("notes") {
                notes.extend(set.notes.iter().cloned().map(Value::from));
            }
            findings.warnings.extend(set.notes);
            Ok((audit, findings))
        }
        None if f.sheet.is_some() => Err(Error::usage(format!("--sheet: {} holds no images", f.source))),
        None => {
            let audit = data::npy::audit(&f.source, &set);
            Ok((serde_json::to_value(&audit).expect("plain data prints"), audit.findings()))
        }
    }
}

/// Arrays as images, if they are such.
fn opened_images(set: &data::npy::ArraySet) -> Option<Opened> {
    let train = set.train.images()?;
    let [val, test] = [&set.val, &set.test].map(|part| part.as_ref().and_then(Dataset::images));
    Some(Opened { set: ImageSet { train, val, test }, folder: None })
}

/// What training says of its data: the audit, where it does not take long.
pub fn audit(source: &Source, opened: Option<&Opened>, s: &Settings) -> Result<Option<Value>> {
    let audit = match (source, opened) {
        _ if !is_soon_looked_through(source) => return Ok(None),
        (Source::Table(table), _) => serde_json::to_value(TableAudit::new(table, &s.data.table)?),
        (Source::Series(table), _) => {
            let options = s.data.series.clone().unwrap_or_default();
            serde_json::to_value(SeriesAudit::new(table, &s.data.table, &options)?)
        }
        (_, Some(opened)) => {
            let kind = data::kind(&s.data.source)?;
            serde_json::to_value(data::audit::audit(&s.data.source, kind, opened, s.data.val_split, s.seed))
        }
        (Source::Corpus(corpus), _) => {
            serde_json::to_value(text::audit(&corpus.name, &String::from_utf8_lossy(corpus.bytes())))
        }
        (Source::Sets { .. } | Source::Texts(_), None) => return Ok(None),
    };
    Ok(Some(audit.expect("plain data prints")))
}

/// Whether looking through it takes a moment at most.
fn is_soon_looked_through(source: &Source) -> bool {
    match source {
        // A text is one whole, of any size.
        Source::Corpus(corpus) => corpus.bytes().len() <= BYTES_LOOKED_THROUGH,
        Source::Table(table) | Source::Series(table) => {
            table.rows() <= LOOKED_THROUGH && table.rows() * table.columns.len() <= CELLS_LOOKED_THROUGH
        }
        Source::Sets { .. } | Source::Texts(_) => source.rows() <= LOOKED_THROUGH,
    }
}

/// A sheet of augmented samples: a row each of the first classes, the sample
/// itself in front.
fn augmented(images: &Images, s: &Settings) -> Result<image::RgbImage> {
    const ROWS: usize = 10;
    const COLUMNS: u32 = 9;
    let first = |class: u32| images.labels.iter().position(|&l| l == class);
    let rows: Vec<usize> = (0..images.classes.len() as u32).filter_map(first).take(ROWS).collect();
    let steps: Vec<Vec<Vec<u8>>> = (0..COLUMNS)
        .map(|step| crate::train::preview(images, &rows, &s.augment, s.seed, step))
        .collect::<Result<_>>()?;
    let mut tiles = vec![];
    for (i, &row) in rows.iter().enumerate() {
        let caption = images.classes[images.labels[row] as usize].clone();
        tiles.push(sheet::Tile { pixels: images.image(row).to_vec(), caption });
        tiles.extend(steps.iter().map(|s| sheet::Tile { pixels: s[i].clone(), caption: String::new() }));
    }
    let shape = [images.channels, images.height, images.width];
    Ok(sheet::sheet(&tiles, shape, COLUMNS as usize + 1, "original and augmented"))
}

/// The settings that a training on this data would have.
fn settings(f: &flags::Data) -> Result<Settings> {
    let mut table = match &f.augment {
        Some(path) => {
            let all = train_settings::read(path)?;
            let only = all
                .get("augment")
                .cloned()
                .ok_or_else(|| Error::model(format!("{} has no table [augment]; expected one", path.display())))?;
            Table::from_iter([("augment".to_string(), only)])
        }
        None => Table::new(),
    };
    set(&mut table, "data.source", f.source.clone().into())?;
    set(&mut table, "train.seed", i64::from(f.seed).into())?;
    if let Some(target) = &f.target {
        set(&mut table, "data.target", target.clone().into())?;
    }
    if let Some(window) = f.window {
        let window = i64::try_from(window).unwrap_or(i64::MAX);
        set(&mut table, "data.window", window.into())?;
        // A look at a series needs no model, and any will do.
        set(&mut table, "model", "mlp".into())?;
    }
    train_settings::put_pairs(&mut table, &f.set)?;
    Settings::read(table)
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
    files::write(path, bytes)
}
