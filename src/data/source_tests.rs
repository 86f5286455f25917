//! Folders as people have them, and what is said of those that do not work.

use super::super::recognise::{Role, role};
use super::*;
use crate::data::idx::{write_idx_images, write_idx_labels};
use crate::data::{SourceKind, kind};
use crate::error::Kind;
use std::fs;
use tempfile::{TempDir, tempdir};

fn set(n: usize, classes: u32) -> Images {
    Images {
        name: String::new(),
        channels: 1,
        height: 2,
        width: 2,
        pixels: (0..4 * n).map(|i| i as u8).collect(),
        labels: (0..n as u32).map(|i| i % classes).collect(),
        classes: class_names(classes as usize),
    }
}

/// A folder with these files: IDX files of 6 (training) or 4 (test) images,
/// batches of two records, and text under any other name.
fn folder(names: &[&str]) -> TempDir {
    let dir = tempdir().unwrap();
    for name in names {
        let path = dir.path().join(name);
        match role(name) {
            Some(Role::Images(split)) => write_idx_images(&path, &set([6, 4][split], 3)).unwrap(),
            Some(Role::Labels(split)) => write_idx_labels(&path, &set([6, 4][split], [3, 2][split])).unwrap(),
            Some(Role::Batch(_)) => {
                let label = name.bytes().find(u8::is_ascii_digit).map_or(9, |digit| digit - b'0');
                fs::write(&path, [&[label][..], &[7; 3072]].concat().repeat(2)).unwrap();
            }
            None => fs::write(&path, "text").unwrap(),
        }
    }
    dir
}

fn path(dir: &TempDir) -> &str {
    dir.path().to_str().unwrap()
}

fn message(source: &str) -> String {
    let e = open(source, 0).unwrap_err();
    assert_eq!(e.kind(), Kind::Data, "{e}");
    e.to_string()
}

#[test]
fn the_mnist_layout_opens_under_all_its_names() {
    for [end, dot] in [["", "-"], [".gz", "-"], ["", "."], [".gz", "."]] {
        let names =
            ["train-images#idx3-ubyte", "train-labels#idx1-ubyte", "t10k-images#idx3-ubyte", "t10k-labels#idx1-ubyte"]
                .map(|name| name.replace('#', dot) + end);
        let dir = folder(&names.each_ref().map(String::as_str));
        fs::write(dir.path().join("README.txt"), "text").unwrap();
        fs::create_dir(dir.path().join("train-images-idx4-ubyte")).unwrap();
        let found = open(path(&dir), 0).unwrap();
        let test = found.test.unwrap();
        assert_eq!((found.train.len(), test.len()), (6, 4));
        assert_eq!(found.train.image(1), [4, 5, 6, 7]);
        assert_eq!(found.train.labels, [0, 1, 2, 0, 1, 2]);
        // The test labels stop at 1, but class 2 exists.
        assert_eq!((found.train.classes.len(), test.classes.len()), (3, 3));
        assert_eq!(found.train.name, format!("{} train", path(&dir)));
        assert_eq!(open_test(path(&dir), 0).unwrap(), test);
    }
}

#[test]
fn cifar_batches_open_in_the_order_of_their_names() {
    let dir = folder(&["data_batch_2.bin", "data_batch_1.bin", "test_batch.bin", "batches.meta.txt"]);
    // A gzipped copy beside the plain file is not read twice.
    fs::copy(dir.path().join("data_batch_2.bin"), dir.path().join("data_batch_2.bin.gz")).unwrap();
    let found = open(path(&dir), 0).unwrap();
    assert_eq!(found.train.labels, [1, 1, 2, 2]);
    assert_eq!(found.test.unwrap().labels, [9, 9]);
    let file = dir.path().join("data_batch_2.bin");
    let found = open(file.to_str().unwrap(), 0).unwrap();
    assert_eq!((found.train.labels, found.test), (vec![2, 2], None));
    let file = dir.path().join("test_batch.bin");
    assert_eq!(open_test(file.to_str().unwrap(), 0).unwrap().labels, [9, 9]);
    let message = message(file.to_str().unwrap());
    assert!(message.contains("holds test files only (test_batch.bin), nothing to train on"), "{message}");
}

