//! Folders of pictures as people have them, and what is said of the others.

use crate::data::{
    Filter, ImageSet, OpenOptions, Opened, SourceKind, kind, open, open_test, open_test_with, open_with,
};
use crate::error::Kind;
use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::{TempDir, tempdir};

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempdir().unwrap())
    }

    /// A path below it, whose folder is made.
    fn at(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    /// Coloured pictures of height 4 and width 6, of this brightness.
    fn with(self, names: &[&str]) -> Folder {
        for (i, name) in names.iter().enumerate() {
            colour(6, 4, 10 * i as u8).save(self.at(name)).unwrap();
        }
        self
    }

    fn file(self, name: &str, bytes: &[u8]) -> Folder {
        fs::write(self.at(name), bytes).unwrap();
        self
    }

    fn opened(&self, options: &OpenOptions) -> Opened {
        open_with(self.path(), 0, options, &|_, _| {}).unwrap()
    }

    fn set(&self) -> ImageSet {
        open(self.path(), 0).unwrap()
    }

    fn message(&self) -> String {
        let e = open(self.path(), 0).unwrap_err();
        assert_eq!(e.kind(), Kind::Data, "{e}");
        e.to_string().replace(self.path(), "DIR")
    }
}

fn colour(w: u32, h: u32, red: u8) -> RgbImage {
    RgbImage::from_pixel(w, h, Rgb([red, 50, 60]))
}

fn files(opened: &Opened) -> Vec<String> {
    opened.folder.as_ref().unwrap().origins[0].files.clone()
}

#[test]
fn classes_and_images_are_numbered_by_name() {
    let dir = Folder::new().with(&["b/2.png", "b/10.png", "a/z.png", "a/deep/er/x.png", "c/1.bmp"]);
    let dir = dir.file("README.md", b"about").file(".hidden/x.png", b"x").file("a/.DS_Store", b"x");
    assert_eq!(kind(dir.path()).unwrap(), SourceKind::ImageFolder);
    let opened = dir.opened(&OpenOptions::default());
    let train = &opened.set.train;
    assert_eq!(train.classes, ["a", "b", "c"]);
    assert_eq!(files(&opened), ["a/z.png", "a/deep/er/x.png", "b/10.png", "b/2.png", "c/1.bmp"]);
    assert_eq!(train.labels, [0, 0, 1, 1, 2]);
    assert_eq!((train.channels, train.height, train.width), (3, 4, 6));
    assert_eq!((0..5).map(|i| train.image(i)[0]).collect::<Vec<_>>(), [20, 30, 10, 0, 40]);
    assert_eq!(train.name, format!("{} train", dir.path()));
    assert_eq!(opened.notes(), ["left out, as no samples lie there: .hidden (hidden)"]);
    assert_eq!(opened, dir.opened(&OpenOptions::default()));
}

#[test]
fn all_formats_and_modes_become_one() {
    let dir = Folder::new();
    let red = RgbImage::from_pixel(8, 8, Rgb([200, 10, 10]));
    for (name, format) in [
        ("a/png", ImageFormat::Png),
        ("a/jpeg", ImageFormat::Jpeg),
        ("a/bmp", ImageFormat::Bmp),
        ("a/webp", ImageFormat::WebP),
    ] {
        red.save_with_format(dir.at(name), format).unwrap();
    }
    GrayImage::from_pixel(8, 8, Luma([90])).save(dir.at("b/grey.png")).unwrap();
    RgbaImage::from_pixel(8, 8, Rgba([0, 0, 0, 0])).save(dir.at("b/clear.png")).unwrap();
    image::ImageBuffer::from_pixel(8, 8, Luma([0xffffu16])).save(dir.at("b/deep.png")).unwrap();
    let train = dir.set().train;
    // Sorted: bmp, jpeg, png, webp; clear, deep, grey.
    let first: Vec<u8> = (0..7).map(|i| train.image(i)[0]).collect();
    assert!(first.iter().zip([200u8, 200, 200, 200, 255, 255, 90]).all(|(a, b)| a.abs_diff(b) < 4), "{first:?}");
    let grey = dir.opened(&OpenOptions { channels: Some(1), ..Default::default() }).set.train;
    assert_eq!((grey.channels, grey.image(6)[0]), (1, 90));
}

