//! Every layer: what it makes of a shape, its parameters, that it is read back as it was
//! written, its gradients, a step of training on both devices, its export, Keras' values, and
//! the table of all layers in `docs/layers.md`.

#[path = "../support/mod.rs"]
mod support;

mod document;
mod keras;
mod table;

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeSet;
use support::device::{announce, on_both};
use support::training::{device, losses, settings};
use table::{ROWS, Row, VOCABULARY};
use wgrad::data::text::Vocabulary;
use wgrad::data::{Dataset, Input, Interface, Normal, Origin, Samples, Targets};
use wgrad::device::Device;
use wgrad::nn::{Description, Model, Weights};
use wgrad::onnx::export::{Options, write};
use wgrad::tensor::random::{Random, stream};
use wgrad::train::Session;
use wgrad::train::checkpoint::{About, Loaded};
use wgrad::train::gradcheck::{GradCheck, gradcheck};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![
        Trial::test("every_layer_has_a_row", every_layer_has_a_row),
        Trial::test("mistakes_are_named", mistakes_are_named),
        Trial::test("values_are_those_of_keras", keras::values_are_those_of_keras),
        Trial::test("the_document_is_what_the_code_says", document::is_what_the_code_says),
        Trial::test("write_the_document", document::write).with_ignored_flag(true),
    ];
    for (i, row) in ROWS.iter().enumerate() {
        let name = |what: &str| format!("{what}/{i:02}_{}", row.kind);
        trials.push(Trial::test(name("shapes"), || shapes(row)));
        trials.push(Trial::test(name("gradients"), || gradients(row)));
        trials.push(Trial::test(name("export"), || exported(row)));
        trials.extend(on_both(&name("trains"), move |on_gpu| trains(row, on_gpu)));
    }
    announce();
    libtest_mimic::run(&args, trials).exit();
}

fn every_layer_has_a_row() -> Result<(), Failed> {
    let rows: BTreeSet<&str> = ROWS.iter().map(|r| r.kind).collect();
    let kinds: BTreeSet<&str> = wgrad::nn::layers::kinds().into_iter().collect();
    assert_eq!(rows, kinds);
    Ok(())
}

/// The layer is read back as it was written; its output and its parameters have these shapes.
fn shapes(row: &Row) -> Result<(), Failed> {
    let read = Description::parse(&row.text())?;
    let printed = toml::to_string(&read.to_table())?;
    let again = Description::parse(&printed)?;
    assert_eq!(again.to_table(), read.to_table(), "{printed}");
    let table = read.layers.last().expect("it has layers").layer.to_table();
    let keys: toml::Table = row.keys.parse()?;
    for (key, value) in &keys {
        assert_eq!(table.get(key), Some(value), "{key} of {table}");
    }
    let mut weights = Weights::new(1);
    let (_, built) = row.model(false)?.inspect(2, &mut weights)?;
    let output = &built.layers.last().expect("it has layers").output;
    assert_eq!(&output[1..], row.output, "the output of {}", row.kind);
    let own = |name: &str| name.strip_prefix("it.").map(String::from);
    let found: Vec<String> =
        weights.iter().filter_map(|(name, v)| Some(format!("{} {}", own(name)?, v.shape))).collect();
    assert_eq!(found, row.parameters);
    Ok(())
}

/// Gradients of all parameters, those before the layer too, are those of differences.
fn gradients(row: &Row) -> Result<(), Failed> {
    let options = GradCheck { batch: 2, elements: 4, ..GradCheck::default() };
    for found in gradcheck(&row.model(false)?, options)? {
        if !found.ok {
            return Err(format!("{found:?}").into());
        }
    }
    Ok(())
}

fn samples(row: &Row) -> Dataset {
    const SAMPLES: usize = 6;
    let mut random = Random::new(3, stream::CASES);
    let n: usize = row.input().iter().product();
    let samples = match row.of_tokens() {
        true => Samples::Tokens((0..SAMPLES * n).map(|_| random.below(VOCABULARY as u32)).collect::<Vec<_>>().into()),
        false => Samples::Floats((0..SAMPLES * n).map(|_| random.normal()).collect::<Vec<_>>().into()),
    };
    let targets = Targets::Classes {
        labels: (0..SAMPLES as u32).map(|i| i % 2).collect(),
        names: ["a", "b"].map(String::from).into(),
    };
    Dataset { name: "noise".into(), shape: row.input().to_vec(), samples, targets, origin: Origin::default() }
}

fn interface(row: &Row) -> wgrad::Result<Interface> {
    let n: usize = row.input().iter().product();
    let set = samples(row);
    Ok(match row.of_tokens() {
        true => {
            let input = Input::Tokens(Box::new(Vocabulary::characters(&["abcdefghi"])?.padded()));
            Interface { input, ..Interface::of(&set, Normal::default()) }
        }
        false => Interface::of(&set, Normal { scale: vec![1.0; n], shift: vec![0.0; n] }),
    })
}

