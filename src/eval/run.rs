//! A run's folder as training leaves it: `config.toml`, `run.json`,
//! `metrics.jsonl`, `evaluation.json`, `audit.json`, `advice.json`. These
//! structures are the interface between training and whoever reports on it.
//! Every field but the ones that make no sense alone may be missing.

pub use crate::data::{Place, Task};

use super::forecast::Forecast;
use super::history::{self, EpochRecord};
use super::lost::LostDevice;
use super::metrics::{Figure, Metrics, known};
use super::point::Point;
use crate::error::{Context, Error, Result};
use crate::files;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Figures that a header shows.
pub const KEY_FIGURES: usize = 5;

/// The device a run was on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceUsed {
    /// Its name.
    pub name: String,
    /// What it was spoken to through: Vulkan, Metal, cpu, ..
    pub backend: String,
    /// discrete, integrated, cpu, ..
    pub kind: String,
    /// Its driver and that one's version.
    pub driver: String,
}

/// A layer of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayerInfo {
    /// Its name.
    pub name: String,
    /// Its type, such as Conv2D.
    pub kind: String,
    /// The shape of its output, without the batch.
    pub output: Vec<usize>,
    /// Its parameters, where known.
    pub parameters: Option<u64>,
    /// Whether they are trained.
    pub trainable: bool,
}

/// Samples of each split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleCounts {
    /// Trained on.
    pub train: usize,
    /// Held out while training.
    pub val: usize,
    /// Scored once, at the end.
    pub test: usize,
}

/// Bytes that training takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryUsed {
    /// Of the parameters.
    pub weights: u64,
    /// Of their gradients.
    pub gradients: u64,
    /// Of the optimiser's state.
    pub optimizer: u64,
    /// Of everything between the layers.
    pub activations: u64,
}

/// A figure of the evaluation, for whoever shows a few.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyFigure {
    /// Its name for people.
    pub name: String,
    /// Its value, if it is a finite number.
    pub value: Option<f64>,
    /// Whether it is a share, to be shown in percent.
    pub share: bool,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It goes on, or was killed.
    Running,
    /// All epochs are done.
    Finished,
    /// A limit or early stopping ended it.
    Stopped,
    /// A signal ended it.
    Interrupted,
    /// The loss or the weights were no finite numbers any more.
    Diverged,
    /// An error ended it.
    Failed,
}

/// `run.json`: what a run was, and how it ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunInfo {
    /// The command line, word by word.
    pub command: Vec<String>,
    /// Where it ran.
    pub device: DeviceUsed,
    /// The model's name.
    pub model: String,
    /// Its parameters.
    pub parameters: u64,
    /// Its layers.
    pub layers: Vec<LayerInfo>,
    /// What it does.
    pub task: Task,
    /// What everything random was drawn from.
    pub seed: u64,
    /// The data's name or path.
    pub data: String,
    /// Where it was found: its path from the root, without links; `None` of
    /// built-in data and in runs of earlier versions.
    pub data_path: Option<String>,
    /// The fingerprint of what is trained on and held out.
    pub fingerprint: Option<String>,
    /// How many samples there were.
    pub samples: SampleCounts,
    /// Class names, of a classification.
    pub classes: Vec<String>,
    /// Of two classes that which precision, recall and F1 are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive_class: Option<String>,
    /// Target names, of a regression.
    pub targets: Vec<String>,
    /// Bytes that training took.
    pub memory: MemoryUsed,
    /// Training steps per second, without compilation and evaluation.
    pub steps_per_second: Option<f64>,
    /// Training samples per second, likewise.
    pub samples_per_second: Option<f64>,
    /// Time from the first step to the end.
    pub seconds: Option<f64>,
    /// The program's version.
    pub version: String,
    /// Of a cross-validation: which fold this is, from 1, and of how many.
    pub fold: Option<[usize; 2]>,
    /// Epochs that were asked for; 0 in runs of earlier versions.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// Steps in all, if nothing ends the run before.
    pub steps: usize,
    /// How the run stands; `None` in runs of earlier versions.
    pub state: Option<State>,
    /// Why training ended: `finished`, `interrupted`, .. `None` while it goes on.
    pub stopped: Option<String>,
    /// The key figures of the evaluation.
    pub figures: Vec<KeyFigure>,
    /// The epoch whose weights are the best.
    pub best_epoch: Option<usize>,
    /// The devices that failed on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostDevice>,
    /// Anything else worth saying.
    pub notes: Vec<String>,
}

