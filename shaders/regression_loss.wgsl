// Mean losses between a prediction and a target of the same shape, and their gradients.
// Formula: loss = sum over valid elements of f(prediction, wanted) / count; d_x = f' d_loss / count.
// Shapes: prediction, wanted, d_x [N]; valid [1]: how many elements of the batch axis count, INNER elements each; parts [SPLIT].
// Launch: whole, total: one workgroup; parts_of: one invocation per part, SPLIT in all; backward: one invocation per element.
// Source: formulas and derivatives in src/ops/regression_loss.rs.
// Numerics: f32, sums in a fixed order; no exponential of a positive number; at most 1 KiB workgroup memory.
// include: lib/index
// include: lib/reduce

@group(0) @binding(0) var<storage, read> prediction: array<f32>;
@group(0) @binding(1) var<storage, read> wanted: array<f32>;
@group(0) @binding(2) var<storage, read> valid: array<u32>;
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;
@group(0) @binding(3) var<storage, read> summands: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read> d_loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_x: array<f32>;

override WG: u32 = 64u;
override N: u32;
override BATCH: u32;
override INNER: u32;
override SPLIT: u32;
override MASKED: bool;
override FUNCTION: u32;
override DELTA: f32; // Huber: where the parabola ends
override POSITIVE: f32; // weight of the positive share of a binary target
override OF_TARGET: bool; // the gradient of the target, not of the prediction

var<workgroup> sh_reduce: array<f32, WG>;

fn valid_elements() -> u32 {
    if MASKED {
        return min(valid[0], BATCH) * INNER;
    }
    return N;
}

// ln(1 + e^-|x|) (Taylor where 1 + e would round).
fn soft_part(x: f32) -> f32 {
    let e = exp(-abs(x));
    let series = e * (1.0 - e * (0.5 - e * (0.33333334 - e * 0.25)));
    return select(log(1.0 + e), series, e < 0.01);
}

// -ln sigmoid(x); NaN passes.
fn surprise(x: f32) -> f32 {
    return soft_part(x) + select(0.0, -x, x < 0.0);
}

fn sigmoid(x: f32) -> f32 {
    let e = exp(-abs(x));
    return select(1.0, e, x < 0.0) / (1.0 + e);
}

fn value(i: u32) -> f32 {
    let x = prediction[i];
    let t = wanted[i];
    let d = x - t;
    switch FUNCTION {
        case 0u: { return d * d; }
        case 1u: { return abs(d); }
        case 2u: { return select(0.5 * d * d, DELTA * (abs(d) - 0.5 * DELTA), abs(d) > DELTA); }
        default: { return (1.0 - t) * surprise(-x) + POSITIVE * t * surprise(x); }
    }
}

fn slope(i: u32) -> f32 {
    let x = prediction[i];
    let t = wanted[i];
    let d = x - t;
    var s: f32;
    switch FUNCTION {
        case 0u: { s = 2.0 * d; }
        case 1u: { s = select(0.0, 1.0, d > 0.0) - select(0.0, 1.0, d < 0.0); }
        // Not a clamp, which would hide NaN.
        case 2u: { s = select(select(d, DELTA, d > DELTA), -DELTA, d < -DELTA); }
        default: {
            if OF_TARGET {
                return (POSITIVE - 1.0) * soft_part(x) - x * select(1.0, POSITIVE, x < 0.0);
            }
            return (1.0 - t) * sigmoid(x) - POSITIVE * t * sigmoid(-x);
        }
    }
    return select(s, -s, OF_TARGET);
}

fn write_mean(local: u32, mine: f32) {
    let sum = reduce_sum(local, mine);
    if local == 0u {
        let count = valid_elements();
        var mean = 0.0;
        if count > 0u {
            mean = sum / f32(count);
        }
        loss[0] = mean;
    }
}

@compute @workgroup_size(WG)
fn whole(@builtin(local_invocation_index) local: u32) {
    let end = valid_elements();
    var sum = 0.0;
    for (var i = local; i < end; i += WG) {
        sum += value(i);
    }
    write_mean(local, sum);
}

@compute @workgroup_size(WG)
fn parts_of(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let part = flat_id(id, groups);
    if part >= SPLIT { return; } // guard
    let end = valid_elements();
    var sum = 0.0;
    for (var i = part; i < end; i += SPLIT) {
        sum += value(i);
    }
    parts[part] = sum;
}

@compute @workgroup_size(WG)
fn total(@builtin(local_invocation_index) local: u32) {
    var sum = 0.0;
    for (var part = local; part < SPLIT; part += WG) {
        sum += summands[part];
    }
    write_mean(local, sum);
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    let end = valid_elements();
    var d = 0.0;
    if i < end {
        d = slope(i) * (d_loss[0] / f32(end));
    }
    d_x[i] = d;
}
