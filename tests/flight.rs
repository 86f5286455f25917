//! Steps whose numbers are not finite, not likely or not right: what is done about them, and
//! that the first such number is named and its step runs again, on both paths.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::PathBuf;
use std::process::Command;
use support::device::{GPU_UNCHECKED, NO_ADAPTER, on_both};
use support::training::{NORMAL, bands, device, settings};
use wgrad::data::{Dataset, Interface, Normal, Samples, Targets};
use wgrad::nn::{Description, Model, Weights};
use wgrad::tensor::HostTensor;
use wgrad::tensor::random::{Random, stream};
use wgrad::train::flight::Pass;
use wgrad::train::{Epoch, Outcome, Progress, Replay, Scores, Session, Settings, Start, fit, go_on, model_for};

fn main() {
    let args = Arguments::from_args();
    let mut trials: Vec<Trial> = vec![];
    let mut add = |name: &str, test: fn(bool) -> Result<(), Failed>| trials.extend(on_both(name, test));
    add("a_nan_in_a_weight_is_named_and_replayed", nan_in_a_weight);
    add("a_bad_sample_is_skipped_and_named", bad_sample);
    add("nothing_but_bad_steps_is_an_error", nothing_but_bad);
    add("rollback_halves_the_rate_until_it_holds", rollback);
    add("rollback_gives_up", rollback_gives_up);
    add("a_spike_is_left_out", spike);
    add("verified_steps_train_as_others_do", verified);
    if GPU_UNCHECKED.is_none() {
        eprintln!("GPU tests are ignored: {NO_ADAPTER}");
    }
    libtest_mimic::run(&args, trials).exit();
}

/// Keeps warnings and the files of steps.
struct Keeper {
    folder: tempfile::TempDir,
    said: Vec<String>,
    files: Vec<PathBuf>,
}

impl Keeper {
    fn new() -> Keeper {
        Keeper { folder: tempfile::tempdir().expect("a folder"), said: vec![], files: vec![] }
    }
}

impl Progress for Keeper {
    fn begin(&mut self, _: usize, _: usize, _: usize) {}
    fn step(&mut self, _: usize, _: Option<Scores>) {}
    fn end(&mut self, _: &Epoch) -> wgrad::Result<()> {
        Ok(())
    }
    fn warn(&mut self, text: &str) {
        self.said.push(text.into());
    }
    fn replay(&mut self, step: usize, file: &[u8]) -> wgrad::Result<Option<PathBuf>> {
        let path = self.folder.path().join(format!("replay-{step}.safetensors"));
        std::fs::write(&path, file).expect("a file");
        self.files.push(path.clone());
        Ok(Some(path))
    }
}

fn check(right: bool, what: impl std::fmt::Display) -> Result<(), Failed> {
    if right { Ok(()) } else { Err(what.to_string().into()) }
}

const NET: &str = "[[layer]]\ntype = \"Conv2D\"\nfilters = 4\nkernel_size = 3\nactivation = \"relu\"\n[[layer]]\ntype = \
                   \"BatchNormalization\"\n[[layer]]\ntype = \"MaxPooling2D\"\n[[layer]]\ntype = \
                   \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";

fn net(on_gpu: bool) -> wgrad::Result<Session> {
    let model = Model::new(Description::parse(NET)?, Some([1, 28, 28].into()), Some(10))?;
    let classes = (0..10).map(|i| i.to_string()).collect();
    Session::new(device(on_gpu), model, Interface::of_images(classes, &[NORMAL]), Weights::new(1))
}

