//! Broken checkpoints, and runs that cannot go on.

use super::make::{file, good_table, idx_set, rows as lines, table};
use super::{Row, refused, wgrad, works};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

pub const LAST: &str = "out/checkpoints/last/model.safetensors";
const TRAINING: &str = "out/checkpoints/last/training.safetensors";
const RESUME: &[&str] = &["--resume", "--out", "out", "--epochs", "2", "--max-steps", "9", "--data", "t.csv"];

/// A run of seven steps in `out`: one epoch of five, and two steps.
pub fn trained(at: &Path) {
    trained_with(at, "optimizer.lr=0.01");
}

fn trained_with(at: &Path, setting: &str) {
    good_table(at);
    let args =
        ["--data", "t.csv", "--out", "out", "--epochs", "2", "--batch-size", "8", "--max-steps", "7", "--set", setting];
    let (code, said, _) = wgrad(at, &args);
    assert_eq!(code, Some(0), "{said}");
}

/// A run on images in `out`.
fn trained_on_images(at: &Path) {
    idx_set(at);
    let (code, said, _) = wgrad(at, &["--data", "set", "--out", "out", "--model", "mlp"]);
    assert_eq!(code, Some(0), "{said}");
}

/// A run whose last checkpoint is changed.
fn broken(at: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    trained(at);
    change_bytes(at, LAST, change);
}

/// A run whose last state of training is changed.
fn broken_state(at: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    trained(at);
    change_bytes(at, TRAINING, change);
}

fn change_bytes(at: &Path, name: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let path = at.join(name);
    let bytes = std::fs::read(&path).expect("a checkpoint");
    file(&path, change(bytes));
}

/// Writes a file of the last checkpoint anew: what it says of itself is changed, and
/// of its tensors only those stay that `keep` wants, changed by `value`.
fn rewrite(
    at: &Path,
    name: &str,
    about: impl Fn(String) -> String,
    keep: impl Fn(&str) -> bool,
    value: impl Fn(&str, &mut Vec<u8>),
) {
    change_bytes(at, name, |bytes| {
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a checkpoint");
        let key = if name == TRAINING { "wgrad-training" } else { "wgrad" };
        let said = header.metadata().as_ref().expect("metadata")[key].clone();
        let all = SafeTensors::deserialize(&bytes).expect("a checkpoint");
        let mut kept: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = vec![];
        for (name, view) in all.tensors().into_iter().filter(|(n, _)| keep(n)) {
            let mut data = view.data().to_vec();
            value(&name, &mut data);
            kept.push((name, view.dtype(), view.shape().to_vec(), data));
        }
        let views = kept.iter().map(|(n, d, s, b)| (n.clone(), TensorView::new(*d, s.clone(), b).expect("fits")));
        safetensors::serialize(views, Some(HashMap::from([(key.to_string(), about(said))]))).expect("encoded")
    });
}

/// A run on a table of numbers in `out`, of whose interface one part is another.
fn interface(at: &Path, part: &str, value: serde_json::Value) {
    file(&at.join("t.csv"), lines("a,y", 40, |i| format!("{}.5,{}.25", i % 7, i % 11)));
    let (code, said, _) = wgrad(at, &["--data", "t.csv", "--out", "out"]);
    assert_eq!(code, Some(0), "{said}");
    let change = |said: String| {
        let mut about: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let place = about["interface"].pointer_mut(part).expect("it is there");
        *place = value.clone();
        about.to_string()
    };
    rewrite(at, LAST, change, |_| true, |_, _| {});
}

/// [`rewrite`] of a new run.
fn rewritten(
    at: &Path,
    name: &str,
    about: impl Fn(String) -> String,
    keep: impl Fn(&str) -> bool,
    value: impl Fn(&str, &mut Vec<u8>),
) {
    trained(at);
    rewrite(at, name, about, keep, value);
}

fn about(at: &Path, from: &str, to: &str) {
    rewritten(
        at,
        TRAINING,
        |said| {
            assert!(said.contains(from), "{said}");
            said.replace(from, to)
        },
        |_| true,
        |_, _| {},
    );
}

