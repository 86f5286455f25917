//! Sets that are larger than the memory that they may take are read while they are trained
//! on: the same bits as when they are in memory, from every kind of source.

#[allow(dead_code, reason = "each suite uses its part")]
#[path = "../support"]
mod support {
    pub mod device;
    pub mod noise;
    pub mod place;
}
mod tables;
mod texts;

use image::{ImageFormat, Rgb, RgbImage};
use libtest_mimic::{Arguments, Failed, Trial};
use std::fs;
use std::path::Path;
use std::process::Output;
use support::device::{GPU_UNCHECKED, NO_ADAPTER, on_both};
use support::place::{Place, program, said};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![];
    for (name, source) in SOURCES {
        let test = move |on_gpu| same_bits(on_gpu, source);
        trials.extend(on_both(&format!("same_bits::{name}"), test));
    }
    trials.extend(on_both("same_bits_when_resumed", same_bits_when_resumed));
    let single: [(&str, Test); 8] = [
        ("a_cache_keeps_decoded_pictures", a_cache_keeps_decoded_pictures),
        ("an_audit_draws_samples", an_audit_draws_samples),
        ("every_normalisation", every_normalisation),
        ("scores_and_answers", scores_and_answers),
        ("broken_pictures_are_left_out", broken_pictures_are_left_out),
        ("pictures_that_change_are_noticed", pictures_that_change_are_noticed),
        ("what_cannot_be_read_in_parts_is_refused", what_cannot_be_read_in_parts_is_refused),
        ("learning_rates_are_swept", learning_rates_are_swept),
    ];
    trials.extend(single.map(|(name, test)| Trial::test(name, test)));
    trials.extend(tables::trials());
    trials.extend(texts::trials());
    if GPU_UNCHECKED.is_none() {
        eprintln!("GPU tests are ignored: {NO_ADAPTER}");
    }
    libtest_mimic::run(&args, trials).exit();
}

/// A test that needs no GPU.
type Test = fn() -> Result<(), Failed>;

/// A source: makes its files; what `--data` is; and memory that holds a batch and no more
/// than a few.
#[derive(Clone, Copy)]
struct Source {
    make: fn(&Place),
    data: &'static str,
    memory: &'static str,
    more: &'static str,
}

const SOURCES: [(&str, Source); 8] = [
    ("pictures", Source { make: pictures, data: "pets", memory: "16KiB", more: "--set data.size=[12,10]" }),
    ("grey_pictures", Source { make: grey_pictures, data: "grey", memory: "16KiB", more: "" }),
    ("arrays_of_floats", Source { make: floats, data: "x.npy", memory: "1000", more: "" }),
    ("arrays_of_pixels", Source { make: pixels, data: "pixels.npz", memory: "8KiB", more: "" }),
    ("arrays_of_doubles", Source { make: doubles, data: "x.npy", memory: "1000", more: "" }),
    ("idx", Source { make: idx, data: "idx", memory: "4000", more: "" }),
    (
        "idx_resized",
        Source { make: idx, data: "idx", memory: "16000", more: "--set data.size=[12,12] --set data.channels=3" },
    ),
    ("cifar", Source { make: cifar, data: "cifar", memory: "128KiB", more: "" }),
];

const MODEL: &str = "[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = 9\nactivation = \"tanh\"\n\
                     [[layer]]\ntype = \"Dropout\"\nrate = 0.2\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";
const TRAIN: &str = "--model model.toml --epochs 3 --batch-size 8 --lr 0.01 --seed 3 --val-split 0.2";

/// A number between 0 and 255 that looks like noise.
fn noise(i: usize) -> u8 {
    (support::noise::noise(i).abs() * 997.0) as u8
}

fn picture(seed: usize, width: u32, height: u32, is_grey: bool) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let at = |c: u32| noise(seed * 1009 + (x * 31 + y * 17 + c * 7) as usize);
        if is_grey { Rgb([at(0); 3]) } else { Rgb([at(0), at(1), at(2)]) }
    })
}

