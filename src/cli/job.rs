//! A training of one model on prepared data, from the first step to the scores
//! on data it has not seen: what `train` does once, `train --folds` and `search`
//! many times.

use super::progress::Terminal;
use super::run_folder::RunFolder;
use super::said;
use super::tune::{self, Tuning};
use crate::data::series::Naive;
use crate::data::sheet::{self, Tile};
use crate::data::{Dataset, IGNORED, Samples, Targets, Task};
use crate::device::Device;
use crate::error::Result;
use crate::eval::{Classification, Evaluation, Forecast, Language, Metrics, Mistake, Regression};
use crate::nn::Weights;
use crate::train::{Outcome, Prepared, Scores, Session, Settings, Start, check_monitors, go_on, model_for};
use base64::Engine;
use serde_json::{Map, Value};

/// Mistakes that a report shows.
const MISTAKES: usize = 24;

/// A session ready to train.
pub struct Job {
    /// The session.
    pub session: Session,
}

/// What a training gave.
pub struct Done {
    /// Its epochs.
    pub outcome: Outcome,
    /// Its scores on data that it has not seen, if there was any.
    pub scored: Option<Scored>,
    /// Under mixed precision: the last loss scale, and the updates that were left
    /// out.
    pub loss_scale: Option<(f32, u32)>,
}

/// Scores of a set.
pub struct Scored {
    /// The loss and what the device counts.
    pub scores: Scores,
    /// Everything else, made of the answers.
    pub evaluation: Evaluation,
}

impl Job {
    /// Builds the model, chooses its kernels and loads the training step.
    pub fn new(device: Device, s: &Settings, p: &Prepared, weights: Weights, tuning: &Tuning) -> Result<Job> {
        check_monitors(s, p.interface.task, p.val.is_some())?;
        let model = model_for(s.model.clone(), &p.train.shape, &p.interface)?;
        tuning.prepare(&device, &model, s, p.train.len())?;
        let mut session = Session::new(device, model, p.interface.clone(), weights)?;
        // What does not fit the device is found here, before anything is written.
        session.prepare_training(&p.train, s)?;
        Ok(Job { session })
    }

    /// Trains, then scores the test set, or the validation set where there is
    /// no other.
    pub fn run(&mut self, s: &Settings, p: &Prepared, mut start: Start, folder: Option<&RunFolder>) -> Result<Done> {
        start.at.data = Some(p.fingerprint());
        folder.map_or(Ok(()), |f| tune::save(f.path(), self.session.device()))?;
        let mut watch = Terminal::new(folder, s, p.train.len(), s.steps(self.session.batches()));
        let outcome = go_on(&mut self.session, &p.train, p.val.as_ref(), s, start, &mut watch)?;
        let mut scored = match (&p.test, &p.val) {
            (Some(set), _) => Some(score(&mut self.session, set, p.naive.test.as_ref(), "test", s.batch_size)?),
            (None, Some(set)) => Some(score(&mut self.session, set, p.naive.val.as_ref(), "validation", s.batch_size)?),
            (None, None) => None,
        };
        let set = p.test.as_ref().or(p.val.as_ref());
        if let (Some(scored), Some(set), Some(_)) = (&mut scored, set, folder)
            && let Metrics::Language(language) = &mut scored.evaluation.metrics
        {
            // A model may be good for scores alone; its report then says so.
            said::add(language, &mut self.session, set).unwrap_or_else(|e| language.notes.push(e.to_string()));
        }
        let loss_scale = self.session.loss_scale()?;
        Ok(Done { outcome, scored, loss_scale })
    }
}