fn without(at: &Path, name: &str, gone: &str) {
    let found = std::cell::Cell::new(false);
    rewritten(
        at,
        name,
        |said| said,
        |name| {
            found.set(found.get() || name == gone);
            name != gone
        },
        |_, _| {},
    );
    assert!(found.get(), "{gone} was not there");
}

/// What was learned with the weights is judged with them.
fn interfaces() -> Vec<Row> {
    const EVAL: &[&str] = &["eval", "out", "--data", "t.csv", "--device", "cpu"];
    const PREDICT: &[&str] = &["predict", "out", "t.csv", "--device", "cpu"];
    let refused = |name, make, args, says| refused(name, make, args, says).then(|_| {});
    use serde_json::json;
    vec![
        refused(
            "eval_without_a_scale",
            |at| interface(at, "/target/scale", json!([])),
            EVAL,
            &["not a usable checkpoint", "interface.target.scale: 0 numbers; expected 1"],
        ),
        refused(
            "predict_without_a_shift",
            |at| interface(at, "/target/shift", json!([])),
            PREDICT,
            &["not a usable checkpoint", "interface.target.shift: 0 numbers; expected 1"],
        ),
        refused(
            "predict_with_a_scale_of_zero",
            |at| interface(at, "/target/scale", json!([0.0])),
            PREDICT,
            &["not a usable checkpoint", "interface.target.scale: 0; expected finite numbers other than 0"],
        ),
        refused(
            "predict_with_a_scale_of_no_number",
            |at| interface(at, "/target/scale", json!([1e39])),
            PREDICT,
            &["not a usable checkpoint", "number out of range"],
        ),
        refused(
            "eval_without_a_normalisation",
            |at| interface(at, "/normal/scale", json!([])),
            EVAL,
            &["not a usable checkpoint", "interface.normal.scale: 0 numbers; expected 1"],
        ),
        refused(
            "eval_with_features_that_are_not_there",
            |at| interface(at, "/preprocessing/features", json!(["a", "b"])),
            EVAL,
            &["not a usable checkpoint", "interface.preprocessing: 2 features"],
        ),
        refused(
            "eval_with_features_without_a_scale",
            |at| interface(at, "/preprocessing/scale", json!([])),
            EVAL,
            &["not a usable checkpoint", "interface.preprocessing", "0 factors"],
        ),
        refused(
            "eval_without_columns",
            |at| interface(at, "/preprocessing/columns", json!([])),
            EVAL,
            &["not a usable checkpoint", "columns that make 0 features"],
        ),
        refused(
            "eval_with_fences_the_wrong_way_round",
            |at| interface(at, "/preprocessing/columns/0/encoder/number/clip", json!([3.0, 1.0])),
            EVAL,
            &["not a usable checkpoint", "column \"a\"", "fences in order"],
        ),
        refused(
            "predict_without_outputs",
            |at| interface(at, "/outputs", json!([])),
            PREDICT,
            &["not a usable checkpoint", "interface.outputs: none"],
        ),
        refused(
            "eval_of_more_outputs_than_there_are",
            |at| interface(at, "/outputs", json!(["y", "z"])),
            EVAL,
            &["not a usable checkpoint", "interface.target.scale: 1 numbers; expected 2"],
        ),
    ]
}

pub fn rows() -> Vec<Row> {
    [resume(), interfaces(), others()].into_iter().flatten().collect()
}

