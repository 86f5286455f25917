//! What a configuration says nothing of and what depends on the kind of its
//! data: the model, epochs, batches, and optimiser with schedule together.

use super::settings::set;
use crate::data::series::SeriesOptions;
use crate::data::{self, SourceKind};
use crate::error::Result;
use crate::nn::{Description, Reads};
use toml::{Table, Value};

/// What does well on a kind of data.
struct Usual {
    model: &'static str,
    epochs: i64,
    batch_size: i64,
    /// Optimiser, rate and schedule, taken where a configuration says nothing
    /// of any of the three.
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

const IMAGES: Usual =
    Usual { model: "keras-cnn", epochs: 3, batch_size: 128, recipe: &[COSINE, ("optimizer.lr", Real(0.004))] };

const ARRAYS: Usual = Usual { model: "mlp", epochs: 10, batch_size: 64, recipe: IMAGES.recipe };

const ROWS: Usual = Usual {
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

const SERIES: Usual =
    Usual { model: "lstm-forecast", epochs: 30, batch_size: 64, recipe: &[COSINE, ("optimizer.lr", Real(0.003))] };

/// Two passes over tiny Shakespeare are some 2,000 steps.
const CORPUS: Usual = Usual {
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

const TEXTS: Usual = Usual {
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

/// Samples per step of a model for data of a kind, where nobody says more about
/// the data.
pub fn usual_batch(reads: Reads) -> usize {
    let usual = match reads {
        Reads::Samples => &IMAGES,
        Reads::Series => &SERIES,
        Reads::Text => &CORPUS,
    };
    usual.batch_size as usize
}

/// Adds to a configuration what it says nothing of.
pub(super) fn fill_in(table: &mut Table) -> Result<()> {
    let usual = usual(table);
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
        add.extend(usual.recipe.iter().map(|(path, value)| (*path, value.value())));
    }
    add.extend([("train.epochs", usual.epochs.into()), ("train.batch_size", usual.batch_size.into())]);
    add.retain(|(path, _)| !says(table, path));
    if !table.contains_key("model") {
        add.push(("model", usual.model.into()));
    }
    add.into_iter().try_for_each(|(path, value)| set(table, path, value))
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

/// What does well on the data that a configuration names. A source that cannot
/// be opened, and a model that cannot be read, are reported by whoever does.
fn usual(table: &Table) -> &'static Usual {
    let data = table.get("data").and_then(Value::as_table);
    let source = data.and_then(|d| d.get("source")).and_then(Value::as_str);
    let kind = source.map_or(Ok(SourceKind::Digits), data::kind);
    match (kind, reads(table)) {
        (Ok(SourceKind::Table), Some(Reads::Text)) | (Ok(SourceKind::TextFolder), _) => &TEXTS,
        (Ok(SourceKind::Table), Some(Reads::Series)) => &SERIES,
        (Ok(SourceKind::Table), _) if data.is_some_and(SeriesOptions::asked) => &SERIES,
        (Ok(SourceKind::Table), _) => &ROWS,
        (Ok(SourceKind::Npy), _) => &ARRAYS,
        (Ok(SourceKind::Text), _) => &CORPUS,
        _ => &IMAGES,
    }
}

/// What the model of a configuration is made for, if it names one.
fn reads(table: &Table) -> Option<Reads> {
    let description = match table.get("model")? {
        Value::String(name) => Description::named(name),
        Value::Table(t) => Description::from_table(t.clone()),
        _ => return None,
    };
    description.ok().map(|d| d.reads)
}
