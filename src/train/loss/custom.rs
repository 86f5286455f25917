//! Losses of other crates, made of graph methods and known by name to TOML and to
//! checkpoints.

use super::NAMES;
use crate::error::{Error, Result};
use crate::graph::{Graph, TensorId};
use crate::tensor::{DType, HostTensor};
use std::sync::{PoisonError, RwLock};

/// Builds the loss of each sample, f32 `[N]`, from a model's outputs and its targets, both
/// f32 `[N, W]`. For classes the outputs are logits and the targets 1 for the class and 0
/// for the others; values are scaled as the model learns them.
pub type BuildLoss = fn(&mut Graph, outputs: TensorId, targets: TensorId) -> Result<TensorId>;

/// A registered loss.
#[derive(Debug)]
pub struct CustomLoss {
    name: &'static str,
    build: BuildLoss,
}

impl PartialEq for CustomLoss {
    fn eq(&self, other: &CustomLoss) -> bool {
        self.name == other.name
    }
}

impl Eq for CustomLoss {}

static CUSTOM: RwLock<Vec<&'static CustomLoss>> = RwLock::new(vec![]);

/// Makes a loss known by name: `[loss] name = "NAME"`. Its gradient is that of the graph
/// methods that it calls. To be called before such a configuration or checkpoint is read.
/// A loss that is registered twice in the same way is registered once.
///
/// Fails when another loss has that name.
pub fn register_loss(name: &'static str, build: BuildLoss) -> Result<()> {
    let taken = |by: &str| Err(Error::model(format!("a loss \"{name}\" is {by}; expected another name")));
    if NAMES.iter().any(|(n, _)| *n == name) {
        return taken("built in");
    }
    let mut known = CUSTOM.write().unwrap_or_else(PoisonError::into_inner);
    match known.iter().find(|c| c.name == name) {
        Some(earlier) if std::ptr::fn_addr_eq(earlier.build, build) => Ok(()),
        Some(_) => taken("registered already"),
        None => {
            // Settings name it for as long as the program runs.
            known.push(Box::leak(Box::new(CustomLoss { name, build })));
            Ok(())
        }
    }
}

/// A registered loss by name.
pub(super) fn named(name: &str) -> Option<&'static CustomLoss> {
    CUSTOM.read().unwrap_or_else(PoisonError::into_inner).iter().copied().find(|c| c.name == name)
}

/// The names of the registered losses.
pub(super) fn names() -> Vec<&'static str> {
    CUSTOM.read().unwrap_or_else(PoisonError::into_inner).iter().map(|c| c.name).collect()
}

impl CustomLoss {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The mean over the valid rows, f32 `[]`.
    pub(super) fn mean(
        &self,
        g: &mut Graph,
        output: TensorId,
        targets: TensorId,
        rows: Option<TensorId>,
    ) -> Result<TensorId> {
        let shape = g.shape(output).to_vec();
        let [n, width] = shape[..] else {
            return Err(Error::model(format!(
                "loss \"{}\" is for a row of outputs per sample; the model gives a shape of {shape:?}",
                self.name
            )));
        };
        let targets = match g.spec(targets).dtype {
            DType::U32 => {
                let one = |i: usize| if i.is_multiple_of(width + 1) { 1.0 } else { 0.0 };
                let classes = HostTensor::f32([width, width], (0..width * width).map(one).collect());
                let classes = g.constant(classes);
                g.embedding(classes, targets, None)?
            }
            _ if g.shape(targets) != [n, width] => g.reshape(targets, [n, width])?,
            _ => targets,
        };
        let each = (self.build)(g, output, targets).map_err(|e| e.context(format!("loss \"{}\"", self.name)))?;
        if g.shape(each) != [n] {
            return Err(Error::model(format!(
                "loss \"{}\" gives a shape of {:?}; expected [{n}], a number for each sample",
                self.name,
                g.shape(each)
            )));
        }
        let Some(rows) = rows else { return g.mean(each, &[0], false) };
        let each = g.reshape(each, [1, n, 1])?;
        let mean = g.mean_rows(each, rows)?;
        g.reshape(mean, [])
    }
}
