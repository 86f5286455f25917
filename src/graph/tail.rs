//! Elementwise work behind an op: what is computed from each element of its
//! first output before that leaves the registers.

use super::Op;
use super::pointwise::Pointwise;
use crate::kernel::{Slot, Store};
use crate::tensor::{DType, Shape, Spec};
use std::fmt::Write;
use std::sync::Arc;

/// Where a stage finds an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    /// The host's element.
    Head,
    /// What an earlier stage made.
    Stage(usize),
    /// A tensor that the tail reads, by its number in [`Tail::inputs`].
    Input(usize),
}

/// An elementwise op of a tail.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The op; its [`Op::pointwise`] is there.
    pub op: Arc<dyn Op>,
    /// Its operands, in order.
    pub args: Vec<Arg>,
    /// Its output.
    pub spec: Spec,
}

impl Stage {
    /// The op as what it is.
    pub fn pointwise(&self) -> &dyn Pointwise {
        self.op.pointwise().expect("only pointwise ops become stages")
    }
}

/// Stages in order, and which values are written.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    /// What is computed, in order.
    pub stages: Vec<Stage>,
    /// Tensors read besides the host's.
    pub inputs: Vec<Spec>,
    /// Values that are written: the first takes the place of the host's first
    /// output, the others come behind all outputs of the host.
    pub outputs: Vec<Arg>,
}

impl Tail {
    /// The spec of a value, given the host's first output.
    pub fn spec<'a>(&'a self, value: Arg, head: &'a Spec) -> &'a Spec {
        match value {
            Arg::Head => head,
            Arg::Stage(i) => &self.stages[i].spec,
            Arg::Input(i) => &self.inputs[i],
        }
    }

    /// How a host with so many inputs and outputs stores.
    pub fn store(&self, inputs: usize, outputs: usize) -> Store {
        let mut fragments: Vec<&str> = self.stages.iter().flat_map(|s| s.pointwise().fragments()).copied().collect();
        fragments.sort_unstable();
        fragments.dedup();
        let mut store = Store::new(&fragments);
        let names: Vec<Names> =
            (0..self.inputs.len()).map(|i| self.declare(&mut store, i, Slot::Input(inputs + i))).collect();
        let mut bodies = [String::new(), "    let i = 4u * q;\n".to_string()];
        for (number, stage) in self.stages.iter().enumerate() {
            let operands = |four: bool| -> Vec<String> {
                let operand = |arg: &Arg| match *arg {
                    Arg::Head => "head".into(),
                    Arg::Stage(i) => format!("v{i}"),
                    Arg::Input(i) => names[i].load(&self.inputs[i], &stage.spec.shape, four),
                };
                stage.args.iter().map(operand).collect()
            };
            // Loads come into variables first: an expression names its operands more than once.
            for (four, body) in bodies.iter_mut().enumerate() {
                let mut x = operands(four == 1);
                for (k, arg) in stage.args.iter().enumerate() {
                    if matches!(arg, Arg::Input(i) if self.inputs[*i].dtype != DType::U32) {
                        let _ = writeln!(body, "    let x{number}_{k} = {};", x[k]);
                        x[k] = format!("x{number}_{k}");
                    }
                }
                let value = if four == 1 { stage.pointwise().wgsl4(&x) } else { stage.pointwise().wgsl(&x) };
                let _ = writeln!(body, "    let v{number} = {value};");
            }
        }
        for (place, output) in self.outputs.iter().enumerate() {
            let [one, four] = store.output(Slot::Output(if place == 0 { 0 } else { outputs + place - 1 }));
            let value = match output {
                Arg::Stage(i) => format!("v{i}"),
                _ => "head".into(),
            };
            let _ = writeln!(bodies[0], "    {one}[i] = {value};");
            let _ = writeln!(bodies[1], "    {four}[q] = {value};");
        }
        store.define(&bodies[0], &bodies[1]);
        store
    }

    /// Declares input `i`; by quads only if every stage that reads it reads it
    /// element for element.
    fn declare(&self, store: &mut Store, i: usize, slot: Slot) -> Names {
        let whole = |s: &Stage| !s.args.contains(&Arg::Input(i)) || s.spec.elements() == self.inputs[i].elements();
        match self.inputs[i].dtype {
            DType::U32 => Names::Table(store.table(slot, "u32")),
            DType::F32 | DType::F16 if self.stages.iter().all(whole) => Names::Whole(store.input(slot)),
            DType::F32 | DType::F16 => Names::Table(store.table(slot, "f32")),
        }
    }
}

