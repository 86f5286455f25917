//! Training end to end: the same losses as PyTorch, the same bits twice, no
//! subnormal numbers where gradients die, the built-in digits as hard as they
//! should be, weights that survive a file.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use support::device::{GPU_UNCHECKED, NO_ADAPTER, on_both};
use support::training::{NORMAL, bands, device, losses, settings};
use wgrad::data::{self, Images, Interface, Samples};
use wgrad::device::Device;
use wgrad::nn::{Description, Model, Weights};
use wgrad::tensor::Data;
use wgrad::train::{Epoch, Progress, Session, Settings, checkpoint, fit};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![];
    let mut add = |name: &str, test: fn(bool) -> Result<(), Failed>| trials.extend(on_both(name, test));
    add("first_losses_as_pytorch", first_losses_as_pytorch);
    add("same_seed_same_bits", same_seed_same_bits);
    add("short_batches_are_masked", short_batches_are_masked);
    add("every_preset_learns", every_preset_learns);
    add("state_fades_to_zero", state_fades_to_zero);
    trials.push(Trial::test("weights_survive_a_file", weights_survive_a_file));
    trials.push(Trial::test("digits_are_beyond_a_linear_model", digits_are_beyond_a_linear_model));
    let mnist = std::env::var("WGRAD_DATA").ok().map(|d| format!("{d}/mnist"));
    if mnist.is_none() {
        eprintln!("MNIST tests are ignored: set WGRAD_DATA to a folder that holds mnist/");
    }
    let missing = mnist.is_none();
    let trial = Trial::test("mnist_in_one_epoch", move || mnist_in_one_epoch(&mnist.expect("not ignored")));
    trials.push(trial.with_ignored_flag(missing));
    if GPU_UNCHECKED.is_none() {
        eprintln!("GPU tests are ignored: {NO_ADAPTER}");
    }
    libtest_mimic::run(&args, trials).exit();
}

fn session(on_gpu: bool, model: &str, seed: u32) -> wgrad::Result<Session> {
    let model = Model::new(Description::named(model)?, Some([1, 28, 28].into()), Some(10))?;
    let classes = (0..10).map(|i| i.to_string()).collect();
    Session::new(device(on_gpu), model, Interface::of_images(classes, &[NORMAL]), Weights::new(seed))
}

fn first_losses_as_pytorch(on_gpu: bool) -> Result<(), Failed> {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../assets/goldens/keras_cnn_losses.json"))?;
    let expected: Vec<f64> = serde_json::from_value(golden["losses"].clone())?;
    let mut s = session(on_gpu, "keras-cnn", 7)?;
    let plain = settings(&[
        ("train.batch_size", 32.into()),
        ("train.seed", 7.into()),
        ("train.shuffle", false.into()),
        ("schedule.name", "constant".into()),
    ]);
    s.prepare_training(&bands(320, 7), &plain)?;
    for (step, (found, expected)) in losses(&mut s, 20)?.into_iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / expected;
        if error.is_nan() || error > 1e-4 {
            return Err(format!("step {step}: loss {found}, PyTorch {expected}, relative error {error:.1e}").into());
        }
    }
    Ok(())
}

fn same_seed_same_bits(on_gpu: bool) -> Result<(), Failed> {
    let run = |seed: i64| -> wgrad::Result<(Vec<f64>, Weights)> {
        let mut s = session(on_gpu, "resnet8", seed as u32)?;
        s.prepare_training(&bands(70, 1), &settings(&[("train.batch_size", 32.into()), ("train.seed", seed.into())]))?;
        Ok((losses(&mut s, 5)?, s.weights()?))
    };
    let (a, b, c) = (run(3)?, run(3)?, run(4)?);
    let bytes = |w: &Weights| w.iter().flat_map(|(_, v)| v.bytes().to_vec()).collect::<Vec<u8>>();
    assert_eq!(a.0, b.0, "losses of two runs with one seed");
    assert!(bytes(&a.1) == bytes(&b.1), "weights of two runs with one seed differ");
    assert!(bytes(&a.1) != bytes(&c.1), "another seed gives the same weights");
    Ok(())
}

