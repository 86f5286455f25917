//! Images that are in their files as they are, one byte per channel: read where they are
//! when they are needed.

use super::{Dataset, Elements, ReadSamples, Samples, Targets};
use crate::error::{Error, Result};
use crate::files::RowFile;
use crate::files::memory::{self, DataBound};
use std::path::Path;

/// Rows of several files, one after the other, each an image behind some other bytes.
struct RawImages {
    parts: Vec<RowFile>,
    /// Bytes of a row before its image.
    skip: usize,
    /// Bytes of an image.
    width: usize,
}

impl ReadSamples for RawImages {
    fn count(&self) -> usize {
        self.parts.iter().map(RowFile::len).sum()
    }

    fn elements(&self) -> Elements {
        Elements::Bytes
    }

    fn read(&self, rows: &[usize]) -> Result<Samples> {
        let mut pixels = vec![0; rows.len() * self.width];
        let mut first = 0;
        for part in &self.parts {
            let own = first..first + part.len();
            let (places, rows): (Vec<usize>, Vec<usize>) =
                rows.iter().enumerate().filter(|(_, row)| own.contains(row)).map(|(i, row)| (i, row - first)).unzip();
            part.read(&rows, &mut |i, row| {
                pixels[places[i] * self.width..][..self.width].copy_from_slice(&row[self.skip..][..self.width]);
            })?;
            first = own.end;
        }
        Ok(pixels.into())
    }

    fn repeats(&self) -> bool {
        true
    }
}

/// Labelled images `[channels, height, width]` in rows of several files, each behind `skip`
/// bytes.
pub(super) fn on_disk(
    name: &str,
    shape: [usize; 3],
    parts: Vec<RowFile>,
    skip: usize,
    targets: Targets,
    bound: DataBound,
) -> Dataset {
    let images = RawImages { parts, skip, width: shape.iter().product() };
    let samples = Samples::read_by(images, &shape).within(bound);
    Dataset { name: name.into(), shape: shape.to_vec(), samples, targets, origin: Default::default() }
}

/// The error for a gzipped file of a set that is to be read when it is needed.
pub(super) fn packed(path: &Path, bytes: u64, bound: DataBound) -> Error {
    Error::data(format!(
        "{} is gzipped and takes {} in memory, more than {}: a set beyond that is read from its files piece by piece, \
         which gzip does not allow; unpack it with gunzip, or raise --data-memory",
        path.display(),
        memory::size(bytes),
        bound
    ))
}
