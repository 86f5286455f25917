//! How a kernel stores what it computed: plainly, or after the elementwise work
//! that a plan has fused behind it.
//!
//! A kernel that can be fused ends in `put(i, value)`, or `put4(q, value)` for
//! the elements 4 q to 4 q + 3, and declares neither these functions nor its
//! output: a [`Store`] brings them along.

use super::{Dispatch, Kernel, Slot};
use std::fmt::Write;

/// Names of a variable by elements and by quads, and its `@binding`.
type Name = (&'static str, &'static str, u32);

const OUTPUTS: [Name; 6] = [
    ("out0", "out0_4", 18),
    ("out1", "out1_4", 19),
    ("out2", "out2_4", 20),
    ("out3", "out3_4", 21),
    ("out4", "out4_4", 22),
    ("out5", "out5_4", 23),
];

const INPUTS: [Name; 6] = [
    ("in0", "in0_4", 24),
    ("in1", "in1_4", 25),
    ("in2", "in2_4", 26),
    ("in3", "in3_4", 27),
    ("in4", "in4_4", 28),
    ("in5", "in5_4", 29),
];

/// Tensors that the work behind a kernel can read, and those that it can write.
pub const MOST_TENSORS: usize = INPUTS.len();

/// Declarations and the functions `put` and `put4`, with what they bind.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    text: String,
    /// What `put` binds and what `put4` does.
    binds: [Vec<(&'static str, Slot)>; 2],
    inputs: usize,
    outputs: usize,
}

impl Store {
    /// Nothing declared yet; the fragments it needs, such as `lib/random`.
    pub fn new(fragments: &[&str]) -> Store {
        let text = fragments.iter().map(|f| format!("// include: {f}\n")).collect();
        Store { text, binds: [vec![], vec![]], inputs: 0, outputs: 0 }
    }

    /// Every element as it is, into one tensor.
    pub fn plain(slot: Slot) -> Store {
        let mut store = Store::new(&[]);
        let [one, four] = store.output(slot);
        store.define(&format!("    {one}[i] = head;\n"), &format!("    {four}[q] = head;\n"));
        store
    }

    /// Declares a tensor that is written; its names by elements and by quads.
    pub fn output(&mut self, slot: Slot) -> [&'static str; 2] {
        let (one, four, number) = OUTPUTS[self.outputs];
        self.outputs += 1;
        self.declare(number, "read_write", [one, four], "f32");
        self.binds[0].push((one, slot));
        self.binds[1].push((four, slot));
        [one, four]
    }

    /// Declares a tensor of floats that is read at the places that are written.
    pub fn input(&mut self, slot: Slot) -> [&'static str; 2] {
        let (one, four, number) = self.next_input();
        self.declare(number, "read", [one, four], "f32");
        self.binds[0].push((one, slot));
        self.binds[1].push((four, slot));
        [one, four]
    }

    /// Declares a tensor of this element type that is read at places of its own.
    pub fn table(&mut self, slot: Slot, element: &str) -> &'static str {
        let (one, four, number) = self.next_input();
        self.declare(number, "read", [one, four], element);
        self.binds[0].push((one, slot));
        self.binds[1].push((one, slot));
        one
    }

    fn next_input(&mut self) -> Name {
        self.inputs += 1;
        INPUTS[self.inputs - 1]
    }

    fn declare(&mut self, number: u32, access: &str, [one, four]: [&str; 2], element: &str) {
        let mut line = |name: &str, element: &str| {
            let _ =
                writeln!(self.text, "@group(0) @binding({number}) var<storage, {access}> {name}: array<{element}>;");
        };
        line(one, element);
        line(four, &format!("vec4<{element}>"));
    }

    /// The bodies of `put(i: u32, head: f32)` and `put4(q: u32, head: vec4<f32>)`.
    pub fn define(&mut self, put: &str, put4: &str) {
        let _ = writeln!(self.text, "fn put(i: u32, head: f32) {{\n{put}}}");
        let _ = writeln!(self.text, "fn put4(q: u32, head: vec4<f32>) {{\n{put4}}}");
    }
}

impl Kernel {
    /// For an entry point that stores by itself, in a file where another does
    /// not.
    pub fn stores_itself(self) -> Kernel {
        self.line("store", Store::plain(Slot::Output(0)).text)
    }
}

impl Dispatch {
    /// Stores through `put`.
    pub fn put(self, store: &Store) -> Dispatch {
        self.through(store, 0)
    }

    /// Stores through `put4`.
    pub fn put4(self, store: &Store) -> Dispatch {
        self.through(store, 1)
    }

    fn through(mut self, store: &Store, by: usize) -> Dispatch {
        self.kernel = self.kernel.line("store", store.text.clone());
        self.binds.extend(&store.binds[by]);
        self
    }
}
