// Takes the scale of the loss out of the gradients again, and sets the scale of the next step.
// Formula: broken = norm is infinite or not a number; grads /= scale, or 0 if broken; a due update with a broken batch is left out and
//   halves the scale, INTERVAL updates in a row without one double it.
// Shapes: norm [1]; pace, paced [2] = updates done, due; scale [1]; counts [3] = good updates in a row, broken batches of this update, updates left out;
//   factor [1]; grads [4 * QUADS], read as vec4s.
// Launch: settle: one invocation; unscale: QUADS vec4s in turns of STRIDE invocations; STRIDE / WG workgroups.
// Source: arXiv:1710.03740, section 3.2; torch.amp.GradScaler; src/ops/loss_scale.rs.
// Numerics: f32; the scale is a power of two between LEAST and MOST, so that dividing by it is exact; bits decide what is finite.

@group(0) @binding(0) var<storage, read> norm: array<f32>;
@group(0) @binding(1) var<storage, read> pace: array<u32>;
@group(0) @binding(2) var<storage, read_write> scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;
@group(0) @binding(4) var<storage, read_write> paced: array<u32>;
@group(0) @binding(5) var<storage, read_write> factor: array<f32>;
@group(0) @binding(0) var<storage, read> factor_of_all: array<f32>;
@group(0) @binding(1) var<storage, read_write> grads4: array<vec4<f32>>;

override WG: u32 = 64u;
override QUADS: u32;
override STRIDE: u32;
override INTERVAL: u32;
override LEAST: f32;
override MOST: f32;

@compute @workgroup_size(1)
fn settle() {
    let broken = (bitcast<u32>(norm[0]) & 0x7f800000u) == 0x7f800000u;
    let now = scale[0];
    factor[0] = select(1.0 / now, 0.0, broken);
    let broken_before = counts[1];
    let all = broken_before + select(0u, 1u, broken);
    let due = pace[1] != 0u;
    paced[0] = pace[0];
    paced[1] = select(0u, 1u, due && all == 0u);
    counts[1] = select(all, 0u, due);
    if due && all != 0u {
        scale[0] = max(now * 0.5, LEAST);
        counts[0] = 0u;
        counts[2] += 1u;
    } else if due {
        let good = counts[0] + 1u;
        let enough = good >= INTERVAL;
        counts[0] = select(good, 0u, enough);
        scale[0] = select(now, min(now * 2.0, MOST), enough);
    }
}

@compute @workgroup_size(WG)
fn unscale(@builtin(global_invocation_id) id: vec3<u32>) {
    let by = factor_of_all[0];
    for (var i = id.x; i < QUADS; i += STRIDE) {
        // Not a product where the batch is broken: infinity times zero is no number.
        grads4[i] = select(grads4[i] * by, vec4<f32>(0.0), by == 0.0);
    }
}
