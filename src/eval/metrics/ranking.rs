//! What a ranking by score tells: ROC and precision-recall curves and the areas
//! under them. Samples of equal score share one threshold, so ties count half,
//! as they should.

/// Samples by descending score. Each entry packs a sample's number, whether it
/// is positive, and whether it is the last of its score.
pub(super) struct Ranking {
    order: Vec<u32>,
    /// The score of every entry, for thresholds; empty where nobody asked.
    scores: Vec<f32>,
}

const POSITIVE: u32 = 2;
const LAST: u32 = 1;
/// The most samples that fit an entry.
pub(super) const MOST: usize = 1 << 30;

/// One threshold: its score and what lies at or above it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub threshold: f32,
    pub hits: u64,
    pub alarms: u64,
}

impl Ranking {
    /// Ranks `n` samples.
    pub fn new(n: usize, score: impl Fn(usize) -> f32, positive: impl Fn(usize) -> bool) -> Ranking {
        assert!(n <= MOST, "the number of a sample fits 30 bits");
        // Adding zero turns -0 into 0, which are one score.
        let mut sorted: Vec<(f32, u32)> = (0..n).map(|i| (score(i) + 0.0, i as u32)).collect();
        sorted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let entry = |at: usize| {
            let (score, i) = sorted[at];
            let last = sorted.get(at + 1).is_none_or(|next| next.0 != score);
            (i << 2) | if positive(i as usize) { POSITIVE } else { 0 } | if last { LAST } else { 0 }
        };
        let order = (0..n).map(entry).collect();
        Ranking { order, scores: sorted.iter().map(|s| s.0).collect() }
    }

    /// The ranking without its scores: enough for areas, and half the memory.
    pub fn without_scores(self) -> Ranking {
        Ranking { scores: vec![], ..self }
    }

    /// Hits and alarms at every threshold, each sample counted as often as
    /// `times` says.
    fn walk(&self, times: impl Fn(usize) -> u64, mut visit: impl FnMut(usize, u64, u64)) -> (u64, u64) {
        let (mut hits, mut alarms) = (0, 0);
        for (at, &e) in self.order.iter().enumerate() {
            let n = times((e >> 2) as usize);
            if e & POSITIVE == 0 {
                alarms += n;
            } else {
                hits += n;
            }
            if e & LAST != 0 {
                visit(at, hits, alarms);
            }
        }
        (hits, alarms)
    }

    /// The area under the ROC curve and the average precision.
    ///
    /// The first is undefined with one class alone; the second is then 1 or 0.
    pub fn areas(&self, times: impl Fn(usize) -> u64) -> (Option<f64>, f64) {
        let (mut area, mut precise) = (0.0, 0.0);
        let (mut hits, mut alarms) = (0, 0);
        let (all_hits, all_alarms) = self.walk(times, |_, h, a| {
            area += (a - alarms) as f64 * (h + hits) as f64;
            if h > hits {
                precise += (h - hits) as f64 * (h as f64 / (h + a) as f64);
            }
            (hits, alarms) = (h, a);
        });
        let both = all_hits as f64 * all_alarms as f64;
        let roc = (both > 0.0).then(|| area / (2.0 * both));
        (roc, if all_hits == 0 { 0.0 } else { precise / all_hits as f64 })
    }

    /// All thresholds, highest first.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = vec![];
        self.walk(|_| 1, |at, hits, alarms| steps.push(Step { threshold: self.scores[at], hits, alarms }));
        steps
    }
}

/// The ROC curve: points (false positive rate, true positive rate), without
/// those that lie on a straight line between their neighbours. Empty if one
/// class is missing.
pub(super) fn roc(steps: &[Step]) -> Vec<[f64; 2]> {
    let Some(end) = steps.last().filter(|e| e.hits > 0 && e.alarms > 0) else { return vec![] };
    let straight = |i: usize| {
        let d = |a: u64, b: u64| b as i64 - a as i64;
        let (before, at, next) = (steps[i - 1], steps[i], steps[i + 1]);
        // As scikit-learn: a corner is where the second difference is not zero.
        d(before.hits, at.hits) == d(at.hits, next.hits) && d(before.alarms, at.alarms) == d(at.alarms, next.alarms)
    };
    let point = |s: &Step| [s.alarms as f64 / end.alarms as f64, s.hits as f64 / end.hits as f64];
    let corners = (0..steps.len()).filter(|&i| i == 0 || i + 1 == steps.len() || !straight(i));
    std::iter::once([0.0, 0.0]).chain(corners.map(|i| point(&steps[i]))).collect()
}

/// The precision-recall curve: points (recall, precision) by rising recall,
/// from (0, 1). Empty without positives.
pub(super) fn precision_recall(steps: &[Step]) -> Vec<[f64; 2]> {
    let Some(end) = steps.last().filter(|e| e.hits > 0) else { return vec![] };
    let point = |s: &Step| [s.hits as f64 / end.hits as f64, s.hits as f64 / (s.hits + s.alarms) as f64];
    std::iter::once([0.0, 1.0]).chain(steps.iter().map(point)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn areas(scores: &[f32], positive: &[bool]) -> (Option<f64>, f64) {
        Ranking::new(scores.len(), |i| scores[i], |i| positive[i]).areas(|_| 1)
    }

    #[test]
    fn ties_count_half() {
        assert_eq!(areas(&[0.5; 4], &[true, false, true, false]), (Some(0.5), 0.5));
        assert_eq!(areas(&[0.0, -0.0], &[true, false]).0, Some(0.5));
        assert_eq!(areas(&[0.9, 0.1], &[true, false]), (Some(1.0), 1.0));
        assert_eq!(areas(&[0.1, 0.9], &[true, false]), (Some(0.0), 0.5));
        assert_eq!(areas(&[0.1, 0.9], &[true, true]), (None, 1.0));
        assert_eq!(areas(&[0.1, 0.9], &[false, false]), (None, 0.0));
    }

    #[test]
    fn counting_a_sample_twice_is_having_it_twice() {
        let scores = [0.1, 0.4, 0.35, 0.8, 0.4];
        let positive = [false, false, true, true, true];
        let twice = Ranking::new(5, |i| scores[i], |i| positive[i]).areas(|i| [2, 1, 0, 1, 3][i]);
        let rows = [0, 0, 1, 3, 4, 4, 4];
        let (s, p): (Vec<f32>, Vec<bool>) = rows.iter().map(|&i| (scores[i], positive[i])).unzip();
        assert_eq!(twice, areas(&s, &p));
    }
}
