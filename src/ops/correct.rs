//! How many predictions are right: the number of rows whose first largest logit
//! stands at the target's class.
//!
//! Shapes: `logits [.., C]`, `target` u32 `[..]`, `count []`. A row is right when
//! no class before the target's has as large a logit and none after it a larger
//! one; that needs no argmax and no order. NaN is larger than any number, as in
//! PyTorch's `argmax`. A class number that does not exist is never right. A
//! count has no gradient.

use super::expect::{expect_rows, expect_type, valid_rows};
use super::rows::{Rows, SHORT, SMALL, STEPS, group, tree};
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Class, Kernel, Lowered, Shader, groups_1d};
use crate::shader;
use crate::tensor::{DType, Real, Spec, parallel};

static SHADER: Shader = shader!("correct");

/// Invocations per workgroup of the kernels without barriers.
const WG: usize = 64;

/// The count of right rows. Inputs: logits, target, rows if any.
#[derive(Debug, Clone, Copy)]
pub struct Correct;

impl Graph {
    /// How many rows of `logits [.., C]` have their first largest logit at the
    /// class that `target` (u32 `[..]`) names, among the first `rows` (u32
    /// `[1]`; all, if `None`) elements of the first axis.
    pub fn correct(&mut self, logits: TensorId, target: TensorId, rows: Option<TensorId>) -> Result<TensorId> {
        let inputs: Vec<TensorId> = [Some(logits), Some(target), rows].into_iter().flatten().collect();
        self.push1(Correct, &inputs)
    }
}

impl Op for Correct {
    fn name(&self) -> &'static str {
        "correct"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        expect_type(cx, 0, "logits", DType::F32)?;
        expect_type(cx, 1, "target", DType::U32)?;
        let logits = cx.shape(0);
        if logits.rank() == 0 || logits.elements() == 0 {
            return Err(Error::model(format!(
                "logits has shape {logits}; expected a last axis of classes, none empty"
            )));
        }
        let lead = &logits[..logits.rank() - 1];
        cx.expect(1, "target", lead)?;
        if cx.inputs.len() > 2 {
            expect_rows(cx, 2, lead.len())?;
        }
        Ok(vec![Spec::f32([])])
    }

    fn gradient(&self, _g: &mut Graph, at: &Backward) -> Result<Vec<Option<TensorId>>> {
        Ok(vec![None; at.inputs.len()])
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let sizes = Rows::of(&cx.inputs[0].shape);
        let (rows, classes, masked) = (sizes.rows, sizes.classes, cx.inputs.len() > 2);
        let cpu = cx.caps.class == Class::Cpu;
        let tree = tree(cx.caps.class, rows);
        let kernel = |entry| sizes.describe(Kernel::new(&SHADER, entry)).flag("MASKED", masked);
        let (each, small) = if classes <= SHORT && rows * classes <= SMALL {
            (kernel("small").set("WG", rows.next_power_of_two().min(tree)).dispatch([1, 1, 1]), true)
        } else if classes <= if cpu { STEPS } else { SHORT } {
            (kernel("rows_serial").dispatch_1d(rows, if cpu { 16 } else { WG }), false)
        } else {
            (kernel("rows_group").set("WG", group(cx.caps.class, classes)).dispatch(groups_1d(rows, 1)), false)
        };
        // The shader names `valid` whether or not there is one.
        let each = each.input("logits", 0).input("targets", 1).input("valid", if masked { 2 } else { 1 });
        if small {
            return Ok(Lowered::one(each.output("count", 0)));
        }
        let total = kernel("total").set("WG", tree).dispatch([1, 1, 1]).scratch("summands", 0).output("count", 0);
        Ok(Lowered { scratch: vec![Spec::f32([rows])], dispatches: vec![each.scratch("hits", 0), total] })
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: cx.inputs[0].elements() as u64, bytes: cx.bytes_once() }
    }
}

impl Reference for Correct {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let sizes = Rows::of(io.shape(0));
        let batch = valid_rows(io, (io.inputs.len() > 2).then_some(2), sizes.batch);
        let valid = batch * (sizes.rows / sizes.batch);
        let (x, target) = (io.x(0), io.x_u32(1));
        let right = parallel::map(valid, valid * sizes.classes, |r| {
            let row = &x[r * sizes.classes..][..sizes.classes];
            let mut first = 0;
            for (c, &v) in row.iter().enumerate() {
                if v > row[first] || v.is_nan() && !row[first].is_nan() {
                    first = c;
                }
            }
            first == target[r] as usize
        });
        io.y(0)[0] = T::of(right.iter().filter(|&&r| r).count() as f64);
    }
}

/// Rows on both sides of every kernel's sizes, ties, NaN, and masked rows.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, shape: &[usize], logits: Fill, target: Fill, rows: Option<u32>| {
        let lead = Spec::u32(&shape[..shape.len() - 1]);
        let mut inputs = vec![(Spec::f32(shape), logits), (lead, target)];
        inputs.extend(rows.map(|r| (Spec::u32([1]), Fill::Indices(vec![r]))));
        let build = |g: &mut Graph, x: &[TensorId]| Ok(vec![g.correct(x[0], x[1], x.get(2).copied())?]);
        Case::new(format!("correct/{name}"), inputs, build).no_gradient()
    };
    let normal = || Fill::Normal(1.0);
    let ones = |n: usize| Fill::Values(vec![1.0; n]);
    let nan = f32::NAN;
    let odd = vec![1.0, nan, 3.0, nan, 2.0, 2.0, 1.0, 0.0, -1.0, -1.0, -1.0, f32::NEG_INFINITY];
    let odd_long: Vec<f32> = (0..80).map(|i| if i % 40 >= 35 { nan } else { i as f32 }).collect();
    vec![
        case("one", &[1, 1], normal(), Fill::Below(1), None),
        case("short", &[128, 3], normal(), Fill::Below(3), None),
        case("short_rows", &[257, 3], normal(), Fill::Below(3), Some(100)),
        case("short_many", &[3001, 7], normal(), Fill::Below(7), None),
        case("long", &[65, 33], Fill::Uniform(0.0, 1.0), Fill::Below(2), None),
        case("long_prime", &[31, 1031], Fill::Uniform(0.0, 1.0), Fill::Below(1031), None),
        case("sequence_rows", &[6, 5, 3], normal(), Fill::Below(3), Some(4)),
        case("sequence_long", &[3, 5, 40], normal(), Fill::Below(3), Some(2)),
        case("no_axis", &[5], normal(), Fill::Indices(vec![2]), None),
        case("no_row", &[5, 3], normal(), Fill::Below(3), Some(0)),
        case("ties_short", &[4, 3], ones(12), Fill::Indices(vec![0, 1, 2, 0]), None),
        case("ties_long", &[4, 40], ones(160), Fill::Indices(vec![0, 1, 39, 0]), None),
        case("nan_short", &[4, 3], Fill::Values(odd), Fill::Indices(vec![1, 0, 0, 0]), None),
        case("nan_long", &[2, 40], Fill::Values(odd_long), Fill::Indices(vec![35, 36]), None),
        case("wrong_class", &[4, 3], normal(), Fill::Indices(vec![3, u32::MAX, 0, 1]), None),
        case("wrong_class_long", &[2, 40], normal(), Fill::Indices(vec![40, u32::MAX]), None),
        case("grid_overflow", &[65_536 * 64 + 1, 2], normal(), Fill::Below(2), None),
        case("vocabulary", &[40, 70_003], Fill::Uniform(0.0, 1.0), Fill::Below(2), None),
        case("group_overflow", &[65_537, 33], normal(), Fill::Below(33), None),
    ]
}
