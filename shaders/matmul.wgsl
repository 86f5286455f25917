// Matrix product, batched, either operand transposed, with an optional bias.
// Formula: y = op(a) op(b) + bias.
// Shapes: a [M, K] or [K, M], b [K, N] or [N, K], y [M, N], bias [N], one after another per product;
//         STRIDE_A and STRIDE_B step from product to product, in elements, 0 where one matrix serves all.
// Launch: z = product * SPLIT + slice of K. tiled: a workgroup of 16x16 owns 16 SIDE x 16 SIDE elements of y.
//         rows: LANES neighbours own ROWS rows of y by LANES * COLUMNS columns and share their loads of a; x walks columns,
//         y walks rows.
// Source: derived in src/ops/matmul.rs; tiling after Boehm 2022.
// Numerics: f32, K in ascending order within a slice, slices added in order by `combine`. tiled: 8 KiB workgroup memory.
// include: lib/index

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> parts: array<f32>;

override WG: u32 = 64u;
override M: u32;
override N: u32;
override K: u32;
override BATCH: u32;
override STRIDE_A: u32;
override STRIDE_B: u32;
override SPLIT: u32;
override SLICE: u32; // elements of K per slice
override TRANSPOSE_A: bool;
override TRANSPOSE_B: bool;
override BIAS: bool;
// From the kernel: const SIDE, the elements per side of an invocation's tile, and DEPTH, the tile's share of K (tiled);
// const ROWS, COLUMNS and LANES, the tile and the invocations that share loads (rows); and lib/lanes or lib/no_lanes.

const TILE: u32 = 16u * SIDE;

var<workgroup> sh_a: array<f32, DEPTH * TILE>; // [DEPTH, TILE]: row of op(a) runs fastest
var<workgroup> sh_b: array<f32, DEPTH * TILE>; // [DEPTH, TILE]: column of op(b) runs fastest

fn at_a(row: u32, k: u32) -> u32 {
    return select(row * K + k, k * M + row, TRANSPOSE_A);
}

fn at_b(k: u32, col: u32) -> u32 {
    return select(k * N + col, col * K + k, TRANSPOSE_B);
}

@compute @workgroup_size(16, 16)
fn tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let product = group.z / SPLIT;
    let first_k = group.z % SPLIT * SLICE;
    let end_k = min(first_k + SLICE, K);
    let id = local.y * 16u + local.x;
    var sum: array<array<f32, SIDE>, SIDE>;
    for (var k0 = first_k; k0 < end_k; k0 += DEPTH) {
        workgroupBarrier();
        // Neighbouring invocations load along whichever index lies contiguous.
        for (var e = id; e < DEPTH * TILE; e += 256u) {
            let row = select(e / DEPTH, e % TILE, TRANSPOSE_A);
            let k = select(e % DEPTH, e / TILE, TRANSPOSE_A);
            let in_a = group.y * TILE + row < M && k0 + k < end_k;
            sh_a[k * TILE + row] = 0.0;
            if in_a {
                sh_a[k * TILE + row] = a[product * STRIDE_A + at_a(group.y * TILE + row, k0 + k)];
            }
            let col = select(e % TILE, e / DEPTH, TRANSPOSE_B);
            let kb = select(e / TILE, e % DEPTH, TRANSPOSE_B);
            let in_b = group.x * TILE + col < N && k0 + kb < end_k;
            sh_b[kb * TILE + col] = 0.0;
            if in_b {
                sh_b[kb * TILE + col] = b[product * STRIDE_B + at_b(k0 + kb, group.x * TILE + col)];
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            var column: array<f32, SIDE>;
            for (var j = 0u; j < SIDE; j++) {
                column[j] = sh_b[k * TILE + j * 16u + local.x];
            }
            for (var i = 0u; i < SIDE; i++) {
                let left = sh_a[k * TILE + i * 16u + local.y];
                for (var j = 0u; j < SIDE; j++) {
                    sum[i][j] = fma(left, column[j], sum[i][j]);
                }
            }
        }
    }
    for (var i = 0u; i < SIDE; i++) {
        for (var j = 0u; j < SIDE; j++) {
            let row = group.y * TILE + i * 16u + local.y;
            let col = group.x * TILE + j * 16u + local.x;
            if row < M && col < N {
                store(group.z, row, col, sum[i][j]);
            }
        }
    }
}

// Slices lie behind each other: parts [SPLIT, BATCH, M, N].
fn store(z: u32, row: u32, col: u32, value: f32) {
    let at = ((z % SPLIT * BATCH + z / SPLIT) * M + row) * N + col;
    y[at] = with_bias(value, col);
}

fn with_bias(value: f32, col: u32) -> f32 {
    if BIAS {
        return value + bias[col];
    }
    return value;
}

// No early return: every lane takes part in handing a's elements around.
@compute @workgroup_size(WG)
fn rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let product = group.z / SPLIT;
    let first_k = group.z % SPLIT * SLICE;
    let end_k = min(first_k + SLICE, K);
    let lane = local.x % LANES;
    let col = (group.x * (WG / LANES) + local.x / LANES) * (LANES * COLUMNS) + lane;
    let row = group.y * ROWS;
    var sum: array<array<f32, COLUMNS>, ROWS>;
    for (var k0 = first_k; k0 < end_k; k0 += LANES) {
        // Lane j holds column k0 + j of a's rows. Rows and columns past the end repeat the last one and are not stored;
        // elements of K past the end of the slice count as 0.
        var left: array<f32, ROWS>;
        for (var i = 0u; i < ROWS; i++) {
            let at = product * STRIDE_A + at_a(min(row + i, M - 1u), min(k0 + lane, end_k - 1u));
            left[i] = select(0.0, a[at], k0 + lane < end_k);
        }
        for (var j = 0u; j < LANES; j++) {
            var right: array<f32, COLUMNS>;
            for (var c = 0u; c < COLUMNS; c++) {
                right[c] = b[product * STRIDE_B + at_b(min(k0 + j, end_k - 1u), min(col + c * LANES, N - 1u))];
            }
            for (var i = 0u; i < ROWS; i++) {
                let value = lane_of(left[i], j);
                for (var c = 0u; c < COLUMNS; c++) {
                    sum[i][c] = fma(value, right[c], sum[i][c]);
                }
            }
        }
    }
    for (var i = 0u; i < ROWS; i++) {
        for (var c = 0u; c < COLUMNS; c++) {
            if row + i < M && col + c * LANES < N {
                store(group.z, row + i, col + c * LANES, sum[i][c]);
            }
        }
    }
}

// y = sum of the slices, in order, + bias.
@compute @workgroup_size(WG)
fn combine(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    let size = BATCH * M * N;
    if i >= size { return; } // guard
    var sum = parts[i];
    for (var slice = 1u; slice < SPLIT; slice++) {
        sum += parts[slice * size + i];
    }
    y[i] = with_bias(sum, i % N);
}