/// Trains 50 steps, puts a NaN into one weight, and goes on.
fn planted(on_gpu: bool, how: &str, keeper: &mut Keeper) -> Result<(Session, wgrad::Result<Outcome>), Failed> {
    let set = bands(8 * 30, 1);
    let of = |steps: i64| {
        settings(&[
            ("train.batch_size", 8.into()),
            ("train.epochs", 4.into()),
            ("train.max_steps", steps.into()),
            ("train.on_nan", how.into()),
        ])
    };
    let mut session = net(on_gpu)?;
    let first = fit(&mut session, &set, None, &of(50), keeper)?;
    check(first.steps == 50 && keeper.said.is_empty(), format!("{} steps, {:?}", first.steps, keeper.said))?;
    let mut weights = session.weights()?;
    let mut kernel = weights.get("conv1.weight").expect("the first layer").as_ref().clone();
    let wgrad::tensor::Data::F32(values) = &mut kernel.data else { unreachable!("weights are floats") };
    values[2 * 9 + 4] = f32::NAN;
    weights.set("conv1.weight", kernel);
    session.set_weights(&weights)?;
    let start = Start { at: first.at, best: None };
    let outcome = go_on(&mut session, &set, None, &of(100), start, keeper);
    Ok((session, outcome))
}

fn nan_in_a_weight(on_gpu: bool) -> Result<(), Failed> {
    let mut keeper = Keeper::new();
    let (mut session, outcome) = planted(on_gpu, "stop", &mut keeper)?;
    let error = outcome.err().ok_or("a NaN in a weight is no error")?.to_string();
    for part in [
        "the loss stopped being a finite number in epoch 2, at step 51",
        "NaN in conv1.weight[2, 0, 1, 1] (1 of 36 elements)",
        "conv2d @ conv1 reads in the forward pass; it was there before the step",
        "replayed in f64",
        "wgrad replay",
    ] {
        check(error.contains(part), format!("\"{part}\" is not in: {error}"))?;
    }
    // Nothing was learned from it.
    let weights = session.weights()?;
    let dense = weights.get("dense1.weight").expect("the last layer");
    check(dense.as_f32().iter().all(|w| w.is_finite()), "the NaN has spread to another layer")?;
    let mean = weights.get("bn1.running_mean").expect("statistics");
    check(mean.as_f32().iter().all(|w| w.is_finite()), "the NaN has spread to the statistics")?;
    let [file] = &keeper.files[..] else { return Err(format!("{:?}", keeper.files).into()) };
    let replay = Replay::load(file)?;
    check((replay.about.step, replay.about.exact) == (50, true), format!("{:?}", replay.about))?;
    let culprit = replay.run()?.culprit.ok_or("the replay finds nothing")?;
    let found = (&*culprit.layer, &*culprit.op, culprit.pass, &*culprit.tensor, culprit.before);
    check(found == ("conv1", "conv2d", Pass::Forward, "conv1.weight", true), format!("{found:?}"))?;
    let wgrad = |words: &[&str]| Command::new(env!("CARGO_BIN_EXE_wgrad")).args(words).output().expect("it runs");
    let name = file.to_str().expect("a plain name");
    let output = wgrad(&["replay", name, "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    check(output.status.success() && said["step"] == 51 && said["epoch"] == 2, &said)?;
    check(said["culprit"]["tensor"] == "conv1.weight" && said["precision"] == "f64", &said)?;
    // What a file claims is held against what is in it, before there is memory for it.
    let mut wrong = replay.clone();
    (wrong.about.batch, wrong.about.samples) = (1 << 60, 1 << 61);
    let error = wrong.run().err().ok_or("a batch of more samples than the file has runs")?.to_string();
    check(error.contains("\"train.samples\" holds"), error)?;
    let mut wrong = replay.clone();
    wrong.tensors.insert("params".into(), HostTensor::f32([1], vec![0.0]));
    let error = wrong.run().err().ok_or("a file of one weight runs")?.to_string();
    check(error.contains("\"params\" holds 1 numbers in the replay file"), error)?;
    // A file that was cut off, and one of another kind.
    let bytes = std::fs::read(file)?;
    let cut = keeper.folder.path().join("cut.safetensors");
    std::fs::write(&cut, &bytes[..bytes.len() / 2])?;
    let output = wgrad(&["replay", cut.to_str().expect("plain")]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    check(output.status.code() == Some(1) && text.contains("cut.safetensors"), text)?;
    session.save(&cut)?;
    Ok(())
}

fn nothing_but_bad(on_gpu: bool) -> Result<(), Failed> {
    let mut keeper = Keeper::new();
    let (_, outcome) = planted(on_gpu, "skip", &mut keeper)?;
    let error = outcome.err().ok_or("a training that learns nothing is no error")?.to_string();
    check(error.contains("every loss or gradient stopped being a finite number"), &error)?;
    check(keeper.said.iter().any(|s| s.contains("its update is left out")), format!("{:?}", keeper.said))
}

/// Rows of two features whose target is a line; what `change` makes of features and targets.
fn line(rows: usize, change: impl Fn(&mut Vec<f32>, &mut Vec<f32>)) -> Dataset {
    let mut r = Random::new(3, stream::CASES);
    let mut x: Vec<f32> = (0..2 * rows).map(|_| r.normal()).collect();
    let mut y: Vec<f32> = x.chunks(2).map(|x| 2.0 * x[0] - x[1] + 0.1).collect();
    change(&mut x, &mut y);
    Dataset {
        name: "line".into(),
        shape: vec![2],
        samples: Samples::Floats(x.into()),
        targets: Targets::Values { values: y, names: vec!["y".into()] },
        origin: Default::default(),
    }
}

fn linear(on_gpu: bool, layers: &str) -> wgrad::Result<Session> {
    let clean = line(64, |_, _| {});
    let interface = Interface::of(&clean, Normal::learn(&clean, Default::default()));
    let model = model_for(Description::parse(layers)?, &[2], &interface)?;
    Session::new(device(on_gpu), model, interface, Weights::new(5))
}

const DENSE: &str = "[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";

fn sgd(more: &[(&str, toml::Value)]) -> Settings {
    let usual: [(&str, toml::Value); 5] = [
        ("train.batch_size", 8.into()),
        ("train.shuffle", false.into()),
        ("optimizer.name", "sgd".into()),
        ("schedule.name", "constant".into()),
        ("loss.name", "mse".into()),
    ];
    settings(&[&usual[..], more].concat())
}

fn bad_sample(on_gpu: bool) -> Result<(), Failed> {
    let set = line(64, |x, _| x[2 * 20] = f32::INFINITY);
    let normed = format!("[[layer]]\ntype = \"BatchNormalization\"\n{DENSE}");
    let s =
        sgd(&[("train.epochs", 4.into()), ("train.on_nan", "skip".into()), ("optimizer.lr", toml::Value::from(0.1))]);
    let mut session = linear(on_gpu, &normed)?;
    let mut keeper = Keeper::new();
    let outcome = fit(&mut session, &set, None, &s, &mut keeper)?;
    let (first, last) = (&outcome.epochs[0].train, &outcome.epochs[3].train);
    check(last.loss.is_finite() && last.loss < first.loss, format!("{} to {}", first.loss, last.loss))?;
    // Seven of eight batches count.
    check(last.samples == 56, last.samples)?;
    let said = keeper.said.join("\n");
    check(said.contains("step 3: the loss is not finite; its update is left out (1 so far)"), &said)?;
    check(said.contains("(4 so far)") && !said.contains("(5 so far)"), &said)?;
    check(said.contains("inf in train.samples[20, 0]") || said.contains("inf in train.samples[4, 0]"), &said)?;
    let weights = session.weights()?;
    check(weights.iter().all(|(_, w)| w.as_f32().iter().all(|x| x.is_finite())), "a weight is not finite")
}

/// A rate that makes a line diverge to infinity within an epoch, and whose eighth does not.
const WILD: f64 = 3.0;

fn rollback(on_gpu: bool) -> Result<(), Failed> {
    let set = line(8 * 120, |_, _| {});
    let s = sgd(&[("train.epochs", 2.into()), ("train.on_nan", "rollback".into()), ("optimizer.lr", WILD.into())]);
    let mut session = linear(on_gpu, DENSE)?;
    let mut keeper = Keeper::new();
    let outcome = fit(&mut session, &set, None, &s, &mut keeper)?;
    let said = keeper.said.join("\n");
    check(said.contains("training goes back to step 0 and on at half the learning rate (1 of at most 5"), &said)?;
    let factor = outcome.at.lr_factor.ok_or("the rate is what it was")?;
    check(factor < 1.0 && f64::from(factor) * WILD < 2.0, factor)?;
    check(outcome.steps == 240 && outcome.epochs.len() == 2, format!("{} steps", outcome.steps))?;
    check(outcome.epochs[1].train.loss < 1e-3, outcome.epochs[1].train.loss)
}

fn rollback_gives_up(on_gpu: bool) -> Result<(), Failed> {
    let set = line(64, |x, _| x[2 * 20] = f32::NAN);
    let s = sgd(&[("train.epochs", 2.into()), ("train.on_nan", "rollback".into())]);
    let mut session = linear(on_gpu, DENSE)?;
    let mut keeper = Keeper::new();
    let error = fit(&mut session, &set, None, &s, &mut keeper).err().ok_or("no error")?.to_string();
    check(error.contains("at step 3; training went back 5 times: NaN in train.samples"), error)
}

fn spike(on_gpu: bool) -> Result<(), Failed> {
    let rows = 8 * 200;
    let set = line(rows, |_, y| y[8 * 150] = 1e4);
    let clean = line(rows, |_, _| {});
    let train = |set: &Dataset, skip: f64| -> Result<(Vec<String>, f64), Failed> {
        let s = sgd(&[("train.epochs", 1.into()), ("train.skip_spikes", skip.into()), ("optimizer.lr", 0.01.into())]);
        let mut session = linear(on_gpu, DENSE)?;
        let mut keeper = Keeper::new();
        fit(&mut session, set, None, &s, &mut keeper)?;
        let scorer = session.scorer("clean", &clean, 64)?;
        let loss = session.score(&scorer)?.loss;
        Ok((keeper.said, loss))
    };
    let (said, skipped) = train(&set, 6.0)?;
    check(
        said.len() == 1 && said[0].contains("step 151: the loss is more than 6 standard deviations"),
        said.join("\n"),
    )?;
    let (said, taken) = train(&set, 0.0)?;
    check(said.is_empty() && skipped < 0.1 * taken, format!("{skipped} with, {taken} without; {said:?}"))?;
    let (said, usual) = train(&clean, 6.0)?;
    check(said.is_empty() && (usual - skipped).abs() < 0.01, format!("{usual}, {skipped}; {said:?}"))
}

fn verified(on_gpu: bool) -> Result<(), Failed> {
    let set = bands(8 * 6, 1);
    let train = |every: i64| -> Result<Vec<u8>, Failed> {
        let s = settings(&[
            ("train.batch_size", 8.into()),
            ("train.epochs", 2.into()),
            ("train.verify_every", every.into()),
            ("train.ema", 0.9.into()),
            ("train.clip_norm", 1.0.into()),
            ("augment.rotation", 10.0.into()),
        ]);
        let mut session = net(on_gpu)?;
        fit(&mut session, &set, None, &s, &mut Keeper::new())?;
        Ok(session.weights()?.iter().flat_map(|(_, w)| w.bytes().to_vec()).collect())
    };
    let plain = train(0)?;
    check(train(1)? == plain && train(5)? == plain, "verifying changes the weights")?;
    let mut session = net(on_gpu)?;
    session.prepare_training(&set, &settings(&[("train.batch_size", 8.into())]))?;
    let verified = session.verified_step()?.map_err(|wrong| wrong.to_string())?;
    check(verified.ops > 20 && verified.elements > 10_000 && verified.worst.0 > 0.0, format!("{verified:?}"))
}