/// 72 pictures of three classes, of several sizes and formats; two of them are broken.
fn pictures(place: &Place) {
    for i in 0..72 {
        let class = ["cat", "dog", "owl"][i % 3];
        let (ending, format) = [("jpg", ImageFormat::Jpeg), ("png", ImageFormat::Png)][i % 2];
        let path = place.write(&format!("pets/{class}/{i}.{ending}"), "");
        picture(i, 10 + (i % 5) as u32, 12 + (i % 4) as u32, false).save_with_format(path, format).expect("written");
    }
    let png = fs::read(place.path("pets/owl/5.png")).expect("read");
    place.write("pets/owl/cut.png", &png[..png.len() / 2]);
    place.write("pets/cat/none.jpg", "no picture");
}

/// Pictures in colour formats whose channels are equal.
fn grey_pictures(place: &Place) {
    for i in 0..60 {
        let path = place.write(&format!("grey/{}/{i}.png", ["a", "b"][i % 2]), "");
        picture(i, 10, 12, true).save(path).expect("written");
    }
}

/// An array as NumPy writes it.
fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|n| format!("{n},")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
}

fn labels(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i % 3) as u8).collect()
}

fn floats(place: &Place) {
    let x = (0..90 * 5).flat_map(|i| (support::noise::noise(i) as f32).to_le_bytes()).collect::<Vec<u8>>();
    place.write("x.npy", npy("<f4", &[90, 5], &x));
    place.write("y.npy", npy("|u1", &[90], &labels(90)));
}

fn doubles(place: &Place) {
    let x = (0..90 * 5).flat_map(|i| (100.0 * support::noise::noise(i)).to_be_bytes()).collect::<Vec<u8>>();
    place.write("x.npy", npy(">f8", &[90, 5], &x));
    place.write("y.npy", npy("|u1", &[90], &labels(90)));
}

/// An archive that is not compressed, channels last, with a test set.
fn pixels(place: &Place) {
    let file = fs::File::create(place.path("pixels.npz")).expect("made");
    let mut zip = zip::ZipWriter::new(file);
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let x = |n: usize| npy("|u1", &[n, 8, 9, 3], &(0..n * 216).map(noise).collect::<Vec<u8>>());
    let y =
        |n: usize| npy("<i4", &[n], &labels(n).iter().flat_map(|&l| i32::from(l).to_le_bytes()).collect::<Vec<u8>>());
    for (name, bytes) in [("x_train", x(80)), ("y_train", y(80)), ("x_test", x(21)), ("y_test", y(21))] {
        zip.start_file(format!("{name}.npy"), stored).expect("begun");
        std::io::Write::write_all(&mut zip, &bytes).expect("written");
    }
    zip.finish().expect("finished");
}

fn idx_file(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = shape.iter().flat_map(|d| d.to_be_bytes()).collect();
    [&[0, 0, 8, shape.len() as u8], &dims[..], data].concat()
}

fn idx(place: &Place) {
    for (split, n) in [("train", 100), ("t10k", 60)] {
        let pixels: Vec<u8> = (0..n * 90).map(noise).collect();
        place.write(&format!("idx/{split}-images-idx3-ubyte"), idx_file(&[n as u32, 10, 9], &pixels));
        place.write(&format!("idx/{split}-labels-idx1-ubyte"), idx_file(&[n as u32], &labels(n)));
    }
}

fn cifar(place: &Place) {
    for (name, n) in [("data_batch_1", 30), ("data_batch_2", 27), ("test_batch", 20)] {
        let record = |i: usize| [vec![(i % 3) as u8], (0..3072).map(|p| noise(i * 4001 + p)).collect()].concat();
        place.write(&format!("cifar/{name}.bin"), (0..n).flat_map(record).collect::<Vec<u8>>());
    }
}

