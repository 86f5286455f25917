//! Broken settings, limits and places to write to.

use super::make::{file, good_table, rights};
use super::{Row, refused, works};
use std::path::Path;

fn config(at: &Path, text: &str) {
    good_table(at);
    file(&at.join("run.toml"), format!("data.source = \"t.csv\"\ntrain.epochs = 1\n{text}"));
}

fn raw(at: &Path, bytes: &[u8]) {
    good_table(at);
    file(&at.join("run.toml"), bytes);
}

const RUN: &[&str] = &["run.toml"];

pub fn rows() -> Vec<Row> {
    [settings(), places(), limits()].into_iter().flatten().collect()
}

fn settings() -> Vec<Row> {
    vec![
        refused(
            "config_unknown_section",
            |at| config(at, "[trian]\nepochs = 1"),
            RUN,
            &["unknown key \"trian\"", "did you mean \"train\"?"],
        ),
        refused(
            "config_unknown_key_of_clean",
            |at| config(at, "[clean]\nmising = \"drop\""),
            RUN,
            &["[clean]", "unknown key \"mising\"", "did you mean \"missing\"?"],
        ),
        refused(
            "config_unknown_column_of_clean",
            |at| config(at, "[clean.columns.z]\nfill = \"mean\""),
            RUN,
            &["[clean]", "unknown column \"z\""],
        ),
        refused(
            "config_dropped_target",
            |at| config(at, "[clean]\ndrop = [\"class\"]"),
            RUN,
            &["[clean]: drop = \"class\" is the target"],
        ),
        refused(
            "config_all_dropped",
            |at| config(at, "[clean]\ndrop = [\"x\", \"y\"]"),
            RUN,
            &["no column of t.csv is left", "as configured"],
        ),
        refused(
            "config_unknown_key_of_early_stopping",
            |at| config(at, "[early_stopping]\npatiense = 3"),
            RUN,
            &["[early_stopping]", "\"patiense\"", "did you mean \"patience\"?"],
        ),
        refused(
            "config_unknown_monitor",
            |at| config(at, "[early_stopping]\nmonitor = \"val_los\""),
            RUN,
            &["unknown monitor \"val_los\"", "did you mean \"val_loss\"?"],
        ),
        refused(
            "config_monitor_of_another_task",
            |at| config(at, "[early_stopping]\nmonitor = \"val_rmse\""),
            RUN,
            &["monitor = \"val_rmse\"", "a classification does not have"],
        ),
        refused(
            "config_unknown_key_of_schedule",
            |at| config(at, "[schedule]\nname = \"cosine\"\nwarmup = 3"),
            RUN,
            &["[schedule]", "unknown key \"warmup\"", "warmup_steps"],
        ),
        refused(
            "config_unknown_key_of_group",
            |at| config(at, "[[group]]\nmatch = \"dense*\"\nlrr = 0.1"),
            RUN,
            &["[[group]] 1", "unknown key \"lrr\""],
        ),
        refused(
            "config_group_of_nothing",
            |at| config(at, "[[group]]\nmatch = \"conv*\"\nlr_factor = 0.1"),
            RUN,
            &["[[group]] 1", "\"conv*\" fits no parameter"],
        ),
        refused(
            "config_all_frozen",
            |at| config(at, "[[group]]\nmatch = \"*\"\nfrozen = true"),
            RUN,
            &["every parameter is frozen"],
        ),
        refused(
            "config_weights_of_no_class",
            |at| config(at, "[loss.class_weights]\nc = 2.0"),
            RUN,
            &["class_weights", "unknown class \"c\"", "a, b"],
        ),
        refused(
            "config_weights_that_are_zero",
            |at| config(at, "[loss]\nclass_weights = [0, 0]"),
            RUN,
            &["class_weights are all 0"],
        ),
        refused(
            "config_loss_of_another_task",
            |at| config(at, "[loss]\nname = \"mse\""),
            RUN,
            &["loss \"mse\"", "cross_entropy"],
        ),
        refused(
            "config_text_for_a_number",
            |at| config(at, "train.batch_size = \"8\""),
            RUN,
            &["batch_size = \"8\"", "whole number"],
        ),
        refused(
            "config_number_for_a_section",
            |at| config(at, "optimizer = 3"),
            RUN,
            &["optimizer = 3", "expected a table"],
        ),
        refused(
            "config_section_for_a_number",
            |at| config(at, "[train.batch_size]\nn = 3"),
            RUN,
            &["batch_size = { n = 3 }", "whole number"],
        ),
        refused(
            "config_key_twice",
            |at| config(at, "train.epochs = 2"),
            RUN,
            &["run.toml", "line 3, column 7", "duplicate key"],
        ),
        refused(
            "config_source_of_no_text",
            |at| raw(at, b"data.source = [1, 2]"),
            RUN,
            &["source = [1, 2]", "expected a string"],
        ),
        refused("config_of_no_text", |at| raw(at, b"\xff\xfe\x00train"), RUN, &["run.toml", "UTF-8"]),
        refused(
            "config_nested_without_end",
            |at| raw(at, format!("a = {}", "[".repeat(100_000)).as_bytes()),
            RUN,
            &["run.toml", "not valid TOML: line 1"],
        ),
        refused(
            "config_key_without_end",
            |at| raw(at, format!("{}a = 1", "a.".repeat(100_000)).as_bytes()),
            RUN,
            &["run.toml", "recursion limit"],
        ),
        refused(
            "config_is_a_folder",
            |at| std::fs::create_dir(at.join("run.toml")).expect("made"),
            RUN,
            &["run.toml", "directory"],
        ),
        refused("set_key_without_end", good_table, &["--set", "a.a.a.a.a.a.a.a.a.a=1"], &["unknown key \"a\""]),
        refused(
            "set_into_a_number",
            good_table,
            &["--data", "t.csv", "--set", "train.seed.x=1"],
            &["seed = { x = 1 }", "whole number"],
        ),
    ]
}

