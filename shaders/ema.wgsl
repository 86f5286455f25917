// The exponential moving average of the parameters.
// Formula: average += rest (params - average), rest = REST, or max(REST, 9 / (10 + step)) if WARMUP; average = params at step 0 and within LEAST of them.
// Shapes: params, average [4 * QUADS], read as vec4s; clock [4], or pace [2] if GATED.
// Launch: QUADS vec4s in turns of STRIDE invocations; STRIDE / WG workgroups.
// Source: torch.optim.swa_utils; src/ops/ema.rs.
// Numerics: f32; a parameter that equals its average leaves its bits.

@group(0) @binding(0) var<storage, read> params4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read_write> average4: array<vec4<f32>>;

override WG: u32 = 64u;
override QUADS: u32;
override STRIDE: u32;
override GATED: bool;
override REST: f32;
override WARMUP: bool;

// From the kernel: lib/flush and its bounds.

@compute @workgroup_size(WG)
fn average(@builtin(global_invocation_id) id: vec3<u32>) {
    if GATED && clock[1] == 0u { return; } // The update is not due yet.
    let first = clock[0] == 0u;
    var rest = REST;
    if WARMUP {
        rest = max(rest, 9.0 / (10.0 + f32(clock[0])));
    }
    for (var i = id.x; i < QUADS; i += STRIDE) {
        let p = params4[i];
        let a = average4[i];
        let left = flush4(p - a, LEAST);
        average4[i] = select(select(a + rest * left, p, left == vec4<f32>(0.0)), p, first);
    }
}
