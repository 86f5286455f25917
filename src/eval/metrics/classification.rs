//! Metrics of class probabilities.

use super::ranking::{MOST, Ranking, precision_recall, roc};
use super::tally::{Tally, Triple};
use super::threshold::tune;
use super::{Bin, Figure, Figures, Intervals, Thresholds, bootstrap, calibration, ratio, rows, thin};
use crate::error::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Curves are kept for at most so many classes, with at most so many points.
const CURVES: usize = 20;
const POINTS: usize = 200;
/// The confusion matrix is kept for at most so many classes.
const MATRIX: usize = 1000;
/// Scores (samples times classes) up to which areas get an interval.
const AREAS: usize = 4_000_000;
/// How far a row of probabilities may sum from 1.
const OFF: f64 = 1e-3;

/// How much is worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The figures alone.
    Figures,
    /// Intervals too, which take a thousand times as long.
    Everything,
}

/// Precision, recall and F1 averaged over classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Averages {
    /// Share of the predictions that are right.
    pub precision: f64,
    /// Share of the samples that are found.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
}

impl From<Triple> for Averages {
    fn from([precision, recall, f1]: Triple) -> Averages {
        Averages { precision, recall, f1 }
    }
}

/// What one class scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Its name.
    pub name: String,
    /// Share of its predictions that are right.
    pub precision: f64,
    /// Share of its samples that are found.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Its samples.
    pub support: u64,
    /// Area under the ROC curve, this class against the rest.
    pub roc_auc: Option<f64>,
    /// Average precision, this class against the rest; `None` without samples.
    pub pr_auc: Option<f64>,
}

/// Share of samples whose class is among the `k` likeliest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TopK {
    /// How many.
    pub k: usize,
    /// The share.
    pub accuracy: f64,
}

/// ROC and precision-recall curve of one class against the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The class.
    pub class: String,
    /// Points (false positive rate, true positive rate).
    pub roc: Vec<[f64; 2]>,
    /// Points (recall, precision).
    pub pr: Vec<[f64; 2]>,
}

/// Everything that is said about class probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// Samples scored.
    pub samples: usize,
    /// Of two classes that which precision, recall and F1 are of; `None` of more, and
    /// in files of earlier versions, where it is the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive_class: Option<String>,
    /// Share of samples whose likeliest class is theirs.
    pub accuracy: f64,
    /// Top-2, top-3, top-5, where there are more classes than that.
    pub top_k: Vec<TopK>,
    /// Mean recall over the classes that have samples.
    pub balanced_accuracy: f64,
    /// The plain mean over the classes that occur as label or prediction.
    #[serde(rename = "macro")]
    pub macro_average: Averages,
    /// Over all decisions at once.
    pub micro: Averages,
    /// The mean over classes weighted by their samples.
    pub weighted: Averages,
    /// Area under the ROC curve: of the positive class of two, else the plain
    /// mean of each class against the rest.
    pub roc_auc: Option<f64>,
    /// The mean of each class against the rest weighted by samples.
    pub roc_auc_weighted: Option<f64>,
    /// Average precision, likewise.
    pub pr_auc: f64,
    /// Average precision weighted by samples.
    pub pr_auc_weighted: Option<f64>,
    /// Mean negative logarithm of the probability of the right class.
    pub log_loss: f64,
    /// Mean squared error of the probabilities: of the positive class of two,
    /// else summed over classes.
    pub brier: f64,
    /// Expected calibration error over 15 bins.
    pub ece: f64,
    /// Matthews' correlation coefficient.
    pub mcc: f64,
    /// Cohen's kappa.
    pub kappa: Option<f64>,
    /// 95 % intervals by key.
    pub intervals: Intervals,
    /// Each class.
    pub classes: Vec<ClassScores>,
    /// Rows are labels, columns predictions. Empty beyond 1,000 classes.
    pub confusion: Vec<Vec<u64>>,
    /// The reliability diagram.
    pub reliability: Vec<Bin>,
    /// Curves: of the positive class of two, or of each of up to 20.
    pub curves: Vec<Curve>,
    /// With two classes: where to cut.
    pub thresholds: Option<Thresholds>,
    /// What was undefined and why.
    pub notes: Vec<String>,
}

