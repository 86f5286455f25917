// RMSprop for the whole model, with and without momentum.
// Formula: d = scale g + decay p; s = ALPHA s + REST d^2; u = d / (sqrt(s) + EPS); p -= rate u, or b = MOMENTUM b + u, p -= rate b.
// Shapes: grads, params, square, momentum [4 * QUADS], read as vec4s; clock [4], or pace [2] if GATED; schedule [STEPS]; scale [1], not finite where the update is left out; groups [QUADS / QUADS_PER_GROUP]: factors of rate and decay.
// Launch: QUADS vec4s in turns of STRIDE invocations; STRIDE / WG workgroups.
// Source: torch.optim.RMSprop; src/ops/rmsprop.rs.
// Numerics: f32; a group whose rate factor is zero keeps its parameters' bits.

@group(0) @binding(0) var<storage, read> grads4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read> schedule: array<f32>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read> groups: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> params4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> square4: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> momentum4: array<vec4<f32>>;

override WG: u32 = 64u;
override QUADS: u32;
override STRIDE: u32;
override STEPS: u32;
override GATED: bool;
override ALPHA: f32;
override REST: f32;
override EPS: f32;
override MOMENTUM: f32;
override WEIGHT_DECAY: f32;

// From the kernel: const QUADS_PER_GROUP, the vec4s that share an entry of groups; lib/flush and its bounds.

@compute @workgroup_size(WG)
fn plain(@builtin(global_invocation_id) id: vec3<u32>) {
    if GATED && clock[1] == 0u { return; } // The update is not due yet.
    if (bitcast<u32>(scale[0]) & 0x7f800000u) == 0x7f800000u { return; } // The update is left out.
    let rate = schedule[min(clock[0], STEPS - 1u)];
    let clip = scale[0];
    for (var i = id.x; i < QUADS; i += STRIDE) {
        let factor = groups[i / QUADS_PER_GROUP];
        let p = params4[i];
        let d = flush4(clip * grads4[i] + (WEIGHT_DECAY * factor.y) * p, LEAST_SQUARED);
        let s = flush4(ALPHA * square4[i] + REST * (d * d), LEAST_SQUARE);
        square4[i] = s;
        if factor.x != 0.0 {
            params4[i] = flush4(p - (rate * factor.x) * (d / (sqrt(s) + EPS)), LEAST);
        }
    }
}

@compute @workgroup_size(WG)
fn momentum(@builtin(global_invocation_id) id: vec3<u32>) {
    if GATED && clock[1] == 0u { return; } // The update is not due yet.
    if (bitcast<u32>(scale[0]) & 0x7f800000u) == 0x7f800000u { return; } // The update is left out.
    let rate = schedule[min(clock[0], STEPS - 1u)];
    let clip = scale[0];
    for (var i = id.x; i < QUADS; i += STRIDE) {
        let factor = groups[i / QUADS_PER_GROUP];
        let p = params4[i];
        let d = flush4(clip * grads4[i] + (WEIGHT_DECAY * factor.y) * p, LEAST_SQUARED);
        let s = flush4(ALPHA * square4[i] + REST * (d * d), LEAST_SQUARE);
        let b = flush4(MOMENTUM * momentum4[i] + d / (sqrt(s) + EPS), LEAST);
        square4[i] = s;
        momentum4[i] = b;
        if factor.x != 0.0 {
            params4[i] = flush4(p - (rate * factor.x) * b, LEAST);
        }
    }
}
