//! What comes back from a device: through staging buffers, which are mapped once their copy
//! is done.

use super::GpuExecutor;
use crate::error::{Error, Result};
use crate::plan::whole_words;
use crate::tensor::{DType, HostTensor, Spec};
use std::sync::mpsc;

/// The largest staging buffer that is kept to be used again: metrics are read all the
/// time, weights now and then.
const STAGING_KEPT: u64 = 1 << 20;

/// A copy under way.
pub(super) struct Readback {
    pub staging: wgpu::Buffer,
    pub spec: Spec,
    pub mapped: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl GpuExecutor {
    /// Copies bytes of a buffer to staging memory and starts to map it.
    pub(super) fn start_readback(&mut self, source: &wgpu::Buffer, offset: u64, spec: &Spec) -> Result<Readback> {
        let size = whole_words(spec);
        let staging = match self.staging.get_mut(&size).and_then(Vec::pop) {
            Some(staging) => staging,
            None => self.gpu.buffer(&wgpu::BufferDescriptor {
                label: Some("staging"),
                size,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })?,
        };
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(source, offset, &staging, 0, size);
        self.gpu.submit(Some(encoder.finish()));
        let (sender, mapped) = mpsc::channel();
        // The receiver is gone only when nobody wants the answer any more.
        staging.map_async(wgpu::MapMode::Read, .., move |result| drop(sender.send(result)));
        Ok(Readback { staging, spec: spec.clone(), mapped })
    }

    pub(super) fn finish_readback(&mut self, readback: Readback) -> Result<HostTensor> {
        let value = {
            let range = readback.staging.get_mapped_range(..).map_err(|e| self.not_read(&e))?;
            let bytes = &range[..readback.spec.bytes()];
            let n = readback.spec.elements();
            match readback.spec.dtype {
                DType::F32 => HostTensor::f32([n], bytemuck::pod_collect_to_vec(bytes)),
                DType::U32 => HostTensor::u32([n], bytemuck::pod_collect_to_vec(bytes)),
                DType::F16 => {
                    let halves: Vec<half::f16> = bytemuck::pod_collect_to_vec(bytes);
                    HostTensor::f32([n], halves.into_iter().map(half::f16::to_f32).collect())
                }
            }
        };
        readback.staging.unmap();
        let size = readback.staging.size();
        if size <= STAGING_KEPT {
            self.staging.entry(size).or_default().push(readback.staging);
        }
        Ok(value)
    }

    pub(super) fn read_now(&mut self, source: &wgpu::Buffer, offset: u64, spec: &Spec) -> Result<HostTensor> {
        let readback = self.start_readback(source, offset, spec)?;
        self.gpu.health.wait(None)?;
        let mapped = readback.mapped.recv().map_err(|_| self.went_away())?;
        mapped.map_err(|e| self.not_read(&e))?;
        let mut value = self.finish_readback(readback)?;
        value.shape = spec.shape.clone();
        Ok(value)
    }

    /// The error of a readback that a device has dropped.
    pub(super) fn went_away(&self) -> Error {
        self.gpu.probe().err().unwrap_or_else(|| Error::device("the device went away during a readback"))
    }

    /// The error of a readback that failed.
    pub(super) fn not_read(&self, e: &dyn std::fmt::Display) -> Error {
        self.gpu.probe().err().unwrap_or_else(|| Error::device(format!("readback: {e}")))
    }
}
