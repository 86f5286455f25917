// Softmax cross-entropy from logits, and its gradients.
// Formula: loss = sum over counted rows of sum_c share_c (lse - x_c) / denominator; d_x_c = (p_c share - share_c) d_loss / denominator.
// Shapes: logits [ROWS, C]; targets: class numbers [ROWS], or the bits of probabilities [ROWS, C]; weights [C]; valid [1];
//         stats [3, ROWS]: the row's maximum, ln(sum of exp(x - maximum)), sum of shares; parts [2, ROWS]: loss and weight of a row.
// Launch: rows_serial: one invocation per row; rows_group: one workgroup per row; total, small: one workgroup for everything;
//         backward, backward_target: one invocation per element (backward4: per four of them).
// Source: derived in src/ops/cross_entropy.rs.
// Numerics: f32; the maximum is subtracted, so no exponential exceeds 1; sums in a fixed order; at most 1 KiB workgroup memory.
// include: lib/index
// include: lib/reduce

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(0) var<storage, read> logits4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> valid: array<u32>;
@group(0) @binding(4) var<storage, read_write> stats: array<f32>;
@group(0) @binding(5) var<storage, read_write> parts: array<f32>;
@group(0) @binding(5) var<storage, read> summands: array<f32>;
@group(0) @binding(6) var<storage, read_write> loss: array<f32>;
@group(0) @binding(7) var<storage, read_write> denominator: array<f32>;
@group(0) @binding(4) var<storage, read> saved: array<f32>;
@group(0) @binding(5) var<storage, read> divisor: array<f32>;
@group(0) @binding(6) var<storage, read> d_loss: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_x: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_x4: array<vec4<f32>>;

override WG: u32 = 64u;
override ROWS: u32;
override C: u32;
override BATCH: u32;
override INNER: u32; // rows per element of the batch axis
override SOFT: bool; // targets are probabilities
override WEIGHTED: bool;
override MASKED: bool;
override IGNORES: bool;
override IGNORE: u32;
override KEEP: f32; // 1 - label smoothing
override SPREAD: f32; // label smoothing / C
override DENSE: bool; // every class has a share

const LOWEST: f32 = -3.4028234e38;

var<workgroup> sh_reduce: array<f32, WG>;

struct Row {
    shift: f32,
    log_sum: f32,
    share: f32,
    loss: f32,
    weight: f32,
}

fn valid_rows() -> u32 {
    if MASKED {
        return min(valid[0], BATCH) * INNER;
    }
    return ROWS;
}

fn label_of(row: u32) -> u32 {
    if SOFT {
        return 0u;
    }
    return targets[row];
}

fn counted(row: u32, label: u32) -> bool {
    return row < valid_rows() && !(IGNORES && label == IGNORE);
}

fn weight(label: u32) -> f32 {
    if WEIGHTED {
        return weights[label];
    }
    return 1.0;
}

// The weighted share of class `col` in the row's target distribution.
fn share(row: u32, col: u32, label: u32) -> f32 {
    if SOFT {
        return weight(col) * (KEEP * bitcast<f32>(targets[row * C + col]) + SPREAD);
    }
    return weight(col) * (select(0.0, KEEP, col == label) + SPREAD);
}

// `dense_loss` and `dense_share` are sums over all classes, used where every class has a share.
fn finish(row: u32, shift: f32, sum: f32, dense_loss: f32, dense_share: f32) -> Row {
    let label = label_of(row);
    if !counted(row, label) {
        return Row(0.0, 0.0, 0.0, 0.0, 0.0);
    }
    let log_sum = log(sum);
    if label >= C {
        // No such class: NaN, made from bits that no compiler knows.
        let nan = bitcast<f32>(label | 0x7fc00000u);
        return Row(shift, log_sum, nan, nan, nan);
    }
    let w = weight(label);
    let scale = select(w, 1.0, SOFT);
    if DENSE {
        return Row(shift, log_sum, dense_share, dense_loss + dense_share * log_sum, scale);
    }
    return Row(shift, log_sum, w, w * (shift - logits[row * C + label] + log_sum), scale);
}

fn walk_row(row: u32) -> Row {
    let base = row * C;
    let label = label_of(row);
    var shift = LOWEST;
    for (var col = 0u; col < C; col++) {
        shift = max(shift, logits[base + col]);
    }
    var sum = 0.0;
    var dense_loss = 0.0;
    var dense_share = 0.0;
    for (var col = 0u; col < C; col++) {
        let x = logits[base + col];
        sum += exp(x - shift);
        if DENSE {
            let s = share(row, col, label);
            dense_loss += s * (shift - x);
            dense_share += s;
        }
    }
    return finish(row, shift, sum, dense_loss, dense_share);
}

