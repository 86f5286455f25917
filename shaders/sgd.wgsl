// Stochastic gradient descent for the whole model, with and without momentum.
// Formula: d = scale g + decay p; b = MOMENTUM b + UNDAMPED d (b = d at step 0); p -= rate b, or rate (d + MOMENTUM b) if NESTEROV, or rate d. DECOUPLED: no decay in d, and p *= 1 - rate decay first.
// Shapes: grads, params, momentum [4 * QUADS], read as vec4s; clock [4], or pace [2] if GATED; schedule [STEPS]; scale [1], not finite where the update is left out; groups [QUADS / QUADS_PER_GROUP]: factors of rate and decay.
// Launch: QUADS vec4s in turns of STRIDE invocations; STRIDE / WG workgroups.
// Source: torch.optim.SGD; src/ops/sgd.rs.
// Numerics: f32; a group whose rate factor is zero keeps its parameters' bits.

@group(0) @binding(0) var<storage, read> grads4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read> schedule: array<f32>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read> groups: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> params4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> momentum4: array<vec4<f32>>;

override WG: u32 = 64u;
override QUADS: u32;
override STRIDE: u32;
override STEPS: u32;
override GATED: bool;
override WEIGHT_DECAY: f32;
override MOMENTUM: f32;
override UNDAMPED: f32;
override NESTEROV: bool;
override DECOUPLED: bool;

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
        let lr = rate * factor.x;
        let decay = WEIGHT_DECAY * factor.y;
        let d = flush4(clip * grads4[i] + select(decay, 0.0, DECOUPLED) * p, LEAST);
        if factor.x != 0.0 {
            let shrunk = select(p, p * (1.0 - lr * decay), DECOUPLED);
            params4[i] = flush4(shrunk - lr * d, LEAST);
        }
    }
}

@compute @workgroup_size(WG)
fn momentum(@builtin(global_invocation_id) id: vec3<u32>) {
    if GATED && clock[1] == 0u { return; } // The update is not due yet.
    if (bitcast<u32>(scale[0]) & 0x7f800000u) == 0x7f800000u { return; } // The update is left out.
    let rate = schedule[min(clock[0], STEPS - 1u)];
    let clip = scale[0];
    let first = clock[0] == 0u;
    for (var i = id.x; i < QUADS; i += STRIDE) {
        let factor = groups[i / QUADS_PER_GROUP];
        let p = params4[i];
        let lr = rate * factor.x;
        let decay = WEIGHT_DECAY * factor.y;
        let d = flush4(clip * grads4[i] + select(decay, 0.0, DECOUPLED) * p, LEAST);
        let b = flush4(select(MOMENTUM * momentum4[i] + UNDAMPED * d, d, first), LEAST);
        momentum4[i] = b;
        if factor.x != 0.0 {
            let shrunk = select(p, p * (1.0 - lr * decay), DECOUPLED);
            params4[i] = flush4(shrunk - lr * select(b, d + MOMENTUM * b, NESTEROV), LEAST);
        }
    }
}