impl Classification {
    /// Scores probabilities `[N, classes]`, row-major, against labels. Of two classes
    /// the second is the positive one, as with scikit-learn.
    pub fn of(probabilities: &[f32], labels: &[u32], names: &[String]) -> Result<Classification> {
        Classification::about(probabilities, labels, names, 1, Detail::Everything)
    }

    /// [`Classification::of`] where of two classes that of this number is the positive
    /// one. Of more classes none is.
    pub fn about(
        probabilities: &[f32],
        labels: &[u32],
        names: &[String],
        positive: usize,
        detail: Detail,
    ) -> Result<Classification> {
        check(probabilities, labels, names)?;
        let binary = (names.len() == 2).then_some(positive.min(1));
        let set = Set::new(probabilities, labels, names.len(), binary);
        let areas = set.areas();
        let tally = set.tally(|_| 1);
        let scores = set.sums(&tally, |_| 1);
        let reliability = calibration::bins(labels.len(), |i| set.confidence(i));
        let (roc_auc, pr_auc) = average(&areas, binary, None);
        let (roc_auc_weighted, pr_auc_weighted) = average(&areas, binary, Some(&tally.labels));
        let class = |c: usize| {
            let ([precision, recall, f1], support) = (tally.of(c), tally.labels[c]);
            let (roc_auc, pr_auc) = (areas[c].0, (support > 0).then_some(areas[c].1));
            ClassScores { name: names[c].clone(), precision, recall, f1, support, roc_auc, pr_auc }
        };
        let (curves, thresholds) = set.curves(names);
        Ok(Classification {
            samples: labels.len(),
            positive_class: binary.map(|p| names[p].clone()),
            accuracy: tally.accuracy(),
            top_k: TOP.iter().zip(&scores.top).filter(|(k, _)| **k < names.len()).map(top_k).collect(),
            balanced_accuracy: tally.balanced_accuracy(),
            macro_average: tally.macro_average().into(),
            micro: tally.micro_average().into(),
            weighted: tally.weighted_average().into(),
            roc_auc,
            roc_auc_weighted: roc_auc_weighted.filter(|_| binary.is_none()),
            pr_auc: pr_auc.unwrap_or_default(),
            pr_auc_weighted: pr_auc_weighted.filter(|_| binary.is_none()),
            log_loss: scores.log_loss,
            brier: scores.brier,
            ece: calibration::expected_error(&reliability),
            mcc: tally.matthews(),
            kappa: tally.kappa(),
            intervals: if detail == Detail::Everything { set.intervals() } else { Intervals::new() },
            classes: (0..names.len()).map(class).collect(),
            confusion: set.confusion(),
            reliability,
            curves,
            thresholds,
            notes: notes(&tally, names, labels.len()),
        })
    }

    /// The positive class of two.
    pub fn positive(&self) -> Option<&ClassScores> {
        let [_, second] = &self.classes[..] else { return None };
        let named = self.positive_class.as_ref().and_then(|name| self.classes.iter().find(|c| c.name == *name));
        Some(named.unwrap_or(second))
    }

