//! `wgrad gradcheck`

use super::{flags, out, summary};
use crate::error::{Error, Result};
use crate::terminal::{left, width};
use crate::train::gradcheck::{Checked, GradCheck, gradcheck};
use serde_json::json;

pub fn run(f: &flags::Gradcheck) -> Result<()> {
    let model = summary::model(&f.model)?;
    if !(f.tolerance > 0.0 && f.tolerance < 1.0) {
        return Err(Error::usage(format!("--tolerance {}: expected a number above 0 and below 1", f.tolerance)));
    }
    let options = GradCheck { batch: f.batch_size, elements: f.elements.max(1), seed: f.seed, tolerance: f.tolerance };
    let found = gradcheck(&model, options)?;
    let wrong: Vec<&Checked> = found.iter().filter(|c| !c.ok).collect();
    if f.json {
        let status = if wrong.is_empty() { "ok" } else { "failed" };
        out::json(&json!({ "status": status, "model": model.description.name, "parameters": found }))?;
    } else {
        out::line(table(&found))?;
    }
    match wrong.first() {
        None => Ok(()),
        Some(first) => Err(Error::model(format!(
            "{} of {} gradients are not what finite differences say; the first is {}[{}]: {} by the rule, {} by differences",
            wrong.len(),
            found.len(),
            first.name,
            first.worst.0,
            first.worst.1,
            first.worst.2
        ))),
    }
}

fn table(found: &[Checked]) -> String {
    let name = found.iter().map(|c| width(&c.name)).max().unwrap_or(0);
    let row = |c: &Checked| {
        let (shape, said) = (format!("{:?}", c.shape), if c.ok { "ok" } else { "WRONG" });
        format!("{}  {shape:<18} {:>4} elements  error {:.1e}  {said}", left(&c.name, name), c.elements, c.error)
    };
    found.iter().map(row).collect::<Vec<_>>().join("\n")
}