fn run(place: &Place, on_gpu: bool, words: &str) -> Output {
    let gpu = || GPU_UNCHECKED.as_ref().expect(NO_ADAPTER).adapter.name.clone();
    let device = if on_gpu { gpu() } else { "cpu".into() };
    program(place.root(), words).env("WGRAD_DEVICE", device).output().expect("the program starts")
}

/// What it says of a command that works.
fn works(place: &Place, on_gpu: bool, words: &str) -> String {
    let output = run(place, on_gpu, words);
    assert!(output.status.success(), "{words}: {}", said(&output));
    said(&output)
}

fn message(place: &Place, words: &str) -> String {
    let output = run(place, false, words);
    assert!(!output.status.success(), "{words}");
    said(&output)
}

/// Fails where two runs did not end with the same weights, state and scores.
fn compare(place: &Place, a: &str, b: &str) -> Result<(), Failed> {
    for file in ["checkpoints/last/model.safetensors", "checkpoints/last/training.safetensors", "evaluation.json"] {
        let [one, other] =
            [a, b].map(|run| fs::read(Path::new(&place.path(run)).join(file)).expect("a file of the run"));
        if one != other {
            return Err(format!("{file} of {a} and {b} differ").into());
        }
    }
    Ok(())
}

fn augmented(source: Source) -> &'static str {
    let is_array = source.data.ends_with(".npy");
    if is_array {
        ""
    } else {
        "--set augment.flip_horizontal=0.5 --set augment.crop_padding=2 --set augment.brightness=0.2"
    }
}

fn same_bits(on_gpu: bool, source: Source) -> Result<(), Failed> {
    let place = Place::new();
    place.write("model.toml", MODEL);
    (source.make)(&place);
    let (data, more) = (source.data, source.more);
    let words = format!("train --data {data} {TRAIN} {more} {}", augmented(source));
    let held = works(&place, on_gpu, &format!("{words} --out held"));
    assert!(!held.contains("--data-memory"), "{held}");
    let read = works(&place, on_gpu, &format!("{words} --out read --data-memory {}", source.memory));
    assert!(read.contains("(--data-memory)") && read.contains("needed"), "{read}");
    compare(&place, "held", "read")
}

fn same_bits_when_resumed(on_gpu: bool) -> Result<(), Failed> {
    let place = Place::new();
    place.write("model.toml", MODEL);
    pictures(&place);
    let words = format!("train --data pets {TRAIN} --set data.size=[12,10]");
    works(&place, on_gpu, &format!("{words} --out held"));
    // Stopped within a window and within an epoch; memory may be another from then on.
    for (memory, then) in [("16KiB", "12KiB"), ("16KiB", "1GiB"), ("1GiB", "16KiB")] {
        works(&place, on_gpu, &format!("{words} --out parts --max-steps 10 --data-memory {memory}"));
        works(&place, on_gpu, &format!("train --resume --out parts --set train.max_steps=0 --data-memory {then}"));
        compare(&place, "held", "parts")?;
        fs::remove_dir_all(place.path("parts")).expect("removed");
    }
    // Other pictures are not those that the run was trained on.
    works(&place, on_gpu, &format!("{words} --out parts --max-steps 10 --data-memory 16KiB"));
    for i in (0..72).step_by(6) {
        picture(100 + i, 10, 12, false).save(place.path(&format!("pets/cat/{i}.jpg"))).expect("written");
    }
    let output = run(&place, on_gpu, "train --resume --out parts --set train.max_steps=0 --data-memory 16KiB");
    let said = said(&output);
    assert!(!output.status.success() && said.contains("pets is not the data that this run was trained on"), "{said}");
    Ok(())
}

fn every_normalisation() -> Result<(), Failed> {
    let place = Place::new();
    place.write("model.toml", MODEL);
    pictures(&place);
    floats(&place);
    for (data, memory) in [("pets", "16KiB"), ("x.npy", "1000")] {
        for method in ["minmax", "robust", "none"] {
            let words = format!("train --data {data} {TRAIN} --epochs 1 --set data.normalize={method} --out");
            works(&place, false, &format!("{words} {data}-{method}").replace("--epochs 3", ""));
            let words = format!("{words} read-{data}-{method} --data-memory {memory}").replace("--epochs 3", "");
            works(&place, false, &words);
            compare(&place, &format!("{data}-{method}"), &format!("read-{data}-{method}"))?;
        }
    }
    Ok(())
}

