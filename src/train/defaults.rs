//! Defaults by the kind of data: the model, epochs, batch size, and optimiser with
//! learning rate and schedule together.

use super::key_path::set;
use crate::error::Result;
use crate::nn::Reads;
use toml::{Table, Value};

/// What does well on a kind of data.
pub struct Defaults {
    model: &'static str,
    epochs: i64,
    batch_size: i64,
    /// Optimiser, learning rate and schedule, taken where a configuration has none of
    /// the three.
    recipe: &'static [(&'static str, Number)],
}

/// A value of a recipe.
enum Number {
    Name(&'static str),
    Real(f64),
    Count(i64),
}

use Number::{Count, Name, Real};

const COSINE: (&str, Number) = ("schedule.name", Name("cosine"));

/// Images.
pub const IMAGES: Defaults =
    Defaults { model: "keras-cnn", epochs: 3, batch_size: 128, recipe: &[COSINE, ("optimizer.lr", Real(0.004))] };

/// Arrays.
pub const ARRAYS: Defaults = Defaults { model: "mlp", epochs: 10, batch_size: 64, recipe: IMAGES.recipe };

/// Rows of a table.
pub const ROWS: Defaults = Defaults {
    model: "tabular",
    epochs: 100,
    batch_size: 32,
    recipe: &[
        COSINE,
        ("optimizer.name", Name("adamw")),
        ("optimizer.lr", Real(0.003)),
        ("optimizer.weight_decay", Real(0.1)),
    ],
};

/// A series.
pub const SERIES: Defaults =
    Defaults { model: "lstm-forecast", epochs: 30, batch_size: 64, recipe: &[COSINE, ("optimizer.lr", Real(0.003))] };

/// A corpus. Two passes over tiny Shakespeare are some 2,000 steps.
pub const CORPUS: Defaults = Defaults {
    model: "char-gpt",
    epochs: 2,
    batch_size: 16,
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
    batch_size: 32,
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
        add.extend([("train.epochs", self.epochs.into()), ("train.batch_size", self.batch_size.into())]);
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
        }
    }
}
