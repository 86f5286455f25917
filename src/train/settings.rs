//! Everything that decides a run, read from TOML tables. The command line
//! writes its flags into the same tables first, so there is one reader, one
//! set of names and one set of messages.

use super::{Optimizer, Schedule};
use crate::error::{Error, Result};
use crate::nn::{Description, Keys};
use toml::{Table, Value};

/// Everything that decides a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data's name or path.
    pub data: String,
    /// The share of the training data held out for validation.
    pub val_split: f64,
    /// The model.
    pub model: Description,
    /// Passes over the training data.
    pub epochs: usize,
    /// Samples per step.
    pub batch_size: usize,
    /// Seeds initialisation, shuffling, dropout, splits and built-in data.
    pub seed: u32,
    /// Whether each epoch takes the samples in a new order.
    pub shuffle: bool,
    /// Largest global norm of the gradient.
    pub clip_norm: Option<f32>,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Its learning rate.
    pub lr: f64,
    /// How the rate changes.
    pub schedule: Schedule,
    /// Share of each target spread over all classes.
    pub label_smoothing: f32,
}

impl Default for Settings {
    /// What an empty configuration means.
    fn default() -> Settings {
        Settings::read(Table::new()).expect("every setting has a valid default")
    }
}

impl Settings {
    /// Reads all settings from a table; what it leaves out has a default.
    ///
    /// A table that says nothing of optimiser, learning rate and schedule gets
    /// a recipe that does well in few epochs: Adam, from 0.004 down along a
    /// cosine. One that says anything of them gets PyTorch's defaults for the
    /// rest, and a constant rate.
    pub fn read(mut table: Table) -> Result<Settings> {
        let says = |section: &str, key: &str| {
            table.get(section).and_then(Value::as_table).is_some_and(|t| t.contains_key(key))
        };
        if !says("optimizer", "name") && !says("optimizer", "lr") && !says("schedule", "name") {
            set(&mut table, "optimizer.lr", 0.004.into())?;
            set(&mut table, "schedule.name", "cosine".into())?;
        }
        let mut keys = Keys::new(table, "configuration");
        let section = |keys: &mut Keys, name: &'static str| -> Result<Keys> {
            Ok(Keys::new(keys.table(name)?.unwrap_or_default(), format!("[{name}]")))
        };
        let mut data = section(&mut keys, "data")?;
        let source = data.text("source")?.unwrap_or_else(|| "digits".into());
        let val_split = data.real("val_split", 0.0, 0.95, Some(0.1))?;
        data.finish()?;
        let model = match keys.take("model") {
            None => Description::named("keras-cnn")?,
            Some(Value::String(name)) => Description::named(&name)?,
            Some(Value::Table(t)) => Description::from_table(t)?,
            Some(v) => return Err(Error::model(format!("model = {v}; expected a name, a file or a [model] table"))),
        };
        let mut train = section(&mut keys, "train")?;
        let epochs = train.count("epochs", 1, Some(3))?;
        let batch_size = train.count("batch_size", 1, Some(128))?;
        let seed = train.count("seed", 0, Some(0))?;
        let seed = u32::try_from(seed)
            .map_err(|_| Error::model(format!("[train]: seed = {seed}; expected at most {}", u32::MAX)))?;
        let shuffle = train.flag("shuffle", true)?;
        let clip_norm = train.real("clip_norm", 0.0, 1e9, Some(0.0))? as f32;
        train.finish()?;
        let mut optimizer_keys = section(&mut keys, "optimizer")?;
        let (optimizer, lr) = Optimizer::read(&mut optimizer_keys)?;
        optimizer_keys.finish()?;
        let mut schedule_keys = section(&mut keys, "schedule")?;
        let schedule = Schedule::read(&mut schedule_keys)?;
        schedule_keys.finish()?;
        let mut loss = section(&mut keys, "loss")?;
        let label_smoothing = loss.real("label_smoothing", 0.0, 1.0, Some(0.0))? as f32;
        loss.finish()?;
        keys.finish()?;
        let clip_norm = (clip_norm > 0.0).then_some(clip_norm);
        Ok(Settings {
            data: source,
            val_split,
            model,
            epochs,
            batch_size,
            seed,
            shuffle,
            clip_norm,
            optimizer,
            lr,
            schedule,
            label_smoothing,
        })
    }

    /// All settings as TOML: read back, they give the same run.
    pub fn to_table(&self) -> Table {
        let table =
            |entries: Vec<(&str, Value)>| Value::Table(entries.into_iter().map(|(k, v)| (k.to_string(), v)).collect());
        let mut all = Table::new();
        all.insert(
            "data".into(),
            table(vec![("source", self.data.clone().into()), ("val_split", self.val_split.into())]),
        );
        all.insert(
            "train".into(),
            table(vec![
                ("epochs", (self.epochs as i64).into()),
                ("batch_size", (self.batch_size as i64).into()),
                ("seed", i64::from(self.seed).into()),
                ("shuffle", self.shuffle.into()),
                ("clip_norm", f64::from(self.clip_norm.unwrap_or(0.0)).into()),
            ]),
        );
        all.insert("optimizer".into(), Value::Table(self.optimizer.to_table(self.lr)));
        all.insert("schedule".into(), Value::Table(self.schedule.to_table()));
        all.insert("loss".into(), table(vec![("label_smoothing", f64::from(self.label_smoothing).into())]));
        all.insert("model".into(), Value::Table(self.model.to_table()));
        all
    }
}

/// Sets `a.b.c = value` in a table, making the tables on the way.
pub fn set(table: &mut Table, path: &str, value: Value) -> Result<()> {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    if head.is_empty() {
        return Err(Error::usage(format!("\"{path}\": a key is missing; expected SECTION.KEY=VALUE")));
    }
    match rest {
        None => {
            table.insert(head.into(), value);
            Ok(())
        }
        Some(rest) => match table.entry(head).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => set(inner, rest, value),
            other => Err(Error::usage(format!("\"{head}\" is {other}, not a section; \"{rest}\" cannot be set in it"))),
        },
    }
}
