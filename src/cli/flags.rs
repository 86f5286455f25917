//! The flags as typed.

pub use super::common_flags::{DeviceFlag, RunFlags};
pub use super::model_flags::{ModelFlags, model_help};
use super::plan_flags::{NetworkFlags, PlanFlags};
use super::recovery_flags::RecoveryFlags;
use super::series_flags::SeriesFlags;
use super::text_flags::TextFlags;
use super::tool_flags;
use super::typed::{BatchSize, batch_size, name, one_or_more, path, seconds, source};
use crate::plan::parse_bytes;
use crate::train::recipe_names;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Trains neural networks on any GPU with hand-written WGSL shaders.
#[derive(Debug, Parser)]
#[command(name = "wgrad", version, about, max_term_width = 100)]
pub struct Flags {
    #[command(subcommand)]
    pub command: Command,
    /// The most memory that what a file holds may take: 512MiB, 2GB (default: a quarter of what is free).
    #[arg(long, global = true, value_name = "BYTES", value_parser = parse_bytes)]
    pub max_memory: Option<u64>,
    /// The most memory that the samples of a data set take: a larger folder of pictures, table or
    /// text, or a larger set of IDX, CIFAR or NumPy's files, is read while it is trained on instead of before
    /// (default: as --max-memory, which refuses what unfolds to more).
    #[arg(long, global = true, value_name = "BYTES", value_parser = parse_bytes)]
    pub data_memory: Option<u64>,
}

#[allow(clippy::large_enum_variant)] // A process has one of them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model. With no arguments: a small CNN on the built-in digits.
    Train(Train),
    /// Score a trained run on test data.
    Eval(Eval),
    /// Predict with a trained run: pictures, rows of tables, arrays, texts.
    Predict(Predict),
    /// Generate text with a trained language model.
    Generate(Generate),
    /// Write a trained model for other programs: ONNX, weights alone, PyTorch, Keras.
    Export(tool_flags::Export),
    /// Train with many settings and find the best: [search] in a run configuration.
    ///
    /// Trials are compared on the same validation rows by a figure that means the same in
    /// all of them: by default the validation loss, or where the space changes what the loss
    /// is, accuracy, rmse or bits_per_byte. Seeds ("train.seed" in the space) repeat every
    /// setting, and means are compared. See docs/training.md.
    Search(tool_flags::Search),
    /// Find learning rates that train: a sweep from tiny to huge.
    LrFind(tool_flags::LrFind),
    /// Look through a data set: what is in it, and what is wrong with it.
    Data(Data),
    /// Make a vocabulary for language models from text, or show one.
    Tokenizer(Tokenizer),
    /// List the devices that training can run on.
    Devices(Devices),
    /// Print a model's layers, shapes and parameters.
    Summary(Summary),
    /// Show the plan of a training step: steps, buffers, dispatches.
    Plan(Plan),
    /// Find the fastest kernels of a GPU for a model's training, and cache the result.
    Tune(tool_flags::Tune),
    /// Compare a model's gradients with finite differences.
    Gradcheck(Gradcheck),
    /// Examine devices: every kernel beside the CPU, and short trainings (docs/doctor.md).
    Doctor(tool_flags::Doctor),
    /// Compare two runs: where do their weights part, and what else differs?
    Diff(tool_flags::Diff),
    /// Run the step of a replay file again on the CPU in f64: which number was the first that is not finite?
    Replay(tool_flags::Replay),
    /// Time every kernel of a training step, beside what the device reaches at most.
    Profile(super::profile::flags::Profile),
    /// List the shaders and their variants; translate one for a driver.
    Shaders(super::profile::flags::Shaders),
    /// Write a run's report.html and plots, or a page that compares several runs.
    Report(Report),
    /// Draw a run's curves in the terminal while it trains.
    Watch(Watch),
    /// Run an ONNX model on tensors from files.
    Run(super::onnx_flags::Run),
    /// Make a run of an ONNX model, to evaluate it, predict with it and train it further.
    Import(super::onnx_flags::Import),
    /// Serve trained runs over HTTP: Open Inference Protocol, TensorFlow Serving, JSON, CSV, pictures.
    #[cfg(feature = "serve")]
    Serve(super::serve::Serve),
}

