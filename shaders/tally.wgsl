// Adds a batch to the running sums of an epoch's metrics, and to those of a window that begins anew now and then.
// Formula: metrics[0] += loss rows; metrics[1] += correct; metrics[2] += rows; metrics[3] = 1 once a loss was not finite.
//   WEIGHTED: metrics[0] += loss weight; metrics[4] += weight.
//   The window likewise, from zero where a step of ACCUMULATE batches (an epoch's last may have fewer) has just ended and the steps done are a
//   multiple of EVERY or a power of two below it.
// Shapes: metrics, window [4], WEIGHTED [5]; loss [1], the batch's mean; correct [1] (count: the same as an integer);
//   rows [1]; weight [1]; clock [4].
// Launch: one invocation.
// Source: derived in src/ops/tally.rs.
// Numerics: f32; finiteness is decided on bits; a batch without rows adds nothing.

@group(0) @binding(0) var<storage, read> loss: array<f32>;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> correct: array<f32>;
@group(0) @binding(2) var<storage, read> count: array<u32>;
@group(0) @binding(3) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>; // read where WEIGHTED
@group(0) @binding(5) var<storage, read> clock: array<u32>;
@group(0) @binding(6) var<storage, read_write> window: array<f32>;

override WEIGHTED: bool; // the loss is a mean over weights
override LEAVES_OUT: bool; // a batch whose loss is not finite counts for nothing
override EVERY: u32 = 1u;
override ACCUMULATE: u32 = 1u;
override PER_EPOCH: u32 = 1u; // steps

// What the batch's mean was divided by.
fn weight_of_batch() -> f32 {
    if WEIGHTED { return weight[0]; }
    return f32(rows[0]);
}

fn is_left_out() -> bool {
    return LEAVES_OUT && (bitcast<u32>(loss[0]) & 0x7f800000u) == 0x7f800000u;
}

fn add(right: f32) {
    if rows[0] == 0u || is_left_out() { return; } // guard
    metrics[0] += loss[0] * weight_of_batch();
    if WEIGHTED { metrics[4] += weight[0]; }
    metrics[1] += right;
    metrics[2] += f32(rows[0]);
    if (bitcast<u32>(loss[0]) & 0x7f800000u) == 0x7f800000u {
        metrics[3] = 1.0;
    }
}

fn add_to_window(right: f32) {
    let step = clock[2] * PER_EPOCH + clock[1] / ACCUMULATE;
    let is_point = step % EVERY == 0u || (step < EVERY && (step & (step - 1u)) == 0u);
    if clock[1] % ACCUMULATE == 0u && is_point {
        for (var i = 0u; i < select(4u, 5u, WEIGHTED); i += 1u) { window[i] = 0.0; }
    }
    if rows[0] == 0u || is_left_out() { return; } // guard
    window[0] += loss[0] * weight_of_batch();
    if WEIGHTED { window[4] += weight[0]; }
    window[1] += right;
    window[2] += f32(rows[0]);
    if (bitcast<u32>(loss[0]) & 0x7f800000u) == 0x7f800000u {
        window[3] = 1.0;
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

@compute @workgroup_size(1)
fn loss_in_window() {
    add(0.0);
    add_to_window(0.0);
}

@compute @workgroup_size(1)
fn correct_in_window() {
    add(correct[0]);
    add_to_window(correct[0]);
}

@compute @workgroup_size(1)
fn count_in_window() {
    add(f32(count[0]));
    add_to_window(f32(count[0]));
}
