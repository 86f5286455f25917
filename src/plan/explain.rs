//! `explain`: the plan as a table for people. The first debugging tool.

use super::barriers::Barriers;
use super::bytes::human_bytes;
use super::plan::Plan;
use super::step::Place;
use crate::graph::TensorId;
use crate::tensor::DType;
use std::fmt::Write;

impl Plan {
    /// One line per step (op, inputs, outputs, bytes, workgroups, buffers),
    /// then the buffers with their tenants' first and last use, then totals.
    pub fn explain(&self) -> String {
        let mut out = String::new();
        let place = |t: &TensorId, p: &Place| {
            let name = match &self.buffers[p.buffer].name {
                Some(name) => name.clone(),
                None => format!("b{}", p.buffer),
            };
            let at = if p.offset > 0 { format!("+{}", p.offset) } else { String::new() };
            let half = if p.spec.dtype == DType::F16 { " f16 " } else { "" };
            format!("{t:?}{half}{}:{name}{at}", p.spec.shape)
        };
        for (i, step) in self.steps.iter().enumerate() {
            let node = &self.graph.nodes()[step.node];
            let list = |ids: &[TensorId], places: &[Place]| {
                ids.iter().zip(places).map(|(t, p)| place(t, p)).collect::<Vec<_>>().join(" ")
            };
            let bytes = node.op.cost(&self.lower_context(node)).bytes;
            let writes =
                [list(&node.updates, &step.updates), list(&node.outputs, &step.outputs)].join(" ").trim().to_string();
            let again = if node.again { "  (again)" } else { "" };
            let variant = if step.variant.is_empty() { String::new() } else { format!("   [{}]", step.variant) };
            let _ = writeln!(out, "{i:4}  {}{again}{variant}", node.label());
            let _ = writeln!(
                out,
                "      {} -> {writes}   {}",
                list(&node.inputs, &step.inputs),
                human_bytes(bytes as usize)
            );
            for launch in &step.launches {
                let [x, y, z] = launch.groups;
                let [a, b, c] = launch.entry.workgroup_size;
                let _ = writeln!(
                    out,
                    "      {}.{}  {x}x{y}x{z} groups of {a}x{b}x{c}, {} B workgroup memory",
                    launch.kernel.shader.name, launch.kernel.entry, launch.entry.workgroup_bytes
                );
            }
        }
        for i in self.on_host() {
            let label = self.graph.nodes()[self.steps[i].node].label();
            let _ = writeln!(out, "step {i}, {label}: by the CPU, because the device computes it wrongly");
        }
        let _ = writeln!(out, "\nbuffers");
        for (i, b) in self.buffers.iter().enumerate() {
            let name = b.name.clone().unwrap_or_else(|| format!("b{i}"));
            let tenants: Vec<String> = self
                .lifetimes
                .iter()
                .filter(|(t, _)| self.places[t.index()].as_ref().is_some_and(|p| p.buffer == i))
                .map(|(t, l)| format!("{t:?} {}..{}", l.first, l.last))
                .collect();
            let _ = writeln!(out, "  {name:24} {:>10}  {}", human_bytes(b.bytes()), tenants.join(", "));
        }
        let _ = writeln!(out, "\n{}", self.totals());
        out
    }

    /// Steps, what fusion saved, and memory against the least that any sharing
    /// of buffers could take.
    pub fn totals(&self) -> String {
        let launches: usize = self.steps.iter().map(|s| s.launches.len()).sum();
        let mut out = format!("{} steps, {launches} dispatches", self.steps.len());
        if self.saved.nodes > 0 {
            let bytes = human_bytes(usize::try_from(self.saved.bytes).unwrap_or(usize::MAX));
            let _ = write!(out, "; fusion saves {} steps and {bytes} of traffic", self.saved.nodes);
        }
        let _ = write!(
            out,
            "\nactivations {} in shared buffers; {} live at once, {} without sharing; all buffers {}",
            human_bytes(self.transient_bytes()),
            human_bytes(self.least),
            human_bytes(self.unshared_bytes()),
            human_bytes(self.bytes())
        );
        let barriers = self.barriers();
        if barriers.set > 0 {
            let Barriers { dispatches, set, needed } = barriers;
            let _ = write!(
                out,
                "\n{set} of {dispatches} dispatches wait at a barrier; {needed} need the one directly before them"
            );
        }
        if !self.recomputed.is_empty() {
            let _ = write!(out, "\ncomputed again in the backward pass: {}", self.recomputed.join(", "));
        }
        out
    }
}
