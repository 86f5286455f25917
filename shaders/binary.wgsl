// Elementwise arithmetic on two tensors that broadcast.
// Formula: y = a op b, op chosen by OP: add, sub, mul, div, equal.
// Shapes: y has axes DIMS; a and b are read with strides in elements, 0 along stretched axes.
// Launch: one invocation per element of y (same4: four elements); ceil(N / WG) workgroups, folded into two dimensions.
// Source: derived in src/ops/binary.rs.
// Numerics: f32.
// include: lib/index

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(0) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b4: array<vec4<f32>>;

override WG: u32 = 64u;
override N: u32;
override OP: u32;
// From the kernel: const RANK, DIMS, STRIDES_A, STRIDES_B; put and put4, which store y.

fn apply(l: vec4<f32>, r: vec4<f32>) -> vec4<f32> {
    switch OP {
        case 0u: { return l + r; }
        case 1u: { return l - r; }
        case 2u: { return l * r; }
        case 3u: { return l / r; }
        default: { return select(vec4<f32>(0.0), vec4<f32>(1.0), l == r); }
    }
}

@compute @workgroup_size(WG)
fn same4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N / 4u { return; } // guard
    put4(i, apply(a4[i], b4[i]));
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
    put(i, apply(vec4<f32>(a[at_a]), vec4<f32>(b[at_b])).x);
}
