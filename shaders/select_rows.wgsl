// The rows of the data set that make up the batch of the clock.
// Formula: p = batch * SLOTS + i; index = p, permute(p) or, WINDOWED, p's place in its window of WINDOW batches, while p < N, else the sentinel N; rows = number of slots with p < N.
// Shapes: clock [4] = step, batch, epoch, seed; index [SLOTS], row numbers; rows [1].
// Launch: one invocation per slot; ceil(SLOTS / WG) workgroups, folded into two dimensions.
// Source: derived in src/ops/select_rows.rs.
// Numerics: integers; N + SLOTS stays below 2^32.
// include: lib/index
// include: lib/random

@group(0) @binding(0) var<storage, read> clock: array<u32>;
@group(0) @binding(1) var<storage, read_write> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> rows: array<u32>;

override WG: u32 = 64u;
override N: u32;
override SLOTS: u32;
override BATCHES: u32;
override HALF_BITS: u32;
override SHUFFLE: bool;
override WINDOWED: bool;
override WINDOW: u32;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SLOTS { return; } // guard
    // Beyond the last batch the product might wrap, and there are no rows.
    let first = select(N, clock[1] * SLOTS, clock[1] < BATCHES);
    let position = first + i;
    var row = min(position, N);
    if SHUFFLE && position < N {
        row = permute(position, N, clock[3], clock[2], HALF_BITS);
    } else if WINDOWED && position < N {
        row = clock[1] % WINDOW * SLOTS + i;
    }
    index[i] = row;
    if i == 0u {
        rows[0] = min(SLOTS, N - first);
    }
}
