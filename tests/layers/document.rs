//! `docs/layers.md`: a table of all layers, made from what the code says of them.

use super::table::{ROWS, Row, VOCABULARY};
use libtest_mimic::Failed;
use std::fmt::Write;
use std::path::PathBuf;
use wgrad::nn::{Activation, Description, Initializer};

/// How the file is written anew.
const HOW: &str = "cargo test --test layers -- --ignored write_the_document";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/layers.md")
}

pub fn is_what_the_code_says() -> Result<(), Failed> {
    let found = std::fs::read_to_string(path()).unwrap_or_default();
    match found == text()? {
        true => Ok(()),
        false => Err(format!("docs/layers.md is not what the code says of its layers; write it anew: {HOW}").into()),
    }
}

pub fn write() -> Result<(), Failed> {
    Ok(std::fs::write(path(), text()?)?)
}

fn shape(of: &[usize]) -> String {
    format!("`{of:?}`")
}

/// What the layer is with these keys.
fn read(row: &Row, keys: &toml::Table) -> wgrad::Result<toml::Table> {
    let text = format!("[[layer]]\ntype = \"{}\"\n{keys}", row.kind);
    Ok(Description::parse(&text)?.layers[0].layer.to_table())
}

/// The keys of a layer: those that it needs, then the others with their defaults.
fn arguments(row: &Row) -> Result<String, Failed> {
    let given: toml::Table = row.keys.parse()?;
    let (mut needed, mut others) = (vec![], vec![]);
    for (key, _) in read(row, &given)? {
        let mut without = given.clone();
        without.remove(&key);
        match read(row, &without) {
            Ok(table) => others.push(format!("`{key} = {}`", table[&key])),
            Err(_) => needed.push(format!("**`{key}`**")),
        }
    }
    needed.append(&mut others);
    Ok(needed.join(", "))
}

fn text() -> Result<String, Failed> {
    let mut out = format!(
        "# Layers\n\nThe layers of models, by the names of Keras, which are those in TOML (`type = \"Conv2D\"`). Arguments in \
         bold must be given; the others have these defaults. Shapes are those of one sample: images are `[channels, height, \
         width]`, sequences `[positions, features]`; where an axis is counted, the batch is axis 0. Parameters have \
         PyTorch's names, shapes and layouts. Every layer also takes `name`, `inputs` and `repeat`.\n\nThe examples are \
         tests; those of tokens know {VOCABULARY} of them. This file is made from the code: `{HOW}`.\n\n| layer | PyTorch, \
         `nn.` | arguments | example | parameters of the example |\n|---|---|---|---|---|\n"
    );
    for row in ROWS {
        let torch = if row.torch.is_empty() { String::new() } else { format!("`{}`", row.torch) };
        let inputs: Vec<String> = row.inputs.iter().map(|s| shape(s)).collect();
        let inputs = if row.kind == "Embedding" { "tokens ".to_string() + &inputs[0] } else { inputs.join(" and ") };
        let keys = if row.keys.is_empty() { String::new() } else { format!("`{}`: ", row.keys.replace('\n', ", ")) };
        let parameters: Vec<String> = row.parameters.iter().map(|p| format!("`{p}`")).collect();
        writeln!(
            out,
            "| {} | {torch} | {} | {keys}{inputs} to {} | {} |",
            row.kind,
            arguments(row)?,
            shape(row.output),
            parameters.join(", ")
        )?;
    }
    let list = |names: &mut dyn Iterator<Item = &'static str>| {
        let all: Vec<String> = names.map(|n| format!("`{n}`")).collect();
        all.join(", ")
    };
    write!(
        out,
        "\nActivations by name: {}.\n\nInitialisers by name: {}.\n",
        list(&mut Activation::names()),
        list(&mut Initializer::names())
    )?;
    Ok(out)
}