#[test]
fn grey_is_what_the_pixels_say() {
    let dir = Folder::new();
    // Grey values in a colour file.
    RgbImage::from_fn(5, 5, |x, y| Rgb([(x * 9 + y) as u8; 3])).save(dir.at("a/1.png")).unwrap();
    GrayImage::from_pixel(5, 5, Luma([9])).save(dir.at("b/1.png")).unwrap();
    GrayImage::from_pixel(5, 5, Luma([11])).save(dir.at("b/2.png")).unwrap();
    let train = dir.set().train;
    assert_eq!((train.channels, train.pixels.len()), (1, 75));
    assert_eq!((train.image(0)[6], train.image(1)[0], train.image(2)[24]), (10, 9, 11));
    let three = dir.opened(&OpenOptions { channels: Some(3), ..Default::default() }).set.train;
    assert_eq!((three.channels, three.pixels.len()), (3, 225));
    colour(5, 5, 0).save(dir.at("b/3.png")).unwrap();
    assert_eq!(dir.set().train.channels, 3);
}

#[test]
fn the_most_frequent_size_is_taken_unless_another_is_asked_for() {
    let dir = Folder::new().with(&["a/1.png", "a/2.png", "b/1.png"]);
    colour(12, 12, 7).save(dir.at("b/2.png")).unwrap();
    let opened = dir.opened(&OpenOptions::default());
    assert_eq!((opened.set.train.height, opened.set.train.width), (4, 6));
    let report = opened.folder.as_ref().unwrap();
    assert_eq!(report.resized, 1);
    let sizes: Vec<_> = report.sizes.iter().map(|s| (s.height, s.width, s.count)).collect();
    assert_eq!(sizes, [(4, 6, 3), (12, 12, 1)]);
    assert_eq!(report.origins[0].sizes, [[4, 6], [4, 6], [4, 6], [12, 12]]);
    assert!(opened.notes()[0].starts_with("images are made 4x6 (height x width): the most frequent size, 4x6 (3 of 4"));
    let options = OpenOptions { size: Some([3, 2]), filter: Filter::Nearest, ..Default::default() };
    let opened = dir.opened(&options);
    assert_eq!((opened.set.train.height, opened.set.train.width), (3, 2));
    assert_eq!((opened.folder.as_ref().unwrap().resized, opened.notes().len()), (4, 0));
    // Photos are scaled down.
    let dir = Folder::new();
    colour(800, 600, 1).save(dir.at("a/1.png")).unwrap();
    colour(800, 600, 2).save(dir.at("b/1.png")).unwrap();
    let opened = dir.opened(&OpenOptions::default());
    assert_eq!((opened.set.train.height, opened.set.train.width), (168, 224));
    assert!(opened.notes()[0].contains("scaled down to 224 pixels on the longer side; data.size sets another"));
}