#[test]
fn evaluation_takes_the_split_that_is_there() {
    let dir = folder(&["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]);
    assert_eq!(open_test(path(&dir), 0).unwrap().len(), 4);
    let message = message(path(&dir));
    assert!(
        message.contains(
            "holds test files only (t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte), nothing to train on; \
                          expected also train-images-idx3-ubyte and train-labels-idx1-ubyte"
        ),
        "{message}"
    );
    let dir = folder(&["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]);
    assert_eq!(open_test(path(&dir), 0).unwrap().len(), 6);
    assert_eq!(open(path(&dir), 0).unwrap().test, None);
}

#[test]
fn half_a_pair_names_the_other_half() {
    let dir = folder(&["train-images.idx3-ubyte"]);
    let text = message(path(&dir));
    assert!(text.contains("train-images.idx3-ubyte has no labels to go with it: expected train-labels.idx1-ubyte"));
    let dir = folder(&["train-labels-idx1-ubyte.gz"]);
    let text = message(path(&dir));
    assert!(text.contains(" has no images to go with it: expected train-images-idx3-ubyte (plain or .gz)"), "{text}");
}

#[test]
fn training_and_test_images_have_one_size() {
    let dir = folder(&["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"]);
    let wide = Images { height: 1, width: 4, ..set(4, 3) };
    write_idx_images(&dir.path().join("t10k-images-idx3-ubyte"), &wide).unwrap();
    let text = message(path(&dir));
    assert!(text.contains("differ in size: 1x2x2 and 1x1x4 (channels x height x width)"), "{text}");
}

#[test]
fn what_is_no_data_set_is_told_with_what_it_holds() {
    let dir = folder(&["a.md", "b.md", "c.md", "d.md", "e.md", "f.md", "g.md", "h.csv"]);
    let text = message(path(&dir));
    let start = format!(
        "folder {} holds neither IDX files nor CIFAR-10 batches nor folders of pictures, but a.md, b.md,",
        path(&dir)
    );
    assert!(text.starts_with(&start) && text.contains("f.md and 2 more; did you mean the file \""), "{text}");
    assert!(text.ends_with("h.csv\" in it?"), "{text}");
    fs::remove_file(dir.path().join("h.csv")).unwrap();
    assert!(message(path(&dir)).contains("f.md and 1 more; expected \"digits\" (built in)"));
    fs::create_dir(dir.path().join("raw")).unwrap();
    fs::write(dir.path().join("raw/data_batch_1.bin"), "").unwrap();
    let text = message(path(&dir));
    assert!(text.contains("raw\" in it?"), "{text}");
    assert!(message(path(&folder(&[]))).contains("but nothing; expected"));
    let files = folder(&["a.csv", "a.log"]);
    let text = message(&format!("{}/a.csv", path(&files)));
    assert!(text.contains("a.csv is a file of numbers, not a set of images; expected"), "{text}");
    let text = message(&format!("{}/a.log", path(&files)));
    assert!(text.contains("a.log is a file that is no data set; expected"), "{text}");
    let dir = folder(&["data_batch_1.bin", "train-labels-idx1-ubyte"]);
    assert!(message(path(&dir)).contains("holds both IDX files and CIFAR-10 batches"));
    let text = message(&format!("{}/train-labels-idx1-ubyte", path(&dir)));
    assert!(text.ends_with(&format!("give the folder that holds images and labels: {}", path(&dir))), "{text}");
}

#[test]
fn a_path_that_is_not_there_gets_the_nearest() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("mnist")).unwrap();
    let text = message(&format!("{}/mnits", path(&dir)));
    assert!(text.contains("mnits\"; did you mean \"") && text.contains("mnist\"? Expected \"digits\""), "{text}");
    assert!(message("digit").starts_with("there is no file or folder \"digit\"; did you mean \"digits\"?"));
    let text = message("/0/1");
    assert!(
        text.starts_with("there is no file or folder \"/0/1\"; expected \"digits\" (built in), a folder"),
        "{text}"
    );
    assert!(message("").starts_with("there is no file or folder \"\""));
}

#[test]
fn the_built_in_set_opens_for_evaluation_alone() {
    let test = open_test("digits", 3).unwrap();
    assert_eq!(test.len(), TEST);
    assert_eq!(Some(test), digits(10, TEST, 3).test);
}

#[test]
fn a_source_is_known_by_what_is_there() {
    let idx = folder(&["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]);
    let cifar = folder(&["data_batch_1.bin"]);
    let files = folder(&["a.csv", "b.TSV", "c.txt.gz", "fake.npy", "zip.npz", "other.npz", "odd.png"]);
    let at = |name: &str| format!("{}/{name}", path(&files));
    fs::write(at("array"), b"\x93NUMPY\x01\x00").unwrap();
    let entry =
        |name: &str| [b"PK\x03\x04".as_slice(), &[0; 22], &[name.len() as u8, 0, 0, 0], name.as_bytes()].concat();
    fs::write(at("zip.npz"), entry("x.npy")).unwrap();
    fs::write(at("other.npz"), entry("sheet.xml")).unwrap();
    image::GrayImage::new(2, 2).save(at("odd.png")).unwrap();
    for (source, want) in [
        ("digits".to_string(), SourceKind::Digits),
        (path(&idx).into(), SourceKind::Idx),
        (path(&cifar).into(), SourceKind::Cifar10),
        (format!("{}/data_batch_1.bin", path(&cifar)), SourceKind::Cifar10),
        (at("a.csv"), SourceKind::Table),
        (at("b.TSV"), SourceKind::Table),
        (at("c.txt.gz"), SourceKind::Text),
        (at("array"), SourceKind::Npy),
        (at("zip.npz"), SourceKind::Npy),
    ] {
        assert_eq!(kind(&source).unwrap(), want, "{source}");
    }
    let message = |name: &str| kind(at(name)).unwrap_err().to_string();
    assert!(message("fake.npy").contains("is a file that is no data set"));
    assert!(message("other.npz").contains("is a file that is no data set"));
    assert!(message("odd.png").contains("odd.png is one picture; expected a folder with one sub-folder"));
}

#[test]
fn text_is_known_by_its_lines_and_its_place() {
    const PROSE: &str = "It was, they say, a dark night.\n\nAnd so it began.\n";
    const ROWS: &str = "name,size\nx,1\ny,2\n";
    let made = |files: &[(&str, &str)]| {
        let dir = tempdir().unwrap();
        for (name, text) in files {
            fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    };
    let dir =
        made(&[("a.txt", PROSE), ("b.TXT", ROWS), ("c.md", ROWS), ("d.text", ROWS), ("e.csv", PROSE), ("f.txt", "")]);
    for (name, want) in [
        ("a.txt", SourceKind::Text),
        ("b.TXT", SourceKind::Table),
        ("c.md", SourceKind::Text),
        ("d.text", SourceKind::Text),
        ("e.csv", SourceKind::Table),
        ("f.txt", SourceKind::Text),
    ] {
        assert_eq!(kind(format!("{}/{name}", path(&dir))).unwrap(), want, "{name}");
    }
    for (files, want) in [
        (&[("a.txt", PROSE), ("b.txt", PROSE)][..], SourceKind::Text),
        (&[("a.txt", PROSE), ("notes/b.txt", PROSE)], SourceKind::Text),
        (&[("pos/a.txt", PROSE), ("neg/b.txt.gz", PROSE)], SourceKind::TextFolder),
        (&[("pos/a.txt", PROSE), ("neg/b.txt", PROSE), ("README.txt", PROSE)], SourceKind::TextFolder),
        (&[("train/x/a.txt", PROSE), ("train/y/a.txt", PROSE), ("docs/d.pdf", "")], SourceKind::TextFolder),
        (&[("test/x/a.txt", PROSE)], SourceKind::TextFolder),
        (&[("only/a.txt", PROSE)], SourceKind::TextFolder),
    ] {
        let dir = made(files);
        assert_eq!(kind(path(&dir)).unwrap(), want, "{files:?}");
        assert!(message(path(&dir)).contains("is text, not a set of images"), "{files:?}");
    }
    // Tables with a text beside them, or as text files, are no text; nor is a
    // folder of data sets of which one is a text.
    for files in [
        &[("README.txt", PROSE), ("rows.csv", ROWS)][..],
        &[("rows.txt", ROWS)],
        &[("shakespeare/input.txt", PROSE), ("numbers/x.csv", ROWS), ("images/x.bin", "")],
        &[("a.md", PROSE)],
        &[("src/main.rs", "")],
    ] {
        let dir = made(files);
        assert!(kind(path(&dir)).is_err(), "{files:?}");
    }
}

#[test]
fn any_set_takes_another_size() {
    let dir = folder(&[
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ]);
    let options = OpenOptions { size: Some([4, 6]), channels: Some(3), ..OpenOptions::default() };
    let opened = open_with(path(&dir), 0, &options, &|_, _| {}).unwrap();
    let (test, report) = open_test_with(path(&dir), 0, &options, &|_, _| {}).unwrap();
    for images in [&opened.set.train, opened.set.test.as_ref().unwrap(), &test] {
        assert_eq!((images.channels, images.height, images.width), (3, 4, 6));
        assert_eq!(images.pixels.len(), images.len() * 3 * 4 * 6);
        // Grey images have three equal planes; an image keeps its place.
        let (a, b) = (images.image(1), images.image(2));
        assert!(a[..24] == a[24..48] && a[..24] == a[48..] && a < b && (4..8).contains(&a[0]));
    }
    assert_eq!((opened.folder, report), (None, None));
}
