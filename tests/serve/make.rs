//! Small models of each kind, trained once, and servers of them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use wgrad::device::Device;
use wgrad::nn::Description;
use wgrad::prelude::*;
use wgrad::serve::{Served, Server, Settings as Serving};

/// The side of the pictures.
pub const SIDE: usize = 8;

/// Points whose class is the sign of their first coordinate.
pub fn halves(out: &Path, epochs: usize) {
    let samples: Vec<f32> = (0..128).map(|i| ((i * 7_919) % 1_000) as f32 / 500.0 - 0.999).collect();
    let labels = samples.chunks(2).map(|x| u32::from(x[0] > 0.0)).collect();
    let set = Dataset::of_classes("halves", &[2], samples, labels, &["left", "right"]).unwrap();
    let model = Sequential::new().add(Dense::new(8).activation("relu")).add(Dense::new(2));
    Trainer::new().model(model).data(set).epochs(epochs).lr(0.05).device("cpu").out(out).fit().unwrap();
}

/// Bright and dark pictures, one channel of bytes.
fn pictures(out: &Path) {
    let n = 32;
    let samples: Vec<u8> = (0..n).flat_map(|i| (0..SIDE * SIDE).map(move |p| (i % 2 * 150 + p) as u8)).collect();
    let labels = (0..n as u32).map(|i| i % 2).collect();
    let names = vec!["dark".to_string(), "bright".to_string()];
    let set = Dataset {
        name: "pictures".into(),
        shape: vec![1, SIDE, SIDE],
        samples: samples.into(),
        targets: Targets::Classes { labels, names },
        origin: Default::default(),
    };
    let model = Sequential::new().add(Flatten).add(Dense::new(2));
    Trainer::new().model(model).data(set).epochs(10).lr(0.05).device("cpu").out(out).fit().unwrap();
}

/// Flats with prices.
fn flats(at: &Path, out: &Path) {
    let row = |i: usize| {
        let size = 30 + i * 37 % 90;
        format!("{size}.5,{},{}\n", ["north", "south"][i % 2], size + 500 * (i % 2))
    };
    let file = at.join("flats.csv");
    std::fs::write(&file, "size,district,price\n".to_string() + &(0..120).map(row).collect::<String>()).unwrap();
    Trainer::new()
        .data(&*file)
        .target("price")
        .epochs(5)
        .settings(|s| s.max_steps = Some(20))
        .device("cpu")
        .out(out)
        .fit()
        .unwrap();
}

/// A wave by the month.
fn wave(at: &Path, out: &Path) {
    let row = |i: usize| format!("{}-{:02}-01,{:.3}\n", 2000 + i / 12, 1 + i % 12, (i as f64 / 2.0).sin() * 10.0);
    let file = at.join("wave.csv");
    std::fs::write(&file, "month,value\n".to_string() + &(0..96).map(row).collect::<String>()).unwrap();
    let options = SeriesOptions { window: 12, horizon: 2, ..SeriesOptions::default() };
    Trainer::new()
        .data(&*file)
        .series(options)
        .target("value")
        .epochs(2)
        .settings(|s| s.max_steps = Some(20))
        .device("cpu")
        .out(out)
        .fit()
        .unwrap();
}

fn described(toml: &str) -> Description {
    Description::parse(toml).unwrap()
}

/// Texts that are glad or sad.
fn texts(at: &Path, out: &Path) {
    let row = |i: usize| format!("\"it was {} number {i}\",{}\n", ["good", "bad"][i % 2], ["glad", "sad"][i % 2]);
    let file = at.join("texts.csv");
    std::fs::write(&file, "text,mood\n".to_string() + &(0..60).map(row).collect::<String>()).unwrap();
    let model = described(
        "name = \"texts\"\n[[layer]]\ntype = \"Embedding\"\noutput_dim = 8\nmask_zero = true\n[[layer]]\n\
         type = \"GlobalAveragePooling1D\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n",
    );
    Trainer::new()
        .model(model)
        .data(&*file)
        .target("mood")
        .epochs(3)
        .settings(|s| s.max_steps = Some(20))
        .device("cpu")
        .out(out)
        .fit()
        .unwrap();
}

/// A language model of a text that repeats.
fn writer(at: &Path, out: &Path) {
    let file = at.join("story.txt");
    std::fs::write(&file, "the cat sat on the mat. ".repeat(60)).unwrap();
    let model = described(
        "name = \"writer\"\ninput = [16]\n[[layer]]\ntype = \"Embedding\"\noutput_dim = 16\n[[layer]]\ntype = \"GRU\"\n\
         units = 16\nreturn_sequences = true\n[[layer]]\ntype = \"Dense\"\nunits = \"vocabulary\"\n",
    );
    Trainer::new()
        .model(model)
        .data(&*file)
        .epochs(1)
        .settings(|s| s.max_steps = Some(20))
        .device("cpu")
        .out(out)
        .fit()
        .unwrap();
}

/// The folders of the models; they stay until the process ends.
pub fn models() -> &'static Path {
    static MODELS: OnceLock<tempfile::TempDir> = OnceLock::new();
    MODELS
        .get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let at = dir.path();
            halves(&at.join("halves"), 20);
            pictures(&at.join("pictures"));
            flats(at, &at.join("flats"));
            wave(at, &at.join("wave"));
            texts(at, &at.join("texts"));
            writer(at, &at.join("writer"));
            dir
        })
        .path()
}

pub fn run(name: &str) -> PathBuf {
    models().join(name)
}

/// Serves some of the models.
pub fn serve(names: &[&str], change: impl FnOnce(&mut Serving)) -> Server {
    let runs: Vec<Served> = names.iter().map(|name| Served { name: name.to_string(), run: run(name) }).collect();
    serve_runs(&runs, change)
}

pub fn serve_runs(runs: &[Served], change: impl FnOnce(&mut Serving)) -> Server {
    let mut settings = Serving { port: 0, access_log: false, ..Serving::default() };
    change(&mut settings);
    Server::start(runs, Device::open("cpu").unwrap(), settings).unwrap()
}

/// What the library itself answers.
pub fn predictor(name: &str) -> Predictor {
    Predictor::open_on(run(name), &wgrad::run::request::DeviceRequest::named("cpu")).unwrap()
}

/// A picture as a PNG file.
pub fn png(width: u32, height: u32, value: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(vec![]);
    let picture = image::GrayImage::from_pixel(width, height, image::Luma([value]));
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}
