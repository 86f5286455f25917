//! Sets with known faults, and what an audit finds in them.

use super::*;
use crate::data::sheet::png;
use crate::data::{ImageSet, Images, OpenOptions, digits, open_with};
use crate::tensor::random::{Random, stream};

/// Images of 1x12x12 noise, the classes in turn.
fn noise(name: &str, n: usize, classes: usize, seed: u32) -> Images {
    let mut random = Random::new(seed, stream::CASES);
    Images {
        name: name.into(),
        channels: 1,
        height: 12,
        width: 12,
        pixels: (0..n * 144).map(|_| 60 + (random.bits() % 120) as u8).collect(),
        labels: (0..n).map(|i| (i % classes) as u32).collect(),
        classes: (0..classes).map(|c| format!("class {c}")).collect(),
    }
}

fn opened(train: Images, val: Option<Images>, test: Option<Images>) -> Opened {
    Opened { set: ImageSet { train, val, test }, folder: None, sampled: None }
}

fn put(images: &mut Images, i: usize, pixels: &[u8]) {
    images.pixels[i * 144..(i + 1) * 144].copy_from_slice(pixels);
}

fn all(o: &Opened) -> ImageAudit {
    audit("set", SourceKind::Idx, o, 0.0, 0)
}

#[test]
fn a_clean_set_gets_no_warning() {
    let o = opened(noise("t", 100, 4, 1), None, Some(noise("e", 40, 4, 2)));
    let a = all(&o);
    assert_eq!(a.warnings, Vec::<String>::new());
    assert_eq!((a.equal.groups, a.alike.pairs, a.constant.count, a.outliers.count), (0, 0, 0, 0));
    assert_eq!(a.splits, [SplitCount { name: "train", images: 100 }, SplitCount { name: "test", images: 40 }]);
    assert_eq!(a.classes[3], ClassCount { name: "class 3".into(), images: vec![25, 10] });
    assert!((a.stats[0].mean - 0.47).abs() < 0.02 && a.stats[0].channel == "grey");
    assert_eq!(a, all(&o));
}

#[test]
fn equal_images_are_found_with_their_labels() {
    let mut train = noise("t", 100, 4, 1);
    let copy = train.image(8).to_vec();
    put(&mut train, 12, &copy); // The same class.
    put(&mut train, 60, &copy);
    let copy = train.image(21).to_vec();
    put(&mut train, 50, &copy); // Another class.
    let a = all(&opened(train, None, None));
    assert_eq!((a.equal.groups, a.equal.copies, a.equal.conflicts), (2, 3, 1));
    let indices: Vec<Vec<usize>> = a.equal.examples.iter().map(|g| g.iter().map(|i| i.index).collect()).collect();
    assert_eq!(indices, [vec![21, 50], vec![8, 12, 60]]);
    assert!(a.warnings[0].starts_with("1 group of equal images with different classes"), "{:?}", a.warnings);
    assert!(a.warnings[1].starts_with("3 images that are copies of another, pixel by pixel (2 groups)"));
}

#[test]
fn images_that_look_alike_are_found() {
    let mut train = noise("t", 100, 4, 1);
    let like: Vec<u8> = train.image(8).iter().enumerate().map(|(i, &p)| p / 2 + 40 + (i % 2) as u8).collect();
    put(&mut train, 13, &like);
    let a = all(&opened(train, None, None));
    assert_eq!((a.alike.pairs, a.alike.images, a.alike.conflicts, a.equal.copies), (1, 2, 1, 0));
    let pair = &a.alike.examples[0];
    assert_eq!((pair.a.index, pair.b.index), (8, 13));
    assert!(pair.similarity > 0.99 && pair.similarity <= 1.0);
    assert_eq!((a.alike.searched, a.alike.of), (100, 100));
}

#[test]
fn leaks_are_counted_by_image() {
    let (mut train, mut test) = (noise("t", 100, 4, 1), noise("e", 40, 4, 2));
    let (one, two) = (train.image(0).to_vec(), train.image(5).to_vec());
    put(&mut test, 0, &one);
    put(&mut test, 4, &one);
    let like: Vec<u8> = two.iter().map(|&p| p - 10).collect();
    put(&mut test, 5, &like);
    put(&mut train, 40, &one);
    let a = all(&opened(train.clone(), None, Some(test.clone())));
    assert_eq!(a.leaks, [Leak { from: "train", into: "test", equal: 2, alike: 1 }]);
    assert!(a.warnings[0].starts_with("2 images of the test split are also in the train split"), "{:?}", a.warnings);
    // Validation images of the source's own.
    let a = all(&opened(train.clone(), Some(test.clone()), Some(test.clone())));
    let leaks: Vec<(&str, &str, usize)> = a.leaks.iter().map(|l| (l.from, l.into, l.equal)).collect();
    assert_eq!(leaks, [("train", "validation", 2), ("train", "test", 2), ("validation", "test", 40)]);
    // A split of training images finds its own copies on both sides.
    let mut twice = train.clone();
    twice.pixels.extend_from_slice(&train.pixels);
    twice.labels.extend_from_slice(&train.labels);
    let a = audit("set", SourceKind::Idx, &opened(twice, None, None), 0.2, 3);
    assert_eq!(a.splits[1], SplitCount { name: "validation", images: 40 });
    assert!(a.leaks[0].equal > 25, "{:?}", a.leaks);
    let named = a.equal.examples.iter().flatten();
    assert!(named.clone().any(|i| i.split == "validation") && named.clone().any(|i| i.split == "train"));
}