/// A sample that was predicted wrong.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mistake {
    /// Its number in the split that was scored, from 0.
    #[serde(alias = "row")]
    pub sample: usize,
    /// Where it stands in its source; not known of earlier versions' runs.
    pub place: Option<Place>,
    /// The truth: a class name or a number.
    pub label: String,
    /// What was predicted.
    pub predicted: String,
    /// The probability of what was predicted.
    pub probability: Option<f64>,
    /// The sample as a picture: `data:image/png;base64,..`.
    pub picture: Option<String>,
    /// The sample in words.
    pub text: Option<String>,
    /// Its columns and cells as its table has them; `None` is a missing cell.
    pub cells: Vec<(String, Option<String>)>,
}

/// `evaluation.json`: how good the model is on data it has not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// `test` or `validation`.
    pub split: String,
    /// What the model does.
    #[serde(default)]
    pub task: Task,
    /// How well.
    pub metrics: Metrics,
    /// What registered metrics say, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub custom: BTreeMap<String, f64>,
    /// The worst mistakes, worst first.
    #[serde(default)]
    pub mistakes: Vec<Mistake>,
    /// Of a series: what forecasts without a model score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
}

/// Everything a run's folder holds.
#[derive(Debug, Clone, Default)]
pub struct RunFiles {
    /// The folder.
    pub folder: PathBuf,
    /// `config.toml`: the resolved settings.
    pub config: toml::Table,
    /// `run.json`.
    pub info: RunInfo,
    /// The epochs in `metrics.jsonl`.
    pub epochs: Vec<EpochRecord>,
    /// The points of the curves in it.
    pub points: Vec<Point>,
    /// The devices in it that failed on the way.
    pub lost: Vec<LostDevice>,
    /// `evaluation.json`.
    pub evaluation: Option<Evaluation>,
    /// `audit.json`, as it is.
    pub audit: Option<serde_json::Value>,
    /// `advice.json`.
    pub advice: Option<Vec<String>>,
}

impl RunFiles {
    /// Reads a run's folder. Each file may be missing, though not all.
    pub fn load(folder: &Path) -> Result<RunFiles> {
        let known = ["config.toml", "run.json", "metrics.jsonl", "evaluation.json"];
        if !known.iter().any(|name| folder.join(name).exists()) {
            return Err(Error::data(format!(
                "{} holds no run: none of {} is there; expected the folder of a `wgrad train`",
                folder.display(),
                known.join(", ")
            )));
        }
        let config = files::read(&folder.join("config.toml"))?.unwrap_or_default();
        let config = config
            .parse()
            .map_err(|e| Error::data(format!("{} is not valid TOML: {e}", folder.join("config.toml").display())))?;
        let history = history::read(folder)?;
        let evaluation: Option<Evaluation> = json(folder, "evaluation.json")?;
        if let Some(evaluation) = &evaluation {
            let place = || format!("{} contradicts itself", folder.join("evaluation.json").display());
            evaluation.metrics.check().context(place)?;
        }
        Ok(RunFiles {
            folder: folder.to_path_buf(),
            config,
            info: json(folder, "run.json")?.unwrap_or_default(),
            epochs: history.epochs,
            points: history.points,
            lost: history.lost,
            evaluation,
            audit: json(folder, "audit.json")?,
            advice: json(folder, "advice.json")?,
        })
    }

    /// A short name: the folder's own.
    pub fn name(&self) -> String {
        let whole = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        let name = whole.file_name().map(|n| n.to_string_lossy().into_owned());
        name.unwrap_or_else(|| self.folder.display().to_string())
    }

    /// The epoch with the lowest validation loss (training loss without
    /// validation).
    pub fn best(&self) -> Option<&EpochRecord> {
        let judged = |e: &&EpochRecord| e.judged().is_some_and(f64::is_finite);
        let by_loss = |a: &&EpochRecord, b: &&EpochRecord| {
            let loss = |e: &EpochRecord| e.judged().unwrap_or(f64::INFINITY);
            loss(a).total_cmp(&loss(b)).then(a.epoch.cmp(&b.epoch))
        };
        self.epochs.iter().filter(judged).min_by(by_loss)
    }
}

impl RunInfo {
    /// Writes `run.json`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_json(folder, "run.json", self)
    }

    /// How the run stands, also of a run of an earlier version.
    pub fn state(&self) -> State {
        self.state.unwrap_or(match self.stopped.as_deref() {
            None => State::Running,
            Some("finished") => State::Finished,
            Some(why) if why.starts_with("interrupted") => State::Interrupted,
            Some(_) => State::Stopped,
        })
    }

    /// Reads `run.json`, if there is one.
    pub fn read(folder: &Path) -> Result<Option<RunInfo>> {
        json(folder, "run.json")
    }
}

impl Evaluation {
    /// All figures, most telling first.
    pub fn figures(&self) -> Vec<Figure> {
        let of_forecast = self.forecast.iter().flat_map(Forecast::figures);
        let of_custom = self.custom.iter().filter_map(|(key, v)| Some(Figure::of(known::of(key)?, None, *v)));
        of_forecast.chain(self.metrics.figures()).chain(of_custom).collect()
    }

