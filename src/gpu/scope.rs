//! What wgpu finds wrong with something that is made, as an error of ours.

use crate::error::{Error, Result};

/// Runs `make` and turns wgpu's validation and memory errors into ours; `adapter` is the
/// name of the one that was opened.
pub(super) fn scoped<T>(device: &wgpu::Device, adapter: &str, what: &str, make: impl FnOnce() -> T) -> Result<T> {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let made = make();
    let errors = [pollster::block_on(validation.pop()), pollster::block_on(memory.pop())];
    match errors.into_iter().flatten().next() {
        None => Ok(made),
        Some(e) => Err(Error::device(format!("{what} on {adapter}: {e}"))),
    }
}
