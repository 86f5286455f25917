//! `wgrad doctor`

use super::{out, tool_flags};
use crate::doctor::{self, Examined, Options};
use crate::error::{Error, Result};
use crate::files;
use serde_json::json;
use std::time::{Duration, Instant};

/// How often a line says how far it is.
const SAID: Duration = Duration::from_secs(10);

pub fn run(f: &tool_flags::Doctor) -> Result<()> {
    let options = Options { quick: f.quick, ops: f.op.clone(), caps: None };
    let mut all: Vec<Examined> = vec![];
    for adapter in doctor::find(&f.device)? {
        eprintln!("examining {} ({})", adapter.name, adapter.backend);
        let mut last = Instant::now();
        let examined = doctor::examine(&adapter, &options, &mut |what| {
            if last.elapsed() >= SAID {
                last = Instant::now();
                eprintln!("{what} ..");
            }
        })?;
        if !f.json {
            out::line(examined.text())?;
        }
        all.push(examined);
    }
    let wrong: Vec<&Examined> = all.iter().filter(|e| !e.is_right()).collect();
    let status = if wrong.is_empty() { "ok" } else { "failed" };
    let report = json!({ "status": status, "devices": all });
    if let Some(path) = &f.report {
        let text = serde_json::to_string_pretty(&report).expect("plain data prints");
        files::write(path, text.as_bytes())?;
        eprintln!("report: {}", path.display());
    }
    if f.json {
        out::json(&report)?;
    }
    match wrong.first() {
        None => Ok(()),
        Some(first) => Err(Error::device(format!(
            "{} ({}, {}) computes wrongly; what is wrong is not used there any more, and --report FILE has what a bug report \
             needs (docs/doctor.md)",
            first.device.name, first.device.backend, first.device.driver
        ))),
    }
}
