//! Advice from the curves, in words and with the numbers it rests on.
//!
//! Curves are noisy, so nothing is said of a single epoch: losses are smoothed
//! by a running mean, and a change counts only when it is larger than both a
//! share of the loss and the noise, which is estimated from second differences
//! (they are blind to a trend).

use super::history::{EpochRecord, EpochScores};

/// A change of less than this share of the loss is none.
const SLIGHT: f64 = 0.02;
/// A rise of the validation loss by less than this share is no overfitting.
const RISE: f64 = 0.05;

/// What the curves suggest; one sentence that says so if it is nothing.
pub fn advise(epochs: &[EpochRecord]) -> Vec<String> {
    let train = Curve::of(epochs, |e| e.train.loss());
    let val = Curve::of(epochs, |e| e.val.as_ref().and_then(EpochScores::loss));
    if let Some(e) = epochs.iter().find(|e| e.train.loss().is_none_or(|l| !l.is_finite())) {
        return vec![format!(
            "The training loss is not a finite number in epoch {}: lower the learning rate or clip the gradient.",
            e.epoch
        )];
    }
    let Some(train) = train else {
        return vec![format!("{} epochs: too few to judge the curves.", counted(epochs.len()))];
    };
    let mut said = vec![];
    said.extend(unstable(&train, epochs));
    let over = val.as_ref().and_then(|val| overfits(&train, val, epochs));
    let improving = still_improving(val.as_ref().unwrap_or(&train), val.is_some());
    said.extend(over.clone());
    if over.is_none() {
        let under = underfits(&train, epochs);
        said.extend(improving.clone());
        if improving.is_none() {
            said.extend(under.clone().or_else(|| plateau(val.as_ref().unwrap_or(&train), val.is_some(), epochs)));
        }
    }
    said.extend(val.as_ref().and_then(|val| better_than_training(&train, val)));
    if let (true, Some(steps)) = (said.is_empty(), too_few(epochs)) {
        said.push(format!(
            "Only {steps} steps: too few to say that the curves have levelled off. Train longer (--epochs), or with smaller \
             batches (--batch-size)."
        ));
    }
    if said.is_empty() {
        said.push(format!("{} have levelled off; nothing suggests over- or underfitting.", both(val.is_some())));
    }
    said
}

fn counted(n: usize) -> String {
    match n {
        0 => "No".into(),
        n => format!("Only {n}"),
    }
}

fn both(val: bool) -> &'static str {
    if val { "Training and validation loss fell together and" } else { "The training losses" }
}

/// A curve with at least three points.
struct Curve {
    epochs: Vec<usize>,
    raw: Vec<f64>,
    smooth: Vec<f64>,
    /// The standard deviation of one point about the trend.
    noise: f64,
}

impl Curve {
    fn of(epochs: &[EpochRecord], loss: impl Fn(&EpochRecord) -> Option<f64>) -> Option<Curve> {
        let points = epochs.iter().filter_map(|e| loss(e).filter(|l| l.is_finite()).map(|l| (e.epoch, l)));
        let (epochs, raw): (Vec<usize>, Vec<f64>) = points.unzip();
        if raw.len() < 3 {
            return None;
        }
        let mut second: Vec<f64> = raw.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).collect();
        second.sort_unstable_by(f64::total_cmp);
        // The median of |second difference| of white noise is 0.6745 sqrt(6) of
        // its deviation. Few points cannot tell noise from a curve that bends.
        let noise = if raw.len() < 6 { 0.0 } else { second[second.len() / 2] / (0.6745 * 6f64.sqrt()) };
        let half = raw.len() / 16;
        let mean = |i: usize| {
            let around = &raw[i.saturating_sub(half)..(i + half + 1).min(raw.len())];
            around.iter().sum::<f64>() / around.len() as f64
        };
        let smooth = (0..raw.len()).map(mean).collect();
        Some(Curve { epochs, raw, smooth, noise })
    }

    fn len(&self) -> usize {
        self.raw.len()
    }

    fn last(&self) -> f64 {
        self.smooth[self.len() - 1]
    }

    /// Where the smoothed curve is lowest.
    fn lowest(&self) -> usize {
        (0..self.len()).fold(0, |best, i| if self.smooth[i] < self.smooth[best] { i } else { best })
    }

    /// The lowest point among those that made the smoothed one.
    fn lowest_near(&self, i: usize) -> usize {
        let half = self.len() / 16;
        let near = i.saturating_sub(half)..(i + half + 1).min(self.len());
        near.fold(i, |best, j| if self.raw[j] < self.raw[best] { j } else { best })
    }

    /// What a difference of two smoothed points must exceed.
    fn least(&self, share: f64, of: f64) -> f64 {
        let window = (2 * (self.len() / 16) + 1) as f64;
        (share * of.abs()).max(3.0 * self.noise * (2.0 / window).sqrt())
    }

    /// The smoothed value at an epoch of another curve.
    fn at(&self, epoch: usize) -> f64 {
        let i = self.epochs.iter().rposition(|&e| e <= epoch).unwrap_or(0);
        self.smooth[i]
    }

    /// The mean of the last third less the mean of the third before.
    fn drop_at_end(&self) -> f64 {
        let third = (self.len() / 3).max(1);
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (before, end) = (self.len() - 2 * third, self.len() - third);
        mean(&self.raw[before..end]) - mean(&self.raw[end..])
    }
}

