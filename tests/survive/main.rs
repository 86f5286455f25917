//! Trainings whose device fails: lost, out of memory, refusing a pipeline or silent, at any
//! submit. What they end with has the bits of a training that was never disturbed.

mod program;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "../support"]
mod support {
    pub mod device;
    pub mod training;
}

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use support::device::{GPU_UNCHECKED, NO_ADAPTER, open, required};
use support::training::{NORMAL, bands, settings};
use wgrad::data::{Dataset, Interface};
use wgrad::device::Device;
use wgrad::error::{Error, Fault, Kind};
use wgrad::eval::{LostDevice, Point};
use wgrad::gpu::{Checks, Gpu};
use wgrad::nn::{Description, Model, Weights};
use wgrad::train::checkpoint::{Files, Progressed};
use wgrad::train::{Control, Epoch, Held, Kept, Outcome, Progress, Scores, Session, Settings, Start, go_on};

fn main() {
    let args = Arguments::from_args();
    let mut trials: Vec<Trial> = vec![];
    let mut add = |name: &str, test: fn() -> Result<(), Failed>| {
        let trial = Trial::test(name, test);
        trials.push(trial.with_ignored_flag(GPU_UNCHECKED.is_none() && !required()));
    };
    add("losses_between_any_two_submits_leave_no_trace::first", || losses(0..3));
    add("losses_between_any_two_submits_leave_no_trace::second", || losses(3..5));
    add("every_kind_of_fault_leaves_no_trace", kinds);
    add("states_are_kept_by_steps", states_by_steps);
    add("a_set_in_windows", streamed);
    add("a_loss_while_a_checkpoint_is_written", lost_while_a_checkpoint_is_written);
    add("what_callbacks_asked_for_is_done_again", callbacks);
    add("too_many_losses_end_with_a_checkpoint", too_many);
    add("the_cpu_path_where_it_is_asked_for", on_the_cpu);
    add("a_loss_while_scoring_after_training", scoring_after_training);
    add("clones_find_the_device_that_was_opened", clones);
    add("program::says_what_happened", program::says_what_happened);
    add("program::ends_with_a_checkpoint", program::ends_with_a_checkpoint);
    add("program::folds", program::folds);
    add("program::a_misspelt_fault", program::misspelt);
    if GPU_UNCHECKED.is_none() {
        eprintln!("GPU tests are ignored: {NO_ADAPTER}");
    }
    libtest_mimic::run(&args, trials).exit();
}

fn check(right: bool, what: impl std::fmt::Display) -> Result<(), Failed> {
    if right { Ok(()) } else { Err(what.to_string().into()) }
}

/// Everything that has a state in training: batch norm, dropout, augmentation, momentum, averages,
/// batches that make up a step, a rate and an end that depend on scores.
const NET: &str = "[[layer]]\ntype = \"Conv2D\"\nfilters = 4\nkernel_size = 3\n[[layer]]\ntype = \
                   \"BatchNormalization\"\n[[layer]]\ntype = \"Activation\"\nactivation = \"relu\"\n[[layer]]\ntype = \
                   \"MaxPooling2D\"\npool_size = 4\n[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dropout\"\nrate = \
                   0.3\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";

fn usual(more: &[(&str, toml::Value)]) -> Settings {
    let usual: [(&str, toml::Value); 15] = [
        ("train.batch_size", 8.into()),
        ("train.epochs", 3.into()),
        ("train.accumulate", 2.into()),
        ("train.ema", 0.9.into()),
        ("train.clip_norm", 1.0.into()),
        ("train.checkpoint_every", 5.into()),
        ("augment.flip_horizontal", true.into()),
        ("augment.shift", 0.1.into()),
        ("optimizer.name", "adam".into()),
        ("optimizer.lr", 0.01.into()),
        ("schedule.name", "plateau".into()),
        ("schedule.monitor", "val_loss".into()),
        ("schedule.patience", 0.into()),
        ("early_stopping.patience", 10.into()),
        ("early_stopping.restore_best_weights", true.into()),
    ];
    settings(&[&usual[..], more].concat())
}

static TRAIN: LazyLock<Dataset> = LazyLock::new(|| bands(8 * 12 - 3, 1));
static VAL: LazyLock<Dataset> = LazyLock::new(|| bands(24, 2));