/// Scores a set with a session's weights as they are, and beside a model of a
/// series the forecasts that need none.
pub fn score(session: &mut Session, set: &Dataset, naive: Option<&Naive>, split: &str, batch: usize) -> Result<Scored> {
    // Answers at every position of a text would not fit, nor tell anybody more.
    let (scores, mut answers) = match session.interface.task {
        Task::Language => {
            let scorer = session.scorer(split, set, batch)?;
            (session.score(&scorer)?, vec![])
        }
        _ => session.evaluate(split, set, batch)?,
    };
    let Some(naive) = naive else {
        // Changes that nobody made values of are what they are.
        let changes = session.interface.series.as_ref().is_some_and(|s| s.difference);
        let centres = if changes { vec![0.0; session.interface.outputs.len()] } else { session.interface.centres() };
        return rate(session, set, scores, &answers, split, &centres);
    };
    let naive = naive.first(set.len());
    naive.restore(&mut answers);
    let mut scored = rate(session, &naive.with_truth(set), scores, &answers, split, &session.interface.centres())?;
    scored.evaluation.forecast = Some(Forecast::of(&answers, &naive)?);
    let from = |row: usize| naive.labels.get(row).map(|label| format!("from {label} on"));
    scored.evaluation.mistakes.iter_mut().for_each(|m| m.text = from(m.sample));
    Ok(scored)
}

/// Everything that is said about the answers for a set.
fn rate(
    session: &Session,
    set: &Dataset,
    scores: Scores,
    answers: &[f32],
    split: &str,
    centres: &[f64],
) -> Result<Scored> {
    let names = &session.interface.outputs;
    let (metrics, mistakes) = match &set.targets {
        Targets::Sequence { labels, .. } => {
            let accuracy = scores.accuracy.unwrap_or_default();
            let scored: Vec<u32> = labels.iter().copied().filter(|&l| l != IGNORED).collect();
            let first = if let Samples::Tokens(read) = &set.samples { read.first().copied() } else { None };
            let bytes = session.interface.vocabulary.as_ref().map(|v| v.bytes_behind(first.as_slice(), &scored));
            let language = Language::of(scores.loss, accuracy, set.len(), scored.len(), bytes);
            (Metrics::Language(Box::new(language)), vec![])
        }
        Targets::Classes { labels, .. } => (
            Metrics::Classification(Box::new(Classification::of(answers, labels, names)?)),
            worst_classes(session, set, answers, labels),
        ),
        Targets::Values { values, .. } => (
            Metrics::Regression(Box::new(Regression::about(answers, values, names, centres)?)),
            worst_values(session, set, answers, values, centres),
        ),
    };
    let task = session.interface.task;
    let evaluation = Evaluation { split: split.into(), task, metrics, mistakes, forecast: None };
    Ok(Scored { scores, evaluation })
}

impl Scored {
    /// As JSON, flat: loss and accuracy (or errors), then every figure by its
    /// key, and `precision`, `recall` and `f1` as scikit-learn gives them by
    /// default for two classes (of the second, the `positive_class`), as their macro
    /// averages for more.
    pub fn json(&self) -> Value {
        let mut all = match serde_json::to_value(self.scores).expect("plain data prints") {
            Value::Object(all) => all,
            _ => Map::new(),
        };
        let mut put = |key: &str, value: f64| {
            all.entry(key).or_insert(value.into());
        };
        if let Metrics::Classification(c) = &self.evaluation.metrics {
            let of = match &c.classes[..] {
                [_, positive] => [positive.precision, positive.recall, positive.f1],
                _ => [c.macro_average.precision, c.macro_average.recall, c.macro_average.f1],
            };
            ["precision", "recall", "f1"].iter().zip(of).for_each(|(key, value)| put(key, value));
        }
        self.evaluation.figures().iter().for_each(|f| put(&f.key, f.value));
        if let Some(name) = self.positive_class() {
            all.insert("positive_class".into(), name.into());
        }
        if let Some(f) = &self.evaluation.forecast {
            all.insert("baselines".into(), f.json());
        }
        Value::Object(all)
    }

