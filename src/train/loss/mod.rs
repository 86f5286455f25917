//! What training makes small, by name.

mod custom;

pub use custom::{BuildLoss, CustomLoss, register_loss};

use super::class_weights::ClassWeights;
use crate::data::{Interface, Task};
use crate::error::{Error, Result, unknown};
use crate::graph::{Graph, TensorId};
use crate::keys::Keys;
use crate::nn::Activation;
use crate::ops::binary::{Arithmetic, Binary};
use crate::ops::cross_entropy::CrossEntropy;
use crate::ops::regression_loss::Distance;
use crate::ops::softmax::Softmax;
use crate::ops::unary::{Function, Unary};
use crate::tensor::{DType, HostTensor};
use std::collections::BTreeMap;
use toml::Table;

/// The losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossName {
    /// Cross-entropy for classes, the mean squared error for values.
    Auto,
    /// Cross-entropy of a softmax.
    CrossEntropy,
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    Mae,
    /// Squared up to a size, linear beyond.
    Huber,
    /// Binary cross-entropy of logits.
    Bce,
    /// One that was registered: see [`register_loss`](super::register_loss).
    Custom(&'static CustomLoss),
}

const SIGMOID: Activation = Activation::Elementwise(Function::Sigmoid);

const NAMES: [(&str, LossName); 6] = [
    ("auto", LossName::Auto),
    ("cross_entropy", LossName::CrossEntropy),
    ("mse", LossName::Mse),
    ("mae", LossName::Mae),
    ("huber", LossName::Huber),
    ("bce", LossName::Bce),
];

/// A loss and its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// Which one.
    pub name: LossName,
    /// Share of each target spread over all classes (cross-entropy).
    pub label_smoothing: f32,
    /// How much each class counts (cross-entropy).
    pub class_weights: ClassWeights,
    /// The error up to which Huber's loss is squared.
    pub huber_delta: f32,
    /// How much positive targets count (binary cross-entropy).
    pub pos_weight: f32,
}

impl Default for Loss {
    fn default() -> Loss {
        Loss {
            name: LossName::Auto,
            label_smoothing: 0.0,
            class_weights: ClassWeights::None,
            huber_delta: 1.0,
            pos_weight: 1.0,
        }
    }
}

impl Loss {
    /// Reads the keys of `[loss]`.
    pub fn read(keys: &mut Keys) -> Result<Loss> {
        let name = keys.text("name")?.unwrap_or_else(|| "auto".into());
        let found = NAMES.iter().find(|(n, _)| *n == name).map(|(_, l)| *l);
        let found = found.or_else(|| custom::named(&name).map(LossName::Custom));
        let known = || NAMES.iter().map(|(n, _)| *n).chain(custom::names());
        Ok(Loss {
            name: found.ok_or_else(|| unknown("loss", &name, known()))?,
            label_smoothing: keys.real("label_smoothing", 0.0, 1.0, Some(0.0))? as f32,
            class_weights: ClassWeights::read(keys)?,
            huber_delta: keys.real("huber_delta", 1e-30, 1e30, Some(1.0))? as f32,
            pos_weight: keys.real("pos_weight", 0.0, 1e9, Some(1.0))? as f32,
        })
    }

    /// As TOML: read back, it is the same loss.
    pub fn to_table(&self) -> Table {
        let mut table = Table::new();
        table.insert("name".into(), self.label(self.name).into());
        table.insert("label_smoothing".into(), f64::from(self.label_smoothing).into());
        table.insert("class_weights".into(), self.class_weights.to_value());
        table.insert("huber_delta".into(), f64::from(self.huber_delta).into());
        table.insert("pos_weight".into(), f64::from(self.pos_weight).into());
        table
    }

