//! `--batch-size auto`: the largest power of two of samples per step that fits the device and the host.

use super::observer::Observer;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::train::{Needs, Prepared, Session, Settings, model_for};

/// Decides the batch size, if that is left to the memory, and says what was chosen and why. The
/// settings hold the number from then on.
///
/// Fails where not even one sample at a time fits.
pub fn decide(s: &mut Settings, p: &Prepared, device: &Device, observer: &mut dyn Observer) -> Result<()> {
    if !s.auto_batch {
        return Ok(());
    }
    let model = model_for(s.model.clone(), &p.train.shape, &p.interface)?;
    let rows = p.train.len().max(1);
    let fits = |batch: usize| -> Result<()> {
        let tried = Settings { batch_size: batch, auto_batch: false, ..s.clone() };
        let plan = Session::plan_for(&model, &p.interface, &tried, device.target(), &device.choices())?;
        let one = Needs::of(&plan);
        // A plan without data holds one batch of it. Between epochs the validation set is scored,
        // with activations of its own.
        let data = one.data.saturating_mul(rows.div_ceil(batch) as u64).min(tried.most_data(&device.target()));
        Needs { data, activations: one.activations + one.activations / 2, ..one }.check(device)
    };
    let (batch, beyond) = largest(rows, &fits)?;
    let why = match beyond {
        Some(e) => format!("{} does not fit: {e}", 2 * batch),
        None => format!("there are {rows} training samples"),
    };
    observer.note(&format!(
        "batch size: {batch}, the largest power of two that fits; {why}. The learning rate is as it was given; \
         train.batch_size decides otherwise"
    ));
    (s.batch_size, s.auto_batch) = (batch, false);
    Ok(())
}

/// The largest power of two of at most `most` that fits, and why the next one does not.
fn largest(most: usize, fits: &dyn Fn(usize) -> Result<()>) -> Result<(usize, Option<Error>)> {
    fits(1)?;
    let (mut low, mut high) = (0, most.ilog2() + 1);
    let mut beyond = None;
    while high - low > 1 {
        let middle = (low + high) / 2;
        match fits(1 << middle) {
            Ok(()) => low = middle,
            Err(e) => (high, beyond) = (middle, Some(e)),
        }
    }
    Ok((1 << low, beyond))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_that_fits_is_found() {
        for (most, room, found) in [(1, 9, 1), (100, 1000, 64), (128, 1000, 128), (1 << 20, 100, 64), (7, 3, 2)] {
            let fits = |n: usize| if n <= room { Ok(()) } else { Err(Error::device(format!("{n} is too much"))) };
            let (batch, beyond) = largest(most, &fits).unwrap();
            assert_eq!(batch, found, "{most} {room}");
            let said = beyond.map(|e| e.to_string());
            assert_eq!(said, (2 * found > room && 2 * found <= most).then(|| format!("{} is too much", 2 * found)));
        }
        assert!(largest(8, &|_| Err(Error::device("no"))).is_err());
    }
}
