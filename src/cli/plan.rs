//! `wgrad plan`

use super::progress::Terminal;
use super::summary::model;
use super::{flags, out};
use crate::error::Result;
use crate::run::tuning::cached;
use crate::train::defaults::Defaults;
use crate::train::{Needs, Session, Settings, count, set};

pub fn run(f: &flags::Plan) -> Result<()> {
    let model = model(&f.model)?;
    let mut table = toml::Table::new();
    set(&mut table, "optimizer.name", f.optimizer.clone().into())?;
    let batch_size = f.batch_size.unwrap_or(Defaults::batch_size_for(model.description.reads));
    set(&mut table, "train.batch_size", count(batch_size))?;
    f.plan.apply(&mut table)?;
    let settings = Settings::read(table)?;
    let device = f.device.request().open(settings.plan.precision, &mut Terminal::new())?;
    let plan = Session::training_plan(&model, &settings, device.target())?;
    let plan = Session::tuned_plan(&model, &settings, device.target(), &cached(&device, &plan, &mut Terminal::new())?)?;
    if f.explain {
        return out::line(format!("{}\n{}", plan.explain().trim_end(), Needs::of(&plan).table()));
    }
    out::line(format!(
        "{}: {} buffers; {}\n{}\n--explain lists every step",
        model.description.name,
        plan.buffers.len(),
        plan.totals(),
        Needs::of(&plan).table()
    ))
}
