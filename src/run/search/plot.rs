//! The charts of a search's trials.

use super::metric::Metric;
use super::record::{Record, cell};
use super::settings::SearchSettings;
use super::space::{Dimension, Range};
use crate::eval::plot::{Axis, Chart, Ink, Kind, Scene, Series};
use serde_json::Value;

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
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_charts_show_every_trial() {
        let (search, metric, all) = fixture::trials();
        let ranked: Vec<&Record> = all.iter().collect();
        let svg = plot(&search, &metric, &ranked).svg_file();
        for part in ["val_loss by trial", "val_loss by optimizer.lr", "1 mlp, 2 &lt;lenet&gt;", "best so far"] {
            assert!(svg.contains(part), "{part} is missing in\n{svg}");
        }
    }
}
