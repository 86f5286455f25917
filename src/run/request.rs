//! The device that is asked for.

use super::observer::Observer;
use crate::device::Device;
use crate::error::Result;
use crate::ops::matmul;
use crate::plan::Precision;
use crate::tuning;

/// A device by name, and how it may multiply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceRequest {
    /// `cpu`, `auto`, an adapter's number or part of its name: see [`Device::open`].
    pub name: String,
    /// Whether a GPU may round the factors of large products to f16; `None`: in mixed
    /// precision.
    pub half: Option<bool>,
}

impl DeviceRequest {
    /// A device by name.
    pub fn named(name: impl Into<String>) -> DeviceRequest {
        DeviceRequest { name: name.into(), half: None }
    }

    /// Opens it for work in a precision; with f16 products, if it is asked for them and
    /// passes their test.
    pub fn open(&self, precision: Precision, observer: &mut dyn Observer) -> Result<Device> {
        let half = self.half.unwrap_or(precision != Precision::F32);
        let mut device = Device::open_with(&self.name, half)?;
        let tried = match &mut device {
            Device::Gpu(gpu) if half => tuning::try_half(gpu, &matmul::trials()),
            Device::Cpu if half => Err("the CPU multiplies in f32".into()),
            _ => Ok(()),
        };
        if let (Err(why), true) = (tried, self.half.is_some()) {
            observer.warn(&format!("--matmul f16 is left out: {why}"));
        }
        Ok(device)
    }
}
