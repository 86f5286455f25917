//! The command line: flags as typed, settings as resolved, then calls into the
//! layers below. One file per subcommand.

mod common_flags;
mod csv_cells;
mod data;
mod devices;
mod diff;
mod doctor;
mod eval;
mod export;
mod flags;
mod forecast;
mod generate;
mod gradcheck;
mod import;
mod interrupt;
mod lr_find;
mod model_flags;
mod offline;
mod onnx_flags;
mod out;
mod plan;
mod plan_flags;
mod predict;
mod profile;
mod progress;
mod ranks;
mod recovery_flags;
mod replay;
mod report;
mod run_model;
mod search;
mod search_table;
mod series_flags;
#[cfg(feature = "serve")]
mod serve;
mod shaders;
mod summary;
mod text_flags;
mod tokenizer;
mod tool_flags;
mod train;
mod tune;
mod typed;
mod watch;

use crate::device::{Device, DeviceInfo};
use crate::error::Result;
use crate::files::memory;
use crate::plan::Precision;
use crate::ranks::launch;
use crate::tensor::parallel;
use crate::terminal::is_steering;
use clap::Parser;

/// Opens the device that the flags ask for and says which it is.
fn open_device(f: &flags::DeviceFlag) -> Result<(Device, DeviceInfo)> {
    open_device_for(f, Precision::F32)
}

/// The same for a training in a precision.
fn open_device_for(f: &flags::DeviceFlag, precision: Precision) -> Result<(Device, DeviceInfo)> {
    let device = f.request().open(precision, &mut progress::Terminal::new())?;
    let info = device.info();
    eprintln!("{}", info.line());
    Ok((device, info))
}

/// Prints several lines on stderr.
fn eprint_lines(text: &str) {
    text.lines().for_each(|line| eprintln!("{line}"));
}

/// Parses the arguments of the process and runs the subcommand.
pub fn run() -> Result<()> {
    crate::onnx::register()?;
    let flags = match flags::Flags::try_parse() {
        Ok(flags) => flags,
        // clap prints help and usage errors itself and knows their exit codes. What
        // it quotes may be a file's name, put there by the shell.
        Err(e) if !std::env::args_os().any(|a| a.to_string_lossy().contains(is_steering)) => e.exit(),
        Err(e) => {
            eprint_lines(&e.render().to_string());
            std::process::exit(e.exit_code());
        }
    };
    parallel::start(launch::local_ranks())?;
    flags.max_memory.into_iter().for_each(memory::set_budget);
    flags.data_memory.into_iter().for_each(memory::set_data_bound);
    let done = match &flags.command {
        flags::Command::Train(f) => train::run(f),
        flags::Command::Eval(f) => eval::run(f),
        flags::Command::Predict(f) => predict::run(f),
        flags::Command::Generate(f) => generate::run(f),
        flags::Command::Export(f) => export::run(f),
        flags::Command::Search(f) => search::run(f),
        flags::Command::LrFind(f) => lr_find::run(f),
        flags::Command::Data(f) => data::run(f),
        flags::Command::Tokenizer(f) => tokenizer::run(f),
        flags::Command::Devices(f) => devices::run(f),
        flags::Command::Summary(f) => summary::run(f),
        flags::Command::Plan(f) => plan::run(f),
        flags::Command::Tune(f) => tune::run(f),
        flags::Command::Gradcheck(f) => gradcheck::run(f),
        flags::Command::Profile(f) => profile::run(f),
        flags::Command::Doctor(f) => doctor::run(f),
        flags::Command::Diff(f) => diff::run(f),
        flags::Command::Replay(f) => replay::run(f),
        flags::Command::Shaders(f) => shaders::run(f),
        flags::Command::Report(f) => report::run(f),
        flags::Command::Watch(f) => watch::run(f),
        flags::Command::Run(f) => run_model::run(f),
        flags::Command::Import(f) => import::run(f),
        #[cfg(feature = "serve")]
        flags::Command::Serve(f) => serve::run(f),
    };
    if let (Err(e), true) = (&done, flags.command.json()) {
        out::json(&serde_json::json!({ "status": "error", "message": e.to_string() }))?;
    }
    done
}
