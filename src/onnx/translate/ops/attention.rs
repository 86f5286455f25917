//! Attention, rotary positions, linear attention.

use super::super::node::{Node, elem_of};
use super::bfloat::softmax;
use super::index::{concat, count, expand, permute, reshape};
use super::{Translation, op};
use crate::error::{Error, Result};
use crate::graph::TensorId;
use crate::onnx::element::Elem;
use crate::onnx::value::Value;
use crate::ops::attention::{Attention, AttentionInputs};
use crate::ops::unary::Function;

pub const OPS: &[Translation] =
    &[op("Attention", attention), op("LinearAttention", linear), op("RotaryEmbedding", rotary), op("SwiGLU", swiglu)];

/// `[B, T, H D]` as `[B, H, T, D]`.
fn heads_apart(cx: &mut Node, value: &Value, heads: i64) -> Result<Value> {
    let shape = cx.shape_of(value)?;
    let ([b, t, width], heads) = (&shape[..], usize::try_from(heads).unwrap_or(0)) else {
        return Ok(value.clone());
    };
    if heads == 0 || width % heads != 0 {
        return Err(Error::model(format!("{heads} heads of {width} elements")));
    }
    let split = reshape(cx, value, vec![*b, *t, heads, width / heads])?;
    permute(cx, &split, &[0, 2, 1, 3])
}

/// `[B, H, T, D]` as `[B, T, H D]`.
fn heads_joined(cx: &mut Node, value: &Value) -> Result<Value> {
    let s = cx.shape_of(value)?;
    let turned = permute(cx, value, &[0, 2, 1, 3])?;
    reshape(cx, &turned, vec![s[0], s[2], s[1] * s[3]])
}

/// Each head `times` times, one after the other.
fn repeated(cx: &mut Node, value: &Value, times: usize) -> Result<Value> {
    if times == 1 {
        return Ok(value.clone());
    }
    let s = cx.shape_of(value)?;
    let split = reshape(cx, value, vec![s[0], s[1], 1, s[2], s[3]])?;
    let split = expand(cx, &split, &[s[0], s[1], times, s[2], s[3]])?;
    reshape(cx, &split, vec![s[0], s[1] * times, s[2], s[3]])
}

