//! The table that Keras prints: layer, output shape, parameters, totals.

use super::{Model, Weights};
use crate::error::Result;
use crate::terminal;
use std::fmt::Write;

/// The summary of a model. Shapes leave the batch open.
pub fn summary(model: &Model) -> Result<String> {
    let (_, built) = model.inspect(1, &mut Weights::new(0))?;
    let rows: Vec<[String; 4]> = built
        .layers
        .iter()
        .map(|l| {
            let sample: Vec<String> = l.output[1..].iter().map(usize::to_string).collect();
            let shape = format!("[N, {}]", sample.join(", "));
            let params = group_digits(l.trainable + l.state);
            [format!("{} ({})", l.name, l.kind), shape, params, l.inputs.join(", ")]
        })
        .collect();
    let titles = ["Layer (type)", "Output shape", "Param #", "Connected to"];
    let shown = if rows.iter().any(|r| !r[3].is_empty()) { 4 } else { 3 };
    let width = |c: usize| rows.iter().map(|r| terminal::width(&r[c])).chain([titles[c].len()]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..shown).map(width).collect();
    let total_width = widths.iter().sum::<usize>() + 3 * (shown - 1);
    let mut out = format!("Model: {}  (input {})\n", model.description.name, model.input);
    let line = |out: &mut String, cells: &[&str]| {
        let cell = |(c, text): (usize, &&str)| match c {
            2 => terminal::right(text, widths[c]).into_owned(),
            _ => terminal::left(text, widths[c]).into_owned(),
        };
        let text = cells.iter().take(shown).enumerate().map(cell).collect::<Vec<_>>().join("   ");
        let _ = writeln!(out, "{}", text.trim_end());
    };
    let _ = writeln!(out, "{}", "─".repeat(total_width));
    line(&mut out, &titles);
    let _ = writeln!(out, "{}", "═".repeat(total_width));
    for row in &rows {
        line(&mut out, &[&row[0], &row[1], &row[2], &row[3]]);
    }
    let _ = writeln!(out, "{}", "─".repeat(total_width));
    let trainable: usize = built.layers.iter().map(|l| l.trainable).sum();
    let state: usize = built.layers.iter().map(|l| l.state).sum();
    let total = trainable + state;
    let _ = writeln!(out, "Total params: {} ({})", group_digits(total), crate::plan::human_bytes(total * 4));
    let _ =
        writeln!(out, "Trainable params: {} ({})", group_digits(trainable), crate::plan::human_bytes(trainable * 4));
    let _ = writeln!(out, "Non-trainable params: {} ({})", group_digits(state), crate::plan::human_bytes(state * 4));
    Ok(out)
}

/// `1234567` as `1,234,567`.
pub(crate) fn group_digits(n: usize) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let mut groups = if first > 0 { vec![&digits[..first]] } else { vec![] };
    groups.extend((first..digits.len()).step_by(3).map(|i| &digits[i..i + 3]));
    groups.join(",")
}