/// Pixels that are dark but in the first batch: the gradients of their weights are
/// zero from the second on, and what was kept of the first decays at every step.
fn state_fades_to_zero(on_gpu: bool) -> Result<(), Failed> {
    const DARK: usize = 300;
    let (mut set, batch) = (bands(8 * 400, 1), 8);
    let Samples::Bytes(pixels) = &mut set.samples else { unreachable!("bands are bytes") };
    std::sync::Arc::make_mut(pixels).chunks_mut(784).skip(batch).for_each(|image| image[..DARK].fill(0));
    let dense = "[[layer]]\ntype = \"Dense\"\nunits = 8\nactivation = \"relu\"\n[[layer]]\ntype = \"Dense\"\nunits = \
                 \"classes\"\n";
    let plain = format!("[[layer]]\ntype = \"Flatten\"\n{dense}");
    let normed =
        format!("[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"BatchNormalization\"\nmomentum = 0.75\n{dense}");
    let classes: Vec<String> = (0..10).map(|i| i.to_string()).collect();
    for (layers, optimizer, of_dark) in [
        (&plain, "name = \"adam\"\nbeta1 = 0.75\nbeta2 = 0.7", vec!["adam.m", "adam.v"]),
        // Decaying weights fade too, and so does their average.
        (&plain, "name = \"adamw\"\nbeta1 = 0.75\nbeta2 = 0.7\nlr = 0.01\nweight_decay = 25.0", vec!["params", "ema"]),
        (&plain, "name = \"sgd\"\nlr = 0.01\nmomentum = 0.75", vec!["sgd.momentum"]),
        (&plain, "name = \"sgdw\"\nlr = 0.01\nweight_decay = 25.0", vec!["params", "ema"]),
        (&plain, "name = \"rmsprop\"\nalpha = 0.7", vec!["rmsprop.square"]),
        (&plain, "name = \"rmsprop\"\nalpha = 0.7\nmomentum = 0.75", vec!["rmsprop.square", "rmsprop.momentum"]),
        // A statistic for each pixel.
        (&normed, "name = \"sgd\"\nlr = 0.01", vec!["bn1.running_mean", "bn1.running_var"]),
    ] {
        let config = format!(
            "[train]\nbatch_size = {batch}\nepochs = 1\nshuffle = false\nema = 0.75\n[schedule]\nname = \
             \"constant\"\n[optimizer]\n{optimizer}\n"
        );
        let s = Settings::read(config.parse()?)?;
        let model = Model::new(Description::parse(layers)?, Some([1, 28, 28].into()), Some(10))?;
        let interface = Interface::of_images(classes.clone(), &[(0.0, 1.0)]);
        let mut session = Session::new(device(on_gpu), model, interface, Weights::new(3))?;
        session.prepare_training(&set, &s)?;
        session.steps(400)?;
        let state = session.raw_state()?;
        for name in of_dark {
            let value = state.get(name).unwrap_or_else(|| panic!("{optimizer}: there is no {name}"));
            let zeros = value.as_f32().iter().filter(|&&x| x == 0.0).count();
            let expected = if name.starts_with("bn1") { DARK } else { 8 * DARK };
            assert!(zeros >= expected, "{optimizer}: {zeros} of {name} are zero");
        }
        for (name, value) in state.iter().filter(|(_, v)| matches!(v.data, Data::F32(_))) {
            let small = value.as_f32().iter().filter(|x| x.is_subnormal()).count();
            assert_eq!(small, 0, "{optimizer}: subnormal numbers in {name}");
        }
    }
    Ok(())
}

fn short_batches_are_masked(on_gpu: bool) -> Result<(), Failed> {
    let images = bands(70, 1);
    let mut s = session(on_gpu, "keras-cnn", 1)?;
    let (short, whole) = (s.scorer("short", &images, 32)?, s.scorer("whole", &images, 70)?);
    let (short, whole) = (s.score(&short)?, s.score(&whole)?);
    assert_eq!((short.samples, whole.samples), (70, 70));
    assert!((short.loss - whole.loss).abs() < 1e-5 * whole.loss, "{short:?} and {whole:?}");
    assert_eq!(short.accuracy, whole.accuracy);
    // In training the masked rows must not reach the weights: one step on the
    // last 6 of 38 samples equals one step on these 6 alone.
    let plain =
        settings(&[("train.batch_size", 32.into()), ("train.shuffle", false.into()), ("optimizer.name", "sgd".into())]);
    let tail = images.select(&(32..38).collect::<Vec<_>>());
    let mut alone = session(on_gpu, "keras-cnn", 1)?;
    alone.prepare_training(&tail, &plain)?;
    let loss = losses(&mut alone, 1)?[0];
    let mut masked = session(on_gpu, "keras-cnn", 1)?;
    let frozen = settings(&[
        ("train.batch_size", 32.into()),
        ("train.shuffle", false.into()),
        ("optimizer.name", "sgd".into()),
        ("optimizer.lr", 0.0.into()),
    ]);
    masked.prepare_training(&images.select(&(0..38).collect::<Vec<_>>()), &frozen)?;
    let masked_loss = losses(&mut masked, 2)?[1];
    assert!((loss - masked_loss).abs() < 1e-5 * loss, "loss of six samples: {loss} alone, {masked_loss} masked");
    Ok(())
}

