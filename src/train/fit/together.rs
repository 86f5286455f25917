//! What a training agrees on with other ranks: whose scores count, when all stop, and who keeps
//! checkpoints. A rank that decides for itself would leave the others waiting.

use super::{Run, Watched};
use crate::error::{Error, Kind, Result};
use crate::ranks::Collective;
use crate::train::{Control, Scores, Session};
use std::collections::BTreeMap;

/// What all ranks know of each other since the latest step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Agreed {
    /// Somebody asked one of them to stop.
    pub interrupted: bool,
    /// One of them has reached the limit of time.
    pub late: bool,
}

impl Agreed {
    /// Tells the others what one knows, and hears what they do.
    pub fn of(own: Agreed, collective: &dyn Collective) -> Result<Agreed> {
        let all = collective.gather(&[own.interrupted.into(), own.late.into()])?;
        let any = |i: usize| all.iter().any(|flags| flags.get(i) == Some(&1));
        Ok(Agreed { interrupted: any(0), late: any(1) })
    }
}

/// What the leading rank says to all: whether checkpoints are wanted.
pub(super) fn keeps(own: bool, collective: &dyn Collective) -> Result<bool> {
    let mut says = vec![u8::from(own)];
    collective.broadcast(0, &mut says)?;
    Ok(says == [1])
}

/// Tells the others of an error that they do not come to by themselves.
pub(super) fn tell<T>(done: Result<T>, session: &Session) -> Result<T> {
    if let Err(e) = &done
        && !matches!(e.kind(), Kind::Diverged | Kind::Interrupted)
    {
        session.collective().fail(&e.to_string());
    }
    done
}

impl Run<'_, '_> {
    /// Trains on the micro-batches of a step. Says how many they are.
    pub(super) fn together(&mut self) -> Result<usize> {
        let (stream, epoch) = (&mut self.stream, self.at.epoch);
        let at = [self.at.step, epoch, self.at.batch];
        let n = self.session.ranked_step(at, &mut |executor, batch| stream.supply(executor, epoch, batch))?;
        let own = Agreed { interrupted: self.watch.interrupted(), late: self.time_is_up() };
        self.agreed = Agreed::of(own, &**self.session.collective())?;
        Ok(n)
    }

    /// Whether somebody asked to stop.
    pub(super) fn interrupted(&self) -> bool {
        match self.session.is_ranked() {
            true => self.agreed.interrupted,
            false => self.watch.interrupted(),
        }
    }

    /// Whether the limit of time is reached.
    pub(super) fn is_late(&self) -> bool {
        match self.session.is_ranked() {
            true => self.agreed.late,
            false => self.time_is_up(),
        }
    }

    /// Whether this rank's clock says so.
    fn time_is_up(&self) -> bool {
        self.s.max_seconds.is_some_and(|t| self.begun.elapsed().as_secs_f64() >= t)
    }

    /// What whoever watches asks for.
    ///
    /// Fails where one of several ranks is asked for what the others know nothing of.
    pub(super) fn asked(&mut self) -> Result<Control> {
        let control = self.watch.control();
        match self.session.collective().ranks() > 1 && control != Control::default() {
            false => Ok(control),
            true => Err(Error::usage(
                "a callback stops the training or scales its learning rate, which one of several ranks cannot do for all; \
                 expected a rule in the settings ([early_stopping], [schedule])",
            )),
        }
    }

    /// The scores of the validation set with the weights as they are: those of the leading rank.
    pub(super) fn score(&mut self, watched: Option<&Watched>) -> Result<Option<Scores>> {
        let own = watched.map(|w| w.score(self.session)).transpose()?;
        let collective = self.session.collective();
        if !self.is_watched || collective.ranks() == 1 {
            return Ok(own);
        }
        let mut bytes = own.map(|scores| pack(&scores)).unwrap_or_default();
        collective.broadcast(0, &mut bytes)?;
        Ok(Some(unpack(&bytes)?))
    }
}

/// Scores as bytes, to the bit.
fn pack(scores: &Scores) -> Vec<u8> {
    let numbers: BTreeMap<&str, u64> = scores.all().map(|(key, x)| (key, x.to_bits())).collect();
    serde_json::to_vec(&(numbers, scores.samples, scores.finite)).expect("plain values print")
}

fn unpack(bytes: &[u8]) -> Result<Scores> {
    let bad = |e| Error::device(format!("the leading rank sent no scores: {e}"));
    let (numbers, samples, finite): (BTreeMap<String, u64>, usize, bool) =
        serde_json::from_slice(bytes).map_err(bad)?;
    let mut numbers: BTreeMap<String, f64> = numbers.into_iter().map(|(k, bits)| (k, f64::from_bits(bits))).collect();
    let mut take = |key: &str| numbers.remove(key);
    let loss = take("loss").unwrap_or(f64::NAN);
    let [perplexity, accuracy, rmse, mae] = ["perplexity", "accuracy", "rmse", "mae"].map(&mut take);
    Ok(Scores { loss, perplexity, accuracy, rmse, mae, figures: numbers, samples, finite })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_reach_the_others_to_the_bit() {
        let figures = BTreeMap::from([("f1".to_string(), 0.1 + 0.2)]);
        let scores =
            Scores { loss: f64::INFINITY, accuracy: Some(1.0 / 3.0), figures, samples: 7, ..Scores::default() };
        assert_eq!(unpack(&pack(&scores)).unwrap(), scores);
        assert!(unpack(&pack(&Scores { loss: f64::NAN, ..scores })).unwrap().loss.is_nan());
        assert!(unpack(&[]).unwrap_err().to_string().contains("no scores"));
    }
}
