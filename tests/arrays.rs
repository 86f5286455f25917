//! Arrays, pictures and classes as people have them, as the program takes them:
//! labels of any kind, one set of pictures written in several ways, classes that
//! are nearly the same, folds of a rare class, weights from PyTorch.

use image::{GrayImage, ImageBuffer, Luma};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

struct Bench(TempDir);

impl Bench {
    fn new() -> Bench {
        Bench(tempfile::tempdir().expect("a folder"))
    }

    fn at(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        path
    }

    fn wgrad(&self, args: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
        command.args(args.split_whitespace()).current_dir(self.0.path()).env_remove("WGRAD_DEVICE");
        command.output().expect("the program starts")
    }

    /// The JSON object of a command that works.
    fn json(&self, args: &str) -> Value {
        let output = self.wgrad(&format!("{args} --json"));
        assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
        last(&output)
    }

    /// The message of a command that fails.
    fn message(&self, args: &str) -> String {
        let output = self.wgrad(&format!("{args} --json"));
        assert!(!output.status.success(), "{args}");
        last(&output)["message"].as_str().expect("a message").to_string()
    }

    fn npz(&self, name: &str, arrays: &[(&str, Vec<u8>)]) {
        let mut zip = ZipWriter::new(fs::File::create(self.at(name)).expect("made"));
        for (name, bytes) in arrays {
            zip.start_file(format!("{name}.npy"), SimpleFileOptions::default()).expect("begun");
            zip.write_all(bytes).expect("written");
        }
        zip.finish().expect("finished");
    }
}

fn last(output: &Output) -> Value {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(stdout.lines().last().expect("a line")).expect("JSON")
}

/// An array as NumPy writes it.
fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|n| format!("{n},")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
}