/// Validation loss rises while training loss falls, or lies far above it.
fn overfits(train: &Curve, val: &Curve, epochs: &[EpochRecord]) -> Option<String> {
    let best = val.lowest();
    let (low, last) = (val.smooth[best], val.last());
    let since = val.len() - 1 - best;
    let at = val.epochs[val.lowest_near(best)];
    let falls = train.at(at) - train.last() > SLIGHT * train.at(at).abs();
    if since >= (val.len() / 8).max(2) && falls && last - low > val.least(RISE, low) {
        return Some(format!(
            "Overfitting: the validation loss rises since epoch {at} ({} -> {}) while the training loss falls \
             ({} -> {}). Try dropout, augmentation, weight decay or more data, or stop at epoch {at}.",
            short(low),
            short(last),
            short(train.at(at)),
            short(train.last())
        ));
    }
    let accuracy = |e: &EpochRecord| Some((e.train.get("accuracy")?, e.val.as_ref()?.get("accuracy")?));
    let (on_train, on_val) = epochs.iter().rev().find_map(accuracy)?;
    let gap = on_train - on_val;
    (gap > 0.1 && last > 1.5 * train.last()).then(|| {
        format!(
            "A gap: accuracy is {} on training data and {} on validation data. The model memorises more than it \
             generalises; try augmentation, dropout, weight decay, a smaller model or more data.",
            percent(on_train),
            percent(on_val)
        )
    })
}

/// The loss jumps up and down: the learning rate is too high.
fn unstable(train: &Curve, epochs: &[EpochRecord]) -> Option<String> {
    let jump = |i: &usize| train.raw[*i] > 1.15 * train.raw[*i - 1].max(f64::MIN_POSITIVE);
    let jumps: Vec<usize> = (1..train.len()).filter(jump).collect();
    // Near zero a loss moves by large factors and small amounts.
    let range = train.raw.iter().fold(0.0, |m: f64, &v| m.max(v)) - train.smooth[train.lowest()];
    let high = |i: &usize| train.raw[*i] - train.raw[*i - 1] > 0.1 * range;
    let jumps: Vec<usize> = jumps.into_iter().filter(high).collect();
    let worst = jumps.iter().copied().max_by(|&a, &b| {
        let rise = |i: usize| train.raw[i] - train.raw[i - 1];
        rise(a).total_cmp(&rise(b))
    })?;
    let often = jumps.len() >= 2 && 5 * jumps.len() >= train.len();
    let far = train.raw[worst] > 2.0 * train.raw[worst - 1];
    (often || far).then(|| {
        let (from, to) = (short(train.raw[worst - 1]), short(train.raw[worst]));
        let at = train.epochs[worst];
        let lr = epochs.iter().find(|e| e.epoch == at).and_then(|e| e.lr);
        let rate = lr.map_or(String::new(), |lr| format!(" ({} then)", short(lr)));
        let more = if jumps.len() > 1 { format!(", {} times in all", jumps.len()) } else { String::new() };
        format!(
            "Unstable: the training loss jumps ({from} -> {to} in epoch {at}{more}). Lower the learning rate{rate}, \
             add warm-up, or clip the gradient."
        )
    })
}

