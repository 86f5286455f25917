//! The settings of a search, best first. A setting that is repeated with several
//! seeds counts by the mean over them, and only where all of them are there: all
//! settings are compared on the same seeds.

use super::metric::Metric;
use super::plan::{Planned, SEED};
use super::record::{Log, Record};
use serde_json::{Value, json};

/// The trials of a setting.
pub struct Group<'a> {
    /// Its number, from 0.
    pub setting: usize,
    /// What is known of its trials, in their order.
    pub trials: Vec<&'a Record>,
    /// The mean of their metrics, where all trials of the setting have one.
    pub score: Option<f64>,
    /// How many trials it has in all.
    pub of: usize,
}

impl Group<'_> {
    /// The setting with its mean, and the sample's standard deviation.
    pub fn json(&self) -> Value {
        let first = self.trials.first();
        let mut values = first.map(|r| r.values.clone()).unwrap_or_default();
        values.remove(SEED);
        json!({
            "values": values,
            "trials": self.trials.iter().map(|r| r.trial).collect::<Vec<_>>(),
            "planned": self.of,
            "mean": self.score,
            "deviation": self.deviation(),
        })
    }

    /// The standard deviation of the sample, of two trials or more.
    pub fn deviation(&self) -> Option<f64> {
        let (mean, n) = (self.score?, self.trials.len());
        let squares = self.trials.iter().filter_map(|r| r.metric).map(|m| (m - mean).powi(2)).sum::<f64>();
        (n > 1).then(|| (squares / (n - 1) as f64).sqrt())
    }
}

/// The settings of some trials, with what `known` finds of each trial.
pub fn groups<'a>(plan: &[&Planned], known: impl Fn(&Planned) -> Option<&'a Record>) -> Vec<Group<'a>> {
    let mut all: Vec<Group> = vec![];
    for p in plan {
        let at = all.iter().position(|g| g.setting == p.setting).unwrap_or_else(|| {
            all.push(Group { setting: p.setting, trials: vec![], score: None, of: p.of });
            all.len() - 1
        });
        all[at].trials.extend(known(p));
    }
    for group in &mut all {
        let metrics: Vec<f64> = group.trials.iter().filter(|r| r.failed.is_none()).filter_map(|r| r.metric).collect();
        group.score = (metrics.len() == group.of).then(|| metrics.iter().sum::<f64>() / metrics.len() as f64);
    }
    all
}

/// All settings of which something is known, by what is latest of each trial: by
/// rung, then by the metric; what has no score comes last.
pub fn ranked<'a>(plan: &[Planned], log: &'a Log, metric: &Metric) -> Vec<Group<'a>> {
    let latest = log.latest();
    let find = |p: &Planned| latest.iter().copied().find(|r| r.trial == p.number);
    let mut all = groups(&plan.iter().collect::<Vec<_>>(), find);
    all.retain(|g| !g.trials.is_empty());
    let rung = |g: &Group| g.trials.iter().map(|r| r.rung).min();
    all.sort_by(|a, b| {
        let without = a.score.is_none().cmp(&b.score.is_none());
        without.then(rung(b).cmp(&rung(a))).then(metric.order(a.score, b.score)).then(a.setting.cmp(&b.setting))
    });
    all
}

#[cfg(test)]
mod tests {
    use super::super::settings::SearchSettings;
    use super::*;
    use crate::data::Interface;
    use crate::train::Settings;
    use serde_json::Map;

    #[test]
    fn a_setting_counts_by_its_mean_over_all_seeds() {
        let planned = |number: usize, setting| Planned {
            number,
            setting,
            of: 2,
            values: Map::new(),
            settings: Settings::default(),
        };
        let plan = [planned(1, 0), planned(2, 0), planned(3, 1), planned(4, 1), planned(5, 2), planned(6, 2)];
        let record = |trial, metric: Option<f64>| Record {
            trial,
            rung: 1,
            epochs: 1,
            metric,
            values: Map::new(),
            validation: Map::new(),
            stopped: None,
            failed: metric.is_none().then(|| "why".into()),
            run: "t".into(),
            data: None,
        };
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(&dir.path().join("s"), toml::Table::new()).unwrap();
        // The luckiest seed is of the worse setting; the third has one seed so far.
        log.records = vec![record(1, Some(0.1)), record(2, Some(0.9)), record(3, Some(0.3)), record(4, Some(0.5))];
        log.records.push(record(5, Some(0.01)));
        let interface = Interface::of_images(vec!["a".into(), "b".into()], &[]);
        let metric = Metric::named("val_loss", &SearchSettings::default(), &interface).unwrap();
        let order = |log: &Log| ranked(&plan, log, &metric).iter().map(|g| (g.setting, g.score)).collect::<Vec<_>>();
        assert_eq!(order(&log), [(1, Some(0.4)), (0, Some(0.5)), (2, None)]);
        assert!((ranked(&plan, &log, &metric)[0].deviation().unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
        log.records.push(record(6, None));
        assert_eq!(order(&log)[2], (2, None), "a seed that failed is no score");
    }
}