fn floats(shape: &[usize], values: &[f32]) -> Vec<u8> {
    npy("<f4", shape, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

fn ints(values: &[i32]) -> Vec<u8> {
    npy("<i4", &[values.len()], &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

/// Samples of two features, below 0 in even places and above in odd ones.
fn samples(n: usize) -> Vec<u8> {
    let row = |i: usize| {
        let side = if i.is_multiple_of(2) { -1.0 } else { 1.0 };
        [side * (0.5 + (i * 7 % 11) as f32 / 10.0), (i * 5 % 7) as f32 / 7.0 - 0.5]
    };
    floats(&[n, 2], &(0..n).flat_map(row).collect::<Vec<f32>>())
}

fn accuracy(done: &Value) -> f64 {
    let part = if done["test"].is_null() { &done["validation"] } else { &done["test"] };
    part["accuracy"].as_f64().expect("an accuracy")
}

const TRAIN: &str = "--model mlp --epochs 12 --lr 0.02 --batch-size 8 --device cpu --val-split 0.25";

#[test]
fn labels_of_any_kind_are_classes() {
    let b = Bench::new();
    let of = |even: i32, odd: i32| (0..60).map(|i| if i % 2 == 0 { even } else { odd }).collect::<Vec<i32>>();
    let words = npy("|S3", &[60], &b"catdog".repeat(30));
    let whole = floats(&[60], &of(0, 1).iter().map(|&v| v as f32).collect::<Vec<f32>>());
    for (name, y, classes) in [
        ("signs", ints(&of(-1, 1)), ["-1", "1"]),
        ("ones", ints(&of(1, 2)), ["1", "2"]),
        ("words", words, ["cat", "dog"]),
        ("floats", whole, ["0", "1"]),
    ] {
        b.npz(&format!("{name}.npz"), &[("X", samples(60)), ("Y", y)]);
        let audit = b.json(&format!("data {name}.npz"));
        assert_eq!(audit["classes"], serde_json::json!([[classes[0], 30], [classes[1], 30]]), "{name}");
        let done = b.json(&format!("train --data {name}.npz --out {name} {TRAIN}"));
        assert!(accuracy(&done) > 0.9, "{name}: {}", accuracy(&done));
        // The same labels are scored, and single arrays answered.
        let scored = b.json(&format!("eval {name} --data {name}.npz --device cpu"));
        assert!(accuracy(&scored) > 0.9, "{name}");
        fs::write(b.at("new.npy"), samples(4)).expect("written");
        let answers = b.json(&format!("predict {name} new.npy --device cpu"));
        let found: Vec<&Value> =
            answers["predictions"].as_array().expect("a list").iter().map(|p| &p["class"]).collect();
        assert_eq!(found, [classes[0], classes[1], classes[0], classes[1]], "{name}");
        assert_eq!((&answers["predictions"][3]["row"], &answers["predictions"][3]["line"]), (&4.into(), &Value::Null));
    }
    let values = b.json(&format!("train --data floats.npz --out values {TRAIN} --task regression"));
    assert!(values["validation"]["r2"].is_f64(), "{values}");
    let message = b.message(&format!("train --data words.npz --out no {TRAIN} --task regression"));
    assert!(message.contains("targets are words, such as \"cat\""), "{message}");
}

#[test]
fn validation_arrays_are_what_is_validated_on() {
    let b = Bench::new();
    let right: Vec<i32> = (0..40).map(|i| i % 2).collect();
    let wrong: Vec<i32> = (0..20).map(|i| 1 - i % 2).collect();
    let arrays = [("X_train", samples(40)), ("y_train", ints(&right)), ("X_val", samples(20)), ("y_val", ints(&wrong))];
    b.npz("parts.npz", &arrays);
    let done = b.json(&format!("train --data parts.npz --out run {TRAIN}"));
    let val = done["epochs"].as_array().and_then(|e| e.last()).map(|e| e["val"]["accuracy"].clone());
    assert!(val.as_ref().and_then(Value::as_f64).is_some_and(|a| a < 0.2), "{val:?}");
}

/// Pictures of 6 x 6, bright above in even places and below in odd ones.
fn picture(i: usize) -> Vec<u8> {
    let bright = |p: usize| (p < 18) == i.is_multiple_of(2);
    (0..36).map(|p| if bright(p) { 200 + (i + p) % 50 } else { (i * p) % 40 } as u8).collect()
}

/// The same 40 pictures as bytes, as floats from 0 to 1, with channels last, and
/// as a folder.
fn pictures(b: &Bench) {
    let bytes: Vec<u8> = (0..40).flat_map(picture).collect();
    let unit: Vec<f32> = bytes.iter().map(|&v| f32::from(v) / 255.0).collect();
    let standard: Vec<f32> = unit.iter().map(|v| (v - 0.4) / 0.3).collect();
    let labels: Vec<i32> = (0..40).map(|i| i % 2).collect();
    b.npz("bytes.npz", &[("x", npy("|u1", &[40, 6, 6], &bytes)), ("y", ints(&labels))]);
    b.npz("last.npz", &[("x", npy("|u1", &[40, 6, 6, 1], &bytes)), ("y", ints(&labels))]);
    b.npz("unit.npz", &[("x", floats(&[40, 6, 6, 1], &unit)), ("y", ints(&labels))]);
    b.npz("standard.npz", &[("x", floats(&[40, 6, 6, 1], &standard)), ("y", ints(&labels))]);
    for i in 0..40 {
        let grey = GrayImage::from_raw(6, 6, picture(i)).expect("36 pixels");
        grey.save(b.at(&format!("folder/{}/{i:02}.png", i % 2))).expect("written");
    }
}

#[test]
fn one_set_of_pictures_scores_the_same_however_it_is_written() {
    let b = Bench::new();
    pictures(&b);
    let all = ["bytes.npz", "last.npz", "unit.npz", "folder"];
    for source in all {
        let run = format!("of-{}", source.trim_end_matches(".npz"));
        let done = b.json(&format!("train --data {source} --out {run} {TRAIN}"));
        assert!(accuracy(&done) > 0.9, "{source}");
        let losses = all.map(|other| {
            let scored = b.json(&format!("eval {run} --data {other} --device cpu"));
            scored["test"]["loss"].as_f64().expect("a loss")
        });
        // Division by 255 rounds.
        assert!(losses.iter().all(|l| (l - losses[0]).abs() < 1e-4), "{source}: {losses:?}");
        let found = b.json(&format!("predict {run} folder/0/00.png folder/1/01.png --device cpu"));
        let found: Vec<&Value> = found["predictions"].as_array().expect("a list").iter().map(|p| &p["class"]).collect();
        assert_eq!(found, ["0", "1"], "{source}");
    }
    b.json(&format!("train --data standard.npz --out standard {TRAIN}"));
    for args in ["eval standard --data bytes.npz", "eval standard --data folder", "predict standard folder/0/00.png"] {
        let message = b.message(&format!("{args} --device cpu"));
        assert!(message.contains("this model was trained on floats from -1.33"), "{args}: {message}");
    }
}

#[test]
fn deep_pictures_keep_the_values_they_use() {
    let b = Bench::new();
    for i in 0..40usize {
        let value = |x: u32, y: u32| 1000 + 60 * (i % 2) as u16 + ((i as u32 * 7 + x * 3 + y * 5) % 20) as u16;
        let deep: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::from_fn(6, 6, |x, y| Luma([value(x, y)]));
        deep.save(b.at(&format!("scan/{}/{i:02}.png", ["low", "high"][i % 2]))).expect("written");
    }
    let done = b.json(&format!("train --data scan --out run {TRAIN}"));
    assert!(accuracy(&done) > 0.9, "{done}");
    // The model remembers which values became 0 and 255, of one picture too.
    let found = b.json("predict run scan/low/00.png scan/high/01.png --device cpu");
    let found: Vec<&Value> = found["predictions"].as_array().expect("a list").iter().map(|p| &p["class"]).collect();
    assert_eq!(found, ["low", "high"]);
    assert!(accuracy(&b.json("eval run --data scan --device cpu")) > 0.9);
}

fn table(b: &Bench, name: &str, class: impl Fn(usize) -> &'static str) {
    let row = |i: usize| {
        let side = if i.is_multiple_of(2) { -1.0 } else { 1.0 };
        format!("{},{},{}\n", side * (0.5 + (i * 7 % 11) as f32 / 10.0), i * 5 % 7, class(i))
    };
    fs::write(b.at(name), "a,b,kind\n".to_string() + &(0..40).map(row).collect::<String>()).expect("written");
}

#[test]
fn classes_that_are_read_alike_are_said_and_can_be_one() {
    let b = Bench::new();
    let spelled = |i: usize| match (i % 2, i % 5) {
        (0, _) => "no",
        (_, 0) => "YES",
        (_, 1) => "yes\u{200b}",
        _ => "yes",
    };
    table(&b, "odd.csv", spelled);
    table(&b, "even.csv", |i| ["no", "yes"][i % 2]);
    for i in 0..12 {
        let grey = GrayImage::from_raw(6, 6, picture(i)).expect("36 pixels");
        grey.save(b.at(&format!("pics/{}/{i}.png", ["Cat", "dog", "cat", "dog"][i % 4]))).expect("written");
    }
    let (hints, warnings) = (b.json("data odd.csv")["hints"].to_string(), b.json("data pics")["warnings"].to_string());
    assert!(hints.contains("read alike") && warnings.contains("read alike"), "{hints} {warnings}");
    assert!(!b.json("data even.csv")["hints"].to_string().contains("read alike"));
    let train =
        |source: &str| format!("train --data {source} --out of-{source} {TRAIN} --set data.normalize_classes=true");
    let done = b.json(&train("odd.csv"));
    assert!(accuracy(&done) > 0.9, "{done}");
    let scored = b.json("eval of-odd.csv --data odd.csv --device cpu");
    let parts: Vec<(&str, u64)> = scored["parts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|p| (p["name"].as_str().expect("a name"), p["support"].as_u64().expect("a count")))
        .collect();
    assert_eq!(parts, [("no", 20), ("yes", 20)]);
    b.json(&train("pics"));
    let scored = b.json("eval of-pics --data pics --device cpu");
    assert_eq!((scored["parts"].as_array().map(Vec::len), scored["samples"].as_u64()), (Some(2), Some(12)));
}

#[test]
fn folds_without_a_class_to_learn_are_refused_at_once() {
    let b = Bench::new();
    b.npz("lonely.npz", &[("x", samples(40)), ("y", ints(&(0..40).map(|i| i32::from(i == 21)).collect::<Vec<_>>()))]);
    table(&b, "lonely.csv", |i| if i == 21 { "rare" } else { "common" });
    for (source, class) in [("lonely.npz", "1"), ("lonely.csv", "rare")] {
        let message = b.message(&format!("train --data {source} --out run {TRAIN} --folds 4"));
        assert!(message.contains(&format!("class \"{class}\" has 1 row(s)")), "{message}");
        assert!(!b.at("run").exists());
    }
    table(&b, "few.csv", |i| if i == 21 || i == 5 { "rare" } else { "common" });
    let output = b.wgrad(&format!("train --data few.csv --out few {TRAIN} --folds 4 --json"));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.contains("class \"rare\" has 2 rows for 4 folds: 2 of them"), "{told}");
}

/// A file of safetensors as PyTorch saves it, without metadata.
fn save(path: &Path, dtype: &str, tensors: &[(String, Vec<usize>)], value: impl Fn(usize) -> f32) {
    let (mut header, mut data) = (serde_json::Map::new(), vec![]);
    for (name, shape) in tensors {
        let start = data.len();
        for i in 0..shape.iter().product() {
            match dtype {
                "F32" => data.extend(value(i).to_le_bytes()),
                "F16" => data.extend(half::f16::from_f32(value(i)).to_le_bytes()),
                _ => data.extend(half::bf16::from_f32(value(i)).to_le_bytes()),
            }
        }
        let entry = serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, data.len()] });
        header.insert(name.clone(), entry);
    }
    let header = serde_json::to_vec(&header).expect("JSON");
    let all = [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat();
    fs::write(path, all).expect("written");
}

#[test]
fn weights_start_from_any_file_of_safetensors() {
    let b = Bench::new();
    b.npz("set.npz", &[("x", samples(40)), ("y", ints(&(0..40).map(|i| i % 2).collect::<Vec<_>>()))]);
    let still = "--model mlp --epochs 1 --device cpu --lr 0";
    b.json(&format!("train --data set.npz --out first {still}"));
    let weights = |run: &str| {
        let bytes = fs::read(b.at(&format!("{run}/checkpoints/last/model.safetensors"))).expect("a checkpoint");
        let all = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        let mine = all.tensors().into_iter();
        let mut mine: Vec<(String, Vec<usize>, Vec<f32>)> =
            mine.map(|(name, view)| (name, view.shape().to_vec(), bytemuck::pod_collect_to_vec(view.data()))).collect();
        mine.sort_by(|a, b| a.0.cmp(&b.0));
        mine
    };
    let shapes: Vec<(String, Vec<usize>)> =
        weights("first").into_iter().map(|(name, shape, _)| (name, shape)).collect();
    // Sixteen bits hold these numbers exactly.
    let value = |i: usize| (i % 97) as f32 / 64.0 - 0.75;
    for dtype in ["F32", "F16", "BF16"] {
        save(&b.at(&format!("{dtype}.safetensors")), dtype, &shapes, value);
        b.json(&format!("train --data set.npz --out {dtype} {still} --init {dtype}.safetensors"));
        for (name, _, values) in weights(dtype) {
            assert!(values.iter().enumerate().all(|(i, v)| *v == value(i)), "{dtype}: {name}");
        }
    }
    save(&b.at("other.safetensors"), "F32", &[("head.weight".to_string(), vec![2, 2])], value);
    let message = b.message(&format!("train --data set.npz --out other {still} --init other.safetensors"));
    assert!(
        message.contains("no weight that this model has too") && message.contains("head.weight [2, 2]"),
        "{message}"
    );
    // As an encoder within a larger model has them.
    let inner: Vec<(String, Vec<usize>)> = shapes.iter().map(|(n, s)| (format!("net.{n}"), s.clone())).collect();
    save(&b.at("inner.safetensors"), "BF16", &inner, value);
    let message = b.message(&format!("train --data set.npz --out other {still} --init inner.safetensors"));
    assert!(message.contains("try --init-map \"net.=\""), "{message}");
    b.json(&format!("train --data set.npz --out mapped {still} --init inner.safetensors --init-map net.="));
    assert_eq!(weights("mapped"), weights("BF16"));
    let message =
        b.message(&format!("train --data set.npz --out other {still} --init inner.safetensors --init-map enc.="));
    assert!(message.contains("--init-map \"enc.=\": no tensor of"), "{message}");
    // It has no model, so nothing else can be done with it.
    let message = b.message("predict F32.safetensors set.npz --device cpu");
    assert!(message.contains("--init"), "{message}");
}