/// The JSON object of a command that works.
fn json(place: &Place, words: &str) -> serde_json::Value {
    let output = run(place, false, &format!("{words} --json"));
    assert!(output.status.success(), "{words}: {}", said(&output));
    serde_json::from_slice(output.stdout.trim_ascii()).expect("JSON")
}

fn scores_and_answers() -> Result<(), Failed> {
    let place = Place::new();
    place.write("model.toml", MODEL);
    [pictures, idx, pixels].iter().for_each(|make| make(&place));
    works(&place, false, &format!("train --data pets {TRAIN} --set data.size=[12,10] --out pets-run"));
    works(&place, false, &format!("train --data idx {TRAIN} --out idx-run"));
    // The same pictures as floats from 0 to 1: what adapts them has to read them, too.
    let unit = (0..30 * 90).flat_map(|i| (f32::from(noise(i)) / 255.0).to_le_bytes()).collect::<Vec<u8>>();
    place.write("unit/x.npy", npy("<f4", &[30, 10, 9], &unit));
    place.write("unit/y.npy", npy("|u1", &[30], &labels(30)));
    for (run, data, memory) in
        [("pets-run", "pets", "16KiB"), ("idx-run", "idx", "4000"), ("idx-run", "unit/x.npy", "4000")]
    {
        let words = format!("eval {run} --data {data}");
        let [held, read] = ["1GiB", memory].map(|memory| json(&place, &format!("{words} --data-memory {memory}")));
        assert_eq!(held["test"], read["test"], "{words}");
        assert_eq!(held["confusion"], read["confusion"], "{words}");
    }
    let words = "predict idx-run unit/x.npy";
    let [held, read] = ["1GiB", "4000"].map(|memory| json(&place, &format!("{words} --data-memory {memory}")));
    assert_eq!(held["predictions"], read["predictions"]);
    assert_eq!(held["predictions"].as_array().map(Vec::len), Some(30));
    // A report shows the pictures that a model is wrong about.
    let words = format!("train --data pets {TRAIN} --set data.size=[12,10] --data-memory 16KiB --out shown");
    works(&place, false, &words);
    assert!(place.read("shown/evaluation.json").contains("data:image/png;base64,"));
    Ok(())
}

fn broken_pictures_are_left_out() -> Result<(), Failed> {
    let place = Place::new();
    place.write("model.toml", MODEL);
    pictures(&place);
    let told = works(
        &place,
        false,
        &format!("train --data pets {TRAIN} --epochs 1 --data-memory 16KiB --out run").replace("--epochs 3", ""),
    );
    assert!(told.contains("2 files cannot be read and are left out"), "{told}");
    assert!(
        told.contains("owl/cut.png: it cannot be decoded") && told.contains("cat/none.jpg: it is not PNG"),
        "{told}"
    );
    Ok(())
}

fn pictures_that_change_are_noticed() -> Result<(), Failed> {
    use wgrad::data::{OpenOptions, Store, Stored, recognise};
    let place = Place::new();
    pictures(&place);
    let bound = wgrad::files::memory::DataBound::of(Some(16 << 10));
    let found = recognise(&place.path("pets"))?;
    let opened = found.open_stored(0, &OpenOptions::default(), &Store::within(bound), &|_, _| {})?;
    let Stored::Read(opened) = opened else { return Err("expected pictures on disk".into()) };
    assert!(opened.train.fingerprint().is_ok());
    picture(7, 30, 30, false).save(place.path("pets/dog/1.png"))?;
    let message = opened.train.fingerprint().expect_err("a picture is another").to_string();
    assert!(message.contains("dog/1.png has changed since this run looked at it"), "{message}");
    fs::remove_file(place.path("pets/dog/1.png"))?;
    let message = opened.train.fingerprint().expect_err("a picture is gone").to_string();
    assert!(message.contains("cannot read picture") && message.contains("dog/1.png"), "{message}");
    Ok(())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).expect("packed");
    encoder.finish().expect("packed")
}

