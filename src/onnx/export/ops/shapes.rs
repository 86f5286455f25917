//! What moves elements: reshape, and permutations, slices, padding, repetitions, joins.

use crate::error::{Error, Result};
use crate::onnx::export::emit::{Emitter, Value};
use crate::onnx::export::probe::{Length, fixed, op_of};
use crate::onnx::export::writer::int;
use crate::ops::concat::Concat;
use crate::ops::rearrange::{Axis, Rearrange};
use crate::ops::reshape::Reshape;

/// Writes the node if it is one of these.
pub fn write(cx: &mut Emitter, at: usize) -> Result<bool> {
    let node = cx.at(at);
    let made = if op_of::<Reshape>(node).is_some() {
        let x = cx.input(at, 0)?;
        let (from, to) = (cx.probes.input_lengths(at, 0), cx.probes.output_lengths(at, 0));
        cx.reshape(&x, &from, &to)?
    } else if let Some(op) = op_of::<Rearrange>(node) {
        if let Some(part) = part_of_a_stack(cx, at, op) {
            cx.set(at, 0, Value::One(part));
            return Ok(true);
        }
        rearrange(cx, at, op)?
    } else if let Some(op) = op_of::<Concat>(node) {
        let mut inputs = vec![];
        for slot in 0..node.inputs.len() {
            inputs.push(cx.input(at, slot)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        cx.node("Concat", &inputs, vec![int("axis", op.axis as i64)])
    } else {
        return Ok(false);
    };
    cx.done(at, made);
    Ok(true)
}

/// The part that a slice takes of what has been written in parts.
fn part_of_a_stack(cx: &Emitter, at: usize, op: &Rearrange) -> Option<String> {
    let parts = cx.stacked(at, 0)?;
    let plain = op.axes.iter().enumerate().all(|(i, a)| {
        a.source == Some(i)
            && a.step == 1
            && a.divide == 1
            && (i == 0 && a.len == 1 && a.start >= 0 || i > 0 && a.start == 0)
    });
    let rest = (1..op.axes.len()).all(|i| cx.probes.input_lengths(at, 0)[i] == cx.probes.output_lengths(at, 0)[i]);
    if plain && rest { parts.get(op.axes[0].start as usize).cloned() } else { None }
}

fn rearrange(cx: &mut Emitter, at: usize, op: &Rearrange) -> Result<String> {
    let mut x = cx.input(at, 0)?;
    let (from, to) = (cx.probes.input_lengths(at, 0), cx.probes.output_lengths(at, 0));
    // Axes that are not walked are read at their first element.
    let walked: Vec<usize> = op.axes.iter().filter_map(|a| a.source).collect();
    let dropped: Vec<usize> = (0..from.len()).filter(|k| !walked.contains(k)).collect();
    for &axis in dropped.iter().filter(|&&k| fixed(&from[k]) != Some(1)) {
        let (start, end, axis) = (cx.out.list(&[0]), cx.out.list(&[1]), cx.out.list(&[axis as i64]));
        x = cx.node("Slice", &[&x, &start, &end, &axis], vec![]);
    }
    // Repeated axes take the places of those that are dropped.
    let kept: Vec<usize> = (0..from.len()).filter(|k| walked.contains(k)).collect();
    let lead = to.len().saturating_sub(from.len());
    let stays = to.len() >= from.len()
        && op.axes.iter().enumerate().all(|(k, a)| match a.source {
            Some(s) => s + lead == k,
            None => k < lead || dropped.contains(&(k - lead)),
        });
    if !stays {
        if !dropped.is_empty() {
            let axes: Vec<i64> = dropped.iter().map(|&k| k as i64).collect();
            x = cx.squeeze(&x, &axes);
        }
        let order: Vec<usize> =
            walked.iter().map(|s| kept.iter().position(|k| k == s).expect("a walked axis is kept")).collect();
        x = cx.transpose(&x, &order);
        let added: Vec<i64> = (0..to.len()).filter(|&k| op.axes[k].source.is_none()).map(|k| k as i64).collect();
        if !added.is_empty() {
            x = cx.unsqueeze(&x, &added);
        }
    }
    for (k, axis) in op.axes.iter().enumerate() {
        if let Some(source) = axis.source {
            // Before it repeats, an axis has the place that it has in the input.
            let place = if stays { k - lead } else { k };
            let rank = if stays { from.len() } else { to.len() };
            x = walk(cx, &x, [place, rank], axis, &from[source], &to[k], op.fill)?;
        }
    }
    if op.axes.iter().any(|a| a.source.is_none()) {
        let one = || vec![1; to[0].len()];
        let target: Vec<Length> =
            op.axes.iter().zip(&to).map(|(a, l)| if a.source.is_none() { l.clone() } else { one() }).collect();
        let target = cx.shape_of(&target)?;
        x = cx.node("Expand", &[&x, &target], vec![]);
    }
    Ok(x)
}

/// One axis, `place` of `rank`, of which each element is that at `(o step + start) / divide`,
/// or `fill`.
fn walk(
    cx: &mut Emitter,
    x: &str,
    [place, rank]: [usize; 2],
    axis: &Axis,
    from: &Length,
    to: &Length,
    fill: f32,
) -> Result<String> {
    let Axis { step, start, divide, .. } = *axis;
    if step == 1 && start == 0 && divide == 1 && from == to {
        return Ok(x.into());
    }
    let place_list = cx.out.list(&[place as i64]);
    if step == 1 && divide == 1 {
        return moved(cx, x, &place_list, start.into(), from, to, fill);
    }
    let (Some(from), Some(to)) = (fixed(from), fixed(to)) else {
        return Err(Error::model(format!(
            "it takes every {step}th element of an axis whose length depends on the input's; expected an axis of one length"
        )));
    };
    let index = |o: usize| {
        let at = o as i64 * i64::from(step) + i64::from(start);
        let inside = at >= 0 && at % i64::from(divide) == 0 && at / i64::from(divide) < from as i64;
        inside.then_some(at / i64::from(divide))
    };
    let found: Vec<Option<i64>> = (0..to).map(index).collect();
    if divide == 1 && found.iter().all(Option::is_some) {
        let last = i64::from(start) + (to as i64 - 1) * i64::from(step) + i64::from(step.signum());
        let end = if last < 0 { i64::MIN } else { last };
        let (start, end, step) = (cx.out.list(&[start.into()]), cx.out.list(&[end]), cx.out.list(&[step.into()]));
        return Ok(cx.node("Slice", &[x, &start, &end, &place_list, &step], vec![]));
    }
    let indices: Vec<i64> = found.iter().map(|i| i.unwrap_or(0)).collect();
    let indices = cx.out.list(&indices);
    let y = cx.node("Gather", &[x, &indices], vec![int("axis", place as i64)]);
    // The mask is broadcast along the axes behind.
    let mask: Vec<bool> = found.iter().map(Option::is_some).collect();
    let shape: Vec<usize> = [to].into_iter().chain(vec![1; rank - place - 1]).collect();
    let mask = cx.out.booleans(&shape, &mask);
    let fill = cx.out.scalar(fill);
    Ok(cx.node("Where", &[&mask, &y, &fill], vec![]))
}

/// An axis that begins at another element: cut off, or filled up, at either end.
fn moved(cx: &mut Emitter, x: &str, place: &str, start: i64, from: &Length, to: &Length, fill: f32) -> Result<String> {
    let after: Vec<i64> = from.iter().zip(to).map(|(f, t)| start + *t as i64 - *f as i64).collect();
    let same = after.iter().all(|n| *n == after[0]);
    let mut x = x.to_string();
    if same {
        // So many elements more or fewer at the end, whatever the length.
        let (cut_before, cut_after) = (start.max(0), (-after[0]).max(0));
        if cut_before > 0 || cut_after > 0 {
            let (first, end) = (cx.out.list(&[cut_before]), if cut_after > 0 { -cut_after } else { i64::MAX });
            let end = cx.out.list(&[end]);
            x = cx.node("Slice", &[&x, &first, &end, place], vec![]);
        }
        let (before, behind) = ((-start).max(0), after[0].max(0));
        if before > 0 || behind > 0 {
            let (pads, fill) = (cx.out.list(&[before, behind]), cx.out.scalar(fill));
            x = cx.node("Pad", &[&x, &pads, &fill, place], vec![]);
        }
        return Ok(x);
    }
    if start == 0 && from.iter().zip(to).all(|(f, t)| t <= f) {
        let (first, end) = (cx.out.list(&[0]), cx.length(to)?);
        return Ok(cx.node("Slice", &[&x, &first, &end, place], vec![]));
    }
    Err(Error::model(format!(
        "it takes elements {start} to {start} + {to:?} of an axis of {from:?} for inputs of several sizes, which a file \
         cannot say; expected the same number left out for all"
    )))
}
