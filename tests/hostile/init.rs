//! Weights to start from that are broken, or of another model.

use super::checkpoints::{LAST, trained};
use super::make::{file, good_table, rows as lines};
use super::{Row, refused, works};
use std::path::Path;

const INIT: &[&str] = &["--init", "out", "--data", "u.csv", "--out", "second"];

fn other_table(at: &Path) {
    trained(at);
    file(
        &at.join("u.csv"),
        lines("a,b,c,kind", 40, |i| format!("{}.5,{}.1,{}.7,{}", i % 7, i % 5, i % 3, ["x", "y", "z"][i % 3])),
    );
}

pub fn rows() -> Vec<Row> {
    let refused =
        |name, make, args, says| refused(name, make, args, says).then(|at| assert!(!at.join("second").exists()));
    vec![
        works(
            "init_that_fits_in_part",
            other_table,
            INIT,
            &["3 of 6 tensors matched, 3 drawn anew", "dense1.weight  [64, "],
        ),
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
            &["d holds no checkpoints/last/model.safetensors and no model.safetensors"],
        ),
        works(
            "init_mapped",
            |at| {
                trained(at);
                std::fs::rename(at.join(LAST), at.join("model.safetensors")).expect("moved");
                let model = "name = \"m\"\n[[layer]]\ntype = \"Dense\"\nunits = 64\nname = \"first\"\n\
                             [[layer]]\ntype = \"Dense\"\nunits = \"classes\"\nname = \"second\"\n";
                file(&at.join("m.toml"), model);
            },
            &[
                "--init",
                ".",
                "--init-map",
                "dense1.=first.,dense2.=second.",
                "--data",
                "t.csv",
                "--out",
                "second",
                "--model",
                "m.toml",
            ],
            &[
                "2 of 4 tensors matched, 2 drawn anew, 2 of the file left over",
                "first.weight  F32  from dense1.weight",
                "second.weight  [32, 64] F32 in the file, [2, 64] of floats here  from dense2.weight",
            ],
        ),
        refused(
            "init_with_a_map_of_nothing",
            trained,
            &["--init", "out", "--init-map", "model.=", "--data", "t.csv", "--out", "second"],
            &["--init-map \"model.=\": no tensor of", "dense1.bias [64]"],
        )
        .with_code(2)
        .then(|at| assert!(!at.join("second").exists())),
        refused(
            "init_with_a_map_that_is_none",
            trained,
            &["--init", "out", "--init-map", "model.", "--data", "t.csv", "--out", "second"],
            &["is no pair FROM=TO"],
        )
        .with_code(2)
        .then(|at| assert!(!at.join("second").exists())),
        refused(
            "init_from_a_pickle",
            |at| {
                good_table(at);
                file(&at.join("m.pt"), b"PK\x03\x04 and so on");
            },
            &["--init", "m.pt", "--data", "t.csv", "--out", "second"],
            &["torch.save", "save_file"],
        ),
        refused(
            "init_map_without_a_file",
            good_table,
            &["--init-map", "model.=", "--data", "t.csv", "--out", "second"],
            &["--init"],
        )
        .with_code(2),
        refused(
            "init_from_a_table",
            good_table,
            &["--init", "t.csv", "--data", "t.csv", "--out", "second"],
            &["t.csv is not a usable checkpoint"],
        ),
    ]
}
