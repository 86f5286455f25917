use super::*;

fn read(text: &str) -> Result<Augment> {
    let mut keys = Keys::new(text.parse().unwrap(), "[augment]");
    let augment = Augment::read(&mut keys)?;
    keys.finish()?;
    Ok(augment)
}

fn message(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

const FULL: &str = r#"
    flip_horizontal = true
    flip_vertical = 0.1
    shift = [0.1, 0.05]
    crop_padding = 4
    rotation = 10
    scale = [0.9, 1.1]
    shear = 5.5
    elastic_alpha = 2
    elastic_grid = 6
    fill = "reflect"
    brightness = 0.2
    contrast = 0.3
    saturation = 0.4
    noise = 0.02
    erase = 0.25
    erase_area = [0.05, 0.1]
    erase_ratio = [0.5, 2]
    erase_fill = "noise"
    mixup = 0.2
    cutmix = 1.0
    mix_probability = 0.7
    mix_per = "sample"
"#;

#[test]
fn every_key_reads_back_as_it_was() {
    let full = read(FULL).unwrap();
    assert_eq!((full.images.flip_horizontal, full.images.shift), (0.5, [0.1, 0.05]));
    assert_eq!((full.images.outside, full.images.patch), (Outside::Reflect, Patch::Noise));
    assert_eq!((full.mix.cutmix, full.mix.each), (1.0, true));
    // Every value differs from the default, so no key can be lost unseen.
    let (written, default) = (full.to_table(), Augment::default().to_table());
    assert_eq!(written.len(), FULL.lines().filter(|l| l.contains('=')).count());
    assert!(written.iter().all(|(key, value)| default[key] != *value));
    for augment in [full, Augment::default(), read("shift = 0.1\nnoise = 1e-9").unwrap()] {
        assert_eq!(read(&augment.to_table().to_string()).unwrap(), augment);
    }
}

#[test]
fn nothing_asked_is_nothing_done() {
    let none = read("").unwrap();
    assert_eq!(none, Augment::default());
    assert!(none.is_none() && !none.mixes());
    assert!(read("flip_horizontal = false\nfill = 'edge'").unwrap().is_none());
    assert!(!read("flip_vertical = true").unwrap().is_none());
    assert!(read("mixup = 0.2\nmix_probability = 0").unwrap().is_none());
    assert!(read("cutmix = 1").unwrap().mixes());
}

#[test]
fn mistakes_are_named() {
    let says = |text: &str, words: &str| {
        let m = message(text);
        assert!(m.contains(words) && m.contains("[augment]"), "{m}");
    };
    says("rotation = 200", "rotation is 200; expected a number from 0 to 180");
    says("rotation = 'far'", "expected a number");
    says("scale = 1.1", "expected two numbers");
    says("scale = [1.2, 0.8]", "scale is 1.2");
    says("shift = [0.1, 0.2, 0.3]", "a number or two of them");
    says("shift = inf", "shift is inf");
    says("flip_horizontal = 'yes'", "true, false or a probability");
    says("flip_horizontal = 2", "flip_horizontal is 2");
    says("fill = 'mirror'", "Valid: zero, edge, reflect");
    says("erase_area = [0, 0.1]", "erase_area");
    says("mixup = -0.5", "mixup is -0.5");
    says("mix_per = 'pair'", "Valid: batch, sample");
    says("rotate = 10", "did you mean \"rotation\"?");
    says("hue = 0.1", "hue");
    says("crop_padding = -1", "crop_padding = -1");
}

#[test]
fn samples_that_do_not_fit_are_refused() {
    let says = |text: &str, sample: &[usize], classes, words: &str| {
        let m = read(text).unwrap().check(sample, classes).unwrap_err().to_string();
        assert!(m.contains(words), "{m}");
    };
    says("rotation = 5\nelastic_grid = 9", &[13], Some(3), "rotation needs images");
    says("cutmix = 1\nmixup = 1", &[13], Some(3), "cutmix needs images");
    says("mixup = 1", &[13], None, "these have none");
    says("saturation = 0.1", &[1, 28, 28], Some(10), "3 channels");
    says("crop_padding = 40", &[1, 28, 28], Some(10), "crop_padding is 40");
    assert!(read("mixup = 0.2").unwrap().check(&[13], Some(3)).is_ok());
    assert!(read(FULL).unwrap().check(&[3, 32, 32], Some(10)).is_ok());
    assert!(Augment::default().check(&[7, 2], None).is_ok());
}

/// Pictures of 4x5 pixels with three channels, all different.
fn pictures(count: usize) -> Images {
    let pixels = (0..count * 60).map(|i| (i * 37 % 256) as u8).collect();
    let classes = vec!["a".into(), "b".into()];
    let labels = (0..count as u32).map(|i| i % 2).collect();
    Images { name: "pictures".into(), channels: 3, height: 4, width: 5, pixels, labels, classes }
}

#[test]
fn a_preview_shows_the_bytes_that_a_step_sees() {
    let set = pictures(6);
    let same = preview(&set, &[4, 0, 4], &Augment::default(), 1, 2).unwrap();
    assert_eq!(same, [set.image(4), set.image(0), set.image(4)]);
    let flip = read("flip_horizontal = 1.0").unwrap();
    let mirrored = |i: usize| -> Vec<u8> { set.image(i).chunks(5).flat_map(|row| row.iter().rev().copied()).collect() };
    assert_eq!(preview(&set, &[2, 5], &flip, 1, 2).unwrap(), [mirrored(2), mirrored(5)]);
}

#[test]
fn a_preview_depends_on_seed_step_and_slot_alone() {
    let set = pictures(6);
    let full = read(FULL).unwrap();
    let all = |seed, step| preview(&set, &[1, 1, 3, 0], &full, seed, step).unwrap();
    let first = all(7, 0);
    assert_eq!(first, all(7, 0));
    assert_ne!(first, all(8, 0));
    assert_ne!(first, all(7, 1));
    assert_ne!(first[0], first[1], "one image in two slots");
    // The same pictures at other places in the data.
    let moved = set.select(&[5, 3, 0, 1]);
    let stats = moved.channel_stats();
    assert_ne!(stats, set.channel_stats());
    let mut unmixed = full;
    unmixed.mix.probability = 0.0;
    unmixed.images.patch = Patch::Zero;
    let here = preview(&set, &[1, 1, 3, 0], &unmixed, 7, 0).unwrap();
    let there = preview(&moved, &[3, 3, 1, 2], &unmixed, 7, 0).unwrap();
    let differ = here.concat().iter().zip(there.concat()).map(|(a, b)| a.abs_diff(b)).max();
    assert!(differ <= Some(1), "normalised by other numbers, and back: {differ:?}");
}

#[test]
fn previews_of_nothing_and_of_what_is_not_there() {
    let set = pictures(2);
    assert!(preview(&set, &[], &Augment::default(), 0, 0).unwrap().is_empty());
    let m = preview(&set, &[0, 2], &Augment::default(), 0, 0).unwrap_err().to_string();
    assert!(m.contains("pictures has 2 images; there is no number 2"), "{m}");
}
