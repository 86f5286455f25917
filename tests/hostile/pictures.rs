//! Broken pictures, IDX files and CIFAR-10 batches.

use super::make::{IMAGES, LABELS, cifar, file, gzip, idx, idx_set, picture, pictures, png};
use super::{Row, refused, works};
use image::ImageFormat;
use std::path::Path;

const PICS: &[&str] = &["--data", "pics"];
const SET: &[&str] = &["--data", "set", "--model", "mlp"];
const BATCH: &[&str] = &["--data", "data_batch_1.bin", "--model", "mlp"];

/// A PNG whose header promises pixels that nobody has.
fn huge_png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(1);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    bytes
}

fn only(at: &Path, bytes: &[u8], ending: &str) {
    for i in 0..12 {
        file(&at.join(format!("pics/{}/{i}.{ending}", ["cat", "dog"][i % 2])), bytes);
    }
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(to, from).expect("a link");
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) {}

fn replaced(at: &Path, name: &str, bytes: &[u8]) {
    idx_set(at);
    file(&at.join(name), bytes);
}

fn without(at: &Path, name: &str, cut: usize) {
    idx_set(at);
    let bytes = std::fs::read(at.join(name)).expect("read");
    file(&at.join(name), &bytes[..bytes.len() - cut]);
}

pub fn rows() -> Vec<Row> {
    vec![
        works(
            "pics_text_named_png",
            |at| {
                pictures(at);
                file(&at.join("pics/cat/x.png"), "hello");
            },
            PICS,
            &["1 file cannot be read", "cat/x.png", "hello"],
        ),
        works(
            "pics_png_named_txt",
            |at| {
                pictures(at);
                file(&at.join("pics/cat/x.txt"), png(3));
            },
            PICS,
            &["11 training, 2 validation"],
        ),
        works(
            "pics_one_of_no_bytes",
            |at| {
                pictures(at);
                file(&at.join("pics/cat/x.png"), "");
            },
            PICS,
            &["cat/x.png: it is empty"],
        ),
        refused("pics_all_of_no_bytes", |at| only(at, b"", "png"), PICS, &["none of them can be read", "it is empty"]),
        works(
            "pics_one_truncated_jpeg",
            |at| {
                pictures(at);
                let j = picture(ImageFormat::Jpeg, 2);
                file(&at.join("pics/cat/x.jpg"), &j[..j.len() / 3]);
            },
            PICS,
            &["1 file cannot be read", "cat/x.jpg"],
        ),
        refused(
            "pics_all_truncated_png",
            |at| {
                let p = png(2);
                only(at, &p[..p.len() - 20], "png");
            },
            PICS,
            &["none of them can be read", "cannot be decoded"],
        ),
        refused(
            "pics_huge_headers",
            |at| only(at, &huge_png(2_000_000_000, 2_000_000_000), "png"),
            PICS,
            &["none of them can be read", "Image size exceeds limit"],
        ),
        refused(
            "pics_large_headers",
            |at| only(at, &huge_png(16_000, 16_000), "png"),
            PICS,
            &["none of them can be read", "cannot be decoded"],
        ),
        refused("pics_no_pixels", |at| only(at, &huge_png(0, 8), "png"), PICS, &["none of them can be read"]),
        refused(
            "pics_asked_too_large",
            pictures,
            &["--data", "pics", "--set", "data.size=[16384,16384]"],
            &["12 pictures as images of 1x16384x16384: each takes 256.0 MiB in memory", "data.size", "--data-memory"],
        ),
        refused(
            "pics_asked_of_no_size",
            pictures,
            &["--data", "pics", "--set", "data.size=[0,9]"],
            &["size = [0, 9]", "from 1 to 16384"],
        ),
        refused(
            "pics_empty_folder",
            |at| std::fs::create_dir(at.join("pics")).expect("made"),
            PICS,
            &["folder pics", "nothing"],
        ),
        refused(
            "pics_empty_classes",
            |at| {
                for c in ["a", "b"] {
                    std::fs::create_dir_all(at.join("pics").join(c)).expect("made");
                }
            },
            PICS,
            &["folder pics", "folders of pictures", "a, b"],
        ),
        refused(
            "pics_one_class",
            |at| {
                pictures(at);
                std::fs::remove_dir_all(at.join("pics/dog")).expect("removed");
            },
            PICS,
            &["one class only (\"cat\")"],
        ),
        refused(
            "pics_not_in_classes",
            |at| file(&at.join("pics/1.png"), png(1)),
            PICS,
            &["expected one sub-folder per class"],
        ),
        refused(
            "pics_only_to_test",
            |at| {
                pictures(at);
                std::fs::create_dir(at.join("all")).expect("made");
                std::fs::rename(at.join("pics"), at.join("all/test")).expect("moved");
            },
            &["--data", "all"],
            &["test pictures only", "all/train"],
        ),
        works(
            "pics_links_in_circles",
            |at| {
                pictures(at);
                link(&at.join("pics/cat/loop"), &at.join("pics"));
                link(&at.join("pics/self"), &at.join("pics"));
                link(&at.join("pics/cat/me"), Path::new("me"));
            },
            PICS,
            &["is a link back into the folder and is left out", "saved in"],
        ),
        refused(
            "pics_link_to_itself",
            |at| link(&at.join("pics"), Path::new("pics")),
            PICS,
            &["pics is a link that leads nowhere"],
        ),
        works(
            "pics_some_unreadable",
            |at| {
                pictures(at);
                super::make::rights(&at.join("pics/cat/0.png"), 0);
            },
            PICS,
            &["cat/0.png", "Permission denied", "saved in"],
        )
        .with_rights(),
        refused(
            "pics_unreadable_folder",
            |at| {
                pictures(at);
                super::make::rights(&at.join("pics/cat"), 0);
            },
            PICS,
            &["pics/cat", "Permission denied"],
        )
        .with_rights(),
        refused(
            "pics_one_picture",
            |at| file(&at.join("1.png"), png(1)),
            &["--data", "1.png"],
            &["1.png is one picture"],
        ),
        refused(
            "pics_too_small_for_the_model",
            |at| {
                for i in 0..12 {
                    let g = image::GrayImage::new(1, 1);
                    std::fs::create_dir_all(at.join(format!("pics/{}", i % 2))).expect("made");
                    g.save(at.join(format!("pics/{}/{i}.png", i % 2))).expect("saved");
                }
            },
            PICS,
            &["layer 1 (Conv2D \"conv1\")", "smaller kernel"],
        ),
        works(
            "pics_odd_paths",
            |at| {
                pictures(at);
                std::fs::rename(at.join("pics/cat"), at.join("pics/kätzchen \n1")).expect("moved");
                std::fs::rename(at.join("pics"), at.join("my pics")).expect("moved");
            },
            &["--data", "my pics"],
            &["my pics", "saved in"],
        ),
        refused(
            "idx_truncated",
            |at| without(at, IMAGES, 5),
            SET,
            &["is truncated: it holds 2571 bytes", "promises 2576"],
        ),
        refused(
            "idx_absurd_sizes",
            |at| replaced(at, IMAGES, &idx(&[u32::MAX, u32::MAX, u32::MAX], b"")),
            SET,
            &["more than 64 bits can count"],
        ),
        refused(
            "idx_large_sizes",
            |at| replaced(at, IMAGES, &idx(&[60_000, 2800, 2800], b"")),
            SET,
            &["promises 470400000016"],
        ),
        refused("idx_no_images", |at| replaced(at, IMAGES, &idx(&[0, 8, 8], b"")), SET, &["holds no images"]),
        refused(
            "idx_wrong_magic",
            |at| replaced(at, IMAGES, b"\x89PNG\r\n\x1a\n    "),
            SET,
            &["is not an IDX file", "[89, 50, 4e, 47]"],
        ),
        refused(
            "idx_of_floats",
            |at| {
                let mut b = idx(&[40, 8, 8], &[0; 40 * 64 * 4]);
                b[2] = 13;
                replaced(at, IMAGES, &b);
            },
            SET,
            &["32-bit floats", "expected unsigned bytes"],
        ),
        refused(
            "idx_labels_for_images",
            |at| replaced(at, IMAGES, &idx(&[40], &[0; 40])),
            SET,
            &["1 dimensions", "looks like a file of labels"],
        ),
        refused(
            "idx_more_labels",
            |at| replaced(at, LABELS, &idx(&[41], &[0; 41])),
            SET,
            &["holds 40 images", "holds 41 labels"],
        ),
        refused(
            "idx_gzip_bomb",
            |at| {
                idx_set(at);
                std::fs::remove_file(at.join(IMAGES)).expect("removed");
                file(&at.join(format!("{IMAGES}.gz")), gzip(&idx(&[40, 8, 8], &vec![0; 1 << 26])));
            },
            SET,
            &["has more bytes after the 2576"],
        ),
        works(
            "idx_all_labels_that_a_byte_has",
            |at| replaced(at, LABELS, &idx(&[40], &(0..40).map(|i| 255 - i).collect::<Vec<u8>>())),
            &["--data", "set", "--model", "mlp", "--val-split", "0"],
            &["256 classes", "saved in"],
        ),
        refused(
            "idx_one_label",
            |at| replaced(at, LABELS, &idx(&[40], &[0; 40])),
            SET,
            &["all 36 training samples", "class \"0\"", "two classes or more"],
        ),
        works(
            "idx_all_pixels_alike",
            |at| replaced(at, IMAGES, &idx(&[40, 8, 8], &[77; 40 * 64])),
            SET,
            &["loss 0.69", "saved in"],
        ),
        refused(
            "idx_folder_for_a_file",
            |at| {
                idx_set(at);
                std::fs::remove_file(at.join(IMAGES)).expect("removed");
                std::fs::create_dir(at.join(IMAGES)).expect("made");
            },
            SET,
            &["has no images to go with it"],
        ),
        refused("idx_one_file", idx_set, &["--data", IMAGES], &["is one file of an IDX set"]),
        refused(
            "cifar_wrong_length",
            |at| file(&at.join("data_batch_1.bin"), &cifar(&[1; 9])[..20_000]),
            BATCH,
            &["6 records of 3073 and 1562 bytes over"],
        ),
        refused(
            "cifar_label_10",
            |at| file(&at.join("data_batch_1.bin"), cifar(&[1, 2, 10, 3])),
            BATCH,
            &["record 2 (byte 6146) has label 10, expected 0 to 9"],
        ),
        refused(
            "cifar_empty",
            |at| file(&at.join("data_batch_1.bin"), b""),
            BATCH,
            &["holds 0 bytes", "the file is empty"],
        ),
        refused(
            "npy_broken",
            |at| file(&at.join("a.npy"), b"\x93NUMPY\x01\x00\xff\xff{"),
            &["--data", "a.npy"],
            &["a.npy"],
        ),
        refused(
            "no_such_path",
            pictures,
            &["--data", "pisc"],
            &["no file or folder \"pisc\"", "did you mean \"pics\"?"],
        ),
        refused("a_device_file", |_| {}, &["--data", "/dev/zero"], &["/dev/zero is a file that is no data set"]),
        refused(
            "an_unknown_file",
            |at| file(&at.join("a.xyz"), "hello"),
            &["--data", "a.xyz"],
            &["a.xyz is a file that is no data set", ".csv"],
        ),
    ]
}