fn attention(cx: &mut Node) -> Result<Vec<Value>> {
    let elem = cx.elem(0)?;
    let flat = cx.shape(0)?.len() == 3;
    let (q_heads, kv_heads) = (cx.int("q_num_heads", 0)?, cx.int("kv_num_heads", 0)?);
    // The number of valid keys is known before anything is built.
    let valid = if cx.has(6) { Some(cx.ints(6)?) } else { None };
    let [mut q, mut k, mut v] = [cx.value(0)?.clone(), cx.value(1)?.clone(), cx.value(2)?.clone()];
    if flat {
        q = heads_apart(cx, &q, q_heads)?;
        k = heads_apart(cx, &k, kv_heads)?;
        v = heads_apart(cx, &v, kv_heads)?;
    }
    let past = if cx.has(4) { Some(cx.shape(4)?[2]) } else { None };
    if cx.has(4) {
        k = concat(cx, &[cx.value(4)?.clone(), k], 2)?;
        v = concat(cx, &[cx.value(5)?.clone(), v], 2)?;
    }
    let mut present = [k.clone(), v.clone()];
    let (qs, ks) = (cx.shape_of(&q)?, cx.shape_of(&k)?);
    if qs.len() != 4 || ks.len() != 4 || ks[1] == 0 || qs[1] % ks[1] != 0 {
        return Err(Error::model(format!("queries of shape {qs:?} and keys of shape {ks:?}")));
    }
    let [b, heads, tq, d] = qs[..] else { unreachable!("four axes") };
    let tk = ks[2];
    let scale = cx.float_opt("scale")?.map_or(1.0 / (d as f64).sqrt(), f64::from);
    let causal = cx.flag("is_causal", false)?;
    let (precision, shown) = (cx.int("softmax_precision", 16)?, cx.int("qk_matmul_output_mode", 0)?);
    let softcap = cx.float("softcap", 0.0)?;
    let window = [cx.int("left_window_size", -1)?, cx.int("right_window_size", -1)?];
    let plain = elem != Elem::BFloat16
        && softcap == 0.0
        && window == [-1, -1]
        && valid.is_none()
        && past.is_none()
        && !cx.has(3);
    if plain && !cx.wants(3) && !cx.walk.trace.doubles() {
        let [q, k, v] = [cx.in_graph(&q)?, cx.in_graph(&k)?, cx.in_graph(&v)?];
        let how = Attention { scale: Some(scale as f32), causal, ..Attention::default() };
        let y = cx.g().attention(q, k, v, how, AttentionInputs::default())?;
        return finish(cx, elem, Value::Graph(elem, y), flat, present, None);
    }
    let group = heads / ks[1];
    let (k, v) = (repeated(cx, &k, group)?, repeated(cx, &v, group)?);
    let turned = permute(cx, &k, &[0, 1, 3, 2])?;
    let [q, kt, v] = [cx.in_graph(&q)?, cx.in_graph(&turned)?, cx.in_graph(&v)?];
    let narrow = if elem == Elem::BFloat16 { elem.round(scale.sqrt(), false) } else { scale.sqrt() };
    let root = cx.number(narrow)?;
    let g = cx.g();
    let (q, kt) = (g.mul(q, root)?, g.mul(kt, root)?);
    let [q, kt, v] = settled(cx, elem, [q, kt, v], &mut present)?;
    let raw = cx.g().matmul(q, kt)?;
    let [raw, v] = settled(cx, elem, [raw, v], &mut present)?;
    let mut scores = raw;
    if softcap > 0.0 {
        let cap = cx.number(f64::from(softcap))?;
        let g = cx.g();
        let x = g.div(scores, cap)?;
        let x = g.unary(Function::Tanh, x)?;
        scores = g.mul(x, cap)?;
    }
    let capped = scores;
    let mut bias = mask(cx, tk)?;
    if let Some(fixed) = seen(cx, b, tq, tk, causal, window, valid.as_deref(), past)? {
        bias = Some(match bias {
            None => fixed,
            Some(mask) => cx.g().add(mask, fixed)?,
        });
    }
    let mut hidden = None;
    if let Some(bias) = bias {
        let shape = cx.g().shape(bias).to_vec();
        let rank = shape.len();
        let most = if rank == 0 { bias } else { cx.g().max(bias, &[rank - 1], true)? };
        hidden = Some(cx.g().unary(Function::IsInf(true, false), most)?);
        scores = cx.g().add(scores, bias)?;
    }
    let with_bias = scores;
    let steps = elem == Elem::BFloat16 && cx.walk.trace.runs() && precision == 16;
    let [mut raw, mut capped, mut with_bias, mut v] = [raw, capped, with_bias, v];
    let mut shares = if steps {
        let all = [scores, raw, capped, with_bias, v, hidden.unwrap_or(raw)];
        let [settled_scores, a, b, c, d, e] = settled(cx, elem, all, &mut present)?;
        (raw, capped, with_bias, v) = (a, b, c, d);
        hidden = hidden.map(|_| e);
        stepwise_softmax(cx, settled_scores)?
    } else {
        cx.g().softmax(scores, 3)?
    };
    if let Some(hidden) = hidden {
        // Who sees no key gets zeros, not NaN.
        let zero = cx.number(0.0)?;
        shares = cx.g().select(hidden, zero, shares)?;
    }
    let [raw, capped, with_bias, shares, v] = settled(cx, elem, [raw, capped, with_bias, shares, v], &mut present)?;
    let y = cx.g().matmul(shares, v)?;
    let shown = match shown {
        0 => raw,
        1 => capped,
        2 => with_bias,
        3 => shares,
        other => return Err(Error::model(format!("qk_matmul_output_mode is {other}; expected 0 to 3"))),
    };
    finish(cx, elem, Value::Graph(elem, y), flat, present, Some(Value::Graph(elem, shown)))
}