fn keep(row: u32, r: Row) {
    stats[row] = r.shift;
    stats[ROWS + row] = r.log_sum;
    stats[2u * ROWS + row] = r.share;
}

@compute @workgroup_size(WG)
fn rows_serial(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = flat_id(id, groups);
    if row >= ROWS { return; } // guard
    let r = walk_row(row);
    keep(row, r);
    parts[row] = r.loss;
    parts[ROWS + row] = r.weight;
}

@compute @workgroup_size(WG)
fn rows_group(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Groups past the end repeat the last row and store nothing.
    let index = flat_group(group, groups);
    let row = min(index, ROWS - 1u);
    let base = row * C;
    let label = label_of(row);
    var largest = LOWEST;
    for (var col = local; col < C; col += WG) {
        largest = max(largest, logits[base + col]);
    }
    let shift = reduce_max(local, largest);
    var sum = 0.0;
    var dense_loss = 0.0;
    var dense_share = 0.0;
    for (var col = local; col < C; col += WG) {
        let x = logits[base + col];
        sum += exp(x - shift);
        if DENSE {
            let s = share(row, col, label);
            dense_loss += s * (shift - x);
            dense_share += s;
        }
    }
    sum = reduce_sum(local, sum);
    if DENSE {
        dense_loss = reduce_sum(local, dense_loss);
        dense_share = reduce_sum(local, dense_share);
    }
    if local == 0u && index < ROWS {
        let r = finish(row, shift, sum, dense_loss, dense_share);
        keep(row, r);
        parts[row] = r.loss;
        parts[ROWS + row] = r.weight;
    }
}

fn write_total(local: u32, my_loss: f32, my_weight: f32) {
    let sum = reduce_sum(local, my_loss);
    let weight_sum = reduce_sum(local, my_weight);
    if local == 0u {
        var mean = sum / weight_sum;
        if weight_sum == 0.0 {
            // Nothing counts.
            mean = 0.0;
        }
        loss[0] = mean;
        denominator[0] = weight_sum;
    }
}

@compute @workgroup_size(WG)
fn total(@builtin(local_invocation_index) local: u32) {
    var my_loss = 0.0;
    var my_weight = 0.0;
    for (var row = local; row < ROWS; row += WG) {
        my_loss += summands[row];
        my_weight += summands[ROWS + row];
    }
    write_total(local, my_loss, my_weight);
}

// Few short rows: rows and total in one go.
@compute @workgroup_size(WG)
fn small(@builtin(local_invocation_index) local: u32) {
    var my_loss = 0.0;
    var my_weight = 0.0;
    for (var row = local; row < ROWS; row += WG) {
        let r = walk_row(row);
        keep(row, r);
        my_loss += r.loss;
        my_weight += r.weight;
    }
    write_total(local, my_loss, my_weight);
}

// What a share of the loss passes on; nothing where nothing counts.
fn passed_on() -> f32 {
    if divisor[0] == 0.0 {
        return 0.0;
    }
    return d_loss[0] / divisor[0];
}

fn slope(row: u32, col: u32, label: u32, x: f32) -> f32 {
    let p = exp(x - saved[row] - saved[ROWS + row]);
    return (p * saved[2u * ROWS + row] - share(row, col, label)) * passed_on();
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= ROWS * C { return; } // guard
    let row = i / C;
    let label = label_of(row);
    var d = 0.0;
    if counted(row, label) {
        d = slope(row, i % C, label, logits[i]);
    }
    d_x[i] = d;
}

@compute @workgroup_size(WG)
fn backward4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= ROWS * (C / 4u) { return; } // guard
    let row = i / (C / 4u);
    let col = i % (C / 4u) * 4u;
    let label = label_of(row);
    var d = vec4<f32>();
    if counted(row, label) {
        let x = logits4[i];
        d = vec4<f32>(
            slope(row, col, label, x.x),
            slope(row, col + 1u, label, x.y),
            slope(row, col + 2u, label, x.z),
            slope(row, col + 3u, label, x.w));
    }
    d_x4[i] = d;
}

// The gradient of probabilities given as the target.
@compute @workgroup_size(WG)
fn backward_target(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= ROWS * C { return; } // guard
    let row = i / C;
    var d = 0.0;
    if row < valid_rows() {
        let surprise = saved[row] - logits[i] + saved[ROWS + row];
        d = KEEP * weight(i % C) * surprise * passed_on();
    }
    d_x[i] = d;
}
