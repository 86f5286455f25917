//! `wgrad report`

use super::{flags, out};
use crate::error::{Error, Result};
use crate::eval::report;
use crate::files;
use std::path::Path;

pub fn run(f: &flags::Report) -> Result<()> {
    match &f.runs[..] {
        [one] => single(one, f),
        _ => several(f),
    }
}

/// Writes a run's report anew.
fn single(run: &Path, f: &flags::Report) -> Result<()> {
    if f.out.is_some() {
        return Err(Error::usage("--out is for the comparison of several runs; one run's report goes into its folder"));
    }
    let path = report::write(run)?;
    let plots = run.join("plots");
    if f.json {
        return out::json(
            &serde_json::json!({ "status": "ok", "report": out::path(&path), "plots": out::path(&plots) }),
        );
    }
    out::line(format!("{}; plots in {}", path.display(), plots.display()))
}

/// Writes a page that compares runs.
fn several(f: &flags::Report) -> Result<()> {
    let comparison = report::comparison(&f.runs)?;
    let path = f.out.as_deref().unwrap_or(Path::new("compare.html"));
    files::write(path, comparison.page().as_bytes())?;
    if f.json {
        return out::json(&serde_json::json!({ "status": "ok", "report": out::path(path), "runs": comparison.runs }));
    }
    out::line(format!("{}{}", comparison.text(), path.display()))
}
