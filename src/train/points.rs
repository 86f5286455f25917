//! Where the points of the curves of training lie.

use super::Settings;
use crate::ops::tally::Points;

/// The sums since the latest point: of the metrics, and of the gradient's norm.
pub(super) const METRICS: &str = "train.points";
pub(super) const NORMS: &str = "train.point_norms";

/// Points of a run.
const POINTS: usize = 200;

/// Where the points of a run's curves lie.
pub(super) fn points(s: &Settings, batches: usize) -> Points {
    let every = s.steps(batches).saturating_add(POINTS / 2) / POINTS;
    Points { every: u32::try_from(every.max(1)).unwrap_or(u32::MAX), steps: s.update.steps(batches) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_about_200_points() {
        let runs = [
            (3, 469, 1, None),
            (1, 100_000, 1, None),
            (1000, 4, 1, None),
            (50, 469, 1, Some(2000)),
            (50, 469, 4, None),
            (50, 469, 4, Some(2000)),
        ];
        for (epochs, batches, accumulate, max_steps) in runs {
            let mut s = Settings { epochs, max_steps, ..Settings::default() };
            s.update.accumulate = accumulate;
            let points = points(&s, batches);
            let last = s.update.steps(batches).batches(s.steps(batches));
            let n = (1..=last).filter(|&n| points.lies_after(n)).count();
            assert!((190..=220).contains(&n), "{epochs} epochs of {batches} by {accumulate}: {n} points");
        }
        assert_eq!(points(&Settings { epochs: 1, ..Settings::default() }, 7).every, 1);
    }
}