/// Rounds what has been computed so far to a bfloat16, as the specification does between its
/// steps: its three digits leave no room for a difference. Other types are rounded at the end.
fn settled<const N: usize>(cx: &mut Node, elem: Elem, ids: [TensorId; N], kept: &mut [Value]) -> Result<[TensorId; N]> {
    if elem != Elem::BFloat16 || !cx.walk.trace.runs() {
        return Ok(ids);
    }
    let mut all = std::mem::take(&mut cx.inputs);
    let inputs = all.len();
    all.extend(ids.map(|id| Value::Graph(elem, id)));
    all.extend(kept.iter().cloned());
    cx.walk.flush(&mut all)?;
    let locals = all.split_off(inputs);
    cx.inputs = all;
    kept.clone_from_slice(&locals[N..]);
    let mut settled = ids;
    for (id, value) in settled.iter_mut().zip(&locals) {
        *id = cx.in_graph(value)?;
    }
    Ok(settled)
}

/// Softmax of known scores, rounded after each step, sums from left to right.
fn stepwise_softmax(cx: &mut Node, scores: TensorId) -> Result<TensorId> {
    let t = cx.walk.trace.known_values(scores).ok_or_else(|| Error::model("scores that are not settled"))?;
    let width = t.shape.last().copied().unwrap_or(1).max(1);
    let mut all = t.to_f64()?;
    softmax(&mut all, width, 1);
    cx.numbers(t.shape.clone(), all)
}

fn finish(
    cx: &mut Node,
    _: Elem,
    y: Value,
    flat: bool,
    present: [Value; 2],
    shown: Option<Value>,
) -> Result<Vec<Value>> {
    let y = if flat { heads_joined(cx, &y)? } else { y };
    let [k, v] = present;
    let mut values = vec![y, k, v];
    values.extend(shown);
    Ok(values)
}

/// The mask as numbers that are added: minus infinity where a key is not seen.
fn mask(cx: &mut Node, tk: usize) -> Result<Option<TensorId>> {
    if !cx.has(3) {
        return Ok(None);
    }
    let (elem, shape) = (cx.elem(3)?, cx.shape(3)?);
    let mut bias = cx.x(3)?;
    if elem == Elem::Bool {
        let (zero, hidden) = (cx.number(0.0)?, cx.number(f64::NEG_INFINITY)?);
        bias = cx.g().select(bias, zero, hidden)?;
    }
    let short = shape.last().map_or(0, |&n| tk.saturating_sub(n));
    if short > 0 && shape.last() != Some(&1) {
        let mut widths = vec![(0, 0); shape.len()];
        widths[shape.len() - 1] = (0, short);
        bias = cx.g().pad(bias, &widths, f32::NEG_INFINITY)?;
    }
    Ok(Some(bias))
}

/// What positions alone hide: the future, what is outside a window, what is padding.
fn seen(
    cx: &mut Node,
    b: usize,
    tq: usize,
    tk: usize,
    causal: bool,
    window: [i64; 2],
    valid: Option<&[i64]>,
    past: Option<usize>,
) -> Result<Option<TensorId>> {
    if !causal && window == [-1, -1] && valid.is_none() {
        return Ok(None);
    }
    let batches = if valid.is_some() { b } else { 1 };
    if valid.is_some_and(|v| v.len() != b) {
        return Err(Error::model(format!("{} numbers of valid keys for {b} samples", valid.map_or(0, <[i64]>::len))));
    }
    let mut all = Vec::with_capacity(batches * tq * tk);
    for n in 0..batches {
        let end = valid.map_or(tk as i64, |v| v[n]);
        let offset = match (past, valid) {
            (Some(past), _) => past as i64,
            (None, Some(v)) => v[n] - tq as i64,
            (None, None) => 0,
        };
        for i in 0..tq as i64 {
            for j in 0..tk as i64 {
                let behind = i + offset - j;
                let hides = causal && behind < 0
                    || window[0] >= 0 && behind > window[0]
                    || window[1] >= 0 && -behind > window[1]
                    || j >= end;
                all.push(if hides { f64::NEG_INFINITY } else { 0.0 });
            }
        }
    }
    cx.numbers([batches, 1, tq, tk], all).map(Some)
}

