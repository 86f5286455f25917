// The L1 penalty joins the gradients, and their elements are bounded.
// Formula: g += L1 decay sign(p); if CLIP, g = min(max(g, -MAX_VALUE), MAX_VALUE).
// Shapes: params, grads [4 * QUADS], read as vec4s; clock [4], or pace [2] if GATED; groups [QUADS / QUADS_PER_GROUP]: factors of rate and decay.
// Launch: QUADS vec4s in turns of STRIDE invocations; STRIDE / WG workgroups.
// Source: torch.nn.utils.clip_grad_value_; src/ops/adjust_grads.rs.
// Numerics: f32; sign(0) = 0; NaN, known by its bits, stays NaN.

@group(0) @binding(0) var<storage, read> params4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read> groups: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> grads4: array<vec4<f32>>;

override WG: u32 = 64u;
override QUADS: u32;
override STRIDE: u32;
override GATED: bool;
override L1: f32;
override CLIP: bool;
override MAX_VALUE: f32;

// From the kernel: const QUADS_PER_GROUP, the vec4s that share an entry of groups.

@compute @workgroup_size(WG)
fn adjust(@builtin(global_invocation_id) id: vec3<u32>) {
    if GATED && clock[1] == 0u { return; } // The update is not due yet.
    for (var i = id.x; i < QUADS; i += STRIDE) {
        var g = grads4[i];
        if L1 != 0.0 {
            g += (L1 * groups[i / QUADS_PER_GROUP].y) * sign(params4[i]);
        }
        if CLIP {
            let bits = bitcast<vec4<u32>>(g) & vec4<u32>(0x7fffffffu);
            let bounded = clamp(g, vec4<f32>(-MAX_VALUE), vec4<f32>(MAX_VALUE));
            g = select(bounded, g, bits > vec4<u32>(0x7f800000u));
        }
        grads4[i] = g;
    }
}