fn session(device: Device) -> wgrad::Result<Session> {
    let model = Model::new(Description::parse(NET)?, Some([1, 28, 28].into()), Some(10))?;
    let classes = (0..10).map(|i| i.to_string()).collect();
    Session::new(device, model, Interface::of_images(classes, &[NORMAL]), Weights::new(1))
}

/// Keeps what a folder would, and does something when it is told of a moment.
#[derive(Default)]
struct Keeper<'a> {
    points: Vec<Point>,
    epochs: Vec<Epoch>,
    files: Option<Files>,
    /// The epochs whose ends it was told of.
    ended: Vec<usize>,
    said: Vec<String>,
    lost: Vec<LostDevice>,
    on_keep: Option<Box<dyn FnMut(usize) + 'a>>,
    control: Option<Box<dyn FnMut(usize) -> Control + 'a>>,
    batches: usize,
    keeps_nothing: bool,
}

impl Progress for Keeper<'_> {
    fn begin(&mut self, _: usize, _: usize, _: usize) {}
    fn step(&mut self, batches: usize, _: Option<Scores>) {
        self.batches = batches;
    }
    fn point(&mut self, point: &Point) -> wgrad::Result<()> {
        self.points.push(point.clone());
        Ok(())
    }
    fn end(&mut self, epoch: &Epoch) -> wgrad::Result<()> {
        self.ended.push(epoch.epoch);
        self.epochs.push(Epoch { seconds: 0.0, ..epoch.clone() });
        Ok(())
    }
    fn control(&mut self) -> Control {
        let batches = self.batches;
        self.control.as_mut().map_or_else(Control::default, |control| control(batches))
    }
    fn keeps(&self) -> bool {
        !self.keeps_nothing
    }
    fn keep(&mut self, kept: &Kept) -> wgrad::Result<()> {
        self.files = Some(kept.files.clone());
        self.on_keep.iter_mut().for_each(|call| call(kept.step));
        Ok(())
    }
    fn warn(&mut self, text: &str) {
        self.said.push(text.into());
    }
    fn went_back(&mut self, at: &Progressed, step: usize) -> wgrad::Result<()> {
        self.points.retain(|p| p.step <= step as u64);
        self.epochs.retain(|e| e.epoch <= at.epoch || (1..=step).contains(&e.step));
        Ok(())
    }
    fn lost(&mut self, lost: &LostDevice) -> wgrad::Result<()> {
        self.lost.push(lost.clone());
        Ok(())
    }
}

/// A GPU of its own, on which faults are injected.
fn gpu() -> Arc<Gpu> {
    open(Checks::Off).expect(NO_ADAPTER)
}

/// Trains with faults from the first step on.
fn train(gpu: &Arc<Gpu>, s: &Settings, faults: &str, keeper: &mut Keeper) -> wgrad::Result<(Session, Outcome)> {
    let mut session = session(Device::Gpu(gpu.clone()))?;
    session.prepare_training(&TRAIN, s)?;
    gpu.inject(faults)?;
    let outcome = go_on(&mut session, &TRAIN, Some(Held::from(&*VAL)), s, Start::default(), keeper)?;
    Ok((session, outcome))
}

/// What a training leaves.
#[derive(Debug, PartialEq)]
struct Left {
    weights: BTreeMap<String, Vec<u8>>,
    files: Option<Files>,
    points: Vec<Point>,
    epochs: Vec<Epoch>,
    at: Progressed,
}

fn left(mut session: Session, outcome: Outcome, keeper: &mut Keeper) -> wgrad::Result<Left> {
    let weights = session.weights()?.iter().map(|(n, w)| (n.to_string(), w.bytes().to_vec())).collect();
    let of_outcome: Vec<Epoch> = outcome.epochs.iter().map(|e| Epoch { seconds: 0.0, ..e.clone() }).collect();
    assert_eq!(of_outcome, keeper.epochs, "an outcome has each epoch once");
    Ok(Left {
        weights,
        files: keeper.files.take(),
        points: std::mem::take(&mut keeper.points),
        epochs: of_outcome,
        at: outcome.at,
    })
}

/// What an undisturbed training with the usual settings leaves, and how often it passes the points
/// at which faults are injected.
static UNDISTURBED: LazyLock<(Left, [u64; 4])> = LazyLock::new(|| undisturbed(&usual(&[])).expect("it trains"));

