//! A model that is served: loaded, on the device, and ready to be asked.

use super::alive::Alive;
use super::data::Cell;
use super::engine::{Batching, Engine};
use super::problem::{Answered, Problem};
use super::settings::Settings;
use super::stats::Stats;
use super::takes::Takes;
use super::v2::describe::Described;
use super::writer::Writer;
use crate::data::table::{Kind, Table};
use crate::data::{Interface, picture};
use crate::deploy::generate::Generator;
use crate::deploy::web;
use crate::device::Device;
use crate::error::{Context, Error, Result};
use crate::run::answer::Answer;
use crate::run::folder::{self, Checkpoint};
use crate::run::forecast::Forecast;
use crate::run::inputs::{Ahead, Inputs, Question};
use crate::run::predictor::Predictor;
use crate::train::text::vocabulary_of;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Bytes of a picture once it is decoded: some 40 million pixels in colour.
const PICTURE: u64 = 128 << 20;
/// Bytes of a request that are made samples without another thread.
const SMALL: usize = 64 << 10;

/// What a request asks a model.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Numbers of samples.
    Numbers(Vec<f32>),
    /// Bytes of pixels.
    Pixels(Vec<u8>),
    /// Pictures as files, with what messages call them.
    Pictures(Vec<(String, Vec<u8>)>),
    /// Rows of names and cells; also those of a series.
    Rows(Vec<Vec<(String, Cell)>>),
    /// Rows as the text of a table.
    Table(Vec<u8>),
    /// Texts.
    Texts(Vec<String>),
}

impl Ask {
    /// About as many bytes as it takes.
    fn bytes(&self) -> usize {
        match self {
            Ask::Numbers(v) => 4 * v.len(),
            Ask::Pixels(v) | Ask::Table(v) => v.len(),
            Ask::Pictures(_) => usize::MAX,
            Ask::Rows(rows) => rows.iter().flatten().map(|(name, cell)| 32 + name.len() + cell.text.len()).sum(),
            Ask::Texts(texts) => texts.iter().map(String::len).sum(),
        }
    }
}

/// What was made of it.
enum Asked {
    Samples(Question),
    Series(Ahead),
}

/// What a model answers.
#[derive(Debug, Clone)]
pub enum Answers {
    /// One for each thing that was asked for; none where the model cannot use it.
    Each(Vec<Option<Answer>>),
    /// What follows a series.
    Ahead(Vec<Forecast>),
}

impl Answers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Answers::Each(all) => all.len(),
            Answers::Ahead(all) => all.len(),
        }
    }
}

/// Answers, and what a user should know.
#[derive(Debug, Clone)]
pub struct Told {
    /// The answers.
    pub answers: Answers,
    /// What was assumed or could not be read.
    pub notes: Vec<String>,
}

/// How models are loaded and asked, the same for all.
pub struct How {
    /// Where they run.
    pub device: Device,
    /// How samples are put together.
    pub batching: Batching,
    /// Time for an answer.
    pub time: Duration,
    /// Samples in a request.
    pub max_samples: usize,
    /// Requests whose pictures or tables are read at a time.
    pub reading: Arc<Semaphore>,
    /// Which weights of a run.
    pub checkpoint: Checkpoint,
}

impl How {
    /// By a server's settings, on a device.
    pub fn new(s: &Settings, device: Device) -> How {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        How {
            device,
            batching: Batching { max_batch: s.max_batch, max_delay: s.max_delay, queue: s.queue },
            time: s.timeout,
            max_samples: s.max_samples,
            reading: Arc::new(Semaphore::new(threads)),
            checkpoint: s.checkpoint,
        }
    }
}

/// The part of a model that runs.
enum Runs {
    Answers(Engine),
    Writes(Writer),
}

/// A model with the weights that it had at one time.
pub struct Model {
    /// What makes samples of what is asked.
    pub inputs: Arc<Inputs>,
    /// What it takes.
    pub takes: Takes,
    /// What it takes and gives, as tensors.
    pub ports: Described,
    /// The name of its description.
    pub description: String,
    /// What its page says and asks, or why it has none.
    pub about: Result<serde_json::Value, String>,
    /// Whether its device still works.
    pub alive: Alive,
    runs: Runs,
    stats: Arc<Stats>,
}

