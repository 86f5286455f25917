//! The rest of a report: model, data, cost, and how to repeat the run.

use crate::eval::html::{Cell, escape, list, pairs, table};
use crate::eval::plot::{duration, number};
use crate::eval::run::RunFiles;
use serde_json::Value;

/// How deep and how long an audit is shown.
const DEPTH: usize = 6;
const ROWS: usize = 200;

/// The layers.
pub(super) fn model(run: &RunFiles) -> String {
    let info = &run.info;
    let row = |l: &crate::eval::run::LayerInfo| {
        let output: Vec<String> = l.output.iter().map(usize::to_string).collect();
        vec![
            Cell::Text(l.name.clone()),
            Cell::Text(l.kind.clone()),
            // A shape stays on one line.
            Cell::Text(output.join("\u{a0}×\u{a0}")),
            Cell::Number(l.parameters.map_or(String::new(), |p| number(p as f64))),
            Cell::Text(if l.trainable { "yes" } else { "no" }.into()),
        ]
    };
    let rows: Vec<Vec<Cell>> = info.layers.iter().map(row).collect();
    let parameters = if info.parameters > 0 { number(info.parameters as f64) } else { String::new() };
    pairs(&[("Model", info.model.clone()), ("Parameters", parameters)])
        + &table(&["layer", "type", "output", "parameters", "trained"], &rows)
}

/// The data and its audit.
pub(super) fn data(run: &RunFiles) -> String {
    let info = &run.info;
    let count = |n: usize| if n > 0 { number(n as f64) } else { String::new() };
    let names = |list: &[String]| {
        let shown = list.iter().take(30).cloned().collect::<Vec<_>>().join(", ");
        if list.len() > 30 { format!("{shown} and {} more", list.len() - 30) } else { shown }
    };
    let about = pairs(&[
        ("Data", info.data.clone()),
        ("Trained on", count(info.samples.train)),
        ("Validated on", count(info.samples.val)),
        ("Tested on", count(info.samples.test)),
        ("Classes", names(&info.classes)),
        ("Targets", names(&info.targets)),
    ]);
    let audit = run.audit.as_ref().map_or(String::new(), |a| {
        format!("<details><summary>Audit of the data</summary>\n{}</details>\n", nested(a, 0))
    });
    about + &audit
}

/// Any JSON as nested tables.
fn nested(value: &Value, depth: usize) -> String {
    match value {
        Value::Null => "–".into(),
        Value::Bool(b) => (if *b { "yes" } else { "no" }).into(),
        Value::Number(n) => escape(&n.as_f64().map_or(n.to_string(), number)),
        Value::String(s) => escape(s),
        Value::Array(list) if list.is_empty() => "none".into(),
        Value::Object(map) if map.is_empty() => "none".into(),
        other if depth >= DEPTH => format!("<code>{}</code>", escape(&other.to_string())),
        Value::Array(list) => array(list, depth),
        Value::Object(map) => {
            let row =
                |(k, v): (&String, &Value)| vec![Cell::Text(k.replace('_', " ")), Cell::Html(nested(v, depth + 1))];
            table(&[], &map.iter().take(ROWS).map(row).collect::<Vec<_>>()) + &more(map.len())
        }
    }
}

fn array(list: &[Value], depth: usize) -> String {
    // Objects with the same keys are one table.
    let keys: Vec<&String> = list[0].as_object().map_or(vec![], |o| o.keys().collect());
    let same =
        |v: &Value| v.as_object().is_some_and(|o| o.len() == keys.len() && keys.iter().all(|k| o.contains_key(*k)));
    if !keys.is_empty() && list.iter().all(same) {
        let row = |v: &Value| {
            let cell = |k: &&String| match &v[k.as_str()] {
                Value::Number(n) => Cell::Number(n.as_f64().map_or(n.to_string(), number)),
                other => Cell::Html(nested(other, depth + 1)),
            };
            keys.iter().map(cell).collect::<Vec<Cell>>()
        };
        let heads: Vec<String> = keys.iter().map(|k| k.replace('_', " ")).collect();
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        return table(&heads, &list.iter().take(ROWS).map(row).collect::<Vec<_>>()) + &more(list.len());
    }
    let plain = list.iter().all(|v| !v.is_array() && !v.is_object());
    let shown = list.iter().take(ROWS).map(|v| nested(v, depth + 1));
    match plain {
        true => shown.collect::<Vec<_>>().join(", ") + &more(list.len()),
        false => table(&[], &shown.map(|h| vec![Cell::Html(h)]).collect::<Vec<_>>()) + &more(list.len()),
    }
}

