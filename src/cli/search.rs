//! `wgrad search`

use super::progress::Terminal;
use super::{out, search_table, tool_flags, train};
use crate::error::{Error, Result};
use crate::eval::metrics::known;
use crate::files::name::with_suffix;
use crate::run::config;
use crate::run::search::{Group, Record, SearchSettings, figure, search, trial_folder};
use serde_json::json;
use std::path::{Path, PathBuf};

pub fn run(f: &tool_flags::Search) -> Result<()> {
    super::ranks::refuse(&crate::ranks::launch::world()?, "search")?;
    if f.max_trials == Some(0) {
        return Err(Error::usage("--max-trials 0: expected at least 1"));
    }
    let mut terminal = Terminal::new();
    let mut table = train::table_of_tool(Some(&f.config), &f.settings, f.epochs, &mut terminal)?;
    let asked = SearchSettings::take(&mut table, &f.config.display().to_string())?;
    let path = f.out.clone().unwrap_or_else(|| default_folder(&f.config));
    if f.settings.data.is_none() && table.get("data").is_some_and(|d| d.get("source").is_some()) {
        let own = config::source_of(&table);
        config::locate(&mut table, &own, &path.join(trial_folder(1)), &mut terminal)?;
    }
    let found = search(table, asked, &path, &f.device.request(), f.max_trials, &mut terminal)?;
    let groups = found.ranked();
    let ranked: Vec<&Record> = groups.iter().flat_map(|g| g.trials.iter().copied()).collect();
    let (first, metric) = (&groups[0], &found.metric);
    let best = first.trials[0];
    if found.is_cut {
        let (done, planned) = (ranked.len(), found.plan.len());
        eprintln!("--max-trials: {done} of {planned} trials are in the table; the same command continues");
    }
    if f.json {
        let repeated = found.plan.iter().any(|p| p.of > 1);
        return out::json(&json!({
            "status": "ok",
            "device": found.device,
            "metric": metric.name,
            "mode": metric.mode(),
            "positive_class": best.validation.get("positive_class"),
            "planned": found.plan.len(),
            "best": best,
            "means": repeated.then(|| groups.iter().map(Group::json).collect::<Vec<_>>()),
            "trials": ranked,
            "config": out::path(&found.config),
            "plot": out::path(&found.plot),
            "run": out::path(&path),
        }));
    }
    out::line(search_table::table(&found.search, metric, &groups))?;
    let score = match first.trials.len() {
        1 => figure(first.score),
        n => format!("{} in the mean of {n} seeds", figure(first.score)),
    };
    let class = best.validation.get("positive_class").and_then(|class| class.as_str());
    let of = class.filter(|_| known::is_of_positive(metric.key())).map_or(String::new(), |c| format!(" (of \"{c}\")"));
    let config = found.config.display();
    out::line(format!("best: trial {}, {} {score}{of}; wgrad train {config}", best.trial, metric.name))
}

/// `runs/NAME-search` for a configuration `NAME.toml`.
fn default_folder(config: &Path) -> PathBuf {
    let name = config.file_stem().map_or("config".into(), |n| n.to_string_lossy().into_owned());
    with_suffix(&Path::new("runs").join(name), "-search")
}