impl Model {
    /// Loads a run and starts its thread.
    ///
    /// Fails when it cannot be read or does not run on the device.
    pub fn load(run: &Path, name: &str, how: &How, stats: Arc<Stats>) -> Result<Model> {
        if let Some(folds) = folder::kept_folds(run)? {
            return Err(Error::usage(format!(
                "{} is a cross-validation of {} models; expected one of them, such as {}",
                run.display(),
                folds.len(),
                folds[0].display()
            )));
        }
        let (model, loaded) = folder::load(run, how.checkpoint)?;
        let description = model.description.name.clone();
        let inputs = Arc::new(Inputs::new(&model, &loaded.about)?);
        let takes = Takes::of(&inputs);
        let ports = Described::of(&inputs, takes);
        let about = web::about(&model, &loaded, web::Computer::Server).map_err(|e| e.to_string());
        let fail = || format!("loading {}", run.display());
        // Where a device has failed, on what was opened in its place.
        let device = how.device.current();
        let alive = Alive::on(device.clone());
        let of_thread = alive.clone();
        let runs = match takes {
            Takes::Prompt => {
                let vocabulary = vocabulary_of(&loaded.about.interface)?.clone();
                let generator = Generator::new(&device, &model, &loaded.weights).context(fail)?;
                let Batching { queue, .. } = how.batching;
                Runs::Writes(Writer::start(generator, vocabulary, queue, how.time, stats.clone(), name, of_thread)?)
            }
            _ => {
                let predictor = Predictor::with(inputs.clone(), model, loaded, device).context(fail)?;
                Runs::Answers(Engine::start(predictor, how.batching, stats.clone(), name, of_thread).context(fail)?)
            }
        };
        Ok(Model { inputs, takes, ports, description, about, alive, runs, stats })
    }

    /// What its outputs mean.
    pub fn interface(&self) -> &Interface {
        self.inputs.interface()
    }

    /// The thread that goes on with texts.
    ///
    /// Fails for a model that does not.
    pub fn writer(&self) -> Answered<&Writer> {
        match &self.runs {
            Runs::Writes(writer) => Ok(writer),
            Runs::Answers(_) => Err(Problem::bad(format!(
                "the model takes {}; generating text needs a language model",
                self.takes.name()
            ))),
        }
    }

    /// Answers what a request asks.
    ///
    /// Fails when the model does not take it, and as [`Engine::numbers`] does.
    pub async fn ask(&self, ask: Ask, how: &How) -> Answered<Told> {
        let Runs::Answers(engine) = &self.runs else {
            return Err(Problem::bad(
                "a language model goes on with a text: POST /generate, or /v2/models/MODEL/generate",
            ));
        };
        let begun = Instant::now();
        let (inputs, takes, most) = (self.inputs.clone(), self.takes, how.max_samples);
        let asked = match ask.bytes() <= SMALL && !matches!(takes, Takes::Rows | Takes::Series) {
            true => asked(&inputs, takes, ask, most)?,
            false => {
                let waiting = tokio::time::timeout(how.time, how.reading.clone().acquire_owned());
                let Ok(Ok(permit)) = waiting.await else {
                    return Err(Problem::busy("too many requests are being read; try again in a moment"));
                };
                let read = tokio::task::spawn_blocking(move || {
                    let _permit = permit;
                    asked(&inputs, takes, ask, most)
                });
                read.await.map_err(|_| Problem::internal("reading the request failed; this is a bug"))??
            }
        };
        self.stats.input.add(begun.elapsed());
        let set = match &asked {
            Asked::Samples(question) => &question.set,
            Asked::Series(ahead) => &ahead.asked.set,
        };
        let numbers = match set.len() {
            0 => vec![],
            rows => engine.numbers(set.samples.clone(), rows, how.time.saturating_sub(begun.elapsed())).await?,
        };
        let begun = Instant::now();
        let told = match &asked {
            Asked::Samples(question) => {
                Told { answers: Answers::Each(self.inputs.answers(question, &numbers)), notes: question.notes.clone() }
            }
            Asked::Series(ahead) => {
                let forecasts = self.inputs.forecasts(ahead, numbers, false)?;
                Told { answers: Answers::Ahead(forecasts), notes: ahead.notes() }
            }
        };
        self.stats.output.add(begun.elapsed());
        Ok(told)
    }

    /// Counts a request from its beginning to its end.
    pub fn counted(&self, began: Instant, succeeded: bool) {
        let timer = if succeeded { &self.stats.success } else { &self.stats.failure };
        timer.add(began.elapsed());
    }

    /// What it has done.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }
}

