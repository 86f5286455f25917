//! A WGSL file of `shaders/`, compiled into the program.

/// A WGSL file of `shaders/`.
#[derive(Debug, PartialEq, Eq)]
pub struct Shader {
    /// The file's stem, which is the op's name.
    pub name: &'static str,
    /// The file's text.
    pub source: &'static str,
}

/// The [`Shader`](crate::kernel::Shader) of `shaders/NAME.wgsl`.
#[macro_export]
macro_rules! shader {
    ($name:literal) => {
        $crate::kernel::Shader {
            name: $name,
            source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $name, ".wgsl")),
        }
    };
}
