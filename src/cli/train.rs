//! `wgrad train`

use super::progress::Terminal;
use super::tool_flags::SettingFlags;
use super::typed::BatchSize;
use super::{flags, out, ranks};
use crate::data::GroupBy;
use crate::error::{Error, Result};
use crate::ranks::{World, launch};
use crate::run::config::{self, Configured};
use crate::run::folds::{CrossValidation, cross_validate};
use crate::run::job::Done;
use crate::run::observer::Observer;
use crate::run::score::Scored;
use crate::run::train::{Data, Earlier, Part, Place, Request, Trained, new_settings, train};
use crate::run::tuning::Tuning;
use crate::train::checkpoint::NameMap;
use crate::train::{AUTO, EARLY_STOPPING, MAX_STEPS, Settings, count, set};
use std::path::Path;
use toml::{Table, Value};

pub fn run(f: &flags::Train) -> Result<()> {
    let world = launch::world()?;
    let done = run_in(f, &world);
    ranks::end(world, done)
}

fn run_in(f: &flags::Train, world: &World) -> Result<()> {
    let (mut terminal, mut log) = (Terminal::with_page(f.dashboard), ranks::Log::of(world));
    let leads = world.leads();
    let observer: &mut dyn Observer = if leads { &mut terminal } else { &mut log };
    let look = |path: &Path| if leads { Earlier::open(path) } else { Ok(Earlier::of_another(path)) };
    let mut earlier = f.out.as_deref().filter(|_| f.resume).map(look).transpose()?;
    // Whether a new run may have its folder is known before the data is read.
    let new = f.out.as_deref().filter(|_| leads && earlier.is_none());
    new.map_or(Ok(()), crate::files::Lock::check)?;
    let over = |table: &mut Table| apply(f, table);
    let config = f.config.as_deref();
    let Configured { settings, found } = match &mut earlier {
        Some(earlier) => earlier.settings(config, &over, f.data.is_some(), observer)?,
        None => new_settings(config, &over, observer)?,
    };
    if settings.data.folds > 0 && !f.fast_dev_run {
        ranks::refuse(world, "train --folds")?;
        let place = place(earlier, f);
        return folds(f, &settings, Data::Named(found), place, &mut terminal);
    }
    if f.keep_folds && settings.data.folds == 0 {
        return Err(Error::usage("--keep-folds keeps the models of a cross-validation; expected --folds N with it"));
    }
    let request = Request {
        device: f.device.request(),
        place: place(earlier, f),
        init: f.init.clone(),
        init_map: f.init_map.as_deref().map(NameMap::parse).transpose()?.unwrap_or_default(),
        part: match (f.fast_dev_run, f.overfit_batches) {
            (true, _) => Part::FastDevRun,
            (false, Some(n)) => Part::Overfit(n),
            (false, None) => Part::All,
        },
        tune: !f.no_tune,
        world: world.clone(),
    };
    let trained = train(settings, Data::Named(found), request, observer)?;
    if leads { finish(f, &trained) } else { Ok(()) }
}

/// Where the files of a run go.
fn place(earlier: Option<Earlier>, f: &flags::Train) -> Place {
    match (earlier, &f.out) {
        (Some(earlier), _) => Place::Resumed(earlier),
        (None, Some(out)) => Place::Folder(out.clone()),
        (None, None) => Place::Next,
    }
}

/// `wgrad train --folds`
fn folds(f: &flags::Train, s: &Settings, data: Data, place: Place, terminal: &mut Terminal) -> Result<()> {
    if f.init.is_some() || f.overfit_batches.is_some() {
        return Err(Error::usage("--folds goes with neither --init nor --overfit-batches"));
    }
    let tuning = if f.no_tune { Tuning::Off } else { Tuning::Usual };
    let found = cross_validate(s, data, &f.device.request(), &tuning, place, terminal)?;
    match f.json {
        true => out::json(&found.json(s)),
        false => out::line(fold_table(&found)),
    }
}

