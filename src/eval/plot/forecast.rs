//! The plots of a forecast: over time, and how errors grow with the rows ahead.

use super::{Axis, Chart, Ink, Kind, Scene, Series};
use crate::eval::forecast::{Forecast, MODEL, Plotted};

/// Places on the axis of time that are named.
const NAMED: usize = 7;

/// The plots, with the names of their files.
pub fn plots(f: &Forecast) -> Vec<(String, Scene)> {
    let mut all = vec![];
    for (i, p) in f.plotted.iter().enumerate() {
        let suffix = if i == 0 { String::new() } else { format!("_{}", i + 1) };
        all.push((format!("forecast{suffix}"), over_time(p).scene()));
        if f.horizon > 1 {
            all.push((format!("horizon{suffix}"), by_step(f, i).scene()));
        }
    }
    all
}

/// What came true, what the model said, the value before, and a better forecast without a
/// model, if there is one.
fn over_time(p: &Plotted) -> Chart {
    let n = p.labels.len();
    let line = |name: &str, ink: Ink, kind: Kind, values: &[f64]| {
        let points = values.iter().enumerate().map(|(i, v)| [i as f64, *v]).collect();
        Series { name: name.into(), ink, kind, points }
    };
    // Evenly spaced, the first and the last among them.
    let gaps = NAMED.min(n).saturating_sub(1).max(1);
    let named = (0..=gaps).map(|i| i * n.saturating_sub(1) / gaps);
    let mut names: Vec<(f64, String)> = named.filter_map(|i| Some((i as f64, p.labels.get(i)?.clone()))).collect();
    names.dedup();
    let mut series = vec![line("persistence", Ink::Series(1), Kind::Dashed, &p.persistence)];
    if !p.naive.is_empty() {
        series.push(line(&p.naive_name, Ink::Series(2), Kind::Dashed, &p.naive));
    }
    series.push(line("actual", Ink::Muted, Kind::Line, &p.actual));
    series.push(line(MODEL, Ink::Series(0), Kind::Line, &p.model));
    let numbers = p.labels.iter().all(|l| l.bytes().all(|b| b.is_ascii_digit()));
    Chart {
        title: format!("{}, one row ahead: the last {n} forecasts", p.target),
        x: Axis { label: if numbers { "row".into() } else { String::new() }, names, ..Axis::default() },
        series,
        wide: true,
        ..Chart::default()
    }
}

/// The mean absolute error of each way to forecast, by rows ahead.
fn by_step(f: &Forecast, target: usize) -> Chart {
    let line = |(i, way): (usize, &crate::eval::forecast::Forecaster)| {
        let errors = way.by_step.get(target).map_or(&[][..], Vec::as_slice);
        let points = errors.iter().enumerate().map(|(h, e)| [(h + 1) as f64, *e]).collect();
        let kind = if way.name == MODEL { Kind::Line } else { Kind::Dashed };
        Series { name: way.name.clone(), ink: Ink::Series(i), kind, points }
    };
    let of = if f.targets.len() > 1 { format!(" of {}", f.targets[target]) } else { String::new() };
    Chart {
        title: format!("Error{of} by rows ahead"),
        x: Axis { label: "rows ahead".into(), whole: true, ..Axis::default() },
        y: Axis { label: "mean absolute error".into(), ..Axis::default() },
        series: f.forecasts.iter().enumerate().map(line).collect(),
        ..Chart::default()
    }
}