fn limits() -> Vec<Row> {
    let csv = good_table;
    vec![
        refused("no_steps", csv, &["--data", "t.csv", "--max-steps", "0"], &["--max-steps", "expected at least 1"])
            .with_code(2),
        refused(
            "no_steps_between_checkpoints",
            csv,
            &["--data", "t.csv", "--checkpoint-every", "0"],
            &["--checkpoint-every", "expected at least 1"],
        )
        .with_code(2),
        refused("no_time", csv, &["--data", "t.csv", "--max-time", "0"], &["--max-time", "above zero"]).with_code(2),
        refused("no_unit_of_time", csv, &["--data", "t.csv", "--max-time", "3d"], &["unit \"d\"; expected s, m or h"])
            .with_code(2),
        refused(
            "no_number_of_time",
            csv,
            &["--data", "t.csv", "--max-time", "nan"],
            &["--max-time", "expected s, m or h"],
        )
        .with_code(2),
        refused("no_letters_of_time", csv, &["--data", "t.csv", "--max-time", "€5"], &["--max-time", "€5"])
            .with_code(2),
        works("nearly_no_time", csv, &["--data", "t.csv", "--max-time", "0.000000001"], &["stopped: max_time"]),
        refused("no_patience", csv, &["--data", "t.csv", "--patience=-1"], &["--patience"]).with_code(2),
        refused("no_number_for_a_rate", csv, &["--data", "t.csv", "--lr", "nan"], &["lr = nan", "from 0 to 1000"]),
        refused("endless_rate", csv, &["--data", "t.csv", "--lr", "inf"], &["lr = inf", "from 0 to 1000"]),
        refused(
            "large_seed",
            csv,
            &["--data", "t.csv", "--seed", "4294967296"],
            &["4294967296 is not in 0..=4294967295"],
        )
        .with_code(2),
        refused(
            "absurd_epochs",
            csv,
            &["--data", "t.csv", "--epochs", "9223372036854775807", "--max-steps", "3"],
            &["epochs = 9223372036854775807", "expected at most 4294967295 batches"],
        ),
        refused(
            "more_epochs_than_64_bits",
            csv,
            &["--data", "t.csv", "--epochs", "18446744073709551615", "--max-steps", "3"],
            &["epochs = 9223372036854775807", "batches in all"],
        ),
        works("absurd_steps", csv, &["--data", "t.csv", "--max-steps", "9223372036854775807"], &["saved in"]),
        works(
            "absurd_checkpoints",
            csv,
            &["--data", "t.csv", "--checkpoint-every", "9223372036854775807"],
            &["saved in"],
        ),
        refused(
            "loss_of_no_number",
            csv,
            &["--data", "t.csv", "--lr", "1000", "--optimizer", "sgd", "--epochs", "50"],
            &["stopped being", "lower learning rate (now 1000)", "the checkpoint before that, of step"],
        )
        .then(a_good_checkpoint_is_kept),
        refused(
            "loss_of_no_number_before_a_checkpoint",
            csv,
            &["--data", "t.csv", "--lr", "1000", "--optimizer", "sgd", "--batch-size", "4", "--schedule", "cosine"],
            &[
                "the loss stopped being a finite number in epoch 1, at step ",
                "lower learning rate (now ",
                "replayed in f64",
                "there is no checkpoint yet",
            ],
        )
        .then(|_| {}),
        refused(
            "loss_of_no_number_at_the_end_of_an_epoch",
            csv,
            &["--data", "t.csv", "--lr", "1000", "--optimizer", "sgd", "--batch-size", "9", "--epochs", "3"],
            &["the validation loss stopped being a finite number in epoch 1, by step 4", "there is no checkpoint yet"],
        )
        .then(|_| {}),
        works("a_trial_run", csv, &["--data", "t.csv", "--fast-dev-run"], &["nothing saved"]),
        refused(
            "no_overfit_batches",
            csv,
            &["--data", "t.csv", "--overfit-batches", "0"],
            &["--overfit-batches 0: expected at least 1"],
        )
        .with_code(2),
        works(
            "absurd_overfit_batches",
            csv,
            &["--data", "t.csv", "--overfit-batches", "9223372036854775807"],
            &["36 training, 36 validation"],
        ),
    ]
}

