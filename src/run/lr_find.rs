//! The loss over a sweep of learning rates from tiny to huge
//! (Smith, arXiv:1506.01186). While it runs the losses are averaged as fastai
//! does, to see when they explode. Such an average lags behind by as much as it
//! smooths, and would call a rate the steepest at which training has diverged
//! already; so the curve that is read is smoothed from both sides, and searched
//! down to its least only.

use super::config::Configured;
use super::kinds;
use super::observer::Observer;
use super::request::DeviceRequest;
use super::train::{say, settle};
use crate::data::{Dataset, Elements};
use crate::device::DeviceInfo;
use crate::error::{Context, Error, Result};
use crate::eval::plot::{Axis, Chart, Ink, Kind, Series, number};
use crate::files::memory::DataBound;
use crate::nn::Weights;
use crate::tensor::random::permute;
use crate::train::{Prepared, Schedule, Session, Settings, Shape, Warmup, model_for};

/// How much of the average is kept from step to step in a sweep of
/// [`USUAL_STEPS`]; longer ones average over the same share of the sweep.
const KEPT: f64 = 0.9;
/// fastai's number of steps.
const USUAL_STEPS: usize = 100;
/// The sweep ends where the smoothed loss is so many times its least.
const EXPLODED: f64 = 4.0;
/// The part of its fall that a curve climbs again where its descent is over.
const CLIMBED: f64 = 0.5;
/// The least fall of a descent: of the loss it begins with, and in standard
/// deviations of the curve where nothing but noise is averaged.
const FALL: [f64; 2] = [0.02, 6.0];
/// The part of the sweep over which a slope is taken.
const SLOPE: usize = 20;
/// Bytes of samples: what every GPU can bind at once.
const MOST_BYTES: usize = 128 << 20;
/// The most steps.
const MOST_STEPS: usize = 100_000;

/// One update of the sweep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Its learning rate.
    pub lr: f64,
    /// The loss of its batch.
    pub loss: f64,
    /// The smoothed loss.
    pub smooth: f64,
}

/// What the sweep suggests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Where the loss falls fastest.
    pub steepest: f64,
    /// A tenth of where it is least.
    pub minimum: f64,
}

impl Found {
    /// The rate to try: the lower of the two. With noise in the losses the
    /// steepest descent may lie near the end, where training is no longer stable.
    pub fn rate(self) -> f64 {
        self.steepest.min(self.minimum)
    }
}

/// A sweep that is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The first rate, and the last.
    pub rates: [f64; 2],
    /// Updates from one to the other.
    pub steps: usize,
}

impl Range {
    /// Fails where there is no such sweep.
    pub fn check(&self) -> Result<()> {
        let ([low, high], steps) = (self.rates, self.steps);
        if !(low > 0.0 && low < high && high <= 1e3) {
            return Err(Error::usage(format!(
                "--min-lr {low} --max-lr {high}: expected the first above 0 and below the second, which is at most 1000"
            )));
        }
        if !(10..=MOST_STEPS).contains(&steps) {
            return Err(Error::usage(format!("--steps {steps}: expected 10 to {MOST_STEPS}")));
        }
        Ok(())
    }
}

/// What a sweep gave.
pub struct Swept {
    /// The device.
    pub device: DeviceInfo,
    /// The name of the model.
    pub model: String,
    /// The updates.
    pub points: Vec<Point>,
    /// What they suggest; `None` where the loss fell no further than noise would.
    pub found: Option<Found>,
}

/// Sweeps the learning rate of a training.
pub fn find(c: Configured, range: Range, device: &DeviceRequest, observer: &mut dyn Observer) -> Result<Swept> {
    range.check()?;
    let Configured { settings: mut s, found } = c;
    (s.data.folds, s.min_steps) = (0, 0);
    observer.starting()?;
    let device = device.open(s.plan.precision, observer)?;
    let info = device.info();
    observer.info(&info.line());
    let mut p = kinds::open(&found, &s, observer)?.source.prepare(&s)?;
    settle(&mut s, &mut p);
    say(&s, &p, observer);
    sweep_settings(&mut s, &mut p, range);
    // The sweep goes over its samples in memory.
    p.train.samples = p.train.samples.loaded().context(|| p.train.name.clone())?;
    let model = model_for(s.model.clone(), &p.train.shape, &p.interface)?;
    let mut session = Session::new(device, model, p.interface.clone(), Weights::new(s.seed))?;
    session.prepare_training(&p.train, &s)?;
    let points = sweep(&mut session, &s, observer)?;
    let found = suggest(&points, range.steps);
    Ok(Swept { device: info, model: session.model.description.name, points, found })
}

