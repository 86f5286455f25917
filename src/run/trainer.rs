//! A run described in Rust: everything that a configuration can say, with types.

use super::callbacks::Callbacks;
use super::config;
use super::kinds::{Sets, Wants};
use super::observer::Observer;
use super::predictor::Predictor;
use super::request::DeviceRequest;
use super::train::{Data, Earlier, Part, Place, Request, Trained, train};
use crate::data::series::SeriesOptions;
use crate::data::{self, Dataset, Elements};
use crate::error::{Error, Result};
use crate::eval::Evaluation;
use crate::nn::{Description, Sequential};
use crate::ranks::World;
use crate::train::checkpoint::{Loaded, NameMap};
use crate::train::defaults::{ARRAYS, Defaults, IMAGES};
use crate::train::{Control, EarlyStopping, Epoch, Optimizer, Schedule, Scores, Settings, Source, count, set};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// A model by name, in a file, or built in code.
#[derive(Debug, Clone)]
pub enum ModelSpec {
    /// A preset, or a description in a TOML file.
    Named(String),
    /// A description.
    Described(Box<Description>),
}

impl From<&str> for ModelSpec {
    fn from(name: &str) -> ModelSpec {
        ModelSpec::Named(name.into())
    }
}

impl From<Description> for ModelSpec {
    fn from(description: Description) -> ModelSpec {
        ModelSpec::Described(Box::new(description))
    }
}

impl From<Sequential> for ModelSpec {
    fn from(layers: Sequential) -> ModelSpec {
        layers.describe("model").into()
    }
}

/// Data by name, in memory, or of a kind of your own.
pub enum DataSpec {
    /// `digits`, or a path: a folder, a table, arrays, a text.
    Named(String),
    /// Samples with targets.
    Set(Box<Dataset>),
    /// What says by itself how it is split and made into sets.
    Source(Box<dyn Source>),
}

impl From<&str> for DataSpec {
    fn from(source: &str) -> DataSpec {
        DataSpec::Named(source.into())
    }
}

impl From<&Path> for DataSpec {
    fn from(path: &Path) -> DataSpec {
        DataSpec::Named(path.display().to_string())
    }
}

impl From<Dataset> for DataSpec {
    fn from(set: Dataset) -> DataSpec {
        DataSpec::Set(Box::new(set))
    }
}

impl From<Box<dyn Source>> for DataSpec {
    fn from(source: Box<dyn Source>) -> DataSpec {
        DataSpec::Source(source)
    }
}

/// A change of settings.
type Change = Box<dyn FnOnce(&mut Settings)>;

/// A training that is to be run. What is not said has the defaults that `wgrad train` has
/// for the same kind of data.
///
/// ```
/// use wgrad::prelude::*;
///
/// # fn main() -> wgrad::Result<()> {
/// // Points on two rings, 64 of each class.
/// let ring = |i: usize| [(0.1 * i as f32).cos(), (0.1 * i as f32).sin()].map(|x| x * (1.0 + (i % 2) as f32));
/// let samples: Vec<f32> = (0..128).flat_map(ring).collect();
/// let labels: Vec<u32> = (0..128).map(|i| i % 2).collect();
/// let rings = Dataset::of_classes("rings", &[2], samples, labels, &["inner", "outer"])?;
///
/// let model = Sequential::new().add(Dense::new(16).activation("relu")).add(Dense::new(2));
/// let trained = Trainer::new().model(model).data(rings).epochs(60).lr(0.02).device("cpu").fit()?;
/// assert!(trained.figure("accuracy").unwrap() > 0.9);
///
/// let mut predictor = trained.into_predictor()?;
/// let answer = &predictor.tensors(&[0.0, 2.0])?[0];
/// assert_eq!(answer.class(), Some("outer"));
/// # Ok(())
/// # }
/// ```
pub struct Trainer {
    model: Option<ModelSpec>,
    data: Option<DataSpec>,
    held_out: [Option<Dataset>; 2],
    keys: Vec<(String, Value)>,
    changes: Vec<Change>,
    device: DeviceRequest,
    out: Option<PathBuf>,
    resume: bool,
    init: Option<PathBuf>,
    init_map: NameMap,
    tune: bool,
    callbacks: Callbacks,
}

