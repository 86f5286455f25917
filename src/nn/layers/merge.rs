//! Layers that join several inputs.

use super::Layer;
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::nn::{Build, Keys};
use crate::tensor::Shape;
use toml::Table;

/// The sum of its inputs: a residual connection.
#[derive(Debug, Clone)]
pub struct Add;

impl Layer for Add {
    fn kind(&self) -> &'static str {
        "Add"
    }

    fn short(&self) -> &'static str {
        "add"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let [first, rest @ ..] = inputs else { return Err(needs_two(inputs)) };
        if rest.is_empty() {
            return Err(needs_two(inputs));
        }
        for x in rest {
            if cx.g.shape(*x) != cx.g.shape(*first) {
                let (a, b) = (cx.g.shape(*first), cx.g.shape(*x));
                return Err(Error::model(format!("its inputs have shapes {a:?} and {b:?}; they must be equal")));
            }
        }
        rest.iter().try_fold(*first, |sum, &x| cx.g.add(sum, x))
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        Ok(())
    }

    fn to_table(&self) -> Table {
        Table::new()
    }
}

fn needs_two(inputs: &[TensorId]) -> Error {
    Error::model(format!("takes two or more inputs, found {}; name them: inputs = [\"a\", \"b\"]", inputs.len()))
}

/// Its inputs side by side along an axis (1: channels or features).
#[derive(Debug, Clone)]
pub struct Concatenate {
    /// The axis, batch first.
    pub axis: usize,
}

impl Concatenate {
    pub(super) fn read(keys: &mut Keys) -> Result<Concatenate> {
        Ok(Concatenate { axis: keys.count("axis", 1, Some(1))? })
    }
}

impl Layer for Concatenate {
    fn kind(&self) -> &'static str {
        "Concatenate"
    }

    fn short(&self) -> &'static str {
        "concat"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        if inputs.len() < 2 {
            return Err(needs_two(inputs));
        }
        if self.axis == 1 {
            // Samples of some lengths one after the other have no such length.
            cx.lengths = None;
        }
        cx.g.concat(inputs, self.axis)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        match self.axis {
            1 => Err(Error::model(format!(
                "axis = 1 puts the positions of its inputs, of shapes {inputs:?}, one behind the other; set axis = 2 to join \
                 their features"
            ))),
            _ => Ok(()),
        }
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("axis".to_string(), (self.axis as i64).into())])
    }
}
