// The length of padded rows: 1 + the place of the last token that is not the padding; 0 if there is none.
// Formula: y[b] = max over t of t + 1 where tokens[b, t] != PAD, else 0.
// Shapes: tokens [ROWS, T], y [ROWS], in elements.
// Launch: forward: one invocation per row, from its end; forward_tree: one workgroup of WG per row. Folded into two dimensions.
// Source: derived in src/ops/row_lengths.rs.
// Numerics: integers; in the tree as f32, exact up to T = 2^24. Workgroup memory: 4 WG bytes.
// include: lib/index
// include: lib/reduce

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

override WG: u32 = 64u;
override ROWS: u32;
override T: u32;
override PAD: u32;

var<workgroup> sh_reduce: array<f32, WG>;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = flat_id(id, groups);
    if row >= ROWS { return; } // guard
    var length = T;
    for (; length > 0u; length--) {
        if tokens[row * T + length - 1u] != PAD { break; }
    }
    y[row] = length;
}

@compute @workgroup_size(WG)
fn forward_tree(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // The workgroups beyond the last row work on it too, and store nothing.
    let row = flat_group(group, groups);
    let base = min(row, ROWS - 1u) * T;
    var part = 0u;
    for (var t = local; t < T; t += WG) {
        if tokens[base + t] != PAD { part = t + 1u; }
    }
    let length = reduce_max(local, f32(part));
    if local == 0u && row < ROWS {
        y[row] = u32(length);
    }
}
