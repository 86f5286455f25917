// Inverted dropout; its gradient is the same kernel on d_y.
// Formula: y = x * SCALE where the element is kept, x * 0 where it is dropped; kept if unit(bits) >= P.
// Shapes: x, y [N], indices in elements; clock [4]: step, batch, epoch, seed.
// Launch: one invocation per four elements, which share one draw of random bits; folded into two dimensions.
// Source: derived in src/ops/dropout.rs.
// Numerics: f32; the same mask on every device.
// include: lib/index
// include: lib/random
// include: lib/dropout
// From the kernel: put and put4, which store y.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(0) var<storage, read> x4: array<vec4<f32>>;

override WG: u32 = 64u;
override N: u32;
override STREAM: u32;
override P: f32;
override SCALE: f32;

fn mask(quad: u32) -> vec4<f32> {
    return dropout_mask(clock[3], STREAM, clock[0], quad, P, SCALE);
}

@compute @workgroup_size(WG)
fn forward4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let quad = flat_id(id, groups);
    if quad >= N / 4u { return; } // guard
    put4(quad, x4[quad] * mask(quad));
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let quad = flat_id(id, groups);
    if quad >= (N + 3u) / 4u { return; } // guard
    var factors = mask(quad);
    for (var i = quad * 4u; i < min(quad * 4u + 4u, N); i++) {
        put(i, x[i] * factors[i % 4u]);
    }
}
