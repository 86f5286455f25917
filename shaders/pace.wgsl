// Where training stands in updates, each made of several batches.
// Formula: done = epoch ceil(BATCHES / EVERY) + batch / EVERY; due at each EVERY-th batch and an epoch's last; seen += rows, from 0 at an update's first batch;
//   weight = rows / seen (sums of weights in measure_weights); lr = factor schedule[done / STRIDE].
// Shapes: clock [4] = step, batch, epoch, seed; schedule [ENTRIES]; factor [1]; rows [1]; seen [1]; lr [1]; pace [2] = done, due; weight [1].
// Launch: measure, measure_weights: one invocation.
// Source: derived in src/ops/pace.rs.
// Numerics: integers that wrap at 2^32; the first batch has weight 1 exactly.

@group(0) @binding(0) var<storage, read> clock: array<u32>;
@group(0) @binding(1) var<storage, read> schedule: array<f32>;
@group(0) @binding(2) var<storage, read> factor: array<f32>;
@group(0) @binding(3) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> seen: array<u32>;
@group(0) @binding(4) var<storage, read_write> weight_seen: array<f32>;
@group(0) @binding(5) var<storage, read_write> lr: array<f32>;
@group(0) @binding(6) var<storage, read_write> pace: array<u32>;
@group(0) @binding(7) var<storage, read_write> weight: array<f32>;

override BATCHES: u32;
override EVERY: u32;
override STRIDE: u32;
override ENTRIES: u32;

// Whether this is an update's first batch.
fn first() -> bool {
    return clock[1] % EVERY == 0u;
}

// All but the weight.
fn count() {
    let batch = clock[1];
    let per_epoch = (BATCHES - 1u) / EVERY + 1u;
    let done = clock[2] * per_epoch + batch / EVERY;
    lr[0] = schedule[min(done / STRIDE, ENTRIES - 1u)] * factor[0];
    pace[0] = done;
    pace[1] = select(0u, 1u, batch % EVERY == EVERY - 1u || batch >= BATCHES - 1u);
    weight[0] = 1.0;
}

@compute @workgroup_size(1)
fn measure() {
    count();
    let before = select(seen[0], 0u, first());
    let total = before + rows[0];
    seen[0] = total;
    if before != 0u {
        weight[0] = f32(rows[0]) / f32(total);
    }
}

@compute @workgroup_size(1)
fn measure_weights() {
    count();
    let before = select(weight_seen[0], 0.0, first());
    let total = before + weights[0];
    weight_seen[0] = total;
    if before != 0.0 {
        weight[0] = weights[0] / total;
    }
}