fn undisturbed(s: &Settings) -> wgrad::Result<(Left, [u64; 4])> {
    let (gpu, mut keeper) = (gpu(), Keeper::default());
    let (session, outcome) = train(&gpu, s, "lost@1000000000", &mut keeper)?;
    assert_eq!((outcome.lost, keeper.said.len()), (0, 0), "{:?}", keeper.said);
    let passages = gpu.passages();
    Ok((left(session, outcome, &mut keeper)?, passages))
}

/// Says what of two trainings differs.
fn compare(is: &Left, expected: &Left) -> Result<(), Failed> {
    check(is.weights == expected.weights, "the weights differ")?;
    check(is.at == expected.at, format!("{:?} is not {:?}", is.at, expected.at))?;
    check(is.points == expected.points, format!("{:?} are not {:?}", is.points, expected.points))?;
    check(is.epochs == expected.epochs, format!("{:?} are not {:?}", is.epochs, expected.epochs))?;
    check(is.files == expected.files, "the checkpoints differ")
}

/// Four losses in each of five trainings, at twenty submits that are spread evenly over the first
/// two thirds: how many there are depends on how fast the machine is at the time.
fn losses(runs: Range<u64>) -> Result<(), Failed> {
    let (expected, [submits, ..]) = &*UNDISTURBED;
    check(*submits > 200, format!("{submits} submits"))?;
    let gpu = gpu();
    // The state at the beginning is read by then.
    let (begun, rest) = (20, submits - 20);
    for run in runs {
        // What a loss repeats is counted too: the first of a training are where they are said to be.
        let faults: Vec<String> = (0..4).map(|i| format!("lost@{}", begun + rest * (5 * i + run + 1) / 32)).collect();
        let faults = faults.join(",");
        let mut keeper = Keeper::default();
        let (session, outcome) = train(&current(&gpu), &usual(&[]), &faults, &mut keeper)?;
        check(outcome.lost == 4 && keeper.lost.len() == 4, format!("{faults}: {:?}", keeper.lost))?;
        check(keeper.ended == [1, 2, 3], format!("{faults}: told of {:?}", keeper.ended))?;
        let left = left(session, outcome, &mut keeper)?;
        compare(&left, expected).map_err(|e| format!("{faults}: {}", e.message().unwrap_or_default()))?;
    }
    Ok(())
}

/// The device that trains now, after any losses.
fn current(gpu: &Arc<Gpu>) -> Arc<Gpu> {
    match Device::Gpu(gpu.clone()).current() {
        Device::Gpu(current) => current,
        Device::Cpu => unreachable!("it is a GPU"),
    }
}

fn kinds() -> Result<(), Failed> {
    let (expected, [submits, _, pipelines, waits]) = &*UNDISTURBED;
    let lost = "the device was lost: it was destroyed";
    let (full, refused, silent) = ("out of memory", "refused", "did not answer for 600 seconds");
    for (faults, said) in [
        // The second while the first is made good.
        (format!("memory@16,memory@40,silent@{}", 2 * waits / 3), &[full, full, silent][..]),
        // How many submits there are depends on how fast the machine is at the time.
        (format!("refused@{pipelines},refused@{},lost@{}", pipelines + 10, submits / 2), &[refused, refused, lost]),
        (format!("lost@{},lost@{}", submits / 3, submits / 2), &[lost, lost]),
    ] {
        let mut keeper = Keeper::default();
        let (session, outcome) = train(&gpu(), &usual(&[]), &faults, &mut keeper)?;
        check(outcome.lost == said.len(), format!("{faults}: {:?}", keeper.lost))?;
        for (lost, said) in keeper.lost.iter().zip(said) {
            check(lost.device_lost.contains(said), format!("{faults}: {said} is not in {lost}"))?;
        }
        compare(&left(session, outcome, &mut keeper)?, expected)
            .map_err(|e| format!("{faults}: {}", e.message().unwrap_or_default()))?;
    }
    Ok(())
}