/// Makes a training of as many updates as the sweep has: on a random part of
/// the data, in whole batches, gone through more than once where it is small.
fn sweep_settings(s: &mut Settings, p: &mut Prepared, f: Range) {
    let n = p.train.len();
    s.batch_size = s.batch_size.min(n);
    s.update = s.update.accumulated();
    s.update.accumulate = s.update.accumulate.min(n / s.batch_size);
    let per_update = s.batch_size * s.update.accumulate;
    let each = if p.train.samples.kind() == Elements::Bytes { 1 } else { 4 } * p.train.width().max(1);
    let most = MOST_BYTES.min(usize::try_from(DataBound::of(s.data.memory).bytes).unwrap_or(MOST_BYTES));
    let updates = (n / per_update).min(most / each / per_update).clamp(1, f.steps);
    s.epochs = f.steps.div_ceil(updates);
    let rows = (f.steps / s.epochs).max(1) * per_update;
    let row = |i: usize| permute(i as u32, n as u32, s.seed, 0) as usize;
    p.train = Dataset::select(&p.train, &(0..rows).map(row).collect::<Vec<_>>());
    let shape = Shape::Range { lr_min: f.rates[0], lr_max: f.rates[1] };
    s.update.schedule = Schedule { shape, warmup: Warmup::Steps(0), min_lr: 0.0, plateau: None };
    // What answers for the weights at the end does not matter.
    (s.update.ema, s.data.device_bytes) = (None, None);
}

/// Trains update by update until the sweep is over or the loss explodes.
fn sweep(session: &mut Session, s: &Settings, observer: &dyn Observer) -> Result<Vec<Point>> {
    let batches = session.batches();
    let counts = session.counts();
    let total = s.epochs * counts.per_epoch();
    let mut points: Vec<Point> = vec![];
    let kept = kept(total);
    let (mut average, mut least) = (Average::default(), f64::INFINITY);
    for step in 0..total {
        if observer.interrupted() {
            return Err(Error::interrupted(format!("interrupted after {step} steps")));
        }
        session.reset_metrics()?;
        session.steps(s.update.accumulate)?;
        let scores = session.scores()?;
        if !scores.finite || !scores.loss.is_finite() {
            break;
        }
        let smooth = average.with(scores.loss, kept);
        points.push(Point { lr: s.update.lr_at(counts.batches(step), s.epochs, batches), loss: scores.loss, smooth });
        least = least.min(smooth);
        if smooth > EXPLODED * least {
            break;
        }
    }
    match points.len() {
        0 => Err(Error::model(format!(
            "the loss is no finite number at the first rate, {}; expected a model and data that give one",
            s.update.lr_at(0, s.epochs, batches)
        ))),
        _ => {
            smooth(&mut points, kept);
            Ok(points)
        }
    }
}

/// What an average of a sweep of so many updates keeps from one to the next.
fn kept(updates: usize) -> f64 {
    libm::pow(KEPT, USUAL_STEPS as f64 / updates.max(1) as f64)
}

/// An exponential average, over what it has seen alone.
#[derive(Default)]
struct Average {
    sum: f64,
    weight: f64,
}

impl Average {
    /// The average with one more value.
    fn with(&mut self, value: f64, kept: f64) -> f64 {
        self.sum = kept * self.sum + (1.0 - kept) * value;
        // Without this weight the average would begin at 0.
        self.weight = kept * self.weight + (1.0 - kept);
        self.sum / self.weight
    }
}