/// The losses of three steps, on the CPU and on both devices.
fn trains(row: &Row, on_gpu: bool) -> Result<(), Failed> {
    let curve = |device: Device| -> wgrad::Result<Vec<f64>> {
        let mut s = Session::new(device, row.model(true)?, interface(row)?, Weights::new(5))?;
        s.prepare_training(&samples(row), &settings(&[("train.batch_size", 4.into())]))?;
        losses(&mut s, 3)
    };
    let expected = curve(Device::Cpu)?;
    assert!(expected.iter().all(|l| l.is_finite() && *l > 0.0), "{expected:?}");
    if on_gpu {
        let found = curve(device(true))?;
        let far = found.iter().zip(&expected).map(|(a, b)| (a - b).abs() / b).fold(0.0, f64::max);
        if far.is_nan() || far > 1e-3 || (found[0] - expected[0]).abs() / expected[0] > 1e-5 {
            return Err(format!("losses {found:?} on the GPU, {expected:?} on the CPU").into());
        }
    }
    Ok(())
}

/// A file of ONNX answers as the model.
fn exported(row: &Row) -> Result<(), Failed> {
    let model = row.model(true)?;
    let mut weights = Weights::new(5);
    model.inspect(1, &mut weights)?;
    let about = About {
        model: toml::to_string(&model.description.to_table())?,
        input: model.input.to_vec(),
        interface: interface(row)?,
        config: String::new(),
        progress: None,
        moment: None,
    };
    let loaded = Loaded { weights, about, state: Default::default() };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.onnx");
    write(&path, &model, &loaded, &Options::default())?;
    let far = wgrad::onnx::difference(&path, &model, &loaded)?;
    if far.is_nan() || far > 1e-4 {
        return Err(format!("the file is off by {far}").into());
    }
    Ok(())
}

/// What is wrong is said, with the layer, what was found and what is expected.
fn mistakes_are_named() -> Result<(), Failed> {
    let two = "inputs = [\"input\", \"input\"]";
    let image: &[usize] = &[3, 6, 5];
    for (kind, keys, input, words) in [
        ("DepthwiseConv2D", "kernel_size = 9", image, "window spans 9"),
        ("DepthwiseConv2D", "kernel_size = 3\nfilters = 4", image, "filters"),
        ("SeparableConv2D", "kernel_size = 3", image, "\"filters\" is missing"),
        ("Conv2DTranspose", "filters = 2\nkernel_size = 3\noutput_padding = 1", image, "less than the strides"),
        ("Conv2DTranspose", "filters = 2\nkernel_size = 3\npadding = 3", image, "expected less than"),
        ("Conv1DTranspose", "filters = 2\nkernel_size = 3", image, "expected a sequence"),
        ("Conv1DTranspose", "filters = 2\nkernel_size = 3\npadding = [1, 2]", &[6, 4], "or a number"),
        ("UpSampling2D", "interpolation = \"bicubic\"", image, "bilinear"),
        ("UpSampling2D", "size = 0", image, "size = 0"),
        ("Resizing", "height = 3", image, "\"width\" is missing"),
        ("ZeroPadding2D", "padding = [1, 2, 3]", image, "[[top, bottom], [left, right]]"),
        ("Cropping2D", "cropping = 3", image, "at least one is left"),
        ("Cropping1D", "cropping = [4, 2]", &[6, 4], "at least one is left"),
        ("GlobalMaxPooling2D", "", &[6, 4], "expected images"),
        ("GroupNormalization", "groups = 2", image, "groups = 2 and 3 channels"),
        ("GroupNormalization", "groups = 0", image, "groups = 0"),
        ("InstanceNormalization", "", &[6], "one value for each channel"),
        ("BatchNormalization", "axis = 0", image, "axis = 0"),
        ("BatchNormalization", "axis = 4", image, "axis = 4"),
        ("Softmax", "axis = -4", image, "axis = -4"),
        ("PReLU", "shared_axes = [4]", image, "shared_axes = [4]"),
        ("LeakyReLU", "negative_slope = -1", image, "negative_slope = -1"),
        ("SpatialDropout2D", "rate = 1.0", image, "rate = 1"),
        ("Subtract", "inputs = [\"input\", \"input\", \"input\"]", image, "two inputs, found 3"),
        ("Multiply", "", image, "two or more inputs, found 1"),
        ("Reshape", "target_shape = [-1, 7]", image, "90 elements"),
        ("Reshape", "target_shape = [-1, -1]", image, "one of which may be -1"),
        ("MultiHeadAttention", "heads = 1\ninputs = [\"input\", \"input\", \"input\"]", &[6, 4], "inputs names 3"),
        ("Activation", "activation = \"hard_sigmoit\"", image, "hard_sigmoid"),
        ("Concatenate", &format!("axis = 4\n{two}"), image, "axis = 4"),
    ] {
        let text = format!("[[layer]]\ntype = \"{kind}\"\n{keys}\n");
        let build = || -> wgrad::Result<()> {
            let model = Model::new(Description::parse(&text)?, Some(input.into()), None)?;
            model.inspect(1, &mut Weights::new(0)).map(|_| ())
        };
        let said = build().err().map(|e| e.to_string()).unwrap_or_default();
        assert!(said.contains(words) && (said.contains("layer 1") || said.contains("hard_")), "{text}: {said}");
    }
    let text = "[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = 4\n[[layer]]\ntype = \"Add\"\ninputs = [\"input\", \"dense1\"]\n";
    let model = Model::new(Description::parse(text)?, Some(image.into()), None)?;
    let said = model.inspect(1, &mut Weights::new(0)).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(said.contains("[1, 3, 6, 5], [1, 4]") && said.contains("1 where they differ"), "{said}");
    Ok(())
}
