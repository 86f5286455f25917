//! `wgrad plan`

use super::summary::model;
use super::{flags, out, tune};
use crate::device::Device;
use crate::error::Result;
use crate::plan::human_bytes;
use crate::train::{Session, Settings, set};

pub fn run(f: &flags::Plan) -> Result<()> {
    let model = model(&f.model)?;
    let device = Device::open(&f.device.device)?;
    let mut table = toml::Table::new();
    set(&mut table, "optimizer.name", f.optimizer.clone().into())?;
    set(&mut table, "train.batch_size", (f.batch_size as i64).into())?;
    let settings = Settings::read(table)?;
    let plan = Session::training_plan(&model, &settings, device.target())?;
    let plan = Session::tuned_plan(&model, &settings, device.target(), &tune::cached(&device, &plan)?)?;
    if f.explain {
        return out::line(plan.explain().trim_end());
    }
    let launches: usize = plan.steps.iter().map(|s| s.launches.len()).sum();
    out::line(format!(
        "{}: {} steps, {launches} dispatches, {} buffers; activations {} ({} without sharing)\n\
         --explain lists every step",
        model.description.name,
        plan.steps.len(),
        plan.buffers.len(),
        human_bytes(plan.transient_bytes()),
        human_bytes(plan.unshared_bytes())
    ))
}
