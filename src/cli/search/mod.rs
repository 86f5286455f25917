//! `wgrad search`: many trainings with different settings, one table of them.
//!
//! Every trial is a run of its own below the search's folder. What was drawn is
//! a function of seed and trial, and the book is written after each trial, so a
//! search that was stopped in any way goes on with the same command to the same
//! end.

mod halving;
mod metric;
mod record;
mod settings;
mod show;
mod space;
mod trial;

use super::{interrupt, open_device, out, tool_flags, train, train_settings};
use crate::data::{self, SourceKind};
use crate::error::{Context, Error, Kind, Result};
use crate::eval::run::write_json;
use crate::files::name::with_suffix;
use crate::files::{self, Lock};
use crate::keys::Keys;
use crate::train::{Settings, set};
use metric::Metric;
use record::{Book, Record};
use serde_json::{Map, Value, json};
use settings::{Method, SearchSettings};
use std::path::{Path, PathBuf};
use toml::Table;
use trial::{Bench, Ended};

/// A trial to be run.
struct Planned {
    /// Its number, from 1.
    number: usize,
    /// The searched keys with their values.
    values: Map<String, Value>,
    /// The settings with these values.
    settings: Settings,
}

pub fn run(f: &tool_flags::Search) -> Result<()> {
    if f.max_trials == Some(0) {
        return Err(Error::usage("--max-trials 0: expected at least 1"));
    }
    let mut table = train_settings::of_tool(Some(&f.config), &f.settings, f.epochs)?;
    let search = take_search(&mut table, &f.config)?;
    let plan = plan(&table, &search)?;
    let path = f.out.clone().unwrap_or_else(|| default_folder(&f.config));
    // Held before the book is read, so that it is read as it stays.
    let earlier = if path.is_dir() { Some(Lock::take(&path)?) } else { None };
    interrupt::listen()?;
    let (device, info) = open_device(&f.device)?;
    drop(device);
    let train::Data { source, audit } = train::open(&plan[0].settings)?;
    let mut bench = Bench::new(&path, info, &f.device, &source);
    let metric = Metric::resolve(&search, &bench.prepare(&plan[0].settings)?.interface)?;
    table.insert("search".into(), toml::Value::Table(search.to_table()));
    let book = Book::open(&path, table)?;
    train::say(&plan[0].settings, bench.prepare(&plan[0].settings)?);
    let _lock = earlier.map_or_else(|| book.make_folder(), Ok)?;
    book.begin()?;
    audit.map_or(Ok(()), |a| write_json(&path, "audit.json", &a))?;
    let mut work = Work { bench, book, plan: &plan, metric: &metric, left: f.max_trials.unwrap_or(usize::MAX) };
    work.all(&search)?;
    finish(f, &work, &search, &path)
}

/// Takes `[search]` out of a configuration.
fn take_search(table: &mut Table, config: &Path) -> Result<SearchSettings> {
    let found = match table.remove("search") {
        Some(toml::Value::Table(t)) => t,
        Some(other) => return Err(Error::model(format!("search = {other}; expected a table [search]"))),
        None => {
            return Err(Error::model(format!(
                "{} has no table [search]; expected [search.space] with keys such as \"optimizer.lr\" = {{ log = [1e-4, \
                 1e-1] }}",
                config.display()
            )));
        }
    };
    let mut keys = Keys::new(found, "[search]");
    let search = SearchSettings::read(&mut keys)?;
    keys.finish()?;
    if search.space.0.is_empty() {
        return Err(Error::model(
            "[search.space] is empty; expected keys such as \"optimizer.lr\" = { log = [1e-4, 1e-1] }",
        ));
    }
    Ok(search)
}

/// All trials with their settings. Whatever is wrong with one is found here.
fn plan(table: &Table, search: &SearchSettings) -> Result<Vec<Planned>> {
    let space = &search.space;
    let values = match search.method {
        Method::Grid => space.grid()?,
        Method::Random { trials } | Method::Halving { trials, .. } => {
            (1..=trials).map(|t| space.draw(search.seed, t)).collect()
        }
    };
    let one = |(i, values): (usize, Vec<toml::Value>)| -> Result<Planned> {
        let (number, mut table) = (i + 1, table.clone());
        let shown = || {
            let pairs = space.0.iter().zip(&values).map(|(d, v)| format!("{} = {v}", d.key));
            format!("trial {number} ({})", pairs.collect::<Vec<_>>().join(", "))
        };
        for (d, value) in space.0.iter().zip(&values) {
            set(&mut table, &d.key, value.clone()).context(|| "[search.space]")?;
        }
        let settings = Settings::read(table).context(shown)?;
        let json = |v: &toml::Value| serde_json::to_value(v).expect("plain data prints");
        let values = space.0.iter().zip(&values).map(|(d, v)| (d.key.clone(), json(v))).collect();
        Ok(Planned { number, values, settings })
    };
    let plan = values.into_iter().enumerate().map(one).collect::<Result<Vec<Planned>>>()?;
    shares_its_data(&plan, search)?;
    Ok(plan)
}

