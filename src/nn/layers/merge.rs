//! Layers that join several inputs.

use super::Layer;
use super::inputs::{axis_of, read_axis};
use crate::error::{Error, Result};
use crate::graph::{Graph, TensorId};
use crate::nn::{Build, Keys};
use crate::tensor::Shape;
use toml::Table;

/// Element by element: shapes that differ are stretched where one has the length 1, and
/// what has fewer axes gets new ones of length 1 behind the batch, as in Keras.
macro_rules! elementwise {
    ($($(#[$doc:meta])* $layer:ident $short:literal $inputs:ident $join:expr;)*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $layer;

        impl Layer for $layer {
            fn kind(&self) -> &'static str {
                stringify!($layer)
            }

            fn short(&self) -> &'static str {
                $short
            }

            fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
                $inputs(inputs)?;
                let inputs = alike(cx, inputs)?;
                let join: fn(&mut Graph, &[TensorId]) -> Result<TensorId> = $join;
                join(cx.g, &inputs)
            }

            fn causal(&self, inputs: &[&Shape]) -> Result<()> {
                same_positions(inputs)
            }

            fn to_table(&self) -> Table {
                Table::new()
            }
        })*
    };
}

elementwise! {
    /// The sum of its inputs: a residual connection.
    Add "add" several |g, x| x[1..].iter().try_fold(x[0], |sum, &x| g.add(sum, x));
    /// The product of its inputs: gates, and scales of channels.
    Multiply "multiply" several |g, x| x[1..].iter().try_fold(x[0], |product, &x| g.mul(product, x));
    /// The first of its two inputs less the second.
    Subtract "subtract" two |g, x| g.sub(x[0], x[1]);
    /// The largest of its inputs, element by element.
    Maximum "maximum" several |g, x| x[1..].iter().try_fold(x[0], |most, &x| g.maximum(most, x));
    /// The smallest of its inputs, element by element.
    Minimum "minimum" several |g, x| x[1..].iter().try_fold(x[0], |least, &x| g.minimum(least, x));
    /// The mean of its inputs, element by element.
    Average "average" several |g, x| {
        let sum = x[1..].iter().try_fold(x[0], |sum, &x| g.add(sum, x))?;
        g.affine(sum, 1.0 / x.len() as f32, 0.0)
    };
}

fn several(inputs: &[TensorId]) -> Result<()> {
    if inputs.len() >= 2 {
        return Ok(());
    }
    Err(Error::model(format!("takes two or more inputs, found {}; name them: inputs = [\"a\", \"b\"]", inputs.len())))
}

fn two(inputs: &[TensorId]) -> Result<()> {
    if inputs.len() == 2 {
        return Ok(());
    }
    Err(Error::model(format!("takes two inputs, found {}; name them: inputs = [\"a\", \"b\"]", inputs.len())))
}

/// The inputs with as many axes each, which can be stretched to one shape.
fn alike(cx: &mut Build, inputs: &[TensorId]) -> Result<Vec<TensorId>> {
    let rank = inputs.iter().map(|&x| cx.g.shape(x).len()).max().unwrap_or(0);
    let mut all: Vec<TensorId> = vec![];
    let mut whole: Option<Shape> = None;
    for &x in inputs {
        let shape = cx.g.shape(x).to_vec();
        let new = vec![1; rank - shape.len()];
        let full: Shape = [&shape[..1], &new, &shape[1..]].concat().into();
        whole = Some(match whole {
            None => full.clone(),
            Some(whole) => whole.broadcast(&full).map_err(|_| {
                let shapes: Vec<&[usize]> = inputs.iter().map(|&x| cx.g.shape(x)).collect();
                Error::model(format!("its inputs have shapes {shapes:?}; they must be equal, or 1 where they differ"))
            })?,
        });
        all.push(if new.is_empty() { x } else { cx.g.reshape(x, full)? });
    }
    Ok(all)
}

/// [`Layer::causal`] of what joins elements at the same places: the places must be positions.
fn same_positions(inputs: &[&Shape]) -> Result<()> {
    let first = inputs.first().map(|s| (s.rank(), s.get(1).copied()));
    match inputs.iter().all(|s| Some((s.rank(), s.get(1).copied())) == first) {
        true => Ok(()),
        false => Err(Error::model(format!(
            "its inputs have shapes {inputs:?}, of which some are spread over the positions of the others; expected as many \
             positions of each"
        ))),
    }
}

/// Its inputs side by side along an axis (1: channels or features).
#[derive(Debug, Clone)]
pub struct Concatenate {
    /// The axis, batch first; from the end where negative.
    pub axis: i64,
}

impl Concatenate {
    pub(super) fn read(keys: &mut Keys) -> Result<Concatenate> {
        Ok(Concatenate { axis: read_axis(keys, 1)? })
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
        several(inputs)?;
        let axis = axis_of(self.axis, cx.g.shape(inputs[0]).len())?;
        if axis == 1 {
            // Samples of some lengths one after the other have no such length.
            cx.lengths = None;
        }
        cx.g.concat(inputs, axis)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        match axis_of(self.axis, inputs.first().map_or(0, |s| s.rank()))? {
            1 => Err(Error::model(format!(
                "axis = {} puts the positions of its inputs, of shapes {inputs:?}, one behind the other; set axis = 2 to join \
                 their features",
                self.axis
            ))),
            _ => Ok(()),
        }
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("axis".to_string(), self.axis.into())])
    }
}
