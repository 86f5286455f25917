// Inverted dropout; its gradient is the same kernel on d_y.
// Formula: y = x * SCALE where the element is kept, x * 0 where it is dropped; kept if unit(bits) >= P.
// Shapes: x, y [N], indices in elements; clock [4]: step, batch, epoch, seed.
// Launch: one invocation per four elements, which share one draw of random bits; folded into two dimensions.
// Source: derived in src/ops/dropout.rs.
// Numerics: f32; the same mask on every device.
// include: lib/index
// include: lib/random

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(0) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4<f32>>;

override WG: u32 = 64u;
override N: u32;
override STREAM: u32;
override P: f32;
override SCALE: f32;

// The factors of elements 4 quad to 4 quad + 3.
fn mask(quad: u32) -> vec4<f32> {
    let bits = random_bits(vec4<u32>(clock[3], STREAM, clock[0], quad));
    let drawn = vec4<f32>(random_unit(bits.x), random_unit(bits.y), random_unit(bits.z), random_unit(bits.w));
    return select(vec4<f32>(0.0), vec4<f32>(SCALE), drawn >= vec4<f32>(P));
}

@compute @workgroup_size(WG)
fn forward4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let quad = flat_id(id, groups);
    if quad >= N / 4u { return; } // guard
    y4[quad] = x4[quad] * mask(quad);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let quad = flat_id(id, groups);
    if quad >= (N + 3u) / 4u { return; } // guard
    var factors = mask(quad);
    for (var i = quad * 4u; i < min(quad * 4u + 4u, N); i++) {
        y[i] = x[i] * factors[i % 4u];
    }
}