/// What WGSL calls an input.
enum Names {
    /// By elements and by quads.
    Whole([&'static str; 2]),
    Table(&'static str),
}

impl Names {
    fn load(&self, spec: &Spec, to: &Shape, four: bool) -> String {
        match *self {
            Names::Whole([one, _]) if !four => format!("{one}[i]"),
            Names::Whole([_, four]) => format!("{four}[q]"),
            Names::Table(name) if spec.dtype == DType::U32 => name.into(),
            Names::Table(name) => {
                let walk = Walk::new(&spec.shape, to);
                if !four {
                    return format!("{name}[{}]", walk.wgsl("i"));
                }
                let at =
                    ["i", "i + 1u", "i + 2u", "i + 3u"].map(|i| format!("{name}[{}]", walk.wgsl(&format!("({i})"))));
                // Four neighbours that see one element load it once.
                if walk.same_within(4) {
                    format!("vec4<f32>({})", at[0])
                } else {
                    format!("vec4<f32>({})", at.join(", "))
                }
            }
        }
    }
}

/// How a stretched operand is read along the elements of the output: axes from
/// the last to the first, each with its length and step, neighbours merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk(Vec<(usize, usize)>);

impl Walk {
    /// The walk over a tensor of shape `from` that is stretched to `to`.
    pub fn new(from: &Shape, to: &Shape) -> Walk {
        if from.elements() == to.elements() {
            return Walk(vec![(to.elements(), 1)]);
        }
        let mut axes: Vec<(usize, usize)> = vec![];
        for (&n, &step) in to.iter().zip(&from.broadcast_strides(to)).rev().filter(|(n, _)| **n > 1) {
            match axes.last_mut() {
                Some((length, inner)) if step == *inner * *length || (step == 0 && *inner == 0) => *length *= n,
                _ => axes.push((n, step)),
            }
        }
        Walk(axes)
    }

    /// Whether element `i` sees element `i`.
    pub fn straight(&self) -> bool {
        matches!(self.0[..], [(_, 1)])
    }

    /// Whether `n` neighbours, the first at a multiple of `n`, see one element.
    fn same_within(&self, n: usize) -> bool {
        self.0.first().is_none_or(|&(length, step)| step == 0 && length % n == 0)
    }

    /// The place of element `i`.
    fn wgsl(&self, i: &str) -> String {
        let mut inner = 1;
        let mut terms = vec![];
        for (k, &(length, step)) in self.0.iter().enumerate() {
            let over = if inner == 1 { i.to_string() } else { format!("{i} / {inner}u") };
            let at = if k + 1 == self.0.len() { over } else { format!("{over} % {length}u") };
            match step {
                0 => {}
                1 => terms.push(at),
                _ => terms.push(format!("{at} * {step}u")),
            }
            inner *= length;
        }
        if terms.is_empty() { "0u".into() } else { terms.join(" + ") }
    }

    /// Copies what elements `start..` of the output see.
    pub fn copy<T: Copy>(&self, x: &[T], start: usize, y: &mut [T]) {
        let Some(&(row, step)) = self.0.first() else { return y.fill(x[0]) };
        let mut done = 0;
        while done < y.len() {
            let (mut rest, mut at) = ((start + done) / row, 0);
            for &(length, step) in &self.0[1..] {
                at += rest % length * step;
                rest /= length;
            }
            let from = (start + done) % row;
            let n = (row - from).min(y.len() - done);
            let y = &mut y[done..done + n];
            match step {
                0 => y.fill(x[at]),
                1 => y.copy_from_slice(&x[at + from..at + from + n]),
                _ => y.iter_mut().enumerate().for_each(|(i, y)| *y = x[at + (from + i) * step]),
            }
            done += n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_sees_what_broadcasting_says() {
        let shapes: [(&[usize], &[usize]); 7] = [
            (&[13], &[7, 13]),
            (&[3, 1, 1], &[2, 3, 4, 5]),
            (&[], &[6]),
            (&[4, 5], &[2, 3, 4, 5]),
            (&[2, 1, 3, 1], &[2, 4, 3, 5]),
            (&[1, 5], &[3, 5]),
            (&[2, 3], &[2, 3]),
        ];
        for (from, to) in shapes {
            let (from, to): (Shape, Shape) = (from.into(), to.into());
            let strides = from.broadcast_strides(&to);
            let x: Vec<usize> = (0..from.elements()).collect();
            let expected: Vec<usize> = (0..to.elements())
                .map(|i| to.strides().iter().zip(&to[..]).zip(&strides).map(|((s, n), step)| i / s % n * step).sum())
                .collect();
            for start in [0, 4, 8] {
                let mut seen = vec![usize::MAX; to.elements().saturating_sub(start)];
                Walk::new(&from, &to).copy(&x, start, &mut seen);
                assert_eq!(seen, expected[start.min(expected.len())..], "{from} as {to} from {start}");
            }
        }
    }

    #[test]
    fn an_index_in_wgsl_takes_as_few_terms_as_there_are_axes_left() {
        let wgsl = |from: &[usize], to: &[usize]| Walk::new(&from.into(), &to.into()).wgsl("i");
        assert_eq!(wgsl(&[13], &[7, 13]), "i % 13u");
        assert_eq!(wgsl(&[3, 1, 1], &[2, 3, 4, 5]), "i / 20u % 3u");
        assert_eq!(wgsl(&[], &[6]), "0u");
        assert_eq!(wgsl(&[2, 1], &[2, 3]), "i / 3u");
        assert_eq!(wgsl(&[2, 3], &[2, 3]), "i");
    }
}
