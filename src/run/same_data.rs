//! Whether data is what it was: a run that goes on, and a search, are of the same
//! data by what it holds, wherever it lies by now.

use super::observer::Observer;
use crate::data::{self, Interface};
use crate::error::{Error, Result};
use crate::eval::RunInfo;
use crate::files;
use crate::train::checkpoint::{About, Loaded};
use crate::train::{Prepared, Settings};
use std::path::Path;

/// The path of a source from the root, without links; `None` of what is built in,
/// not there, or not text.
pub fn absolute(source: &str) -> Option<String> {
    if data::is_built_in(source) {
        return None;
    }
    std::fs::canonicalize(source).ok()?.to_str().map(String::from)
}

/// The source of a run that nobody named anew: where the run found it, if it is
/// there, else by the name that the run was given, from here. It says so where
/// that is not the same.
pub fn located(run: &Path, source: &str, observer: &mut dyn Observer) -> String {
    let recorded = RunInfo::read(run).ok().flatten().filter(|info| info.data == source).and_then(|info| info.data_path);
    let Some(recorded) = recorded else { return source.into() };
    match (absolute(source), Path::new(&recorded).exists()) {
        (Some(here), _) if here == recorded => source.into(),
        (None, false) => {
            let run = run.display();
            observer.note(&format!(
                "{run} found {source} at {recorded}, where nothing is any more; --data names where it is now"
            ));
            source.into()
        }
        (_, true) => {
            observer.note(&format!("{source} is read from {recorded}, where {} found it", run.display()));
            recorded
        }
        (Some(here), false) => {
            observer.note(&format!(
                "{source} is {here}; {} found it at {recorded}, where nothing is any more",
                run.display()
            ));
            source.into()
        }
    }
}

/// A checkpoint of a run that goes on, if the data is what it was. What the run
/// calls its data stays, so that its bytes do.
///
/// Fails with what is different.
pub fn check(loaded: Loaded, s: &Settings, p: &mut Prepared) -> Result<Loaded> {
    let before = &loaded.about.interface;
    let now = p.interface.clone().called_as(before);
    // Runs of before do not say how their samples are written, nor of which class their figures are.
    let compared = Interface {
        values: now.values.filter(|_| before.values.is_some()),
        positive: now.positive.clone().filter(|_| before.positive.is_some()),
        ..now.clone()
    };
    let fingerprint = loaded.about.progress.as_ref().and_then(|at| at.data.as_ref());
    let what: String = if before.outputs != now.outputs {
        format!("it had the outputs {} and now has {}", before.outputs.join(", "), now.outputs.join(", "))
    } else if *before != compared {
        "its columns, classes or averages are others".into()
    } else if let Some(fingerprint) = fingerprint
        && *fingerprint != p.fingerprint()?
    {
        "its samples or their targets are others, or in another order".into()
    } else {
        p.interface = now.clone();
        return Ok(Loaded { about: About { interface: now, ..loaded.about }, ..loaded });
    };
    Err(Error::data(format!(
        "{} is not the data that this run was trained on: {what}; name the data with --data if it was moved, or start a \
         new run from its weights with --init",
        s.data.source
    )))
}

/// A run that was begun in a folder and has no checkpoint: training anew there is
/// not what `--resume` asks for, unless it is of the same data.
#[derive(Debug)]
pub struct Begun {
    /// The fingerprint of its data, where its path does not say that it is the
    /// same.
    other: Option<String>,
    refusal: String,
}

impl Begun {
    /// What lies in the folder, whose settings these are but for what the command says.
    ///
    /// Fails if it is of data at another place whose content is not known.
    pub fn in_folder(out: &Path, settings: &Settings) -> Result<Begun> {
        let config = files::settings(&out.join("config.toml")).ok().and_then(|text| text.parse::<toml::Table>().ok());
        let Some(begun) = config.as_ref().and_then(|t| t.get("data")?.as_table()) else {
            return Ok(Begun { other: None, refusal: String::new() });
        };
        let info = RunInfo::read(out).ok().flatten().unwrap_or_default();
        let source = begun.get("source").and_then(|s| s.as_str()).unwrap_or_default();
        let anew = format!("wgrad train {} --out {}", out.join("config.toml").display(), out.display());
        let refusal = format!(
            "{} was begun on {source} and has no checkpoint to resume from; this command is about {}. To train it anew: \
             {anew}",
            out.display(),
            settings.data.source
        );
        let place = |source: &str| absolute(source).unwrap_or_else(|| source.into());
        let was = info.data_path.unwrap_or_else(|| place(source));
        match (was == place(&settings.data.source), info.fingerprint) {
            (true, _) => Ok(Begun { other: None, refusal }),
            (false, Some(fingerprint)) => Ok(Begun { other: Some(fingerprint), refusal }),
            (false, None) => Err(Error::usage(refusal)),
        }
    }

    /// Fails if the data is other than that of the run.
    pub fn check(self, p: &Prepared) -> Result<()> {
        match self.other {
            Some(fingerprint) if fingerprint != p.fingerprint()? => Err(Error::usage(self.refusal)),
            _ => Ok(()),
        }
    }
}
