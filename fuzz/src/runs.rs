//! Small models of each kind, trained in a moment.

use std::path::{Path, PathBuf};
use wgrad::data::series::SeriesOptions;
use wgrad::data::{Dataset, Targets};
use wgrad::nn::Description;
use wgrad::run::trainer::Trainer;

/// The names of the runs of [`all`].
pub const NAMES: [&str; 5] = ["pictures", "flats", "wave", "moods", "story"];

/// The folders of runs of pictures, rows of a table, a series, texts with classes and a text, in a
/// folder.
pub fn all(at: &Path) {
    pictures(&at.join("pictures"));
    flats(at);
    wave(at);
    moods(at);
    story(at);
}

/// A file of data, and the training of a few steps that it is for.
fn trainer(at: &Path, run: &str, file: &str, text: String) -> Trainer {
    let file = at.join(file);
    std::fs::write(&file, text).expect("room for a passing file");
    let data: &Path = &file;
    Trainer::new().data(data).epochs(1).settings(|s| s.max_steps = Some(4)).device("cpu").out(at.join(run))
}

fn fit(trainer: Trainer) {
    trainer.fit().expect("a small training works");
}

fn described(toml: &str) -> Description {
    Description::parse(toml).expect("a valid description")
}

/// Bright and dark pictures of 8 by 8 pixels.
fn pictures(out: &Path) {
    let samples: Vec<u8> = (0..16).flat_map(|i| (0..64).map(move |p| (i % 2 * 150 + p) as u8)).collect();
    let labels = (0..16).map(|i| i % 2).collect();
    let names = vec!["dark".to_string(), "bright".to_string()];
    let set = Dataset {
        name: "pictures".into(),
        shape: vec![1, 8, 8],
        samples: samples.into(),
        targets: Targets::Classes { labels, names },
        origin: Default::default(),
    };
    let model = described("[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n");
    fit(Trainer::new().model(model).data(set).epochs(1).settings(|s| s.max_steps = Some(4)).device("cpu").out(out));
}

/// Flats with prices. The folder of the run.
pub fn flats(at: &Path) -> PathBuf {
    let row = |i: usize| {
        let size = 30 + i * 37 % 90;
        format!("{size}.5,{},2024-01-{:02},{}\n", ["north", "south"][i % 2], 1 + i % 28, size + 500 * (i % 2))
    };
    let text = "size,district,seen,price\n".to_string() + &(0..60).map(row).collect::<String>();
    fit(trainer(at, "flats", "flats.csv", text).target("price"));
    at.join("flats")
}

/// A wave by the month.
fn wave(at: &Path) {
    let row = |i: usize| format!("{}-{:02}-01,{:.3}\n", 2000 + i / 12, 1 + i % 12, (i as f64 / 2.0).sin() * 10.0);
    let text = "month,value\n".to_string() + &(0..60).map(row).collect::<String>();
    let options = SeriesOptions { window: 6, horizon: 2, ..SeriesOptions::default() };
    fit(trainer(at, "wave", "wave.csv", text).series(options).target("value"));
}

/// Texts that are glad or sad.
fn moods(at: &Path) {
    let row = |i: usize| format!("\"it was {} number {i}\",{}\n", ["good", "bad"][i % 2], ["glad", "sad"][i % 2]);
    let text = "text,mood\n".to_string() + &(0..40).map(row).collect::<String>();
    let model = described(
        "[[layer]]\ntype = \"Embedding\"\noutput_dim = 4\nmask_zero = true\n[[layer]]\n\
         type = \"GlobalAveragePooling1D\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n",
    );
    fit(trainer(at, "moods", "moods.csv", text).model(model).target("mood"));
}

/// A language model of a text that repeats.
fn story(at: &Path) {
    let model = described(
        "input = [8]\n[[layer]]\ntype = \"Embedding\"\noutput_dim = 8\n[[layer]]\ntype = \"GRU\"\nunits = 8\n\
         return_sequences = true\n[[layer]]\ntype = \"Dense\"\nunits = \"vocabulary\"\n",
    );
    fit(trainer(at, "story", "story.txt", "the cat sat on the mat. ".repeat(40)).model(model));
}
