//! What takes no memory: plans of large models, and however many predictions. The
//! trials run one after the other, because they look at what the process holds.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use support::device::{announce, on_both};
use support::training::{device, settings};
use wgrad::data::{Dataset, Images, Interface};
use wgrad::kernel::{Caps, Class};
use wgrad::nn::{Description, Model, Weights, preset, summary};
use wgrad::plan::Target;
use wgrad::tensor::random::{Random, stream};
use wgrad::train::{Session, Settings};

fn main() {
    let mut args = Arguments::from_args();
    args.test_threads = Some(1);
    let mut trials = vec![Trial::test("large_models_are_planned", large_models_are_planned)];
    let mut add = |name: &str, test: fn(bool) -> Result<(), Failed>| trials.extend(on_both(name, test));
    add("predictions_hold_no_more", predictions_hold_no_more);
    add("predictions_follow_the_weights", predictions_follow_the_weights);
    announce();
    libtest_mimic::run(&args, trials).exit();
}

/// MiB of memory that this process holds.
const HELD: &str = "VmRSS:";
/// MiB of memory that this process has held at most: what was taken and given back counts too.
const PEAK: &str = "VmHWM:";

/// A measure of memory; `None` where nobody says.
fn memory(measure: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let found = status.lines().find_map(|line| line.strip_prefix(measure))?;
    let kib: f64 = found.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Fails if a measure of memory is more than `most` MiB above what it was `before`.
fn expect_at_most(what: &str, measure: &str, before: Option<f64>, most: f64) {
    if let (Some(before), Some(now)) = (before, memory(measure)) {
        assert!(now - before <= most, "{what}: {measure} {:.0} MiB more", now - before);
    }
}

/// GPT-2 has 475 MiB of weights, two layers of 40,000 have 12 GiB.
fn large_models_are_planned() -> Result<(), Failed> {
    let before = memory(PEAK);
    let gpt2 = Model::new(preset("gpt2")?, None, None)?.with_vocabulary(Some(50_257));
    let text = summary(&gpt2)?;
    assert!(text.contains("Total params: 124,439,808"), "{text}");
    let s = Settings { batch_size: 16, ..Settings::read(toml::Table::new())? };
    let plan = Session::training_plan(&gpt2, &s, Target::Cpu)?;
    let [weights, gradients, moments, _] = Session::memory_of(&plan);
    assert!(weights >= 4 * 124_439_808 && gradients >= weights && moments >= 2 * weights, "{weights}");
    // A GPU that cannot hold it says what is too large.
    let refused = Session::training_plan(&gpt2, &s, Target::Gpu(Caps::floor(Class::Discrete))).err();
    let refused = refused.expect("no buffer of 256 MiB holds its weights").to_string();
    assert!(refused.contains("params takes 497759232 bytes") && refused.contains("largest buffer"), "{refused}");
    expect_at_most("plans and a summary of GPT-2", PEAK, before, 100.0);
    let layer = "[[layer]]\ntype = \"Dense\"\nunits = 40000\n";
    let wide = Model::new(Description::parse(&layer.repeat(2))?, Some([40_000].into()), None)?;
    assert!(summary(&wide)?.contains("3,200,080,000"));
    Session::training_plan(&wide, &s, Target::Cpu)?;
    // The optimiser is given two factors for every 64 weights: 381 MiB here.
    expect_at_most("plans and summaries", PEAK, before, 600.0);
    Ok(())
}

/// Noise.
fn pictures(samples: usize) -> Dataset {
    let mut r = Random::new(1, stream::CASES);
    let pixels = (0..samples * 784).map(|_| r.bits() as u8).collect();
    let labels = (0..samples).map(|_| r.bits() % 10).collect();
    let classes = (0..10).map(|i| i.to_string()).collect();
    Images { name: "noise".into(), channels: 1, height: 28, width: 28, pixels, labels, classes }.into()
}

fn session(on_gpu: bool, weights: Weights) -> wgrad::Result<Session> {
    let model = Model::new(preset("keras-cnn")?, Some([1, 28, 28].into()), Some(10))?;
    let classes = (0..10).map(|i| i.to_string()).collect();
    Session::new(device(on_gpu), model, Interface::of_images(classes, &[(0.5, 0.25)]), weights)
}

/// Fails unless two lists of probabilities agree.
fn close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let error = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(error < 1e-6, "{what}: answers are off by {error}");
}

/// Rows one by one, in small sets and in a large one get the same answers, and
/// only the first of each size costs memory.
fn predictions_hold_no_more(on_gpu: bool) -> Result<(), Failed> {
    let set = pictures(300);
    let mut s = session(on_gpu, Weights::new(1))?;
    let all = s.predict(&set)?;
    assert_eq!(all.len(), 3000);
    for size in [1, 2, 3, 8] {
        s.predict(&set.select(&(0..size).collect::<Vec<_>>()))?;
    }
    let before = memory(HELD);
    for row in 0..300 {
        close(&format!("row {row}"), &s.predict(&set.select(&[row]))?, &all[row * 10..][..10]);
        let size = [2, 3, 5, 7][row % 4].min(300 - row);
        let some = s.predict(&set.select(&(row..row + size).collect::<Vec<_>>()))?;
        close(&format!("{size} rows from {row} on"), &some, &all[row * 10..][..10 * size]);
    }
    close("all again", &s.predict(&set)?, &all);
    expect_at_most("601 predictions", HELD, before, 8.0);
    Ok(())
}

/// What was loaded before training answers with the trained weights, and with
/// their average once there is one.
fn predictions_follow_the_weights(on_gpu: bool) -> Result<(), Failed> {
    let set = pictures(20);
    let mut s = session(on_gpu, Weights::new(1))?;
    let before = s.predict(&set)?;
    for ema in [0.0, 0.5] {
        s.prepare_training(&set, &settings(&[("train.batch_size", 4.into()), ("train.ema", ema.into())]))?;
        s.steps(4)?;
        let after = s.predict(&set)?;
        let moved = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(moved > 1e-4, "the answers have not moved");
        close("a session of these weights", &session(on_gpu, s.weights()?)?.predict(&set)?, &after);
    }
    Ok(())
}