impl Default for Trainer {
    fn default() -> Trainer {
        Trainer::new()
    }
}

impl Trainer {
    /// The built-in digits and their usual model, on the best device, with no folder.
    pub fn new() -> Trainer {
        Trainer {
            model: None,
            data: None,
            held_out: [None, None],
            keys: vec![],
            changes: vec![],
            device: DeviceRequest::named(std::env::var("WGRAD_DEVICE").unwrap_or_default()),
            out: None,
            resume: false,
            init: None,
            init_map: NameMap::default(),
            tune: true,
            callbacks: Callbacks::default(),
        }
    }

    /// The model: a preset, a file, or layers.
    pub fn model(self, model: impl Into<ModelSpec>) -> Trainer {
        Trainer { model: Some(model.into()), ..self }
    }

    /// What is trained on. Where no validation set is given, a part of it is held out
    /// ([`Settings`]' `data.val_split`, a tenth).
    pub fn data(self, data: impl Into<DataSpec>) -> Trainer {
        Trainer { data: Some(data.into()), ..self }
    }

    /// A validation set in memory, for data that is in memory.
    pub fn validation(mut self, set: Dataset) -> Trainer {
        self.held_out[0] = Some(set);
        self
    }

    /// A test set in memory, for data that is in memory.
    pub fn test(mut self, set: Dataset) -> Trainer {
        self.held_out[1] = Some(set);
        self
    }

    /// The column of a table that is to be predicted.
    pub fn target(self, column: &str) -> Trainer {
        self.key("data.target", column)
    }

    /// Takes a table for a series: rows in the order of time, of which a window foretells
    /// what follows.
    pub fn series(self, options: SeriesOptions) -> Trainer {
        options.to_table().into_iter().fold(self, |all, (key, value)| all.key(&format!("data.{key}"), value))
    }

    /// Passes over the training data.
    pub fn epochs(self, n: usize) -> Trainer {
        self.key("train.epochs", count(n))
    }

    /// Samples per step.
    pub fn batch_size(self, n: usize) -> Trainer {
        self.key("train.batch_size", count(n))
    }

    /// Seeds initialisation, shuffling, dropout and splits.
    pub fn seed(self, seed: u32) -> Trainer {
        self.key("train.seed", i64::from(seed))
    }

    /// The most bytes of memory that the samples of a data set by name take: a larger folder
    /// of pictures, or larger set of IDX, CIFAR or NumPy's files, is read while it is trained
    /// on. A quarter of the free memory without this.
    pub fn data_memory(self, bytes: u64) -> Trainer {
        self.key("data.memory", bytes.to_string())
    }

    /// A folder that keeps the decoded pictures of such a set.
    pub fn data_cache(self, folder: impl AsRef<Path>) -> Trainer {
        self.key("data.cache", folder.as_ref().display().to_string())
    }

    /// The learning rate.
    pub fn lr(self, lr: f64) -> Trainer {
        self.key("optimizer.lr", lr)
    }

    /// The loss by name, as in `[loss]`, or one that was registered.
    pub fn loss(self, name: &str) -> Trainer {
        self.key("loss.name", name)
    }

    /// The optimiser.
    pub fn optimizer(self, optimizer: Optimizer) -> Trainer {
        self.settings(move |s| s.update.optimizer = optimizer)
    }

    /// How the learning rate changes.
    pub fn schedule(self, schedule: Schedule) -> Trainer {
        self.settings(move |s| s.update.schedule = schedule)
    }

