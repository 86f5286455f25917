//! Broken models.

use super::make::{file, good_table, idx_set};
use super::{Row, refused, works};
use std::path::Path;

const MODEL: &[&str] = &["--data", "t.csv", "--model", "m.toml"];

fn model(at: &Path, text: &str) {
    good_table(at);
    file(&at.join("m.toml"), text);
}

fn dense(at: &Path, units: &str) {
    model(
        at,
        &format!("[[layer]]\ntype = \"Dense\"\nunits = {units}\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\""),
    );
}

pub fn rows() -> Vec<Row> {
    vec![
        refused(
            "model_of_the_wrong_width",
            |at| model(at, "[[layer]]\ntype = \"Dense\"\nunits = 3"),
            MODEL,
            &["gives 3 outputs and the data has 2 classes", "units = \"classes\""],
        ),
        refused(
            "model_without_dense_at_the_end",
            |at| model(at, "[[layer]]\ntype = \"Dropout\"\nrate = 0.5"),
            MODEL,
            &["has no parameters", "nothing to learn"],
        ),
        refused(
            "model_that_ends_in_an_image",
            |at| {
                idx_set(at);
                file(&at.join("m.toml"), "[[layer]]\ntype = \"Conv2D\"\nfilters = 2\nkernel_size = 3");
            },
            &["--data", "set", "--model", "m.toml"],
            &["ends in a shape of [2, 6, 6]", "Flatten"],
        ),
        refused(
            "model_without_weights",
            |at| {
                file(
                    &at.join("t.csv"),
                    super::make::rows("x,y,class", 40, |i| format!("{}.5,{},{}", i % 7, i % 5, i % 2)),
                );
                file(&at.join("m.toml"), "[[layer]]\ntype = \"Dropout\"\nrate = 0.0");
            },
            MODEL,
            &["has no parameters", "nothing to learn"],
        ),
        refused(
            "model_of_images_for_a_table",
            good_table,
            &["--data", "t.csv", "--model", "keras-cnn"],
            &["layer 1 (Conv2D \"conv1\")", "expected images"],
        ),
        refused(
            "model_of_a_thousand_billion",
            |at| dense(at, "1000000000000"),
            MODEL,
            &["layer 1 (Dense \"dense1\")", "more than 4294967295 elements"],
        ),
        refused(
            "model_beyond_64_bits",
            |at| dense(at, "9223372036854775807"),
            MODEL,
            &["layer 1 (Dense \"dense1\")", "more than 4294967295 elements"],
        ),
        refused(
            "model_beyond_memory",
            |at| {
                let wide = "[[layer]]\ntype = \"Dense\"\nunits = 60000\n".repeat(2);
                model(at, &format!("{wide}[[layer]]\ntype = \"Dense\"\nunits = \"classes\""));
            },
            MODEL,
            &[
                "the training needs",
                "GiB of the host's memory",
                "weights 13.4 GiB",
                "f32[60000, 60000] of dense2.weight",
            ],
        ),
        refused("model_of_no_units", |at| dense(at, "0"), MODEL, &["m.toml: layer 1: units = 0", "at least 1"]),
        refused("model_of_negative_units", |at| dense(at, "-4"), MODEL, &["layer 1: units = -4", "at least 1"]),
        refused(
            "model_with_an_unknown_type",
            |at| model(at, "[[layer]]\ntype = \"Dnse\"\nunits = 2"),
            MODEL,
            &["unknown layer type \"Dnse\"", "did you mean \"Dense\"?"],
        ),
        refused(
            "model_that_feeds_itself",
            |at| model(at, "[[layer]]\nname = \"a\"\ntype = \"Dense\"\nunits = 2\ninputs = [\"a\"]"),
            MODEL,
            &["unknown input layer \"a\""],
        ),
        refused(
            "model_with_one_name_twice",
            |at| {
                model(
                    at,
                    "[[layer]]\nname = \"a\"\ntype = \"Dense\"\nunits = 2\n[[layer]]\nname = \"a\"\ntype = \"Dense\"\nunits = 2",
                )
            },
            MODEL,
            &["layer 2: the name \"a\" is taken"],
        ),
        refused("model_with_no_layer", |at| model(at, "name = \"x\""), MODEL, &["has no [[layer]]"]),
        works(
            "model_with_a_path_for_a_name",
            |at| model(at, "name = \"../../x\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\""),
            MODEL,
            &["saved in runs/x-001"],
        ),
        refused("model_with_a_layer_of_text", |at| model(at, "layer = \"Dense\""), MODEL, &["has no [[layer]]"]),
        refused(
            "model_of_no_text",
            |at| {
                good_table(at);
                file(&at.join("m.toml"), [0xff, 0, 1]);
            },
            MODEL,
            &["m.toml", "UTF-8"],
        ),
        refused(
            "model_is_a_folder",
            |at| {
                good_table(at);
                std::fs::create_dir(at.join("m.toml")).expect("made");
            },
            MODEL,
            &["m.toml", "directory"],
        ),
        refused(
            "model_is_a_checkpoint",
            |at| {
                good_table(at);
                file(&at.join("m.safetensors"), [8, 0, 0, 0, 0, 0, 0, 0]);
            },
            &["--data", "t.csv", "--model", "m.safetensors"],
            &["m.safetensors", "not valid TOML"],
        ),
        works(
            "model_of_many_layers",
            |at| {
                model(
                    at,
                    &format!(
                        "{}[[layer]]\ntype = \"Dense\"\nunits = \"classes\"",
                        "[[layer]]\ntype = \"Dense\"\nunits = 4\n".repeat(300)
                    ),
                )
            },
            MODEL,
            &["saved in"],
        ),
        refused(
            "model_that_drops_all",
            |at| {
                model(at, "[[layer]]\ntype = \"Dropout\"\nrate = 1.0\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"")
            },
            MODEL,
            &["rate = 1.0", "expected a number from 0"],
        ),
    ]
}
