// The running mean of gradients over the batches of an update.
// Formula: total += (grads - total) weight, and total = grads where the weight is 1.
// Shapes: grads, total [4 * QUADS], read as vec4s; weight [1].
// Launch: QUADS vec4s in turns of STRIDE invocations; STRIDE / WG workgroups.
// Source: Welford 1962; src/ops/accumulate.rs.
// Numerics: f32; the first batch, of weight 1, replaces whatever was there, NaN included.

@group(0) @binding(0) var<storage, read> grads4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> total4: array<vec4<f32>>;

override WG: u32 = 64u;
override QUADS: u32;
override STRIDE: u32;

@compute @workgroup_size(WG)
fn add(@builtin(global_invocation_id) id: vec3<u32>) {
    let share = weight[0];
    for (var i = id.x; i < QUADS; i += STRIDE) {
        let g = grads4[i];
        let t = total4[i];
        total4[i] = select(t + (g - t) * share, g, share == 1.0);
    }
}
