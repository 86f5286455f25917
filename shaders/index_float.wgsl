// Integers as floats and floats as integers.
// Formula: y = index; index = x without its fraction, 0 below 0 and for NaN, 2^32 - 1 beyond that.
// Shapes: all tensors [N], indices in elements.
// Launch: one invocation per element; ceil(N / WG) workgroups, folded into two dimensions.
// Source: derived in src/ops/index_float.rs.
// Numerics: an integer above 2^24 is rounded to a float.
// include: lib/index
// From the kernel: put, which stores y of to_float.

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

override WG: u32 = 64u;
override N: u32;

@compute @workgroup_size(WG)
fn to_float(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    put(i, f32(index[i]));
}

@compute @workgroup_size(WG)
fn to_index(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    let v = x[i];
    // What no integer holds is told by its bits: negative, NaN, 2^32 and more.
    let bits = bitcast<u32>(v);
    let inside = bits < 0x4f800000u;
    var value = u32(select(0.0, v, inside));
    if !inside && bits <= 0x7f800000u {
        value = 0xffffffffu;
    }
    y[i] = value;
}