    /// The figures, most telling first.
    pub fn figures(&self) -> Vec<Figure> {
        let mut f = Figures { intervals: &self.intervals, list: vec![] };
        let positive = self.positive();
        let class = positive.map(|p| p.name.as_str());
        f.add("accuracy", Some(self.accuracy));
        f.add_of("f1", class, positive.map(|p| p.f1));
        f.add("f1_macro", Some(self.macro_average.f1));
        f.add("roc_auc", self.roc_auc);
        f.add("log_loss", Some(self.log_loss));
        f.add_of("precision", class, positive.map(|p| p.precision));
        f.add_of("recall", class, positive.map(|p| p.recall));
        self.top_k.iter().for_each(|t| f.add(&format!("top_{}", t.k), Some(t.accuracy)));
        f.add("balanced_accuracy", Some(self.balanced_accuracy));
        f.add("precision_macro", Some(self.macro_average.precision));
        f.add("recall_macro", Some(self.macro_average.recall));
        f.add("f1_weighted", Some(self.weighted.f1));
        f.add("roc_auc_weighted", self.roc_auc_weighted);
        f.add_of("pr_auc", class, Some(self.pr_auc));
        f.add("pr_auc_weighted", self.pr_auc_weighted);
        f.add("mcc", Some(self.mcc));
        f.add("kappa", self.kappa);
        f.add("brier", Some(self.brier));
        f.add("ece", Some(self.ece));
        f.list
    }
}

const TOP: [usize; 3] = [2, 3, 5];
/// Keys of what a resample scores, in its order; `top_k` and areas follow.
const KEYS: [&str; 10] = [
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "f1_weighted",
    "mcc",
    "kappa",
    "log_loss",
    "brier",
];

fn top_k((&k, &accuracy): (&usize, &f64)) -> TopK {
    TopK { k, accuracy }
}

fn check(probabilities: &[f32], labels: &[u32], names: &[String]) -> Result<()> {
    let classes = names.len();
    if classes < 2 {
        return Err(Error::data(format!("there are {classes} classes to score; expected at least 2")));
    }
    rows("probabilities", probabilities, labels.len(), classes)?;
    if labels.len() > MOST {
        return Err(Error::data(format!("{} samples to score; at most {MOST} are scored at once", labels.len())));
    }
    if let Some(i) = labels.iter().position(|&l| l as usize >= classes) {
        return Err(Error::data(format!(
            "row {i} has label {}; expected 0 to {}, for there are {classes} classes",
            labels[i],
            classes - 1
        )));
    }
    let row = |p: &[f32]| {
        let sum: f64 = p.iter().map(|&v| f64::from(v)).sum();
        (sum - 1.0).abs() <= OFF && p.iter().all(|&v| f64::from(v) >= -OFF)
    };
    match probabilities.chunks(classes).position(|p| !row(p)) {
        Some(i) => {
            let p = &probabilities[i * classes..(i + 1) * classes];
            let sum: f64 = p.iter().map(|&v| f64::from(v)).sum();
            let least = p.iter().copied().fold(f32::INFINITY, f32::min);
            Err(Error::data(format!(
                "row {i} of the probabilities sums to {sum} and its least is {least}; expected values of 0 and more \
                 that sum to 1 (apply softmax to logits first)"
            )))
        }
        None => Ok(()),
    }
}

/// What averaging leaves undefined or sets to zero.
fn notes(tally: &Tally, names: &[String], samples: usize) -> Vec<String> {
    let listed = |what: &dyn Fn(usize) -> bool| {
        let found: Vec<&str> = (0..names.len()).filter(|&c| what(c)).map(|c| names[c].as_str()).collect();
        let rest = if found.len() > 5 { format!(" and {} more", found.len() - 5) } else { String::new() };
        let first = found.iter().take(5).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
        (!found.is_empty()).then(|| first + &rest)
    };
    let mut notes = vec![];
    if let Some(found) = listed(&|c| tally.labels[c] as usize == samples) {
        notes.push(format!("Every sample is of class {found}: ROC AUC, which needs two classes, is undefined."));
    } else if let Some(found) = listed(&|c| tally.labels[c] == 0) {
        notes.push(format!(
            "Without a sample: {found}. Their recall is set to 0 and their ROC AUC is undefined, and so is its plain mean."
        ));
    }
    if let Some(found) = listed(&|c| tally.predictions[c] == 0 && tally.labels[c] > 0) {
        notes.push(format!("Never predicted: {found}. Their precision is set to 0."));
    }
    if names.len() > MATRIX {
        notes.push(format!("The confusion matrix of {} classes is left out; {MATRIX} are kept.", names.len()));
    }
    if samples.saturating_mul(names.len()) > AREAS {
        notes.push("So many samples and classes that the areas have no interval.".into());
    }
    notes
}

