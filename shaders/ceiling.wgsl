// What a device can do at most: move memory, and multiply and add.
// Formula: copy: y = x. chains: y = sum of all elements of a_0 .. a_(n-1), vectors of four that begin as
//          a_k = x (4k, 4k + 1, 4k + 2, 4k + 3) and become a_k / 2 + x in each of TURNS turns; n = 8 if MANY, else 3.
// Shapes: copy: x, y [4 * QUADS], read as vec4s. chains: x, y [N].
// Launch: copy: an invocation per vec4; chains: an invocation per element; WG per workgroup, folded into two
//         dimensions.
// Source: the roofline of Williams, Waterman and Patterson, CACM 52(4), 2009; src/ops/ceiling.rs.
// Numerics: f32; halving forgets rounding errors as it goes. The chains do not wait for each other, and there are
//           enough of them to hide how long one multiplication takes; three fill the registers of a CPU.

// include: lib/index

@group(0) @binding(0) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

override WG: u32 = 64u;
override QUADS: u32;
override N: u32;
override TURNS: u32;
override MANY: bool;

@compute @workgroup_size(WG)
fn copy(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= QUADS { return; }
    y4[i] = x4[i];
}

@compute @workgroup_size(WG)
fn chains(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; }
    let half = vec4<f32>(0.5);
    let c = vec4<f32>(x[i]);
    let first = vec4<f32>(0.0, 1.0, 2.0, 3.0);
    var a0 = c * first;
    var a1 = c * (first + 4.0);
    var a2 = c * (first + 8.0);
    var a3 = c * (first + 12.0);
    var a4 = c * (first + 16.0);
    var a5 = c * (first + 20.0);
    var a6 = c * (first + 24.0);
    var a7 = c * (first + 28.0);
    for (var turn = 0u; turn < TURNS; turn++) {
        a0 = fma(a0, half, c);
        a1 = fma(a1, half, c);
        a2 = fma(a2, half, c);
        if MANY {
            a3 = fma(a3, half, c);
            a4 = fma(a4, half, c);
            a5 = fma(a5, half, c);
            a6 = fma(a6, half, c);
            a7 = fma(a7, half, c);
        }
    }
    var sum = a0 + a1 + a2;
    if MANY {
        sum += (a3 + a4) + (a5 + a6) + a7;
    }
    y[i] = (sum.x + sum.y) + (sum.z + sum.w);
}