    /// When the run ends early, and what counts as better.
    pub fn early_stopping(self, rule: EarlyStopping) -> Trainer {
        self.settings(move |s| s.early_stopping = rule)
    }

    /// Changes any setting, after all defaults are in place.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings) + 'static) -> Trainer {
        self.changes.push(Box::new(change));
        self
    }

    /// The device by name: `cpu`, `auto`, an adapter's number or part of its name.
    pub fn device(self, name: &str) -> Trainer {
        Trainer { device: DeviceRequest::named(name), ..self }
    }

    /// Keeps the run's files in this folder; without one nothing is written.
    pub fn out(self, folder: impl Into<PathBuf>) -> Trainer {
        Trainer { out: Some(folder.into()), ..self }
    }

    /// Goes on in a run's folder from its last checkpoint, to the bits of a run that was
    /// never stopped: with the settings that it was made with, and what is said here over
    /// them as far as it may change on the way, such as more epochs. Data that is in memory,
    /// and settings that were changed by [`Trainer::settings`], are to be given again. A
    /// folder without a checkpoint is trained anew.
    pub fn resume(self, folder: impl Into<PathBuf>) -> Trainer {
        Trainer { out: Some(folder.into()), resume: true, ..self }
    }

    /// Begins with the weights of a run or a file, where names and shapes agree.
    pub fn init(self, run: impl Into<PathBuf>) -> Trainer {
        Trainer { init: Some(run.into()), ..self }
    }

    /// Maps beginnings of the names in that file before they are matched:
    /// `"model.=,encoder.=enc."`.
    ///
    /// Fails where that is not a map.
    pub fn init_map(self, map: &str) -> Result<Trainer> {
        Ok(Trainer { init_map: NameMap::parse(map)?, ..self })
    }

    /// Whether a GPU's fastest kernels are looked for; it takes some seconds once.
    pub fn tune(self, tune: bool) -> Trainer {
        Trainer { tune, ..self }
    }

    /// Whoever watches.
    pub fn observer(self, observer: impl Observer + 'static) -> Trainer {
        let callbacks = Callbacks { inner: Box::new(observer), ..self.callbacks };
        Trainer { callbacks, ..self }
    }

    /// Calls this after every epoch: it may log, stop the training, or scale the learning
    /// rate.
    pub fn on_epoch(mut self, callback: impl FnMut(&Epoch, &mut Control) + 'static) -> Trainer {
        self.callbacks.on_epoch.push(Box::new(callback));
        self
    }

    /// Calls this while an epoch is under way, after every few batches that are handed to
    /// the device, with their number and the scores of the latest that have come back.
    pub fn on_step(mut self, callback: impl FnMut(usize, Option<&Scores>, &mut Control) + 'static) -> Trainer {
        self.callbacks.on_step.push(Box::new(callback));
        self
    }

    fn key(mut self, path: &str, value: impl Into<Value>) -> Trainer {
        self.keys.push((path.into(), value.into()));
        self
    }

    /// Trains, and scores on the test set, or on the validation set where there is no
    /// other.
    ///
    /// Fails when the data, the model and the settings do not go together, with what was
    /// found and what is expected; when the device cannot do it; and when the run diverges.
    pub fn fit(self) -> Result<Trained> {
        crate::onnx::register()?;
        let Trainer { model, data, held_out, keys, changes, device, out, resume, init, init_map, tune, mut callbacks } =
            self;
        let observer = &mut callbacks;
        let mut earlier = out.as_deref().filter(|_| resume).map(Earlier::open).transpose()?;
        let before = match &earlier {
            Some(earlier) if earlier.was_begun() => Some(config::saved(earlier.path(), observer)?),
            _ => None,
        };
        let (mut table, before) = before.map_or((Table::new(), None), |(table, settings)| (table, Some(settings)));
        keys.into_iter().try_for_each(|(path, value)| set(&mut table, &path, value))?;
        let described = match model {
            Some(ModelSpec::Named(name)) => {
                table.insert("model".into(), name.into());
                None
            }
            Some(ModelSpec::Described(description)) => Some(*description),
            None => None,
        };
        let [val, test] = held_out;
        if !matches!(data, Some(DataSpec::Set(_))) && (val.is_some() || test.is_some()) {
            return Err(Error::usage(
                "a validation or test set in memory goes with training data in memory; leave it out, or give the \
                 training data as a Dataset",
            ));
        }
        let (mut settings, data) = match data {
            None | Some(DataSpec::Named(_)) => {
                match (data, &before) {
                    (Some(DataSpec::Named(source)), _) => set(&mut table, "data.source", source.into())?,
                    (_, Some(before)) => {
                        let folder = out.as_deref().expect("what was begun has a folder");
                        config::locate(&mut table, &before.data.source, folder, observer)?;
                    }
                    _ => set(&mut table, "data.source", data::BUILT_IN.into())?,
                }
                let of_table = Wants::of(&table);
                let wants = Wants { reads: described.as_ref().map_or(of_table.reads, |d| Some(d.reads)), ..of_table };
                let config::Configured { settings, found } = config::settle_as(table, &wants, observer)?;
                (settings, Data::Named(found))
            }
            Some(DataSpec::Set(set)) => {
                for part in [Some(&*set), val.as_ref(), test.as_ref()].into_iter().flatten() {
                    part.check()?;
                }
                let defaults = if set.samples.kind() == Elements::Bytes { &IMAGES } else { &ARRAYS };
                let source = Sets { train: *set, val, test, levels: None, groups: None };
                in_memory(table, defaults, Box::new(source))?
            }
            Some(DataSpec::Source(source)) => in_memory(table, &ARRAYS, source)?,
        };
        described.into_iter().for_each(|d| settings.take_model(d));
        changes.into_iter().for_each(|change| change(&mut settings));
        if let (Some(earlier), Some(before)) = (&mut earlier, &before) {
            config::check_resumed(earlier.path(), before, &settings)?;
            earlier.agree(&settings, observer)?;
        }
        let place = match (earlier, out) {
            (Some(earlier), _) => Place::Resumed(earlier),
            (None, Some(folder)) => Place::Folder(folder),
            (None, None) => Place::Nowhere,
        };
        train(
            settings,
            data,
            Request { device, place, init, init_map, part: Part::All, tune, world: World::default() },
            &mut callbacks,
        )
    }
}