/// What the terminal and `--json` say at the end.
fn finish(f: &flags::Train, trained: &Trained) -> Result<()> {
    let Trained { session, info, done, folder, advice } = trained;
    let Done { outcome, scored, loss_scale, .. } = done;
    if f.resume && outcome.epochs.is_empty() {
        let flag = match outcome.at.stopped.as_deref() {
            Some(why) if why.starts_with(EARLY_STOPPING) => "--patience",
            Some(why) if why.starts_with(MAX_STEPS) => "--max-steps",
            _ => "--epochs",
        };
        eprintln!("nothing was left to train; a higher {flag} goes on");
    }
    if let Some(reason) = &outcome.at.stopped {
        eprintln!("stopped: {reason}");
    }
    if let Some((scale, left_out)) = loss_scale {
        eprintln!("mixed precision: loss scale {scale}, {left_out} updates left out because gradients overflowed");
    }
    if outcome.lost > 0 {
        eprintln!("the device failed {} times; metrics.jsonl and the report have when", outcome.lost);
    }
    let scored_text = scored.as_ref().map_or(String::new(), |s| format!("{}: {}; ", s.evaluation.split, s.line()));
    let saved = folder.as_ref().map_or("nothing saved".into(), |f| format!("saved in {}", f.display()));
    // A call that had nothing left to train has no speed.
    let speed = match outcome.epochs.is_empty() {
        true => String::new(),
        false => format!("{:.1} steps/s, {:.0} samples/s; ", outcome.steps_per_second, outcome.samples_per_second),
    };
    eprintln!("{scored_text}{speed}{saved}");
    let forecast = scored.as_ref().and_then(|s| s.evaluation.forecast.as_ref());
    forecast.iter().for_each(|f| eprintln!("{}", f.line()));
    advice.iter().for_each(|a| eprintln!("advice: {a}"));
    if f.json {
        let of = |split: &str| scored.as_ref().filter(|s| s.evaluation.split == split).map(Scored::json);
        return out::json(&serde_json::json!({
            "status": "ok",
            "device": info.device,
            "model": session.model.description.name,
            "parameters": session.parameters(),
            "epochs": outcome.epochs,
            "steps": outcome.steps,
            "best_epoch": info.best_epoch,
            "stopped": outcome.at.stopped,
            "devices_lost": outcome.lost,
            "test": of("test"),
            "validation": of("validation"),
            "loss_scale": loss_scale.map(|(scale, _)| scale),
            "updates_left_out": loss_scale.map(|(_, n)| n),
            "steps_per_second": outcome.steps_per_second,
            "samples_per_second": outcome.samples_per_second,
            "run": folder.as_deref().map(out::path),
        }));
    }
    Ok(())
}

/// The figures that a terminal shows, one row per fold.
fn fold_table(found: &CrossValidation) -> String {
    let CrossValidation { each, summary, .. } = found;
    const SHOWN: &[&str] = &["loss", "accuracy", "precision", "recall", "f1", "roc_auc", "rmse", "mae", "r2"];
    let shown: Vec<&(String, [f64; 2])> = summary.iter().filter(|(k, _)| SHOWN.contains(&k.as_str())).collect();
    let row = |name: &str, cells: Vec<String>| {
        format!("{name:<10}{}\n", cells.iter().map(|c| format!("{c:>11}")).collect::<String>())
    };
    let number = |v: f64| format!("{v:.4}");
    let mut text = row("fold", shown.iter().map(|(k, _)| k.clone()).collect());
    for (i, m) in each.iter().enumerate() {
        let cell = |k: &str| m.get(k).and_then(serde_json::Value::as_f64).map_or(String::new(), number);
        text += &row(&(i + 1).to_string(), shown.iter().map(|(k, _)| cell(k)).collect());
    }
    text += &row("mean", shown.iter().map(|(_, v)| number(v[0])).collect());
    text += &row("deviation", shown.iter().map(|(_, v)| number(v[1])).collect());
    if let Some(class) = &found.positive_class {
        text += &format!("precision, recall and f1 are of \"{class}\"\n");
    }
    text.trim_end().to_string()
}