fn every_preset_learns(on_gpu: bool) -> Result<(), Failed> {
    let of_images = |name: &str| Description::named(name).is_ok_and(|d| d.reads == wgrad::nn::Reads::Samples);
    for (preset, _) in wgrad::nn::PRESETS.iter().filter(|(name, _)| of_images(name)) {
        let mut s = session(on_gpu, preset, 0)?;
        s.prepare_training(
            &bands(64, 2),
            &settings(&[("train.batch_size", 32.into()), ("optimizer.lr", 0.003.into())]),
        )?;
        // Dropout takes more steps than its absence.
        let mut curve: Vec<f64> = vec![];
        let learned = |c: &[f64]| c.len() > 8 && c[c.len() - 2..].iter().all(|loss| *loss <= 0.5 * c[0]);
        while curve.len() < 96 && !learned(&curve) {
            curve.extend(losses(&mut s, 8)?);
        }
        if !learned(&curve) {
            let (first, steps, last) = (curve[0], curve.len(), curve[curve.len() - 1]);
            return Err(format!("{preset}: the loss went from {first} to {last} in {steps} steps").into());
        }
    }
    Ok(())
}

struct Quiet;

impl Progress for Quiet {
    fn begin(&mut self, _: usize, _: usize, _: usize) {}
    fn step(&mut self, _: usize, _: Option<wgrad::train::Scores>) {}
    fn end(&mut self, _: &Epoch) -> wgrad::Result<()> {
        Ok(())
    }
}

/// Trains on a set and returns the test accuracy.
fn accuracy(model: Description, set: &data::ImageSet, epochs: i64) -> wgrad::Result<f64> {
    let settings = settings(&[("train.epochs", epochs.into())]);
    let input = [set.train.channels, set.train.height, set.train.width].into();
    let model = Model::new(model, Some(input), Some(set.train.classes.len()))?;
    let interface = Interface::of_images(set.train.classes.clone(), &set.train.channel_stats());
    let mut s = Session::new(Device::Cpu, model, interface, Weights::new(0))?;
    fit(&mut s, &set.train.clone().into(), None, &settings, &mut Quiet)?;
    let test = set.test.clone().expect("both sets have one").into();
    let scorer = s.scorer("test", &test, 128)?;
    Ok(s.score(&scorer)?.accuracy.expect("classes have one"))
}

fn digits_are_beyond_a_linear_model() -> Result<(), Failed> {
    let set = data::open("digits", 0)?;
    let linear = "name = \"linear\"\n[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";
    let linear = accuracy(Description::parse(linear)?, &set, 5)?;
    let cnn = accuracy(Description::named("keras-cnn")?, &set, 3)?;
    assert!(linear < 0.97, "a linear model reaches {linear}");
    assert!(cnn >= 0.98, "the CNN reaches {cnn}");
    Ok(())
}

fn mnist_in_one_epoch(path: &str) -> Result<(), Failed> {
    let set = data::open(path, 0)?;
    assert_eq!((set.train.len(), set.test.as_ref().map(Images::len)), (60_000, Some(10_000)));
    let found = accuracy(Description::named("keras-cnn")?, &set, 1)?;
    assert!(found >= 0.97, "one epoch of MNIST gives {found}");
    Ok(())
}

fn weights_survive_a_file() -> Result<(), Failed> {
    let images = bands(64, 2);
    let mut s = session(false, "resnet8", 0)?;
    s.prepare_training(&images, &settings(&[("train.batch_size", 32.into())]))?;
    s.steps(6)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("weights.safetensors");
    s.save(&file)?;
    let first = std::fs::read(&file)?;
    s.save(&file)?;
    assert!(first == std::fs::read(&file)?, "equal states give different files");
    let checkpoint::Loaded { weights, about, .. } = checkpoint::load(&file)?;
    let names: Vec<&str> = weights.iter().map(|(n, _)| n).collect();
    assert!(names.contains(&"conv1.weight") && names.contains(&"bn1.running_mean"), "{names:?}");
    let description = Description::parse(&about.model)?;
    let model = Model::new(description, Some(about.input.into()), Some(about.interface.outputs.len()))?;
    let mut loaded = Session::new(Device::Cpu, model, about.interface, weights)?;
    let (a, b) = (s.scorer("check", &images, 32)?, loaded.scorer("check", &images, 32)?);
    assert_eq!(s.score(&a)?, loaded.score(&b)?);
    Ok(())
}
