//! What the fuzz targets reach of the caches of this layer.

use super::{pipeline_cache, refused};
use crate::error::Result;
use crate::kernel::Refused;
use std::path::Path;

/// What a file says that an adapter computes wrongly.
pub fn refused(path: &Path, adapter: &str) -> Result<Refused> {
    refused::read(path, adapter)
}

/// The compiled pipelines in the bytes of a file.
pub fn pipelines(bytes: &[u8]) -> Option<&[u8]> {
    pipeline_cache::unseal(bytes)
}
