//! A set that passes through the device in windows trains the same bits as one
//! that lies there whole, and goes on within a window.

mod support;

use libtest_mimic::{Arguments, Failed};
use std::sync::Arc;
use support::device::{GPU_UNCHECKED, NO_ADAPTER, on_both};
use wgrad::data::table::Normalize;
use wgrad::data::{Dataset, Interface, Normal, Origin, Samples, Targets};
use wgrad::device::Device;
use wgrad::nn::{Description, Model, Weights};
use wgrad::tensor::random::{Random, stream};
use wgrad::train::checkpoint::Files;
use wgrad::train::{Epoch, Kept, Progress, Scores, Session, Settings, Start, checkpoint, go_on, set};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![];
    for (set, make) in SETS {
        let mut add = |name: &str, test: fn(bool, &Dataset) -> Result<(), Failed>| {
            trials.extend(on_both(&format!("{name}::{set}"), move |on_gpu| test(on_gpu, &make())));
        };
        add("windows_train_the_same_bits", windows_train_the_same_bits);
        add("training_goes_on_within_a_window", training_goes_on_within_a_window);
    }
    if GPU_UNCHECKED.is_none() {
        eprintln!("GPU tests are ignored: {NO_ADAPTER}");
    }
    libtest_mimic::run(&args, trials).exit();
}

const SAMPLES: usize = 70;
/// Nine batches, of which the last has six samples.
const BATCH: usize = 8;
const BATCHES: usize = 9;

type Make = fn() -> Dataset;
const SETS: [(&str, Make); 3] = [("images", images), ("classes", classes), ("values", values)];

/// Images of an odd number of bytes, so that samples do not start at words.
fn images() -> Dataset {
    let mut r = Random::new(1, stream::CASES);
    let samples = Samples::Bytes(Arc::new((0..SAMPLES * 3 * 5 * 7).map(|_| r.bits() as u8).collect()));
    Dataset { name: "images".into(), shape: vec![3, 5, 7], samples, targets: labels(&mut r), origin: Origin::default() }
}

fn labels(r: &mut Random) -> Targets {
    let names = (0..4).map(|i| i.to_string()).collect();
    Targets::Classes { labels: (0..SAMPLES).map(|_| r.bits() % 4).collect(), names }
}

fn floats(r: &mut Random) -> Samples {
    Samples::Floats(Arc::new((0..SAMPLES * 5).map(|_| r.normal()).collect()))
}

fn classes() -> Dataset {
    let mut r = Random::new(2, stream::CASES);
    let (samples, targets) = (floats(&mut r), labels(&mut r));
    Dataset { name: "classes".into(), shape: vec![5], samples, targets, origin: Origin::default() }
}

fn values() -> Dataset {
    let mut r = Random::new(3, stream::CASES);
    let samples = floats(&mut r);
    let values = (0..SAMPLES * 2).map(|_| 3.0 + 5.0 * r.normal()).collect();
    let targets = Targets::Values { values, names: vec!["a".into(), "b".into()] };
    Dataset { name: "values".into(), shape: vec![5], samples, targets, origin: Origin::default() }
}

/// Settings under which the device holds `window` batches at a time; 0 for all.
fn settings(data: &Dataset, window: usize, shuffle: bool) -> Settings {
    let each = if matches!(data.samples, Samples::Bytes(_)) { 1 } else { 4 };
    // Two windows are under way at a time.
    let bytes = 2 * window * BATCH * data.width() * each;
    let mut table = toml::Table::new();
    let pairs: [(&str, toml::Value); 6] = [
        ("data.device_mb", (bytes as f64 / f64::from(1 << 20)).into()),
        ("train.batch_size", (BATCH as i64).into()),
        ("train.epochs", 3.into()),
        ("train.shuffle", shuffle.into()),
        ("train.seed", 7.into()),
        ("optimizer.lr", 0.01.into()),
    ];
    pairs.into_iter().for_each(|(key, value)| set(&mut table, key, value).expect("valid keys"));
    Settings::read(table).expect("valid settings")
}

