// Zeros, or another value, where a sequence has ended.
// Formula: y[b, t] = x[b, t] for t < lengths[b], else FILL.
// Shapes: x, y [B, T, ROW], lengths [B]; ROW counts Wides, which are f32 or vec4<f32>.
// Launch: forward: one invocation per Wide, folded into two dimensions.
// Source: derived in src/ops/mask_rows.rs.
// Numerics: copies; what is masked is FILL even if it was NaN.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<Wide>;
@group(0) @binding(1) var<storage, read> lengths: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<Wide>;

override WG: u32 = 64u;
override B: u32;
override T: u32;
override ROW: u32;
override FILL: f32;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= B * T * ROW { return; } // guard
    var value = Wide(FILL);
    if i / ROW % T < lengths[i / (T * ROW)] {
        value = x[i];
    }
    y[i] = value;
}
