//! The flags of the subcommands for ONNX files.

use super::common_flags::DeviceFlag;
use super::typed::path;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `wgrad run`
#[derive(Debug, Args)]
pub struct Run {
    /// An ONNX file.
    pub model: PathBuf,
    /// An input: its name and a file, .npy or a tensor as ONNX keeps it (.pb); the file alone where
    /// the model has one input. An input that is a sequence takes a file for each element.
    #[arg(long = "input", short = 'i', value_name = "NAME=FILE")]
    pub inputs: Vec<String>,
    /// Writes each output as NAME.npy into this folder. An output that is a sequence becomes
    /// NAME.0.npy, NAME.1.npy, ..
    #[arg(long, value_name = "DIR", allow_hyphen_values = true, value_parser = path())]
    pub output_dir: Option<PathBuf>,
    /// What outputs are written as: pb keeps the types that NumPy does not have.
    #[arg(long, value_name = "npy|pb", default_value = "npy")]
    pub format: Format,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// Times each step of the device's work, the best of a few runs, and prints those that take
    /// longest.
    #[arg(long)]
    pub profile: bool,
    /// Prints one JSON object on stdout: outputs with types, shapes and files.
    #[arg(long)]
    pub json: bool,
}

/// The format of a tensor's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// NumPy's.
    Npy,
    /// ONNX's.
    Pb,
}

/// `wgrad import`
#[derive(Debug, Args)]
pub struct Import {
    /// An ONNX file.
    pub model: PathBuf,
    /// The folder of the run to be made.
    #[arg(long, value_name = "DIR", allow_hyphen_values = true, value_parser = path())]
    pub out: PathBuf,
    /// The length of an axis of the input that the file leaves open, such as "sequence=128".
    #[arg(long = "axis", value_name = "NAME=N")]
    pub axes: Vec<String>,
    /// The names of the classes, in order: a list, or a file with a name in each line.
    #[arg(long, value_name = "A,B,..|FILE")]
    pub classes: Option<String>,
    /// What the outputs are: scores of classes, or values.
    #[arg(long, value_name = "classification|regression")]
    pub task: Option<TaskFlag>,
    /// The mean of each channel of pictures, for pixels between 0 and 1: 0.485,0.456,0.406
    #[arg(long, value_name = "X,..", value_delimiter = ',', requires = "std")]
    pub mean: Option<Vec<f32>>,
    /// The deviation of each channel of pictures: 0.229,0.224,0.225
    #[arg(long, value_name = "X,..", value_delimiter = ',', requires = "mean")]
    pub std: Option<Vec<f32>>,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// What outputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TaskFlag {
    /// A score for each class.
    Classification,
    /// A value for each target.
    Regression,
}
