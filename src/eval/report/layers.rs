//! Models beside each other: what each is in a few words, and where their layers
//! differ.

use crate::eval::html::{Cell, escape, table};
use crate::eval::plot::number;
use crate::eval::run::RunFiles;
use toml::Value;

/// The setting that a model's layers are.
pub(super) const KEY: &str = "model.layer";
/// Equal layers in a row of which all are shown; of more, the first and the last.
const EQUAL: usize = 4;
/// Layers that a run has and others have not, of which a setting tells.
const OWN: usize = 3;
/// Layers beyond which no longest common part is looked for.
const MOST: usize = 2000;

/// Each run's layers: `7 layers, 693,962 parameters`, and those that not all have.
pub(super) fn in_short(runs: &[RunFiles]) -> Vec<String> {
    let all: Vec<Vec<String>> = runs.iter().map(lines).collect();
    let short = |(run, lines): (&RunFiles, &Vec<String>)| {
        let mut text = format!("{} layer{}", number(lines.len() as f64), if lines.len() == 1 { "" } else { "s" });
        if run.info.parameters > 0 {
            text += &format!(", {} parameters", number(run.info.parameters as f64));
        }
        let own: Vec<&str> = lines.iter().filter(|l| !all.iter().all(|o| o.contains(l))).map(String::as_str).collect();
        if !own.is_empty() {
            let more = if own.len() > OWN { format!(" | {} more", own.len() - OWN) } else { String::new() };
            text += &format!(": {}{more}", own[..own.len().min(OWN)].join(" | "));
        }
        text
    };
    runs.iter().zip(&all).map(short).collect()
}

/// A line for each layer of a run: name, type, and what else is set.
fn lines(run: &RunFiles) -> Vec<String> {
    let layers = run.config.get("model").and_then(|m| m.get("layer")).and_then(Value::as_array);
    layers.into_iter().flatten().map(line).collect()
}

fn line(layer: &Value) -> String {
    let Value::Table(layer) = layer else { return layer.to_string() };
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), String::from);
    let first = ["name", "type"].iter().filter_map(|k| layer.get(*k)).map(text);
    let rest = layer.iter().filter(|(k, _)| *k != "name" && *k != "type").map(|(k, v)| format!("{k}={}", text(v)));
    first.chain(rest).collect::<Vec<_>>().join(" ")
}

/// What stands beside what: lines of both, or of one alone.
type Pair<'a> = [Option<&'a str>; 2];

/// The layers of each run beside those of the first, where they differ.
pub(super) fn differences(names: &[String], runs: &[RunFiles]) -> String {
    let all: Vec<Vec<String>> = runs.iter().map(lines).collect();
    let Some((first, others)) = all.split_first() else { return String::new() };
    let different = others.iter().zip(&names[1..]).filter(|(lines, _)| *lines != first && !lines.is_empty());
    different.filter(|_| !first.is_empty()).map(|(lines, name)| beside([&names[0], name], [first, lines])).collect()
}

fn beside(names: [&str; 2], lines: [&[String]; 2]) -> String {
    let pairs = pairs(lines[0], lines[1]);
    let is_equal = |p: &Pair| p[0] == p[1];
    let mut rows: Vec<Vec<Cell>> = vec![];
    let cell = |text: Option<&str>, equal: bool| match (text, equal) {
        (None, _) => Cell::Html("–".into()),
        (Some(text), true) => Cell::Text(text.into()),
        (Some(text), false) => Cell::Html(format!("<mark>{}</mark>", escape(text))),
    };
    let row = |p: &Pair| p.iter().map(|text| cell(*text, is_equal(p))).collect::<Vec<Cell>>();
    for run in pairs.chunk_by(|a, b| is_equal(a) == is_equal(b)) {
        if is_equal(&run[0]) && run.len() > EQUAL {
            let between = format!("… {} equal layers …", run.len() - 2);
            rows.extend([
                row(&run[0]),
                vec![Cell::Text(between.clone()), Cell::Text(between)],
                row(&run[run.len() - 1]),
            ]);
        } else {
            rows.extend(run.iter().map(row));
        }
    }
    table(&names, &rows)
}

/// Two lists side by side, with what both have, in its order, on one line.
fn pairs<'a>(a: &'a [String], b: &'a [String]) -> Vec<Pair<'a>> {
    let common = if a.len().max(b.len()) > MOST { in_place(a, b) } else { longest_common(a, b) };
    let (mut at, mut out) = ([0, 0], vec![]);
    for [i, j] in common.into_iter().chain([[a.len(), b.len()]]) {
        // What lies between took each other's place, as far as there are as many.
        let (left, right) = (&a[at[0]..i], &b[at[1]..j]);
        let line = |list: &'a [String], k: usize| list.get(k).map(String::as_str);
        out.extend((0..left.len().max(right.len())).map(|k| [line(left, k), line(right, k)]));
        if i < a.len() && j < b.len() {
            out.push([Some(&a[i][..]), Some(&b[j][..])]);
        }
        at = [i + 1, j + 1];
    }
    out
}

/// Lines that are equal where they stand.
fn in_place(a: &[String], b: &[String]) -> Vec<[usize; 2]> {
    (0..a.len().min(b.len())).filter(|&i| a[i] == b[i]).map(|i| [i, i]).collect()
}

/// The longest common part of two lists, by places in both.
fn longest_common(a: &[String], b: &[String]) -> Vec<[usize; 2]> {
    let width = b.len() + 1;
    let mut longest = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = match a[i] == b[j] {
                true => longest[(i + 1) * width + j + 1] + 1,
                false => longest[(i + 1) * width + j].max(longest[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j, mut found) = (0, 0, vec![]);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            found.push([i, j]);
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_stand_beside_their_like() {
        let list = |text: &str| text.split(' ').filter(|w| !w.is_empty()).map(String::from).collect::<Vec<_>>();
        let shown = |a: &str, b: &str| -> String {
            let (a, b) = (list(a), list(b));
            let one = |p: &Pair| p.map(|l| l.unwrap_or("-").to_string()).join(":");
            pairs(&a, &b).iter().map(one).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown("conv pool dense", "conv norm pool dense"), "conv:conv -:norm pool:pool dense:dense");
        assert_eq!(shown("a b c", "a x c"), "a:a b:x c:c");
        assert_eq!(shown("a b", "b c d"), "a:- b:b -:c -:d");
        assert_eq!(shown("", "a"), "-:a");
        assert_eq!(shown("a", ""), "a:-");
        assert_eq!(in_place(&list("a b c"), &list("a x c d")), [[0, 0], [2, 2]]);
    }

    #[test]
    fn equal_layers_are_not_listed() {
        let many = |last: &str| (0..30).map(|i| format!("layer{i}")).chain([last.to_string()]).collect::<Vec<_>>();
        let html = beside(["<a>", "b"], [&many("x<y"), &many("z")]);
        assert!(html.contains("… 28 equal layers …") && html.contains("<mark>x&lt;y</mark>"), "{html}");
        assert!(html.contains("layer29") && !html.contains("layer15") && html.contains("&lt;a&gt;"), "{html}");
    }
}
