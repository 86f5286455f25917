//! The program as a user meets it: every subcommand, and every way in which a
//! request can be wrong.

use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

fn wgrad(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(args).env_remove("WGRAD_DEVICE").output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The JSON object in the last line of stdout.
fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    serde_json::from_str(stdout.lines().last().expect("a line")).expect("the last line is JSON")
}

/// JSON without what a clock on the wall has said.
fn without_times(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(all) => {
            let kept = all.iter().filter(|(key, _)| !key.contains("second"));
            kept.map(|(key, v)| (key.clone(), without_times(v))).collect()
        }
        serde_json::Value::Array(list) => list.iter().map(without_times).collect(),
        other => other.clone(),
    }
}

/// Forty images of two classes that even one epoch tells apart.
fn tiny_idx(folder: &Path, images: usize) {
    let label = |i: usize| (i % 2) as u8;
    let mut pixels = vec![0, 0, 8, 3];
    for n in [images as u32, 8, 8] {
        pixels.extend(n.to_be_bytes());
    }
    for i in 0..images {
        pixels.extend((0..64).map(|p| if (p < 32) == (label(i) == 0) { 200 } else { (i * 7 + p) as u8 % 40 }));
    }
    let mut labels = vec![0, 0, 8, 1];
    labels.extend((images as u32).to_be_bytes());
    labels.extend((0..images).map(label));
    for set in ["train", "t10k"] {
        std::fs::write(folder.join(format!("{set}-images-idx3-ubyte")), &pixels).expect("written");
        std::fs::write(folder.join(format!("{set}-labels-idx1-ubyte")), &labels).expect("written");
    }
}

fn data(images: usize) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    tiny_idx(folder.path(), images);
    folder
}

#[test]
fn train_eval_predict_agree() {
    let (data, out) = (data(40), tempfile::tempdir().expect("a folder"));
    let (data, run) = (data.path().to_str().expect("utf-8"), out.path().join("run"));
    let run = run.to_str().expect("utf-8");
    let args = ["train", "--model", "mlp", "--data", data, "--epochs", "6", "--batch-size", "8", "--device", "cpu"];
    let trained = json(&wgrad(&[&args[..], &["--out", run, "--lr", "0.01", "--val-split", "0.25", "--json"]].concat()));
    assert_eq!(trained["status"], "ok");
    assert_eq!(trained["device"]["kind"], "cpu");
    assert_eq!(trained["model"], "mlp");
    assert_eq!(trained["parameters"], 64 * 128 + 128 + 128 * 2 + 2);
    assert_eq!(trained["epochs"].as_array().map(Vec::len), Some(6));
    assert!(trained["epochs"][5]["train"]["loss"].as_f64().expect("a loss") < 0.1, "{trained}");
    assert!(trained["epochs"][0]["val"]["accuracy"].is_f64() && trained["epochs"][0]["seconds"].is_f64());
    assert_eq!(trained["test"]["accuracy"], 1.0);
    assert!(trained["steps_per_second"].as_f64() > Some(0.0) && trained["samples_per_second"].as_f64() > Some(0.0));
    assert_eq!(trained["run"], run);

    let scored = json(&wgrad(&["eval", run, "--data", data, "--device", "cpu", "--json"]));
    assert_eq!(scored["test"], trained["test"]);
    assert_eq!(scored["samples"], 40);

    let picture = out.path().join("top.png");
    let top = image::GrayImage::from_fn(8, 8, |_, y| image::Luma([if y < 4 { 200 } else { 10 }]));
    top.save(&picture).expect("written");
    let seen = json(&wgrad(&["predict", run, picture.to_str().expect("utf-8"), "--device", "cpu", "--json"]));
    assert_eq!(seen["predictions"][0]["class"], "0");

    // The resolved configuration gives the same run again.
    let (config, again) = (format!("{run}/config.toml"), format!("{run}-again"));
    let repeated = json(&wgrad(&["train", &config, "--out", &again, "--device", "cpu", "--json"]));
    for key in ["epochs", "test", "validation", "steps", "best_epoch", "parameters"] {
        assert_eq!(without_times(&repeated[key]), without_times(&trained[key]), "{key}");
    }
    // What is compared is there, and is all but the times.
    assert!(without_times(&trained["epochs"][5])["val"]["loss"].is_f64());
    assert!(without_times(&trained["epochs"][5]).get("seconds").is_none());
    let weights = |run: &str| std::fs::read(format!("{run}/checkpoints/last/model.safetensors")).expect("weights");
    assert!(weights(run) == weights(&again), "the same configuration gave other weights");
    // A second run into the same folder moves the first one aside.
    json(&wgrad(&["train", &config, "--out", &again, "--device", "cpu", "--json"]));
    assert!(weights(run) == weights(&format!("{again}-001")), "the earlier run was not kept");
    let lines = std::fs::read_to_string(format!("{run}/metrics.jsonl")).expect("metrics");
    // An epoch has 30 samples in batches of 8.
    let (epochs, points): (Vec<&str>, Vec<&str>) = lines.lines().partition(|l| l.contains("\"train\""));
    assert_eq!((epochs.len(), points.len()), (6, 24), "{lines}");
}

