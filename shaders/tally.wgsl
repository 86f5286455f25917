// Adds a batch to the running sums of an epoch's metrics.
// Formula: metrics[0] += loss rows; metrics[1] += correct; metrics[2] += rows; metrics[3] = 1 once a loss was not finite.
//   WEIGHTED: metrics[0] += loss weight; metrics[4] += weight.
// Shapes: metrics [4], WEIGHTED [5]; loss [1], the batch's mean; correct [1] (count: the same as an integer); rows [1]; weight [1].
// Launch: one invocation.
// Source: derived in src/ops/tally.rs.
// Numerics: f32; finiteness is decided on bits; a batch without rows adds nothing.

@group(0) @binding(0) var<storage, read> loss: array<f32>;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> correct: array<f32>;
@group(0) @binding(2) var<storage, read> count: array<u32>;
@group(0) @binding(3) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>; // read where WEIGHTED

override WEIGHTED: bool; // the loss is a mean over weights

fn add(right: f32) {
    if rows[0] == 0u { return; } // guard
    if WEIGHTED {
        metrics[0] += loss[0] * weight[0];
        metrics[4] += weight[0];
    } else {
        metrics[0] += loss[0] * f32(rows[0]);
    }
    metrics[1] += right;
    metrics[2] += f32(rows[0]);
    if (bitcast<u32>(loss[0]) & 0x7f800000u) == 0x7f800000u {
        metrics[3] = 1.0;
    }
}

@compute @workgroup_size(1)
fn loss_only() {
    add(0.0);
}

@compute @workgroup_size(1)
fn with_correct() {
    add(correct[0]);
}

@compute @workgroup_size(1)
fn with_count() {
    add(f32(count[0]));
}
