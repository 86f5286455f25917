//! `wgrad summary`

use super::progress::Terminal;
use super::{flags, out};
use crate::error::Result;
use crate::nn::{Description, Model, Reads, summary};
use crate::plan::{Target, human_bytes};
use crate::run::config;
use crate::train::defaults::Defaults;
use crate::train::{Session, Settings};

/// The model that `summary`, `plan` and `gradcheck` look at. Without `--input`,
/// a description that leaves its input open is taken for 28x28 grey images, 64
/// tokens or 30 rows of one column, whatever it reads.
pub fn model(f: &flags::ModelFlags) -> Result<Model> {
    config::say_model(&f.model, &mut Terminal::new());
    let mut description = Description::named(&f.model)?;
    // Texts are of any length.
    if f.input.is_some() && description.reads == Reads::Text {
        description.input = None;
    }
    let usual = match description.reads {
        Reads::Samples => vec![1, 28, 28],
        Reads::Text => vec![64],
        Reads::Series => vec![30, 1],
    };
    let fallback = description.input.is_none().then_some(usual);
    let input = f.input.clone().or(fallback).map(Into::into);
    let vocabulary = description.takes_tokens().then_some(f.vocabulary);
    Ok(Model::new(description, input, Some(f.classes))?.with_vocabulary(vocabulary))
}

pub fn run(f: &flags::Summary) -> Result<()> {
    let model = model(&f.model)?;
    out::line(summary(&model)?.trim_end())?;
    let batch_size = f.batch_size.unwrap_or(Defaults::batch_size_for(model.description.reads)).max(1);
    let settings = Settings { batch_size, ..Settings::read(toml::Table::new())? };
    let plan = Session::training_plan(&model, &settings, Target::Cpu)?;
    let memory = Session::memory_of(&plan);
    out::line(format!(
        "Training memory (batch {}, Adam): {} = weights {} + gradients {} + optimizer {} + activations {} ({} live at once)",
        settings.batch_size,
        human_bytes(memory.iter().sum()),
        human_bytes(memory[0]),
        human_bytes(memory[1]),
        human_bytes(memory[2]),
        human_bytes(memory[3]),
        human_bytes(plan.least),
    ))
}
