//! The formats that a model can be written in, by name.

use crate::error::{Result, unknown};

/// What a model is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A graph with its weights, for any program that reads ONNX.
    Onnx,
    /// The weights alone.
    Safetensors,
    /// A module of PyTorch, beside its weights.
    Pytorch,
    /// A model of Keras, beside its weights.
    Keras,
    /// A web page that answers by itself; see [`web`](crate::deploy::web).
    Web,
}

/// Their names.
const FORMATS: [(&str, Format); 5] = [
    ("onnx", Format::Onnx),
    ("safetensors", Format::Safetensors),
    ("pytorch", Format::Pytorch),
    ("keras", Format::Keras),
    ("web", Format::Web),
];

impl Format {
    /// The format of that name.
    ///
    /// Fails with the names that there are.
    pub fn named(name: &str) -> Result<Format> {
        let found = FORMATS.iter().find(|(n, _)| *n == name).map(|(_, f)| *f);
        found.ok_or_else(|| unknown("format", name, FORMATS.iter().map(|(n, _)| *n)))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        FORMATS.iter().find(|(_, f)| *f == self).expect("every format has a name").0
    }

    /// The ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::Safetensors => "safetensors",
            Format::Pytorch | Format::Keras => "py",
            Format::Web => "html",
        }
    }
}