    /// The class that precision, recall and F1 are of, where there are two.
    fn positive_class(&self) -> Option<&str> {
        match &self.evaluation.metrics {
            Metrics::Classification(c) => match &c.classes[..] {
                [_, positive] => Some(&positive.name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The main figures in a line.
    pub fn line(&self) -> String {
        let json = self.json();
        let figure = |key: &str| json.get(key).and_then(Value::as_f64).map(|v| format!("{key} {v:.4}"));
        let keys: &[&str] = match self.evaluation.task {
            Task::Classification => &["precision", "recall", "f1"],
            Task::Regression => &["r2"],
            Task::Language => &["bits_per_token"],
        };
        let more: Vec<String> = keys.iter().filter_map(|k| figure(k)).collect();
        let of = self.positive_class().map_or(String::new(), |name| format!(" (of \"{name}\")"));
        format!("{} {}{of}", self.scores, more.join(" "))
    }
}

/// The samples to whose class the least probability was given.
fn worst_classes(session: &Session, set: &Dataset, answers: &[f32], labels: &[u32]) -> Vec<Mistake> {
    let names = &session.interface.outputs;
    let row = |i: usize| &answers[i * names.len()..(i + 1) * names.len()];
    let top = |i: usize| (0..names.len()).max_by(|&a, &b| row(i)[a].total_cmp(&row(i)[b]).then(b.cmp(&a))).unwrap_or(0);
    let mut wrong: Vec<usize> = (0..labels.len()).filter(|&i| top(i) != labels[i] as usize).collect();
    wrong.sort_by(|&a, &b| row(a)[labels[a] as usize].total_cmp(&row(b)[labels[b] as usize]).then(a.cmp(&b)));
    let name = |c: usize| names.get(c).cloned().unwrap_or_default();
    let mistake = |i: usize| Mistake {
        label: name(labels[i] as usize),
        predicted: name(top(i)),
        probability: Some(row(i)[top(i)].into()),
        ..shown(session, set, i)
    };
    wrong.into_iter().take(MISTAKES).map(mistake).collect()
}

/// The samples that are farthest off, in deviations of their target.
fn worst_values(session: &Session, set: &Dataset, answers: &[f32], values: &[f32], centres: &[f64]) -> Vec<Mistake> {
    let width = session.interface.outputs.len();
    let scale = &session.interface.target.scale;
    let off =
        |i: usize| (0..width).map(|t| ((answers[i * width + t] - values[i * width + t]) / scale[t]).abs()).sum::<f32>();
    let mut order: Vec<usize> = (0..set.len()).collect();
    order.sort_by(|&a, &b| off(b).total_cmp(&off(a)).then(a.cmp(&b)));
    let number = |(&x, centre): (&f32, &f64)| format!("{:.4}", centre + f64::from(x));
    let numbers = |v: &[f32]| v.iter().zip(centres).map(number).collect::<Vec<_>>().join(", ");
    let mistake = |i: usize| Mistake {
        label: numbers(&values[i * width..(i + 1) * width]),
        predicted: numbers(&answers[i * width..(i + 1) * width]),
        ..shown(session, set, i)
    };
    order.into_iter().take(MISTAKES).map(mistake).collect()
}

/// A sample as its source has it.
fn shown(session: &Session, set: &Dataset, i: usize) -> Mistake {
    Mistake {
        sample: i,
        place: Some(set.place(i)),
        picture: picture(set, i),
        text: text(session, set, i),
        cells: set.cells(i),
        ..Mistake::default()
    }
}

/// A sample as a picture, if it is one.
fn picture(set: &Dataset, i: usize) -> Option<String> {
    let (Samples::Bytes(pixels), &[c, h, w]) = (&set.samples, &set.shape[..]) else { return None };
    let pixels = pixels[i * set.width()..(i + 1) * set.width()].to_vec();
    let tile = Tile { pixels, caption: String::new() };
    let png = sheet::png(&sheet::sheet(&[tile], [c, h, w], 1, ""));
    Some(format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(png)))
}

/// The beginning of a text, as far as the model reads it.
fn text(session: &Session, set: &Dataset, i: usize) -> Option<String> {
    const SHOWN: usize = 400;
    let (Samples::Tokens(tokens), Some(vocabulary)) = (&set.samples, &session.interface.vocabulary) else {
        return None;
    };
    let row = &tokens[i * set.width()..(i + 1) * set.width()];
    // Behind the text there is padding, token 0.
    let end = row.iter().rposition(|&t| t != 0).map_or(0, |last| last + 1);
    Some(vocabulary.decode(&row[..end]).chars().take(SHOWN).collect())
}
