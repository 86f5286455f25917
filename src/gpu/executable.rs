//! What a driver's compiler reports of a kernel: registers, spills, memory, instructions, machine code.
//! Nothing runs. Vulkan only: Metal and DX12 have no such reports.

#[cfg(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd"))]
mod vulkan;

#[cfg(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub use vulkan::Compiler;

#[cfg(not(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub use nowhere::Compiler;

use serde::Serialize;

/// What a driver made of a kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Executable {
    /// Invocations of a subgroup.
    pub subgroup: u32,
    /// The driver's figures, in its order and by its names.
    pub statistics: Vec<Statistic>,
    /// The driver's texts by name, from its first form of the kernel to the machine code.
    pub texts: Vec<(String, String)>,
}

/// A figure of a driver.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistic {
    /// The driver's name for it.
    pub name: String,
    /// Its value.
    pub value: Figure,
}

/// The value of a figure, in the type that the driver gives it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Figure {
    /// Yes or no.
    Bool(bool),
    /// A signed count.
    I64(i64),
    /// A count.
    U64(u64),
    /// A real number.
    F64(f64),
}

impl Figure {
    /// The value as a number; yes is 1.
    pub fn number(self) -> f64 {
        match self {
            Figure::Bool(b) => f64::from(u8::from(b)),
            Figure::I64(n) => n as f64,
            Figure::U64(n) => n as f64,
            Figure::F64(x) => x,
        }
    }
}

impl Executable {
    /// The figure of that name, capitals aside.
    pub fn statistic(&self, name: &str) -> Option<f64> {
        self.statistics.iter().find(|s| s.name.eq_ignore_ascii_case(name)).map(|s| s.value.number())
    }

    /// The machine code, which drivers hand out last: `None` where this one does not.
    pub fn assembly(&self) -> Option<&str> {
        let is = |name: &str| ["assembly", "isa", "sass", "machine"].iter().any(|w| name.to_lowercase().contains(w));
        self.texts.iter().rev().find(|(name, _)| is(name)).map(|(_, text)| text.as_str())
    }
}

/// Where there is no Vulkan.
#[cfg(not(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd")))]
mod nowhere {
    use super::Executable;
    use crate::error::{Error, Result};
    use crate::gpu::Adapter;
    use crate::kernel::Kernel;

    /// A driver's compiler.
    pub enum Compiler {}

    impl Compiler {
        /// Fails: this system has no Vulkan.
        pub fn open(adapter: &Adapter) -> Result<Compiler> {
            Err(Error::device(format!(
                "{} ({}) does not say what its compiler makes of a kernel; only Vulkan drivers do",
                adapter.name, adapter.backend
            )))
        }

        /// What it makes of a kernel.
        pub fn compile(&self, _kernel: &Kernel) -> Result<Executable> {
            match *self {}
        }
    }
}