    fn label(&self, name: LossName) -> &'static str {
        if let LossName::Custom(custom) = name {
            return custom.name();
        }
        NAMES.iter().find(|(_, n)| *n == name).expect("every loss has a name").0
    }

    /// The loss of that kind as it is reported for held-out data: without what
    /// only shapes training, smoothing and class weights.
    pub fn for_scoring(&self) -> Loss {
        Loss { label_smoothing: 0.0, class_weights: ClassWeights::None, ..self.clone() }
    }

    /// The loss for targets that are classes, or values.
    pub fn resolve(&self, of_classes: bool) -> LossName {
        match self.name {
            LossName::Auto if of_classes => LossName::CrossEntropy,
            LossName::Auto => LossName::Mse,
            name => name,
        }
    }

    /// Adds the loss of a model's `output` to a graph. Targets of classes are
    /// their numbers (u32) or, mixed, their shares (f32, as the output); values
    /// are f32, as many as the output has. `rows` u32 `[1]` counts the valid rows.
    /// `class_weights` are the resolved ones.
    pub fn build(
        &self,
        g: &mut Graph,
        output: TensorId,
        targets: TensorId,
        rows: Option<TensorId>,
        of_classes: bool,
        class_weights: Option<&[f32]>,
    ) -> Result<BatchLoss> {
        let name = self.resolve(of_classes);
        let label = self.label(name);
        if name == LossName::CrossEntropy {
            if !of_classes {
                return Err(Error::model(format!(
                    "loss \"{label}\" is for classes and the targets are values; use mse, mae, huber or bce"
                )));
            }
            let weights = class_weights.map(|w| g.constant(HostTensor::f32([w.len()], w.to_vec())));
            let options = CrossEntropy {
                label_smoothing: self.label_smoothing,
                class_weights: weights,
                ..CrossEntropy::default()
            };
            let (mean, weight) = g.cross_entropy_with_weight(output, targets, rows, options)?;
            let by_weight = class_weights.is_some() && g.spec(targets).dtype == DType::U32;
            return Ok(BatchLoss { mean, weight: by_weight.then_some(weight) });
        }
        if self.label_smoothing != 0.0 || class_weights.is_some() {
            let what = if class_weights.is_some() { "class_weights" } else { "label_smoothing" };
            return Err(Error::model(format!("[loss]: {what} is for cross_entropy; the loss is \"{label}\"")));
        }
        if let LossName::Custom(custom) = name {
            return Ok(BatchLoss { mean: custom.mean(g, output, targets, rows)?, weight: None });
        }
        if g.spec(targets).dtype == DType::U32 {
            return Err(Error::model(format!(
                "loss \"{label}\" compares numbers and the targets are classes; use cross_entropy"
            )));
        }
        let distance = match name {
            LossName::Mae => Distance::Mae,
            LossName::Huber => Distance::Huber(self.huber_delta),
            LossName::Bce => Distance::BinaryCrossEntropy(self.pos_weight),
            _ => Distance::Mse,
        };
        // One value per sample may come with an axis of its own or without.
        let shape = g.spec(output).shape.clone();
        let alike = g.spec(targets).elements() == shape.elements() && g.shape(targets).first() == shape.first();
        let targets = if alike && g.spec(targets).shape != shape { g.reshape(targets, shape)? } else { targets };
        let mean = g.regression_loss(distance, output, targets, rows)?;
        Ok(BatchLoss { mean, weight: None })
    }

    /// Fails if the outputs are probabilities already where the loss makes them of
    /// logits: a softmax of a softmax learns little, and badly.
    pub fn check_logits(&self, g: &Graph, output: TensorId, of_classes: bool) -> Result<()> {
        let name = self.resolve(of_classes);
        let own = match name {
            LossName::CrossEntropy => Activation::Softmax,
            LossName::Bce => SIGMOID,
            _ => return Ok(()),
        };
        let Some((layer, found)) = probabilities(g, output) else { return Ok(()) };
        Err(Error::model(format!(
            "loss \"{}\" applies a {} of its own, and the outputs come from the {} of layer \"{layer}\"; leave that out, or \
             end the model with it, which the loss then takes over where it is the same",
            self.label(name),
            own.name(),
            found.name()
        )))
    }
}

/// A loss in a graph.
#[derive(Debug, Clone, Copy)]
pub struct BatchLoss {
    /// The mean over the batch, f32 `[]`.
    pub mean: TensorId,
    /// What the mean divides by where that is not the number of rows, f32 `[]`:
    /// with class weights the sum of the targets' weights. For targets that are
    /// shares it is the number of rows, as in PyTorch. Means over several batches
    /// weigh each by this.
    pub weight: Option<TensorId>,
}