/// Refuses keys that would have each trial read other data.
fn shares_its_data(plan: &[Planned], search: &SearchSettings) -> Result<()> {
    let first = &plan[0].settings;
    if first.data.folds > 0 {
        return Err(Error::usage("a search does not go with folds; expected data.folds = 0"));
    }
    let is_drawn = data::kind(&first.data.source)? == SourceKind::Digits;
    for p in plan {
        let (a, b) = (&first.data, &p.settings.data);
        let key = if a.source != b.source {
            "data.source"
        } else if a.images != b.images {
            "data.size, data.filter or data.channels"
        } else if a.table.read_options() != b.table.read_options() {
            "data.header, data.delimiter, data.skip_rows, data.comment or data.missing_values"
        } else if a.folds != b.folds {
            "data.folds"
        } else if is_drawn && first.seed != p.settings.seed {
            "train.seed, which draws the digits"
        } else if matches!(search.method, Method::Halving { .. }) && first.epochs != p.settings.epochs {
            "train.epochs, which halving itself varies"
        } else {
            continue;
        };
        return Err(Error::model(format!("[search.space]: the trials differ in {key}; expected the same for all")));
    }
    Ok(())
}

/// `runs/NAME-search` for a configuration `NAME.toml`.
fn default_folder(config: &Path) -> PathBuf {
    let name = config.file_stem().map_or("config".into(), |n| n.to_string_lossy().into_owned());
    with_suffix(&Path::new("runs").join(name), "-search")
}

/// A search under way.
struct Work<'a> {
    bench: Bench<'a>,
    book: Book,
    plan: &'a [Planned],
    metric: &'a Metric,
    /// Trials that may still be trained by this call.
    left: usize,
}

impl Work<'_> {
    fn all(&mut self, search: &SearchSettings) -> Result<()> {
        match search.method {
            Method::Halving { min_epochs, factor, .. } => halving::run(self, min_epochs, factor),
            Method::Grid | Method::Random { .. } => {
                for p in self.plan {
                    self.train(p, 1, p.settings.epochs)?;
                }
                Ok(())
            }
        }
    }

    /// Trains a trial for a rung, unless the book has it already or this call
    /// may train no more. Says whether the book has it now.
    fn train(&mut self, p: &Planned, rung: usize, epochs: usize) -> Result<bool> {
        if let Some(known) = self.book.find(p.number, rung) {
            if known.values != p.values {
                return Err(Error::data(format!(
                    "trials.jsonl says of trial {} other values than this search gives it; choose another folder with \
                     --out",
                    p.number
                )));
            }
            return Ok(true);
        }
        // What has ended by itself has nothing to gain from more epochs.
        let before = self.book.find(p.number, rung - 1).filter(|b| b.stopped.is_some());
        if let Some(before) = before {
            let record = Record { rung, ..before.clone() };
            return self.book.add(record).map(|()| true);
        }
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        eprintln!("trial {} of {}, to epoch {epochs}: {}", p.number, self.plan.len(), show::values(&p.values));
        let ended = self.bench.run(p.number, &p.settings, epochs);
        let ended = ended.map_err(|e| match e.kind() {
            Kind::Interrupted => {
                Error::interrupted(format!("interrupted in trial {}; the same command goes on from there", p.number))
            }
            _ => e.context(format!("trial {}", p.number)),
        })?;
        let record = self.record(p, rung, ended);
        match (&record.failed, record.metric) {
            (Some(why), _) => eprintln!("trial {} failed: {why}", p.number),
            (None, value) => eprintln!("trial {}: {} {}", p.number, self.metric.name, show::figure(value)),
        }
        self.book.add(record)?;
        if interrupt::asked() {
            return Err(Error::interrupted(format!(
                "interrupted after trial {}; the same command goes on from there",
                p.number
            )));
        }
        Ok(true)
    }

    fn record(&self, p: &Planned, rung: usize, ended: Ended) -> Record {
        let (epochs, stopped, figures, failed) = match ended {
            Ended::Scored(t) => (t.epochs, t.stopped, t.figures, None),
            Ended::Failed(why) => (0, None, Map::new(), Some(why)),
        };
        let metric = self.metric.of(&figures);
        let undefined = || format!("{} is undefined or no finite number", self.metric.name);
        let failed = failed.or_else(|| metric.is_none().then(undefined));
        let (values, run) = (p.values.clone(), trial::folder(p.number));
        Record { trial: p.number, rung, epochs, metric, values, validation: figures, stopped, failed, run }
    }

    /// The latest of each trial, the best first: by rung, then by the metric.
    fn ranked(&self) -> Vec<&Record> {
        let mut all = self.book.latest();
        all.sort_by(|a, b| {
            let failed = a.failed.is_some().cmp(&b.failed.is_some());
            failed.then(b.rung.cmp(&a.rung)).then(self.metric.order(a.metric, b.metric)).then(a.trial.cmp(&b.trial))
        });
        all
    }
}