impl Command {
    /// Whether the answer is to be a JSON object, errors included.
    pub fn json(&self) -> bool {
        match self {
            Command::Train(f) => f.json,
            Command::Eval(f) => f.json,
            Command::Predict(f) => f.json,
            Command::Generate(f) => f.json,
            Command::Export(f) => f.json,
            Command::Search(f) => f.json,
            Command::LrFind(f) => f.json,
            Command::Data(f) => f.json,
            Command::Tokenizer(f) => f.json,
            Command::Devices(f) => f.json,
            Command::Report(f) => f.json,
            Command::Run(f) => f.json,
            Command::Import(f) => f.json,
            Command::Gradcheck(f) => f.json,
            Command::Profile(f) => f.json,
            Command::Doctor(f) => f.json,
            Command::Diff(f) => f.json,
            Command::Replay(f) => f.json,
            Command::Shaders(f) => f.json,
            Command::Tune(f) => f.json,
            #[cfg(feature = "serve")]
            Command::Serve(_) => false,
            Command::Summary(_) | Command::Plan(_) | Command::Watch(_) => false,
        }
    }
}

#[derive(Debug, Args)]
pub struct Train {
    #[arg(help = format!("A run configuration in TOML, or a recipe ({}); flags override what it says", recipe_names()))]
    pub config: Option<PathBuf>,
    #[arg(long, value_name = "NAME|FILE", help = model_help())]
    pub model: Option<String>,
    /// "digits" (built in; "builtin:digits" where a path is called so), a folder of IDX files (MNIST), CIFAR-10 binary batches, a folder
    /// with one sub-folder of pictures per class, a table (CSV, TSV, JSON), or NumPy arrays.
    #[arg(long, value_name = "digits|PATH", allow_hyphen_values = true, value_parser = source())]
    pub data: Option<String>,
    /// A folder that keeps the decoded pictures of a set that is larger than --data-memory, so that
    /// they are decoded once and not in every epoch. It takes as much as the pictures decoded. Of
    /// tables and texts it holds features and tokens while a run lasts.
    #[arg(long, value_name = "DIR", allow_hyphen_values = true, value_parser = path())]
    pub data_cache: Option<PathBuf>,
    /// The column of a table that is to be predicted: a name, a number from 1, or "last".
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true, value_parser = name())]
    pub target: Option<String>,
    /// The columns that say which rows belong together: of a series each group is one of its own,
    /// of other rows a group stays on one side of a split. Of an .npz archive the name of an array;
    /// "none" for no groups.
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',', allow_hyphen_values = true, value_parser = name())]
    pub group: Option<Vec<String>>,
    /// classification, regression, or auto to find out from the target.
    #[arg(long, value_name = "TASK")]
    pub task: Option<String>,
    /// Of two classes that which precision, recall and F1 are of (default: the one that reads like
    /// "yes", else the rarer one).
    #[arg(long, value_name = "CLASS", allow_hyphen_values = true)]
    pub positive: Option<String>,
    /// Passes over the training data.
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Samples per step, or auto: the largest power of two that fits the memory.
    #[arg(long, value_name = "N|auto", value_parser = batch_size)]
    pub batch_size: Option<BatchSize>,
    /// sgd, sgdw, adam, adamw or rmsprop. Without this, --lr and --schedule: Adam from 0.004 down along
    /// a cosine; for tables AdamW from 0.003.
    #[arg(long, value_name = "NAME")]
    pub optimizer: Option<String>,
    /// Learning rate (default: PyTorch's for the optimizer).
    #[arg(long, value_name = "X")]
    pub lr: Option<f64>,
    /// How the learning rate changes: constant, linear, step, multi_step, exponential, cosine,
    /// one_cycle, polynomial, inverse_sqrt, plateau (keys: docs/training.md).
    #[arg(long, value_name = "NAME")]
    pub schedule: Option<String>,
    /// Share of the training data held out for validation.
    #[arg(long, value_name = "F")]
    pub val_split: Option<f64>,
    /// Cross-validation: train and test N times on disjoint held-out parts.
    #[arg(long, value_name = "N")]
    pub folds: Option<usize>,
    /// With --folds: the models of the folds answer together afterwards, `wgrad predict RUN` gives
    /// the mean of their probabilities or values.
    #[arg(long)]
    pub keep_folds: bool,
    /// Seeds everything random.
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    /// Stop after so many epochs in which the validation loss, or what early_stopping.monitor names
    /// (val_f1, val_r2, ..), was not better.
    #[arg(long, value_name = "EPOCHS")]
    pub patience: Option<usize>,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// The run's folder (default: the next free one under runs/).
    #[arg(long, value_name = "DIR", allow_hyphen_values = true, value_parser = path())]
    pub out: Option<PathBuf>,
    /// Go on from the last checkpoint of the folder --out, with its settings and its data
    /// (--data names where that was moved to); start anew if there is none yet.
    #[arg(long, requires = "out")]
    pub resume: bool,
    /// Serve the run's live curves on a local page, on this port or the next free one.
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "6006")]
    pub dashboard: Option<u16>,
    /// Start from the weights of a run or of any file of safetensors, such as PyTorch's, where
    /// names and shapes agree.
    #[arg(long, value_name = "RUN|FILE", conflicts_with = "resume", allow_hyphen_values = true, value_parser = path())]
    pub init: Option<PathBuf>,
    /// Replace the beginnings of names in the file of --init: "model.=" takes model. away,
    /// "encoder.=enc.,=net." makes enc. of encoder. and puts net. before all others.
    #[arg(long, value_name = "FROM=TO,..", requires = "init", allow_hyphen_values = true)]
    pub init_map: Option<String>,
    /// Write a checkpoint every N steps, besides those after each epoch.
    #[arg(long, value_name = "STEPS", value_parser = one_or_more)]
    pub checkpoint_every: Option<usize>,
    #[command(flatten)]
    pub plan: PlanFlags,
    /// Stop after N steps (updates of the weights, of train.accumulate batches each).
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    pub max_steps: Option<usize>,
    /// Stop after so much time: 90, 90s, 15m, 2h.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub max_time: Option<f64>,
    /// When a loss or a gradient is no finite number: stop, with the first such tensor and a file
    /// for `wgrad replay`; skip, leave the update out; rollback, go back to the latest epoch and on
    /// at half the learning rate (default: stop).
    #[arg(long, value_name = "stop|skip|rollback")]
    pub on_nan: Option<String>,
    /// Compare one step in N with the CPU in f64, op by op, and stop at the first tensor that is wrong.
    #[arg(long, value_name = "STEPS", value_parser = one_or_more)]
    pub verify_every: Option<usize>,
    #[command(flatten)]
    pub recovery: RecoveryFlags,
    /// Note a fingerprint of the weights in metrics.jsonl every N steps, by which `wgrad diff` finds
    /// the first step and tensor in which two runs differ.
    #[arg(long, value_name = "STEPS", value_parser = one_or_more)]
    pub fingerprint_every: Option<usize>,
    /// Train and validate on the same N batches: a model that cannot learn them is broken.
    #[arg(long, value_name = "N")]
    pub overfit_batches: Option<usize>,
    /// One batch through everything, nothing written: does it run at all?
    #[arg(long, conflicts_with_all = ["out", "resume", "overfit_batches", "folds", "dashboard"])]
    pub fast_dev_run: bool,
    /// Disable kernel tuning: the kernels depend on the kind of device alone.
    #[arg(long)]
    pub no_tune: bool,
    /// Any other setting, such as optimizer.weight_decay=0.01 (repeatable).
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub series: SeriesFlags,
    #[command(flatten)]
    pub text: TextFlags,
}
#[derive(Debug, Args)]
pub struct Eval {
    #[command(flatten)]
    pub run: RunFlags,
    /// The data to score: its test set if it has one, else all of it.
    #[arg(long, value_name = "digits|PATH", allow_hyphen_values = true, value_parser = source())]
    pub data: String,
    /// Of two classes that which precision, recall and F1 are of (default: as in training).
    #[arg(long, value_name = "CLASS", allow_hyphen_values = true)]
    pub positive: Option<String>,
    /// Samples per step (default: as in training).
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Of a language model: tokens between the starts of two windows, of which only what no
    /// window before was scored on counts. Fewer give each token more to go by, and take longer
    /// (default: the context).
    #[arg(long, value_name = "TOKENS", value_parser = one_or_more)]
    pub stride: Option<usize>,
    /// Seeds the built-in data (default: as in training).
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Generate {
    #[command(flatten)]
    pub run: RunFlags,
    /// The text to go on from (default: a line break, or the first token where there is none).
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// Tokens to write.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub length: usize,
    /// Above 1 is bolder, below 1 more careful; 0 takes the likeliest token each time.
    #[arg(long, value_name = "X", default_value_t = 0.8)]
    pub temperature: f64,
    /// Draw among the K likeliest tokens only.
    #[arg(long, value_name = "K")]
    pub top_k: Option<usize>,
    /// Draw among the likeliest tokens that together have this share.
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    pub top_p: f64,
    /// Seeds the draws.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u32,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// Print one JSON object as the last line of stdout, and nothing before it.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Predict {
    #[command(flatten)]
    pub run: RunFlags,
    /// Pictures (PNG, JPEG, BMP or WebP), tables (CSV, TSV, JSON) for a model trained on one, or texts.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How many classes to print per picture.
    #[arg(long, value_name = "K", default_value_t = 3)]
    pub top: usize,
    /// Invert the pictures' brightness: for dark ink on white paper where the
    /// model has learned from white on black.
    #[arg(long)]
    pub invert: bool,
    /// Of a series: a forecast from every row that has a window behind it, not only from the last.
    #[arg(long)]
    pub all: bool,
    /// Write the answers as CSV to a file.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_parser = path())]
    pub out: Option<PathBuf>,
    /// For spreadsheets: CSV cells that begin as a formula does (= + - @, tab, line break) and are
    /// no plain number get an apostrophe in front. Without it cells are what the data says.
    #[arg(long)]
    pub safe_csv: bool,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Data {
    /// The data set, as for `train --data`.
    #[arg(value_name = "digits|PATH", value_parser = source())]
    pub source: String,
    /// The column of a table that a model is to predict.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = name())]
    pub target: Option<String>,
    /// The columns that say which rows belong together: of a series each group is one of its own,
    /// of other rows a group stays on one side of a split. Of an .npz archive the name of an array;
    /// "none" for no groups.
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',', allow_hyphen_values = true, value_parser = name())]
    pub group: Option<Vec<String>>,
    /// Share of the training data held out for validation, as in training.
    #[arg(long, value_name = "F", default_value_t = 0.1)]
    pub val_split: f64,
    /// Seeds the split and the built-in data.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u32,
    /// Look at a table as a series in time, of which forecasts look back on so many rows.
    #[arg(long, value_name = "ROWS")]
    pub window: Option<usize>,
    /// A setting, such as data.size=[64,64], data.channels=1, clean.outliers=clip or augment.rotation=10
    /// (repeatable).
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Write the audit as a page that needs nothing else.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_parser = path())]
    pub html: Option<PathBuf>,
    /// Write a sheet of samples as PNG.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_parser = path())]
    pub sheet: Option<PathBuf>,
    /// Show on the sheet what the [augment] of this configuration makes of samples.
    #[arg(long, value_name = "CONFIG", requires = "sheet", allow_hyphen_values = true, value_parser = path())]
    pub augment: Option<PathBuf>,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

