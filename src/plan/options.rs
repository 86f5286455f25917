//! What a plan may do to the graph before it lays it out.

use super::{Choices, human_bytes};
use crate::error::{Error, Result, unknown};
use crate::graph::TensorId;

/// Which layers are computed again in the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recompute {
    /// None: everything that the backward pass needs is kept.
    #[default]
    None,
    /// As few as the memory budget asks for.
    Auto,
    /// All of them.
    Layers,
}

const RECOMPUTE: &[(&str, Recompute)] =
    &[("none", Recompute::None), ("auto", Recompute::Auto), ("layers", Recompute::Layers)];

impl Recompute {
    /// Reads its name.
    pub fn named(name: &str) -> Result<Recompute> {
        let found = RECOMPUTE.iter().find(|(n, _)| *n == name).map(|(_, r)| *r);
        found.ok_or_else(|| unknown("recompute", name, RECOMPUTE.iter().map(|(n, _)| *n)))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        RECOMPUTE.iter().find(|(_, r)| *r == self).expect("every one has a name").0
    }
}

/// How activations and their gradients are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// In f32.
    #[default]
    F32,
    /// In f16, computed in f32.
    F16,
    /// In f16 where that is likely to be faster: on a GPU whose shaders have the
    /// type.
    Auto,
}

const PRECISION: &[(&str, Precision)] = &[("f32", Precision::F32), ("f16", Precision::F16), ("auto", Precision::Auto)];

impl Precision {
    /// Reads its name.
    pub fn named(name: &str) -> Result<Precision> {
        let found = PRECISION.iter().find(|(n, _)| *n == name).map(|(_, p)| *p);
        found.ok_or_else(|| unknown("precision", name, PRECISION.iter().map(|(n, _)| *n)))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        PRECISION.iter().find(|(_, p)| *p == self).expect("every one has a name").0
    }
}

/// What a plan may do to the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Run elementwise nodes inside the nodes that make their operands.
    pub fuse: bool,
    /// How activations and their gradients are kept.
    pub precision: Precision,
    /// With [`Precision::F16`], named and fetched tensors that are kept in f16 as
    /// well, however small: for tests of single ops.
    pub halves: Vec<TensorId>,
    /// What to compute again instead of keeping it.
    pub recompute: Recompute,
    /// Bytes that all buffers together may take.
    pub memory_budget: Option<u64>,
    /// Variants chosen for some of the ops.
    pub choices: Choices,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fuse: true,
            precision: Precision::F32,
            halves: vec![],
            recompute: Recompute::None,
            memory_budget: None,
            choices: Choices::default(),
        }
    }
}

impl Options {
    /// The budget, which recomputation as needed cannot do without.
    pub(super) fn budget(&self) -> Result<u64> {
        self.memory_budget.ok_or_else(|| {
            Error::usage(
                "recompute = \"auto\" computes again what a budget leaves no room for, and there is none, since adapters \
                 do not tell their memory; give one, such as --memory-budget 2GiB, or choose \"layers\"",
            )
        })
    }

    /// The error of a budget that nothing fits.
    pub(super) fn too_small(&self, least: u64) -> Error {
        let shown = |b: u64| human_bytes(usize::try_from(b).unwrap_or(usize::MAX));
        Error::model(format!(
            "the step takes {least} bytes ({}) even with every layer computed again, and the memory budget is {} ({}); use a \
             smaller batch or a smaller model",
            shown(least),
            self.memory_budget.unwrap_or(0),
            shown(self.memory_budget.unwrap_or(0))
        ))
    }
}

/// A number of bytes as people write it: `1500000`, `512MiB`, `2GB`.
pub fn parse_bytes(text: &str) -> Result<u64> {
    const UNITS: &[(&str, u64)] = &[
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("kb", 1000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("b", 1),
        ("", 1),
    ];
    let split = text.trim().find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.trim().len());
    let (number, unit) = text.trim().split_at(split);
    let unit = UNITS.iter().find(|(name, _)| unit.trim().eq_ignore_ascii_case(name)).map(|(_, n)| *n as f64);
    let number = number.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0);
    match (number, unit) {
        (Some(n), Some(unit)) if n * unit >= 1.0 => Ok((n * unit) as u64),
        _ => Err(Error::usage(format!(
            "\"{text}\" is no number of bytes; expected one such as 512MiB, 2GiB or 1500000000"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("1500000", 1_500_000), ("2GiB", 2 << 30), ("0.5 mib", 1 << 19), ("3 GB", 3_000_000_000), ("7B", 7)]
        {
            assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "GiB", "2 TiB", "-1", "0", "1e400", "two", "nan"] {
            assert!(parse_bytes(text).unwrap_err().to_string().contains("512MiB"), "{text}");
        }
    }
}