/// Pairs of elements turned by an angle that grows with the position.
fn rotary(cx: &mut Node) -> Result<Vec<Value>> {
    let elem = cx.elem(0)?;
    let interleaved = cx.flag("interleaved", false)?;
    let heads = usize::try_from(cx.int("num_heads", 0)?).unwrap_or(0);
    let flat = cx.shape(0)?.len() == 3;
    let positions = if cx.has(3) { Some((cx.ints(3)?, cx.shape(3)?)) } else { None };
    let x = cx.value(0)?.clone();
    // `[B, T, H, D]`.
    let x = match flat {
        true => {
            let s = cx.shape(0)?;
            let heads = Some(heads).filter(|&h| h > 0 && s[2] % h == 0);
            let heads = heads.ok_or_else(|| Error::model("num_heads does not divide the last axis"))?;
            reshape(cx, &x, vec![s[0], s[1], heads, s[2] / heads])?
        }
        false => permute(cx, &x, &[0, 2, 1, 3])?,
    };
    let s = cx.shape_of(&x)?;
    let turned = match usize::try_from(cx.int("rotary_embedding_dim", 0)?).unwrap_or(0) {
        0 => s[3],
        n => n,
    };
    let half = turned / 2;
    if half == 0 || turned > s[3] || turned % 2 != 0 {
        return Err(Error::model(format!("{turned} of {} elements are turned; expected an even number", s[3])));
    }
    let mut cache = |i: usize| -> Result<TensorId> {
        let value = cx.value(i)?.clone();
        let shape = cx.shape_of(&value)?;
        let value = match &positions {
            None => value,
            Some((at, at_shape)) => {
                let rows = at.iter().flat_map(|&p| (0..half).map(move |j| p as usize * half + j)).collect::<Vec<_>>();
                if shape.len() != 2 || shape[1] != half || rows.iter().any(|&r| r >= count(&shape)) {
                    return Err(Error::model(format!("positions outside a table of shape {shape:?}")));
                }
                let shape = [&at_shape[..], &[half]].concat();
                super::index::pick(cx, &value, shape, rows)?
            }
        };
        let shape = cx.shape_of(&value)?;
        let ([b, t, n], true) = (&shape[..], shape.len() == 3) else {
            return Err(Error::model(format!("a table of shape {shape:?}; expected 3 axes")));
        };
        let value = reshape(cx, &value, vec![*b, *t, 1, *n])?;
        cx.in_graph(&value)
    };
    let (cos, sin) = (cache(1)?, cache(2)?);
    let x = cx.in_graph(&x)?;
    let g = cx.g();
    let part = g.slice(x, 3, 0, turned, 1)?;
    let (a, b) = match interleaved {
        true => (g.slice(part, 3, 0, turned - 1, 2)?, g.slice(part, 3, 1, turned, 2)?),
        false => (g.slice(part, 3, 0, half, 1)?, g.slice(part, 3, half, turned, 1)?),
    };
    let (ca, sb, sa, cb) = (g.mul(cos, a)?, g.mul(sin, b)?, g.mul(sin, a)?, g.mul(cos, b)?);
    let (real, imaginary) = (g.sub(ca, sb)?, g.add(sa, cb)?);
    let mut y = match interleaved {
        true => {
            let pair = [s[0], s[1], s[2], half, 1];
            let (r, i) = (g.reshape(real, pair)?, g.reshape(imaginary, pair)?);
            let both = g.concat(&[r, i], 4)?;
            g.reshape(both, [s[0], s[1], s[2], turned])?
        }
        false => g.concat(&[real, imaginary], 3)?,
    };
    if turned < s[3] {
        let rest = g.slice(x, 3, turned, s[3], 1)?;
        y = g.concat(&[y, rest], 3)?;
    }
    let y = Value::Graph(elem, y);
    Ok(vec![match flat {
        true => reshape(cx, &y, vec![s[0], s[1], s[2] * s[3]])?,
        false => permute(cx, &y, &[0, 2, 1, 3])?,
    }])
}

