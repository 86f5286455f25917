//! The files that rows are made of.

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use std::io::Write;
use std::path::Path;

/// Writes a file, and the folders that it lies in.
pub fn file(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().expect("a file lies somewhere")).expect("folders");
    std::fs::write(path, bytes).expect("written");
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("finished")
}

/// Changes the rights of a file or folder, where there are such.
pub fn rights(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("rights");
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

/// Forty rows that can be learned: `x,y,class`.
pub fn table() -> String {
    let mut text = "x,y,class\n".to_string();
    for i in 0..40 {
        text += &format!("{},{},{}\n", f64::from(i % 7) * 0.37, f64::from(i % 5) * 1.1, ["a", "b"][i as usize % 2]);
    }
    text
}

/// [`table`] in `t.csv`.
pub fn good_table(at: &Path) {
    file(&at.join("t.csv"), table());
}

/// A table made of a header and rows.
pub fn rows(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    let mut text = format!("{header}\n");
    (0..rows).for_each(|i| text += &format!("{}\n", row(i)));
    text
}

/// The bytes of a picture.
pub fn picture(format: ImageFormat, seed: u8) -> Vec<u8> {
    let grey = GrayImage::from_fn(8, 8, |x, y| Luma([seed.wrapping_mul(37).wrapping_add((x * 3 + y) as u8)]));
    let mut bytes = std::io::Cursor::new(vec![]);
    DynamicImage::from(grey).write_to(&mut bytes, format).expect("encoded");
    bytes.into_inner()
}

pub fn png(seed: u8) -> Vec<u8> {
    picture(ImageFormat::Png, seed)
}

/// A folder `pics` of two classes with six pictures each.
pub fn pictures(at: &Path) {
    for i in 0..12 {
        file(&at.join(format!("pics/{}/{i}.png", ["cat", "dog"][i % 2])), png(i as u8));
    }
}

/// The bytes of an IDX file of bytes.
pub fn idx(dims: &[u32], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
    bytes.extend(content);
    bytes
}

pub const IMAGES: &str = "set/train-images-idx3-ubyte";
pub const LABELS: &str = "set/train-labels-idx1-ubyte";

/// A folder `set` of forty 8x8 images of two classes.
pub fn idx_set(at: &Path) {
    let pixels: Vec<u8> =
        (0..40 * 64).map(|i: u32| if i / 64 % 2 == u32::from(i % 64 < 32) { 200 } else { 9 }).collect();
    file(&at.join(IMAGES), idx(&[40, 8, 8], &pixels));
    file(&at.join(LABELS), idx(&[40], &(0..40).map(|i| i % 2).collect::<Vec<u8>>()));
}

/// A CIFAR-10 batch with these labels.
pub fn cifar(labels: &[u8]) -> Vec<u8> {
    labels.iter().flat_map(|&l| [vec![l], vec![l.wrapping_mul(20); 3072]].concat()).collect()
}
