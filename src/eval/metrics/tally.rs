//! Counts of labels, predictions and hits per class, and the scores that
//! follow from them alone.

use super::ratio;

/// Sums of a confusion matrix: of its rows, its columns and its diagonal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tally {
    /// Samples of each class.
    pub labels: Vec<u64>,
    /// Predictions of each class.
    pub predictions: Vec<u64>,
    /// Predictions of each class that are right.
    pub hits: Vec<u64>,
}

/// Precision, recall, F1.
pub(super) type Triple = [f64; 3];

impl Tally {
    /// Of `classes` classes, with nothing counted yet.
    pub fn new(classes: usize) -> Tally {
        Tally { labels: vec![0; classes], predictions: vec![0; classes], hits: vec![0; classes] }
    }

    /// Counts a sample `times` times.
    pub fn add(&mut self, label: usize, predicted: usize, times: u64) {
        self.labels[label] += times;
        self.predictions[predicted] += times;
        if label == predicted {
            self.hits[label] += times;
        }
    }

    fn total(&self) -> f64 {
        self.labels.iter().sum::<u64>() as f64
    }

    fn right(&self) -> f64 {
        self.hits.iter().sum::<u64>() as f64
    }

    /// Share of samples that are right.
    pub fn accuracy(&self) -> f64 {
        ratio(self.right(), self.total())
    }

    /// Mean recall of the classes that have samples.
    pub fn balanced_accuracy(&self) -> f64 {
        let present = (0..self.labels.len()).filter(|&c| self.labels[c] > 0);
        let (sum, n) = present.fold((0.0, 0), |(s, n), c| (s + self.of(c)[1], n + 1));
        ratio(sum, f64::from(n))
    }

    /// Precision, recall and F1 of a class.
    pub fn of(&self, class: usize) -> Triple {
        let (hits, labels, predictions) =
            (self.hits[class] as f64, self.labels[class] as f64, self.predictions[class] as f64);
        [ratio(hits, predictions), ratio(hits, labels), ratio(2.0 * hits, labels + predictions)]
    }

    /// The classes that occur, as label or as prediction: those that averages
    /// are over, as in scikit-learn.
    pub fn occurring(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.labels.len()).filter(|&c| self.labels[c] > 0 || self.predictions[c] > 0)
    }

    /// The plain mean over classes.
    pub fn macro_average(&self) -> Triple {
        let n = self.occurring().count() as f64;
        self.sum(|_| 1.0).map(|s| ratio(s, n))
    }

    /// The mean over classes weighted by their samples.
    pub fn weighted_average(&self) -> Triple {
        self.sum(|c| self.labels[c] as f64).map(|s| ratio(s, self.total()))
    }

    /// Over all decisions at once; with one class per sample, all three are
    /// the accuracy.
    pub fn micro_average(&self) -> Triple {
        [self.accuracy(); 3]
    }

    fn sum(&self, weight: impl Fn(usize) -> f64) -> Triple {
        let mut sums = [0.0; 3];
        for c in self.occurring() {
            for (sum, v) in sums.iter_mut().zip(self.of(c)) {
                *sum += weight(c) * v;
            }
        }
        sums
    }

    fn products(&self) -> [f64; 3] {
        let dot = |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(&x, &y)| x as f64 * y as f64).sum::<f64>();
        [
            dot(&self.labels, &self.predictions),
            dot(&self.labels, &self.labels),
            dot(&self.predictions, &self.predictions),
        ]
    }

    /// Matthews' correlation coefficient (Gorodkin's for several classes); 0
    /// where one side is constant.
    pub fn matthews(&self) -> f64 {
        let (n, [both, labels, predictions]) = (self.total(), self.products());
        let (l, p) = (n * n - labels, n * n - predictions);
        ratio(self.right() * n - both, (l * p).sqrt())
    }

    /// Cohen's kappa; undefined where labels and predictions are all of the
    /// same one class.
    pub fn kappa(&self) -> Option<f64> {
        let (n, [both, ..]) = (self.total(), self.products());
        let chance = both / (n * n);
        (chance < 1.0).then(|| (self.accuracy() - chance) / (1.0 - chance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_counted_table() {
        // Confusion matrix [[3, 1, 0], [1, 2, 0], [0, 1, 0]] of four classes, the last one nowhere.
        let mut t = Tally::new(4);
        for (label, predicted, n) in [(0, 0, 3), (0, 1, 1), (1, 0, 1), (1, 1, 2), (2, 1, 1)] {
            t.add(label, predicted, n);
        }
        assert_eq!(t.accuracy(), 5.0 / 8.0);
        assert_eq!(t.of(0), [0.75, 0.75, 0.75]);
        assert_eq!(t.of(2), [0.0; 3]);
        assert!((t.balanced_accuracy() - (0.75 + 2.0 / 3.0 + 0.0) / 3.0).abs() < 1e-15);
        assert!((t.macro_average()[0] - (0.75 + 0.5) / 3.0).abs() < 1e-15);
        assert!((t.weighted_average()[1] - 5.0 / 8.0).abs() < 1e-15);
        // Chance: (4*4 + 3*4 + 1*0) / 64.
        let chance = 28.0 / 64.0;
        assert!((t.kappa().unwrap() - (0.625 - chance) / (1.0 - chance)).abs() < 1e-15);
    }

    #[test]
    fn one_class_only_has_no_kappa_and_no_correlation() {
        let mut t = Tally::new(2);
        t.add(1, 1, 5);
        assert_eq!((t.kappa(), t.matthews(), t.accuracy()), (None, 0.0, 1.0));
    }
}
