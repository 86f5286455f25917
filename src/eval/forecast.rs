//! How good a forecast is beside those that need no model, on the same windows.
//!
//! - skill: 1 less the mean absolute error over that of persistence (the last
//!   known value); 0 and below means that the model is of no use;
//! - MASE: the mean absolute error over that of a naive forecast within the
//!   training rows, one season ahead (Hyndman and Koehler, 2006).

use super::metrics::{Figure, known};
use crate::data::series::Naive;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Points of the test part that are kept for the plot, the last ones.
const POINTS: usize = 200;
/// Targets that are plotted.
const TARGETS: usize = 3;
/// What the trained model is called among the forecasts.
pub const MODEL: &str = "model";

/// A model's forecasts beside those that need none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Forecast {
    /// Rows that a forecast looks back on.
    pub window: usize,
    /// Rows ahead that are forecast.
    pub horizon: usize,
    /// Rows per season, if there is one.
    pub season: Option<usize>,
    /// What is forecast, by column.
    pub targets: Vec<String>,
    /// The model, then persistence, then the others.
    pub forecasts: Vec<Forecaster>,
    /// How good the model is in each of several series, beside persistence.
    pub groups: Vec<OfGroup>,
    /// The latest forecasts of one row ahead; of several series those of the one with
    /// the most windows.
    pub plotted: Vec<Plotted>,
    /// Why something is not there.
    pub notes: Vec<String>,
}

/// How good one way to forecast is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Forecaster {
    /// Its name.
    pub name: String,
    /// Mean absolute error, over windows, rows ahead and targets.
    pub mae: f64,
    /// Root mean squared error; the mean over rows ahead and targets.
    pub rmse: f64,
    /// Mean absolute scaled error; `None` where a target repeats itself without
    /// an error in the training rows.
    pub mase: Option<f64>,
    /// Mean absolute error per target and row ahead.
    pub by_step: Vec<Vec<f64>>,
}

/// How good forecasts of one of several series are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OfGroup {
    /// What tells the series apart.
    pub name: String,
    /// Windows.
    pub windows: usize,
    /// The model's mean absolute error.
    pub mae: f64,
    /// That of the last known value.
    pub persistence: f64,
}

/// Forecasts of one row ahead, in the order of time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plotted {
    /// The target.
    pub target: String,
    /// Dates, or the numbers of rows.
    pub labels: Vec<String>,
    /// What came true.
    pub actual: Vec<f64>,
    /// What the model said.
    pub model: Vec<f64>,
    /// The value before.
    pub persistence: Vec<f64>,
}

impl Forecast {
    /// Scores a model's forecasts `[windows, horizon * targets]`, in the units
    /// of the source, and those without a model.
    ///
    /// Fails when the forecasts are not as many.
    pub fn of(answers: &[f32], naive: &Naive) -> Result<Forecast> {
        if answers.len() != naive.truth.len() || answers.is_empty() {
            return Err(Error::data(format!(
                "{} forecasts for {} values; expected one each, and at least one",
                answers.len(),
                naive.truth.len()
            )));
        }
        let mut forecasts = vec![score(MODEL, answers, naive)];
        forecasts.extend(naive.forecasts.iter().map(|(name, values)| score(name, values, naive)));
        Ok(Forecast {
            window: naive.window,
            horizon: naive.horizon,
            season: naive.season,
            targets: naive.targets.clone(),
            forecasts,
            groups: of_groups(answers, naive),
            plotted: plotted(answers, naive),
            notes: naive.notes.clone(),
        })
    }

    /// The model.
    fn model(&self) -> Option<&Forecaster> {
        self.forecasts.iter().find(|f| f.name == MODEL)
    }

    /// The forecasts without a model, persistence first.
    pub fn baselines(&self) -> &[Forecaster] {
        self.forecasts.get(1..).unwrap_or_default()
    }

    /// 1 less the model's mean absolute error over that of persistence; `None`
    /// where persistence makes no error.
    pub fn skill(&self) -> Option<f64> {
        let [model, persistence, ..] = &self.forecasts[..] else { return None };
        (persistence.mae > 0.0).then(|| 1.0 - model.mae / persistence.mae)
    }

