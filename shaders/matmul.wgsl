// Matrix product, batched, either operand transposed, with an optional bias.
// Formula: y = op(a) op(b) + bias.
// Shapes: a [M, K] or [K, M], b [K, N] or [N, K], y [M, N], bias [N], one after another per product;
//         STRIDE_A and STRIDE_B step from product to product, in elements, 0 where one matrix serves all.
// Launch: z = product * SPLIT + slice of K. tiled: a workgroup of 16x16 owns 16 SIDE x 16 SIDE elements of y.
//         rows_*: an invocation owns ROWS rows of y by 4 columns; x walks columns, y walks rows.
// Source: derived in src/ops/matmul.rs; tiling after Boehm 2022.
// Numerics: f32, K in ascending order within a slice, slices added in order by `combine`. tiled: 8 KiB workgroup memory.
// include: lib/index

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(0) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> parts: array<f32>;

override WG: u32 = 64u;
override M: u32;
override N: u32;
override K: u32;
override BATCH: u32;
override STRIDE_A: u32;
override STRIDE_B: u32;
override SPLIT: u32;
override SLICE: u32; // elements of K per slice, a multiple of 4
override TRANSPOSE_A: bool;
override TRANSPOSE_B: bool;
override BIAS: bool;
// From the kernel: const SIDE, the elements per side of an invocation's tile.

const DEPTH: u32 = 16u;
const ROWS: u32 = 8u;
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

// b lies [K, N] with N a multiple of 4; a either way.
@compute @workgroup_size(WG)
fn rows_nn(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let col4 = group.x * WG + local.x;
    if col4 >= N / 4u { return; } // guard
    let product = group.z / SPLIT;
    let first_k = group.z % SPLIT * SLICE;
    let end_k = min(first_k + SLICE, K);
    let row = group.y * ROWS;
    let step_row = select(K, 1u, TRANSPOSE_A);
    let step_k = select(1u, M, TRANSPOSE_A);
    // Rows past the end repeat the last one and are not stored.
    var base: array<u32, ROWS>;
    for (var i = 0u; i < ROWS; i++) {
        base[i] = product * STRIDE_A + min(row + i, M - 1u) * step_row;
    }
    var sum: array<vec4<f32>, ROWS>;
    for (var k = first_k; k < end_k; k++) {
        let right = b4[(product * STRIDE_B + k * N) / 4u + col4];
        for (var i = 0u; i < ROWS; i++) {
            sum[i] = fma(vec4<f32>(a[base[i] + k * step_k]), right, sum[i]);
        }
    }
    let slice = (group.z % SPLIT * BATCH + product) * M;
    for (var i = 0u; i < ROWS; i++) {
        if row + i < M {
            let col = col4 * 4u;
            let v = sum[i];
            y4[((slice + row + i) * N) / 4u + col4] = vec4<f32>(
                with_bias(v.x, col), with_bias(v.y, col + 1u), with_bias(v.z, col + 2u), with_bias(v.w, col + 3u));
        }
    }
}

// a lies [M, K] and b [N, K] with K a multiple of 4: dot products of contiguous vec4s.
@compute @workgroup_size(WG)
fn rows_nt(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let col = (group.x * WG + local.x) * 4u;
    if col >= N { return; } // guard
    let product = group.z / SPLIT;
    let first_k = group.z % SPLIT * SLICE / 4u;
    let end_k = min(first_k + SLICE / 4u, K / 4u);
    let row = group.y * ROWS;
    var base_a: array<u32, ROWS>;
    for (var i = 0u; i < ROWS; i++) {
        base_a[i] = (product * STRIDE_A + min(row + i, M - 1u) * K) / 4u;
    }
    var base_b: array<u32, 4>;
    for (var j = 0u; j < 4u; j++) {
        base_b[j] = (product * STRIDE_B + min(col + j, N - 1u) * K) / 4u;
    }
    var sum: array<vec4<f32>, ROWS>;
    for (var k = first_k; k < end_k; k++) {
        let b0 = b4[base_b[0] + k];
        let b1 = b4[base_b[1] + k];
        let b2 = b4[base_b[2] + k];
        let b3 = b4[base_b[3] + k];
        for (var i = 0u; i < ROWS; i++) {
            let left = a4[base_a[i] + k];
            sum[i] += vec4<f32>(dot(left, b0), dot(left, b1), dot(left, b2), dot(left, b3));
        }
    }
    for (var i = 0u; i < ROWS; i++) {
        for (var j = 0u; j < 4u; j++) {
            if row + i < M && col + j < N {
                store(group.z, row + i, col + j, sum[i][j]);
            }
        }
    }
}

// Any layout, any size.
@compute @workgroup_size(WG)
fn rows_any(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let col = (group.x * WG + local.x) * 4u;
    if col >= N { return; } // guard
    let product = group.z / SPLIT;
    let first_k = group.z % SPLIT * SLICE;
    let end_k = min(first_k + SLICE, K);
    let row = group.y * ROWS;
    var sum: array<vec4<f32>, ROWS>;
    for (var k = first_k; k < end_k; k++) {
        var right: vec4<f32>;
        for (var j = 0u; j < 4u; j++) {
            right[j] = b[product * STRIDE_B + at_b(k, min(col + j, N - 1u))];
        }
        for (var i = 0u; i < ROWS; i++) {
            sum[i] = fma(vec4<f32>(a[product * STRIDE_A + at_a(min(row + i, M - 1u), k)]), right, sum[i]);
        }
    }
    for (var i = 0u; i < ROWS; i++) {
        for (var j = 0u; j < 4u; j++) {
            if row + i < M && col + j < N {
                store(group.z, row + i, col + j, sum[i][j]);
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