/// The table, the best configuration, the plot.
fn finish(f: &tool_flags::Search, work: &Work, search: &SearchSettings, path: &Path) -> Result<()> {
    let ranked = work.ranked();
    let (plot, config) = (path.join("trials.svg"), path.join("best.toml"));
    files::write(&plot, show::plot(search, work.metric, &ranked).svg_file().as_bytes())?;
    let best = ranked.first().filter(|r| r.failed.is_none());
    let Some(best) = best else {
        let why = ranked.first().and_then(|r| r.failed.clone()).unwrap_or_else(|| "none was trained".into());
        return Err(Error::model(format!("all {} trials failed; the first: {why}", ranked.len())));
    };
    let settings = &work.plan[best.trial - 1].settings;
    let text = toml::to_string(&settings.to_table()).expect("a table of plain values prints");
    files::write(&config, text.as_bytes())?;
    let done = ranked.len();
    if work.left == 0 {
        eprintln!("--max-trials: {done} of {} trials are in the table; the same command goes on", work.plan.len());
    }
    if f.json {
        return out::json(&json!({
            "status": "ok",
            "device": work.bench.info,
            "metric": work.metric.name,
            "mode": work.metric.mode(),
            "planned": work.plan.len(),
            "best": best,
            "trials": ranked,
            "config": out::path(&config),
            "plot": out::path(&plot),
            "run": out::path(path),
        }));
    }
    out::line(show::table(search, work.metric, &ranked))?;
    out::line(format!(
        "best: trial {}, {} {}; wgrad train {}",
        best.trial,
        work.metric.name,
        show::figure(best.metric),
        config.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(text: &str) -> Result<Vec<Planned>> {
        let mut table = text.parse().unwrap();
        let search = take_search(&mut table, Path::new("c.toml"))?;
        plan(&table, &search)
    }

    #[test]
    fn what_is_wrong_with_a_space_is_found_before_the_first_trial() {
        let fails = |space: &str, parts: &[&str]| {
            let text = format!("[search]\nmethod = \"grid\"\n[search.space]\n{space}");
            let message = planned(&text).err().expect(space).to_string();
            assert!(parts.iter().all(|p| message.contains(p)), "{message}");
        };
        fails("\"optimizer.lrr\" = [0.1]", &["trial 1 (optimizer.lrr = 0.1)", "did you mean \"lr\"?"]);
        fails("\"optimizer.lr\" = [0.1, -1]", &["trial 2", "lr = -1"]);
        fails("\"model.lr\" = [1]\nmodel = [\"mlp\"]", &["\"model\" and \"model.lr\" set the same thing"]);
        fails("\"data.source\" = [\"digits\", \"elsewhere.csv\"]", &["data.source"]);
        fails("\"data.size\" = [8, 16]", &["data.size"]);
        fails("\"train.seed\" = [1, 2]", &["draws the digits"]);
        fails("", &["[search.space] is empty"]);
        assert!(planned("model = \"mlp\"").err().unwrap().to_string().contains("c.toml has no table [search]"));
        let halving = "[search]\nmethod = \"halving\"\n[search.space]\n\"train.epochs\" = { int = [1, 50] }";
        assert!(planned(halving).err().unwrap().to_string().contains("halving itself varies"));
    }

    #[test]
    fn trials_have_the_values_that_are_shown() {
        let text =
            "[train]\nepochs = 2\n[search]\ntrials = 5\n[search.space]\n\"optimizer.lr\" = { log = [1e-4, 0.1] }";
        let plan = planned(text).unwrap();
        assert_eq!(plan.len(), 5);
        for p in &plan {
            assert_eq!(p.values["optimizer.lr"].as_f64(), Some(p.settings.update.lr));
            assert_eq!(p.settings.epochs, 2);
        }
    }
}
