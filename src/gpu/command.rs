//! A dispatch as it is encoded.

use super::pipelines::Pipeline;
use std::sync::Arc;

/// A dispatch with all that it takes, ready to be encoded again and again.
pub(super) struct Command {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) bind_group: wgpu::BindGroup,
    pub(super) groups: [u32; 3],
    /// Seconds that it is expected to take on a slow device.
    pub(super) work: f64,
}

impl Command {
    /// `before`: the command before it in the same pass, whose pipeline is still
    /// set.
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass, before: Option<&Command>) {
        if !before.is_some_and(|b| Arc::ptr_eq(&b.pipeline, &self.pipeline)) {
            pass.set_pipeline(&self.pipeline.pipeline);
        }
        pass.set_bind_group(0, &self.bind_group, &[]);
        let [x, y, z] = self.groups;
        pass.dispatch_workgroups(x, y, z);
    }
}