fn what_cannot_be_read_in_parts_is_refused() -> Result<(), Failed> {
    let place = Place::new();
    place.write("model.toml", MODEL);
    [pictures, idx, cifar, floats].iter().for_each(|make| make(&place));
    let refused = |data: &str, memory: &str, parts: &[&str]| {
        let message = message(&place, &format!("train --data {data} {TRAIN} --data-memory {memory} --out run"));
        for part in parts {
            assert!(message.contains(part), "{data}: {message}");
        }
    };
    // What is gzipped, in each format.
    for file in ["idx/train-images-idx3-ubyte", "cifar/data_batch_2.bin"] {
        let bytes = fs::read(place.path(file))?;
        place.write(&format!("{file}.gz"), gzip(&bytes));
        fs::remove_file(place.path(file))?;
    }
    refused(
        "idx",
        "4000",
        &["train-images-idx3-ubyte.gz is gzipped and takes 8.8 KiB", "gunzip", "raise --data-memory"],
    );
    refused("cifar", "128KiB", &["data_batch_2.bin.gz is gzipped and takes", "gunzip", "(--data-memory)"]);
    // A batch, and a sample, that have no room.
    refused("x.npy", "400", &["a batch of 8 samples takes 160 bytes", "100 bytes at most", "smaller batches"]);
    refused("x.npy", "60", &["each sample takes 20 bytes", "raise --data-memory"]);
    refused("pets", "1000", &["pictures as images of 3x", "make them smaller with data.size"]);
    let header = "{'descr': '<f4', 'fortran_order': True, 'shape': (90, 5), }\n";
    let start = [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    place.write("f/x.npy", [start, vec![0; 1800]].concat());
    place.write("f/y.npy", npy("|u1", &[90], &labels(90)));
    refused("f/x.npy", "1000", &["in Fortran's order", "numpy.ascontiguousarray(x)"]);
    let mut bytes = fs::read(place.path("x.npy"))?;
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    place.write("x.npy", bytes);
    refused("x.npy", "1000", &["sample 89 holds NaN"]);
    Ok(())
}

fn learning_rates_are_swept() -> Result<(), Failed> {
    let place = Place::new();
    place.write("model.toml", MODEL);
    pictures(&place);
    let words = "lr-find --data pets --model model.toml --batch-size 8 --steps 20";
    let [held, read] = ["1GiB", "16KiB"].map(|memory| json(&place, &format!("{words} --data-memory {memory}")));
    assert!(held["losses"].as_array().is_some_and(|points| points.len() > 5), "{held}");
    assert!(read["losses"].as_array().is_some_and(|losses| losses.len() > 5), "{read}");
    Ok(())
}

fn a_cache_keeps_decoded_pictures() -> Result<(), Failed> {
    let place = Place::new();
    place.write("model.toml", MODEL);
    [pictures, grey_pictures].iter().for_each(|make| make(&place));
    let files = || -> Vec<_> {
        fs::read_dir(place.path("kept")).expect("a folder").map(|file| file.expect("a file").path()).collect()
    };
    for (data, more) in [("pets", "--set data.size=[12,10]"), ("grey", "")] {
        let words = format!("train --data {data} {TRAIN} {more}");
        works(&place, false, &format!("{words} --out held-{data}"));
        let words = format!("{words} --data-memory 16KiB --data-cache kept --out");
        let first = works(&place, false, &format!("{words} first-{data}"));
        assert!(first.contains("they were decoded once, and are read when they are needed from the cache"), "{first}");
        let then = works(&place, false, &format!("{words} then-{data}"));
        assert!(then.contains("they are read when they are needed from the cache"), "{then}");
        assert_eq!(data == "pets", then.contains("owl/cut.png: it cannot be decoded"), "{then}");
        ["first", "then"]
            .iter()
            .try_for_each(|run| compare(&place, &format!("held-{data}"), &format!("{run}-{data}")))?;
    }
    assert_eq!(files().len(), 2, "a file for each folder: {:?}", files());
    // A picture that changes makes its file anew; no other is left behind.
    picture(900, 11, 12, false).save(place.path("pets/dog/1.png"))?;
    let words =
        format!("train --data pets {TRAIN} --set data.size=[12,10] --data-memory 16KiB --data-cache kept --out");
    let changed = works(&place, false, &format!("{words} changed"));
    assert!(changed.contains("they were decoded once"), "{changed}");
    assert_eq!(files().len(), 2);
    works(&place, false, &format!("train --data pets {TRAIN} --set data.size=[12,10] --out changed-held"));
    compare(&place, "changed", "changed-held")?;
    // What is cut off is made anew; what was changed within an image is noticed.
    let file = files().into_iter().max_by_key(|path| fs::metadata(path).map_or(0, |m| m.len())).expect("a file");
    let whole = fs::read(&file)?;
    for broken in [&whole[..whole.len() - 1], &whole[..20], b"", &[whole.clone(), vec![1]].concat()] {
        fs::write(&file, broken)?;
        assert!(works(&place, false, &format!("{words} again")).contains("they were decoded once"));
        assert!(fs::read(&file)? == whole, "the cache is what it was");
    }
    let mut broken = whole;
    broken[56 + 400] ^= 1;
    fs::write(&file, &broken)?;
    let damaged = message(&place, &format!("{words} damaged"));
    assert!(damaged.contains("is damaged") && damaged.contains("remove the file"), "{damaged}");
    place.write("file", "");
    let refused = message(&place, &format!("train --data pets {TRAIN} --data-memory 16KiB --data-cache file --out x"));
    assert!(refused.contains("making file"), "{refused}");
    Ok(())
}

fn an_audit_draws_samples() -> Result<(), Failed> {
    let place = Place::new();
    [pictures, idx, pixels, floats].iter().for_each(|make| make(&place));
    for (data, more, memory, looked_at, all) in [
        ("pets", "--set data.size=[12,10]", "16KiB", 22, 73),
        ("idx", "--set data.size=[12,12]", "4000", 13, 160),
        ("pixels.npz", "", "8KiB", 18, 101),
    ] {
        let words = format!("data {data} {more} --val-split 0.2 --data-memory");
        let [held, some] = ["1GiB", memory].map(|memory| json(&place, &format!("{words} {memory}")));
        assert!(held["sampled"].is_null(), "{held}");
        let n = some["sampled"].as_u64().expect("a number");
        assert!(n.abs_diff(looked_at) <= 3, "{data}: {n} of {all}");
        // What there is of all is still that of all; but for pictures that only decoding finds broken.
        if data != "pets" {
            assert_eq!((&held["splits"], &held["classes"]), (&some["splits"], &some["classes"]), "{data}");
        }
        let warning = some["warnings"][0].as_str().expect("a warning");
        assert!(warning.contains(&format!("{n} of {all} ")) && warning.contains("raise --data-memory"), "{warning}");
        let told = run(&place, false, &format!("{words} {memory}"));
        assert!(String::from_utf8_lossy(&told.stdout).contains("were looked at, drawn at random"));
    }
    let some = json(&place, "data x.npy --data-memory 1000");
    assert_eq!(some["samples"], serde_json::json!([90, 0, 0]));
    assert!(
        some["notes"][0].as_str().is_some_and(|note| note.contains("25 of 90 training samples were looked at")),
        "{some}"
    );
    assert!(some["range"][0].as_f64().is_some_and(|low| (-1.0..0.0).contains(&low)), "{some}");
    Ok(())
}
