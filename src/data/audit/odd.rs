//! Images unlike the others of their class: constant ones, and those whose
//! brightness or contrast is far off.

use super::duplicates::grey;
use super::pool::{ImageRef, Pool};
use rayon::prelude::*;
use serde::Serialize;

/// Standard deviations from the mean of a class that make an image an outlier.
pub(super) const FAR: f64 = 5.0;
/// Images of a class below which nothing is said of its outliers.
const ENOUGH: usize = 20;

/// An image whose brightness or contrast is far from that of its class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outlier {
    /// The image.
    pub image: ImageRef,
    /// `brightness` (the mean grey value) or `contrast` (its deviation).
    pub measure: &'static str,
    /// The image's value, 0 to 255.
    pub value: f64,
    /// The mean value of its class.
    pub class_mean: f64,
    /// How many standard deviations of the class lie between them.
    pub deviations: f64,
}

/// An outlier by its number.
pub(super) struct Odd {
    pub image: usize,
    measure: usize,
    value: f64,
    class_mean: f64,
    deviations: f64,
}

impl Odd {
    pub fn named(&self, pool: &Pool) -> Outlier {
        Outlier {
            image: pool.name(self.image),
            measure: ["brightness", "contrast"][self.measure],
            value: self.value,
            class_mean: self.class_mean,
            deviations: self.deviations,
        }
    }
}

/// Images each of whose channels has one value.
pub(super) fn constant(pool: &Pool) -> Vec<usize> {
    let plane = pool.shape[1] * pool.shape[2];
    let is_constant = |&i: &usize| pool.image(i).chunks_exact(plane.max(1)).all(|p| p.iter().all(|&b| b == p[0]));
    (0..pool.len()).into_par_iter().filter(is_constant).collect()
}

/// Outliers, the farthest first.
pub(super) fn outliers(pool: &Pool) -> Vec<Odd> {
    let measures: Vec<[f64; 2]> =
        (0..pool.len()).into_par_iter().map(|i| mean_and_std(grey(pool.image(i), pool.shape))).collect();
    let mut members = vec![vec![]; pool.classes.len()];
    (0..pool.len()).for_each(|i| members[pool.label(i) as usize].push(i));
    let mut found = vec![];
    for class in members.iter().filter(|class| class.len() >= ENOUGH) {
        for measure in 0..2 {
            let n = class.len() as f64;
            let class_mean = class.iter().map(|&i| measures[i][measure]).sum::<f64>() / n;
            let variance = class.iter().map(|&i| (measures[i][measure] - class_mean).powi(2)).sum::<f64>() / n;
            for &image in class {
                let value = measures[image][measure];
                let deviations = (value - class_mean).abs() / variance.sqrt().max(1e-9);
                if deviations >= FAR {
                    found.push(Odd { image, measure, value, class_mean, deviations });
                }
            }
        }
    }
    // Of an image that is far off in both, the greater distance counts.
    found.sort_by(|a, b| a.image.cmp(&b.image).then(b.deviations.total_cmp(&a.deviations)));
    found.dedup_by_key(|o| o.image);
    found.sort_by(|a, b| b.deviations.total_cmp(&a.deviations).then(a.image.cmp(&b.image)));
    found
}

/// Mean and standard deviation of grey values, from whole sums.
fn mean_and_std(grey: Vec<u8>) -> [f64; 2] {
    let n = grey.len().max(1) as u64;
    let (first, second) = grey.iter().fold((0u64, 0u64), |(a, b), &p| (a + u64::from(p), b + u64::from(p).pow(2)));
    let n2 = n as f64;
    [first as f64 / n2, ((u128::from(n) * u128::from(second) - u128::from(first).pow(2)) as f64).sqrt() / n2]
}
