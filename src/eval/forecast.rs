//! How good a forecast is beside those that need no model, on the same windows.
//!
//! - skill: 1 less the mean absolute error over that of persistence (the last
//!   known value); 0 and below means that the model is no better;
//! - MASE: the mean absolute error over that of a naive forecast within the
//!   training rows, one season ahead (Hyndman and Koehler, 2006).

use super::metrics::{Figure, known};
use super::plot::number;
use crate::data::series::{Naive, PERSISTENCE, WINDOW_MEAN};
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
    /// What the model's forecasts are changes from, as the key `difference` says it; empty
    /// where it is not known.
    pub difference: String,
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
    /// The best of the other forecasts without a model, where it is better than that.
    pub naive: Vec<f64>,
    /// Its name.
    pub naive_name: String,
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
        let shown = best_of(&forecasts[1..]).map_or(PERSISTENCE, |f| f.name.as_str());
        let plotted = plotted(answers, naive, shown);
        Ok(Forecast {
            window: naive.window,
            horizon: naive.horizon,
            season: naive.season,
            targets: naive.targets.clone(),
            difference: naive.difference.shown(),
            forecasts,
            groups: of_groups(answers, naive),
            plotted,
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

    /// What to do about a model that is worse than a forecast without one.
    pub fn advice(&self) -> Option<String> {
        let model = self.model()?;
        let best = best_of(self.baselines()).filter(|best| best.mae < model.mae)?;
        Some(format!(
            "The forecast is worse than {}, which needs no model (mean absolute error {} against {}). Try {}; or take that \
             forecast as it is.",
            best.name,
            number(model.mae),
            number(best.mae),
            self.to_try(&best.name)
        ))
    }

    /// What may bring a model up to the forecast of this name.
    fn to_try(&self, name: &str) -> String {
        let now = |value: &str| self.difference == format!("difference = {value}");
        let longer = self.season.filter(|m| self.window < *m).map(|m| format!("a window of a season (--window {m})"));
        let change = match name {
            WINDOW_MEAN if !now("false") => Some("--difference=false, which forecasts values"),
            _ if name.starts_with("seasonal naive") && !now("\"season\"") => {
                Some("--difference=season, which forecasts changes from one season before")
            }
            _ if name.starts_with("seasonal change") && !now("\"both\"") => {
                Some("--difference=both, which forecasts changes from the last known value beside those of the season")
            }
            _ if now("false") || now("") => Some("--difference, which forecasts changes from the last known value"),
            _ => None,
        };
        let all: Vec<String> = change.map(String::from).into_iter().chain(longer).collect();
        match all.is_empty() {
            true => "another window (--window), the time of the year (--calendar), or a smaller model (--model)".into(),
            false => all.join(", or "),
        }
    }

    /// The comparison in a line.
    pub fn line(&self) -> String {
        let Some(model) = self.model() else { return String::new() };
        let others: Vec<String> = self.baselines().iter().map(|f| format!("{} {:.4}", f.name, f.mae)).collect();
        let verdict = match self.skill() {
            Some(skill) if skill > 0.0 => format!("{:.1} % better than persistence", 100.0 * skill),
            Some(skill) => format!("{:.1} % worse than persistence: try {}", -100.0 * skill, self.to_try(PERSISTENCE)),
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

/// The best of some forecasts.
fn best_of(all: &[Forecaster]) -> Option<&Forecaster> {
    all.iter().min_by(|a, b| a.mae.total_cmp(&b.mae))
}

/// The latest forecasts, with that without a model called `shown` beside persistence.
fn plotted(answers: &[f32], naive: &Naive, shown: &str) -> Vec<Plotted> {
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
    let other = naive.forecast(shown).filter(|_| shown != PERSISTENCE);
    let one = |t: usize| {
        let centre = naive.centres[t];
        let of = |all: &[f32]| rows.clone().map(|i| centre + f64::from(all[i * width + t])).collect::<Vec<f64>>();
        Plotted {
            target: naive.targets[t].clone() + &name,
            labels: naive.labels[rows.clone()].to_vec(),
            actual: of(&naive.truth),
            model: of(answers),
            persistence: of(persistence),
            naive: other.map_or(vec![], of),
            naive_name: other.map_or(String::new(), |_| shown.to_string()),
        }
    };
    (0..targets.min(TARGETS)).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::series::Difference;

    fn naive() -> Naive {
        Naive {
            windows: 2,
            targets: vec!["a".into()],
            horizon: 2,
            window: 3,
            season: None,
            naive_error: vec![2.0],
            centres: vec![0.0],
            difference: Difference::None,
            changes_from: None,
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
        assert!(worse.skill().unwrap() < 0.0 && worse.line().contains("try --difference, which"), "{}", worse.line());
        assert!(Forecast::of(&[1.0], &naive()).is_err());
    }

    #[test]
    fn a_model_that_is_worse_is_told_what_to_try() {
        let of = |difference: Difference, season: Option<usize>, others: &[(&str, f32)], answer: f32| {
            let mut n = Naive { difference, season, ..naive() };
            n.forecasts.extend(others.iter().map(|(name, v)| (name.to_string(), vec![*v; 4])));
            Forecast::of(&[answer; 4], &n).unwrap()
        };
        let tried = |f: &Forecast| f.advice().unwrap_or_default();
        let plain = of(Difference::None, None, &[], 9.0);
        assert!(tried(&plain).contains("worse than persistence") && tried(&plain).contains("--difference,"));
        let best = ("seasonal naive (12)", 2.0);
        let seasonal = of(Difference::Last, Some(12), &[("drift", 5.0), best], 9.0);
        let said = tried(&seasonal);
        assert!(said.contains("worse than seasonal naive (12)") && said.contains("--difference=season"), "{said}");
        assert!(said.contains("--window 12"), "{said}");
        assert!(tried(&of(Difference::Both, None, &[], 9.0)).contains("--calendar"));
        assert!(tried(&of(Difference::Last, None, &[(WINDOW_MEAN, 2.0)], 9.0)).contains("--difference=false"));
        assert_eq!(of(Difference::Last, None, &[], 2.0).advice(), None);
        // What is better than persistence is in the picture, too.
        let p = &seasonal.plotted[0];
        assert_eq!((p.naive_name.as_str(), &p.naive[..]), ("seasonal naive (12)", &[2.0, 2.0][..]));
        assert!(plain.plotted[0].naive.is_empty());
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