/// The samples of what is asked.
fn asked(inputs: &Inputs, takes: Takes, ask: Ask, most: usize) -> Answered<Asked> {
    let few = |n: usize, what: &str| match n <= most {
        true => Ok(()),
        false => Err(Problem::bad(format!(
            "{n} {what} in a request; expected at most {most} (--max-samples): send them in parts"
        ))),
    };
    let question = match ask {
        Ask::Numbers(values) => {
            few(values.len() / inputs.shape().iter().product::<usize>().max(1), "samples")?;
            inputs.tensors(values)?
        }
        Ask::Pixels(pixels) => {
            few(pixels.len() / inputs.shape().iter().product::<usize>().max(1), "samples")?;
            inputs.pixels(pixels)?
        }
        Ask::Pictures(files) => {
            few(files.len(), "pictures")?;
            pictures(inputs, &files)?
        }
        Ask::Rows(rows) => {
            few(rows.len(), "rows")?;
            if rows.is_empty() {
                return Err(Problem::bad("there is no row; expected at least one"));
            }
            let (rows, unread) = columns_read(inputs, rows)?;
            let rows = rows.iter().map(|row| row.iter().map(|(name, cell)| (name.as_str(), cell.as_str())));
            let mut asked = match takes {
                Takes::Series => {
                    let options = inputs.series()?.read_options();
                    Asked::Series(inputs.ahead(&Table::of_records("the rows", rows, &options), false)?)
                }
                _ => Asked::Samples(inputs.rows(rows)?),
            };
            let notes = match &mut asked {
                Asked::Samples(question) => &mut question.notes,
                Asked::Series(ahead) => &mut ahead.asked.notes,
            };
            notes.extend(unread);
            return Ok(asked);
        }
        Ask::Table(text) => {
            few(memchr::memchr_iter(b'\n', &text).count().saturating_sub(1), "lines")?;
            match takes {
                Takes::Series => {
                    let options = inputs.series()?.read_options();
                    let table = Table::parse("the rows", &text, &options)?;
                    return Ok(Asked::Series(inputs.ahead(&table, false)?));
                }
                _ => inputs.csv(&text)?,
            }
        }
        Ask::Texts(texts) => {
            few(texts.len(), "texts")?;
            inputs.texts(&texts)?
        }
    };
    Ok(Asked::Samples(question))
}

/// Names that a note lists, and characters of each.
const LISTED: usize = 5;

/// Rows of cells by the names of their columns.
type Cells = Vec<Vec<(String, String)>>;

/// Rows with the columns that the model reads, and what others there are.
///
/// Fails where a row lacks a column: its name may be misspelt.
fn columns_read(inputs: &Inputs, rows: Vec<Vec<(String, Cell)>>) -> Answered<(Cells, Option<String>)> {
    let columns = inputs.columns();
    let known: HashMap<&str, Kind> = columns.iter().copied().collect();
    let (mut unread, mut more, mut all) = (vec![], false, vec![]);
    for (i, row) in rows.into_iter().enumerate() {
        let mut cells: Vec<(String, String)> = vec![];
        for (name, cell) in row {
            let fail = |what: &str| Problem::bad(format!("row {}: column \"{name}\" {what}", i + 1));
            let text = match known.get(name.as_str()) {
                Some(Kind::Number) if cell.is_beyond_singles() => return Err(fail("is beyond single precision")),
                Some(Kind::Number) => cell.for_numbers(),
                Some(_) => cell.text,
                None if unread.contains(&name) => continue,
                None if unread.len() >= LISTED => {
                    more = true;
                    continue;
                }
                None => {
                    unread.push(name);
                    continue;
                }
            };
            if cells.iter().any(|(n, _)| *n == name) {
                return Err(fail("is there twice"));
            }
            cells.push((name, text));
        }
        if let Some(missing) = columns.iter().find(|(name, _)| cells.iter().all(|(n, _)| n != name)) {
            let others: Vec<String> = unread.iter().map(|n| n.chars().take(64).collect()).collect();
            let others = if others.is_empty() { String::new() } else { format!(", and has {}", others.join(", ")) };
            return Err(Problem::bad(format!(
                "row {} lacks the column \"{}\"{others}; write null where a value is missing",
                i + 1,
                missing.0
            )));
        }
        all.push(cells);
    }
    let shown: Vec<String> = unread.iter().map(|name| name.chars().take(64).collect()).collect();
    let note = (!shown.is_empty())
        .then(|| format!("the model does not read the columns {}{}", shown.join(", "), if more { ", .." } else { "" }));
    Ok((all, note))
}

/// Pictures, decoded one after the other: only one is in memory at a time.
fn pictures(inputs: &Inputs, files: &[(String, Vec<u8>)]) -> Answered<Question> {
    inputs.picture_shape()?;
    let mut pixels = vec![];
    for (name, bytes) in files {
        let picture = picture::decode_bytes_within(bytes, PICTURE).context(|| format!("cannot read {name}"))?;
        pixels.extend(inputs.pixels_of(&picture)?);
    }
    Ok(inputs.pixels(pixels)?)
}
