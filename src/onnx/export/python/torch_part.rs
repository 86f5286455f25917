//! A module of PyTorch as it is being written: submodules, lines, and parts of the file.

use std::collections::BTreeSet;

/// A module as it is being written.
#[derive(Default)]
pub struct Torch {
    /// Submodules by the names of their layers, and what makes them.
    pub modules: Vec<(String, String)>,
    /// Lines of `__init__` behind those.
    pub init: Vec<String>,
    /// Lines of `forward`.
    pub forward: Vec<String>,
    /// Parts of the file that layers need.
    pub needs: BTreeSet<Part>,
    /// Whether the samples' lengths are known at this layer.
    pub lengths: bool,
}

/// Parts of a file that some layers need, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `lengths_of`.
    Lengths,
    /// `Attention`.
    Attention,
    /// `Block`.
    Block,
    /// `sinusoids`.
    Sinusoids,
    /// `walk`.
    Walk,
}

impl Part {
    /// The part.
    pub fn text(self) -> &'static str {
        match self {
            Part::Lengths => include_str!("../../../../assets/python/lengths.py"),
            Part::Attention => include_str!("../../../../assets/python/attention.py"),
            Part::Block => include_str!("../../../../assets/python/block.py"),
            Part::Sinusoids => include_str!("../../../../assets/python/sinusoids.py"),
            Part::Walk => include_str!("../../../../assets/python/walk.py"),
        }
    }
}

impl Torch {
    /// Adds a submodule, and gives what it is called.
    pub fn module(&mut self, name: &str, made: String) -> String {
        self.modules.push((name.into(), made));
        called(name)
    }

    /// Adds a line to `forward`.
    pub fn line(&mut self, line: String) {
        self.forward.push(line);
    }
}

/// What a submodule is called: `self.conv1`, `self.block1["conv1"]`.
pub fn called(name: &str) -> String {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    let rest: String = parts.map(|p| format!("[\"{p}\"]")).collect();
    format!("self.{first}{rest}")
}
