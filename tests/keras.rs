//! Training as Keras and PyTorch have it where users would be misled otherwise:
//! models that end in a softmax or a sigmoid, class weights, frozen batch norm.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use support::device::{announce, on_both};
use support::training::{NORMAL, bands, device, losses, settings};
use wgrad::data::{Dataset, Interface, Normal, Samples, Targets};
use wgrad::device::Device;
use wgrad::nn::{Description, Model, Weights};
use wgrad::tensor::HostTensor;
use wgrad::tensor::random::{Random, stream};
use wgrad::train::Session;

fn main() {
    let args = Arguments::from_args();
    let refused = probabilities_of_probabilities_are_refused;
    let mut trials = vec![Trial::test("probabilities_of_probabilities_are_refused", refused)];
    let mut add = |name: &str, test: fn(bool) -> Result<(), Failed>| trials.extend(on_both(name, test));
    add("losses_of_a_model_that_ends_in_softmax", losses_of_a_model_that_ends_in_softmax);
    add("losses_of_a_model_that_ends_in_sigmoid", losses_of_a_model_that_ends_in_sigmoid);
    add("epoch_losses_divide_by_class_weights", epoch_losses_divide_by_class_weights);
    add("batches_accumulate_by_class_weights", batches_accumulate_by_class_weights);
    add("a_batch_without_weight_changes_nothing", a_batch_without_weight_changes_nothing);
    add("a_frozen_batch_norm_infers", a_frozen_batch_norm_infers);
    add("average_pooling_leaves_padding_out", average_pooling_leaves_padding_out);
    announce();
    libtest_mimic::run(&args, trials).exit();
}

/// Keras' MNIST example: https://keras.io/examples/vision/mnist_convnet.
const KERAS_MNIST: &str = r#"
[[layer]]
type = "Conv2D"
filters = 32
kernel_size = 3
activation = "relu"
[[layer]]
type = "MaxPooling2D"
[[layer]]
type = "Conv2D"
filters = 64
kernel_size = 3
activation = "relu"
[[layer]]
type = "MaxPooling2D"
[[layer]]
type = "Flatten"
[[layer]]
type = "Dropout"
rate = 0.0
[[layer]]
type = "Dense"
units = "classes"
activation = "softmax"
"#;

fn as_keras(s: &mut Session, set: &Dataset, loss: &str, golden: &str) -> Result<(), Failed> {
    let file: serde_json::Value = serde_json::from_str(include_str!("../assets/goldens/keras_losses.json"))?;
    let expected: Vec<f64> = serde_json::from_value(file[golden].clone())?;
    let plain = settings(&[
        ("train.batch_size", 32.into()),
        ("train.shuffle", false.into()),
        ("schedule.name", "constant".into()),
        ("optimizer.name", "sgd".into()),
        ("optimizer.lr", 0.02.into()),
        ("optimizer.momentum", 0.9.into()),
        ("loss.name", loss.into()),
    ]);
    s.prepare_training(set, &plain)?;
    for (step, (found, expected)) in losses(s, 20)?.into_iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / expected;
        if error.is_nan() || error > 1e-4 {
            return Err(format!("step {step}: loss {found}, Keras {expected}, relative error {error:.1e}").into());
        }
    }
    Ok(())
}

fn losses_of_a_model_that_ends_in_softmax(on_gpu: bool) -> Result<(), Failed> {
    let set = bands(320, 7);
    let session = |text: &str| -> wgrad::Result<Session> {
        let model = Model::new(Description::parse(text)?, Some([1, 28, 28].into()), Some(10))?;
        let classes = (0..10).map(|i| i.to_string()).collect();
        Session::new(device(on_gpu), model, Interface::of_images(classes, &[NORMAL]), Weights::new(7))
    };
    let mut s = session(KERAS_MNIST)?;
    as_keras(&mut s, &set, "auto", "mnist")?;
    // Answers are its softmax, once, and so it is with a layer of its own.
    let (weights, few) = (s.weights()?, bands(5, 9));
    let answers = s.predict(&few)?;
    let end = "activation = \"softmax\"\n";
    let own = format!("{}[[layer]]\ntype = \"Activation\"\n{end}", KERAS_MNIST.replace(end, ""));
    for text in [KERAS_MNIST.replace(end, ""), own] {
        let mut other = session(&text)?;
        other.prepare_training(&set, &settings(&[("train.batch_size", 32.into())]))?;
        other.set_weights(&weights)?;
        assert_eq!(other.predict(&few)?, answers, "{text}");
    }
    Ok(())
}