/// A training of one epoch that writes no checkpoints: a loss near its end leads back a few steps
/// where a state is kept every so many, and to its beginning otherwise.
fn states_by_steps() -> Result<(), Failed> {
    let one = [("train.epochs", 1.into()), ("train.checkpoint_every", toml::Value::from(0))];
    let every = |n: i64| usual(&[&one[..], &[("recovery.every", n.into())]].concat());
    let (expected, _) = undisturbed(&every(0))?;
    let gpu = gpu();
    for (n, back) in [(2, 2..=4), (0, 0..=0)] {
        let mut failed = false;
        let control = |batches: usize| {
            if batches == 9 && !std::mem::replace(&mut failed, true) {
                current(&gpu).inject("lost@2").expect("a fault");
            }
            Control::default()
        };
        let control: Option<Box<dyn FnMut(usize) -> Control>> = Some(Box::new(control));
        let mut keeper = Keeper { keeps_nothing: true, control, ..Keeper::default() };
        let (session, outcome) = train(&current(&gpu), &every(n), "lost@1000000000", &mut keeper)?;
        let [lost] = &keeper.lost[..] else { return Err(format!("{:?}", keeper.lost).into()) };
        check(back.contains(&lost.back_to) && lost.back_to % 2 == 0, format!("every {n}: {lost:?}"))?;
        let left = left(session, outcome, &mut keeper)?;
        compare(&Left { files: expected.files.clone(), ..left }, &expected)?;
    }
    Ok(())
}

/// A set that passes through the device in windows, from a thread.
fn streamed() -> Result<(), Failed> {
    let (expected, _) = &*UNDISTURBED;
    let s = usual(&[("data.device_mb", toml::Value::from(0.05))]);
    let gpu = gpu();
    let mut keeper = Keeper::default();
    let (session, outcome) = train(&gpu, &s, "lost@20,lost@40,lost@60", &mut keeper)?;
    check(outcome.lost == 3, format!("{:?}", keeper.lost))?;
    // Where the samples lie does not change what is learned from them.
    let left = left(session, outcome, &mut keeper)?;
    compare(&left, expected)
}

fn lost_while_a_checkpoint_is_written() -> Result<(), Failed> {
    let (expected, _) = &*UNDISTURBED;
    let gpu = gpu();
    let mut to_come = vec![15, 10, 5];
    let inject = |step: usize| {
        if to_come.pop_if(|at| *at == step).is_some() {
            current(&gpu).inject("lost@1").expect("a fault");
        }
    };
    let mut keeper = Keeper { on_keep: Some(Box::new(inject)), ..Keeper::default() };
    let (session, outcome) = train(&gpu, &usual(&[]), "lost@1000000000", &mut keeper)?;
    let back: Vec<u64> = keeper.lost.iter().map(|lost| lost.back_to).collect();
    check(back == [5, 10, 15], format!("{:?}", keeper.lost))?;
    let left = left(session, outcome, &mut keeper)?;
    compare(&left, expected)
}

/// What a callback has asked for since the latest moment is done again.
fn callbacks() -> Result<(), Failed> {
    let mut s = usual(&[]);
    s.update.controlled = true;
    let run = |gpu: &Arc<Gpu>, fails: bool| -> Result<(Left, usize), Failed> {
        let (mut asked, mut failed) = (false, !fails);
        let control = |batches: usize| {
            let mut control = Control::default();
            if batches == 5 && !std::mem::replace(&mut asked, true) {
                control.scale_lr(0.5);
            }
            if batches == 7 && !std::mem::replace(&mut failed, true) {
                current(gpu).inject("lost@2").expect("a fault");
            }
            control
        };
        let mut keeper = Keeper { control: Some(Box::new(control)), ..Keeper::default() };
        let (session, outcome) = train(&current(gpu), &s, "lost@1000000000", &mut keeper)?;
        let lost = outcome.lost;
        Ok((left(session, outcome, &mut keeper)?, lost))
    };
    let gpu = gpu();
    let (expected, none) = run(&gpu, false)?;
    let (left, once) = run(&gpu, true)?;
    check((none, once) == (0, 1), format!("{none} and {once} losses"))?;
    check(expected.at.lr_factor == Some(0.5), format!("{:?}", expected.at))?;
    compare(&left, &expected)
}