    /// Skill and MASE as figures.
    pub fn figures(&self) -> Vec<Figure> {
        let figure = |key: &str, value: Option<f64>| value.zip(known::of(key)).map(|(v, k)| Figure::of(k, None, v));
        let skill = figure("skill", self.skill());
        let mase = figure("mase", self.model().and_then(|m| m.mase));
        [skill, mase].into_iter().flatten().collect()
    }

    /// The forecasts without a model as JSON, by name.
    pub fn json(&self) -> Value {
        let one = |f: &Forecaster| (f.name.clone(), json!({ "mae": f.mae, "rmse": f.rmse, "mase": f.mase }));
        Value::Object(self.baselines().iter().map(one).collect::<Map<_, _>>())
    }

    /// The comparison in a line.
    pub fn line(&self) -> String {
        let Some(model) = self.model() else { return String::new() };
        let others: Vec<String> = self.baselines().iter().map(|f| format!("{} {:.4}", f.name, f.mae)).collect();
        let verdict = match self.skill() {
            Some(skill) if skill > 0.0 => format!("{:.1} % better than persistence", 100.0 * skill),
            Some(skill) => format!("{:.1} % worse than persistence: the model is of no use", -100.0 * skill),
            None => "persistence makes no error".into(),
        };
        let mase = model.mase.map_or(String::new(), |m| format!(", MASE {m:.4}"));
        let better = self.groups.iter().filter(|g| g.mae < g.persistence).count();
        let groups = match self.groups.len() {
            0 => String::new(),
            n => format!("; better than persistence in {better} of {n} groups"),
        };
        format!(
            "mean absolute error: {:.4}; without a model: {}; {verdict}{mase}{groups}",
            model.mae,
            others.join(", ")
        )
    }
}

/// Errors of forecasts `[windows, horizon * targets]`.
fn score(name: &str, forecasts: &[f32], naive: &Naive) -> Forecaster {
    let (targets, width) = (naive.targets.len(), naive.horizon * naive.targets.len());
    let (mut absolute, mut square) = (vec![0.0; width], vec![0.0; width]);
    for (i, (found, truth)) in forecasts.iter().zip(&naive.truth).enumerate() {
        let e = f64::from(*found) - f64::from(*truth);
        absolute[i % width] += e.abs();
        square[i % width] += e * e;
    }
    let n = naive.windows as f64;
    let mean = |all: Vec<f64>| all.iter().sum::<f64>() / width as f64;
    let mae: Vec<f64> = absolute.iter().map(|sum| sum / n).collect();
    let unit = |i: usize| naive.naive_error[i % targets];
    let scalable = naive.naive_error.iter().all(|e| *e > 0.0);
    Forecaster {
        name: name.into(),
        rmse: mean(square.iter().map(|sum| (sum / n).sqrt()).collect()),
        mase: scalable.then(|| mean(mae.iter().enumerate().map(|(i, e)| e / unit(i)).collect())),
        by_step: (0..targets).map(|t| mae.iter().skip(t).step_by(targets).copied().collect()).collect(),
        mae: mean(mae),
    }
}

/// Errors of each of several series.
fn of_groups(answers: &[f32], naive: &Naive) -> Vec<OfGroup> {
    let width = naive.horizon * naive.targets.len();
    let mut from = 0;
    let one = |(name, windows): &(String, usize)| {
        let own = from..from + windows * width;
        from = own.end;
        let mae = |all: &[f32]| {
            let pairs = all[own.clone()].iter().zip(&naive.truth[own.clone()]);
            pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()).sum::<f64>() / own.len() as f64
        };
        OfGroup { name: name.clone(), windows: *windows, mae: mae(answers), persistence: mae(&naive.forecasts[0].1) }
    };
    naive.groups.iter().map(one).collect()
}

