//! The flags of `wgrad profile`.

use crate::cli::flags::DeviceFlag;
use crate::cli::plan_flags::PlanFlags;
use crate::cli::typed::path;
use crate::nn::preset_names;
use crate::profile::Sort;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The names that `--sort` takes, with what each does.
impl ValueEnum for Sort {
    fn value_variants<'a>() -> &'a [Sort] {
        &[Sort::Time, Sort::Plan, Sort::Name, Sort::Gain, Sort::Flops, Sort::Bytes]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Sort::Time => ("time", "The slowest first"),
            Sort::Plan => ("plan", "The order in which they run"),
            Sort::Name => ("name", "By name"),
            Sort::Gain => ("gain", "First where the most could be gained: the time above what the ceilings allow"),
            Sort::Flops => ("flops", "The most floating-point operations first"),
            Sort::Bytes => ("bytes", "The most bytes first"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

#[derive(Debug, Args)]
pub struct Profile {
    #[arg(value_name = "MODEL|RUN", required_unless_present = "shader", conflicts_with = "shader")]
    #[arg(help = format!("A preset ({}), a model description in TOML, or the folder of a run", preset_names()))]
    pub model: Option<String>,
    /// Time a shader instead, by its cases: shaders/x.wgsl as it is on disk, or the name of a room.
    #[arg(long, value_name = "FILE|NAME", conflicts_with_all = ["trace", "html", "compare", "sort", "json"])]
    pub shader: Option<String>,
    /// With --shader: time it again whenever the file, or one that it includes, changes.
    #[arg(long, requires = "shader")]
    pub watch: bool,
    /// Measure nothing; estimate what each dispatch takes at least on a family of AMD GPUs, such as navi31, from what
    /// Mesa's RADV compiles for it. Needs no GPU.
    #[arg(long, value_name = "FAMILY", conflicts_with_all = ["shader", "trace", "html", "compare"])]
    pub offline: Option<String>,
    /// The shape of one sample, channels first.
    #[arg(long, value_name = "C,H,W", value_delimiter = ',')]
    pub input: Option<Vec<usize>>,
    /// The number of classes (default: 10, or as the run has).
    #[arg(long, value_name = "N")]
    pub classes: Option<usize>,
    /// The number of different tokens, for a model that reads them.
    #[arg(long, value_name = "N", default_value_t = 65)]
    pub vocabulary: usize,
    /// Samples per step (default: 128, or as the run has).
    #[arg(long, value_name = "N", value_parser = super::one_or_more)]
    pub batch_size: Option<usize>,
    /// sgd, sgdw, adam, adamw or rmsprop (default: adam, or as the run has).
    #[arg(long, value_name = "NAME")]
    pub optimizer: Option<String>,
    /// Steps to measure.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = super::one_or_more)]
    pub steps: usize,
    /// What to sort kernels by.
    #[arg(long, value_name = "KEY", default_value = "time")]
    pub sort: Sort,
    /// Kernels to list.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub top: usize,
    /// Write a trace for Perfetto or chrome://tracing.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_parser = path())]
    pub trace: Option<PathBuf>,
    /// Write a page with a roofline and the time by layer.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_parser = path())]
    pub html: Option<PathBuf>,
    /// Compare with what --json printed before; a step or a kernel that became slower is an error.
    #[arg(long, value_name = "OLD.json", allow_hyphen_values = true, value_parser = path())]
    pub compare: Option<PathBuf>,
    #[command(flatten)]
    pub plan: PlanFlags,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Shaders {
    /// The shader; without one all are listed. With --stats or --isa also a preset or a model description in TOML: the
    /// kernels of its training step.
    #[arg(value_name = "NAME|MODEL")]
    pub name: Option<String>,
    /// Only what this case dispatches.
    #[arg(long, value_name = "CASE", requires = "name")]
    pub case: Option<String>,
    /// Only this entry point.
    #[arg(long, value_name = "NAME", requires = "name")]
    pub entry: Option<String>,
    /// Only the variant of this number.
    #[arg(long, value_name = "N", requires = "name")]
    pub variant: Option<usize>,
    /// Translate it for Vulkan: SPIR-V, to a file or into a pipe.
    #[arg(long, group = "language")]
    pub spirv: bool,
    /// Translate it for Metal.
    #[arg(long, group = "language")]
    pub msl: bool,
    /// Translate it for DX12.
    #[arg(long, group = "language")]
    pub hlsl: bool,
    /// Translate it for OpenGL.
    #[arg(long, group = "language")]
    pub glsl: bool,
    /// What a driver's compiler makes of each kernel: registers, spills, workgroup memory, occupancy, instructions,
    /// estimated cycles. Nothing runs.
    #[arg(long, group = "report", requires = "name", conflicts_with_all = ["language", "all"])]
    pub stats: bool,
    /// The machine code as the driver prints it.
    #[arg(long, group = "report", requires = "name", conflicts_with_all = ["language", "all"])]
    pub isa: bool,
    /// The adapter whose driver is asked: a number, or part of its name (default: WGRAD_DEVICE, else the first GPU).
    #[arg(long, value_name = "DEVICE", requires = "report")]
    pub device: Option<String>,
    /// Ask Mesa's RADV what it makes for a family of AMD GPUs, such as navi31; needs no GPU.
    #[arg(long, value_name = "NAME", requires = "report", conflicts_with = "device")]
    pub family: Option<String>,
    /// Take the shaders from a folder laid out as shaders/, as they are on disk, instead of those inside the program.
    #[arg(long, value_name = "DIR", requires = "report", allow_hyphen_values = true, value_parser = path())]
    pub sources: Option<PathBuf>,
    /// Of a model: samples per step (default: 128).
    #[arg(long, value_name = "N", requires = "report", value_parser = super::one_or_more)]
    pub batch_size: Option<usize>,
    /// Write the translation to a file.
    #[arg(long, value_name = "FILE", requires = "language", allow_hyphen_values = true, value_parser = path())]
    pub out: Option<PathBuf>,
    /// Write the translations of all kernels that cases need into a folder, a file each.
    #[arg(long, value_name = "DIR", requires = "language", conflicts_with_all = ["name", "out"], allow_hyphen_values = true, value_parser = path())]
    pub all: Option<PathBuf>,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}