/// ROC AUC and average precision of the positive class of two, or over all:
/// plain, or weighted by samples.
fn average(
    areas: &[(Option<f64>, f64)],
    positive: Option<usize>,
    weights: Option<&[u64]>,
) -> (Option<f64>, Option<f64>) {
    if let Some(p) = positive {
        return (areas[p].0, Some(areas[p].1));
    }
    let (mut roc, mut pr, mut all) = (Some(0.0), 0.0, 0.0);
    for (c, area) in areas.iter().enumerate() {
        let w = weights.map_or(1.0, |w| w[c] as f64);
        if w > 0.0 {
            roc = roc.zip(area.0).map(|(sum, a)| sum + w * a);
        }
        pr += w * area.1;
        all += w;
    }
    (roc.map(|sum| ratio(sum, all)), Some(ratio(pr, all)))
}

/// Per sample what resamples need again.
struct Sample {
    label: u32,
    predicted: u32,
    confidence: f32,
    /// How many classes come before its own.
    rank: u32,
    log_loss: f64,
    brier: f64,
}

/// The samples with their probabilities.
struct Set<'a> {
    samples: Vec<Sample>,
    probabilities: &'a [f32],
    classes: usize,
    /// The positive class of two.
    positive: Option<usize>,
}

/// Means over samples.
struct Sums {
    log_loss: f64,
    brier: f64,
    top: [f64; 3],
}

