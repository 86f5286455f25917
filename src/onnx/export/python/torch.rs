//! A module of PyTorch: its class, line by line, and what loads the weights beside it.

use super::names::{self, class, variable};
use super::torch_part::Torch;
use super::{Placed, constants, torch_layers};
use crate::data::Interface;
use crate::error::{Context, Result};
use crate::nn::Model;
use std::collections::BTreeSet;
use std::fmt::Write;

/// The text of a module whose weights are in a file.
///
/// Fails with a layer that PyTorch has nothing for.
pub fn module(model: &Model, layers: &[Placed], interface: &Interface, weights: &str) -> Result<String> {
    names::check(layers.iter().map(|l| l.layer.name.as_str()))?;
    let mut torch = Torch::default();
    let read_later =
        |name: &str| layers.iter().any(|l| l.layer.inputs.as_ref().is_some_and(|all| all.iter().any(|n| n == name)));
    if read_later("input") {
        torch.line("start = x".into());
    }
    let mut last = "x".to_string();
    for placed in layers {
        let l = placed.layer;
        let of = |name: &String| if name == "input" { "start".to_string() } else { variable(name) };
        let inputs: Vec<String> = match &l.inputs {
            Some(all) => all.iter().map(of).collect(),
            None => vec![last.clone()],
        };
        let made = torch_layers::layer(&mut torch, placed, &inputs)
            .context(|| format!("layer \"{}\" ({})", l.name, l.layer.kind()))?;
        last = if read_later(&l.name) { variable(&l.name) } else { "x".into() };
        if made != last {
            torch.line(format!("{last} = {made}"));
        }
    }
    if torch.forward.last().is_some_and(|line| line.starts_with("x = ")) && last == "x" {
        let line = torch.forward.pop().unwrap_or_default();
        torch.line(format!("return {}", &line[4..]));
    } else {
        torch.line(format!("return {last}"));
    }
    Ok(text(model, &torch, interface, weights))
}

fn text(model: &Model, torch: &Torch, interface: &Interface, weights: &str) -> String {
    let name = class(&model.description.name);
    let shape: Vec<String> = model.input.iter().map(usize::to_string).collect();
    let tokens = model.description.takes_tokens();
    let holds = if tokens { "int64, tokens of the vocabulary" } else { "float32, normalised as below" };
    let body = |lines: &[String]| lines.iter().map(|l| format!("        {l}\n")).collect::<String>();
    let parts: String = torch.needs.iter().map(|p| format!("\n\n{}", p.text())).collect();
    let uses_f = [&torch.forward, &torch.init].iter().any(|lines| lines.iter().any(|l| l.contains("F.")))
        || torch.modules.iter().any(|(_, made)| made.contains("F."))
        || parts.contains("F.");
    let imports = if uses_f { "import torch.nn.functional as F\n" } else { "" };
    let mut out = format!(
        "\"\"\"{}, a model trained and exported by wgrad {}.\n\n    model = load()  # in evaluation mode\n    y = model(x)    # x \
         [batch, {}], {holds}\n\nThe answers are what the last layer gives: logits of classes, or scaled values.\n\"\"\"\n\n",
        model.description.name.replace('"', "'"),
        env!("CARGO_PKG_VERSION"),
        shape.join(", ")
    );
    let _ = write!(
        out,
        "from pathlib import Path\n\nimport torch\n{imports}from safetensors.torch import load_file\nfrom torch import Tensor, nn\n"
    );
    let said = constants(interface);
    if !said.is_empty() {
        let _ = write!(out, "\n{said}");
    }
    out += &parts;
    let _ = write!(out, "\n\nclass {name}(nn.Module):\n    def __init__(self) -> None:\n        super().__init__()\n");
    out += &body(&submodules(&torch.modules));
    out += &body(&torch.init);
    let _ = write!(out, "\n    def forward(self, x: Tensor) -> Tensor:\n{}", body(&torch.forward));
    let _ = write!(
        out,
        "\n\ndef load(weights: Path = Path(__file__).with_name({})) -> {name}:\n    model = {name}()\n    \
         model.load_state_dict(load_file(weights))\n    return model.eval()\n",
        super::quoted(weights)
    );
    out
}

/// Lines that make the submodules; those with a dot in their names stand in dictionaries.
fn submodules(modules: &[(String, String)]) -> Vec<String> {
    let mut lines = vec![];
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for (name, made) in modules {
        match name.split_once('.') {
            None => lines.push(format!("self.{name} = {made}")),
            Some((outer, _)) if done.insert(outer) => {
                lines.push(format!("self.{outer} = nn.ModuleDict({{"));
                lines.extend(within(modules, outer, 1));
                lines.push("})".into());
            }
            Some(_) => {}
        }
    }
    lines
}

/// The lines of a dictionary of submodules.
fn within(modules: &[(String, String)], outer: &str, depth: usize) -> Vec<String> {
    let indent = "    ".repeat(depth);
    let mut lines = vec![];
    let mut done: BTreeSet<String> = BTreeSet::new();
    for (name, made) in modules {
        let Some(rest) = name.strip_prefix(outer).and_then(|r| r.strip_prefix('.')) else { continue };
        match rest.split_once('.') {
            None => lines.push(format!("{indent}\"{rest}\": {made},")),
            Some((inner, _)) if done.insert(inner.into()) => {
                lines.push(format!("{indent}\"{inner}\": nn.ModuleDict({{"));
                lines.extend(within(modules, &format!("{outer}.{inner}"), depth + 1));
                lines.push(format!("{indent}}}),"));
            }
            Some(_) => {}
        }
    }
    lines
}