fn losses_of_a_model_that_ends_in_sigmoid(on_gpu: bool) -> Result<(), Failed> {
    const FEATURES: usize = 20;
    let mut r = Random::new(7, stream::CASES);
    let x: Vec<f32> = (0..320 * FEATURES).map(|_| r.uniform(-1.0, 1.0)).collect();
    let yes = |x: &[f32]| f32::from(u8::from(x[0] + x[1] + x[2] > 0.0));
    let values = x.chunks(FEATURES).map(yes).collect();
    let targets = Targets::Values { values, names: vec!["yes".into()] };
    let set = Dataset {
        name: "yes or no".into(),
        shape: vec![FEATURES],
        samples: Samples::Floats(x.into()),
        targets,
        origin: Default::default(),
    };
    let text = "[[layer]]\ntype = \"Dense\"\nunits = 16\nactivation = \"relu\"\n[[layer]]\ntype = \"Dense\"\nunits = \
                \"classes\"\n";
    let session = |text: &str| -> wgrad::Result<Session> {
        let model = Model::new(Description::parse(text)?, Some([FEATURES].into()), Some(1))?;
        let normal = Normal { scale: vec![1.0; FEATURES], shift: vec![0.0; FEATURES] };
        Session::new(device(on_gpu), model, Interface::of(&set, normal).of_logits(), Weights::new(7))
    };
    let mut s = session(&format!("{text}activation = \"sigmoid\"\n"))?;
    as_keras(&mut s, &set, "bce", "binary")?;
    let (weights, answers) = (s.weights()?, s.predict(&set)?);
    let mut plain = session(text)?;
    plain.prepare_training(&set, &settings(&[("loss.name", "bce".into())]))?;
    plain.set_weights(&weights)?;
    assert!(plain.predict(&set)? == answers && answers.iter().all(|p| (0.0..=1.0).contains(p)));
    Ok(())
}

fn probabilities_of_probabilities_are_refused() -> Result<(), Failed> {
    let layer = |kind: &str, keys: &str| format!("[[layer]]\ntype = \"{kind}\"\n{keys}\n");
    let dense = |act: &str| layer("Dense", &format!("units = \"classes\"\nactivation = \"{act}\""));
    let flat = layer("Flatten", "");
    let prepare = |text: &str| -> wgrad::Result<()> {
        let model = Model::new(Description::parse(text)?, Some([1, 28, 28].into()), Some(10))?;
        let interface = Interface::of_images((0..10).map(|i| i.to_string()).collect(), &[NORMAL]);
        let mut s = Session::new(Device::Cpu, model, interface, Weights::new(0))?;
        s.prepare_training(&bands(8, 1), &settings(&[("train.batch_size", 4.into())]))
    };
    let dropout = layer("Dropout", "rate = 0.5");
    let two = dense("softmax") + &layer("Dense", "inputs = [\"flatten1\"]\nunits = 10\nactivation = \"softmax\"");
    for (layers, word) in [
        (dense("softmax") + &dropout, "softmax of layer \"dense1\""),
        (dense("softmax") + &layer("Reshape", "target_shape = [10]"), "softmax of layer \"dense1\""),
        (dense("softmax") + &layer("Activation", "activation = \"softmax\""), "softmax of layer \"dense1\""),
        (dense("sigmoid"), "sigmoid of layer \"dense1\""),
        (two + &layer("Add", "inputs = [\"dense1\", \"dense2\"]"), "softmax of layer \"dense1\""),
    ] {
        let said = prepare(&format!("{flat}{layers}")).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(said.contains(word) && said.contains("leave that out"), "{layers}: {said}");
    }
    for layers in [dense("softmax"), dense("log_softmax"), dense("linear") + &dropout, dense("tanh")] {
        prepare(&format!("{flat}{layers}"))?;
    }
    Ok(())
}

/// A linear model of bands, in batches of their order with these settings.
fn linear(on_gpu: bool, set: &Dataset, more: &[(&str, toml::Value)]) -> wgrad::Result<Session> {
    let text = "[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";
    let model = Model::new(Description::parse(text)?, Some([1, 28, 28].into()), Some(10))?;
    let interface = Interface::of_images((0..10).map(|i| i.to_string()).collect(), &[NORMAL]);
    let mut s = Session::new(device(on_gpu), model, interface, Weights::new(1))?;
    let plain: [(&str, toml::Value); 3] =
        [("train.shuffle", false.into()), ("optimizer.name", "sgd".into()), ("schedule.name", "constant".into())];
    s.prepare_training(set, &settings(&[&plain[..], more].concat()))?;
    Ok(s)
}

