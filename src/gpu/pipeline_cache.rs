//! Compiled pipelines on disk, so that a program's second start does not wait
//! for the driver's compiler. Vulkan only: Metal and DX12 keep caches of their
//! own.
//!
//! A cache speeds up and decides nothing: one that cannot be read, is damaged or
//! belongs to another driver is made anew, and one that cannot be written is done
//! without.

use crate::files;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file that grows beyond this holds kernels that nobody uses any more, and is
/// begun again.
const MOST: usize = 128 << 20;

/// The driver's cache, and the file that it is kept in.
pub(crate) struct PipelineCache {
    pub inner: wgpu::PipelineCache,
    path: PathBuf,
    grown: AtomicBool,
}

impl PipelineCache {
    /// The cache of a device, if it has such a thing and there is a folder for it.
    pub fn open(device: &wgpu::Device, adapter: &wgpu::AdapterInfo) -> Option<PipelineCache> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let path = files::cache_folder()?.join(wgpu::util::pipeline_cache_key(adapter)?);
        let held =
            files::bytes(&path, MOST as u64 + 4).ok().flatten().and_then(|bytes| unseal(&bytes).map(<[u8]>::to_vec));
        // SAFETY: wgpu asks that the data came from `get_data`. The checksum says
        // that it is what `save` wrote; wgpu and the driver check the versions.
        let inner = unsafe {
            device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor {
                label: Some("pipelines"),
                data: held.as_deref(),
                fallback: true,
            })
        };
        Some(PipelineCache { inner, path, grown: AtomicBool::new(false) })
    }

    /// Notes that there is something to save.
    pub fn grew(&self) {
        self.grown.store(true, Ordering::Relaxed);
    }

    /// Writes what has been compiled since the cache was opened, if anything.
    pub fn save(&self) {
        if !self.grown.swap(false, Ordering::Relaxed) {
            return;
        }
        let Some(data) = self.inner.get_data().filter(|d| d.len() <= MOST) else {
            let _ = std::fs::remove_file(&self.path);
            return;
        };
        let folder = self.path.parent().map(std::fs::create_dir_all);
        if matches!(folder, Some(Ok(()))) {
            // Nothing depends on it; the next start compiles again.
            let _ = files::write(&self.path, &seal(&data));
        }
    }
}

/// The data behind its checksum.
fn seal(data: &[u8]) -> Vec<u8> {
    [&checksum(data).to_le_bytes(), data].concat()
}

/// What [`seal`] was given, unless it was damaged since.
pub(super) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (sum, data) = bytes.split_first_chunk::<4>()?;
    (checksum(data) == u32::from_le_bytes(*sum)).then_some(data)
}

fn checksum(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_damaged_on_disk_never_reaches_the_driver() {
        let sealed = seal(b"pipelines");
        assert_eq!(unseal(&sealed), Some(&b"pipelines"[..]));
        for i in 0..sealed.len() {
            let mut other = sealed.clone();
            other[i] ^= 1;
            assert_eq!(unseal(&other), None, "byte {i}");
            assert_eq!(unseal(&sealed[..i]), None, "{i} bytes");
        }
    }
}