fn more(n: usize) -> String {
    if n > ROWS { format!("<p class=\"note\">and {} more</p>\n", n - ROWS) } else { String::new() }
}

/// Speed and memory.
pub(super) fn cost(run: &RunFiles) -> String {
    let info = &run.info;
    let device = [&info.device.name, &info.device.backend, &info.device.kind];
    let device: Vec<&str> = device.iter().map(|s| s.as_str()).filter(|s| !s.is_empty()).collect();
    let rate = |v: Option<f64>| v.map_or(String::new(), number);
    let m = &info.memory;
    let parts = [
        ("weights", m.weights),
        ("gradients", m.gradients),
        ("optimizer", m.optimizer),
        ("activations", m.activations),
    ];
    let total = parts.iter().fold(0u64, |sum, p| sum.saturating_add(p.1));
    let shares: Vec<Vec<Cell>> = parts
        .iter()
        .filter(|_| total > 0)
        .map(|(name, bytes)| {
            let share = *bytes as f64 / total as f64;
            vec![Cell::Text(name.to_string()), Cell::Number(human_bytes(*bytes)), crate::eval::html::bar(share)]
        })
        .collect();
    pairs(&[
        ("Device", device.join(", ")),
        ("Steps per second", rate(info.steps_per_second)),
        ("Samples per second", rate(info.samples_per_second)),
        ("Time", info.seconds.map_or(String::new(), duration)),
        ("Memory", if total > 0 { human_bytes(total) } else { String::new() }),
    ]) + &lost(run)
        + &table(&["memory", "bytes", "share"], &shares)
}

/// The devices that failed on the way.
fn lost(run: &RunFiles) -> String {
    let each: Vec<String> = run.lost.iter().map(|l| format!("The device failed {l}.")).collect();
    list("note", &each)
}

/// Command, seed, version, settings.
pub(super) fn repeat(run: &RunFiles) -> String {
    let info = &run.info;
    let command: Vec<String> = info.command.iter().map(|w| quoted(w)).collect();
    let command = match command.is_empty() {
        true => String::new(),
        false => format!("<pre><code>{}</code></pre>\n", escape(&command.join(" "))),
    };
    let seed = if run.info == Default::default() { String::new() } else { info.seed.to_string() };
    let config = toml::to_string(&run.config).unwrap_or_default();
    let config = match config.is_empty() {
        true => String::new(),
        false => {
            format!(
                "<details><summary>Settings (config.toml)</summary>\n<pre><code>{}</code></pre></details>\n",
                escape(&config)
            )
        }
    };
    let version = if info.version.is_empty() { String::new() } else { format!("wgrad {}", info.version) };
    command + &pairs(&[("Seed", seed), ("Version", version)]) + &config + &list("note", &info.notes)
}

/// A word of a command line as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Bytes as people read them.
fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut v = bytes as f64;
    let mut unit = "bytes";
    for next in UNITS {
        if v < 1024.0 {
            break;
        }
        (v, unit) = (v / 1024.0, next);
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{v:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_json_is_shown_and_nothing_of_it_is_markup() {
        let hostile = "<script>x</script>";
        let audit = serde_json::json!({
            hostile: [hostile, 1, null, true],
            "columns": [{ "name": hostile, "missing": 3 }, { "name": "b", "missing": 0.25 }],
            "mixed": [{ "a": 1 }, [1, [2, [3, [4, [5, [6, [hostile]]]]]]]],
            "long": (0..1000).collect::<Vec<i32>>(),
            "empty": {},
        });
        let html = nested(&audit, 0);
        assert!(!html.contains("<script") && html.contains("and 800 more") && html.contains("<th>name</th>"), "{html}");
    }

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(["--lr", "my data", "it's"].map(quoted), ["--lr", "'my data'", "'it'\\''s'"]);
        assert_eq!([512, 1536, 5 << 30].map(human_bytes), ["512 bytes", "1.5 KiB", "5.0 GiB"]);
    }
}
