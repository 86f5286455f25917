//! GPU vocabulary with no `wgpu` in it: kernels, dispatches, capabilities,
//! the assembly of shader sources, and reflection over them with naga.

mod caps;
mod dispatch;
mod halves;
pub mod reflect;
mod refused;
mod shader;
mod source;
mod store;
mod translate;
mod variant;

pub use caps::{Caps, Class};
pub use dispatch::{Dispatch, Kernel, Lowered, Slot, groups_1d};
pub use halves::{Form, holds_words, takes_bits};
pub use refused::{Refusal, Refused};
pub use shader::Shader;
pub use source::{assemble, includes, replace};
pub use store::{MOST_TENSORS, Store};
pub use translate::{Language, translate};
pub use variant::{ANYWHERE, GPUS, SOFTWARE, Variant};