/// Writes the flags over a table.
fn apply(f: &flags::Train, table: &mut Table) -> Result<()> {
    let decided = table.get("train").and_then(|t| t.get("batch_size")).is_some_and(Value::is_integer);
    let mut put = |key: &str, value: Option<Value>| value.map_or(Ok(()), |v| set(table, key, v));
    put("model", f.model.clone().map(Value::from))?;
    put("data.source", f.data.clone().map(Value::from))?;
    put("data.cache", f.data_cache.as_ref().map(|folder| folder.display().to_string().into()))?;
    put("data.target", f.target.clone().map(Value::from))?;
    put("data.group", f.group.as_deref().map(GroupBy::typed))?;
    put("data.task", f.task.clone().map(Value::from))?;
    put("data.positive", f.positive.clone().map(Value::from))?;
    put("data.val_split", f.val_split.map(Value::from))?;
    put("data.folds", f.folds.map(count))?;
    put("data.keep_folds", f.keep_folds.then_some(true.into()))?;
    put("train.epochs", f.epochs.map(count))?;
    // A run that goes on has decided it.
    let batch_size = f.batch_size.filter(|size| *size != BatchSize::Auto || !(f.resume && decided));
    put(
        "train.batch_size",
        batch_size.map(|size| match size {
            BatchSize::Auto => AUTO.into(),
            BatchSize::Of(n) => count(n),
        }),
    )?;
    put("train.seed", f.seed.map(|n| Value::Integer(n.into())))?;
    put("train.checkpoint_every", f.checkpoint_every.map(count))?;
    put("train.max_steps", f.max_steps.map(count))?;
    put("train.on_nan", f.on_nan.clone().map(Value::from))?;
    put("train.verify_every", f.verify_every.map(count))?;
    put("train.fingerprint_every", f.fingerprint_every.map(count))?;
    put("train.max_time", f.max_time.map(Value::from))?;
    put("early_stopping.patience", f.patience.map(count))?;
    put("optimizer.name", f.optimizer.clone().map(Value::from))?;
    put("optimizer.lr", f.lr.map(Value::from))?;
    put("schedule.name", f.schedule.clone().map(Value::from))?;
    f.plan.apply(table)?;
    f.recovery.apply(table)?;
    f.series.apply(table)?;
    f.text.apply(table)?;
    config::put_pairs(table, &f.set)
}

/// A configuration with the flags of a tool written over it.
pub fn table_of_tool(
    config: Option<&Path>,
    f: &SettingFlags,
    epochs: Option<usize>,
    terminal: &mut Terminal,
) -> Result<Table> {
    let mut table = config.map_or(Ok(Table::new()), |path| config::read(path, terminal))?;
    let mut put = |key: &str, value: Option<Value>| value.map_or(Ok(()), |v| set(&mut table, key, v));
    put("model", f.model.clone().map(Value::from))?;
    put("data.source", f.data.clone().map(Value::from))?;
    put("data.target", f.target.clone().map(Value::from))?;
    put("data.group", f.group.as_deref().map(GroupBy::typed))?;
    put("data.task", f.task.clone().map(Value::from))?;
    put("data.positive", f.positive.clone().map(Value::from))?;
    put("train.epochs", epochs.map(count))?;
    put("train.batch_size", f.batch_size.map(count))?;
    put("train.seed", f.seed.map(|n| Value::Integer(n.into())))?;
    config::put_pairs(&mut table, &f.set)?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;

    #[test]
    fn the_table_of_folds_has_means_and_deviations() {
        let fold = |x: f64| serde_json::Map::from_iter([("accuracy".to_string(), x.into())]);
        let found = CrossValidation {
            device: Device::Cpu.info(),
            positive_class: Some("yes".into()),
            each: vec![fold(0.8), fold(0.9), fold(1.0)],
            summary: vec![("accuracy".into(), [0.9, 0.1])],
            folder: "run".into(),
        };
        let text = fold_table(&found);
        assert!(text.contains("0.8000") && text.contains("deviation") && text.lines().count() == 7, "{text}");
    }
}
