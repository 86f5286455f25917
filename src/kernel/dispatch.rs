//! Kernels and dispatches as plain data.

use super::{Form, Shader};
use crate::tensor::Spec;

/// One entry point of a shader with its compile-time constants: everything
/// that decides the compiled pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// The WGSL file.
    pub shader: &'static Shader,
    /// The entry point in it.
    pub entry: &'static str,
    /// Values of the file's `override`s: shapes, workgroup sizes, switches.
    pub overrides: Vec<(&'static str, f64)>,
    /// `const` lines and `alias`es the file leaves open: register tiles and
    /// element types, which WGSL does not let an override decide.
    pub consts: Vec<(&'static str, String)>,
    /// Storage variables that are kept in half precision, and how.
    pub halves: (Vec<&'static str>, Form),
}

impl Kernel {
    /// An entry point with no constants yet.
    pub fn new(shader: &'static Shader, entry: &'static str) -> Kernel {
        Kernel { shader, entry, overrides: vec![], consts: vec![], halves: Default::default() }
    }

    /// Sets an `override` to a count or a size.
    pub fn set(mut self, name: &'static str, value: usize) -> Kernel {
        self.overrides.push((name, value as f64));
        self
    }

    /// Sets an `override` to a real number.
    pub fn real(mut self, name: &'static str, value: f64) -> Kernel {
        self.overrides.push((name, value));
        self
    }

    /// Sets a boolean `override`.
    pub fn flag(mut self, name: &'static str, value: bool) -> Kernel {
        self.overrides.push((name, f64::from(u8::from(value))));
        self
    }

    /// Adds a line `const NAME: u32 = VALUE;`.
    pub fn constant(mut self, name: &'static str, value: usize) -> Kernel {
        self.consts.push((name, format!("const {name}: u32 = {value}u;")));
        self
    }

    /// Adds `const NAME: array<u32, N>`: strides and axis lengths.
    pub fn array(mut self, name: &'static str, values: &[usize]) -> Kernel {
        let list = values.iter().map(|v| format!("{v}u")).collect::<Vec<_>>().join(", ");
        self.consts.push((name, format!("const {name} = array<u32, {}>({list});", values.len())));
        self
    }

    /// Adds a line of WGSL under a name, such as an alias or a small function
    /// that the file leaves open.
    pub fn line(mut self, name: &'static str, wgsl: String) -> Kernel {
        self.consts.push((name, wgsl));
        self
    }

    /// A dispatch of this kernel over `groups` workgroups.
    pub fn dispatch(self, groups: [u32; 3]) -> Dispatch {
        Dispatch { kernel: self, binds: vec![], groups }
    }

    /// A dispatch of one invocation per item, `wg` per workgroup, folded into
    /// two dimensions where one is too short; sets the override `WG`.
    pub fn dispatch_1d(self, items: usize, wg: usize) -> Dispatch {
        self.set("WG", wg).dispatch(groups_1d(items, wg))
    }
}

/// Which tensor of a node a binding refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Input number.
    Input(usize),
    /// Input number, from an element on: one pipeline serves many places of a
    /// table. Elements count in steps of 64, the coarsest alignment there is.
    InputAt(usize, usize),
    /// Number of a tensor written in place.
    Update(usize),
    /// Output number.
    Output(usize),
    /// Number of a temporary of this lowering.
    Scratch(usize),
}

/// A kernel, its bindings by name, and the size of the grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    /// What runs.
    pub kernel: Kernel,
    /// Names of storage variables in the shader and what they refer to.
    pub binds: Vec<(&'static str, Slot)>,
    /// Workgroups per dimension.
    pub groups: [u32; 3],
}

impl Dispatch {
    /// Binds an input to a shader variable.
    pub fn input(self, name: &'static str, i: usize) -> Dispatch {
        self.bind(name, Slot::Input(i))
    }

    /// Binds what lies in an input from element `offset` on, a multiple of 64.
    pub fn input_at(self, name: &'static str, i: usize, offset: usize) -> Dispatch {
        self.bind(name, Slot::InputAt(i, offset))
    }

    /// Binds a tensor written in place to a shader variable.
    pub fn update(self, name: &'static str, i: usize) -> Dispatch {
        self.bind(name, Slot::Update(i))
    }

    /// Binds an output to a shader variable.
    pub fn output(self, name: &'static str, i: usize) -> Dispatch {
        self.bind(name, Slot::Output(i))
    }

    /// Binds a temporary to a shader variable.
    pub fn scratch(self, name: &'static str, i: usize) -> Dispatch {
        self.bind(name, Slot::Scratch(i))
    }

    /// Binds any tensor to a shader variable.
    pub fn bind(mut self, name: &'static str, slot: Slot) -> Dispatch {
        self.binds.push((name, slot));
        self
    }
}

/// What an op becomes on a GPU.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lowered {
    /// Temporaries that live for this op only.
    pub scratch: Vec<Spec>,
    /// Dispatches, in order.
    pub dispatches: Vec<Dispatch>,
}

impl Lowered {
    /// No work at all.
    pub fn nothing() -> Lowered {
        Lowered::default()
    }

    /// One dispatch.
    pub fn one(dispatch: Dispatch) -> Lowered {
        Lowered { scratch: vec![], dispatches: vec![dispatch] }
    }

    /// Several dispatches without temporaries.
    pub fn many(dispatches: Vec<Dispatch>) -> Lowered {
        Lowered { scratch: vec![], dispatches }
    }
}

/// The most workgroups that any adapter takes in one dimension.
const MAX_GROUPS: usize = 65_535;

/// The grid for `items` invocations in workgroups of `wg`: one dimension while
/// it fits, two beyond. `lib/index.wgsl` turns the ids back into a flat index.
pub fn groups_1d(items: usize, wg: usize) -> [u32; 3] {
    let groups = items.div_ceil(wg).max(1);
    if groups <= MAX_GROUPS {
        return [groups as u32, 1, 1];
    }
    let rows = groups.div_ceil(MAX_GROUPS);
    [groups.div_ceil(rows) as u32, rows as u32, 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_fold_beyond_the_limit_and_cover_every_item() {
        assert_eq!(groups_1d(0, 64), [1, 1, 1]);
        assert_eq!(groups_1d(65, 64), [2, 1, 1]);
        for items in [65_535, 65_536, 65_537, 200_000, 10_000_000] {
            let [x, y, _] = groups_1d(items, 1);
            assert!(x <= 65_535 && y <= 65_535 && x as usize * y as usize >= items);
        }
    }
}
