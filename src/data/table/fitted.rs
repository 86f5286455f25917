//! What was learned from the training rows of a table, as plain data.

use super::columns::{Encoder, FittedColumn};
use super::layout::{Layout, ReadOptions};
use super::target::Goal;
use crate::data::normal::check_scales;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// What was learned from the training rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// The table it was learned from.
    pub table: String,
    /// The training rows that could be used.
    pub rows: usize,
    /// Whether the file named its columns.
    pub has_header: bool,
    /// Cells that mean "missing".
    pub missing_values: Vec<String>,
    /// How the file was laid out.
    #[serde(default)]
    pub layout: Layout,
    /// What is to be learned.
    pub goal: Goal,
    /// The columns, in the order of the table, without the targets.
    pub columns: Vec<FittedColumn>,
    /// The names of the features.
    pub features: Vec<String>,
    /// Per feature; `normalised = x * scale + shift`.
    pub scale: Vec<f32>,
    /// Per feature; see `scale`.
    pub shift: Vec<f32>,
    /// What a user should know about the choices made.
    pub notes: Vec<String>,
}

impl Fitted {
    /// Checks what a file says was learned: a factor and an offset for each
    /// feature that the columns make, and numbers that can be computed with.
    ///
    /// Fails with the column or the target that is wrong.
    pub fn check(&self) -> Result<()> {
        let made: usize = self.columns.iter().map(|c| c.features().len()).sum();
        if made != self.features.len() || made != self.scale.len() {
            return Err(Error::data(format!(
                "columns that make {made} features, {} names of features and {} factors; expected as many of all",
                self.features.len(),
                self.scale.len()
            )));
        }
        check_scales("features", &self.scale, &self.shift)?;
        check_scales("targets", &self.target_scale(), &self.target_shift())?;
        if let Some(centre) = self.target_centre().iter().find(|c| !c.is_finite()) {
            return Err(Error::data(format!("targets: {centre} is taken off first; expected a finite number")));
        }
        self.columns.iter().try_for_each(FittedColumn::check)
    }

    /// How another file of this kind is to be read.
    pub fn read_options(&self) -> ReadOptions {
        self.layout.read_options(self.has_header, &self.missing_values)
    }

    /// Whether a column was left out because it is the same in all training rows.
    pub fn drops_constants(&self) -> bool {
        let is_constant =
            |c: &FittedColumn| matches!(&c.encoder, Encoder::Dropped { reason } if reason.contains("keep_constant"));
        self.columns.iter().any(is_constant)
    }

    /// Class names, or the names of the target columns.
    pub fn outputs(&self) -> Vec<&str> {
        match &self.goal {
            Goal::Classes { names, .. } => names.iter().map(String::as_str).collect(),
            Goal::Values(_) => self.goal.columns(),
        }
    }

    /// Per target column: what is added to an answer to have it in the units of the
    /// target. Empty for classes.
    pub fn target_centre(&self) -> Vec<f64> {
        match &self.goal {
            Goal::Classes { .. } => vec![],
            Goal::Values(all) => all.iter().map(|t| t.centre).collect(),
        }
    }

    /// Per target column: `normalised = (value - centre) * scale + shift`. Empty for classes.
    pub fn target_scale(&self) -> Vec<f32> {
        match &self.goal {
            Goal::Classes { .. } => vec![],
            Goal::Values(all) => all.iter().map(|t| t.scale).collect(),
        }
    }

    /// Per target column; see [`target_scale`](Fitted::target_scale).
    pub fn target_shift(&self) -> Vec<f32> {
        match &self.goal {
            Goal::Classes { .. } => vec![],
            Goal::Values(all) => all.iter().map(|t| t.shift).collect(),
        }
    }

    /// Predictions of a model, `[N, targets]`, in the units of the targets, less their
    /// [centre](Fitted::target_centre).
    pub fn denormalise(&self, predictions: &mut [f32]) {
        let (scale, shift) = (self.target_scale(), self.target_shift());
        for (i, y) in predictions.iter_mut().enumerate().filter(|_| !scale.is_empty()) {
            *y = (*y - shift[i % scale.len()]) / scale[i % scale.len()];
        }
    }
}
