//! `wgrad diff`

use super::{out, tool_flags};
use crate::error::{Error, Result};
use crate::run::diff::{Comparison, Differs, Steps, compare};
use serde_json::json;

/// The exit code for runs that differ, as that of diff(1).
const DIFFERENT: i32 = 1;
/// Values of a list that are shown; `--json` has all.
const SHOWN: usize = 20;

/// Prints what differs. Ends the process with 1 where something does; an error is reported with 2.
pub fn run(f: &tool_flags::Diff) -> Result<()> {
    // Whatever cannot be compared is no difference.
    let found = compare(&f.a, &f.b).map_err(Error::usage)?;
    if f.json {
        let status = if found.is_same() { "same" } else { "different" };
        out::json(&json!({ "status": status, "same_training": found.is_same_training(), "differences": found }))?;
    } else {
        out::line(text(&found))?;
    }
    match found.is_same() {
        true => Ok(()),
        false => std::process::exit(DIFFERENT),
    }
}

fn text(found: &Comparison) -> String {
    let mut lines = vec![];
    let lists = [
        ("settings", &found.settings),
        ("versions", &found.versions),
        ("devices", &found.devices),
        ("kernels", &found.kernels),
        ("data", &found.data),
    ];
    for (name, all) in lists {
        let shown = |d: &Differs| format!("{name}: {} is {} and {}", d.key, d.a, d.b);
        lines.extend(all.iter().take(SHOWN).map(shown));
        if all.len() > SHOWN {
            lines.push(format!("{name}: and {} more", all.len() - SHOWN));
        }
    }
    for (name, steps) in [("weights", &found.fingerprints), ("curves", &found.curves), ("epochs", &found.epochs)] {
        lines.extend(of_steps(name, steps));
    }
    match &found.weights {
        None => lines.push("last checkpoints: not compared, since not both runs have one".into()),
        Some(weights) => match weights.differing.first() {
            None => lines.push(format!("last checkpoints: the same {} tensors", weights.compared)),
            Some(first) => {
                let at = first.element.map_or("shape".into(), |i| format!("element {i}"));
                let (count, all) = (weights.differing.len(), weights.compared.max(weights.differing.len()));
                lines.push(format!(
                    "last checkpoints: {count} of {all} tensors differ, first {}: {at} is {} and {}",
                    first.name, first.a, first.b
                ));
            }
        },
    }
    if found.fingerprints.compared == 0 {
        lines.push("weights: no fingerprints to compare; --fingerprint-every N of wgrad train writes them".into());
    }
    lines.push(if found.is_same() { "the runs are the same".into() } else { "the runs differ".into() });
    lines.join("\n")
}

fn of_steps(name: &str, steps: &Steps) -> Option<String> {
    let same = steps.same_until.map_or("from the first on".into(), |step| format!("the same up to step {step}"));
    match (&steps.first, steps.compared) {
        (None, 0) => None,
        (None, n) => Some(format!("{name}: {same} ({n} records)")),
        (Some(first), _) => {
            let more = match first.count - 1 {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            let what = first.what.first().map_or("", String::as_str);
            Some(format!("{name}: {same}; at step {} {what}{more} differ", first.step))
        }
    }
}
