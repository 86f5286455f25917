//! `wgrad train --folds`: as many trainings as folds, each scored on what it has
//! not seen, and one table of them.

use super::job::{self, Job};
use super::run_folder::RunFolder;
use super::{dashboard, flags, interrupt, open_device_for, out, run_info, train, tune};
use crate::error::{Error, Kind, Result};
use crate::eval::run::write_json;
use crate::nn::Weights;
use crate::train::{Folds, Settings, Start};
use serde_json::{Map, Value, json};
use std::time::Instant;

pub fn run(f: &flags::Train, s: &Settings) -> Result<()> {
    if f.resume || f.init.is_some() || f.overfit_batches.is_some() {
        return Err(Error::usage("--folds goes with neither --resume, --init nor --overfit-batches"));
    }
    let (device, device_info) = open_device_for(&f.device, s.plan.precision)?;
    let train::Data { source, audit } = train::open(s)?;
    let Folds { folds, strata, notes } = source.folds(s)?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let mut parent = None;
    let mut dashboard: Option<dashboard::Handle> = None;
    let mut each: Vec<Map<String, Value>> = vec![];
    for (i, fold) in folds.iter().enumerate() {
        eprintln!("fold {} of {}", i + 1, folds.len());
        let prepared = source.prepare_fold(fold, &strata, s)?;
        if i == 0 {
            train::say(s, &prepared);
        }
        let mut job = Job::new(device.clone(), s, &prepared, Weights::new(s.seed), &tune::of_flags(f, None)?)?;
        // What cannot be trained at all leaves no folder behind.
        let parent = match &parent {
            Some(parent) => parent,
            None => {
                interrupt::listen()?;
                let made = RunFolder::create(f.out.as_deref(), s)?;
                audit.as_ref().map_or(Ok(()), |a| write_json(made.path(), "audit.json", a))?;
                parent.insert(made)
            }
        };
        let folder = RunFolder::create(Some(&parent.path().join(format!("fold-{}", i + 1))), s)?;
        let mut info = run_info::new(&job.session, s, &prepared, device_info.clone());
        info.fold = Some([i + 1, folds.len()]);
        info.write(folder.path())?;
        match (&dashboard, f.dashboard) {
            (Some(handle), _) => handle.show(folder.path()),
            (None, Some(port)) => dashboard = Some(dashboard::start(folder.path(), port)?),
            (None, None) => {}
        }
        let begun = Instant::now();
        let done = job.run(s, &prepared, Start::default(), Some(&folder));
        if let Err(e) = &done {
            run_info::failed(&mut info, folder.path(), e)?;
        }
        let done = done.map_err(|e| match e.kind() {
            Kind::Interrupted => Error::interrupted(format!(
                "interrupted in fold {} of {}; a cross-validation cannot be resumed: start it again",
                i + 1,
                folds.len()
            )),
            _ => e,
        })?;
        run_info::finish(&mut info, &done, begun.elapsed().as_secs_f64());
        run_info::write(folder.path(), &info, &done)?;
        if let Some(Value::Object(mut figures)) = done.scored.as_ref().map(job::Scored::json) {
            figures.insert("samples".into(), fold.held.len().into());
            figures.insert("run".into(), out::path(folder.path()).into());
            each.push(figures);
        }
        if interrupt::asked() {
            return Err(Error::interrupted(format!("interrupted after fold {} of {}", i + 1, folds.len())));
        }
    }
    let parent = parent.expect("there are two folds or more");
    let summary = summary(&each);
    let object = json!({
        "status": "ok",
        "device": device_info,
        "model": s.model.name,
        "test": means(&summary, 0),
        "deviation": means(&summary, 1),
        "folds": each,
        "run": out::path(parent.path()),
    });
    write_json(parent.path(), "folds.json", &object)?;
    if f.json {
        return out::json(&object);
    }
    out::line(table(&each, &summary))
}

/// Mean and standard deviation (of the sample) of every figure that all folds
/// have, in their order.
fn summary(each: &[Map<String, Value>]) -> Vec<(String, [f64; 2])> {
    let Some(first) = each.first() else { return vec![] };
    let values = |key: &str| each.iter().map(|m| m.get(key).and_then(Value::as_f64)).collect::<Option<Vec<f64>>>();
    let stats = |v: &[f64]| {
        let n = v.len() as f64;
        let mean = v.iter().sum::<f64>() / n;
        let var = v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        [mean, var.sqrt()]
    };
    let keys = first.keys().filter(|k| *k != "samples");
    keys.filter_map(|k| Some((k.clone(), stats(&values(k)?)))).collect()
}

fn means(summary: &[(String, [f64; 2])], which: usize) -> Value {
    Value::Object(summary.iter().map(|(k, v)| (k.clone(), v[which].into())).collect())
}

/// The figures that a terminal shows, one row per fold.
fn table(each: &[Map<String, Value>], summary: &[(String, [f64; 2])]) -> String {
    const SHOWN: &[&str] = &["loss", "accuracy", "precision", "recall", "f1", "roc_auc", "rmse", "mae", "r2"];
    let shown: Vec<&(String, [f64; 2])> = summary.iter().filter(|(k, _)| SHOWN.contains(&k.as_str())).collect();
    let row = |name: &str, cells: Vec<String>| {
        format!("{name:<10}{}\n", cells.iter().map(|c| format!("{c:>11}")).collect::<String>())
    };
    let number = |v: f64| format!("{v:.4}");
    let mut text = row("fold", shown.iter().map(|(k, _)| k.clone()).collect());
    for (i, m) in each.iter().enumerate() {
        let cell = |k: &str| m.get(k).and_then(Value::as_f64).map_or(String::new(), number);
        text += &row(&(i + 1).to_string(), shown.iter().map(|(k, _)| cell(k)).collect());
    }
    text += &row("mean", shown.iter().map(|(_, v)| number(v[0])).collect());
    text += &row("deviation", shown.iter().map(|(_, v)| number(v[1])).collect());
    text.trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_summed_up_by_mean_and_deviation() {
        let fold = |x: f64| Map::from_iter([("accuracy".to_string(), x.into()), ("samples".to_string(), 3.into())]);
        let each = vec![fold(0.8), fold(0.9), fold(1.0)];
        let summary = summary(&each);
        assert_eq!(summary.len(), 1);
        assert!((summary[0].1[0] - 0.9).abs() < 1e-12 && (summary[0].1[1] - 0.1).abs() < 1e-12);
        let text = table(&each, &summary);
        assert!(text.contains("0.8000") && text.contains("deviation") && text.lines().count() == 6, "{text}");
    }
}
