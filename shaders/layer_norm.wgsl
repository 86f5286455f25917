// Layer norm and RMS norm over rows, and their gradients.
// Formula: y = (x - mean) rstd weight + bias; with g = d_y weight: d_x = rstd (g - mean(g) - xhat mean(g xhat)); RMS norm: mean = 0 and no mean(g).
// Shapes: x, y, d_y, d_x [ROWS, ROW]; weight, bias, d_weight, d_bias [ROW]; mean, rstd [ROWS]; parts [2, PARTS, ROW]; ROW counts
//         Wides, which are f32 or vec4<f32>; COUNT is a row's length in elements.
// Launch: forward, backward: one invocation per row; *_tree: one workgroup of WG per row; column_parts: one invocation per part and
//         column, a part being LENGTH rows; combine: one per column. Folded into two dimensions.
// Source: derived in src/ops/layer_norm.rs.
// Numerics: f32; variance in two passes; sums in a fixed order. Workgroup memory: 4 WG bytes.
// include: lib/index
// include: lib/reduce
// From the kernel: put_wide, which stores y and d_x.

@group(0) @binding(0) var<storage, read> x: array<Wide>;
@group(0) @binding(1) var<storage, read> weight: array<Wide>;
@group(0) @binding(2) var<storage, read> bias: array<Wide>;
@group(0) @binding(3) var<storage, read> d_y: array<Wide>;
@group(0) @binding(4) var<storage, read> saved_mean: array<f32>;
@group(0) @binding(5) var<storage, read> saved_rstd: array<f32>;
@group(0) @binding(6) var<storage, read> summands: array<Wide>; // parts, complete
@group(0) @binding(8) var<storage, read_write> mean: array<f32>;
@group(0) @binding(9) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(10) var<storage, read_write> parts: array<Wide>;
@group(0) @binding(11) var<storage, read_write> d_weight: array<Wide>;
@group(0) @binding(12) var<storage, read_write> d_bias: array<Wide>;

override WG: u32 = 64u;
override ROWS: u32;
override ROW: u32;
override COUNT: u32;
override EPS: f32;
override CENTER: bool;
override WEIGHT: bool;
override BIAS: bool;
override PARTS: u32;
override LENGTH: u32;

var<workgroup> sh_reduce: array<f32, WG>;

// A row is walked from `first` in steps: all of it, or an invocation's share.
fn sum_of(base: u32, first: u32, step: u32) -> f32 {
    var sum = Wide(0.0);
    for (var i = first; i < ROW; i += step) {
        sum += x[base + i];
    }
    return total(sum);
}

// The sums of x - centre and of its square. The first is what rounding took
// from the mean.
fn squares_of(base: u32, first: u32, step: u32, centre: f32) -> vec2<f32> {
    var left = Wide(0.0);
    var square = Wide(0.0);
    for (var i = first; i < ROW; i += step) {
        let d = x[base + i] - centre;
        left += d;
        square += d * d;
    }
    return vec2<f32>(total(left), total(square));
}

// Mean and 1 / standard deviation.
fn statistics(centre: f32, sums: vec2<f32>) -> vec2<f32> {
    let shift = select(0.0, sums.x / f32(COUNT), CENTER);
    let variance = max(sums.y - sums.x * shift, 0.0) / f32(COUNT);
    return vec2<f32>(centre + shift, 1.0 / sqrt(variance + EPS));
}

fn write(base: u32, first: u32, step: u32, of_row: vec2<f32>) {
    for (var i = first; i < ROW; i += step) {
        var v = (x[base + i] - of_row.x) * of_row.y;
        if WEIGHT { v *= weight[i]; }
        if BIAS { v += bias[i]; }
        put_wide(base + i, v);
    }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = flat_id(id, groups);
    if row >= ROWS { return; } // guard
    let base = row * ROW;
    var centre = 0.0;
    if CENTER { centre = sum_of(base, 0u, 1u) / f32(COUNT); }
    let of_row = statistics(centre, squares_of(base, 0u, 1u, centre));
    write(base, 0u, 1u, of_row);
    mean[row] = of_row.x;
    rstd[row] = of_row.y;
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
    var centre = 0.0;
    if CENTER { centre = reduce_sum(local, sum_of(base, local, WG)) / f32(COUNT); }
    let part = squares_of(base, local, WG, centre);
    let left = reduce_sum(local, part.x);
    let square = reduce_sum(local, part.y);
    let of_row = statistics(centre, vec2<f32>(left, square));
    if row < ROWS {
        write(base, local, WG, of_row);
        if local == 0u {
            mean[row] = of_row.x;
            rstd[row] = of_row.y;
        }
    }
}

fn scaled(base: u32, i: u32) -> Wide {
    if WEIGHT { return d_y[base + i] * weight[i]; }
    return d_y[base + i];
}

// The sums of g and of g xhat.
fn moments_of(base: u32, first: u32, step: u32, of_row: vec2<f32>) -> vec2<f32> {
    var plain = Wide(0.0);
    var moment = Wide(0.0);
    for (var i = first; i < ROW; i += step) {
        let g = scaled(base, i);
        plain += g;
        moment += g * ((x[base + i] - of_row.x) * of_row.y);
    }
    return vec2<f32>(select(0.0, total(plain), CENTER), total(moment));
}

// d_x is stored.
fn pull(base: u32, first: u32, step: u32, of_row: vec2<f32>, moments: vec2<f32>) {
    let means = moments / f32(COUNT);
    for (var i = first; i < ROW; i += step) {
        let xhat = (x[base + i] - of_row.x) * of_row.y;
        put_wide(base + i, (scaled(base, i) - means.x - xhat * means.y) * of_row.y);
    }
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = flat_id(id, groups);
    if row >= ROWS { return; } // guard
    let of_row = vec2<f32>(saved_mean[row], saved_rstd[row]);
    pull(row * ROW, 0u, 1u, of_row, moments_of(row * ROW, 0u, 1u, of_row));
}

@compute @workgroup_size(WG)
fn backward_tree(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = flat_group(group, groups);
    let at = min(row, ROWS - 1u);
    let of_row = vec2<f32>(saved_mean[at], saved_rstd[at]);
    let part = moments_of(at * ROW, local, WG, of_row);
    let plain = reduce_sum(local, part.x);
    let moment = reduce_sum(local, part.y);
    if row < ROWS {
        pull(at * ROW, local, WG, of_row, vec2<f32>(plain, moment));
    }
}

// Sums of d_y xhat and of d_y over the rows of a part.
@compute @workgroup_size(WG)
fn column_parts(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= PARTS * ROW { return; } // guard
    let column = i % ROW;
    let first = i / ROW * LENGTH;
    var moment = Wide(0.0);
    var plain = Wide(0.0);
    for (var row = first; row < min(first + LENGTH, ROWS); row++) {
        let d = d_y[row * ROW + column];
        moment += d * ((x[row * ROW + column] - saved_mean[row]) * saved_rstd[row]);
        plain += d;
    }
    parts[i] = moment;
    parts[PARTS * ROW + i] = plain;
}

@compute @workgroup_size(WG)
fn combine(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let column = flat_id(id, groups);
    if column >= ROW { return; } // guard
    var moment = Wide(0.0);
    var plain = Wide(0.0);
    for (var part = 0u; part < PARTS; part++) {
        moment += summands[part * ROW + column];
        plain += summands[(PARTS + part) * ROW + column];
    }
    d_weight[column] = moment;
    d_bias[column] = plain;
}
