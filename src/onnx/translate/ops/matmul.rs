//! Products of matrices: MatMul, Gemm, Einsum, and the determinant.

use super::super::node::Node;
use super::index::{broadcast, count, empty, expand, permute, reshape};
use super::{Translation, exact, op};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::onnx::tensor::Tensor;
use crate::onnx::value::Value;

pub const OPS: &[Translation] =
    &[op("Det", det), exact("Einsum", einsum), exact("Gemm", gemm), exact("MatMul", matmul)];

fn matmul(cx: &mut Node) -> Result<Vec<Value>> {
    Ok(vec![of_inputs(cx)?])
}

/// The product of a node's two inputs.
pub fn of_inputs(cx: &mut Node) -> Result<Value> {
    let [a, b] = [cx.value(0)?.clone(), cx.value(1)?.clone()];
    product(cx, &a, &b)
}

/// The matrix product of NumPy's `matmul`: vectors at the ends, leading axes broadcast.
pub fn product(cx: &mut Node, a: &Value, b: &Value) -> Result<Value> {
    let elem = super::super::node::elem_of(a)?;
    let (mut sa, mut sb) = (cx.shape_of(a)?, cx.shape_of(b)?);
    let (row, column) = (sa.len() == 1, sb.len() == 1);
    if sa.is_empty() || sb.is_empty() {
        return Err(Error::model("a product of matrices with a scalar"));
    }
    if row {
        sa.insert(0, 1);
    }
    if column {
        sb.push(1);
    }
    let (m, k) = (sa[sa.len() - 2], sa[sa.len() - 1]);
    let (k2, n) = (sb[sb.len() - 2], sb[sb.len() - 1]);
    if k != k2 {
        return Err(Error::model(format!("matrices of shapes {sa:?} and {sb:?}: inner axes of {k} and {k2} elements")));
    }
    let lead = broadcast(&[&sa[..sa.len() - 2], &sb[..sb.len() - 2]])?;
    let mut shape = lead.clone();
    if !row {
        shape.push(m);
    }
    if !column {
        shape.push(n);
    }
    if count(&shape) == 0 {
        return empty(elem, shape);
    }
    if k == 0 {
        return Ok(Value::host(Tensor::of_f64(elem, shape.clone(), vec![0.0; count(&shape)])?));
    }
    let batch = count(&lead);
    let (ta, tb) = (cx.in_graph(a)?, cx.in_graph(b)?);
    let y = if count(&sb) == k * n {
        // One matrix for all: the rows of all batches are one long matrix.
        let rows = count(&sa) / k;
        let (a, b) = (cx.g().reshape(ta, [rows, k])?, cx.g().reshape(tb, [k, n])?);
        let y = cx.g().matmul(a, b)?;
        if rows == batch * m { y } else { return stretched_product(cx, (ta, &sa), (tb, &sb), &lead, shape, elem) }
    } else {
        return stretched_product(cx, (ta, &sa), (tb, &sb), &lead, shape, elem);
    };
    Ok(Value::Graph(elem, cx.g().reshape(y, shape)?))
}

/// A product for each batch, whose matrices are repeated where they are fewer.
fn stretched_product(
    cx: &mut Node,
    a: (TensorId, &[usize]),
    b: (TensorId, &[usize]),
    lead: &[usize],
    shape: Vec<usize>,
    elem: crate::onnx::element::Elem,
) -> Result<Value> {
    let batch = count(lead);
    let mut stretched = |(t, s): (TensorId, &[usize])| -> Result<TensorId> {
        let matrix = &s[s.len() - 2..];
        let t = cx.g().reshape(t, s.to_vec())?;
        let full: Vec<usize> = lead.iter().chain(matrix).copied().collect();
        let t = cx.g().expand(t, full)?;
        cx.g().reshape(t, [batch, matrix[0], matrix[1]])
    };
    let (a, b) = (stretched(a)?, stretched(b)?);
    let y = cx.g().matmul(a, b)?;
    Ok(Value::Graph(elem, cx.g().reshape(y, shape)?))
}

