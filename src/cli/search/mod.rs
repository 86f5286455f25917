//! `wgrad search`: many trainings with different settings, one table of them.
//!
//! Every trial is a run of its own below the search's folder. What was drawn is
//! a function of seed and trial, and the book is written after each trial, so a
//! search that was stopped in any way goes on with the same command to the same
//! end.

mod comparable;
mod halving;
mod metric;
mod plan;
mod ranking;
mod record;
mod settings;
mod show;
mod space;
mod trial;

use super::{interrupt, open_device, out, tool_flags, train, train_settings};
use crate::data;
use crate::error::{Error, Kind, Result};
use crate::eval::metrics::known;
use crate::eval::run::write_json;
use crate::files::name::with_suffix;
use crate::files::{self, Lock};
use crate::keys::Keys;
use metric::Metric;
use plan::Planned;
use record::{Book, Record};
use serde_json::{Map, json};
use settings::{Method, SearchSettings};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use toml::Table;
use trial::{Bench, Ended};

pub fn run(f: &tool_flags::Search) -> Result<()> {
    if f.max_trials == Some(0) {
        return Err(Error::usage("--max-trials 0: expected at least 1"));
    }
    let mut table = train_settings::of_tool(Some(&f.config), &f.settings, f.epochs)?;
    let mut search = take_search(&mut table, &f.config)?;
    let path = f.out.clone().unwrap_or_else(|| default_folder(&f.config));
    if let (None, Some(own)) = (&f.settings.data, source_of(&table)) {
        train_settings::locate(&mut table, &own, &path.join(trial::folder(1)))?;
    }
    let plan = plan::of(&table, &search)?;
    // Held before the book is read, so that it is read as it stays.
    let earlier = if path.is_dir() { Some(Lock::take(&path)?) } else { None };
    interrupt::listen()?;
    let (device, info) = open_device(&f.device)?;
    drop(device);
    let train::Data { source, audit } = train::open(&plan[0].settings)?;
    let mut bench = Bench::new(&path, info, &f.device, &source);
    let scored = comparable::scored(&mut bench, &plan)?;
    let (metric, note) = comparable::metric(&search, &plan, &scored, &bench.prepare(&plan[0].settings)?.interface)?;
    search.metric = Some(metric.name.clone());
    table.insert("search".into(), toml::Value::Table(search.to_table()));
    let book = Book::open(&path, table)?;
    plan.iter().zip(&scored).try_for_each(|(p, s)| book.check_data(p.number, &s.data))?;
    train::say(&plan[0].settings, bench.prepare(&plan[0].settings)?);
    let _lock = earlier.map_or_else(|| book.make_folder(), Ok)?;
    book.begin()?;
    audit.map_or(Ok(()), |a| write_json(&path, "audit.json", &a))?;
    note.iter().for_each(|note| eprintln!("note: {note}"));
    let left = f.max_trials.unwrap_or(usize::MAX);
    let mut work = Work { bench, book, plan: &plan, scored: &scored, metric: &metric, left };
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

/// The data that a configuration names, as settings will have it.
fn source_of(table: &Table) -> Option<String> {
    Some(data::settled(table.get("data")?.get("source")?.as_str()?.into()))
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
    /// What each of them is scored on.
    scored: &'a [Rc<comparable::Scored>],
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
        let data = Some(self.scored[p.number - 1].data.clone());
        Record { trial: p.number, rung, epochs, metric, values, validation: figures, stopped, failed, run, data }
    }
}

/// The table, the best configuration, the plot.
fn finish(f: &tool_flags::Search, work: &Work, search: &SearchSettings, path: &Path) -> Result<()> {
    let groups = ranking::ranked(work.plan, &work.book, work.metric);
    let ranked: Vec<&Record> = groups.iter().flat_map(|g| g.trials.iter().copied()).collect();
    let (plot, config) = (path.join("trials.svg"), path.join("best.toml"));
    files::write(&plot, show::plot(search, work.metric, &ranked).svg_file().as_bytes())?;
    let Some(first) = groups.first().filter(|g| g.score.is_some()) else {
        return Err(Error::model(match ranked.iter().find_map(|r| r.failed.clone()) {
            Some(why) => format!("of {} trials none has a score that counts; the first failure: {why}", ranked.len()),
            None => format!("after {} trials no setting has been trained with every seed", ranked.len()),
        }));
    };
    let best = first.trials[0];
    let settings = &work.plan[best.trial - 1].settings;
    let text = toml::to_string(&settings.to_table()).expect("a table of plain values prints");
    files::write(&config, text.as_bytes())?;
    let done = ranked.len();
    if work.left == 0 {
        eprintln!("--max-trials: {done} of {} trials are in the table; the same command goes on", work.plan.len());
    }
    if f.json {
        let repeated = work.plan.iter().any(|p| p.of > 1);
        return out::json(&json!({
            "status": "ok",
            "device": work.bench.info,
            "metric": work.metric.name,
            "mode": work.metric.mode(),
            "positive_class": best.validation.get("positive_class"),
            "planned": work.plan.len(),
            "best": best,
            "means": repeated.then(|| groups.iter().map(ranking::Group::json).collect::<Vec<_>>()),
            "trials": ranked,
            "config": out::path(&config),
            "plot": out::path(&plot),
            "run": out::path(path),
        }));
    }
    out::line(show::table(search, work.metric, &groups))?;
    let score = match first.trials.len() {
        1 => show::figure(first.score),
        n => format!("{} in the mean of {n} seeds", show::figure(first.score)),
    };
    let class = best.validation.get("positive_class").and_then(|class| class.as_str());
    let of = class.filter(|_| known::is_of_positive(work.metric.key()));
    let score = of.map_or(score.clone(), |class| format!("{score} (of \"{class}\")"));
    out::line(format!("best: trial {}, {} {score}; wgrad train {}", best.trial, work.metric.name, config.display()))
}