fn plotted(answers: &[f32], naive: &Naive) -> Vec<Plotted> {
    let (targets, width) = (naive.targets.len(), naive.horizon * naive.targets.len());
    let (mut own, mut name, mut at) = (0..naive.windows, String::new(), 0);
    let most = naive.groups.iter().map(|(_, windows)| *windows).max();
    for (group, windows) in &naive.groups {
        if Some(*windows) == most && name.is_empty() {
            (own, name) = (at..at + windows, format!(" of {group}"));
        }
        at += windows;
    }
    let rows = own.end.saturating_sub(POINTS).max(own.start)..own.end;
    let (_, persistence) = &naive.forecasts[0];
    let one = |t: usize| {
        let centre = naive.centres[t];
        let of = |all: &[f32]| rows.clone().map(|i| centre + f64::from(all[i * width + t])).collect();
        Plotted {
            target: naive.targets[t].clone() + &name,
            labels: naive.labels[rows.clone()].to_vec(),
            actual: of(&naive.truth),
            model: of(answers),
            persistence: of(persistence),
        }
    };
    (0..targets.min(TARGETS)).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive() -> Naive {
        Naive {
            windows: 2,
            targets: vec!["a".into()],
            horizon: 2,
            window: 3,
            season: None,
            naive_error: vec![2.0],
            centres: vec![0.0],
            difference: false,
            truth: vec![1.0, 2.0, 2.0, 3.0],
            labels: vec!["4".into(), "5".into()],
            groups: vec![],
            forecasts: vec![("persistence".into(), vec![0.0, 0.0, 1.0, 1.0])],
            notes: vec![],
        }
    }

    #[test]
    fn figures_are_those_computed_by_hand() {
        let found = Forecast::of(&[1.5, 2.0, 2.0, 2.0], &naive()).unwrap();
        let [model, persistence] = &found.forecasts[..] else { panic!("two forecasts") };
        // Errors 0.5, 0, 0, 1 against 1, 2, 1, 2.
        assert_eq!((model.mae, persistence.mae), (0.375, 1.5));
        assert_eq!(model.by_step, [[0.25, 0.5]]);
        assert_eq!((model.mase, persistence.mase), (Some(0.1875), Some(0.75)));
        let rmse = (0.125f64.sqrt() + 0.5f64.sqrt()) / 2.0;
        assert!((model.rmse - rmse).abs() < 1e-12);
        assert_eq!(found.skill(), Some(0.75));
        assert_eq!(found.plotted[0].model, [1.5, 2.0]);
        assert!(found.line().contains("75.0 % better"), "{}", found.line());
        let worse = Forecast::of(&[9.0; 4], &naive()).unwrap();
        assert!(worse.skill().unwrap() < 0.0 && worse.line().contains("of no use"));
        assert!(Forecast::of(&[1.0], &naive()).is_err());
    }

    #[test]
    fn each_group_is_scored_and_one_is_plotted() {
        let groups = vec![("north".to_string(), 1), ("south".to_string(), 1)];
        let found = Forecast::of(&[1.5, 2.0, 2.0, 7.0], &Naive { groups, ..naive() }).unwrap();
        let said = |g: &OfGroup| (g.name.clone(), g.windows, g.mae, g.persistence);
        let [north, south] = &found.groups[..] else { panic!("two groups") };
        assert_eq!(said(north), ("north".into(), 1, 0.25, 1.5));
        assert_eq!(said(south), ("south".into(), 1, 2.0, 1.5));
        assert_eq!((found.plotted[0].target.as_str(), &found.plotted[0].labels[..]), ("a of north", &["4".into()][..]));
        assert!(found.line().ends_with("in 1 of 2 groups"), "{}", found.line());
    }

    #[test]
    fn what_is_undefined_is_left_out() {
        let flat = Naive { truth: vec![0.0, 0.0, 1.0, 1.0], naive_error: vec![0.0], ..naive() };
        let found = Forecast::of(&[0.0, 0.0, 1.0, 1.0], &flat).unwrap();
        assert_eq!((found.skill(), found.forecasts[0].mase), (None, None));
        assert!(found.figures().is_empty());
    }
}