    /// Every figure by its key, as [`Metrics::by_key`].
    pub fn by_key(&self) -> BTreeMap<String, f64> {
        let of_forecast = self.forecast.iter().flat_map(Forecast::figures).map(|f| (f.key, f.value));
        self.metrics.by_key().into_iter().chain(self.custom.clone()).chain(of_forecast).collect()
    }

    /// The figures to show where there is room for a few.
    pub fn key_figures(&self) -> Vec<KeyFigure> {
        let key =
            |f: Figure| KeyFigure { name: f.name, value: Some(f.value).filter(|v| v.is_finite()), share: f.share };
        self.figures().into_iter().take(KEY_FIGURES).map(key).collect()
    }

    /// Writes `evaluation.json`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        // On one line: its curves are long lists of numbers.
        let text = serde_json::to_string(self).expect("plain data prints") + "\n";
        files::write(&folder.join("evaluation.json"), text.as_bytes())
    }
}

/// Writes a JSON file of a run: `run.json`, `audit.json`, `advice.json`, ..
pub fn write_json(folder: &Path, name: &str, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).expect("plain data prints") + "\n";
    files::write(&folder.join(name), text.as_bytes())
}

fn json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>> {
    let path = folder.join(name);
    let Some(text) = files::read(&path)? else { return Ok(None) };
    let parsed = serde_json::from_str(&text).map(Some);
    parsed.map_err(Error::data).context(|| format!("{} is not what a run writes", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metrics::Classification;

    #[test]
    fn a_run_survives_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let info = RunInfo { model: "mlp".into(), seed: 7, stopped: Some("finished".into()), ..RunInfo::default() };
        info.write(dir.path()).unwrap();
        let names = ["a".to_string(), "b".to_string()];
        let scored = Classification::of(&[0.25, 0.75, 0.5, 0.5], &[1, 1], &names).unwrap();
        let evaluation = Evaluation {
            split: "test".into(),
            task: Task::Classification,
            metrics: Metrics::Classification(Box::new(scored)),
            custom: Default::default(),
            mistakes: vec![
                Mistake {
                    sample: 1,
                    place: Some(Place::Row { row: 17, line: 23 }),
                    label: "b".into(),
                    predicted: "a".into(),
                    cells: vec![("x".into(), Some("1.50".into())), ("y".into(), None)],
                    ..Mistake::default()
                },
                Mistake { place: Some(Place::File { file: "cat/1.png".into() }), ..Mistake::default() },
                Mistake { place: Some(Place::Index { index: 3, of: "a.npz test".into() }), ..Mistake::default() },
            ],
            forecast: Some(Forecast { horizon: 3, ..Forecast::default() }),
        };
        evaluation.write(dir.path()).unwrap();
        std::fs::write(dir.path().join("config.toml"), "model = \"mlp\"\n[train]\nepochs = 3\n").unwrap();
        let files = RunFiles::load(dir.path()).unwrap();
        assert_eq!(files.info, info);
        assert_eq!(files.evaluation, Some(evaluation));
        assert_eq!(files.config["train"]["epochs"].as_integer(), Some(3));
        assert!(files.epochs.is_empty() && files.best().is_none());
    }

    #[test]
    fn a_run_of_an_earlier_version_still_loads() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("run.json"), "{\"model\":\"mlp\",\"news\":1}").unwrap();
        std::fs::write(dir.path().join("metrics.jsonl"), "{\"epoch\":1,\"train\":{\"loss\":2}}\n").unwrap();
        let files = RunFiles::load(dir.path()).unwrap();
        assert_eq!((files.info.model.as_str(), files.epochs.len(), files.points.len()), ("mlp", 1, 0));
        assert_eq!(files.info.state(), State::Running);
        let ended = |why: &str| RunInfo { stopped: Some(why.into()), ..RunInfo::default() }.state();
        assert_eq!(["finished", "max_steps: 7"].map(ended), [State::Finished, State::Stopped]);
        assert_eq!(files.best().unwrap().judged(), Some(2.0));
        let mistake: Mistake = serde_json::from_str("{\"row\":4,\"label\":\"a\"}").unwrap();
        assert_eq!((mistake.sample, mistake.place), (4, None));
    }

    #[test]
    fn what_is_no_run_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let message = RunFiles::load(dir.path()).unwrap_err().to_string();
        assert!(message.contains("holds no run"), "{message}");
        std::fs::write(dir.path().join("run.json"), "{\"model\":").unwrap();
        let message = RunFiles::load(dir.path()).unwrap_err().to_string();
        assert!(message.contains("run.json is not what a run writes"), "{message}");
    }
}