const CLASS_WEIGHTS: [f64; 10] = [0.0, 0.5, 3.0, 1.0, 0.25, 2.0, 0.0, 1.5, 0.125, 7.0];

fn class_weights() -> toml::Value {
    toml::Value::Array(CLASS_WEIGHTS.iter().map(|&w| w.into()).collect())
}

/// PyTorch's mean over an epoch: the sum of weighted losses by the sum of weights.
fn epoch_losses_divide_by_class_weights(on_gpu: bool) -> Result<(), Failed> {
    let set = bands(70, 1);
    let more = [("train.batch_size", 32.into()), ("loss.class_weights", class_weights()), ("optimizer.lr", 0.0.into())];
    let mut s = linear(on_gpu, &set, &more)?;
    s.steps(3)?;
    let found = s.scores()?;
    let answers = s.predict(&set)?;
    let (mut loss, mut weight, mut right) = (0.0, 0.0, 0.0);
    for (&label, p) in set.labels().expect("classes").iter().zip(answers.chunks(10)) {
        let w = CLASS_WEIGHTS[label as usize];
        (loss, weight) = (loss - w * f64::from(p[label as usize]).ln(), weight + w);
        right += f64::from(u8::from(p.iter().all(|q| *q <= p[label as usize])));
    }
    let error = (found.loss - loss / weight).abs() / (loss / weight);
    assert!(error < 1e-5, "loss {} of an epoch, expected {}", found.loss, loss / weight);
    assert_eq!((found.samples, found.accuracy), (70, Some(right / 70.0)));
    Ok(())
}

/// Several batches make the update of one.
fn batches_accumulate_by_class_weights(on_gpu: bool) -> Result<(), Failed> {
    let set = bands(64, 3);
    let learned = |batch: i64, accumulate: i64| -> wgrad::Result<Vec<f32>> {
        let more = [
            ("train.batch_size", batch.into()),
            ("train.accumulate", accumulate.into()),
            ("loss.class_weights", class_weights()),
            ("optimizer.lr", 0.5.into()),
        ];
        let mut s = linear(on_gpu, &set, &more)?;
        s.steps(accumulate as usize)?;
        Ok(s.weights()?.get("dense1.weight").expect("it has one").as_f32().to_vec())
    };
    let (one, several) = (learned(64, 1)?, learned(8, 8)?);
    let error = one.iter().zip(&several).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(error < 1e-5, "weights differ by {error}");
    Ok(())
}

fn a_batch_without_weight_changes_nothing(on_gpu: bool) -> Result<(), Failed> {
    let set = bands(320, 4);
    let labels = set.labels().expect("classes");
    let of = |none: bool| (0..320).filter(move |&i| (CLASS_WEIGHTS[labels[i] as usize] == 0.0) == none);
    let set = set.select(&of(true).take(8).chain(of(false).take(8)).collect::<Vec<_>>());
    for smoothing in [0.0, 0.1] {
        let more = [
            ("train.batch_size", 8.into()),
            ("loss.class_weights", class_weights()),
            ("loss.label_smoothing", smoothing.into()),
            ("optimizer.lr", 0.5.into()),
        ];
        let mut s = linear(on_gpu, &set, &more)?;
        let weights = |s: &mut Session| -> wgrad::Result<Vec<f32>> {
            Ok(s.weights()?.iter().flat_map(|(_, v)| v.as_f32().to_vec()).collect())
        };
        let before = weights(&mut s)?;
        let first = losses(&mut s, 1)?;
        assert_eq!(first, [0.0]);
        assert!(weights(&mut s)? == before, "a batch of weight 0 has moved the weights");
        let second = losses(&mut s, 1)?[0];
        assert!(second > 0.0 && second.is_finite() && weights(&mut s)?.iter().all(|w| w.is_finite()));
    }
    Ok(())
}

