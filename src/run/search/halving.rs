//! Successive halving: all trials train for a few epochs; of each rung one in
//! `factor` goes on, from its checkpoint, to twice as many. The learning-rate
//! schedule spans all epochs from the start, so whatever reaches the last rung
//! is what a plain training with its settings would have been.

use super::ranking::{self, Group};
use super::{Planned, Work};
use crate::error::Result;

/// Runs all rungs.
pub(super) fn run(work: &mut Work, min_epochs: usize, factor: usize) -> Result<()> {
    let rungs = rungs(min_epochs, work.plan[0].settings.epochs);
    let mut alive: Vec<&Planned> = work.plan.iter().collect();
    for (i, &epochs) in rungs.iter().enumerate() {
        let (rung, is_last) = (i + 1, i + 1 == rungs.len());
        // A single trial has nothing to be compared with on the way.
        if alive.iter().all(|p| p.setting == alive[0].setting) && i > 0 && !is_last {
            continue;
        }
        work.observer.info(&format!("rung {rung} of {}: {} trials to epoch {epochs}", rungs.len(), alive.len()));
        for p in &alive {
            if !work.train(p, rung, epochs)? {
                return Ok(());
            }
        }
        if !is_last {
            alive = survivors(work, &alive, rung, factor);
        }
        if alive.is_empty() {
            return Ok(());
        }
    }
    Ok(())
}

/// The best settings of a rung, in the order of their trials' numbers. Of a
/// setting that is repeated all trials go on, or none.
fn survivors<'a>(work: &Work, alive: &[&'a Planned], rung: usize, factor: usize) -> Vec<&'a Planned> {
    let mut able: Vec<Group> = ranking::groups(alive, |p| work.log.find(p.number, rung));
    let most = able.len().div_ceil(factor);
    able.retain(|g| g.score.is_some());
    able.sort_by(|a, b| work.metric.order(a.score, b.score).then(a.setting.cmp(&b.setting)));
    able.truncate(most);
    alive.iter().copied().filter(|p| able.iter().any(|g| g.setting == p.setting)).collect()
}

/// The epochs at the end of each rung: doubled from the first to all.
fn rungs(min_epochs: usize, epochs: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(min_epochs), |e| e.checked_mul(2));
    doubled.take_while(|&e| e < epochs).chain([epochs]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_double_up_to_all_epochs() {
        assert_eq!(rungs(1, 8), [1, 2, 4, 8]);
        assert_eq!(rungs(2, 9), [2, 4, 8, 9]);
        assert_eq!(rungs(5, 3), [3]);
        assert_eq!(rungs(1, 1), [1]);
    }
}
