//! Whether dropout costs a model more than it gives: of a training whose loss is much higher
//! with it than without, and whose validation loss is no higher than the latter.

use super::EpochRecord;

/// How much higher the loss must be with dropout than without, and how much higher the
/// validation loss may be than that without.
const MUCH: f64 = 1.3;
const NO_GAP: f64 = 1.1;

/// What to say of dropout, given the training loss without it after the epoch whose weights
/// were kept (the last one where none is named).
pub fn advise(epochs: &[EpochRecord], best: Option<usize>, without: f64) -> Option<String> {
    let kept = epochs.iter().find(|e| Some(e.epoch) == best).or(epochs.last())?;
    let with = kept.train.loss()?;
    let val = kept.val.as_ref()?.loss()?;
    (without > 0.0 && with > MUCH * without && val < NO_GAP * without).then(|| {
        format!(
            "Dropout may cost more than it gives: the training loss is {with:.4} with it and {without:.4} without, and the \
             validation loss, {val:.4}, shows that nothing is memorised. Try a model description with a lower rate of \
             Dropout (--model), or a larger model."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::EpochScores;

    #[test]
    fn dropout_is_named_where_nothing_is_memorised() {
        let epoch = |n: usize, train: f64, val: f64| EpochRecord {
            epoch: n,
            train: EpochScores::new(train),
            val: Some(EpochScores::new(val)),
            ..EpochRecord::default()
        };
        let run = [epoch(1, 0.9, 0.5), epoch(2, 0.4, 0.2), epoch(3, 0.3, 0.9)];
        let said = advise(&run, Some(2), 0.2).expect("something is said");
        assert!(said.contains("0.4000 with it and 0.2000 without") && said.contains("lower rate"), "{said}");
        assert_eq!(advise(&run, None, 0.2), None, "a gap");
        assert_eq!(advise(&run, Some(2), 0.35), None, "little is lost");
        assert_eq!(advise(&[], None, 0.2), None);
    }
}