#[test]
fn summary_counts_what_keras_counts() {
    let output = wgrad(&["summary", "keras-cnn"]);
    let table = text(&output.stdout);
    for part in ["conv1 (Conv2D)", "[N, 32, 26, 26]", "[N, 5408]", "692,352", "Total params: 693,962"] {
        assert!(table.contains(part), "{part} is missing in\n{table}");
    }
}

#[test]
fn plan_lists_steps_and_buffers() {
    let output = wgrad(&["plan", "keras-cnn", "--explain", "--device", "cpu"]);
    let list = text(&output.stdout);
    for part in ["conv2d @ conv1", "conv2d_grad_w @ conv1", "adam", "params", "in shared buffers"] {
        assert!(list.contains(part), "{part} is missing in\n{list}");
    }
    // Adam is one step for the whole model.
    assert_eq!(list.lines().filter(|l| l.trim_end().ends_with("  adam")).count(), 1, "{list}");
}

#[test]
fn help_lists_every_preset() {
    for command in ["train", "lr-find", "search", "summary", "plan", "gradcheck", "profile", "tune"] {
        let help = text(&wgrad(&[command, "--help"]).stdout);
        let words: Vec<&str> = help.split(|c: char| c.is_whitespace() || "(),".contains(c)).collect();
        for (preset, _) in wgrad::nn::PRESETS {
            assert!(words.contains(preset), "wgrad {command} --help does not name {preset}:\n{help}");
        }
    }
    let help = text(&wgrad(&["train", "--help"]).stdout);
    assert!(wgrad::train::RECIPES.iter().all(|(name, _)| help.contains(name)), "{help}");
}

#[test]
fn devices_end_with_the_cpu() {
    let found = json(&wgrad(&["devices", "--json"]));
    let devices = found["devices"].as_array().expect("a list");
    assert_eq!(devices.last().expect("at least one")["kind"], "cpu");
}

/// Runs a request that must fail and checks exit code and message.
fn refused(args: &[&str], code: i32, parts: &[&str]) {
    let output = wgrad(args);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    for part in parts {
        assert!(message.contains(part), "{args:?}: {part:?} is missing in\n{message}");
    }
    assert!(!message.contains("internal error"), "{args:?} panicked:\n{message}");
}