/// Averages the losses forwards, and what comes of it backwards, so that the
/// curve lags neither way. What is far above the first losses counts as no more
/// than that: how high it explodes says nothing.
fn smooth(points: &mut [Point], kept: f64) {
    let first = points.iter().take(5).map(|p| p.loss.abs()).fold(0.0, f64::max);
    let (mut forwards, mut backwards) = (Average::default(), Average::default());
    points.iter_mut().for_each(|p| p.smooth = forwards.with(p.loss.min(2.0 * first), kept));
    points.iter_mut().rev().for_each(|p| p.smooth = backwards.with(p.smooth, kept));
}

/// Where the smoothed loss falls fastest on its way to its least, and a tenth of
/// where it is least; `None` if it does not fall, or by no more than noise.
/// The first tenth of the sweep and the last five updates are left out: there
/// the average is not settled, and the loss no longer says anything.
fn suggest(points: &[Point], steps: usize) -> Option<Found> {
    let end = points.len().saturating_sub(5);
    let seen = points.get((steps / 10).min(end)..end)?;
    let down = &seen[..=lowest(seen)?];
    let (high, low) = (down.iter().map(|p| p.smooth).fold(f64::NEG_INFINITY, f64::max), down[down.len() - 1]);
    let noise = (down.iter().map(|p| (p.loss - p.smooth).powi(2)).sum::<f64>() / down.len() as f64).sqrt();
    if high - low.smooth < (FALL[0] * high.abs()).max(FALL[1] * noise * noise_left(kept(steps))) {
        return None;
    }
    // From step to step a slope is all noise.
    let apart = (steps / SLOPE).clamp(1, down.len().saturating_sub(1).max(1));
    let slope = |w: &[Point]| (w[apart].smooth - w[0].smooth) / (w[apart].lr.ln() - w[0].lr.ln());
    let steep = down.windows(apart + 1).min_by(|a, b| slope(a).total_cmp(&slope(b))).filter(|w| slope(w) < 0.0)?;
    // The middle of the stretch, on the axis that the slope is over.
    Some(Found { steepest: (steep[0].lr * steep[apart].lr).sqrt(), minimum: low.lr / 10.0 })
}

/// The part of white noise that is left where a sequence is averaged forwards and
/// backwards: what remains of its standard deviation.
fn noise_left(kept: f64) -> f64 {
    (1.0 - kept) / (1.0 + kept) * ((1.0 + kept * kept) / (1.0 - kept * kept)).sqrt()
}

/// Where the first descent ends: at the least loss before the curve has climbed
/// again by a good part of what it had fallen. A loss that diverges may fall
/// later once more, and that is no descent to train on.
fn lowest(seen: &[Point]) -> Option<usize> {
    let mut least = 0;
    let mut high = seen.first()?.smooth;
    for (i, p) in seen.iter().enumerate() {
        let fallen = high - seen[least].smooth;
        if fallen > FALL[0] * high.abs() && p.smooth - seen[least].smooth > CLIMBED * fallen {
            break;
        }
        if p.smooth < seen[least].smooth {
            least = i;
        } else if fallen <= FALL[0] * high.abs() && p.smooth > high {
            (high, least) = (p.smooth, i);
        }
    }
    Some(least)
}

/// The sweep as a chart.
pub fn chart(points: &[Point], found: Option<Found>) -> Chart {
    let curve = |of: &dyn Fn(&Point) -> f64| points.iter().map(|p| [p.lr, of(p)]).collect::<Vec<_>>();
    let line = |name: &str, ink, kind, points| Series { name: name.into(), ink, kind, points };
    let smooth = curve(&|p| p.smooth);
    // The average lags behind; what single batches reach is shown too.
    let [low, high] = shown_range(points);
    let lowest = points.iter().fold(low, |l, p| l.min(p.loss));
    let range = Some([lowest - 0.05 * (high - lowest), high]);
    Chart {
        title: "loss by learning rate".into(),
        x: Axis { label: "learning rate".into(), log: true, ..Axis::default() },
        y: Axis { label: "loss".into(), range, ..Axis::default() },
        series: vec![
            line("each batch", Ink::Muted, Kind::Dots, curve(&|p| p.loss)),
            line("smoothed", Ink::Series(0), Kind::Line, smooth),
        ],
        mark: found.map(|f| (f.steepest, format!("steepest: {}", number(f.steepest)))),
        ..Chart::default()
    }
}