#[test]
fn odd_images_are_found() {
    let mut train = noise("t", 200, 4, 1);
    put(&mut train, 7, &[130; 144]);
    put(&mut train, 9, &[255; 144]);
    let a = all(&opened(train, None, None));
    assert_eq!(a.constant.examples.iter().map(|i| i.index).collect::<Vec<_>>(), [7, 9]);
    let odd: Vec<usize> = a.outliers.examples.iter().map(|o| o.image.index).collect();
    assert!(odd.len() == 2 && odd.contains(&7) && odd.contains(&9), "{odd:?}");
    assert!(a.outliers.examples.iter().all(|o| o.deviations > 5.0));
    assert!(a.warnings.contains(&"2 images of one colour only".to_string()));
}

#[test]
fn classes_are_weighed() {
    let mut train = noise("t", 100, 4, 1);
    train.labels = (0..100).map(|i| if i < 90 { 0 } else { 1 + i % 2 }).collect();
    let a = all(&opened(train, None, Some(noise("e", 40, 2, 2))));
    assert!(a.warnings[0].starts_with("the classes are imbalanced: 90 images of \"class 0\", but 5 of"), "{a:?}");
    assert!(a.warnings.contains(&"no train image is of class \"class 3\"".to_string()));
    assert!(a.warnings.contains(&"no test image is of class \"class 2\", \"class 3\"".to_string()));
    assert!(a.warnings.iter().any(|w| w.starts_with("fewer than 10 images to train on are of class \"class 1\"")));
    // What cannot be split is told.
    let tiny = noise("t", 4, 4, 1);
    let a = audit("set", SourceKind::Idx, &opened(tiny, None, None), 0.1, 0);
    assert!(a.warnings.iter().any(|w| w.starts_with("there is no validation split: cannot split t")));
}

#[test]
fn a_set_full_of_likenesses_ends_in_time() {
    let mut train = noise("t", 400, 4, 1);
    let base = train.image(0).to_vec();
    for i in 0..400 {
        let mut like = base.clone();
        like[i % 144] ^= 1 + (i / 144) as u8;
        put(&mut train, i, &like);
    }
    let a = all(&opened(train, None, None));
    assert_eq!(a.alike.pairs, 400 * 399 / 2);
    assert_eq!((a.alike.examples.len(), a.alike.images), (20, 400));
}

#[test]
fn a_folder_is_told_with_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a<b>"), dir.path().join("b"));
    [&a, &b].iter().for_each(|d| std::fs::create_dir(d).unwrap());
    let draw =
        |seed: u8| image::RgbImage::from_fn(20, 16, |x, y| image::Rgb([y as u8 * 9, x as u8 % (seed + 1) * 40, seed]));
    draw(1).save(a.join("1.png")).unwrap();
    draw(2).save(a.join("2.png")).unwrap();
    draw(2).save(b.join("same.bmp")).unwrap();
    std::fs::write(b.join("text.png"), "text").unwrap();
    image::imageops::resize(&draw(5), 40, 32, image::imageops::FilterType::Triangle).save(b.join("5.png")).unwrap();
    let source = dir.path().to_str().unwrap();
    let opened = open_with(source, 0, &OpenOptions::default(), &|_, _| {}).unwrap();
    let (audit, findings) = audit_and_show(source, SourceKind::ImageFolder, &opened, 0.0, 0);
    assert_eq!(audit.equal.examples[0].iter().map(|i| i.to_string()).collect::<Vec<_>>(), ["a<b>/2.png", "b/same.bmp"]);
    assert_eq!((audit.unreadable.as_ref().unwrap().count, audit.sizes.as_ref().unwrap().resized), (1, 1));
    let text = findings.to_text();
    for part in [
        "4 images of 3x16x20 (channels x height x width), 2 classes",
        "warning: 1 group of equal images with different classes",
        "warning: 1 file cannot be read and is left out",
        "  b     ##############################  2\n",
        "  32 x 40  ##########                      1\n",
        "text.png",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let page = findings.to_html();
    assert!(page.contains("a&lt;b&gt;/2.png") && !page.contains("a<b>"));
    // Samples and the conflict.
    assert_eq!(page.matches("<img").count(), 2);
    let json = serde_json::to_value(&audit).unwrap();
    assert_eq!(json["kind"], "image_folder");
    assert_eq!(json["unreadable"]["examples"][0]["file"], "b/text.png");
}

#[test]
fn the_built_in_digits_are_sound() {
    let set = digits(500, 100, 0);
    let o = Opened { set, folder: None, sampled: None };
    let (a, findings) = audit_and_show("digits", SourceKind::Digits, &o, 0.1, 0);
    assert_eq!((a.equal.copies, a.constant.count), (0, 0));
    assert!(a.warnings.iter().all(|w| w.contains("look like")), "{:?}", a.warnings);
    assert!(findings.to_html().len() < 1 << 20);
    let sheet = samples(&o);
    assert_eq!(image::load_from_memory(&png(&sheet)).unwrap().to_rgb8(), sheet);
    assert_eq!(sheet.width() as usize, 8 + 10 * (84 + 2 + 8));
}