#[test]
fn wrong_requests_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let out = out.to_str().expect("utf-8");
    let train = |extra: &[&'static str]| -> Vec<String> {
        [&["train", "--device", "cpu", "--out", out][..], extra].concat().iter().map(|s| s.to_string()).collect()
    };
    let cases: &[(&[&'static str], i32, &[&str])] = &[
        (&["--model", "keras-cn"], 1, &["unknown model \"keras-cn\"", "did you mean \"keras-cnn\""]),
        (&["--model", "nowhere.toml"], 1, &["nowhere.toml"]),
        (&["--data", "/nowhere"], 1, &["/nowhere"]),
        (&["--batch-size", "0"], 1, &["batch_size = 0", "at least 1"]),
        (&["--epochs", "0"], 1, &["epochs = 0"]),
        (&["--epochs", "three"], 2, &["three"]),
        (&["--optimizer", "adamm"], 1, &["unknown optimizer \"adamm\"", "adam"]),
        (&["--schedule", "cosin"], 1, &["did you mean \"cosine\""]),
        (&["--lr=-1"], 1, &["lr = -1"]),
        (&["--val-split", "1.5"], 1, &["val_split = 1.5"]),
        (&["--set", "optimizer.lrr=1"], 1, &["unknown key \"lrr\"", "did you mean \"lr\""]),
        (&["--set", "nonsense"], 2, &["expected KEY=VALUE"]),
        (&["--modle", "mlp"], 2, &["--model"]),
        (&["missing.toml"], 1, &["missing.toml"]),
    ];
    for (extra, code, parts) in cases {
        let args = train(extra);
        refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), *code, parts);
        assert!(!Path::new(out).exists(), "{extra:?} left {out} behind");
    }
    refused(&["train", "--device", "no-such-gpu", "--out", out], 1, &["no device \"no-such-gpu\"", "cpu"]);
    refused(&["train", "--device", "99", "--out", out], 1, &["no device \"99\""]);
    refused(&["eval", "/nowhere", "--data", "digits"], 1, &["/nowhere"]);
    refused(&["frobnicate"], 2, &["frobnicate"]);
    let output = wgrad(&["eval", "/nowhere", "--data", "digits", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(text(&output.stdout).trim()).expect("JSON on stdout");
    assert_eq!(answer["status"], "error");
    assert!(answer["message"].as_str().is_some_and(|m| m.contains("/nowhere")), "{answer}");
}

#[test]
fn broken_models_are_refused_with_the_layer() {
    let folder = tempfile::tempdir().expect("a folder");
    let dense = "[[layer]]\ntype = \"Dense\"\nunits = 3\n";
    let cases = [
        (
            "[[layer]]\ntype = \"Dens\"\nunits = 3\n",
            vec!["layer 1", "unknown layer type \"Dens\"", "did you mean \"Dense\""],
        ),
        ("[[layer]]\ntype = \"Dense\"\nunit = 3\n", vec!["layer 1", "units"]),
        ("[[layer]]\ntype = \"Dense\"\nunits = 3\nactivation = \"rleu\"\n", vec!["did you mean \"relu\""]),
        ("[[layer]]\ntype = \"Dense\"\nunits = 3\nfoo = 1\n", vec!["unknown key \"foo\""]),
        ("[[layer]]\ntype = \"Conv2D\"\nfilters = 4\nkernel_size = 99\n", vec!["layer 1", "99"]),
        ("[[layer]]\ntype = \"Add\"\ninputs = [\"a\"]\n", vec!["unknown input layer \"a\""]),
        ("name = \"empty\"\n", vec!["no [[layer]]"]),
        ("this is no TOML", vec!["TOML"]),
    ];
    for (model, parts) in cases {
        let file = folder.path().join("model.toml");
        std::fs::write(&file, model).expect("written");
        refused(&["summary", file.to_str().expect("utf-8")], 1, &parts);
    }
    // A model whose outputs are not the data's classes, found before training.
    let file = folder.path().join("model.toml");
    std::fs::write(&file, format!("[[layer]]\ntype = \"Flatten\"\n{dense}")).expect("written");
    let out = folder.path().join("out");
    let (file, out) = (file.to_str().expect("utf-8"), out.to_str().expect("utf-8"));
    refused(&["train", "--device", "cpu", "--model", file, "--out", out], 1, &["gives 3 outputs", "10 classes"]);
}

#[test]
fn data_tells_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for class in ["set/cat", "set/dog"] {
        std::fs::create_dir_all(at(class)).expect("made");
        for i in 0..6u8 {
            let grey = if class == "set/cat" { 10 * i } else { 20 * i };
            let picture = image::GrayImage::from_fn(9, 7, |x, y| image::Luma([(x * 20 + y) as u8 ^ grey]));
            picture.save(at(&format!("{class}/{i}.png"))).expect("written");
        }
    }
    std::fs::write(at("set/cat/note.png"), "not a picture").expect("written");
    let path = |name: &str| at(name).to_str().expect("utf-8").to_string();
    let (set, html, sheet) = (path("set"), path("a.html"), path("s.png"));
    let args = ["data", &set, "--set", "data.size=[8, 8]", "--html", &html, "--sheet", &sheet];
    let audit = json(&wgrad(&[&args[..], &["--json"]].concat()));
    assert_eq!((&audit["status"], &audit["kind"]), (&"ok".into(), &"image_folder".into()));
    assert_eq!((&audit["height"], &audit["channels"]), (&8.into(), &1.into()));
    // 0, 20 and 40 are both cats and dogs.
    assert_eq!((&audit["equal"]["conflicts"], &audit["unreadable"]["count"]), (&3.into(), &1.into()));
    assert!(audit["warnings"].as_array().is_some_and(|w| w.len() >= 2));
    assert!(std::fs::read_to_string(html).expect("a page").contains("cat/note.png"));
    assert!(image::open(sheet).is_ok());
    let output = wgrad(&["data", &set, "--val-split", "0"]);
    assert!(text(&output.stdout).contains("warning: 3 groups of equal images with different classes"));
    refused(&["data", &set, "--val-split", "1"], 2, &["--val-split 1"]);
    refused(&["data", &set, "--target", "cat"], 2, &["--target cat"]);
    refused(&["data", &set, "--set", "data.sise=3"], 1, &["sise", "did you mean \"size\"?"]);
    refused(&["data", &path("nothing")], 1, &["there is no file or folder"]);
}

