//! What models take, by their inputs.

use crate::data::Task;
use crate::run::inputs::Inputs;

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Arrays of numbers of its shape; pictures, if that is one of pictures.
    Arrays {
        /// Whether it also takes pictures as files.
        pictures: bool,
    },
    /// Rows of a table.
    Rows,
    /// A series, row by row.
    Series,
    /// Texts that have a class.
    Texts,
    /// The beginning of a text.
    Prompt,
}

impl Takes {
    /// What the model of some inputs takes.
    pub fn of(inputs: &Inputs) -> Takes {
        let interface = inputs.interface();
        match () {
            () if interface.task == Task::Language => Takes::Prompt,
            () if interface.series().is_some() => Takes::Series,
            () if interface.row().is_some() => Takes::Rows,
            () if interface.vocabulary().is_some() => Takes::Texts,
            () => Takes::Arrays { pictures: matches!(inputs.picture_shape(), Ok((1 | 3, _))) },
        }
    }

    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Takes::Arrays { pictures: true } => "pictures",
            Takes::Arrays { pictures: false } => "arrays of numbers",
            Takes::Rows => "rows of a table",
            Takes::Series => "a series",
            Takes::Texts => "texts",
            Takes::Prompt => "a text to go on with",
        }
    }
}