/// What the tokens of a vocabulary are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VocabularyKind {
    /// The characters of the text.
    Char,
    /// The 256 bytes.
    Byte,
    /// Byte pairs: bytes, and what often stands together.
    Bpe,
}

#[derive(Debug, Args)]
pub struct Tokenizer {
    /// Text files (UTF-8, plain or .gz), or folders of them.
    #[arg(required_unless_present = "show", value_name = "TEXT", conflicts_with = "show")]
    pub texts: Vec<PathBuf>,
    /// What the tokens are.
    #[arg(long, value_name = "char|byte|bpe", default_value = "bpe")]
    pub kind: VocabularyKind,
    /// Tokens of a byte-pair vocabulary, 256 or more (default: 1000).
    #[arg(long, value_name = "N")]
    pub size: Option<usize>,
    /// Where to write it: byte pairs as a Hugging Face tokenizer.json, others as JSON of our own.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_parser = path())]
    pub out: Option<PathBuf>,
    /// Show a vocabulary: one written by this command, or any tokenizer.json.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kind", "size", "out"], allow_hyphen_values = true, value_parser = path())]
    pub show: Option<PathBuf>,
    /// With --show: the tokens of this text.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub encode: Option<String>,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Devices {
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}
#[derive(Debug, Args)]
pub struct Gradcheck {
    #[command(flatten)]
    pub model: ModelFlags,
    /// Samples in the batch.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub batch_size: usize,
    /// Elements of each parameter that are nudged.
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub elements: usize,
    /// What weights, samples and places are drawn from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u32,
    /// The largest relative error that passes.
    #[arg(long, value_name = "X", default_value_t = 1e-5)]
    pub tolerance: f64,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Summary {
    #[command(flatten)]
    pub model: ModelFlags,
    /// Samples per step, for the memory estimate; by default as training takes
    /// them: 128, 64 of a series, 16 of a text.
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub model: ModelFlags,
    /// Samples per step; by default as training takes them: 128, 64 of a series,
    /// 16 of a text.
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// sgd, adam, adamw or rmsprop.
    #[arg(long, value_name = "NAME", default_value = "adam")]
    pub optimizer: String,
    /// List every step with its tensors, buffers and workgroups.
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    pub network: NetworkFlags,
    #[command(flatten)]
    pub plan: PlanFlags,
    #[command(flatten)]
    pub device: DeviceFlag,
}

#[derive(Debug, Args)]
pub struct Report {
    /// The folder of a run, or of several to compare.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Where to write the comparison (default: compare.html).
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_parser = path())]
    pub out: Option<PathBuf>,
    /// Print one JSON object as the last line of stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Watch {
    /// The folder of a run.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Draw once and end.
    #[arg(long)]
    pub once: bool,
}