#[test]
fn broken_files_are_refused_with_the_numbers() {
    let broken = |break_it: &dyn Fn(&Path), parts: &[&str]| {
        let folder = data(20);
        break_it(folder.path());
        let path = folder.path().to_str().expect("utf-8");
        let out = folder.path().join("out");
        refused(&["train", "--device", "cpu", "--data", path, "--out", out.to_str().expect("utf-8")], 1, parts);
        assert!(!out.exists(), "a run folder was left behind");
    };
    let images = "train-images-idx3-ubyte";
    let labels = "train-labels-idx1-ubyte";
    broken(&|f| std::fs::remove_file(f.join(images)).expect("removed"), &["train-images-idx3-ubyte", "has no images"]);
    broken(
        &|f| {
            let bytes = std::fs::read(f.join(images)).expect("read");
            std::fs::write(f.join(images), &bytes[..bytes.len() - 5]).expect("written");
        },
        &[images],
    );
    broken(
        &|f| {
            let mut bytes = std::fs::read(f.join(labels)).expect("read");
            bytes[7] = 19;
            bytes.pop();
            std::fs::write(f.join(labels), &bytes).expect("written");
        },
        &["19", "20"],
    );
    broken(&|f| std::fs::write(f.join(images), b"not an IDX file").expect("written"), &[images]);
}

#[test]
fn a_softmax_at_the_end_is_said_once_and_applied_once() {
    let (data, out) = (data(40), tempfile::tempdir().expect("a folder"));
    let data = data.path().to_str().expect("utf-8");
    let trained = |name: &str, end: &str| {
        let (model, run) = (out.path().join(format!("{name}.toml")), out.path().join(name));
        let layers = "[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";
        std::fs::write(&model, format!("{layers}{end}")).expect("written");
        let (model, run) = (model.to_str().expect("utf-8"), run.to_str().expect("utf-8").to_string());
        let args = ["train", "--model", model, "--data", data, "--epochs", "2", "--batch-size", "8", "--device", "cpu"];
        let said = wgrad(&[&args[..], &["--out", &run, "--json"]].concat());
        let scored = json(&wgrad(&["eval", &run, "--data", data, "--device", "cpu", "--json"]));
        (json(&said)["test"].clone(), scored["test"].clone(), text(&said.stderr).matches("ends in a softmax").count())
    };
    let (plain, softmax) = (trained("plain", ""), trained("softmax", "activation = \"softmax\"\n"));
    assert_eq!((plain.2, softmax.2), (0, 1));
    assert_eq!((&softmax.0, &softmax.1), (&plain.0, &plain.1));
    assert_eq!(softmax.0, softmax.1);
}
