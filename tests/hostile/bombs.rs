//! Files that unfold to more than there is memory for, that never end, or in
//! which nobody writes.

use super::make::{file, gzip, idx, table};
use super::{Row, refused, works};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An `.npy` file without its elements.
fn header(descr: &str, shape: &str) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    text += &" ".repeat(63 - (text.len() + 10) % 64);
    text.push('\n');
    [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
}

/// `set.npz`: samples of zeros, and as many targets.
fn archive(at: &Path, descr: &str, rows: usize, width: usize) {
    let mut zip = ZipWriter::new(File::create(at.join("set.npz")).expect("a file"));
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).compression_level(Some(1));
    let mut member = |name: &str, head: Vec<u8>, zeros: usize| {
        zip.start_file(name, options).expect("begun");
        zip.write_all(&head).expect("written");
        let block = vec![0; 1 << 20];
        let mut left = zeros;
        while left > 0 {
            let n = left.min(block.len());
            zip.write_all(&block[..n]).expect("written");
            left -= n;
        }
    };
    let bytes: usize = descr[2..].parse().expect("a width");
    member("x.npy", header(descr, &format!("({rows}, {width})")), rows * width * bytes);
    member("y.npy", header("|u1", &format!("({rows},)")), 0);
    zip.write_all(&(0..rows).map(|i| i as u8 % 2).collect::<Vec<u8>>()).expect("written");
    zip.finish().expect("finished");
    let packed = at.join("set.npz").metadata().expect("a file").len();
    assert!(packed < 16 << 20, "{packed} bytes are no bomb");
}

/// A file that says that it is very long, and takes no room.
fn sparse(path: &Path, start: &[u8]) {
    file(path, start);
    File::options().write(true).open(path).and_then(|f| f.set_len(1 << 40)).expect("a length");
}

