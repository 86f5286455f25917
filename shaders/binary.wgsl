// Elementwise arithmetic on two tensors that broadcast.
// Formula: y = a op b: add, sub, mul, div, maximum, minimum, power, modulo, fmod, or a comparison, which gives 1 or 0.
// Shapes: y has axes DIMS; a and b are read with strides in elements, 0 along stretched axes.
// Launch: one invocation per element of y (same4: four elements); ceil(N / WG) workgroups, folded into two dimensions.
// Source: derived in src/ops/binary.rs.
// Numerics: f32; remainders are exact, powers with a whole exponent up to 64 by multiplication.
// include: lib/index

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(0) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b4: array<vec4<f32>>;

override WG: u32 = 64u;
override N: u32;
// From the kernel: const RANK, DIMS, STRIDES_A, STRIDES_B; apply and apply4, which compute; put and put4, which store y.

@compute @workgroup_size(WG)
fn same4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N / 4u { return; } // guard
    put4(i, apply4(a4[i], b4[i]));
}

@compute @workgroup_size(WG)
fn broadcast(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    var dims = DIMS;
    var strides_a = STRIDES_A;
    var strides_b = STRIDES_B;
    var rest = i;
    var at_a = 0u;
    var at_b = 0u;
    for (var k = 0u; k < RANK; k++) {
        let axis = RANK - 1u - k;
        let at = rest % dims[axis];
        rest /= dims[axis];
        at_a += at * strides_a[axis];
        at_b += at * strides_b[axis];
    }
    put(i, apply(a[at_a], b[at_b]));
}