/// From the least smoothed loss to a little above the highest before it: how
/// the loss explodes at the end, and how single batches stray, would flatten
/// the descent.
pub fn shown_range(points: &[Point]) -> [f64; 2] {
    let least = |a: &usize, b: &usize| points[*a].smooth.total_cmp(&points[*b].smooth);
    let at = (0..points.len()).min_by(least).unwrap_or(0);
    let low = points[at].smooth;
    let high = points[..=at].iter().fold(low, |h, p| h.max(p.smooth));
    let room = (high - low).max(0.02 * low.abs()).max(1e-9);
    [low - 0.1 * room, high + 0.4 * room]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(loss: impl Fn(f64) -> f64) -> Vec<Point> {
        sweep_of(100, loss)
    }

    fn sweep_of(n: usize, loss: impl Fn(f64) -> f64) -> Vec<Point> {
        let lr = |i: usize| 10f64.powf(-7.0 + 8.0 * i as f64 / (n - 1) as f64);
        (0..n).map(|i| Point { lr: lr(i), loss: loss(lr(i).log10()), smooth: loss(lr(i).log10()) }).collect()
    }

    #[test]
    fn the_steepest_descent_and_the_minimum_are_found() {
        // Falls fastest at 1e-3, is least at 1e-1.
        let sigmoid = |x: f64| 1.0 / (1.0 + (2.0 * (x + 3.0)).exp()) + if x > -1.0 { (x + 1.0).powi(2) } else { 0.0 };
        let found = suggest(&points(sigmoid), 100).unwrap();
        assert!((found.steepest.log10() + 3.0).abs() < 0.1, "{found:?}");
        assert!((found.minimum.log10() + 2.0).abs() < 0.15, "{found:?}");
        assert_eq!(found.rate(), found.steepest);
        // A long sweep with noise says the same.
        let noisy = |x: f64| sigmoid(x) + 1e-3 * (x * 1e6).sin();
        let long = suggest(&sweep_of(20_000, noisy), 20_000).unwrap();
        assert!((long.steepest.log10() + 3.0).abs() < 0.2, "{long:?}");
        let [low, high] = shown_range(&points(sigmoid));
        assert!(low < 0.02 && (1.0..1.6).contains(&high), "{low} {high}");
        assert_eq!(suggest(&points(|x| x), 100), None);
        assert_eq!(suggest(&points(|_| 1.0), 100), None);
        assert_eq!(suggest(&points(|x| -x)[..3], 100), None);
    }

    /// A sweep as a small network gives it: noise, a descent from 1e-4 to 1e-2, and
    /// from 0.05 on losses that jump, ever higher, now and then far down.
    fn diverging(seed: u64) -> Vec<Point> {
        let mut state = seed;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1u64 << 30) as f64 - 1.0
        };
        let mut all = sweep_of(96, |x| 0.4 + 2.2 / (1.0 + (3.0 * (x + 3.0)).exp()));
        for (i, p) in all.iter_mut().enumerate() {
            let beyond = (p.lr.log10() + 1.3).max(0.0);
            let jump = if i % 9 == 0 { -0.8 * beyond } else { 0.0 };
            p.loss += 0.08 * noise() + 8.0 * beyond * (1.0 + 0.7 * noise() + jump);
        }
        smooth(&mut all, kept(100));
        all
    }

    #[test]
    fn a_rate_at_which_training_diverges_is_never_suggested() {
        for seed in 0..200 {
            let points = diverging(seed);
            let found = suggest(&points, 100).unwrap_or_else(|| panic!("seed {seed}: nothing found"));
            let [steepest, minimum] = [found.steepest, found.minimum].map(f64::log10);
            assert!((-3.6..-2.4).contains(&steepest), "seed {seed}: {found:?}");
            assert!((-3.5..-2.0).contains(&minimum), "seed {seed}: {found:?}");
        }
    }

    #[test]
    fn noise_is_no_descent() {
        for seed in 0..200 {
            let mut points = diverging(seed);
            points.truncate(30);
            smooth(&mut points, kept(100));
            // Up to 2e-5 nothing is learned.
            let found = suggest(&points, 30);
            assert_eq!(found, None, "seed {seed}: {points:?}");
        }
    }
}
