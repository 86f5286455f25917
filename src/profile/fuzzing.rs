//! What the fuzz targets reach of the cache of this layer.

use super::{Ceilings, ceilings};
use crate::device::DeviceInfo;
use std::path::Path;

/// The ceilings of a device in a file.
pub fn ceilings(path: &Path, info: &DeviceInfo) -> Option<Ceilings> {
    ceilings::read(path, info).map(|kept| kept.ceilings)
}