fn resume() -> Vec<Row> {
    let refused = |name, make, args, says| refused(name, make, args, says).then(|_| {});
    vec![
        works("resume_as_it_should_be", trained, RESUME, &["resuming after 7 steps (1 whole epochs)", "saved in out"]),
        works("resume_without_a_run", good_table, RESUME, &["no checkpoint to resume from yet: starting anew"]),
        refused(
            "resume_truncated",
            |at| broken(at, |b| b[..b.len() * 2 / 3].to_vec()),
            RESUME,
            &["model.safetensors is not a usable checkpoint", "incomplete"],
        ),
        refused(
            "resume_truncated_header",
            |at| broken(at, |b| b[..20].to_vec()),
            RESUME,
            &["model.safetensors is not a usable checkpoint", "header"],
        ),
        refused(
            "resume_of_no_bytes",
            |at| broken(at, |_| vec![]),
            RESUME,
            &["model.safetensors is not a usable checkpoint", "header too small"],
        ),
        refused(
            "resume_of_another_kind",
            |at| broken(at, |_| b"hello, world, this is no checkpoint".to_vec()),
            RESUME,
            &["model.safetensors is not a usable checkpoint", "header"],
        ),
        refused(
            "resume_absurd_header",
            |at| broken(at, |b| [&u64::MAX.to_le_bytes(), &b[8..]].concat()),
            RESUME,
            &["model.safetensors is not a usable checkpoint", "header too large"],
        ),
        refused(
            "resume_truncated_state",
            |at| broken_state(at, |b| b[..b.len() * 2 / 3].to_vec()),
            RESUME,
            &["training.safetensors is not a usable checkpoint", "incomplete"],
        ),
        refused(
            "resume_state_of_no_bytes",
            |at| broken_state(at, |_| vec![]),
            RESUME,
            &["training.safetensors is not a usable checkpoint", "header too small"],
        ),
        refused(
            "resume_without_the_state",
            |at| {
                trained(at);
                std::fs::remove_file(at.join(TRAINING)).expect("removed");
            },
            RESUME,
            &["there is no training.safetensors beside it", "--init"],
        ),
        refused(
            "resume_with_the_state_of_another_run",
            |at| {
                trained(at);
                let state = std::fs::read(at.join(TRAINING)).expect("a checkpoint");
                std::fs::remove_dir_all(at.join("out")).expect("removed");
                trained_with(at, "optimizer.lr=0.02");
                file(&at.join(TRAINING), state);
            },
            RESUME,
            &["training.safetensors beside it is of another moment of training", "--init"],
        ),
        refused(
            "resume_where_the_state_is_the_model",
            |at| {
                trained(at);
                std::fs::copy(at.join(TRAINING), at.join(LAST)).expect("copied");
            },
            RESUME,
            &["it holds the state of a training and no weights"],
        ),
        refused(
            "resume_without_a_weight",
            |at| without(at, LAST, "dense2.weight"),
            RESUME,
            &["the weights lack \"dense2.weight\""],
        ),
        refused(
            "resume_without_the_moments",
            |at| without(at, TRAINING, "adam.m"),
            RESUME,
            &["does not fit these settings", "it lacks \"adam.m\""],
        ),
        refused(
            "resume_without_the_clock",
            |at| without(at, TRAINING, "clock"),
            RESUME,
            &["does not fit these settings", "it lacks \"clock\""],
        ),
        refused(
            "resume_with_weights_of_no_number",
            |at| {
                rewritten(
                    at,
                    LAST,
                    |s| s,
                    |_| true,
                    |n, b| {
                        if n.ends_with("weight") {
                            b[..4].copy_from_slice(&f32::NAN.to_le_bytes())
                        }
                    },
                )
            },
            RESUME,
            &["not a usable checkpoint", "weight \"dense1.weight\"", "no finite numbers"],
        ),
        refused(
            "resume_that_says_nothing_of_itself",
            |at| rewritten(at, LAST, |_| "{}".into(), |_| true, |_, _| {}),
            RESUME,
            &["not a usable checkpoint", "missing field `model`"],
        ),
        refused(
            "resume_that_says_no_json",
            |at| rewritten(at, LAST, |_| "{\"model\": ".into(), |_| true, |_, _| {}),
            RESUME,
            &["not a usable checkpoint", "EOF while parsing"],
        ),
        refused(
            "resume_with_no_number_in_it",
            |at| about(at, "\"step\":7", "\"step\":NaN"),
            RESUME,
            &["not a usable checkpoint", "expected value"],
        ),
        refused(
            "resume_beyond_the_epoch",
            |at| about(at, "\"batch\":2", "\"batch\":2000000"),
            RESUME,
            &["contradicts itself"],
        ),
        refused(
            "resume_with_another_rate",
            trained,
            &["--resume", "--out", "out", "--lr", "0.5"],
            &["was trained with lr = 0.01, and now lr = 0.5"],
        )
        .with_code(2),
        refused(
            "resume_with_another_seed",
            trained,
            &["--resume", "--out", "out", "--seed", "9"],
            &["was trained with seed = 0, and now seed = 9"],
        )
        .with_code(2),
        refused(
            "resume_with_another_model",
            trained,
            &["--resume", "--out", "out", "--model", "mlp"],
            &["was trained with name = \"tabular\", and now name = \"mlp\""],
        )
        .with_code(2),
        refused(
            "resume_with_fewer_rows",
            |at| {
                trained(at);
                let t = table();
                file(&at.join("t.csv"), t.lines().take(12).map(|l| format!("{l}\n")).collect::<String>());
            },
            RESUME,
            &["t.csv is not the data that this run was trained on", "--init"],
        ),
        refused(
            "resume_with_other_rows",
            |at| {
                trained(at);
                file(&at.join("t.csv"), table().replace("0.37", "9.25"));
            },
            RESUME,
            &["t.csv is not the data that this run was trained on", "--init"],
        ),
        refused(
            "resume_with_more_classes",
            |at| {
                trained(at);
                file(&at.join("t.csv"), table().replacen(",b\n", ",c\n", 5));
            },
            RESUME,
            &["it had the outputs a, b and now has a, b, c"],
        ),
        refused(
            "resume_without_its_settings",
            |at| {
                trained(at);
                std::fs::remove_file(at.join("out/config.toml")).expect("removed");
            },
            RESUME,
            &["out/config.toml"],
        ),
        refused(
            "resume_with_broken_settings",
            |at| {
                trained(at);
                file(&at.join("out/config.toml"), "train = 3");
            },
            RESUME,
            &["the settings of out", "train = 3", "expected a table"],
        ),
        refused(
            "resume_without_its_data",
            |at| {
                trained(at);
                std::fs::remove_file(at.join("t.csv")).expect("removed");
            },
            RESUME,
            &["no file or folder \"t.csv\""],
        ),
        works(
            "resume_with_a_broken_log",
            |at| {
                trained(at);
                file(&at.join("out/metrics.jsonl"), b"{\"epoch\":1,\xff\n{\"epoch\":1");
            },
            RESUME,
            &["resuming after 7 steps", "saved in out"],
        ),
        works(
            "resume_where_a_folder_is_the_checkpoint",
            |at| {
                trained(at);
                std::fs::remove_file(at.join(LAST)).expect("removed");
                std::fs::create_dir(at.join(LAST)).expect("made");
            },
            RESUME,
            &["starting anew", "it is now out-001"],
        ),
        refused(
            "resume_and_folds",
            trained,
            &["--resume", "--out", "out", "--folds", "3"],
            &["was trained with folds = 0, and now folds = 3"],
        )
        .with_code(2),
    ]
}

fn others() -> Vec<Row> {
    let refused = |name, make, args, says| refused(name, make, args, says).then(|_| {});
    vec![
        refused(
            "eval_without_a_weight",
            |at| {
                trained_on_images(at);
                rewrite(at, LAST, |said| said, |name| name != "dense2.weight", |_, _| {});
            },
            &["eval", "out", "--data", "set", "--device", "cpu"],
            &["the weights lack \"dense2.weight\""],
        ),
        refused(
            "eval_of_broken_weights",
            |at| broken(at, |b| b[..b.len() - 9].to_vec()),
            &["eval", "out", "--data", "t.csv", "--device", "cpu"],
            &["model.safetensors is not a usable checkpoint"],
        ),
        refused(
            "eval_with_no_batch",
            trained,
            &["eval", "out", "--data", "t.csv", "--batch-size", "0", "--device", "cpu"],
            &["--batch-size"],
        )
        .with_code(2),
    ]
}
