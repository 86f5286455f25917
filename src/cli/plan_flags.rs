//! Flags for how a training step is planned.

use crate::error::Result;
use crate::train::set;
use clap::Args;
use toml::Table;

#[derive(Debug, Args, Default)]
pub struct PlanFlags {
    /// Run every op as a step of its own, for debugging.
    #[arg(long)]
    pub no_fuse: bool,
    /// How activations and their gradients are kept: f32; f16, computed in f32, with
    /// weights in f32 and the loss scaled; or auto, f16 on GPUs whose shaders have it.
    #[arg(long, value_name = "f32|f16|auto")]
    pub precision: Option<String>,
    /// What the backward pass computes again instead of keeping it: none, auto
    /// (as few layers as --memory-budget asks for) or layers (all).
    #[arg(long, value_name = "WHAT")]
    pub recompute: Option<String>,
    /// What all buffers of the step may take, such as 2GiB; alone it means
    /// --recompute auto.
    #[arg(long, value_name = "BYTES")]
    pub memory_budget: Option<String>,
}

impl PlanFlags {
    /// Writes what was given over a table of settings.
    pub fn apply(&self, table: &mut Table) -> Result<()> {
        if self.no_fuse {
            set(table, "train.fuse", false.into())?;
        }
        if let Some(precision) = &self.precision {
            set(table, "train.precision", precision.clone().into())?;
        }
        if let Some(budget) = &self.memory_budget {
            set(table, "train.memory_budget", budget.clone().into())?;
        }
        if let Some(what) = self.recompute.as_deref().or(self.memory_budget.as_ref().map(|_| "auto")) {
            set(table, "train.recompute", what.into())?;
        }
        Ok(())
    }
}

/// The network of several ranks.
#[derive(Debug, Args)]
pub struct NetworkFlags {
    /// Estimate a step of N ranks, each with a batch: measures the step here and adds the
    /// exchange over a network (docs/distributed.md).
    #[arg(long, value_name = "N", requires = "bandwidth", conflicts_with = "explain", value_parser = clap::value_parser!(u32).range(1..))]
    pub ranks: Option<u32>,
    /// That network's bandwidth, in gigabits per second.
    #[arg(long, value_name = "GBIT/S", requires = "ranks", value_parser = bandwidth)]
    pub bandwidth: Option<f64>,
}

/// Gigabits per second.
fn bandwidth(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if n > 0.0 && n.is_finite() => Ok(n),
        _ => Err("expected a number of gigabits per second above 0".into()),
    }
}
