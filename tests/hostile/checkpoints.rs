//! Broken checkpoints, and runs that cannot go on.

use super::make::{file, good_table, idx_set, rows as lines, table};
use super::{Row, refused, wgrad, works};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

const LAST: &str = "out/checkpoints/last.safetensors";
const RESUME: &[&str] = &["--resume", "--out", "out", "--epochs", "2", "--max-steps", "9", "--data", "t.csv"];
const INIT: &[&str] = &["--init", "out", "--data", "u.csv", "--out", "second"];

/// A run of seven steps in `out`: one epoch of five, and two steps.
fn trained(at: &Path) {
    good_table(at);
    let args = [
        "--data",
        "t.csv",
        "--out",
        "out",
        "--epochs",
        "2",
        "--batch-size",
        "8",
        "--max-steps",
        "7",
        "--set",
        "optimizer.lr=0.01",
    ];
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
    change_bytes(at, change);
}

fn change_bytes(at: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let path = at.join(LAST);
    let bytes = std::fs::read(&path).expect("a checkpoint");
    file(&path, change(bytes));
}

/// Writes the last checkpoint anew: what it says of itself is changed, and of
/// its tensors only those stay that `keep` wants, changed by `value`.
fn rewrite(
    at: &Path,
    about: impl Fn(String) -> String,
    keep: impl Fn(&str) -> bool,
    value: impl Fn(&str, &mut Vec<u8>),
) {
    change_bytes(at, |bytes| {
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a checkpoint");
        let said = header.metadata().as_ref().expect("metadata")["wgrad"].clone();
        let all = SafeTensors::deserialize(&bytes).expect("a checkpoint");
        let mut kept: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = vec![];
        for (name, view) in all.tensors().into_iter().filter(|(n, _)| keep(n)) {
            let mut data = view.data().to_vec();
            value(&name, &mut data);
            kept.push((name, view.dtype(), view.shape().to_vec(), data));
        }
        let views = kept.iter().map(|(n, d, s, b)| (n.clone(), TensorView::new(*d, s.clone(), b).expect("fits")));
        safetensors::serialize(views, Some(HashMap::from([("wgrad".to_string(), about(said))]))).expect("encoded")
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
    rewrite(at, change, |_| true, |_, _| {});
}

/// [`rewrite`] of a new run.
fn rewritten(
    at: &Path,
    about: impl Fn(String) -> String,
    keep: impl Fn(&str) -> bool,
    value: impl Fn(&str, &mut Vec<u8>),
) {
    trained(at);
    rewrite(at, about, keep, value);
}

fn about(at: &Path, from: &str, to: &str) {
    rewritten(
        at,
        |said| {
            assert!(said.contains(from), "{said}");
            said.replace(from, to)
        },
        |_| true,
        |_, _| {},
    );
}

fn without(at: &Path, gone: &str) {
    let found = std::cell::Cell::new(false);
    rewritten(
        at,
        |said| said,
        |name| {
            found.set(found.get() || name == gone);
            name != gone
        },
        |_, _| {},
    );
    assert!(found.get(), "{gone} was not there");
}

fn other_table(at: &Path) {
    trained(at);
    file(
        &at.join("u.csv"),
        lines("a,b,c,kind", 40, |i| format!("{}.5,{}.1,{}.7,{}", i % 7, i % 5, i % 3, ["x", "y", "z"][i % 3])),
    );
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
    [resume(), init(), interfaces(), others()].into_iter().flatten().collect()
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
            &["last.safetensors is not a usable checkpoint", "incomplete"],
        ),
        refused(
            "resume_truncated_header",
            |at| broken(at, |b| b[..20].to_vec()),
            RESUME,
            &["last.safetensors is not a usable checkpoint", "header"],
        ),
        refused(
            "resume_of_no_bytes",
            |at| broken(at, |_| vec![]),
            RESUME,
            &["last.safetensors is not a usable checkpoint", "header too small"],
        ),
        refused(
            "resume_of_another_kind",
            |at| broken(at, |_| b"hello, world, this is no checkpoint".to_vec()),
            RESUME,
            &["last.safetensors is not a usable checkpoint", "header"],
        ),
        refused(
            "resume_absurd_header",
            |at| broken(at, |b| [&u64::MAX.to_le_bytes(), &b[8..]].concat()),
            RESUME,
            &["last.safetensors is not a usable checkpoint", "header too large"],
        ),
        refused(
            "resume_without_a_weight",
            |at| without(at, "dense2.weight"),
            RESUME,
            &["the weights lack \"dense2.weight\""],
        ),
        refused(
            "resume_without_the_moments",
            |at| without(at, "train.adam.m"),
            RESUME,
            &["does not fit these settings", "it lacks \"adam.m\""],
        ),
        refused(
            "resume_without_the_clock",
            |at| without(at, "train.clock"),
            RESUME,
            &["does not fit these settings", "it lacks \"clock\""],
        ),
        refused(
            "resume_with_weights_of_no_number",
            |at| {
                rewritten(
                    at,
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
            |at| rewritten(at, |_| "{}".into(), |_| true, |_, _| {}),
            RESUME,
            &["not a usable checkpoint", "missing field `model`"],
        ),
        refused(
            "resume_that_says_no_json",
            |at| rewritten(at, |_| "{\"model\": ".into(), |_| true, |_, _| {}),
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

fn init() -> Vec<Row> {
    let refused =
        |name, make, args, says| refused(name, make, args, says).then(|at| assert!(!at.join("second").exists()));
    vec![
        works("init_that_fits_in_part", other_table, INIT, &["init: 3 tensors", "drawn anew: dense1.weight"]),
        refused(
            "init_that_does_not_fit",
            |at| {
                trained(at);
                file(&at.join("m.toml"), "[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\nname = \"other\"");
            },
            &["--init", "out", "--data", "t.csv", "--out", "second", "--model", "m.toml"],
            &["has no weight that this model has too", "dense1.bias [64]"],
        ),
        refused(
            "init_from_nowhere",
            good_table,
            &["--init", "nowhere", "--data", "t.csv", "--out", "second"],
            &["reading nowhere"],
        ),
        refused(
            "init_from_a_folder_of_another_kind",
            |at| {
                good_table(at);
                std::fs::create_dir(at.join("d")).expect("made");
            },
            &["--init", "d", "--data", "t.csv", "--out", "second"],
            &["d/checkpoints/last.safetensors"],
        ),
        refused(
            "init_from_a_table",
            good_table,
            &["--init", "t.csv", "--data", "t.csv", "--out", "second"],
            &["t.csv is not a usable checkpoint"],
        ),
    ]
}

fn others() -> Vec<Row> {
    let refused = |name, make, args, says| refused(name, make, args, says).then(|_| {});
    vec![
        refused(
            "eval_without_a_weight",
            |at| {
                trained_on_images(at);
                rewrite(at, |said| said, |name| name != "dense2.weight", |_, _| {});
            },
            &["eval", "out", "--data", "set", "--device", "cpu"],
            &["the weights lack \"dense2.weight\""],
        ),
        refused(
            "eval_of_broken_weights",
            |at| broken(at, |b| b[..b.len() - 9].to_vec()),
            &["eval", "out", "--data", "t.csv", "--device", "cpu"],
            &["last.safetensors is not a usable checkpoint"],
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
