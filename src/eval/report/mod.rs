//! `report.html`: one page that says what a run was, how it went and how good
//! it is; without scripts and without anything from elsewhere. The same plots
//! lie as PNG in `plots/`.

mod compare;
mod details;
mod evaluation;
mod header;
mod language;
mod layers;

use super::advise;
use super::html::{figure, page, section};
use super::plot::{Plot, gallery};
use super::run::RunFiles;
use crate::error::Result;
use crate::files;
use std::path::{Path, PathBuf};

pub use compare::{Comparison, compare, comparison};

/// Writes `report.html` and `plots/*.png` into a run's folder; returns the
/// report's path.
pub fn write(folder: &Path) -> Result<PathBuf> {
    let run = RunFiles::load(folder)?;
    let plots = gallery(&run);
    let images = folder.join("plots");
    files::make_folder(&images, "the folder of plots")?;
    for plot in &plots {
        files::write(&images.join(format!("{}.png", plot.name)), &plot.scene.png()?)?;
    }
    let path = folder.join("report.html");
    files::write(&path, render(&run, &plots).as_bytes())?;
    Ok(path)
}

/// The report of a run.
fn render(run: &RunFiles, plots: &[Plot]) -> String {
    let advice = run.advice.clone().unwrap_or_else(|| match run.epochs.is_empty() {
        true => vec![],
        false => advise(&run.epochs),
    });
    let grid = |training: bool| {
        let shown: Vec<&Plot> = plots.iter().filter(|p| p.training == training).collect();
        // Four plots stand better two by two than three and one.
        let class = if matches!(shown.len(), 2 | 4) { "plots two" } else { "plots" };
        let framed: String = shown.into_iter().map(framed).collect();
        if framed.is_empty() { framed } else { format!("<div class=\"{class}\">\n{framed}</div>\n") }
    };
    let mut body = header::header(run);
    body += &section("Diagnosis", &super::html::list("advice", &advice));
    body += &section("Training", &grid(true));
    if let Some(e) = &run.evaluation {
        let heading = format!("Evaluation on {} data", e.split);
        body += &section(
            &heading,
            &(evaluation::metrics(e) + &evaluation::forecast(e) + &grid(false) + &evaluation::tables(e)),
        );
        body += &section("Worst mistakes", &evaluation::mistakes(e));
    }
    body += &section("Model", &details::model(run));
    body += &section("Data", &details::data(run));
    body += &section("Speed and memory", &details::cost(run));
    body += &section("Reproduce", &details::repeat(run));
    page(&format!("{} – wgrad", run.name()), &body)
}

/// A plot in its frame; one that is wide gets a row of its own.
fn framed(plot: &Plot) -> String {
    let svg = plot.scene.svg();
    match plot.scene.width > 600.0 {
        true => format!("<figure class=\"wide\"><div class=\"scroll\">{svg}</div></figure>\n"),
        false => figure(&svg),
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