/// The last checkpoint loads, which one with a NaN in its weights does not.
fn a_good_checkpoint_is_kept(at: &Path) {
    let last = at.join("runs/tabular-001/checkpoints/last/model.safetensors");
    wgrad::train::checkpoint::load(&last).expect("the checkpoint before the loss went away");
}

fn places() -> Vec<Row> {
    vec![
        refused(
            "out_is_a_file",
            |at| {
                good_table(at);
                file(&at.join("o"), "mine");
            },
            &["--data", "t.csv", "--out", "o"],
            &["making the run's folder o/checkpoints"],
        )
        .then(|at| assert_eq!(std::fs::read(at.join("o")).expect("still there"), b"mine")),
        refused(
            "out_lies_in_a_file",
            |at| {
                good_table(at);
                file(&at.join("o"), "mine");
            },
            &["--data", "t.csv", "--out", "o/run"],
            &["making the run's folder o/run/checkpoints"],
        ),
        refused("out_is_empty", good_table, &["--data", "t.csv", "--out", ""], &["--out <DIR>"]).with_code(2),
        works("out_is_here", good_table, &["--data", "t.csv", "--out", "."], &["saved in ."]),
        refused(
            "out_cannot_be_written",
            |at| {
                good_table(at);
                std::fs::create_dir(at.join("o")).expect("made");
                rights(&at.join("o"), 0o555);
            },
            &["--data", "t.csv", "--out", "o/run"],
            &["making the run's folder o/run/checkpoints", "Permission denied"],
        )
        .with_rights(),
        refused(
            "out_has_no_name_on_disk",
            good_table,
            &["--data", "t.csv", "--out", "/proc/nowhere/run"],
            &["making the run's folder /proc/nowhere/run/checkpoints"],
        ),
        works(
            "out_of_another_kind",
            |at| {
                good_table(at);
                file(&at.join("o/letter.txt"), "dear");
            },
            &["--data", "t.csv", "--out", "o"],
            &["saved in o"],
        )
        .then(|at| assert_eq!(std::fs::read(at.join("o/letter.txt")).expect("still there"), b"dear")),
        works(
            "out_with_odd_names",
            good_table,
            &["--data", "t.csv", "--out", "läufe/a b\n\"c\""],
            &["saved in läufe/a b"],
        ),
    ]
}
