// Moves elements: permute, slice, pad, flip, expand.
// Formula: along axis k, c = (o * STEP + START) / DIVIDE; y[o..] = x[c..], or FILL where some c is no whole number or outside.
// Shapes: y has axes LEN; x is addressed by STRIDE, in elements; SOURCE_LEN bounds each coordinate.
// Launch: one invocation per element of y; ceil(N / WG) workgroups, folded into two dimensions.
// Source: derived in src/ops/rearrange.rs.
// Numerics: copies bits.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

override WG: u32 = 64u;
override N: u32;
override FILL: f32;
// From the kernel: const RANK and the arrays LEN, SOURCE_LEN, STRIDE, STEP, START, DIVIDE.

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    var len = LEN;
    var source_len = SOURCE_LEN;
    var stride = STRIDE;
    var step = STEP;
    var start = START;
    var divide = DIVIDE;
    var rest = i;
    var source = 0;
    var inside = true;
    for (var k = 0u; k < RANK; k++) {
        let axis = RANK - 1u - k;
        let o = i32(rest % u32(len[axis]));
        rest /= u32(len[axis]);
        let at = o * step[axis] + start[axis];
        // Unsigned division keeps drivers on the fast path; `at` below zero is outside.
        let c = i32(u32(max(at, 0)) / u32(divide[axis]));
        inside = inside && at >= 0 && c * divide[axis] == at && c < source_len[axis];
        source += c * stride[axis];
    }
    if inside {
        y[i] = x[u32(source)];
    } else {
        y[i] = FILL;
    }
}