/// `alpha a b + beta c`.
fn gemm(cx: &mut Node) -> Result<Vec<Value>> {
    let (alpha, beta) = (cx.float("alpha", 1.0)?, cx.float("beta", 1.0)?);
    // Before version 7 whether C is stretched, which it always may be.
    cx.int("broadcast", 0)?;
    let (turn_a, turn_b) = (cx.flag("transA", false)?, cx.flag("transB", false)?);
    let mut operand = |i: usize, turn: bool| -> Result<Value> {
        let value = cx.value(i)?.clone();
        let shape = cx.shape(i)?;
        if shape.len() != 2 {
            return Err(Error::model(format!("input {i} has shape {shape:?}; expected a matrix")));
        }
        if turn { permute(cx, &value, &[1, 0]) } else { Ok(value) }
    };
    let a = operand(0, turn_a)?;
    // Weights as PyTorch keeps them: `[out, in]`.
    let plain = alpha == 1.0 && beta == 1.0 && turn_b;
    let rows = cx.shape_of(&a)?[0];
    if plain && rows > 0 {
        let w = cx.shape(1)?;
        let bias = if cx.has(2) { cx.shape(2)? } else { vec![] };
        let [n, k] = w[..] else { return Err(Error::model(format!("input 1 has shape {w:?}; expected a matrix"))) };
        let inner = cx.shape_of(&a)?[1];
        if k != inner {
            return Err(Error::model(format!("inner axes of {inner} and {k} elements")));
        }
        if count(&w) > 0 && (!cx.has(2) || bias == [n]) {
            let (a, b, bias) = (cx.in_graph(&a)?, cx.x(1)?, cx.x_opt(2)?);
            let y = cx.g().matmul_t(a, b, bias)?;
            return cx.like(y);
        }
    }
    let b = {
        let value = cx.value(1)?.clone();
        if turn_b { permute(cx, &value, &[1, 0])? } else { value }
    };
    let mut y = product(cx, &a, &b)?;
    if alpha != 1.0 {
        let (x, by) = (cx.in_graph(&y)?, cx.number(f64::from(alpha))?);
        y = Value::Graph(cx.elem(0)?, cx.g().mul(x, by)?);
    }
    if cx.has(2) && beta != 0.0 {
        let mut c = cx.x(2)?;
        if beta != 1.0 {
            let by = cx.number(f64::from(beta))?;
            c = cx.g().mul(c, by)?;
        }
        let x = cx.in_graph(&y)?;
        y = Value::Graph(cx.elem(0)?, cx.g().add(x, c)?);
    }
    Ok(vec![y])
}

