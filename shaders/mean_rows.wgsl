// The mean over the valid rows of every sequence, and the gradient.
// Formula: y[b] = sum over t < n of x[b, t] / n, 0 where n = 0; d_x[b, t] = d_y[b] / n for t < n, else 0; n = min(lengths[b], T).
// Shapes: x, d_x [B, T, ROW], y, d_y [B, ROW], lengths [B], parts [PARTS, B, ROW]; ROW counts Wides, which are f32 or vec4<f32>.
// Launch: forward: one invocation per part and Wide of y, a part being LENGTH rows; combine: one per Wide of y; backward: one per
//         Wide of d_x. Folded into two dimensions.
// Source: derived in src/ops/mean_rows.rs.
// Numerics: f32; sums in a fixed order.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<Wide>;
@group(0) @binding(0) var<storage, read> d_y: array<Wide>;
@group(0) @binding(0) var<storage, read> summands: array<Wide>; // parts, complete
@group(0) @binding(1) var<storage, read> lengths: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<Wide>; // or parts
@group(0) @binding(2) var<storage, read_write> d_x: array<Wide>;

override WG: u32 = 64u;
override B: u32;
override T: u32;
override ROW: u32;
override PARTS: u32;
override LENGTH: u32;

fn rows_of(b: u32) -> u32 {
    return min(lengths[b], T);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= PARTS * B * ROW { return; } // guard
    let b = i / ROW % B;
    let n = rows_of(b);
    let first = i / (B * ROW) * LENGTH;
    var sum = Wide(0.0);
    for (var t = first; t < min(first + LENGTH, n); t++) {
        sum += x[(b * T + t) * ROW + i % ROW];
    }
    if PARTS == 1u { sum /= f32(max(n, 1u)); }
    y[i] = sum;
}

@compute @workgroup_size(WG)
fn combine(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= B * ROW { return; } // guard
    var sum = Wide(0.0);
    for (var part = 0u; part < PARTS; part++) {
        sum += summands[part * B * ROW + i];
    }
    y[i] = sum / f32(max(rows_of(i / ROW), 1u));
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= B * T * ROW { return; } // guard
    let b = i / (T * ROW);
    let n = rows_of(b);
    var value = Wide(0.0);
    if i / ROW % T < n {
        value = d_y[b * ROW + i % ROW] / f32(n);
    }
    d_x[i] = value;
}
