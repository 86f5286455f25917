use super::*;
use crate::data::Targets;
use crate::data::idx::class_names;
use std::io::Write;
use std::sync::Arc;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An array as NumPy writes it.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    header += &" ".repeat(63 - (header.len() + 10) % 64);
    header.push('\n');
    [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
}

fn read(bytes: &[u8]) -> Result<Array> {
    let mut left = bytes;
    read_array(
        "a.npy",
        &mut |n| Ok(left.split_off(..(n as usize).min(left.len())).unwrap_or_default().to_vec()),
        bytes.len() as u64,
        1 << 20,
        Wide::No,
    )
}

fn npz(dir: &Path, arrays: &[(&str, Vec<u8>)]) -> std::path::PathBuf {
    let path = dir.join("set.npz");
    let mut zip = ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (i, (name, bytes)) in arrays.iter().enumerate() {
        let method = if i % 2 == 0 { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

fn floats(all: &[f32]) -> Vec<u8> {
    all.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn all_kinds_of_numbers_are_read() {
    let ints = |all: &[i64]| (all.to_vec(), vec![]);
    let reals = |all: &[f32]| (vec![], all.to_vec());
    for (descr, data, expected) in [
        ("|u1", vec![1, 255], ints(&[1, 255])),
        ("|i1", vec![1, 255], ints(&[1, -1])),
        ("|b1", vec![1, 0], ints(&[1, 0])),
        ("<i2", vec![1, 0, 0xfe, 0xff], ints(&[1, -2])),
        (">i4", vec![0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff], ints(&[256, -1])),
        ("<i8", [1i64, -5].iter().flat_map(|x| x.to_le_bytes()).collect(), ints(&[1, -5])),
        ("<u8", [1, u64::MAX].iter().flat_map(|x| x.to_le_bytes()).collect(), ints(&[1, i64::MAX])),
        ("<f2", vec![0, 0x3c, 0, 0xc0], reals(&[1.0, -2.0])),
        ("<f4", floats(&[1.5, -2.0]), reals(&[1.5, -2.0])),
        ("<f8", [1.5f64, 0.1].iter().flat_map(|x| x.to_le_bytes()).collect(), reals(&[1.5, 0.1])),
        (">f8", [1.5f64, 0.1].iter().flat_map(|x| x.to_be_bytes()).collect(), reals(&[1.5, 0.1])),
    ] {
        let array = read(&npy(descr, false, "(2,)", &data)).unwrap();
        let found = match array.elements {
            Elements::Bytes(v) => (v.into_iter().map(i64::from).collect(), vec![]),
            Elements::Ints(v) => {
                assert_eq!((v.len(), v.is_empty()), (2, false), "{descr}");
                // No wider than in the file.
                assert_eq!(Elements::Ints(v.clone()).bytes(), data.len() as u64, "{descr}");
                (v.iter().collect(), vec![])
            }
            Elements::Floats(v) => (vec![], v),
            Elements::Doubles(_) | Elements::Words(_) => panic!("numbers of 32 bits expected"),
        };
        assert_eq!((array.shape, found), (vec![2], expected), "{descr}");
    }
    let matrix = read(&npy(">i2", true, "(2, 2)", &[0, 1, 0, 2, 0, 3, 0, 4])).unwrap();
    let Elements::Ints(v) = matrix.elements else { panic!("whole numbers expected") };
    assert_eq!(v.iter().collect::<Vec<_>>(), [1, 3, 2, 4]);
    let matrix = read(&npy("|u1", true, "(2, 3)", &[0, 3, 1, 4, 2, 5])).unwrap();
    assert_eq!(matrix.elements, Elements::Bytes(vec![0, 1, 2, 3, 4, 5]));
    let cube = read(&npy("|u1", true, "(2, 1, 2)", &[0, 2, 1, 3])).unwrap();
    assert_eq!(cube.elements, Elements::Bytes(vec![0, 1, 2, 3]));
    let mut second = npy("|u1", false, "(2,)", &[7, 8]);
    let length = second[8..10].to_vec();
    second.splice(6..10, [2, 0, length[0], length[1], 0, 0]);
    assert_eq!(read(&second).unwrap().elements, Elements::Bytes(vec![7, 8]));
    assert_eq!(read(&npy("<f4", false, "()", &floats(&[2.0]))).unwrap().shape, [0usize; 0]);
}

#[test]
fn arrays_are_judged_by_what_they_take() {
    let fails = |descr: &str, n: usize, width: usize| {
        read(&npy(descr, false, &format!("({n},)"), &vec![0; n * width])).err().map(|e| e.to_string())
    };
    assert_eq!(fails("|u1", 1 << 20, 1), None);
    assert_eq!(fails("|i1", 1 << 18, 1), None);
    assert_eq!(fails("<f8", 1 << 18, 8), None);
    for (descr, n, width) in [("|u1", (1 << 20) + 1, 1), ("|i1", (1 << 18) + 1, 1), ("<f2", (1 << 18) + 1, 2)] {
        let message = fails(descr, n, width).unwrap();
        assert!(message.starts_with("a.npy takes 1.0 MiB in memory, more than the budget of 1.0 MiB"), "{message}");
    }
}

#[test]
fn hostile_headers_are_refused() {
    let fails = |bytes: &[u8], part: &str| {
        let message = read(bytes).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    fails(b"", "a.npy is truncated: found 0 bytes");
    fails(b"PK\x03\x04____", "no NumPy array");
    fails(b"\x93NUMPY\x09\x00", "version 9");
    fails(b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "a header of 4294967295 bytes");
    fails(&npy("<f4", false, "(2,)", &floats(&[1.0])), "is truncated");
    fails(&npy("<f4", false, "(18446744073709551615, 2)", &[]), "claims the shape");
    fails(&npy("<f4", false, "(4000000000, 4000000000, 4000000000)", &[]), "claims the shape");
    fails(&npy("<f4", false, "(1000000000,)", &[0; 64]), "claims the shape");
    fails(&npy("|O", false, "(2,)", &[]), "expected numbers such as");
    fails(&npy("<f4", false, "(2, x)", &[]), "a tuple of whole numbers");
    fails(&npy("<f4", false, "(1,1,1,1,1,1,1,1,1)", &[0; 4]), "a tuple of whole numbers");
    let text = npy("<f4", false, "(1,)", &[0; 4]);
    for at in 0..text.len() {
        let mut bytes = text.clone();
        bytes[at] ^= 0x55;
        let _ = read(&bytes); // Whatever it gives, it does not panic.
        let _ = read(&text[..at]);
    }
}

#[test]
fn archives_as_keras_writes_them_are_images() {
    let dir = tempfile::tempdir().unwrap();
    let path = npz(
        dir.path(),
        &[
            ("x_test", npy("|u1", false, "(1, 2, 3)", &[9; 6])),
            ("x_train", npy("|u1", false, "(2, 2, 3)", &(0..12).collect::<Vec<u8>>())),
            ("y_train", npy("|u1", false, "(2,)", &[1, 0])),
            ("y_test", npy("<i8", false, "(1, 1)", &4i64.to_le_bytes())),
        ],
    );
    let set = open(&path, Task::Auto, false).unwrap();
    assert_eq!(
        (&set.train.shape[..], set.train.samples),
        (&[1, 2, 3][..], Samples::Bytes(Arc::new((0..12).collect())))
    );
    assert_eq!(set.train.targets, Targets::Classes { labels: vec![1, 0], names: class_names(5) });
    assert_eq!(set.test.unwrap().targets, Targets::Classes { labels: vec![4], names: class_names(5) });
    // Channels last become channels first.
    let path = npz(
        dir.path(),
        &[
            ("x", npy("|u1", false, "(1, 2, 5, 3)", &(0..30).collect::<Vec<u8>>())),
            ("y", npy("<i4", false, "(1,)", &[0; 4])),
        ],
    );
    let train = open(&path, Task::Auto, false).unwrap().train;
    let Samples::Bytes(pixels) = &train.samples else { panic!("bytes expected") };
    assert_eq!((&train.shape[..], &pixels[..3], pixels[10]), (&[3, 2, 5][..], &[0, 3, 6][..], 1));
    let path = npz(
        dir.path(),
        &[
            ("x", npy("|u1", false, "(1, 3, 2, 5)", &(0..30).collect::<Vec<u8>>())),
            ("y", npy("<i4", false, "(1,)", &[0; 4])),
        ],
    );
    assert_eq!(open(&path, Task::Auto, false).unwrap().train.samples, Samples::Bytes(Arc::new((0..30).collect())));
}

#[test]
fn floats_are_floats_and_targets_tell_their_kind() {
    let dir = tempfile::tempdir().unwrap();
    let x = || ("x", npy("<f4", false, "(2, 2)", &floats(&[1.0, 2.0, 3.0, 4.0])));
    let targets = |y: Vec<u8>| open(&npz(dir.path(), &[x(), ("y", y)]), Task::Auto, false).map(|set| set.train.targets);
    let values = targets(npy("<f4", false, "(2,)", &floats(&[0.5, 1.0]))).unwrap();
    assert_eq!(values, Targets::Values { values: vec![0.5, 1.0], names: vec!["y".into()] });
    let two = targets(npy("<f4", false, "(2, 2)", &floats(&[0.5, 1.0, 2.0, 3.0]))).unwrap();
    assert_eq!(two.names(), ["y1", "y2"]);
    let one_hot = targets(npy("<f4", false, "(2, 3)", &floats(&[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]))).unwrap();
    assert_eq!(one_hot, Targets::Classes { labels: vec![2, 0], names: class_names(3) });
    let one_hot = targets(npy("|i1", false, "(2, 3)", &[0, 1, 0, 1, 0, 0])).unwrap();
    assert_eq!(one_hot, Targets::Classes { labels: vec![1, 0], names: class_names(3) });
    let rows = targets(npy("<i2", false, "(2, 2)", &[0, 1, 1, 0, 0xff, 0xff, 0, 0])).unwrap();
    assert_eq!(rows, Targets::Values { values: vec![256.0, 1.0, -1.0, 0.0], names: vec!["y1".into(), "y2".into()] });
    let fails = |y: Vec<u8>, part: &str| {
        let message = targets(y).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    let signs = targets(npy("<i4", false, "(2,)", &[1, 0, 0, 0, 255, 255, 255, 255])).unwrap();
    assert_eq!(signs, Targets::Classes { labels: vec![1, 0], names: vec!["-1".into(), "1".into()] });
    let words = targets(npy("|S3", false, "(2,)", b"dogcat")).unwrap();
    assert_eq!(words, Targets::Classes { labels: vec![1, 0], names: vec!["cat".into(), "dog".into()] });
    fails(npy("<f4", false, "(3,)", &[0; 12]), "targets of shape [3]; expected as many of both");
    fails(npy("<f4", false, "(2,)", &floats(&[f32::NAN, 0.0])), "target 0 is NaN");
    let path = npz(
        dir.path(),
        &[("x", npy("<f4", false, "(1, 2)", &floats(&[0.0, f32::INFINITY]))), ("y", npy("|u1", false, "(1,)", &[0]))],
    );
    assert!(open(&path, Task::Auto, false).unwrap_err().to_string().contains("sample 0 holds inf"));
    let path = npz(dir.path(), &[x(), ("z", npy("|u1", false, "(1,)", &[0]))]);
    assert!(
        open(&path, Task::Auto, false).unwrap_err().to_string().contains("holds the arrays x, z; expected x and y")
    );
}

#[test]
fn single_files_find_their_targets() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let x = npy("<f4", false, "(1, 2)", &floats(&[1.0, 2.0]));
    let path = write("set.npy", &x);
    assert!(open(&path, Task::Auto, false).unwrap_err().to_string().contains("expected one of set_y.npy, y.npy"));
    write("set_y.npy", &npy("|u1", false, "(1,)", &[0]));
    assert_eq!(open(&path, Task::Auto, false).unwrap().train.samples, Samples::Floats(vec![1.0, 2.0].into()));
    let path = write("x_train.npy", &x);
    write("x_test.npy", &x);
    write("y_train.npy", &npy("|u1", false, "(1,)", &[2]));
    write("y_test.npy", &npy("|u1", false, "(1,)", &[1]));
    let set = open(&path, Task::Auto, false).unwrap();
    assert_eq!((set.train.labels(), set.test.unwrap().labels()), (Some(&[1][..]), Some(&[0][..])));
    assert_eq!(set.train.targets.names(), ["1", "2"]);
    let path = write("bad.npz", b"PK\x03\x04 and nothing");
    assert!(open(&path, Task::Auto, false).unwrap_err().to_string().contains("no readable zip archive"));
}

#[test]
fn words_are_read_in_both_forms() {
    let utf32: Vec<u8> = "né\0x\0\0".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let words = |bytes: &[u8]| read(bytes).map(|a| a.elements);
    let expected = |all: &[&str]| Elements::Words(all.iter().map(|w| w.to_string()).collect());
    assert_eq!(words(&npy("<U3", false, "(2,)", &utf32)).unwrap(), expected(&["né", "x"]));
    assert_eq!(words(&npy("|S2", false, "(2, 2)", b"ab\0\0c\0de")).unwrap(), expected(&["ab", "", "c", "de"]));
    assert_eq!(words(&npy("|S1", true, "(2, 2)", b"abcd")).unwrap(), expected(&["a", "c", "b", "d"]));
    let fails = |bytes: &[u8], part: &str| {
        let message = read(bytes).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    fails(&npy("<U1", false, "(1,)", &[0, 0, 0xff, 0xff]), "element 0 is no text in Unicode");
    fails(&npy("|S1", false, "(1,)", &[0xff]), "element 0 is no text in Unicode");
    fails(&npy("<U0", false, "(1000000000,)", &[]), "the length of words");
    fails(&npy("<U99999999999999999999", false, "(1,)", &[]), "the length of words");
    fails(&npy("|S1", false, "(60000,)", &[b'a'; 60_000]), "more than the budget");
}

#[test]
fn a_task_is_obeyed_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let x = || ("x", npy("<f4", false, "(2, 1)", &floats(&[1.0, 2.0])));
    let asked = |y: Vec<u8>, task| open(&npz(dir.path(), &[x(), ("y", y)]), task, false);
    let whole = || npy("<f4", false, "(2,)", &floats(&[1.0, 0.0]));
    assert!(asked(whole(), Task::Auto).unwrap().train.labels().is_none());
    let classes = asked(whole(), Task::Classification).unwrap();
    assert_eq!((classes.train.labels(), classes.train.targets.names()), (Some(&[1, 0][..]), &class_names(2)[..]));
    let numbers = asked(npy("|u1", false, "(2,)", &[3, 4]), Task::Regression).unwrap().train.targets;
    assert_eq!(numbers, Targets::Values { values: vec![3.0, 4.0], names: vec!["y".into()] });
    let fails = |y: Vec<u8>, task, part: &str| {
        let message = asked(y, task).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    // Few values in many samples are classes, unless the loss is one of values.
    let arrays = || {
        let x = npy("<f4", false, "(6, 1)", &[0; 24]);
        [("x", x), ("y", npy("<f4", false, "(6,)", &floats(&[1.0, -1.0, 1.0, -1.0, 1.0, 1.0])))]
    };
    let set = open(&npz(dir.path(), &arrays()), Task::Auto, false).unwrap();
    let signs = Targets::Classes { labels: vec![1, 0, 1, 0, 1, 1], names: vec!["-1".into(), "1".into()] };
    assert_eq!(set.train.targets, signs);
    assert!(set.notes[0].contains("taken for classes; for values to be predicted say --task regression"));
    assert!(open(&npz(dir.path(), &arrays()), Task::Auto, true).unwrap().train.labels().is_none());
    fails(
        npy("<f4", false, "(2,)", &floats(&[1.5, 0.0])),
        Task::Classification,
        "such as 1.5; for classification expected",
    );
    fails(npy("|S1", false, "(2,)", b"ab"), Task::Regression, "targets are words, such as \"a\"");
    fails(npy("|O", false, "(2,)", b"ab"), Task::Auto, "saved so after .astype(str)");
}

#[test]
fn validation_arrays_and_others_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let x = |v: f32| npy("<f4", false, "(1, 1)", &floats(&[v]));
    let y = |v: u8| npy("|u1", false, "(1,)", &[v]);
    let arrays = [
        ("X_train", x(1.0)),
        ("y_train", y(1)),
        ("X_val", x(2.0)),
        ("y_val", y(2)),
        ("X_test", x(3.0)),
        ("scale", x(9.0)),
    ];
    let set = open(&npz(dir.path(), &arrays), Task::Auto, false).unwrap();
    let val = set.val.as_ref().unwrap();
    assert_eq!(
        (&val.samples, val.targets.names()),
        (&Samples::Floats(vec![2.0].into()), &["1".to_string(), "2".into()][..])
    );
    assert_eq!(set.test, None);
    assert!(
        set.left_out(None)[0].ends_with("left out, as neither samples nor targets of a pair: X_test, scale"),
        "{:?}",
        set.notes
    );
    let path = npz(dir.path(), &arrays);
    assert_eq!(open_samples(&path, &[1]).unwrap(), (vec![1], Samples::Floats(vec![3.0].into())));
    // One sample without an axis of samples.
    let path = npz(dir.path(), &[("one", npy("<f4", false, "(2,)", &floats(&[1.0, 2.0])))]);
    assert_eq!(open_samples(&path, &[2]).unwrap(), (vec![2], Samples::Floats(vec![1.0, 2.0].into())));
    assert_eq!(open_samples(&path, &[1]).unwrap(), (vec![1], Samples::Floats(vec![1.0, 2.0].into())));
}

#[test]
fn groups_are_told_apart_by_their_whole_names() {
    let dir = tempfile::tempdir().unwrap();
    let groups = |descr: &str, elements: Vec<u8>, alike: bool| {
        let path = npz(dir.path(), &[("groups", npy(descr, false, "(4,)", &elements))]);
        open_groups(&path, "groups", 4, alike).unwrap()
    };
    // Neighbours that 32 bits would make one; a NaN is no name.
    let doubles = [100_000_001.0f64, 100_000_002.0, 100_000_001.0, f64::NAN].map(f64::to_le_bytes).concat();
    let big = [100_000_001.0f64, 100_000_002.0, 100_000_001.0, f64::NAN].map(f64::to_be_bytes).concat();
    for (descr, bytes) in [("<f8", doubles), (">f8", big)] {
        let found = groups(descr, bytes, false);
        assert_eq!((&found.of[..], found.alone), (&[0, 1, 0, 2][..], 1), "{descr}");
    }
    let whole = [u64::MAX, u64::MAX - 1, u64::MAX, 7].map(u64::to_le_bytes).concat();
    assert_eq!(groups("<u8", whole, false).of, [0, 1, 0, 2]);
    let words: Vec<u8> = [*b"P01 ", *b"p1  ", *b"P01\0", *b"x\0\0\0"].concat();
    let found = groups("|S4", words.clone(), false);
    assert_eq!((&found.of[..], found.notes.len()), (&[0, 1, 0, 2][..], 2), "{:?}", found.notes);
    assert_eq!(groups("|S4", words, true).of, [0, 0, 0, 1]);
}

#[test]
fn an_array_that_names_groups_is_not_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let x = ("x", npy("<f4", false, "(2, 1)", &floats(&[1.0, 2.0])));
    let arrays = [x, ("y", npy("|u1", false, "(2,)", &[0, 1])), ("groups", npy("|u1", false, "(2,)", &[0, 1]))];
    let set = open(&npz(dir.path(), &arrays), Task::Auto, false).unwrap();
    assert_eq!(set.left_out(Some("groups")), [""; 0]);
    let notes = set.left_out(None);
    assert!(notes.len() == 2 && notes[0].contains("left out") && notes[1].contains("--group groups"), "{notes:?}");
}