/// Einstein's sums: operands are multiplied two at a time, as matrix products over the axes
/// that both and nobody later have.
fn einsum(cx: &mut Node) -> Result<Vec<Value>> {
    let equation: String = cx.text("equation", "")?.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((l, r)) => (l, Some(r)),
        None => (&equation[..], None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != cx.inputs.len() {
        return Err(Error::model(format!("\"{equation}\" has {} operands; found {}", terms.len(), cx.inputs.len())));
    }
    // The axes of an ellipsis get letters of their own, from the last.
    let mut widest = 0;
    let mut operands = vec![];
    for (i, term) in terms.iter().enumerate() {
        let shape = cx.shape(i)?;
        let named = term.replace("...", "");
        let free = shape.len().checked_sub(named.chars().count()).filter(|&f| f == 0 || term.contains("..."));
        let free = free.ok_or_else(|| Error::model(format!("\"{term}\" for an operand of shape {shape:?}")))?;
        widest = widest.max(free);
        let dots: String = (0..free).rev().map(dot).collect();
        operands.push((term.replace("...", &dots), cx.value(i)?.clone()));
    }
    let all: Vec<char> = operands.iter().flat_map(|(t, _)| t.chars()).collect();
    let dots: String = (0..widest).rev().map(dot).collect();
    let target: Vec<char> = match right {
        Some(r) => r.replace("...", &dots).chars().collect(),
        None => {
            let mut once: Vec<char> = all
                .iter()
                .filter(|&&c| c.is_ascii_alphabetic() && all.iter().filter(|&&d| d == c).count() == 1)
                .copied()
                .collect();
            once.sort_unstable();
            dots.chars().chain(once).collect()
        }
    };
    let mut parts = vec![];
    for (term, value) in operands {
        parts.push(diagonal(cx, term.chars().collect(), value)?);
    }
    let mut rest = parts.into_iter();
    let mut result = rest.next().ok_or_else(|| Error::model("no operands"))?;
    let mut rest: Vec<_> = rest.collect();
    while !rest.is_empty() {
        let next = rest.remove(0);
        let needed = |c: char| target.contains(&c) || rest.iter().any(|(t, _)| t.contains(&c));
        result = contract(cx, result, next, &needed)?;
    }
    let (term, value) = summed(cx, result, &|c| target.contains(&c))?;
    let missing = target.iter().find(|c| !term.contains(c));
    if let Some(c) = missing {
        return Err(Error::model(format!("\"{equation}\": '{c}' of the result is in no operand")));
    }
    let order: Vec<usize> = target.iter().map(|c| term.iter().position(|t| t == c).expect("checked")).collect();
    Ok(vec![permute(cx, &value, &order)?])
}

/// The letter of an axis of an ellipsis.
fn dot(k: usize) -> char {
    char::from_u32(0xe000 + k as u32).expect("a character for private use")
}

type Term = (Vec<char>, Value);

/// Where a letter stands twice, the elements where both coordinates are equal.
fn diagonal(cx: &mut Node, mut term: Vec<char>, mut value: Value) -> Result<Term> {
    while let Some((i, j)) = (0..term.len()).find_map(|j| Some((term[..j].iter().position(|c| *c == term[j])?, j))) {
        let from = cx.shape_of(&value)?;
        if from[i] != from[j] {
            return Err(Error::model(format!("a diagonal of the shape {from:?}")));
        }
        let own = super::index::strides(&from);
        let mut shape = from.clone();
        shape.remove(j);
        let mut at = vec![];
        super::index::each_coordinate(&shape, |c| {
            let coordinate = |k: usize| if k == j { c[i] } else { c[k - usize::from(k > j)] };
            at.push((0..from.len()).map(|k| own[k] * coordinate(k)).sum());
        });
        value = super::index::pick(cx, &value, shape, at)?;
        term.remove(j);
    }
    Ok((term, value))
}

/// Adds up the axes that are not needed.
fn summed(cx: &mut Node, (term, value): Term, needed: &dyn Fn(char) -> bool) -> Result<Term> {
    let axes: Vec<usize> = (0..term.len()).filter(|&k| !needed(term[k])).collect();
    if axes.is_empty() {
        return Ok((term, value));
    }
    let (elem, x) = (super::super::node::elem_of(&value)?, cx.in_graph(&value)?);
    let y = cx.g().sum(x, &axes, false)?;
    Ok((term.into_iter().filter(|&c| needed(c)).collect(), Value::Graph(elem, y)))
}

/// One product of two operands.
fn contract(cx: &mut Node, a: Term, b: Term, needed: &dyn Fn(char) -> bool) -> Result<Term> {
    let (bt, at) = (b.0.clone(), a.0.clone());
    let a = summed(cx, a, &|c| needed(c) || bt.contains(&c))?;
    let b = summed(cx, b, &|c| needed(c) || at.contains(&c))?;
    let both = |c: &&char| b.0.contains(c);
    let batch: Vec<char> = a.0.iter().filter(both).filter(|c| needed(**c)).copied().collect();
    let inner: Vec<char> = a.0.iter().filter(both).filter(|c| !needed(**c)).copied().collect();
    let outer_a: Vec<char> = a.0.iter().filter(|c| !b.0.contains(c)).copied().collect();
    let outer_b: Vec<char> = b.0.iter().filter(|c| !a.0.contains(c)).copied().collect();
    let mut sizes: Vec<(char, usize)> = vec![];
    for (term, value) in [&a, &b] {
        for (c, n) in term.iter().zip(cx.shape_of(value)?) {
            match sizes.iter_mut().find(|(d, _)| d == c) {
                None => sizes.push((*c, n)),
                Some((_, m)) if *m == n || n == 1 => {}
                Some((_, m)) if *m == 1 => *m = n,
                Some((_, m)) => {
                    return Err(Error::model(format!("an axis is {m} long in one operand and {n} in another")));
                }
            }
        }
    }
    let size = |cs: &[char]| -> Vec<usize> {
        cs.iter().map(|c| sizes.iter().find(|(d, _)| d == c).expect("every letter has a size").1).collect()
    };
    let mut ordered = |(term, value): Term, groups: [&[char]; 3]| -> Result<Value> {
        let names: Vec<char> = groups.concat();
        let order: Vec<usize> = names.iter().map(|c| term.iter().position(|t| t == c).expect("it has it")).collect();
        let value = permute(cx, &value, &order)?;
        let value = expand(cx, &value, &size(&names))?;
        reshape(cx, &value, groups.iter().map(|g| count(&size(g))).collect())
    };
    let a = ordered(a, [&batch, &outer_a, &inner])?;
    let b = ordered(b, [&batch, &inner, &outer_b])?;
    let y = product(cx, &a, &b)?;
    let names = [&batch[..], &outer_a, &outer_b].concat();
    let shape = size(&names);
    Ok((names, reshape(cx, &y, shape)?))
}

/// Determinants, by elimination with the largest pivot, on the host.
fn det(cx: &mut Node) -> Result<Vec<Value>> {
    let t = cx.host(0)?;
    let [.., n, m] = t.shape[..] else { return Err(Error::model(format!("shape {:?} is no matrix", t.shape))) };
    if n != m {
        return Err(Error::model(format!("a matrix of {n} by {m} has no determinant")));
    }
    let values = t.to_f64()?;
    let one = |matrix: &[f64]| {
        let mut a = matrix.to_vec();
        let mut product = 1.0;
        for k in 0..n {
            let pivot =
                (k..n).max_by(|&i, &j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs())).expect("a row is left");
            if a[pivot * n + k] == 0.0 {
                return 0.0;
            }
            if pivot != k {
                (0..n).for_each(|j| a.swap(k * n + j, pivot * n + j));
                product = -product;
            }
            product *= a[k * n + k];
            for i in k + 1..n {
                let factor = a[i * n + k] / a[k * n + k];
                (k..n).for_each(|j| a[i * n + j] -= factor * a[k * n + j]);
            }
        }
        product
    };
    let shape = t.shape[..t.shape.len() - 2].to_vec();
    let result = match n {
        0 => vec![1.0; count(&shape)],
        _ => values.chunks(n * n).map(one).collect(),
    };
    Ok(vec![Value::host(Tensor::of_f64(t.elem, shape, result)?)])
}
