//! `wgrad profile --offline FAMILY`

use super::flags::Profile;
use super::step_of;
use crate::cli::{offline, out};
use crate::error::{Error, Result};
use crate::plan::Choices;
use crate::profile::offline::{estimate, table};
use crate::profile::{Sort, family};
use serde_json::json;

pub fn run(f: &Profile, name: &str) -> Result<()> {
    let family = family(name)?;
    let variable = std::env::var("WGRAD_DEVICE").unwrap_or_default();
    if f.device.matmul.is_some() || ![variable.as_str(), "auto"].contains(&f.device.device.as_str()) {
        return Err(Error::usage("--offline estimates for a family of GPUs: --device and --matmul do not go with it"));
    }
    if f.sort == Sort::Gain {
        return Err(Error::usage(
            "--sort gain needs measured times, which --offline has not; expected time, plan, name, flops or bytes",
        ));
    }
    let driver = offline::of_family(family.name)?;
    let step = step_of(f)?;
    let plan = (step.plan)(driver.target(), &Choices::default())?;
    let estimated = estimate(&plan, &driver, family, (&step.model.description.name, step.batch_size))?;
    if !f.json {
        return out::line(table(&estimated, f.sort, f.top));
    }
    let mut object = json!({ "status": "ok" });
    let all = serde_json::to_value(&estimated).expect("plain data prints");
    for (key, value) in all.as_object().expect("a struct is an object") {
        object[key] = value.clone();
    }
    out::json(&object)
}