/// A pipe in which nobody writes.
pub fn pipe(path: &Path) {
    // It may be there as a file.
    let _ = std::fs::remove_file(path);
    assert!(std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

/// A run of one step in `out`.
pub fn trained(at: &Path) {
    file(&at.join("t.csv"), table());
    let (code, said, _) = super::wgrad(at, &["--data", "t.csv", "--out", "out"]);
    assert_eq!(code, Some(0), "{said}");
}

/// A run in which one file is another.
fn with(at: &Path, name: &str, make: impl Fn(&Path)) {
    trained(at);
    make(&at.join("out").join(name));
}

const RESUME: &[&str] = &["--resume", "--out", "out", "--epochs", "2"];
const EVAL: &[&str] = &["eval", "out", "--device", "cpu", "--data", "t.csv"];

pub fn rows() -> Vec<Row> {
    let refused_there = |name, make, args, says| refused(name, make, args, says).then(|_| {});
    let mut all = vec![
        refused(
            "archive_that_unfolds_to_floats",
            |at| archive(at, "<f4", 1000, 500_000),
            &["--data", "set.npz", "--model", "mlp"],
            &["x of set.npz takes 1.9 GiB in memory", "is compressed", "--data-memory"],
        ),
        refused(
            "archive_of_bytes_that_grow",
            |at| archive(at, "|i1", 1000, 800_000),
            &["--data", "set.npz", "--model", "mlp"],
            &["x of set.npz takes 3.0 GiB in memory", "--data-memory"],
        ),
        works(
            "archive_within_the_budget",
            |at| archive(at, "|i1", 40, 8),
            &["--data", "set.npz", "--model", "mlp", "--set", "data.val_split=0", "--max-memory", "1MiB"],
            &["saved in"],
        ),
        refused(
            "archive_beyond_a_budget_as_typed",
            |at| archive(at, "|i1", 40, 80_000),
            &["--data", "set.npz", "--model", "mlp", "--max-memory", "1MiB"],
            &["x of set.npz takes 12.2 MiB in memory, more than 1.0 MiB (--max-memory;"],
        ),
        refused("budget_of_nothing", |_| {}, &["--max-memory", "0"], &["--max-memory", "expected one such as 512MiB"])
            .with_code(2),
        refused(
            "table_of_very_many_cells",
            |at| file(&at.join("t.csv"), "a,b\n".to_string() + &"1,2\n".repeat(1_000_000)),
            &["--data", "t.csv", "--max-memory", "32MiB"],
            &["t.csv takes more than 32.0 MiB (its text and its cells", "--max-memory"],
        ),
        refused(
            // Either would fit without the other.
            "table_that_does_not_fit_is_read_in_pieces",
            |at| file(&at.join("t.csv"), "a,b\n".to_string() + &format!("{},x\n", "long ".repeat(400)).repeat(3000)),
            &["--data", "t.csv", "--max-memory", "8MiB"],
            &["all 3000 rows have the class \"x\""],
        ),
        refused(
            "images_that_unfold",
            |at| {
                // What does not pack can unfold to anything.
                let mut state = 1u64;
                let mut noise = vec![0; 3 << 20];
                for byte in &mut noise {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    *byte = (state >> 56) as u8;
                }
                file(&at.join("set/train-images-idx3-ubyte.gz"), gzip(&idx(&[50_000, 200, 200], &noise)));
                file(&at.join("set/train-labels-idx1-ubyte"), idx(&[4], &[0, 1, 0, 1]));
            },
            &["--data", "set"],
            &["train-images-idx3-ubyte.gz is gzipped and takes 1.9 GiB in memory", "--data-memory"],
        ),
        refused(
            "text_that_unfolds",
            |at| file(&at.join("t.txt.gz"), gzip(&b"to be or not to be\n".repeat(48 << 20))),
            &["--data", "t.txt.gz", "--model", "char-lstm"],
            &["t.txt.gz takes more than", "--max-memory"],
        ),
        refused(
            "table_without_end",
            |at| sparse(&at.join("t.csv"), table().as_bytes()),
            &["--data", "t.csv"],
            &["t.csv, line", "no row ends within 67108864 bytes"],
        ),
        refused(
            "array_without_end",
            |at| {
                sparse(&at.join("x.npy"), &header("<f4", "(1000, 200000000)"));
                file(&at.join("y.npy"), [header("|u1", "(1000,)"), vec![0; 1000]].concat());
            },
            &["--data", "x.npy"],
            &["x.npy takes 745.1 GiB in memory", "each sample takes", "--data-memory"],
        ),
        refused(
            "model_without_end",
            |at| {
                file(&at.join("t.csv"), table());
                sparse(&at.join("m.toml"), b"name = \"m\"\n");
            },
            &["--data", "t.csv", "--model", "m.toml"],
            &["reading model m.toml: it holds more than 16777216 bytes"],
        ),
        refused(
            "settings_without_end",
            |at| sparse(&at.join("run.toml"), b"data.source = \"digits\"\n"),
            &["run.toml"],
            &["reading run.toml: it holds more than 16777216 bytes"],
        ),
        refused_there(
            "log_without_end",
            |at| with(at, "metrics.jsonl", |path| sparse(path, b"")),
            RESUME,
            &["out/metrics.jsonl holds 1099511627776 bytes; expected at most"],
        ),
        refused_there(
            "checkpoint_without_end",
            |at| with(at, "checkpoints/last/model.safetensors", |path| sparse(path, b"")),
            EVAL,
            &["model.safetensors takes 2048.0 GiB in memory", "--max-memory"],
        ),
        refused_there(
            "state_of_training_without_end",
            |at| with(at, "checkpoints/last/training.safetensors", |path| sparse(path, b"")),
            RESUME,
            &["training.safetensors takes 2048.0 GiB in memory", "--max-memory"],
        ),
        refused_there(
            "evaluation_without_end",
            |at| with(at, "evaluation.json", |path| sparse(path, b"")),
            &["report", "out"],
            &["out/evaluation.json holds 1099511627776 bytes"],
        ),
    ];
    if cfg!(unix) {
        all.extend(pipes());
    }
    all
}

/// Nobody waits for a writer that never comes.
fn pipes() -> Vec<Row> {
    let refused = |name, make, args, says| refused(name, make, args, says).then(|_| {});
    vec![
        refused(
            "settings_are_a_pipe",
            |at| pipe(&at.join("run.toml")),
            &["run.toml"],
            &["reading run.toml: it is not a regular file"],
        ),
        refused(
            "model_is_a_pipe",
            |at| {
                file(&at.join("t.csv"), table());
                pipe(&at.join("m.toml"));
            },
            &["--data", "t.csv", "--model", "m.toml"],
            &["reading model m.toml: it is not a regular file"],
        ),
        refused(
            "settings_of_a_run_are_a_pipe",
            |at| with(at, "config.toml", pipe),
            RESUME,
            &["reading out/config.toml: it is not a regular file"],
        ),
        refused(
            "log_is_a_pipe",
            |at| with(at, "metrics.jsonl", pipe),
            RESUME,
            &["reading out/metrics.jsonl: it is not a regular file"],
        ),
        refused(
            "choices_are_a_pipe",
            |at| with(at, "tuning.json", pipe),
            RESUME,
            &["reading out/tuning.json: it is not a regular file"],
        ),
        refused("lock_is_a_pipe", |at| with(at, ".lock", pipe), RESUME, &["out/.lock is a link or no regular file"]),
        refused(
            "table_of_epochs_is_a_pipe",
            |at| with(at, "metrics.csv", pipe),
            RESUME,
            &["writing out/metrics.csv: it is there and is not a regular file"],
        ),
        refused(
            "checkpoint_is_a_pipe",
            |at| with(at, "checkpoints/last/model.safetensors", pipe),
            EVAL,
            &["out holds no checkpoints/last/model.safetensors"],
        ),
        refused(
            "weights_are_a_pipe",
            |at| with(at, "weights", pipe),
            &["eval", "out/weights", "--device", "cpu", "--data", "t.csv"],
            &["reading out/weights: it is not a regular file"],
        ),
        refused(
            "evaluation_is_a_pipe",
            |at| with(at, "evaluation.json", pipe),
            &["report", "out"],
            &["reading out/evaluation.json: it is not a regular file"],
        ),
        refused(
            "watched_log_is_a_pipe",
            |at| with(at, "metrics.jsonl", pipe),
            &["watch", "out", "--once"],
            &["reading out/metrics.jsonl: it is not a regular file"],
        ),
    ]
}
