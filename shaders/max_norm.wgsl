// Bounds the norm of each row of the weights.
// Formula: n = sqrt(sum p^2); p *= MAX_NORM / (n + 1e-7) where n > MAX_NORM.
// Shapes: params, indices in elements; rows [ROWS] of first element and length; clock [4], or pace [2] if GATED.
// Launch: row_serial: one invocation per row; row_group: one workgroup of WG per row; both folded into two dimensions.
// Source: torch.renorm; src/ops/max_norm.rs.
// Numerics: f32; row_group adds in a fixed tree, WG * 4 bytes of workgroup memory; a row of norm NaN stays as it is.
// include: lib/index
// include: lib/reduce

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read_write> params: array<f32>;

override WG: u32 = 64u;
override ROWS: u32;
override GATED: bool;
override MAX_NORM: f32;

var<workgroup> sh_reduce: array<f32, WG>;

// Multiplies every stride-th element of a row, if the update is due and its norm too large.
fn bound(row: vec2<u32>, first: u32, stride: u32, norm: f32) {
    if GATED && clock[1] == 0u { return; }
    if norm > MAX_NORM {
        let factor = MAX_NORM / (norm + 1e-7);
        for (var i = first; i < row.y; i += stride) {
            params[row.x + i] *= factor;
        }
    }
}

@compute @workgroup_size(WG)
fn row_serial(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_id(id, groups);
    if r >= ROWS { return; } // guard
    let row = rows[r];
    var sum = 0.0;
    for (var i = 0u; i < row.y; i++) {
        let p = params[row.x + i];
        sum += p * p;
    }
    bound(row, 0u, 1u, sqrt(sum));
}

@compute @workgroup_size(WG)
fn row_group(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let r = flat_group(group, groups);
    let row = select(vec2<u32>(0u), rows[min(r, ROWS - 1u)], r < ROWS);
    var sum = 0.0;
    for (var i = local; i < row.y; i += WG) {
        let p = params[row.x + i];
        sum += p * p;
    }
    let total = reduce_sum(local, sum);
    bound(row, local, WG, sqrt(total));
}