impl<'a> Set<'a> {
    fn new(probabilities: &'a [f32], labels: &[u32], classes: usize, positive: Option<usize>) -> Set<'a> {
        let sample = |(p, &label): (&[f32], &u32)| {
            let own = p[label as usize];
            // Of equals the first is predicted, as argmax does; in a ranking
            // the last comes first, as in scikit-learn's top_k_accuracy_score.
            let predicted = (1..classes).fold(0, |best, c| if p[c] > p[best] { c } else { best });
            let before = |&(c, &v): &(usize, &f32)| v > own || (v == own && c > label as usize);
            let off = |(c, &v): (usize, &f32)| (f64::from(v) - f64::from(u8::from(c == label as usize))).powi(2);
            let brier = positive.map_or_else(|| p.iter().enumerate().map(off).sum(), |c| off((c, &p[c])));
            Sample {
                label,
                predicted: predicted as u32,
                confidence: p[predicted],
                rank: p.iter().enumerate().filter(before).count() as u32,
                log_loss: -f64::from(own).clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln(),
                brier,
            }
        };
        let samples = probabilities.chunks(classes).zip(labels).map(sample).collect();
        Set { samples, probabilities, classes, positive }
    }

    fn confidence(&self, i: usize) -> (f64, bool) {
        let s = &self.samples[i];
        (f64::from(s.confidence), s.label == s.predicted)
    }

    fn ranking(&self, class: usize) -> Ranking {
        let score = |i: usize| self.probabilities[i * self.classes + class];
        Ranking::new(self.samples.len(), score, |i| self.samples[i].label as usize == class)
    }

    fn areas(&self) -> Vec<(Option<f64>, f64)> {
        (0..self.classes).into_par_iter().map(|c| self.ranking(c).areas(|_| 1)).collect()
    }

    fn tally(&self, times: impl Fn(usize) -> u64) -> Tally {
        let mut tally = Tally::new(self.classes);
        for (i, s) in self.samples.iter().enumerate() {
            tally.add(s.label as usize, s.predicted as usize, times(i));
        }
        tally
    }

    fn sums(&self, tally: &Tally, times: impl Fn(usize) -> u64) -> Sums {
        let (mut log_loss, mut brier, mut top) = (0.0, 0.0, [0u64; 3]);
        for (i, s) in self.samples.iter().enumerate() {
            let n = times(i);
            log_loss += n as f64 * s.log_loss;
            brier += n as f64 * s.brier;
            for (hits, k) in top.iter_mut().zip(TOP) {
                *hits += if (s.rank as usize) < k { n } else { 0 };
            }
        }
        let n = tally.labels.iter().sum::<u64>() as f64;
        Sums { log_loss: log_loss / n, brier: brier / n, top: top.map(|hits| hits as f64 / n) }
    }

    fn intervals(&self) -> Intervals {
        let binary = self.positive.is_some();
        let mut keys: Vec<String> = KEYS.iter().map(|k| k.to_string()).collect();
        keys.extend(TOP.iter().map(|k| format!("top_{k}")));
        keys.extend(
            ["f1", "precision", "recall", "roc_auc", "roc_auc_weighted", "pr_auc", "pr_auc_weighted"].map(String::from),
        );
        let with_areas = self.samples.len().saturating_mul(self.classes) <= AREAS;
        let ranked = if with_areas { self.ranked() } else { 0..0 };
        let rankings: Vec<Ranking> = ranked.into_par_iter().map(|c| self.ranking(c).without_scores()).collect();
        let score = |counts: &[u32]| {
            let times = |i: usize| u64::from(counts[i]);
            let tally = self.tally(times);
            let sums = self.sums(&tally, times);
            let [precision, recall, f1] = tally.macro_average();
            let (kappa, weighted_f1) = (tally.kappa().unwrap_or(f64::NAN), tally.weighted_average()[2]);
            let mut v = vec![tally.accuracy(), tally.balanced_accuracy(), precision, recall, f1, weighted_f1];
            v.extend([tally.matthews(), kappa, sums.log_loss, sums.brier]);
            v.extend(sums.top);
            let [precision, recall, f1] = self.positive.map_or([f64::NAN; 3], |p| tally.of(p));
            v.extend([f1, precision, recall]);
            let areas: Vec<_> = rankings.iter().map(|r| r.areas(times)).collect();
            let nan = |x: Option<f64>| x.unwrap_or(f64::NAN);
            match (with_areas, binary) {
                (false, _) => v.extend([f64::NAN; 4]),
                (true, true) => v.extend([nan(areas[0].0), f64::NAN, areas[0].1, f64::NAN]),
                (true, false) => {
                    let (plain, weighted) = (average(&areas, None, None), average(&areas, None, Some(&tally.labels)));
                    v.extend([nan(plain.0), nan(weighted.0), nan(plain.1), nan(weighted.1)]);
                }
            }
            v
        };
        let found = bootstrap::intervals(self.samples.len(), score);
        let beyond = |key: &str| TOP.iter().any(|k| *k >= self.classes && key == format!("top_{k}"));
        keys.into_iter().zip(found).filter(|(k, _)| !beyond(k)).filter_map(|(k, i)| i.map(|i| (k, i))).collect()
    }

    /// The classes that have curves.
    fn ranked(&self) -> std::ops::Range<usize> {
        self.positive.map_or(0..self.classes, |p| p..p + 1)
    }

    fn confusion(&self) -> Vec<Vec<u64>> {
        if self.classes > MATRIX {
            return vec![];
        }
        let mut matrix = vec![vec![0; self.classes]; self.classes];
        for s in &self.samples {
            matrix[s.label as usize][s.predicted as usize] += 1;
        }
        matrix
    }

    fn curves(&self, names: &[String]) -> (Vec<Curve>, Option<Thresholds>) {
        let classes = self.ranked();
        if classes.len() > CURVES {
            return (vec![], None);
        }
        let mut thresholds = None;
        let mut curves = vec![];
        for c in classes {
            let steps = self.ranking(c).steps();
            let (roc, pr) = (roc(&steps), precision_recall(&steps));
            if !roc.is_empty() {
                curves.push(Curve { class: names[c].clone(), roc: thin(&roc, POINTS), pr: thin(&pr, POINTS) });
            }
            if self.positive.is_some() {
                thresholds = tune(&steps);
            }
        }
        (curves, thresholds)
    }
}