/// `a sigmoid(alpha a) b`.
fn swiglu(cx: &mut Node) -> Result<Vec<Value>> {
    let alpha = cx.float("alpha", 1.0)?;
    let (a, b) = (cx.x(0)?, cx.x(1)?);
    let g = cx.g();
    let scaled = g.affine(a, alpha, 0.0)?;
    let gate = g.unary(Function::Sigmoid, scaled)?;
    let y = g.mul(a, gate)?;
    let y = g.mul(y, b)?;
    cx.like(y)
}

/// A state that each position changes and reads: `S = S e^decay + k v^T`, `o = scale S^T q`.
/// With the delta rule, v is what the state does not say yet, times beta.
fn linear(cx: &mut Node) -> Result<Vec<Value>> {
    let elem = cx.elem(0)?;
    let rule = cx.text("update_rule", "gated_delta")?;
    let (gated, delta) = match &rule[..] {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => return Err(Error::model(format!("update_rule is \"{other}\""))),
    };
    let (q_heads, kv_heads) = (cx.int("q_num_heads", 0)?, cx.int("kv_num_heads", 0)?);
    let [q, k, v] = [cx.value(0)?.clone(), cx.value(1)?.clone(), cx.value(2)?.clone()];
    let (q, k, v) = (heads_apart(cx, &q, q_heads)?, heads_apart(cx, &k, kv_heads)?, heads_apart(cx, &v, kv_heads)?);
    let (qs, vs) = (cx.shape_of(&q)?, cx.shape_of(&v)?);
    let [b, hq, t, dk] = qs[..] else { return Err(Error::model(format!("queries of shape {qs:?}"))) };
    let (hk, dv) = (vs[1], vs[3]);
    let mut side = |i: usize| -> Result<Option<TensorId>> {
        if !cx.has(i) {
            return Ok(None);
        }
        let value = cx.value(i)?.clone();
        let width = cx.shape_of(&value)?[2];
        let heads = if width == hk * dk || width == hk { hk } else { 1 };
        let value = heads_apart(cx, &value, heads as i64)?;
        cx.in_graph(&value).map(Some)
    };
    let (decay, beta) = (side(4)?, side(5)?);
    if gated != decay.is_some() || delta != beta.is_some() {
        return Err(Error::model(format!("update_rule \"{rule}\" needs decay: {gated}, and beta: {delta}")));
    }
    let scale = cx.float("scale", 0.0)?;
    let scale = if scale == 0.0 { 1.0 / (dk as f64).sqrt() } else { f64::from(scale) };
    let mut state = match cx.x_opt(3)? {
        Some(state) => state,
        None => cx.numbers([b, hk, dk, dv], vec![0.0; b * hk * dk * dv])?,
    };
    let [q, k, v, scale] = [cx.in_graph(&q)?, cx.in_graph(&k)?, cx.in_graph(&v)?, cx.number(scale)?];
    let mut outputs = vec![];
    for i in 0..t {
        let g = cx.g();
        if let Some(decay) = decay {
            let now = g.slice(decay, 2, i, i + 1, 1)?;
            let n = g.shape(now)[3];
            let now = g.reshape(now, [b, hk, n, 1])?;
            let factor = g.unary(Function::Exp, now)?;
            state = g.mul(state, factor)?;
        }
        let (key, mut value) = (g.slice(k, 2, i, i + 1, 1)?, g.slice(v, 2, i, i + 1, 1)?);
        if let Some(beta) = beta {
            let said = g.matmul(key, state)?;
            let new = g.sub(value, said)?;
            let now = g.slice(beta, 2, i, i + 1, 1)?;
            value = g.mul(new, now)?;
        }
        let column = g.reshape(key, [b, hk, dk, 1])?;
        let change = g.mul(column, value)?;
        state = g.add(state, change)?;
        let read = repeated(cx, &Value::Graph(elem, state), hq / hk)?;
        let read = cx.in_graph(&read)?;
        let g = cx.g();
        let query = g.slice(q, 2, i, i + 1, 1)?;
        let y = g.matmul(query, read)?;
        outputs.push(Value::Graph(elem, g.mul(y, scale)?));
    }
    let y = concat(cx, &outputs, 2)?;
    let state_elem = if cx.has(3) { elem_of(cx.value(3)?)? } else { elem };
    Ok(vec![heads_joined(cx, &y)?, Value::Graph(state_elem, state)])
}
