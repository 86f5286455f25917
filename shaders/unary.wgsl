// Elementwise functions of one tensor, and their gradients.
// Formula: y = f(x); d_x = d_y * f'(s), where s is x or, where the derivative follows from it, y.
// Shapes: all tensors [N], indices in elements; the entries ending in 4 own four elements each.
// Launch: one invocation per element (or four); ceil(N / WG) workgroups, folded into two dimensions.
// Source: formulas and derivatives in src/ops/unary.rs.
// Numerics: f32; no exponential of a positive number, so nothing overflows; NaN passes through relu.
// include: lib/index
// From the kernel: value and slope, of lib/activation or lib/elementary; put and put4, which store y.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;
@group(0) @binding(0) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> d_y4: array<vec4<f32>>;

override WG: u32 = 64u;
override N: u32;
// The function and its constants.
override FUNCTION: u32;
override A: f32;
override B: f32;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    put(i, value(x[i]));
}

@compute @workgroup_size(WG)
fn forward4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N / 4u { return; } // guard
    let v = x4[i];
    put4(i, vec4<f32>(value(v.x), value(v.y), value(v.z), value(v.w)));
}

// d_x is stored; `x` holds what the function saves.
@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    put(i, d_y[i] * slope(x[i]));
}

@compute @workgroup_size(WG)
fn backward4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N / 4u { return; } // guard
    let s = x4[i];
    put4(i, d_y4[i] * vec4<f32>(slope(s.x), slope(s.y), slope(s.z), slope(s.w)));
}
