//! What a search shows: a table of its trials and a sheet of charts.

use super::metric::Metric;
use super::ranking::Group;
use super::record::Record;
use super::settings::{Method, SearchSettings};
use super::space::{Dimension, Range};
use crate::eval::plot::{Axis, Chart, Ink, Kind, Scene, Series, number};
use crate::terminal::{one_line, right, shortened, width};
use serde_json::{Map, Value};

/// Columns of a cell; what is longer is cut.
const WIDEST: usize = 44;

/// A figure as the table has it.
pub fn figure(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{v:.5}"))
}

/// `optimizer.lr 0.01, model mlp`
pub fn values(all: &Map<String, Value>) -> String {
    all.iter().map(|(k, v)| format!("{k} {}", cell(v))).collect::<Vec<_>>().join(", ")
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Number(n) if n.is_f64() => number(n.as_f64().unwrap_or(f64::NAN)),
        other => other.to_string(),
    }
}

/// The trials, best first; of settings that are repeated with the mean.
pub fn table(search: &SearchSettings, metric: &Metric, groups: &[Group]) -> String {
    let halving = matches!(search.method, Method::Halving { .. });
    let repeated = groups.iter().any(|g| g.of > 1);
    let mut head = vec!["trial".to_string(), "epochs".into()];
    head.extend(halving.then(|| "rung".into()));
    head.push(metric.name.clone());
    head.extend(repeated.then(|| "mean".into()));
    head.extend(search.space.0.iter().map(|d| d.key.clone()));
    head.push(String::new());
    let mut rows = vec![head];
    for (g, r) in groups.iter().flat_map(|g| g.trials.iter().map(move |r| (g, r))) {
        let mut row = vec![r.trial.to_string(), r.epochs.to_string()];
        row.extend(halving.then(|| r.rung.to_string()));
        row.push(figure(r.metric));
        row.extend(repeated.then(|| figure(g.score)));
        row.extend(search.space.0.iter().map(|d| r.values.get(&d.key).map_or(String::new(), cell)));
        row.push(match (&r.failed, &r.stopped) {
            (Some(why), _) => format!("failed: {why}"),
            (None, why) => why.clone().unwrap_or_default(),
        });
        rows.push(row);
    }
    let clip = |text: &str| -> String {
        let text = text.replace('\n', " ");
        shortened(&one_line(&text), WIDEST).into_owned()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|r| r.iter().map(|c| clip(c)).collect()).collect();
    let last = rows[0].len() - 1;
    let widths: Vec<usize> = (0..last).map(|i| rows.iter().map(|r| width(&r[i])).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row[..last].iter().zip(&widths).map(|(c, &w)| right(c, w));
        format!("{}  {}", cells.collect::<Vec<_>>().join("  "), row[last]).trim_end().to_string()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The metric by trial, with the best so far, and by each key.
pub fn plot(search: &SearchSettings, metric: &Metric, ranked: &[&Record]) -> Scene {
    let mut scored: Vec<(&Record, f64)> = ranked.iter().filter_map(|r| Some((*r, r.metric?))).collect();
    scored.sort_by_key(|(r, _)| r.trial);
    let y = y_axis(metric, &scored);
    let points: Vec<[f64; 2]> = scored.iter().map(|(r, v)| [r.trial as f64, *v]).collect();
    let mut best = vec![];
    for p in &points {
        let before: f64 = best.last().map_or(p[1], |b: &[f64; 2]| b[1]);
        let better = metric.order(Some(p[1]), Some(before)).is_lt();
        best.push([p[0], if better { p[1] } else { before }]);
    }
    let mut charts = vec![Chart {
        title: format!("{} by trial", metric.name),
        x: Axis { label: "trial".into(), whole: true, ..Axis::default() },
        y: y.clone(),
        series: vec![series("best so far", 1, Kind::Line, best), series("trial", 0, Kind::Dots, points)],
        ..Chart::default()
    }];
    charts.extend(search.space.0.iter().map(|d| by_key(d, metric, &scored, &y)));
    Scene::sheet(charts.iter().map(Chart::scene).collect(), 2, "the trials of a search")
}

/// The metric by one key, whatever the others were.
fn by_key(d: &Dimension, metric: &Metric, scored: &[(&Record, f64)], y: &Axis) -> Chart {
    let seen: Vec<(&Value, f64)> = scored.iter().filter_map(|(r, v)| Some((r.values.get(&d.key)?, *v))).collect();
    let numbers: Option<Vec<f64>> = seen.iter().map(|(v, _)| v.as_f64()).collect();
    let (places, x) = match numbers {
        Some(numbers) => {
            let wide = numbers.iter().fold((f64::INFINITY, 0.0f64), |(l, h), &v| (l.min(v), h.max(v)));
            let spread = matches!(d.range, Range::Choice(_)) && wide.0 > 0.0 && wide.1 >= 20.0 * wide.0;
            let log = matches!(d.range, Range::Log(_)) || spread;
            let whole = seen.iter().all(|(v, _)| v.is_i64());
            (numbers, Axis { label: d.key.clone(), log, whole, ..Axis::default() })
        }
        None => {
            let mut names: Vec<String> = match &d.range {
                Range::Choice(list) => {
                    list.iter().filter_map(|v| serde_json::to_value(v).ok()).map(|v| cell(&v)).collect()
                }
                _ => vec![],
            };
            names.dedup();
            let mut place = |v: &Value| {
                let name = cell(v);
                let known = names.iter().position(|n| *n == name);
                known.unwrap_or_else(|| {
                    names.push(name);
                    names.len() - 1
                })
            };
            let places = seen.iter().map(|(v, _)| (place(v) + 1) as f64).collect();
            let named: Vec<String> = names.iter().enumerate().map(|(i, n)| format!("{} {n}", i + 1)).collect();
            let label = format!("{}: {}", d.key, named.join(", "));
            let range = Some([0.5, names.len() as f64 + 0.5]);
            (places, Axis { label, range, whole: true, ..Axis::default() })
        }
    };
    let points = places.into_iter().zip(&seen).map(|(x, (_, v))| [x, *v]).collect();
    Chart {
        title: format!("{} by {}", metric.name, d.key),
        x,
        y: y.clone(),
        series: vec![series("", 0, Kind::Dots, points)],
        ..Chart::default()
    }
}

/// On a logarithmic axis a few bad trials do not flatten all others.
fn y_axis(metric: &Metric, scored: &[(&Record, f64)]) -> Axis {
    let (low, high) = scored.iter().fold((f64::INFINITY, 0.0f64), |(l, h), (_, v)| (l.min(*v), h.max(*v)));
    Axis { label: metric.name.clone(), log: low > 0.0 && high > 20.0 * low, ..Axis::default() }
}

fn series(name: &str, ink: usize, kind: Kind, points: Vec<[f64; 2]>) -> Series {
    Series { name: name.into(), ink: Ink::Series(ink), kind, points }
}

#[cfg(test)]
mod tests {
    use super::super::settings::SearchSettings;
    use super::*;
    use crate::data::Interface;
    use crate::keys::Keys;

    #[test]
    fn the_table_and_the_charts_show_every_trial() {
        let text = "method = \"grid\"\n[space]\n\"optimizer.lr\" = [0.001, 0.1]\nmodel = [\"mlp\", \"<lenet>\"]";
        let search = SearchSettings::read(&mut Keys::new(text.parse().unwrap(), "[search]")).unwrap();
        let metric =
            Metric::named("val_loss", &search, &Interface::of_images(vec!["a".into(), "b".into()], &[])).unwrap();
        let record = |trial: usize, lr: f64, model: &str, value: Option<f64>| Record {
            trial,
            rung: 1,
            epochs: 3,
            metric: value,
            values: Map::from_iter([("optimizer.lr".into(), lr.into()), ("model".into(), model.into())]),
            validation: Map::new(),
            stopped: None,
            failed: value.is_none().then(|| "the loss\nis not finite".repeat(9)),
            run: "trial".into(),
            data: None,
        };
        let all =
            [record(2, 0.1, "mlp", Some(0.25)), record(1, 0.001, "<lenet>", Some(0.5)), record(3, 0.1, "mlp", None)];
        let ranked: Vec<&Record> = all.iter().collect();
        let group = |r| Group { setting: 0, trials: vec![r], score: None, of: 1 };
        let table = table(&search, &metric, &all.iter().map(group).collect::<Vec<_>>());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "trial  epochs  val_loss  optimizer.lr    model");
        assert_eq!(lines[1], "    2       3   0.25000           0.1      mlp");
        assert!(lines[3].contains("-") && lines[3].contains("failed: the loss is") && lines[3].ends_with('…'));
        let svg = plot(&search, &metric, &ranked).svg_file();
        for part in ["val_loss by trial", "val_loss by optimizer.lr", "1 mlp, 2 &lt;lenet&gt;", "best so far"] {
            assert!(svg.contains(part), "{part} is missing in\n{svg}");
        }
    }
}
