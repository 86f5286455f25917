//! Names of layers as names in Python.

use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// Words that Python keeps for itself.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];
/// What every module of PyTorch has under these names, and variables of the modules that are
/// written.
const TAKEN: [&str; 28] = [
    "forward",
    "train",
    "eval",
    "training",
    "parameters",
    "modules",
    "children",
    "buffers",
    "state_dict",
    "to",
    "type",
    "half",
    "float",
    "double",
    "cpu",
    "cuda",
    "apply",
    "compile",
    "name",
    "register_buffer",
    "x",
    "h",
    "F",
    "nn",
    "self",
    "torch",
    "start",
    "lengths",
];

/// Whether a word is a name in Python.
pub fn is_name(word: &str) -> bool {
    let starts = word.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    starts && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !KEYWORDS.contains(&word)
}

/// Fails with the name of a layer that no attribute of a module can have.
pub fn check<'a>(layers: impl Iterator<Item = &'a str>) -> Result<()> {
    let all: Vec<&str> = layers.collect();
    let known: BTreeSet<&str> = all.iter().copied().collect();
    for name in all {
        let parts: Vec<&str> = name.split('.').collect();
        let bad = parts.iter().find(|p| !is_name(p)).or(parts.first().filter(|p| TAKEN.contains(p)));
        if let Some(part) = bad {
            return Err(Error::model(format!(
                "layer \"{name}\": \"{part}\" is no name that a module in Python can give it; rename the layer in the model's \
                 description, with letters, digits and _, and train again, or export as ONNX"
            )));
        }
        if let Some(outer) = (1..parts.len()).map(|n| parts[..n].join(".")).find(|outer| known.contains(&outer[..])) {
            return Err(Error::model(format!(
                "layers \"{outer}\" and \"{name}\": a module in Python cannot hold the one within the other; rename one, or \
                 export as ONNX"
            )));
        }
    }
    Ok(())
}

/// A name of a variable for the output of a layer.
pub fn variable(name: &str) -> String {
    name.replace('.', "_")
}

/// A name of a class for a model: `keras-cnn` is `KerasCnn`.
pub fn class(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let capital = |w: &str| {
        let (first, rest) = w.split_at(1);
        format!("{}{rest}", first.to_ascii_uppercase())
    };
    let joined: String = words.map(capital).collect();
    match joined.starts_with(|c: char| c.is_ascii_alphabetic()) && !KEYWORDS.contains(&&joined[..]) {
        true => joined,
        false => format!("Model{joined}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_python() {
        assert_eq!(
            ["keras-cnn", "resnet8", "8ball", "", "ünder"].map(class),
            ["KerasCnn", "Resnet8", "Model8ball", "Model", "Nder"]
        );
        assert!(is_name("conv1") && is_name("_x") && !is_name("1x") && !is_name("class") && !is_name("a b"));
        check(["block1.conv1", "block1.conv2", "relu1"].into_iter()).unwrap();
        let wrong = |names: &[&'static str]| check(names.iter().copied()).unwrap_err().to_string();
        assert!(wrong(&["a b"]).contains("\"a b\" is no name"));
        assert!(wrong(&["train"]).contains("\"train\""));
        assert!(wrong(&["block1", "block1.conv"]).contains("within"));
    }
}