/// The activation that makes answers of a model's outputs: probabilities of
/// logits. Losses and `predict` apply it, the model does not.
pub fn answering(interface: &Interface) -> Option<Activation> {
    match interface.task {
        Task::Classification | Task::Language => Some(Activation::Softmax),
        Task::Regression => interface.sigmoid.then_some(SIGMOID),
    }
}

/// The layer and the activation that made `output` probabilities, if they have
/// only been moved, dropped, averaged or added since.
fn probabilities(g: &Graph, output: TensorId) -> Option<(&str, Activation)> {
    let mut known: BTreeMap<TensorId, (&str, Activation)> = BTreeMap::new();
    for node in g.nodes() {
        let op: &dyn std::any::Any = &*node.op;
        let all = || {
            let of_all: Option<Vec<_>> = node.inputs.iter().map(|t| known.get(t).copied()).collect();
            of_all.and_then(|all| all.first().copied())
        };
        let found = match node.op.name() {
            "softmax" if op.downcast_ref() == Some(&Softmax { log: false }) => {
                Some((&node.scope[..], Activation::Softmax))
            }
            "unary" if op.downcast_ref::<Unary>().is_some_and(|u| u.function == Function::Sigmoid) => {
                Some((&node.scope[..], SIGMOID))
            }
            "reshape" | "rearrange" | "dropout" | "reduce" | "mean_rows" => known.get(&node.inputs[0]).copied(),
            "concat" => all(),
            "binary" if op.downcast_ref::<Binary>().is_some_and(|b| b.op == Arithmetic::Add) => all(),
            _ => None,
        };
        known.extend(found.map(|f| (node.outputs[0], f)));
    }
    known.get(&output).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Spec;

    fn read(text: &str) -> Result<Loss> {
        let mut keys = Keys::new(text.parse().unwrap(), "[loss]");
        let loss = Loss::read(&mut keys)?;
        keys.finish()?;
        Ok(loss)
    }

    #[test]
    fn settings_survive_their_table() {
        for (name, _) in NAMES {
            let text = format!("name = \"{name}\"\nlabel_smoothing = 0.1\nhuber_delta = 0.3\npos_weight = 2");
            let loss = read(&text).unwrap();
            assert_eq!(read(&loss.to_table().to_string()).unwrap(), loss);
        }
        assert_eq!(read("").unwrap(), Loss::default());
        assert!(read("name = \"hubert\"").unwrap_err().to_string().contains("did you mean \"huber\"?"));
    }

    #[test]
    fn targets_and_losses_that_do_not_fit_are_refused() {
        let build = |text: &str, output: &[usize], targets: Spec, of_classes: bool, weights: Option<&[f32]>| {
            let mut g = Graph::new();
            let (y, t) = (g.input("y", Spec::f32(output)), g.input("t", targets));
            let made = read(text).unwrap().build(&mut g, y, t, None, of_classes, weights);
            made.map(|loss| g.nodes().iter().rev().find(|n| n.outputs.contains(&loss.mean)).unwrap().op.name())
                .map_err(|e| e.to_string())
        };
        let classes = || Spec::u32([4]);
        let values = || Spec::f32([4, 3]);
        assert_eq!(build("", &[4, 3], classes(), true, Some(&[1.0, 2.0, 0.5])).unwrap(), "cross_entropy");
        assert_eq!(build("", &[4, 3], values(), true, None).unwrap(), "cross_entropy");
        assert_eq!(build("", &[4, 3], values(), false, None).unwrap(), "regression_loss");
        for name in ["mse", "mae", "huber", "bce"] {
            let text = format!("name = \"{name}\"");
            assert_eq!(build(&text, &[4, 1], Spec::f32([4]), false, None).unwrap(), "regression_loss");
            assert!(build(&text, &[4, 3], classes(), true, None).unwrap_err().contains("use cross_entropy"));
        }
        let refused = build("name = \"cross_entropy\"", &[4, 3], values(), false, None).unwrap_err();
        assert!(refused.contains("is for classes"), "{refused}");
        let refused = build("label_smoothing = 0.1", &[4, 3], values(), false, None).unwrap_err();
        assert!(refused.contains("label_smoothing is for cross_entropy"), "{refused}");
        assert!(build("", &[4, 3], Spec::f32([3, 4]), false, None).unwrap_err().contains("target has shape"));
    }
}
