//! Everything that decides a run, read from TOML tables. The command line
//! writes its flags into the same tables first, so there is one reader, one
//! set of names and one set of messages.

use super::defaults::IMAGES;
use super::flight::settings::{FlightSettings, OnNan};
use super::resident;
use super::text::TextSettings;
use super::{Augment, EarlyStopping, Loss, LossName, RecoverySettings, UpdateSettings};
use crate::data::series::SeriesOptions;
use crate::data::{self, OpenOptions, TableOptions};
use crate::error::{Context, Error, Result, unknown};
use crate::keys::Keys;
use crate::nn::{Activation, Description, Reads};
use crate::ops::unary::Function;
use crate::plan::{Choices, Options as PlanOptions, Precision, Recompute, Target, parse_bytes};
use std::path::PathBuf;
use toml::{Table, Value};

/// How rows are chosen to be held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitBy {
    /// Stratified for classes, at random for numbers.
    Auto,
    /// The same share of every class.
    Stratified,
    /// At random.
    Random,
    /// The last rows.
    Time,
}

const SPLITS: &[(&str, SplitBy)] = &[
    ("auto", SplitBy::Auto),
    ("stratified", SplitBy::Stratified),
    ("random", SplitBy::Random),
    ("time", SplitBy::Time),
];

/// What is trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSettings {
    /// The data's name or path.
    pub source: String,
    /// The share of the training data held out for validation.
    pub val_split: f64,
    /// How it is chosen.
    pub split: SplitBy,
    /// Cross-validation in so many folds; 0 for none.
    pub folds: usize,
    /// Whether the models of the folds answer together afterwards.
    pub keep_folds: bool,
    /// Whether classes whose names are read alike, such as `yes` and `Yes`, are one.
    pub normalize_classes: bool,
    /// Of two classes that which precision, recall and F1 are of; `None` finds it.
    pub positive: Option<String>,
    /// Size and channels of images.
    pub images: OpenOptions,
    /// Target, task, cleaning of tables, and the normalisation of any data.
    pub table: TableOptions,
    /// How texts become tokens and samples.
    pub text: TextSettings,
    /// Window and horizon, where a table is a series in time.
    pub series: Option<SeriesOptions>,
    /// Bytes of samples that may lie on the device at a time.
    pub device_bytes: Option<u64>,
    /// Bytes of decoded samples that may be in the host's memory: a larger set is read window
    /// by window. `None` for a quarter of the free memory.
    pub memory: Option<u64>,
    /// The folder in which decoded pictures of such a set are kept.
    pub cache: Option<PathBuf>,
}

impl DataSettings {
    fn read(keys: &mut Keys) -> Result<DataSettings> {
        let source = keys.text("source")?.map_or_else(|| data::BUILT_IN.into(), data::settled);
        let split = keys.text("split")?.unwrap_or_else(|| "auto".into());
        let found = SPLITS.iter().find(|(n, _)| *n == split).map(|(_, s)| *s);
        let device_mb = keys.real("device_mb", 0.0, 1e9, Some(0.0))?;
        let folds = keys.count("folds", 0, Some(0))?;
        if folds == 1 {
            return Err(Error::model("[data]: folds = 1; expected 0 for none, or at least 2"));
        }
        Ok(DataSettings {
            source,
            val_split: keys.real("val_split", 0.0, 0.95, Some(0.1))?,
            split: found.ok_or_else(|| unknown("split", &split, SPLITS.iter().map(|(n, _)| *n)))?,
            folds,
            keep_folds: keys.flag("keep_folds", false)?,
            normalize_classes: keys.flag("normalize_classes", false)?,
            positive: positive(keys)?,
            images: OpenOptions::read(keys)?,
            table: TableOptions::read(keys)?,
            text: TextSettings::read(keys)?,
            series: SeriesOptions::read(keys)?,
            memory: memory(keys)?,
            cache: keys.text("cache")?.filter(|folder| !folder.is_empty()).map(PathBuf::from),
            device_bytes: (device_mb > 0.0).then_some((device_mb * 1024.0 * 1024.0) as u64),
        })
    }

