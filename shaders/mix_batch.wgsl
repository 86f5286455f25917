// Mixes the samples of a batch in pairs, MixUp or CutMix, and their targets.
// Formula: y[s] = x[partner] within the slot's box, k x[s] + (1 - k) x[partner] outside of it; targets[s, c] = t [c = label[s]] + (1 - t) [c = label[partner]]; (k, t) = shares[s].
// Shapes: x, y [SLOTS, ROW], a row being planes of HEIGHT x WIDTH elements; plan [SLOTS, 5]: partner, left, top, right, bottom; shares [SLOTS, 2]; labels [SLOTS]; targets [SLOTS, CLASSES]; lambdas, boxes [TABLE].
// Launch: draw: one invocation per slot; mix_samples: one per PER elements of a slot, THREADS apart; mix_targets: one per element; folded into two dimensions.
// Source: derived in src/ops/mix_batch.rs.
// Numerics: f32; choices are made on integers, the same on every device.
// include: lib/index
// include: lib/random

@group(0) @binding(0) var<storage, read> clock: array<u32>;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> lambdas: array<f32>;
@group(0) @binding(3) var<storage, read> boxes: array<u32>;
@group(0) @binding(4) var<storage, read_write> planned: array<u32>;
@group(0) @binding(5) var<storage, read_write> shared_out: array<f32>;
@group(0) @binding(0) var<storage, read> plan: array<u32>;
@group(0) @binding(1) var<storage, read> shares: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> targets: array<f32>;

override WG: u32 = 64u;
override SLOTS: u32;
override ROW: u32 = 1u;
override HEIGHT: u32 = 1u;
override WIDTH: u32 = 1u;
override CLASSES: u32 = 1u;
override STREAM: u32 = 0u;
override PROBABILITY: f32 = 1.0;
override CUT: f32 = 0.0;
override EACH: bool = false;
override TABLE: u32 = 1u;
override PER: u32 = 1u;

@compute @workgroup_size(WG)
fn draw(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let slot = flat_id(id, groups);
    if slot >= SLOTS { return; } // guard
    let valid = min(rows[0], SLOTS);
    let item = select(0u, slot, EACH);
    let pairs = random_bits(vec4<u32>(clock[3], STREAM, clock[0], 0u));
    let chance = random_bits(vec4<u32>(clock[3], STREAM + 1u, clock[0], item));
    let place = random_bits(vec4<u32>(clock[3], STREAM + 2u, clock[0], item));

    var partner = slot;
    var corners = vec4<u32>(0u);
    var share = vec2<f32>(1.0);
    if slot < valid && valid > 1u && random_unit(chance.x) < PROBABILITY {
        partner = (slot + 1u + pairs.x % (valid - 1u)) % valid;
        if random_unit(chance.y) < CUT {
            let size = boxes[chance.z % TABLE];
            let wide = size & 0xffffu;
            let high = size >> 16u;
            let col = place.x % WIDTH;
            let row = place.y % HEIGHT;
            let left = col - min(col, wide / 2u);
            let top = row - min(row, high / 2u);
            let right = min(col + wide - wide / 2u, WIDTH);
            let bottom = min(row + high - high / 2u, HEIGHT);
            corners = vec4<u32>(left, top, right, bottom);
            share.y = 1.0 - f32((right - left) * (bottom - top)) / f32(WIDTH * HEIGHT);
        } else {
            share = vec2<f32>(lambdas[chance.z % TABLE]);
        }
    }
    planned[slot * 5u] = partner;
    planned[slot * 5u + 1u] = corners.x;
    planned[slot * 5u + 2u] = corners.y;
    planned[slot * 5u + 3u] = corners.z;
    planned[slot * 5u + 4u] = corners.w;
    shared_out[slot * 2u] = share.x;
    shared_out[slot * 2u + 1u] = share.y;
}

@compute @workgroup_size(WG)
fn mix_samples(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    let threads = (ROW + PER - 1u) / PER;
    if i >= SLOTS * threads { return; } // guard
    let slot = i / threads;
    let own = slot * ROW;
    let partner = plan[slot * 5u] * ROW;
    let corners = vec4<u32>(plan[slot * 5u + 1u], plan[slot * 5u + 2u], plan[slot * 5u + 3u], plan[slot * 5u + 4u]);
    let share = shares[slot * 2u];
    for (var at = i % threads; at < ROW; at += threads) {
        let place = vec2<u32>(at % WIDTH, at / WIDTH % HEIGHT);
        let pasted = all(place >= corners.xy) && all(place < corners.zw);
        let keep = select(share, 0.0, pasted);
        var value = keep * x[own + at];
        if keep < 1.0 {
            value += (1.0 - keep) * x[partner + at];
        }
        y[own + at] = value;
    }
}

@compute @workgroup_size(WG)
fn mix_targets(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SLOTS * CLASSES { return; } // guard
    let slot = i / CLASSES;
    let class_number = i % CLASSES;
    let share = shares[slot * 2u + 1u];
    let own = select(0.0, share, labels[slot] == class_number);
    let other = select(0.0, 1.0 - share, labels[plan[slot * 5u]] == class_number);
    targets[i] = own + other;
}
