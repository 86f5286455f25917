//! Defaults by the kind of data: the model, epochs, batch size, which weights are kept, and
//! optimiser with learning rate and schedule together.

use super::key_path::set;
use crate::error::Result;
use crate::nn::Reads;
use toml::{Table, Value};

/// What does well on a kind of data.
pub struct Defaults {
    model: &'static str,
    epochs: i64,
    /// Steps below which a run has more epochs than those; 0 for any number.
    min_steps: i64,
    batch_size: i64,
    keeps: Keeps,
    /// Optimiser, learning rate and schedule, taken where a configuration has none of
    /// the three.
    recipe: &'static [(&'static str, Number)],
}

/// Which weights a run ends with, and when, where a configuration does not say it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// The last.
    Last,
    /// The last; where epochs are raised to `min_steps`, those of the best epoch, after
    /// some without a better one.
    BestOfMore,
    /// Those of the best epoch, after all epochs.
    Best,
}

/// A value of a recipe.
enum Number {
    Name(&'static str),
    Real(f64),
    Count(i64),
    Flag(bool),
}

use Number::{Count, Flag, Name, Real};

const COSINE: (&str, Number) = ("schedule.name", Name("cosine"));

/// Images.
pub const IMAGES: Defaults = Defaults {
    model: "keras-cnn",
    epochs: 3,
    min_steps: 300,
    batch_size: 128,
    keeps: Keeps::BestOfMore,
    recipe: &[COSINE, ("optimizer.lr", Real(0.004))],
};

/// Arrays.
pub const ARRAYS: Defaults = Defaults { model: "mlp", epochs: 10, batch_size: 64, ..IMAGES };

/// Rows of a table.
pub const ROWS: Defaults = Defaults {
    model: "tabular",
    epochs: 100,
    min_steps: 0,
    batch_size: 32,
    keeps: Keeps::Best,
    recipe: &[
        COSINE,
        ("optimizer.name", Name("adamw")),
        ("optimizer.lr", Real(0.003)),
        ("optimizer.weight_decay", Name("auto")),
        ("train.ema", Real(0.98)),
        ("train.ema_warmup", Flag(true)),
    ],
};

/// A series.
pub const SERIES: Defaults = Defaults {
    model: "lstm-forecast",
    epochs: 30,
    min_steps: 300,
    batch_size: 64,
    keeps: Keeps::Best,
    recipe: &[COSINE, ("optimizer.lr", Real(0.003))],
};

/// A corpus. Two passes over tiny Shakespeare are some 2,000 steps.
pub const CORPUS: Defaults = Defaults {
    model: "char-gpt",
    epochs: 2,
    min_steps: 0,
    batch_size: 16,
    keeps: Keeps::Last,
    recipe: &[
        COSINE,
        ("schedule.warmup_steps", Count(100)),
        ("optimizer.name", Name("adamw")),
        ("optimizer.lr", Real(0.002)),
        ("optimizer.weight_decay", Real(0.1)),
        ("train.clip_norm", Real(1.0)),
    ],
};

/// Texts with classes.
pub const TEXTS: Defaults = Defaults {
    model: "text-transformer",
    epochs: 10,
    min_steps: 0,
    batch_size: 32,
    keeps: Keeps::Last,
    recipe: &[
        COSINE,
        ("optimizer.name", Name("adamw")),
        ("optimizer.lr", Real(0.001)),
        ("optimizer.weight_decay", Real(0.05)),
        ("train.clip_norm", Real(1.0)),
    ],
};

impl Defaults {
    /// Samples per step where nothing is known of the data but what the model reads.
    pub fn batch_size_for(reads: Reads) -> usize {
        let of = match reads {
            Reads::Samples => &IMAGES,
            Reads::Series => &SERIES,
            Reads::Text => &CORPUS,
        };
        of.batch_size()
    }

    /// Samples per step.
    pub fn batch_size(&self) -> usize {
        self.batch_size as usize
    }

    /// Adds to a configuration what it leaves out.
    pub fn fill_in(&self, table: &mut Table) -> Result<()> {
        // A section that is no table is reported by whoever reads it.
        let says = |table: &Table, path: &str| {
            let (section, key) = path.split_once('.').expect("a section and a key");
            match table.get(section) {
                Some(Value::Table(t)) => t.contains_key(key),
                other => other.is_some(),
            }
        };
        let mut add: Vec<(&str, Value)> = vec![];
        if !["optimizer.name", "optimizer.lr", "schedule.name"].iter().any(|path| says(table, path)) {
            add.extend(self.recipe.iter().map(|(path, value)| (*path, value.value())));
        }
        if !says(table, "train.epochs") {
            add.push(("train.min_steps", self.min_steps.into()));
        }
        add.extend([("train.epochs", self.epochs.into()), ("train.batch_size", self.batch_size.into())]);
        if !table.contains_key("early_stopping") {
            let patience = if self.keeps == Keeps::Last { "never" } else { "auto" };
            add.push(("early_stopping.patience", patience.into()));
        }
        add.push(("early_stopping.restore_best_weights", (self.keeps == Keeps::Best).into()));
        add.retain(|(path, _)| !says(table, path));
        if !table.contains_key("model") {
            add.push(("model", self.model.into()));
        }
        add.into_iter().try_for_each(|(path, value)| set(table, path, value))
    }
}

impl Number {
    fn value(&self) -> Value {
        match *self {
            Name(name) => name.into(),
            Real(x) => x.into(),
            Count(n) => n.into(),
            Flag(is_on) => is_on.into(),
        }
    }
}