#[test]
fn an_upright_photo_counts() {
    let dir = Folder::new().with(&["a/1.png"]);
    // A JPEG of 6x4 whose EXIF says: turn by 90 degrees.
    colour(6, 4, 0).save(dir.at("b/1.jpg")).unwrap();
    let plain = fs::read(dir.at("b/1.jpg")).unwrap();
    let tiff = [b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".as_slice()].concat();
    let segment = [&[0xff, 0xe1, 0, tiff.len() as u8 + 2][..], &tiff].concat();
    fs::write(dir.at("b/1.jpg"), [&plain[..2], &segment, &plain[2..]].concat()).unwrap();
    let opened = dir.opened(&OpenOptions::default());
    assert_eq!(opened.folder.unwrap().origins[0].sizes, [[4, 6], [6, 4]]);
}

#[test]
fn files_that_are_no_pictures_are_named_and_left_out() {
    let dir = Folder::new().with(&["a/1.png", "a/2.png", "b/1.png", "b/2.png"]);
    let dir = dir.file("a/0.png", b"just text").file("b/notes.txt", b"text").file("b/empty.jpg", b"");
    colour(60, 40, 3).save(dir.at("b/cut.jpg")).unwrap();
    let whole = fs::read(dir.at("b/cut.jpg")).unwrap();
    // Cut inside the header, and in the pixels.
    let dir = dir.file("b/cut.jpg", &whole[..30]).file("b/half.jpg", &whole[..whole.len() - 6]);
    let png = fs::read(dir.at("a/1.png")).unwrap();
    let dir = dir.file("a/1half.png", &png[..png.len() - 20]);
    let opened = dir.opened(&OpenOptions::default());
    assert_eq!(files(&opened), ["a/1.png", "a/2.png", "b/1.png", "b/2.png"]);
    assert_eq!((0..4).map(|i| opened.set.train.image(i)[0]).collect::<Vec<_>>(), [0, 10, 20, 30]);
    let report = opened.folder.as_ref().unwrap();
    let mut names: Vec<&str> = report.unreadable.iter().map(|u| u.file.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a/0.png", "a/1half.png", "b/cut.jpg", "b/empty.jpg", "b/half.jpg", "b/notes.txt"]);
    let reason = |name: &str| report.unreadable.iter().find(|u| u.file == name).unwrap().reason.clone();
    assert!(reason("a/0.png").starts_with("it is not PNG, JPEG, BMP or WebP (it starts with \"just text\")"));
    assert!(reason("a/1half.png").starts_with("it cannot be decoded: "), "{}", reason("a/1half.png"));
    assert!(reason("b/half.jpg").starts_with("it is cut off: its "), "{}", reason("b/half.jpg"));
    let note = opened.notes().last().unwrap();
    assert!(note.starts_with("6 files cannot be read and are left out: a/0.png: it is not PNG"), "{note}");
}

#[test]
fn splits_are_folders() {
    let dir = Folder::new().with(&["train/a/1.png", "train/b/1.png", "val/a/1.png", "test/b/1.png", "test/b/2.png"]);
    let dir = dir.file("annotations/a.xml", b"<x/>");
    let opened = dir.opened(&OpenOptions::default());
    let (val, test) = (opened.set.val.as_ref().unwrap(), opened.set.test.as_ref().unwrap());
    assert_eq!((opened.set.train.len(), val.len(), test.len()), (2, 1, 2));
    // Classes are numbered alike everywhere.
    assert_eq!((&val.labels, &test.labels, &test.classes), (&vec![0], &vec![1, 1], &opened.set.train.classes));
    let notes = opened.notes().join("\n");
    assert!(notes.contains("annotations holds no pictures and is left out"), "{notes}");
    assert!(notes.contains("no validation image is of class b") && notes.contains("no test image is of class a"));
    assert_eq!(&open_test(dir.path(), 0).unwrap(), test);
    // Without test images, validation images are evaluated.
    fs::remove_dir_all(dir.at("test")).unwrap();
    assert_eq!(&open_test(dir.path(), 0).unwrap(), val);
    fs::remove_dir_all(dir.0.path().join("train")).unwrap();
    fs::remove_dir_all(dir.0.path().join("val")).unwrap();
    let dir = dir.with(&["Test/a/1.png", "Test/b/1.png"]);
    assert!(dir.message().contains("holds test pictures only, nothing to train on; expected also a folder DIR/train"));
    let options = OpenOptions { size: Some([2, 2]), channels: Some(1), ..Default::default() };
    let (images, report) = open_test_with(dir.path(), 0, &options, &|_, _| {}).unwrap();
    assert_eq!((images.len(), images.pixels.len()), (2, 8));
    assert_eq!(report.unwrap().origins[2].files, ["Test/a/1.png", "Test/b/1.png"]);
    // A class may be called "train" among others.
    let dir = Folder::new().with(&["train/1.png", "bus/1.png"]);
    assert_eq!(dir.set().train.classes, ["bus", "train"]);
    let dir = Folder::new().with(&["train/a/1.png", "val/a/1.png", "valid/a/1.png"]);
    assert!(dir.message().contains("holds two folders of validation images (val, valid, validation"));
}

#[test]
fn splits_are_known_by_many_names() {
    let dir =
        Folder::new().with(&["training_set/a/1.png", "training_set/b/1.png", "test_set/a/1.png", "test_set/b/1.png"]);
    let set = dir.set();
    assert_eq!((set.train.len(), set.test.unwrap().len(), set.train.classes), (2, 2, vec!["a".into(), "b".into()]));
    // A folder in a folder of the same name, and pictures that nobody has labelled.
    let dir = Folder::new().with(&[
        "seg_train/seg_train/a/1.png",
        "seg_train/seg_train/b/1.png",
        "seg_test/seg_test/a/1.png",
        "seg_pred/seg_pred/1.png",
    ]);
    let opened = dir.opened(&OpenOptions::default());
    assert_eq!((opened.set.train.len(), opened.set.test.unwrap().len()), (2, 1));
    assert_eq!(opened.set.train.classes, ["a", "b"]);
    let notes = opened.folder.unwrap().notes.join("\n");
    assert!(notes.contains("seg_pred is none of the splits (train, val, test) beside it and is left out"), "{notes}");
    for unlabelled in ["test/1.png", "test/all/1.png", "unknown/1.png"] {
        let dir = Folder::new().with(&["train/a/1.png", "train/b/1.png", unlabelled]);
        let opened = dir.opened(&OpenOptions::default());
        assert_eq!((opened.set.train.len(), &opened.set.test), (2, &None), "{unlabelled}");
        assert_eq!(opened.set.train.classes, ["a", "b"]);
        assert!(opened.notes()[0].contains("left out"), "{:?}", opened.notes());
    }
    for names in [["one", "two"], ["fold1", "fold2"]] {
        let files = names.iter().flat_map(|n| [format!("{n}/a/1.png"), format!("{n}/b/1.png")]).collect::<Vec<_>>();
        let message = Folder::new().with(&files.iter().map(String::as_str).collect::<Vec<_>>()).message();
        let expected = format!("folders {} and {} of DIR hold the same sub-folders (a, b)", names[0], names[1]);
        assert!(message.starts_with(&expected), "{message}");
    }
    // A class may have sub-folders of its own.
    assert_eq!(Folder::new().with(&["cat/old/1.png", "dog/1.png"]).set().train.classes, ["cat", "dog"]);
}

#[test]
fn sixteen_bits_are_spread_over_the_bytes() {
    let dir = Folder::new();
    let scan = |value: u16, name: &str| image::ImageBuffer::from_pixel(4, 4, Luma([value])).save(dir.at(name)).unwrap();
    scan(1000, "train/a/1.png");
    scan(1100, "train/b/1.png");
    scan(1050, "test/a/1.png");
    let opened = dir.opened(&OpenOptions::default());
    let first = |set: &crate::data::Images, i: usize| set.image(i)[0];
    let (train, test) = (&opened.set.train, opened.set.test.as_ref().unwrap());
    assert_eq!((first(train, 0), first(train, 1), first(test, 0)), (0, 255, 128));
    assert_eq!(opened.folder.as_ref().unwrap().levels, Some([1000, 1100]));
    assert!(opened.notes().join("\n").contains("the values 1000 to 1100"), "{:?}", opened.notes());
    let options = OpenOptions { levels: Some([1000, 1200]), ..Default::default() };
    assert_eq!((first(&dir.opened(&options).set.train, 1), dir.opened(&options).folder.unwrap().levels), (128, None));
    let one = crate::data::picture::load_with(&dir.at("test/a/1.png"), 1, [1, 1], &options).unwrap();
    assert_eq!(one, [64]);
    // Among pictures of eight bits the upper eight of the others count.
    GrayImage::from_pixel(4, 4, Luma([9])).save(dir.at("train/a/2.png")).unwrap();
    let opened = dir.opened(&OpenOptions::default());
    assert_eq!((first(&opened.set.train, 0), first(&opened.set.train, 1)), (4, 9));
    assert!(opened.notes().join("\n").contains("3 of 4 pictures have 16 bits per channel"), "{:?}", opened.notes());
}

#[test]
fn what_is_no_image_folder_says_what_it_is() {
    let dir = Folder::new().with(&["1.png", "2.png"]);
    assert!(
        dir.message().starts_with("folder DIR holds pictures, but no class folders: expected one sub-folder per class")
    );
    let dir = Folder::new().with(&["train/1.png", "test/1.png"]);
    assert!(dir.message().contains("train holds pictures, but no class folders"));
    let dir = Folder::new().with(&["a/1.png", "a/2.png"]).file("b/.gitkeep", b"");
    let text = dir.message();
    assert!(
        text.ends_with("of one class only (\"a\"); expected more: one sub-folder per class, at least two"),
        "{text}"
    );
    let dir = Folder::new().with(&["set/a/1.png", "set/b/2.png"]);
    assert!(dir.message().ends_with("(\"set\"); expected more; did you mean the folder \"DIR/set\" in it?"));
    let dir = Folder::new().file("a/1.png", b"text").file("b/1.jpg", b"");
    let text = dir.message();
    assert!(text.starts_with("folder DIR holds 2 files and none of them can be read; expected PNG"), "{text}");
    assert!(text.contains("a/1.png: it is not") && text.contains("b/1.jpg: it is empty"), "{text}");
    let dir = Folder::new().with(&["a/1.png"]).file("b/1.jpg", b"");
    assert!(dir.message().contains("of one class only (\"a\")"));
    assert!(Folder::new().message().contains("nor folders of pictures, but nothing; expected"));
    // What only seems to be a picture leaves a class without any.
    let png = fs::read(Folder::new().with(&["a.png"]).at("a.png")).unwrap();
    let dir = Folder::new().with(&["a/1.png"]).file("b/1.png", &png[..png.len() - 20]);
    assert!(dir.message().contains("are of 1 class(es) only"));
    let dir = Folder::new().with(&["a/1.png", "b/1.png", "loose.png"]);
    let opened = dir.opened(&OpenOptions::default());
    assert!(opened.notes()[0].starts_with("1 picture of ") && opened.notes()[0].ends_with("such as loose.png"));
}

#[test]
fn too_many_bytes_are_refused_before_they_are_taken() {
    let dir = Folder::new().with(&["a/1.png", "b/1.png"]);
    for i in 0..2000 {
        fs::copy(dir.at("a/1.png"), dir.at(&format!("a/x{i}.png"))).unwrap();
    }
    let options = OpenOptions { size: Some([16_384, 16_384]), ..Default::default() };
    let message = open_with(dir.path(), 0, &options, &|_, _| {}).unwrap_err().to_string();
    assert!(
        message.contains("2002 pictures as images of 3x16384x16384 (make them smaller with data.size"),
        "{message}"
    );
    assert!(message.contains("takes 1501.5 GiB in memory") && message.contains("--max-memory"), "{message}");
}

#[cfg(unix)]
#[test]
fn links_do_not_run_in_circles() {
    use std::os::unix::fs::symlink;
    let outside = Folder::new().with(&["x/3.png"]);
    let dir = Folder::new().with(&["a/1.png", "b/2.png"]);
    symlink(dir.0.path(), dir.at("a/up")).unwrap();
    symlink(dir.0.path().join("a"), dir.at("again")).unwrap();
    symlink(outside.0.path(), dir.at("b/out")).unwrap();
    symlink(outside.0.path().join("x"), outside.at("x/loop")).unwrap();
    symlink(outside.at("x/3.png"), dir.at("c/4.png")).unwrap();
    symlink(Path::new("/nowhere"), dir.at("c/broken.png")).unwrap();
    let opened = dir.opened(&OpenOptions::default());
    assert_eq!(files(&opened), ["a/1.png", "b/2.png", "b/out/x/3.png", "c/4.png"]);
    let notes = opened.notes().join("\n");
    assert!(notes.contains("a/up is a link back into the folder") && notes.contains("again is a link back"), "{notes}");
    assert!(opened.folder.unwrap().unreadable[0].reason.contains("cannot open: No such file"));
}

#[test]
fn folders_nest_as_deep_as_is_sensible() {
    let deep = |n: usize| format!("a/{}1.png", "d/".repeat(n));
    assert_eq!(Folder::new().with(&[&deep(32), "b/1.png"]).set().train.len(), 2);
    assert!(Folder::new().with(&[&deep(33), "b/1.png"]).message().contains("more than 32 folders deep"));
}

#[test]
fn progress_counts_every_file_twice() {
    let dir = Folder::new().with(&["a/1.png", "b/1.png", "b/2.png"]);
    let (calls, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let progress = |done: usize, total: usize| {
        assert_eq!(total, 6);
        calls.fetch_add(1, Ordering::Relaxed);
        most.fetch_max(done, Ordering::Relaxed);
    };
    open_with(dir.path(), 0, &OpenOptions::default(), &progress).unwrap();
    assert_eq!((calls.into_inner(), most.into_inner()), (6, 6));
}
