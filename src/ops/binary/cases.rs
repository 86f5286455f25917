//! The case table of arithmetic on two tensors.

use super::Arithmetic::{self, *};
use super::Binary;
use crate::graph::{Case, Fill, with_gradients};
use crate::tensor::{Shape, Spec};

/// Every operation, and every way in which shapes can stretch.
pub fn cases() -> Vec<Case> {
    let case = |name: String, op, a: Shape, b: Shape| {
        let divisor = if op == Div { Fill::Uniform(0.5, 2.0) } else { Fill::Normal(1.0) };
        let reduction = a.broadcast(&b).expect("cases broadcast").elements();
        let inputs = vec![(Spec::f32(a), Fill::Normal(1.0)), (Spec::f32(b), divisor)];
        Case::new(name, inputs, move |g, x| Ok(vec![g.push1(Binary { op }, &[x[0], x[1]])?]))
            .reduction(reduction)
            .extra(4.0, "WGSL allows division 2.5 ulp")
    };
    let mut cases = vec![];
    for op in [Add, Sub, Mul, Div] {
        let name = |what: &str| format!("binary/{}_{what}", format!("{op:?}").to_lowercase());
        cases.push(case(name("same4"), op, [4, 33].into(), [4, 33].into()));
        cases.push(case(name("same_odd"), op, [5, 13].into(), [5, 13].into()));
        cases.push(case(name("row"), op, [7, 13].into(), [13].into()));
        cases.push(case(name("both_stretch"), op, [3, 1, 5].into(), [4, 1].into()));
    }
    cases.push(case("binary/mul_scalar".into(), Mul, [65].into(), Vec::new().into()));
    cases.push(case("binary/add_scalars".into(), Add, Vec::new().into(), Vec::new().into()));
    cases.push(case("binary/add_channel".into(), Add, [2, 3, 4, 5].into(), [3, 1, 1].into()));
    cases.push(case("binary/mul_rank6".into(), Mul, [2, 1, 3, 1, 2, 3].into(), [1, 2, 3, 2, 1, 3].into()));
    cases.push(case("binary/add_one".into(), Add, [1].into(), [1].into()));
    cases.push(
        case("binary/add_grid_overflow".into(), Add, [65_536 * 64 + 1].into(), [1].into()).no_gradient().reduction(1),
    );
    let ties = Fill::Values(vec![1.0, 2.0, 3.0, 4.0]);
    let other = Fill::Values(vec![1.0, 0.0, 3.0, -4.0]);
    cases.push(
        Case::new("binary/equal", vec![(Spec::f32([4]), ties), (Spec::f32([4]), other)], |g, x| {
            Ok(vec![g.equal(x[0], x[1])?])
        })
        .no_gradient(),
    );
    cases.extend(beyond_operators());
    cases
}

