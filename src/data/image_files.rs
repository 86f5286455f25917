//! The files of a set of images, IDX or CIFAR: how large they are, and their images in
//! memory or on disk.

use super::Dataset;
use super::cifar::{SHAPE, cifar_count, cifar_on_disk, read_cifar_within};
use super::idx::{idx_on_disk, idx_shape, read_idx_within};
use super::images::Images;
use super::recognise::{Files, file_name};
use crate::error::{Error, Result};
use crate::files::memory::DataBound;
use std::path::Path;

impl Files {
    /// Reads all images, which may take so many bytes.
    pub(super) fn read(&self, name: &str, bound: DataBound) -> Result<Images> {
        match self {
            Files::Cifar10(batches) => read_cifar_within(name, batches, bound),
            Files::Idx { images: Some(images), labels: Some(labels) } => {
                read_idx_within(name, images, labels, bound.bytes)
            }
            Files::Idx { images, labels } => Err(lacking(name, images.as_deref(), labels.as_deref())),
        }
    }

    /// Opens them, to read images when they are needed.
    pub(super) fn on_disk(&self, name: &str, bound: DataBound) -> Result<Dataset> {
        match self {
            Files::Cifar10(batches) => cifar_on_disk(name, batches, bound),
            Files::Idx { images: Some(images), labels: Some(labels) } => idx_on_disk(name, images, labels, bound),
            Files::Idx { images, labels } => Err(lacking(name, images.as_deref(), labels.as_deref())),
        }
    }

    /// How many images there are, and their shape `[channels, height, width]`; none where
    /// only unpacking a file would tell.
    pub(super) fn shape(&self) -> Result<Option<(usize, [usize; 3])>> {
        match self {
            Files::Cifar10(batches) => Ok(cifar_count(batches)?.map(|n| (n, SHAPE))),
            Files::Idx { images: Some(images), .. } => {
                let [n, channels, height, width] = idx_shape(images)?;
                Ok(Some((n, [channels, height, width])))
            }
            Files::Idx { images: None, .. } => Ok(None),
        }
    }
}

/// The error for images without labels, or labels without images.
fn lacking(name: &str, images: Option<&Path>, labels: Option<&Path>) -> Error {
    let (have, lack) = if images.is_some() { ("images", "labels") } else { ("labels", "images") };
    let path = images.or(labels).map_or(name.into(), |p| p.display().to_string());
    Error::data(format!(
        "{path} has no {lack} to go with it: expected {} (plain or .gz) in the same folder",
        file_name(Path::new(&path))
            .trim_end_matches(".gz")
            .replace(have, lack)
            .replace(if have == "images" { "idx3" } else { "idx1" }, if have == "images" { "idx1" } else { "idx3" })
    ))
}