/// As in Keras: frozen, it goes by its running statistics, also on the way back,
/// and leaves them alone.
fn a_frozen_batch_norm_infers(on_gpu: bool) -> Result<(), Failed> {
    let text = "[[layer]]\ntype = \"Conv2D\"\nfilters = 3\nkernel_size = 5\nstrides = 3\n[[layer]]\ntype = \
                \"BatchNormalization\"\n[[layer]]\ntype = \"Activation\"\nactivation = \"tanh\"\n[[layer]]\ntype = \
                \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";
    let set = bands(32, 5);
    let session = |weights: Weights, freeze: &str, lr: f64| -> wgrad::Result<Session> {
        let model = Model::new(Description::parse(text)?, Some([1, 28, 28].into()), Some(10))?;
        let interface = Interface::of_images((0..10).map(|i| i.to_string()).collect(), &[NORMAL]);
        let mut s = Session::new(device(on_gpu), model, interface, weights)?;
        let keys = [
            ("train.batch_size", 32.into()),
            ("optimizer.name", "sgd".into()),
            ("optimizer.lr", lr.into()),
            ("schedule.name", "constant".into()),
            ("train.freeze", freeze.into()),
        ];
        let keys = &keys[..if freeze.is_empty() { 4 } else { 5 }];
        s.prepare_training(&set, &settings(keys))?;
        Ok(s)
    };
    let mut first = session(Weights::new(2), "", 0.1)?;
    first.steps(4)?;
    let before = first.weights()?;
    let values = |w: &Weights, name: &str| w.get(name).expect("it is there").as_f32().to_vec();
    let mut s = session(before.clone(), "bn1", 1.0)?;
    let scorer = s.scorer("check", &set, 32)?;
    let expected = s.score(&scorer)?.loss;
    let found = losses(&mut s, 1)?[0];
    assert!((found - expected).abs() < 1e-5 * expected, "loss {found} in training, {expected} by running statistics");
    let after = s.weights()?;
    for name in ["bn1.running_mean", "bn1.running_var", "bn1.weight", "bn1.bias"] {
        assert_eq!(values(&after, name), values(&before, name), "{name}");
    }
    // At a rate of 1 the gradient is what the weights have lost.
    let (old, new) = (values(&before, "conv1.weight"), values(&after, "conv1.weight"));
    let lost = |i: usize| f64::from(old[i] - new[i]);
    let at = (0..old.len()).max_by(|&a, &b| lost(a).abs().total_cmp(&lost(b).abs())).expect("there are weights");
    let mut loss = |h: f32| -> wgrad::Result<f64> {
        let (mut nudged, mut w) = (before.clone(), old.clone());
        w[at] += h;
        nudged.set("conv1.weight", HostTensor::f32(before.get("conv1.weight").expect("it is there").shape.clone(), w));
        s.set_weights(&nudged)?;
        Ok(s.score(&scorer)?.loss)
    };
    let slope = (loss(1e-2)? - loss(-1e-2)?) / 2e-2;
    assert!((slope - lost(at)).abs() < 0.02 * slope.abs(), "gradient {} and slope {slope}", lost(at));
    // What learns in part goes by its batches.
    let mut s = session(before.clone(), "bn1.bias", 1.0)?;
    s.steps(1)?;
    assert_ne!(values(&s.weights()?, "bn1.running_mean"), values(&before, "bn1.running_mean"));
    Ok(())
}

/// The answers of a model that only pools, against Keras' layers.
fn average_pooling_leaves_padding_out(on_gpu: bool) -> Result<(), Failed> {
    let cases: Vec<serde_json::Value> = serde_json::from_str(include_str!("../assets/goldens/pooling.json"))?;
    for case in &cases {
        let of = |key: &str| serde_json::from_value::<Vec<f32>>(case[key].clone());
        let (x, expected) = (of("x")?, of("y")?);
        let shape: Vec<usize> = serde_json::from_value(case["shape"].clone())?;
        let text = format!(
            "[[layer]]\ntype = {}\npool_size = {}\nstrides = {}\npadding = \"same\"\n[[layer]]\ntype = \"Flatten\"\n",
            case["type"], case["pool_size"], case["strides"]
        );
        let names = (0..expected.len()).map(|i| format!("y{i}")).collect();
        // All zero: what the model gives is not scaled.
        let targets = Targets::Values { values: vec![0.0; expected.len()], names };
        let set = Dataset::new("pooled", shape.clone(), Samples::Floats(x.into()), targets)?;
        let plain = Normal { scale: vec![1.0; set.width()], shift: vec![0.0; set.width()] };
        let model = Model::new(Description::parse(&text)?, Some(shape.clone().into()), Some(expected.len()))?;
        let mut s = Session::new(device(on_gpu), model, Interface::of(&set, plain), Weights::new(0))?;
        let found = s.predict(&set)?;
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            if (found - expected).abs() > 1e-5 {
                return Err(format!("{} of {shape:?}: output {i} is {found}, Keras {expected}", case["type"]).into());
            }
        }
    }
    Ok(())
}