/// What has no operator in WGSL, and comparisons.
fn beyond_operators() -> Vec<Case> {
    type Sides = (Vec<usize>, Fill, Vec<usize>, Fill);
    let case = |name: &str, op: Arithmetic, (a, fill_a, b, fill_b): Sides| {
        let reduction = Shape::from(a.clone()).broadcast(&b.clone().into()).expect("cases broadcast").elements();
        let inputs = vec![(Spec::f32(a), fill_a), (Spec::f32(b), fill_b)];
        Case::new(format!("binary/{name}"), inputs, move |g, x| Ok(vec![g.push1(Binary { op }, &[x[0], x[1]])?]))
            .reduction(reduction)
            .extra(64.0, "WGSL derives pow from exp2 and log2, and allows division 2.5 ulp")
    };
    let distinct = |a: &[usize], b: &[usize]| (a.to_vec(), Fill::Distinct(0.037), b.to_vec(), Fill::Distinct(0.0411));
    let bases = |a: &[usize], b: &[usize]| (a.to_vec(), Fill::Uniform(0.3, 2.5), b.to_vec(), Fill::Uniform(-3.0, 3.0));
    // No quotient within reach of a whole number, which finite differences would cross.
    let left = |a: &[usize], b: &[usize]| (a.to_vec(), Fill::Uniform(-9.0, 9.0), b.to_vec(), Fill::Uniform(1.0, 2.0));
    let mut cases = vec![];
    for (name, op) in [("maximum", Maximum), ("minimum", Minimum)] {
        cases.push(case(&format!("{name}_same4"), op, distinct(&[4, 33], &[4, 33])));
        cases.push(case(&format!("{name}_one"), op, distinct(&[1], &[1])));
        cases.push(case(&format!("{name}_wg+1"), op, distinct(&[65], &[65])));
        cases.push(case(&format!("{name}_row"), op, distinct(&[7, 13], &[13])));
    }
    for (name, op, sides) in
        [("power", Power, bases as fn(&[usize], &[usize]) -> Sides), ("modulo", Modulo, left), ("fmod", Fmod, left)]
    {
        cases.push(case(&format!("{name}_same4"), op, sides(&[4, 8], &[4, 8])));
        cases.push(case(&format!("{name}_wg-1"), op, sides(&[63], &[63])));
        cases.push(case(&format!("{name}_both_stretch"), op, sides(&[3, 1, 5], &[4, 1])));
        cases.push(case(&format!("{name}_scalar"), op, sides(&[13], &[])));
    }
    let values =
        |a: &[f32], b: &[f32]| (vec![a.len()], Fill::Values(a.to_vec()), vec![b.len()], Fill::Values(b.to_vec()));
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let edges_a = [nan, 1.0, inf, -inf, 0.0, -0.0, 2.0, -2.0, nan, 3.0, -inf];
    let edges_b = [1.0, nan, 2.0, inf, -0.0, 1.0, 2.0, -3.0, nan, inf, -inf];
    for (name, op) in [
        ("maximum", Maximum),
        ("minimum", Minimum),
        ("less", Less),
        ("less_equal", LessEqual),
        ("equal", Equal),
        ("modulo", Modulo),
        ("fmod", Fmod),
    ] {
        cases.push(case(&format!("{name}_edges"), op, values(&edges_a, &edges_b)).no_gradient());
    }
    // Whole powers, signs, zeros, and what is infinite.
    let powers = [
        (2.0, 10.0),
        (-2.0, 3.0),
        (-2.0, 4.0),
        (-3.0, -3.0),
        (-1.5, 2.0),
        (-8.0, 0.5),
        (0.0, 0.0),
        (0.0, 2.0),
        (-0.0, 3.0),
        (0.0, -1.0),
        (-0.0, -1.0),
        (nan, 0.0),
        (1.0, nan),
        (nan, 2.0),
        (2.0, nan),
        (inf, 2.0),
        (-inf, 3.0),
        (-inf, -3.0),
        (inf, -0.5),
        (0.5, inf),
        (2.0, -inf),
        (-1.0, inf),
        (-1.0, 101.0),
        (-1.0, 100.0),
        (1.03, 900.0),
        (0.0, 0.5),
        (9.0, 0.5),
    ];
    let (a, b): (Vec<f32>, Vec<f32>) = powers.into_iter().unzip();
    cases.push(
        case("power_edges", Power, values(&a, &b))
            .no_gradient()
            .reduction(1)
            .extra(512.0, "the error of exp2(b log2 a) grows with b"),
    );
    // Signs of both operands, large quotients, subnormal results.
    let remainders = [
        (5.5, 2.0),
        (-5.5, 2.0),
        (5.5, -2.0),
        (-5.5, -2.0),
        (6.0, 3.0),
        (-6.0, 3.0),
        (1e30, 7.0),
        (-1e30, 7.0),
        (16_777_215.0, 0.1),
        (3e-38, 2.9e-38),
        (1.0, 3e-39),
        (0.1, 0.01),
        (5.0, 0.0),
        (0.0, 5.0),
        (-0.5, 1e30),
    ];
    let (a, b): (Vec<f32>, Vec<f32>) = remainders.into_iter().unzip();
    for (name, op) in [("modulo", Modulo), ("fmod", Fmod)] {
        // Small results by themselves: the tolerance is relative to all of them.
        for (part, range) in [("signs", 0..8), ("large_quotients", 8..12), ("zeros", 12..15)] {
            let sides = values(&a[range.clone()], &b[range]);
            cases.push(case(&format!("{name}_{part}"), op, sides).no_gradient().reduction(1));
        }
    }
    // Gradients at ties and of whole powers, as outputs.
    let exact = |name: &str, op: Arithmetic, a: &[f32], b: &[f32]| {
        let inputs =
            vec![(Spec::f32([a.len()]), Fill::Values(a.to_vec())), (Spec::f32([b.len()]), Fill::Values(b.to_vec()))];
        Case::new(format!("binary/{name}"), inputs, move |g, x| {
            let y = g.push1(Binary { op }, &[x[0], x[1]])?;
            with_gradients(g, y, x)
        })
        .no_gradient()
        .extra(64.0, "WGSL derives pow from exp2 and log2")
    };
    cases.push(exact("maximum_ties", Maximum, &[1.0, 2.0, -0.0, 4.0], &[1.0, 3.0, 0.0, -4.0]));
    cases.push(exact("minimum_ties", Minimum, &[1.0, 2.0, -0.0, 4.0], &[1.0, 3.0, 0.0, -4.0]));
    cases.push(exact(
        "power_flat",
        Power,
        &[0.0, 0.0, 0.0, 3.0, -2.0, -2.0, 2.0],
        &[2.0, 0.0, 1.0, 0.0, 3.0, 2.0, -2.0],
    ));
    let chain = vec![(Spec::f32([6, 8]), Fill::Uniform(0.5, 2.0)), (Spec::f32([8]), Fill::Uniform(0.6, 1.7))];
    cases.push(
        Case::new("binary/fused_chain", chain, |g, x| {
            let y = g.power(x[0], x[1])?;
            let y = g.maximum(y, x[1])?;
            let y = g.modulo(y, x[0])?;
            let less = g.less(y, x[1])?;
            Ok(vec![g.mul(y, less)?])
        })
        .fused()
        .reduction(48)
        .extra(64.0, "WGSL derives pow from exp2 and log2"),
    );
    cases
}