    /// As TOML: `[data]`, in which `clean` stands too.
    fn to_table(&self) -> Table {
        let split = SPLITS.iter().find(|(_, s)| *s == self.split).expect("every split has a name").0;
        let auto = || "auto".to_string();
        let own: [(&str, Value); 9] = [
            ("source", self.source.clone().into()),
            ("val_split", self.val_split.into()),
            ("split", split.into()),
            ("folds", (self.folds as i64).into()),
            ("keep_folds", self.keep_folds.into()),
            ("normalize_classes", self.normalize_classes.into()),
            ("memory", self.memory.map_or_else(auto, |bytes| bytes.to_string()).into()),
            ("cache", self.cache.as_ref().map_or_else(String::new, |p| p.display().to_string()).into()),
            ("device_mb", (self.device_bytes.unwrap_or(0) as f64 / 1024.0 / 1024.0).into()),
        ];
        let mut table = Table::from_iter(own.map(|(k, v)| (k.to_string(), v)));
        table.extend(self.positive.iter().map(|class| ("positive".to_string(), class.clone().into())));
        table.extend(self.images.to_table());
        table.extend(self.table.to_table());
        table.extend(self.text.to_table());
        table.extend(self.series.iter().flat_map(SeriesOptions::to_table));
        table
    }
}

/// Everything that decides a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is trained on.
    pub data: DataSettings,
    /// How training samples are changed.
    pub augment: Augment,
    /// The model.
    pub model: Description,
    /// Passes over the training data.
    pub epochs: usize,
    /// Steps that a run has at least: its epochs are raised to that once the training samples
    /// are there ([`Settings::settle`]); 0 leaves them as they are.
    pub min_steps: usize,
    /// Samples per step.
    pub batch_size: usize,
    /// Whether `batch_size` is not decided yet: it is to be the largest that fits.
    pub auto_batch: bool,
    /// Seeds initialisation, shuffling, dropout, splits and built-in data.
    pub seed: u32,
    /// Whether each epoch takes the samples in a new order.
    pub shuffle: bool,
    /// How gradients become updates: optimiser, schedule, penalties, groups.
    pub update: UpdateSettings,
    /// What is minimised.
    pub loss: Loss,
    /// When the run ends early, and what counts as better.
    pub early_stopping: EarlyStopping,
    /// Ends the run after so many steps, which are updates of the weights; the
    /// schedule still spans the epochs.
    pub max_steps: Option<usize>,
    /// Ends the run after so many seconds.
    pub max_seconds: Option<f64>,
    /// Steps between checkpoints, besides those after each epoch.
    pub checkpoint_every: Option<usize>,
    /// Checkpoints by step that are kept, besides the last and the best.
    pub keep_last: usize,
    /// What is done about numbers that are not finite or not right.
    pub flight: FlightSettings,
    /// What is done about a device that fails.
    pub recovery: RecoverySettings,
    /// What the plan of the training step may do.
    pub plan: PlanOptions,
}

/// What a key says that is to be decided by the program.
pub const AUTO: &str = "auto";

impl Settings {
    /// Fails where the batch size is still to be decided.
    pub(super) fn check_decided(&self) -> Result<()> {
        match self.auto_batch {
            true => Err(Error::usage("batch_size = \"auto\" is for a training of its own; expected a number here")),
            false => Ok(()),
        }
    }

    /// The most bytes of samples that such a training has on a device at once.
    pub fn most_data(&self, device: &Target) -> u64 {
        resident::budget(device, self.data.device_bytes)
    }

    /// Whether the loss is one of values, or the model ends as one of probabilities
    /// of their own does: whole floats are then no classes.
    pub fn asks_for_values(&self) -> bool {
        !matches!(self.loss.name, LossName::Auto | LossName::CrossEntropy)
            || self.model.ends_in(Activation::Elementwise(Function::Sigmoid)).is_some()
    }
}

impl Default for Settings {
    /// What an empty configuration means.
    fn default() -> Settings {
        Settings::read(Table::new()).expect("every setting has a valid default")
    }
}

