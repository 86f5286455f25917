//! Which probability to cut a binary decision at.

use super::ranking::Step;
use super::{ratio, thin};
use serde::{Deserialize, Serialize};

/// Points of the curve that are kept.
const POINTS: usize = 100;

/// What a threshold gives when samples at or above it are called positive.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ThresholdPoint {
    /// The threshold.
    pub threshold: f64,
    /// Share of the called that are positive.
    pub precision: f64,
    /// Share of the positive that are called.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Share of all samples decided right.
    pub accuracy: f64,
    /// Youden's J: true positive rate less false positive rate.
    pub youden: f64,
}

/// A threshold and why it was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What it is best in: `f1`, `youden` or `accuracy`.
    pub best: String,
    /// The threshold and what it gives.
    #[serde(flatten)]
    pub point: ThresholdPoint,
}

/// The best thresholds and the curve they were found on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// The best by F1, by Youden's J and by accuracy. Of equals, the highest.
    pub choices: Vec<Choice>,
    /// The curve by falling threshold, thinned to 100 points.
    pub curve: Vec<ThresholdPoint>,
}

/// Searches all thresholds that tell samples apart.
pub(super) fn tune(steps: &[Step]) -> Option<Thresholds> {
    let end = steps.last().filter(|e| e.hits > 0 && e.alarms > 0)?;
    let (positives, negatives) = (end.hits as f64, end.alarms as f64);
    let point = |s: &Step| {
        let (hits, alarms) = (s.hits as f64, s.alarms as f64);
        let (precision, recall) = (ratio(hits, hits + alarms), hits / positives);
        ThresholdPoint {
            threshold: f64::from(s.threshold),
            precision,
            recall,
            f1: ratio(2.0 * hits, positives + hits + alarms),
            accuracy: (hits + negatives - alarms) / (positives + negatives),
            youden: recall - alarms / negatives,
        }
    };
    let points: Vec<ThresholdPoint> = steps.iter().map(point).collect();
    let best = |name: &str, of: fn(&ThresholdPoint) -> f64| {
        let first = points.iter().fold(points[0], |best, p| if of(p) > of(&best) { *p } else { best });
        Choice { best: name.into(), point: first }
    };
    let choices = vec![best("f1", |p| p.f1), best("youden", |p| p.youden), best("accuracy", |p| p.accuracy)];
    Some(Thresholds { choices, curve: thin(&points, POINTS) })
}
