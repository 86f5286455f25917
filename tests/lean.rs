//! What takes no memory: plans of large models, and however many predictions. The
//! trials run one after the other, because they look at what the process holds.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::sync::Arc;
use support::device::{announce, on_both};
use support::training::{device, settings};
use wgrad::data::{Dataset, Images, Interface, Normal, Samples, Targets};
use wgrad::graph::{Graph, Init, TensorId};
use wgrad::kernel::{Caps, Class};
use wgrad::nn::{Description, Model, Weights, preset, summary};
use wgrad::plan::{Executor, Program, Target, Ticket};
use wgrad::tensor::random::{Random, stream};
use wgrad::tensor::{HostTensor, Spec};
use wgrad::train::{Session, Settings};

fn main() {
    let mut args = Arguments::from_args();
    args.test_threads = Some(1);
    let mut trials = vec![Trial::test("large_models_are_planned", large_models_are_planned)];
    let mut add = |name: &str, test: fn(bool) -> Result<(), Failed>| trials.extend(on_both(name, test));
    add("predictions_hold_no_more", predictions_hold_no_more);
    add("predictions_follow_the_weights", predictions_follow_the_weights);
    add("ten_thousand_predictions_hold_no_more", ten_thousand_predictions_hold_no_more);
    add("what_is_dropped_is_freed", what_is_dropped_is_freed);
    add("buffers_live_as_long_as_programs_that_name_them", buffers_live_as_long_as_programs_that_name_them);
    add("readbacks_are_collected_once_or_cancelled", readbacks_are_collected_once_or_cancelled);
    add("weights_stay_while_programs_come_and_go", weights_stay_while_programs_come_and_go);
    add("a_set_lies_in_memory_once", a_set_lies_in_memory_once);
    add("scores_and_answers_come_from_one_pass", scores_and_answers_come_from_one_pass);
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
    // Kernels count in 32 bits.
    let wider = Model::new(Description::parse(&layer.repeat(3))?, Some([40_000].into()), None)?;
    let refused = Session::training_plan(&wider, &s, Target::Cpu).err().expect("4.8 G parameters").to_string();
    assert!(refused.contains("more than 4294967295 parameters"), "{refused}");
    expect_at_most("what is refused", PEAK, before, 600.0);
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

/// One row at a time, as a server asks.
fn ten_thousand_predictions_hold_no_more(on_gpu: bool) -> Result<(), Failed> {
    let (set, classes) = (pictures(64), (0..10).map(|i| i.to_string()).collect());
    let model = Model::new(preset("mlp")?, Some([1, 28, 28].into()), Some(10))?;
    let interface = Interface::of_images(classes, &[(0.5, 0.25)]);
    let mut s = Session::new(device(on_gpu), model, interface, Weights::new(1))?;
    let rows: Vec<Dataset> = (0..64).map(|row| set.select(&[row])).collect();
    let first: Vec<Vec<f32>> = rows.iter().map(|row| s.predict(row)).collect::<wgrad::Result<_>>()?;
    let (before, bytes) = (memory(HELD), s.bytes());
    for i in 0..10_000 {
        assert!(s.predict(&rows[i % 64])? == first[i % 64], "row {} has another answer in round {i}", i % 64);
    }
    assert_eq!(s.bytes(), bytes, "bytes on the device");
    expect_at_most("10,000 predictions", HELD, before, 5.0);
    Ok(())
}

/// Scorers and sessions give back what they held.
fn what_is_dropped_is_freed(on_gpu: bool) -> Result<(), Failed> {
    let set = pictures(400);
    let mut s = session(on_gpu, Weights::new(1))?;
    s.predict(&set.select(&[0]))?;
    let bytes = s.bytes();
    let kept = s.scorer("kept", &set, 100)?;
    let scores = s.score(&kept)?;
    let with_scorer = s.bytes();
    let mut before = None;
    for round in 0..15 {
        let scorer = s.scorer("test", &set, 100)?;
        assert!(s.bytes() >= with_scorer + 100 * 784, "a second scorer holds its activations");
        assert_eq!(s.score(&scorer)?, scores);
        drop(scorer);
        assert_eq!(s.bytes(), with_scorer);
        // What allocators and drivers keep of the first rounds is theirs.
        if round == 4 {
            before = memory(HELD);
        }
    }
    expect_at_most("10 scorers of 400 pictures", HELD, before, 8.0);
    drop(kept);
    assert_eq!(s.bytes(), bytes);
    drop(s);
    let device = device(on_gpu);
    let mut before = None;
    for round in 0..12 {
        let model = Model::new(preset("keras-cnn")?, Some([1, 28, 28].into()), Some(10))?;
        let classes = (0..10).map(|i| i.to_string()).collect();
        let interface = Interface::of_images(classes, &[(0.5, 0.25)]);
        let mut s = Session::new(device.clone(), model, interface, Weights::new(1))?;
        s.prepare_training(&set, &settings(&[("train.batch_size", 50.into())]))?;
        s.steps(1)?;
        assert!(s.scores()?.loss.is_finite());
        if round == 3 {
            before = memory(HELD);
        }
    }
    expect_at_most("8 sessions of keras-cnn", HELD, before, 25.0);
    Ok(())
}

/// A graph that adds `by` to the named tensor `sum` of `n` numbers.
fn adding(n: usize, by: f32) -> wgrad::Result<(Graph, TensorId)> {
    let mut g = Graph::new();
    let sum = g.persistent("sum", Spec::f32([n]), Init::Data(HostTensor::f32([n], vec![1.0; n]).into()));
    let by = g.constant(HostTensor::f32([1], vec![by]));
    let y = g.add(sum, by)?;
    Ok((g, y))
}

fn buffers_live_as_long_as_programs_that_name_them(on_gpu: bool) -> Result<(), Failed> {
    let device = device(on_gpu);
    let (mut e, mut other) = (device.executor(), device.executor());
    let load = |e: &mut Box<dyn Executor>, by: f32| -> wgrad::Result<(Program, TensorId)> {
        let (g, y) = adding(1000, by)?;
        Ok((e.load(device.plan(&g, &[y])?)?, y))
    };
    assert_eq!(e.bytes(), 0);
    let (first, y) = load(&mut e, 1.0)?;
    let (clone, alone) = (first.clone(), e.bytes());
    assert!(alone >= 8000, "{alone} bytes for two tensors of 1,000 numbers");
    let (second, z) = load(&mut e, 2.0)?;
    e.write("sum", &HostTensor::f32([1000], vec![5.0; 1000]))?;
    e.run(&first, 1)?;
    drop(first);
    assert_eq!(e.fetch(&clone, y)?.as_f32(), [6.0; 1000]);
    drop(clone);
    // What the second one names is as it was; what only the first needed is gone.
    assert!(e.holds("sum") && e.bytes() == alone, "{} bytes and {alone} of one program", e.bytes());
    e.run(&second, 1)?;
    assert_eq!(e.fetch(&second, z)?.as_f32(), [7.0; 1000]);
    let unknown = other.run(&second, 1).expect_err("a program of another executor ran");
    assert!(unknown.to_string().contains("loaded into another executor"), "{unknown}");
    assert!(e.fetch(&second, TensorId(1000)).is_err(), "a tensor that the program does not have");
    drop(second);
    assert!(!e.holds("sum") && e.bytes() == 0, "{} bytes of no program", e.bytes());
    // Named anew, it begins anew.
    let (third, y) = load(&mut e, 1.0)?;
    e.run(&third, 1)?;
    assert_eq!(e.fetch(&third, y)?.as_f32(), [2.0; 1000]);
    // Handles may outlive their executor.
    drop(e);
    drop(third);
    Ok(())
}

fn readbacks_are_collected_once_or_cancelled(on_gpu: bool) -> Result<(), Failed> {
    let device = device(on_gpu);
    let (mut e, mut other) = (device.executor(), device.executor());
    let (g, y) = adding(300_000, 1.0)?;
    let program = e.load(device.plan(&g, &[y])?)?;
    e.run(&program, 1)?;
    let arrived = |e: &mut Box<dyn Executor>, ticket: &Ticket| loop {
        match e.collect(ticket) {
            Ok(None) => std::thread::yield_now(),
            done => return done.map(|value| value.expect("it has arrived")),
        }
    };
    let ticket = e.request("sum")?;
    let error = other.collect(&ticket).expect_err("another executor has collected it");
    assert!(error.to_string().contains("another executor"), "{error}");
    assert_eq!(arrived(&mut e, &ticket)?.as_f32()[299_999], 1.0);
    let error = e.collect(&ticket).expect_err("it was collected twice");
    assert!(error.to_string().contains("collected already"), "{error}");
    // Those that nobody collects are not kept: 1.1 MiB each.
    for _ in 0..10 {
        drop(e.request("sum")?);
    }
    e.wait()?;
    let before = memory(HELD);
    for _ in 0..100 {
        drop(e.request("sum")?);
        e.wait()?;
    }
    expect_at_most("100 readbacks that nobody collects", HELD, before, 12.0);
    assert!(e.request("product").is_err());
    Ok(())
}

/// Weights that were put in the place of others are not lost with the program that
/// had them loaded.
fn weights_stay_while_programs_come_and_go(on_gpu: bool) -> Result<(), Failed> {
    let set = pictures(20);
    let mut s = session(on_gpu, Weights::new(1))?;
    let drawn = s.weights()?;
    drop(s.scorer("first", &set, 10)?);
    let same = |a: &Weights, b: &Weights| a.iter().zip(b.iter()).all(|(a, b)| a == b);
    assert!(same(&s.weights()?, &drawn), "the weights have changed");
    let other = session(on_gpu, Weights::new(2))?.weights()?;
    assert!(!same(&other, &drawn));
    s.set_weights(&other)?;
    let scorer = s.scorer("second", &set, 10)?;
    let scores = s.score(&scorer)?;
    drop(scorer);
    assert!(same(&s.weights()?, &other), "the weights that were set are lost");
    // Given weights leave the host once the device has them, and answer as before.
    let mut given = session(on_gpu, other.clone())?;
    let scorer = given.scorer("given", &set, 10)?;
    assert_eq!(given.score(&scorer)?, scores);
    assert!(same(&given.weights()?, &other));
    // An average that begins late begins with the weights as they are.
    given.prepare_training(&set, &settings(&[("train.batch_size", 10.into()), ("train.ema", 0.9.into())]))?;
    assert!(same(&given.weights()?, &other), "an average that begins elsewhere");
    Ok(())
}

/// Samples are read where they lie on the CPU; a GPU's buffer is filled piece by piece.
fn a_set_lies_in_memory_once(on_gpu: bool) -> Result<(), Failed> {
    const MIB: usize = 1 << 20;
    let classes = |n: usize| Targets::Classes { labels: vec![0; n], names: vec!["a".into(), "b".into()] };
    let layers = "[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";
    let rows = 150 * 1024;
    let sets = [
        Dataset::new("bytes", vec![1, 32, 32], Samples::Bytes(vec![7; rows * 1024].into()), classes(rows))?,
        Dataset::new("floats", vec![256], Samples::Floats(vec![0.5; rows * 256].into()), classes(rows))?,
    ];
    for set in &sets {
        let interface = Interface::of(set, Normal::learn(&set.select(&[0, 1]), Default::default()));
        let model = Model::new(Description::parse(layers)?, Some(set.shape.clone().into()), Some(2))?;
        let mut s = Session::new(device(on_gpu), model, interface, Weights::new(1))?;
        // Peaks are reset, so that an earlier trial's does not hide this one's.
        let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        let before = memory(HELD);
        s.prepare_training(set, &settings(&[("train.batch_size", 32.into())]))?;
        s.steps(1)?;
        s.wait()?;
        drop(s.scorer("test", &set.select(&(0..1000).collect::<Vec<_>>()), 32)?);
        assert!(s.scores()?.loss.is_finite());
        // 150 MiB lie on the device besides, and pieces of 32 MiB are under way.
        let most = if on_gpu { 150.0 + 100.0 } else { 30.0 };
        if reset {
            expect_at_most(&format!("training on {} of {} MiB", set.name, 150), PEAK, before, most);
        }
        assert!(on_gpu || s.bytes() < 10 * MIB, "{} bytes on the CPU", s.bytes());
        // It is still the set's own: all of it as it stands is no copy.
        let all: Vec<usize> = (0..set.len()).collect();
        match (&set.samples, &set.select(&all).samples) {
            (Samples::Bytes(a), Samples::Bytes(b)) => assert!(Arc::ptr_eq(a, b)),
            (Samples::Floats(a), Samples::Floats(b)) => assert!(Arc::ptr_eq(a, b)),
            _ => unreachable!("their kinds are those above"),
        }
    }
    Ok(())
}

/// What an evaluation needs goes to the device once, and says what scoring and
/// predicting say.
fn scores_and_answers_come_from_one_pass(on_gpu: bool) -> Result<(), Failed> {
    let set = pictures(77);
    let mut s = session(on_gpu, Weights::new(1))?;
    let answers = s.predict(&set)?;
    let scorer = s.scorer("test", &set, 20)?;
    let scores = s.score(&scorer)?;
    drop(scorer);
    let bytes = s.bytes();
    let (found, of_pass) = s.evaluate("test", &set, 20)?;
    assert_eq!((found, s.bytes()), (scores, bytes));
    close("an evaluation's answers", &of_pass, &answers);
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
