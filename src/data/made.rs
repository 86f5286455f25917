//! Images of a set in another size or number of channels than they have.

use super::images::Images;
use super::options::OpenOptions;
use super::picture::{from_planes, planes};
use super::{Dataset, Elements, Samples};
use crate::error::{Context, Error, Result};
use crate::files::memory;
use rayon::prelude::*;

/// The shape `[channels, height, width]` that is asked for of images that have another;
/// none where they keep theirs.
///
/// Fails on images that have neither one channel nor three.
fn wanted(name: &str, [channels, height, width]: [usize; 3], options: &OpenOptions) -> Result<Option<[usize; 3]>> {
    let [h, w] = options.size.unwrap_or([height, width]);
    let c = options.channels.unwrap_or(channels);
    if [c, h, w] == [channels, height, width] {
        return Ok(None);
    }
    if !matches!(channels, 1 | 3) {
        return Err(Error::data(format!(
            "{name} has images of {channels} channels; only those of 1 or 3 change their size or channels"
        )));
    }
    Ok(Some([c, h, w]))
}

/// Images one after the other, in another shape.
fn change(pixels: &[u8], from: [usize; 3], to: [usize; 3], options: &OpenOptions) -> Vec<u8> {
    let [channels, size @ ..] = to;
    let stride = |shape: [usize; 3]| shape.iter().product::<usize>();
    let mut changed = vec![0; pixels.len() / stride(from) * stride(to)];
    changed.par_chunks_mut(stride(to)).zip(pixels.par_chunks(stride(from))).for_each(|(image, own)| {
        image.copy_from_slice(&planes(&from_planes(own, from), channels, size, options.filter, None));
    });
    changed
}

impl Images {
    /// The same images in another size or number of channels, where asked for.
    ///
    /// Fails on images that have neither one channel nor three, and when the others take
    /// more bytes than the budget.
    pub(super) fn made(self, options: &OpenOptions, budget: u64) -> Result<Images> {
        let from = [self.channels, self.height, self.width];
        let Some(to) = wanted(&self.name, from, options)? else { return Ok(self) };
        let [channels, height, width] = to;
        let bytes = (self.len() as u64).saturating_mul((channels * height * width) as u64);
        memory::judge_named(&self.name, bytes, budget).context(|| {
            format!(
                "changing the size of images: {} pictures as images of {channels}x{height}x{width} (make them \
                     smaller with data.size, such as [64, 64])",
                self.len()
            )
        })?;
        Ok(Images { channels, height, width, pixels: change(&self.pixels, from, to, options), ..self })
    }
}

impl Dataset {
    /// The same images in another size or number of channels, where asked for, when they
    /// are read.
    ///
    /// Fails on images that have neither one channel nor three.
    pub(super) fn made_when_read(self, options: &OpenOptions) -> Result<Dataset> {
        let &[channels, height, width] = &self.shape[..] else { return Ok(self) };
        let from = [channels, height, width];
        let Some(to) = wanted(&self.name, from, options)? else { return Ok(self) };
        let options = options.clone();
        let samples = self.samples.map_to(Elements::Bytes, to.iter().product(), move |piece| match piece {
            Samples::Bytes(pixels) => change(&pixels, from, to, &options).into(),
            other => other,
        });
        Ok(Dataset { samples, shape: to.to_vec(), ..self })
    }
}