impl Settings {
    /// Reads all settings from a table, and opens no file of data. What the table leaves out
    /// has a default: [`super::defaults`] has those by the kind of data, to be filled in
    /// first; without that they are those of images.
    ///
    /// A table with optimiser, learning rate or schedule gets PyTorch's defaults for the
    /// others of the three, and a constant rate.
    pub fn read(mut table: Table) -> Result<Settings> {
        IMAGES.fill_in(&mut table)?;
        let mut keys = Keys::new(table, "configuration");
        let section = |keys: &mut Keys, name: &'static str| -> Result<Keys> {
            Ok(Keys::new(keys.table(name)?.unwrap_or_default(), format!("[{name}]")))
        };
        // Cleaning stands beside [data] in a file, and is one of its keys here.
        let mut data_table = keys.table("data")?.unwrap_or_default();
        if data_table.contains_key("clean") {
            return Err(Error::model("[data]: clean; expected a table [clean] of its own"));
        }
        data_table.extend(keys.table("clean")?.map(|c| ("clean".to_string(), Value::Table(c))));
        let mut data_keys = Keys::new(data_table, "[data]");
        let data = DataSettings::read(&mut data_keys)?;
        data_keys.finish()?;
        let mut augment_keys = section(&mut keys, "augment")?;
        let augment = Augment::read(&mut augment_keys)?;
        augment_keys.finish()?;
        let model = match keys.take("model") {
            None => return Err(Error::model("no model is named")),
            Some(Value::String(name)) => Description::named(&name)?,
            Some(Value::Table(t)) => Description::from_table(t)?,
            Some(v) => return Err(Error::model(format!("model = {v}; expected a name, a file or a [model] table"))),
        };
        let mut train = section(&mut keys, "train")?;
        let epochs = train.count("epochs", 1, None)?;
        let min_steps = train.count("min_steps", 0, Some(0))?;
        let auto_batch = train.peek("batch_size").and_then(Value::as_str) == Some(AUTO);
        if auto_batch {
            drop(train.take("batch_size"));
        }
        let batch_size = train.count("batch_size", 1, auto_batch.then_some(1))?;
        let seed = train.count("seed", 0, Some(0))?;
        let seed = u32::try_from(seed)
            .map_err(|_| Error::model(format!("[train]: seed = {seed}; expected at most {}", u32::MAX)))?;
        let shuffle = train.flag("shuffle", true)?;
        let update = UpdateSettings::read(&mut keys, &mut train)?;
        let optional = |n: usize| (n > 0).then_some(n);
        let max_steps = optional(train.count("max_steps", 0, Some(0))?);
        let max_seconds = Some(train.real("max_time", 0.0, 1e9, Some(0.0))?).filter(|&t| t > 0.0);
        let checkpoint_every = optional(train.count("checkpoint_every", 0, Some(0))?);
        let keep_last = train.count("keep_last", 0, Some(0))?;
        let flight = FlightSettings::read(&mut train)?;
        let plan = plan_options(&mut train)?;
        train.finish()?;
        let asked = keys.has("early_stopping");
        let mut stopping = section(&mut keys, "early_stopping")?;
        let early_stopping = EarlyStopping::read(&mut stopping, asked)?;
        stopping.finish()?;
        let mut recovery_keys = section(&mut keys, "recovery")?;
        let recovery = RecoverySettings::read(&mut recovery_keys)?;
        recovery_keys.finish()?;
        let mut loss_keys = section(&mut keys, "loss")?;
        let loss = Loss::read(&mut loss_keys)?;
        loss_keys.finish()?;
        keys.finish()?;
        let mut settings = Settings {
            data,
            augment,
            model: model.clone(),
            epochs,
            min_steps,
            batch_size,
            auto_batch,
            seed,
            shuffle,
            update,
            loss,
            early_stopping,
            max_steps,
            max_seconds,
            checkpoint_every,
            keep_last,
            flight,
            recovery,
            plan,
        };
        settings.take_model(model);
        Ok(settings)
    }

    /// Puts another model in place.
    pub fn take_model(&mut self, mut model: Description) {
        // What a description says of its input is what it reads if nothing else is said.
        if let (true, Some(context)) = (model.reads == Reads::Text, self.data.text.context) {
            model.input = Some([context].into());
        }
        if model.reads == Reads::Series && self.data.series.is_none() {
            self.data.series = Some(SeriesOptions::default());
        }
        self.model = model;
    }

    /// All settings as TOML: read back, they give the same run.
    pub fn to_table(&self) -> Table {
        let mut all = Table::new();
        let mut data = self.data.to_table();
        let clean = data.remove("clean");
        all.insert("data".into(), Value::Table(data));
        all.extend(clean.map(|c| ("clean".to_string(), c)));
        all.insert("augment".into(), Value::Table(self.augment.to_table()));
        let mut train = Table::from_iter(
            [
                ("epochs", (self.epochs as i64).into()),
                ("min_steps", (self.min_steps as i64).into()),
                ("batch_size", if self.auto_batch { AUTO.into() } else { (self.batch_size as i64).into() }),
                ("seed", i64::from(self.seed).into()),
                ("shuffle", self.shuffle.into()),
                ("max_steps", (self.max_steps.unwrap_or(0) as i64).into()),
                ("max_time", self.max_seconds.unwrap_or(0.0).into()),
                ("checkpoint_every", (self.checkpoint_every.unwrap_or(0) as i64).into()),
                ("keep_last", (self.keep_last as i64).into()),
                ("fuse", self.plan.fuse.into()),
                ("precision", self.plan.precision.name().into()),
                ("recompute", self.plan.recompute.name().into()),
                ("memory_budget", self.plan.memory_budget.map_or_else(String::new, |b| b.to_string()).into()),
            ]
            .map(|(k, v): (&str, Value)| (k.to_string(), v)),
        );
        self.update.write(&mut all, &mut train);
        self.flight.write(&mut train);
        all.insert("train".into(), Value::Table(train));
        all.insert("recovery".into(), Value::Table(self.recovery.to_table()));
        all.insert("loss".into(), Value::Table(self.loss.to_table()));
        all.insert("early_stopping".into(), Value::Table(self.early_stopping.to_table()));
        all.insert("model".into(), Value::Table(self.model.to_table()));
        all
    }

    /// Steps of a run with so many batches to an epoch, if nothing ends it before.
    pub fn steps(&self, batches: usize) -> usize {
        let per_epoch = self.update.steps(batches).per_epoch();
        self.epochs.saturating_mul(per_epoch).min(self.max_steps.unwrap_or(usize::MAX))
    }

    /// These settings on a device: a precision that was left to it is decided,
    /// and with halves the loss is scaled.
    pub(super) fn on(&self, target: &Target) -> Settings {
        let mut s = self.clone();
        s.plan.precision = self.plan.precision.on(target);
        s.update.scaled = s.plan.precision == Precision::F16;
        s.update.controlled |= s.flight.on_nan == OnNan::Rollback;
        s
    }

    /// As TOML, without what does not decide the state after so many steps:
    /// limits (of steps, time and patience), when checkpoints are written, what is done about a
    /// device that fails, where the data lies and how much of it is in memory and on the device at a time, how the step
    /// is planned.
    pub fn deciding(&self) -> String {
        let mut table = self.to_table();
        table.remove("recovery");
        if let Some(Value::Table(train)) = table.get_mut("train") {
            let limits =
                ["min_steps", "max_steps", "max_time", "checkpoint_every", "keep_last", "on_nan", "verify_every"];
            for key in limits.into_iter().chain(["fingerprint_every", "fuse", "recompute", "memory_budget"]) {
                train.remove(key);
            }
        }
        if let Some(Value::Table(data)) = table.get_mut("data") {
            for key in ["device_mb", "memory", "cache"] {
                data.remove(key);
            }
            // What it holds decides, not where it lies.
            data.remove("source");
        }
        if let Some(Value::Table(stopping)) = table.get_mut("early_stopping") {
            stopping.remove("patience");
        }
        toml::to_string(&table).expect("a table of plain values prints")
    }
}

