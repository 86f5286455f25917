//! What an examination comes to.

use super::facts::Facts;
use crate::device::DeviceInfo;
use crate::kernel::Refusal;
use crate::profile::Ceilings;
use serde::Serialize;
use std::path::PathBuf;

/// Whether something is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All that was tried.
    Right,
    /// All but results of NaN and infinity, which WGSL lets a device take for anything.
    #[serde(rename = "not_finite")]
    NotFinite,
    /// Something is not what the judge says.
    Wrong,
    /// The device did not run it.
    Failed,
}

impl Status {
    /// Whether it is not to be used.
    pub fn is_wrong(self) -> bool {
        matches!(self, Status::Wrong | Status::Failed)
    }
}

/// The verdict over an op's variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The op.
    pub op: String,
    /// Its variant; empty where there is only one.
    pub variant: String,
    /// The cases that ran it, each forward and backward where it has a gradient.
    pub cases: usize,
    /// Whether it is right.
    pub status: Status,
    /// The cases that failed, and why; the first few.
    pub failures: Vec<(String, String)>,
}

/// What came of a training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Training {
    /// The preset.
    pub model: String,
    /// Steps.
    pub steps: usize,
    /// Whether it is right.
    pub status: Status,
    /// The losses on the device, and the CPU's.
    pub losses: [Vec<f64>; 2],
    /// What is wrong, if anything is.
    pub why: Option<String>,
}

impl Training {
    /// What a person reads of it behind the verdict.
    pub fn said(&self) -> String {
        match &self.why {
            Some(why) => format!("\n      {why}"),
            None => {
                let [found, cpu] = &self.losses;
                let most = found.iter().zip(cpu).map(|(a, b)| (a - b).abs() / b.abs().max(1e-9)).fold(0.0, f64::max);
                format!(", losses within {most:.1e} of the CPU's")
            }
        }
    }
}

/// What was found out about an adapter.
#[derive(Debug, Clone, Serialize)]
pub struct Examined {
    /// The device.
    pub device: DeviceInfo,
    /// The version of the program.
    pub wgrad: String,
    /// Whether only a part was examined.
    pub quick: bool,
    /// Features and limits.
    pub facts: Facts,
    /// What it reaches at most, where that was measured.
    pub ceilings: Option<Ceilings>,
    /// By op and variant.
    pub verdicts: Vec<Verdict>,
    /// Cases that there was no time for.
    pub left_out: usize,
    /// The trainings.
    pub trainings: Vec<Training>,
    /// What is not run on this adapter any more.
    pub refused: Vec<Refusal>,
    /// The file that says so.
    pub kept: Option<PathBuf>,
    /// How long it took.
    pub seconds: f64,
}

impl Examined {
    /// Whether everything was right that WGSL promises.
    pub fn is_right(&self) -> bool {
        self.verdicts.iter().all(|v| !v.status.is_wrong()) && self.trainings.iter().all(|t| !t.status.is_wrong())
    }

    /// What a person reads.
    pub fn text(&self) -> String {
        let mut lines = vec![self.device.line(), format!("driver: {}", self.device.driver), self.facts.line()];
        if let Some(Ceilings { gflops, gbs }) = self.ceilings {
            lines.push(format!("ceilings: {gflops:.0} GFLOP/s, {gbs:.1} GB/s"));
        }
        let wide = self.verdicts.iter().map(|v| name(&v.op, &v.variant).len()).max().unwrap_or(0);
        for v in &self.verdicts {
            let (name, status) = (name(&v.op, &v.variant), status(v.status));
            lines.push(format!("  {name:<wide$}  {:>4} cases  {status}", v.cases));
            lines.extend(v.failures.iter().map(|(case, why)| format!("      {case}: {why}")));
        }
        for t in &self.trainings {
            let (name, status) = (format!("training {}", t.model), status(t.status));
            lines.push(format!("  {name:<wide$}  {:>4} steps  {status}{}", t.steps, t.said()));
        }
        if self.left_out > 0 {
            let more = if self.quick { "; without --quick they run too" } else { "; --op NAME runs all of an op" };
            lines.push(format!("{} cases were left out because the time was up{more}", self.left_out));
        }
        for r in &self.refused {
            lines.push(format!("not used on this adapter any more: {}: {}", name(&r.op, &r.variant), r.why));
        }
        lines.extend(self.kept.as_ref().map(|file| format!("that is remembered in {}", file.display())));
        let wrong = self.verdicts.iter().filter(|v| v.status.is_wrong()).count();
        let trainings = self.trainings.iter().filter(|t| t.status.is_wrong()).count();
        lines.push(match (wrong, trainings) {
            (0, 0) => format!("all {} kernels are right, in {:.0} s", self.verdicts.len(), self.seconds),
            _ => format!(
                "{wrong} of {} kernels and {trainings} of {} trainings are wrong, in {:.0} s",
                self.verdicts.len(),
                self.trainings.len(),
                self.seconds
            ),
        });
        lines.join("\n")
    }
}

fn name(op: &str, variant: &str) -> String {
    if variant.is_empty() { op.into() } else { format!("{op} [{variant}]") }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Right => "right",
        Status::NotFinite => "right, but not for NaN and infinity",
        Status::Wrong => "WRONG",
        Status::Failed => "FAILED",
    }
}