fn session(on_gpu: bool, data: &Dataset, s: &Settings, weights: Weights) -> wgrad::Result<Session> {
    let device = match on_gpu {
        true => Device::Gpu(GPU_UNCHECKED.clone().expect(NO_ADAPTER)),
        false => Device::Cpu,
    };
    let layers = "[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = 9\nactivation = \"tanh\"\n\
                  [[layer]]\ntype = \"Dropout\"\nrate = 0.2\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";
    let width = Some(data.targets.width());
    let model = Model::new(Description::parse(layers)?, Some(data.shape.clone().into()), width)?;
    let interface = Interface::of(data, Normal::learn(data, Normalize::Standard));
    let mut session = Session::new(device, model, interface, weights)?;
    session.prepare_training(data, s)?;
    Ok(session)
}

/// Notes every epoch, and keeps the checkpoint of one step.
#[derive(Default)]
struct Notes {
    epochs: Vec<(usize, Scores, Option<Scores>)>,
    wanted: Option<usize>,
    kept: Option<Files>,
}

impl Progress for Notes {
    fn begin(&mut self, _: usize, _: usize, _: usize) {}
    fn step(&mut self, _: usize, _: Option<Scores>) {}
    fn end(&mut self, epoch: &Epoch) -> wgrad::Result<()> {
        self.epochs.push((epoch.epoch, epoch.train.clone(), epoch.val.clone()));
        Ok(())
    }
    fn keeps(&self) -> bool {
        self.wanted.is_some()
    }
    fn keep(&mut self, checkpoint: &Kept) -> wgrad::Result<()> {
        if self.wanted == Some(checkpoint.step) {
            // The first of that step: an epoch that ends with it writes another.
            self.kept.get_or_insert_with(|| checkpoint.files.clone());
        }
        Ok(())
    }
}

/// The bytes of weights and of everything else that training goes on with.
fn bytes(s: &mut Session) -> wgrad::Result<Files> {
    checkpoint::encode(&s.weights()?, &s.state()?, &s.about())
}

/// Trains for three epochs: what is left in the session, and its epochs.
fn trained(on_gpu: bool, data: &Dataset, s: &Settings, watch: &mut Notes) -> wgrad::Result<Files> {
    let mut session = session(on_gpu, data, s, Weights::new(s.seed))?;
    go_on(&mut session, data, Some(data.into()), s, Start::default(), watch)?;
    bytes(&mut session)
}

fn windows_train_the_same_bits(on_gpu: bool, data: &Dataset) -> Result<(), Failed> {
    for shuffle in [true, false] {
        let mut whole = Notes::default();
        let resident = trained(on_gpu, data, &settings(data, 0, shuffle), &mut whole)?;
        // One batch, windows that divide the epoch and some that do not.
        for window in [1, 2, 3, 4] {
            let mut notes = Notes::default();
            let streamed = trained(on_gpu, data, &settings(data, window, shuffle), &mut notes)?;
            assert_eq!(notes.epochs, whole.epochs, "scores in windows of {window} batches");
            if streamed != resident {
                return Err(format!("windows of {window} batches give other weights; shuffled: {shuffle}").into());
            }
        }
    }
    Ok(())
}

fn training_goes_on_within_a_window(on_gpu: bool, data: &Dataset) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join(checkpoint::MODEL);
    // Within the second window of the second epoch; where a window and where an
    // epoch has just ended.
    for step in [BATCHES + 5, BATCHES + 4, BATCHES] {
        let s = Settings { checkpoint_every: Some(step), ..settings(data, 4, true) };
        let mut notes = Notes { wanted: Some(step), ..Notes::default() };
        let straight = trained(on_gpu, data, &s, &mut notes)?;
        notes.kept.expect("a checkpoint of that step").write(folder.path())?;
        let checkpoint::Loaded { weights, about, state } = checkpoint::load(&file)?;
        let at = about.progress.expect("of a training");
        assert_eq!(at.step, step);
        // A device that holds less may go on.
        let s = settings(data, 3, true);
        let mut session = session(on_gpu, data, &s, weights)?;
        session.set_state(&state, &at)?;
        go_on(&mut session, data, Some(data.into()), &s, Start { at, best: None }, &mut Notes::default())?;
        if bytes(&mut session)? != straight {
            return Err(format!("what went on from step {step} ends with other weights").into());
        }
    }
    Ok(())
}