fn too_many() -> Result<(), Failed> {
    let gpu = gpu();
    let mut keeper = Keeper::default();
    let s = usual(&[("recovery.losses", 1.into())]);
    let mut session = session(Device::Gpu(gpu.clone()))?;
    session.prepare_training(&TRAIN, &s)?;
    gpu.inject("lost@120,lost@260")?;
    let ended = go_on(&mut session, &TRAIN, Some(Held::from(&*VAL)), &s, Start::default(), &mut keeper);
    let error: Error = ended.err().ok_or("two losses are survived where one is")?;
    check((error.kind(), error.fault_of_device()) == (Kind::Device, Some(Fault::Lost)), &error)?;
    let said = error.to_string();
    for part in ["2 times in this run", "[recovery] losses = 1", "--resume goes on", "--recovery-cpu"] {
        check(said.contains(part), format!("\"{part}\" is not in: {said}"))?;
    }
    let [first, last] = &keeper.lost[..] else { return Err(format!("{:?}", keeper.lost).into()) };
    check(first.on.is_some() && last.on.is_none(), format!("{first:?}, {last:?}"))?;
    // The weights of the latest moment are still the session's.
    let step = last.back_to;
    check(step > 0 && said.contains(&format!("the checkpoint of step {step} is kept")), &said)?;
    let weights = session.weights()?;
    check(weights.iter().any(|(_, w)| w.as_f32().iter().any(|x| *x != 0.0)), "the weights are gone")?;
    check(keeper.files.is_some(), "there is no checkpoint")
}

fn on_the_cpu() -> Result<(), Failed> {
    let (expected, _) = &*UNDISTURBED;
    let gpu = gpu();
    let mut keeper = Keeper::default();
    let s = usual(&[("recovery.losses", 0.into()), ("recovery.cpu", true.into())]);
    let (session, outcome) = train(&gpu, &s, "lost@200", &mut keeper)?;
    check(matches!(session.device(), Device::Cpu), "training did not go on on the CPU path")?;
    let [said] = &keeper.said[..] else { return Err(format!("{:?}", keeper.said).into()) };
    check(said.contains("as [recovery] cpu = true asks, training goes on from step"), said)?;
    check(keeper.lost[0].on.as_deref() == Some("CPU (cpu)"), format!("{:?}", keeper.lost))?;
    check(outcome.at.step == expected.at.step, format!("{:?}", outcome.at))?;
    // The arithmetic is another one; what is learned is not.
    let loss = |epochs: &[Epoch]| epochs[2].val.as_ref().map_or(f64::NAN, |v| v.loss);
    let (is, was) = (loss(&keeper.epochs), loss(&expected.epochs));
    check((is - was).abs() < 0.02 * was, format!("{is} on the CPU path, {was} on the device"))
}

fn scoring_after_training() -> Result<(), Failed> {
    let gpu = gpu();
    let mut keeper = Keeper::default();
    let (mut session, _) = train(&gpu, &usual(&[]), "lost@1000000000", &mut keeper)?;
    let expected = session.weights()?;
    let score = |session: &mut Session| session.evaluate("test", &VAL, 8);
    let undisturbed = score(&mut session)?;
    current(&gpu).inject("lost@3")?;
    let mut said = vec![];
    let found = session.surviving(
        &TRAIN,
        &mut |why| {
            said.push(why.to_string());
            Ok(())
        },
        score,
    )?;
    check(said.len() == 1 && said[0].contains("destroyed"), format!("{said:?}"))?;
    check(found == undisturbed, "the scores differ")?;
    let now = session.weights()?;
    check(now.iter().zip(expected.iter()).all(|(a, b)| a.0 == b.0 && a.1.bytes() == b.1.bytes()), "other weights")
}

/// Clones of a device find what was opened in its place, and open nothing themselves.
fn clones() -> Result<(), Failed> {
    let gpu = gpu();
    let mut keeper = Keeper::default();
    let clone = Device::Gpu(gpu.clone());
    train(&gpu, &usual(&[("train.epochs", 1.into())]), "lost@50", &mut keeper)?;
    let next = current(&gpu);
    check(!Arc::ptr_eq(&next, &gpu) && Arc::ptr_eq(&next, &current(&gpu)), "there is one successor")?;
    check(clone.check().is_err() && clone.current().check().is_ok(), "the dead device says so")?;
    let Device::Gpu(again) = clone.reopen()? else { return Err("a GPU".into()) };
    check(Arc::ptr_eq(&again, &next), "it was opened twice")?;
    let mut other = session(clone)?;
    check(other.predict(&VAL)?.len() == 240, "a session on the clone answers")
}
