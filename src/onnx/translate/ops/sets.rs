//! Operators whose output has as many elements as the values say: computed on the host.

use super::super::node::Node;
use super::index::{count, each_coordinate};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::onnx::tensor::{Data, Tensor};
use crate::onnx::value::Value;
use std::cmp::Ordering;

pub const OPS: &[Translation] = &[op("NonMaxSuppression", suppress), op("NonZero", non_zero), op("Unique", unique)];

/// The coordinates of all elements that are not zero, an axis in each row.
fn non_zero(cx: &mut Node) -> Result<Vec<Value>> {
    let t = cx.host(0)?;
    let truth: Vec<bool> = match &t.data {
        Data::Int(v) => v.iter().map(|&v| v != 0).collect(),
        _ => t.to_f64()?.iter().map(|&v| v != 0.0).collect(),
    };
    let shape = if t.shape.is_empty() { vec![1] } else { t.shape.clone() };
    let mut found = vec![vec![]; shape.len()];
    let mut i = 0;
    each_coordinate(&shape, |c| {
        if truth[i] {
            c.iter().zip(&mut found).for_each(|(&c, row)| row.push(c as i64));
        }
        i += 1;
    });
    let n = found[0].len();
    Ok(vec![Value::host(Tensor::ints([shape.len(), n], found.concat()))])
}

/// What occurs, without repetitions: elements, or slices of an axis.
fn unique(cx: &mut Node) -> Result<Vec<Value>> {
    let t = cx.host(0)?;
    let sorted = cx.flag("sorted", true)?;
    let (axis, shape) = match cx.int_opt("axis")? {
        Some(axis) => (cx.axis(axis, t.shape.len())?, t.shape.clone()),
        None => (0, vec![t.len()]),
    };
    let (outer, n, inner) = (count(&shape[..axis]), shape[axis], count(&shape[axis + 1..]));
    let positions = |j: usize| {
        (0..outer).flat_map(move |o| (0..inner).map(move |i| (o * n + j) * inner + i)).collect::<Vec<usize>>()
    };
    let at: Vec<Vec<usize>> = (0..n).map(positions).collect();
    let compare = |a: usize, b: usize| match &t.data {
        Data::F32(v) => v[a].partial_cmp(&v[b]).unwrap_or_else(|| v[a].is_nan().cmp(&v[b].is_nan())),
        Data::F64(v) => v[a].partial_cmp(&v[b]).unwrap_or_else(|| v[a].is_nan().cmp(&v[b].is_nan())),
        Data::Int(v) => v[a].cmp(&v[b]),
        Data::Text(v) => v[a].cmp(&v[b]),
    };
    let slices = |a: usize, b: usize| {
        let pairs = at[a].iter().zip(&at[b]);
        pairs.map(|(&x, &y)| compare(x, y)).find(|&o| o != Ordering::Equal).unwrap_or(Ordering::Equal)
    };
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| slices(a, b));
    // Groups of equal slices, each by the first that occurs.
    let mut groups: Vec<Vec<usize>> = vec![];
    for j in order {
        match groups.last_mut() {
            Some(g) if slices(g[0], j) == Ordering::Equal => g.push(j),
            _ => groups.push(vec![j]),
        }
    }
    if !sorted {
        groups.sort_by_key(|g| g[0]);
    }
    let mut inverse = vec![0; n];
    groups.iter().enumerate().for_each(|(k, g)| g.iter().for_each(|&j| inverse[j] = k as i64));
    let mut out = shape.clone();
    out[axis] = groups.len();
    let mut from = Vec::with_capacity(count(&out));
    for o in 0..outer {
        for g in &groups {
            from.extend((0..inner).map(|i| (o * n + g[0]) * inner + i));
        }
    }
    let y = t.reshaped([t.len()]).pick(out, &from);
    let firsts = groups.iter().map(|g| g[0] as i64).collect();
    let counts = groups.iter().map(|g| g.len() as i64).collect();
    let lists = [firsts, inverse, counts].map(|v| Value::host(Tensor::list(v)));
    Ok([Value::host(y)].into_iter().chain(lists).collect())
}

/// The best boxes of each class, without those that overlap a better one too much.
fn suppress(cx: &mut Node) -> Result<Vec<Value>> {
    let (boxes, scores) = (cx.floats(0)?, cx.floats(1)?);
    let most = if cx.has(2) { cx.int_in(2)?.max(0) as usize } else { 0 };
    let overlap = if cx.has(3) { cx.float_in(3)? } else { 0.0 };
    let least = if cx.has(4) { cx.float_in(4)? } else { f64::NEG_INFINITY };
    let centred = cx.flag("center_point_box", false)?;
    let (bs, ss) = (cx.shape(0)?, cx.shape(1)?);
    let ([batches, n, 4], [_, classes, m]) = (&bs[..], &ss[..]) else {
        return Err(Error::model(format!("boxes of shape {bs:?} with scores of shape {ss:?}")));
    };
    if n != m || ss[0] != *batches {
        return Err(Error::model(format!("boxes of shape {bs:?} with scores of shape {ss:?}")));
    }
    // Edges: low and high of both axes.
    let edges = |b: usize, i: usize| {
        let v = &boxes[(b * n + i) * 4..][..4];
        match centred {
            true => [v[0] - v[2] / 2.0, v[0] + v[2] / 2.0, v[1] - v[3] / 2.0, v[1] + v[3] / 2.0],
            false => [v[1].min(v[3]), v[1].max(v[3]), v[0].min(v[2]), v[0].max(v[2])],
        }
    };
    let overlaps = |a: [f64; 4], b: [f64; 4]| {
        let side = |k: usize| a[k + 1].min(b[k + 1]) - a[k].max(b[k]);
        if side(0) <= 0.0 || side(2) <= 0.0 {
            return false;
        }
        let area = |e: [f64; 4]| (e[1] - e[0]) * (e[3] - e[2]);
        let both = side(0) * side(2);
        let union = area(a) + area(b) - both;
        area(a) > 0.0 && area(b) > 0.0 && union > 0.0 && both / union > overlap
    };
    let mut found = vec![];
    for b in 0..*batches {
        for c in 0..*classes {
            let score = |i: usize| scores[(b * classes + c) * n + i];
            let mut order: Vec<usize> = (0..*n).filter(|&i| score(i) > least).collect();
            order.sort_by(|&i, &j| score(j).total_cmp(&score(i)));
            let mut kept: Vec<usize> = vec![];
            for i in order {
                if kept.len() >= most {
                    break;
                }
                if !kept.iter().any(|&k| overlaps(edges(b, i), edges(b, k))) {
                    kept.push(i);
                    found.extend([b as i64, c as i64, i as i64]);
                }
            }
        }
    }
    Ok(vec![Value::host(Tensor::ints([found.len() / 3, 3], found))])
}
