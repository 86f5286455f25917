// Adam and AdamW for the whole model.
// Formula: t = step + 1; d = scale g (+ decay p unless DECOUPLED); m = BETA1 m + REST1 d; v = BETA2 v + REST2 d^2;
//   p = (1 - rate decay if DECOUPLED) p - rate / (1 - BETA1^t) m / (sqrt(v) / sqrt(1 - BETA2^t) + EPS).
// Shapes: grads, params, m, v [4 * QUADS], read as vec4s; clock [4], or pace [2] if GATED; schedule [STEPS]; scale [1], not finite where the update is left out; groups [QUADS / QUADS_PER_GROUP]: factors of rate and decay.
// Launch: QUADS vec4s in turns of STRIDE invocations; STRIDE / WG workgroups.
// Source: torch.optim.Adam, AdamW; arXiv:1412.6980, arXiv:1711.05101; src/ops/adam.rs.
// Numerics: f32; 1 - beta^t = -expm1(t ln beta); a group whose rate factor is zero keeps its parameters' bits.

@group(0) @binding(0) var<storage, read> grads4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read> schedule: array<f32>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read> groups: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> params4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> m4: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> v4: array<vec4<f32>>;

override WG: u32 = 64u;
override QUADS: u32;
override STRIDE: u32;
override STEPS: u32;
override GATED: bool;
override BETA1: f32;
override REST1: f32;
override BETA2: f32;
override REST2: f32;
override LN_BETA1: f32;
override LN_BETA2: f32;
override EPS: f32;
override WEIGHT_DECAY: f32;
override DECOUPLED: bool;

// From the kernel: const QUADS_PER_GROUP, the vec4s that share an entry of groups; lib/flush and its bounds.

// 1 - e^v for v < 0, without cancellation near zero: Taylor to the eighth power there, which is exact to f32.
fn one_minus_exp(v: f32) -> f32 {
    var series = 1.0 / 40320.0;
    series = fma(series, v, 1.0 / 5040.0);
    series = fma(series, v, 1.0 / 720.0);
    series = fma(series, v, 1.0 / 120.0);
    series = fma(series, v, 1.0 / 24.0);
    series = fma(series, v, 1.0 / 6.0);
    series = fma(series, v, 0.5);
    series = fma(series, v, 1.0);
    return select(1.0 - exp(max(v, -80.0)), -v * series, v > -0.5);
}

@compute @workgroup_size(WG)
fn update(@builtin(global_invocation_id) id: vec3<u32>) {
    if GATED && clock[1] == 0u { return; } // The update is not due yet.
    if (bitcast<u32>(scale[0]) & 0x7f800000u) == 0x7f800000u { return; } // The update is left out.
    let t = f32(clock[0]) + 1.0;
    let rate = schedule[min(clock[0], STEPS - 1u)];
    let clip = scale[0];
    let unbias1 = 1.0 / one_minus_exp(t * LN_BETA1);
    let unbias2 = 1.0 / sqrt(one_minus_exp(t * LN_BETA2));
    for (var i = id.x; i < QUADS; i += STRIDE) {
        let factor = groups[i / QUADS_PER_GROUP];
        let lr = rate * factor.x;
        let decay = WEIGHT_DECAY * factor.y;
        let p = params4[i];
        var d = clip * grads4[i];
        if !DECOUPLED {
            d += decay * p;
        }
        d = flush4(d, LEAST_SQUARED);
        let m = flush4(BETA1 * m4[i] + REST1 * d, LEAST);
        let v = flush4(BETA2 * v4[i] + REST2 * (d * d), LEAST_SQUARE);
        m4[i] = m;
        v4[i] = v;
        if factor.x != 0.0 {
            let shrunk = select(p, p * (1.0 - lr * decay), DECOUPLED);
            params4[i] = flush4(shrunk - (lr * unbias1) * m / (sqrt(v) * unbias2 + EPS), LEAST);
        }
    }
}
