// Softmax and log-softmax over rows, and their gradients.
// Formula: y = e^(x - m) / s or x - m - ln s, m = max x, s = sum e^(x - m); d_x = y (d_y - sum(y d_y)) or d_y - e^y sum(d_y).
// Shapes: all tensors [ROWS, ROW], indices in elements.
// Launch: forward, backward: one invocation per row; the entries ending in _tree: one workgroup of WG per row; folded into two dimensions.
// Source: derived in src/ops/softmax.rs.
// Numerics: f32, no exponential of a positive number; sums in a fixed order. Workgroup memory: 4 WG bytes.
// include: lib/index
// include: lib/reduce

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

override WG: u32 = 64u;
override ROWS: u32;
override ROW: u32;
override LOG: bool;

var<workgroup> sh_reduce: array<f32, WG>;

// e^v for v <= 0, exactly zero where f32 has no normal number left. A
// comparison, so that NaN stays NaN.
fn exp_below(v: f32) -> f32 {
    return select(exp(v), 0.0, v < -87.0);
}

fn result(v: f32, sum: f32) -> f32 {
    if LOG {
        return v - log(sum);
    }
    return exp_below(v) / sum;
}

// A row of one: its probability is one, or NaN if the element is not finite.
// By bits, because compilers take x - x for zero.
fn alone(v: f32) -> f32 {
    let bits = bitcast<u32>(v);
    let infinite = (bits & 0x7f800000u) == 0x7f800000u;
    return select(select(1.0, 0.0, LOG), bitcast<f32>(bits | 0x7fc00000u), infinite);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = flat_id(id, groups);
    if row >= ROWS { return; } // guard
    let base = row * ROW;
    if ROW == 1u {
        y[base] = alone(x[base]);
        return; // no barrier below
    }
    // `max` may drop NaN; the sum brings it back.
    var largest = x[base];
    for (var i = 1u; i < ROW; i++) {
        largest = max(largest, x[base + i]);
    }
    var sum = 0.0;
    for (var i = 0u; i < ROW; i++) {
        sum += exp_below(x[base + i] - largest);
    }
    for (var i = 0u; i < ROW; i++) {
        y[base + i] = result(x[base + i] - largest, sum);
    }
}

@compute @workgroup_size(WG)
fn forward_tree(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // The workgroups beyond the last row work on it too, and store nothing.
    let row = flat_group(group, groups);
    let base = min(row, ROWS - 1u) * ROW;
    // Invocations without an element of their own repeat the last one.
    var part = x[base + min(local, ROW - 1u)];
    for (var i = local + WG; i < ROW; i += WG) {
        part = max(part, x[base + i]);
    }
    let largest = reduce_max(local, part);
    part = 0.0;
    for (var i = local; i < ROW; i += WG) {
        part += exp_below(x[base + i] - largest);
    }
    let sum = reduce_sum(local, part);
    if row < ROWS {
        for (var i = local; i < ROW; i += WG) {
            y[base + i] = result(x[base + i] - largest, sum);
        }
    }
}

// `x` holds the saved output in the backward entries; `y` receives d_x.
fn term(i: u32) -> f32 {
    if LOG {
        return d_y[i];
    }
    return x[i] * d_y[i];
}

fn slope(i: u32, sum: f32) -> f32 {
    if LOG {
        return d_y[i] - exp_below(x[i]) * sum;
    }
    return x[i] * (d_y[i] - sum);
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = flat_id(id, groups);
    if row >= ROWS { return; } // guard
    let base = row * ROW;
    var sum = 0.0;
    for (var i = 0u; i < ROW; i++) {
        sum += term(base + i);
    }
    for (var i = 0u; i < ROW; i++) {
        y[base + i] = slope(base + i, sum);
    }
}

@compute @workgroup_size(WG)
fn backward_tree(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = flat_group(group, groups);
    let base = min(row, ROWS - 1u) * ROW;
    var part = 0.0;
    for (var i = local; i < ROW; i += WG) {
        part += term(base + i);
    }
    let sum = reduce_sum(local, part);
    if row < ROWS {
        for (var i = local; i < ROW; i += WG) {
            y[base + i] = slope(base + i, sum);
        }
    }
}