/// The loss that counts was still falling at the end.
fn still_improving(curve: &Curve, val: bool) -> Option<String> {
    let third = (curve.len() / 3).max(1);
    let recent = curve.len() - 1 - curve.lowest() <= third / 2;
    let (before, last) = (curve.smooth[curve.len() - 1 - third], curve.last());
    (recent && before - last > curve.least(SLIGHT, last)).then(|| {
        format!(
            "Still improving: the {} loss was falling at the end ({} -> {} over the last {}). Train longer.",
            if val { "validation" } else { "training" },
            short(before),
            short(last),
            if third == 1 { "epoch".to_string() } else { format!("{third} epochs") }
        )
    })
}

/// Even the training data is not fitted.
fn underfits(train: &Curve, epochs: &[EpochRecord]) -> Option<String> {
    let stalled = train.drop_at_end() < SLIGHT * train.last().abs();
    let accuracy = epochs.iter().rev().find_map(|e| e.train.get("accuracy"));
    let fell = 1.0 - train.last() / train.raw[0];
    let poor = match accuracy {
        Some(a) => a < 0.8 && fell < 0.5,
        None => fell < 0.2,
    };
    (stalled && poor).then(|| {
        let seen = accuracy.map_or(String::new(), |a| format!(" at an accuracy of {}", percent(a)));
        format!(
            "Underfitting: the training loss itself has stalled at {}{seen} ({} in epoch {}). Try a larger model, a \
             higher learning rate, less regularisation, or better inputs.",
            short(train.last()),
            short(train.raw[0]),
            train.epochs[0]
        )
    })
}

/// Steps below which nothing can be said of where the curves are going.
const STEPS: u64 = 100;

/// Whether so few steps were done that curves have had no time to bend. Runs of early
/// versions do not say how many.
fn too_few(epochs: &[EpochRecord]) -> Option<u64> {
    epochs.last().map(|e| e.step).filter(|step| (1..STEPS).contains(step))
}

/// Nothing has changed for the second half of a long run.
fn plateau(curve: &Curve, val: bool, epochs: &[EpochRecord]) -> Option<String> {
    if curve.len() < 8 || too_few(epochs).is_some() {
        return None;
    }
    let end = curve.last();
    let near = |v: f64| (v - end).abs() <= curve.least(SLIGHT, end);
    let since = (0..curve.len()).rev().take_while(|&i| near(curve.smooth[i])).last()?;
    (2 * since <= curve.len()).then(|| {
        let lrs: Vec<f64> = epochs.iter().filter_map(|e| e.lr).collect();
        let constant = lrs.len() > 1 && lrs.iter().all(|l| *l == lrs[0]);
        let what = if constant { "let the learning rate fall from there, or stop" } else { "stop" };
        format!(
            "Plateau: the {} loss has stayed at {} since epoch {}; {what} sooner.",
            if val { "validation" } else { "training" },
            short(end),
            curve.epochs[since]
        )
    })
}

/// Validation loss below training loss looks wrong and seldom is.
fn better_than_training(train: &Curve, val: &Curve) -> Option<String> {
    let below = |&&e: &&usize| val.at(e) < train.at(e);
    let half = &val.epochs[val.len() / 2..];
    let always = half.iter().filter(below).count() * 4 >= half.len() * 3;
    let gap = train.last() - val.last();
    (always && gap > train.least(RISE, train.last()) && gap > val.least(RISE, val.last())).then(|| {
        format!(
            "The validation loss ({}) is below the training loss ({}). That is usual with dropout or augmentation, \
             which only training feels, and while the loss falls fast, for the training loss is averaged over the \
             epoch; without those, look for samples that are in both sets.",
            short(val.last()),
            short(train.last())
        )
    })
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A number to three digits.
fn short(v: f64) -> String {
    let digits = if v == 0.0 { 0 } else { (2 - v.abs().log10().floor() as i32).clamp(0, 8) };
    format!("{v:.*}", digits as usize)
}

#[cfg(test)]
#[path = "advice_tests.rs"]
mod tests;