/// The positive class: a name, which may look like a number or a truth value.
fn positive(keys: &mut Keys) -> Result<Option<String>> {
    match keys.take("positive") {
        None => Ok(None),
        Some(Value::String(s)) if s == "auto" => Ok(None),
        Some(Value::String(s)) => Ok(Some(s)),
        Some(v @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_))) => Ok(Some(v.to_string())),
        Some(v) => Err(Error::model(format!("{}: positive = {v}; expected the name of a class", keys.place()))),
    }
}

/// Bytes of samples in memory: a number, or one with a unit such as `512MiB`.
fn memory(keys: &mut Keys) -> Result<Option<u64>> {
    let place = || format!("{}: memory", keys.place());
    let (place, value) = (place(), keys.take("memory"));
    match value {
        None => Ok(None),
        Some(Value::String(s)) if s == "auto" => Ok(None),
        Some(Value::String(s)) => parse_bytes(&s).map(Some).context(|| place),
        Some(Value::Integer(n)) if n > 0 => Ok(Some(n as u64)),
        Some(v) => Err(Error::model(format!("{place} = {v}; expected \"auto\" or bytes, such as \"512MiB\""))),
    }
}

/// How the training step is planned.
fn plan_options(train: &mut Keys) -> Result<PlanOptions> {
    let recompute = train.text("recompute")?.map_or(Ok(Recompute::None), |r| Recompute::named(&r))?;
    let budget = train.text("memory_budget")?.filter(|b| !b.is_empty());
    Ok(PlanOptions {
        choices: Choices::default(),
        fuse: train.flag("fuse", true)?,
        precision: train.text("precision")?.map_or(Ok(Precision::F32), |p| Precision::named(&p))?,
        halves: vec![],
        recompute,
        memory_budget: budget.map(|b| parse_bytes(&b)).transpose().context(|| "[train]: memory_budget")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::set;

    /// A block of TOML of the manual.
    fn manual(block: usize) -> Table {
        let text = include_str!("../../docs/training.md");
        let block = text.split("```toml").nth(1 + block).and_then(|t| t.split("```").next());
        block.expect("a block of TOML").parse().expect("TOML")
    }

    #[test]
    fn what_the_manual_lists_are_the_defaults() {
        let listed = Settings::read(manual(0)).expect("every key is known").to_table();
        let defaults = Settings::default().to_table();
        for (section, value) in &defaults {
            assert_eq!(listed.get(section), Some(value), "docs/training.md lists other defaults of {section}");
        }
        assert_eq!(listed, defaults);
        // The manual names every key of these sections.
        for section in ["augment", "train", "recovery", "loss", "early_stopping"] {
            let keys = |t: &Table| t[section].as_table().expect("a section").keys().cloned().collect::<Vec<_>>();
            let missing: Vec<String> = keys(&defaults).into_iter().filter(|k| !keys(&manual(0)).contains(k)).collect();
            assert!(missing.is_empty(), "docs/training.md says nothing of {section}: {missing:?}");
        }
    }

    #[test]
    fn what_is_set_is_read_and_survives_toml() {
        let mut table = manual(1);
        assert!(table.contains_key("group"));
        for (path, value) in [
            ("augment.mixup", Value::from(0.2)),
            ("augment.flip_horizontal", true.into()),
            ("train.ema", 0.999.into()),
            ("schedule.warmup_epochs", 1.into()),
            ("loss.class_weights", "balanced".into()),
            ("early_stopping.restore_best_weights", true.into()),
        ] {
            set(&mut table, path, value).unwrap();
        }
        let settings = Settings::read(table).expect("every key is known");
        assert!(settings.augment.mixes() && settings.early_stopping.restore_best_weights);
        assert_eq!((settings.update.accumulate, settings.early_stopping.patience), (1, Some(5)));
        let table = settings.to_table();
        assert_eq!(Settings::read(table.clone()).expect("what is written reads back").to_table(), table);
    }

    #[test]
    fn limits_do_not_decide_the_state() {
        let mut table = Table::new();
        let plain = Settings::read(table.clone()).unwrap().deciding();
        set(&mut table, "train.max_steps", 7.into()).unwrap();
        set(&mut table, "train.checkpoint_every", 2.into()).unwrap();
        set(&mut table, "early_stopping.patience", 2.into()).unwrap();
        set(&mut table, "data.source", "elsewhere".into()).unwrap();
        assert_eq!(Settings::read(table.clone()).unwrap().deciding(), plain);
        set(&mut table, "train.batch_size", 7.into()).unwrap();
        assert_ne!(Settings::read(table).unwrap().deciding(), plain);
    }
}