/// The settings of a run on data that is there already.
fn in_memory(mut table: Table, defaults: &Defaults, source: Box<dyn Source>) -> Result<(Settings, Data)> {
    defaults.fill_in(&mut table)?;
    let mut settings = Settings::read(table)?;
    settings.data.source = source.name().into();
    Ok((settings, Data::Open(source)))
}

impl Trained {
    /// The epochs, in order.
    pub fn history(&self) -> &[Epoch] {
        &self.done.outcome.epochs
    }

    /// Everything that is said about the answers for the test set, or the validation set
    /// where there is no other.
    pub fn evaluation(&self) -> Option<&Evaluation> {
        self.done.scored.as_ref().map(|s| &s.evaluation)
    }

    /// A figure of that evaluation by the key that `--json` gives it: `accuracy`, `f1`,
    /// `rmse`, `loss`.
    pub fn figure(&self, key: &str) -> Option<f64> {
        self.done.scored.as_ref()?.json().get(key)?.as_f64()
    }

    /// Saves the weights, with what is needed to answer with them: see
    /// [`Predictor::open`].
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.session.save(path.as_ref())
    }

    /// The trained model as one that answers, on the same device.
    pub fn into_predictor(mut self) -> Result<Predictor> {
        let (weights, about) = (self.session.weights()?, self.session.about());
        let (model, device) = (self.session.model.clone(), self.session.device().clone());
        drop(self.session);
        Predictor::of(model, Loaded { weights, about, state: Default::default() }, device)
    }
}
