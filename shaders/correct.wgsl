// How many rows have their first largest logit at the target's class.
// Formula: count = number of valid rows r with argmax(logits[r]) = targets[r]; NaN is the largest.
// Shapes: logits [ROWS, C]; targets [ROWS]; valid [1]; hits [ROWS], 1 or 0; count [1].
// Launch: rows_serial: one invocation per row; rows_group: one workgroup per row; total, small: one workgroup for everything.
// Source: derived in src/ops/correct.rs.
// Numerics: sums of ones, exact up to 2^24; comparisons look at bits for NaN; at most 1 KiB workgroup memory.
// include: lib/index
// include: lib/reduce

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> valid: array<u32>;
@group(0) @binding(3) var<storage, read_write> hits: array<f32>;
@group(0) @binding(3) var<storage, read> summands: array<f32>;
@group(0) @binding(4) var<storage, read_write> count: array<f32>;

override WG: u32 = 64u;
override ROWS: u32;
override C: u32;
override BATCH: u32;
override INNER: u32; // rows per element of the batch axis
override MASKED: bool;

var<workgroup> sh_reduce: array<f32, WG>;

// Whether the row counts and names a class that exists.
fn countable(row: u32) -> bool {
    var end = ROWS;
    if MASKED {
        end = min(valid[0], BATCH) * INNER;
    }
    return row < end && targets[row] < C;
}

fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

// 1 if class `col` keeps `own`, the logit of class `label`, from being the first largest, else 0.
fn beats(row: u32, col: u32, label: u32, own: f32) -> f32 {
    let other = logits[row * C + col];
    let earlier = col < label;
    var wins = other > own || (earlier && other == own);
    if is_nan(other) || is_nan(own) {
        wins = is_nan(other) && (earlier || !is_nan(own));
    }
    return select(0.0, 1.0, wins && col != label);
}

fn walk_row(row: u32) -> f32 {
    if !countable(row) {
        return 0.0;
    }
    let label = targets[row];
    let own = logits[row * C + label];
    var better = 0.0;
    for (var col = 0u; col < C; col++) {
        better += beats(row, col, label, own);
    }
    return select(0.0, 1.0, better == 0.0);
}

@compute @workgroup_size(WG)
fn rows_serial(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = flat_id(id, groups);
    if row >= ROWS { return; } // guard
    hits[row] = walk_row(row);
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
    let label = min(targets[row], C - 1u);
    let own = logits[row * C + label];
    var better = 0.0;
    for (var col = local; col < C; col += WG) {
        better += beats(row, col, label, own);
    }
    better = reduce_sum(local, better);
    if local == 0u && index < ROWS {
        hits[row] = select(0.0, 1.0, better == 0.0 && countable(row));
    }
}

@compute @workgroup_size(WG)
fn total(@builtin(local_invocation_index) local: u32) {
    var mine = 0.0;
    for (var row = local; row < ROWS; row += WG) {
        mine += summands[row];
    }
    let sum = reduce_sum(local, mine);
    if local == 0u {
        count[0] = sum;
    }
}

// Few short rows: rows and total in one go.
@compute @workgroup_size(WG)
fn small(@builtin(local_invocation_index) local: u32) {
    var mine = 0.0;
    for (var row = local; row < ROWS; row += WG) {
        mine += walk_row(row);
    }
    let sum = reduce_sum(local, mine);
    if local == 0u {
        count[0] = sum;
    }
}
