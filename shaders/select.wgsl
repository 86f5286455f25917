// Elements of one of two tensors, by a condition; all three broadcast.
// Formula: y = a where condition is not 0, else b.
// Shapes: y has axes DIMS; condition, a and b are read with strides in elements, 0 along stretched axes.
// Launch: one invocation per element of y (same4: four elements); ceil(N / WG) workgroups, folded into two dimensions.
// Source: derived in src/ops/select.rs.
// Numerics: copies bits; the condition is told by its bits, so NaN is not 0.
// include: lib/index
// include: lib/choose

@group(0) @binding(0) var<storage, read> condition: array<f32>;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(0) var<storage, read> condition4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b4: array<vec4<f32>>;

override WG: u32 = 64u;
override N: u32;
// From the kernel: const RANK, DIMS, STRIDES_C, STRIDES_A, STRIDES_B; put and put4, which store y.

@compute @workgroup_size(WG)
fn same4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N / 4u { return; } // guard
    put4(i, chosen4(condition4[i], a4[i], b4[i]));
}

@compute @workgroup_size(WG)
fn broadcast(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    var dims = DIMS;
    var strides_c = STRIDES_C;
    var strides_a = STRIDES_A;
    var strides_b = STRIDES_B;
    var rest = i;
    var at_c = 0u;
    var at_a = 0u;
    var at_b = 0u;
    for (var k = 0u; k < RANK; k++) {
        let axis = RANK - 1u - k;
        let at = rest % dims[axis];
        rest /= dims[axis];
        at_c += at * strides_c[axis];
        at_a += at * strides_a[axis];
        at_b += at * strides_b[axis];
    }
    put(i, chosen(condition[at_c], a[at_a], b[at_b]));
}
