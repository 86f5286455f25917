// The last valid row of every sequence, and the gradient.
// Formula: y[b] = x[b, n - 1], 0 where n = 0; d_x[b, t] = d_y[b] at t = n - 1, else 0; n = min(lengths[b], T).
// Shapes: x, d_x [B, T, ROW], y, d_y [B, ROW], lengths [B]; ROW counts Wides, which are f32 or vec4<f32>.
// Launch: forward, backward: one invocation per Wide that is written, folded into two dimensions.
// Source: derived in src/ops/take_row.rs.
// Numerics: copies.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<Wide>;
@group(0) @binding(0) var<storage, read> d_y: array<Wide>;
@group(0) @binding(1) var<storage, read> lengths: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<Wide>;
@group(0) @binding(2) var<storage, read_write> d_x: array<Wide>;

override WG: u32 = 64u;
override B: u32;
override T: u32;
override ROW: u32;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= B * ROW { return; } // guard
    let b = i / ROW;
    let n = min(lengths[b], T);
    var value = Wide(0.0);
    if n > 0u {
        value = x[(b * T + n - 1u) * ROW + i % ROW];
    }
    y[i] = value;
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= B * T * ROW { return; } // guard
    let b = i / (T * ROW);
    var value = Wide(0.0);
    if i / ROW % T + 1u == min(lengths[b], T) {
        value = d_y[b * ROW + i % ROW];
    }
    d_x[i] = value;
}
