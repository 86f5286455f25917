//! `wgrad replay`

use super::{out, tool_flags};
use crate::error::Result;
use crate::train::Replay;
use serde_json::json;

pub fn run(f: &tool_flags::Replay) -> Result<()> {
    let replay = Replay::load(&f.file)?;
    let about = &replay.about;
    let found = replay.run()?;
    if f.json {
        return out::json(&json!({
            "status": "ok",
            "step": about.step + 1,
            "epoch": about.epoch + 1,
            "batch": about.of_epoch + 1,
            "what": about.what,
            "exact": about.exact,
            "device": about.device,
            "wgrad": about.wgrad,
            "precision": found.precision,
            "ops": found.ops,
            "culprit": found.culprit,
        }));
    }
    let exact = if about.exact { "" } else { "; the weights are those of a later step" };
    out::line(format!(
        "step {}, epoch {}, batch {} on {} ({}): the {} was not finite{exact}",
        about.step + 1,
        about.epoch + 1,
        about.of_epoch + 1,
        about.device.name,
        about.device.backend,
        about.what
    ))?;
    out::line(format!("{found}"))
}
