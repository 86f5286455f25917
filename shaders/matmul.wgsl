// Matrix product, batched, either operand transposed, with an optional bias.
// Formula: y = op(a) op(b) + bias.
// Shapes: a [M, K] or [K, M], b [K, N] or [N, K], y [M, N], bias [N], one after another per product;
//         STRIDE_A and STRIDE_B step from product to product, in elements, 0 where one matrix serves all.
// Launch: z = product * SPLIT + slice of K. tiled: a workgroup of 16x16 owns 16 SIDE x 16 SIDE elements of y.
//         rows: TEAM neighbours own ROWS rows of y by PANELS * TEAM quads of columns and share their loads of a; x walks
//         columns, y rows, and the teams of a workgroup all three.
// Source: derived in src/ops/matmul.rs; tiling after Boehm 2022.
// Numerics: f32, K in ascending order within a slice, slices added in order by `combine`. tiled: 8 KiB workgroup memory.
// include: lib/index

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> parts: array<f32>;
// The same by quads, where every row begins at a multiple of four.
@group(0) @binding(5) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> b4: array<vec4<f32>>;

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
override ACROSS: u32; // tiles of a workgroup of `rows`: side by side,
override DOWN: u32; // one below the other, and the rest in neighbouring z
// From the kernel: const SIDE, the elements per side of an invocation's tile, and DEPTH, the tile's share of K (tiled);
// const ROWS, PANELS and TEAM, as above, LANES, the invocations of a subgroup, quad_a, quad_b and put_quad, which move four
// elements at once where they are neighbours, of a4 and b4, or else of a and b (rows); lib/lanes or lib/no_lanes;
// put and put4, which store y.

const TILE: u32 = 16u * SIDE;
const QUADS: u32 = (ROWS + 3u) / 4u;
const LOADS: u32 = (ROWS + TEAM - 1u) / TEAM; // quads of a that each invocation loads per 4 elements of K
const WIDE: u32 = 4u * TEAM; // columns of a panel

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
            var column = array<f32, SIDE>();
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

fn store(z: u32, row: u32, col: u32, value: f32) {
    put(place(z, row) + col, with_bias(value, col));
}

// Where a row begins. Slices lie behind each other: parts [SPLIT, BATCH, M, N].
fn place(z: u32, row: u32) -> u32 {
    return ((z % SPLIT * BATCH + z / SPLIT) * M + row) * N;
}

fn with_bias(value: f32, col: u32) -> f32 {
    if BIAS {
        return value + bias[col];
    }
    return value;
}

// On a software adapter a load runs lane by lane and costs as much as sixty multiplications, a sum that outlives a turn
// of a loop is masked in it, and a body beyond 1,000 multiplications leaves the instruction cache. Hence loads of four
// elements, 4 elements of K per turn and the limits of ROWS and PANELS.
// Every lane takes part in handing a's elements around, so none may leave early. Rows, columns and elements of K past the
// end repeat the last one; such rows and columns are not stored, such elements of K count as 0.
@compute @workgroup_size(WG)
fn rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let team = local.x / TEAM;
    let lane = local.x % TEAM;
    let first_lane = select(local.x % LANES - lane, 0u, TEAM == LANES); // of the team
    let col = (group.x * ACROSS + team % ACROSS) * (PANELS * WIDE) + 4u * lane;
    let row = (group.y * DOWN + team / ACROSS % DOWN) * ROWS;
    let z = group.z * (WG / (TEAM * ACROSS * DOWN)) + team / (ACROSS * DOWN);
    let product = min(z / SPLIT, BATCH - 1u);
    let first_k = z % SPLIT * SLICE;
    let four = vec4(0u, 1u, 2u, 3u);
    // Quad q of the tile's share of a lies in lane q % TEAM of load q / TEAM: four elements of row q, or of four rows.
    var in_a: array<vec4<u32>, LOADS>;
    var k_a: array<u32, LOADS>;
    for (var t = 0u; t < LOADS; t++) {
        let q = t * TEAM + lane;
        if TRANSPOSE_A {
            in_a[t] = product * STRIDE_A + min(row + q % QUADS * 4u + four, vec4(M - 1u));
            k_a[t] = q / QUADS;
        } else {
            in_a[t] = vec4(product * STRIDE_A + min(row + q, M - 1u) * K);
        }
    }
    var in_b: array<vec4<u32>, PANELS>;
    for (var p = 0u; p < PANELS; p++) {
        let column = min(col + p * WIDE + four, vec4(N - 1u));
        in_b[p] = product * STRIDE_B + select(column, column * K, TRANSPOSE_B);
    }
    var sum: array<array<vec4<f32>, PANELS>, ROWS>;
    for (var step = 0u; step < SLICE; step += 4u) {
        let k0 = first_k + step;
        let k = min(k0 + four, vec4(K - 1u));
        var left = array<vec4<f32>, LOADS>();
        for (var t = 0u; t < LOADS; t++) {
            if TRANSPOSE_A {
                left[t] = quad_a(min(k0 + k_a[t], K - 1u) * M + in_a[t]);
            } else {
                left[t] = quad_a(in_a[t] + k);
            }
            if SPLIT * SLICE != K {
                left[t] = select(vec4(0.0), left[t], k0 + select(four, vec4(k_a[t]), TRANSPOSE_A) < vec4(K));
            }
        }
        var right = array<array<vec4<f32>, PANELS>, 4>(); // of 4 elements of K, by neighbouring columns
        for (var p = 0u; p < PANELS; p++) {
            if TRANSPOSE_B {
                let c0 = quad_b(in_b[p].x + k);
                let c1 = quad_b(in_b[p].y + k);
                let c2 = quad_b(in_b[p].z + k);
                let c3 = quad_b(in_b[p].w + k);
                right[0][p] = vec4(c0.x, c1.x, c2.x, c3.x);
                right[1][p] = vec4(c0.y, c1.y, c2.y, c3.y);
                right[2][p] = vec4(c0.z, c1.z, c2.z, c3.z);
                right[3][p] = vec4(c0.w, c1.w, c2.w, c3.w);
            } else {
                for (var j = 0u; j < 4u; j++) {
                    right[j][p] = quad_b(k[j] * N + in_b[p]);
                }
            }
            if SPLIT * SLICE != K {
                for (var j = 0u; j < 4u; j++) {
                    right[j][p] = select(vec4(0.0), right[j][p], k0 + j < K);
                }
            }
        }
        for (var i = 0u; i < ROWS; i++) {
            for (var j = 0u; j < 4u; j++) {
                let q = select(i, j * QUADS + i / 4u, TRANSPOSE_A);
                let value = lane_of(left[q / TEAM][select(j, i % 4u, TRANSPOSE_A)], first_lane + q % TEAM);
                for (var p = 0u; p < PANELS; p++) {
                    sum[i][p] = fma(vec4(value), right[j][p], sum[i][p]);
                }
            }
        }
    }
    for (var p = 0u; p < PANELS; p++) {
        let column = col + p * WIDE + four;
        var add = vec4<f32>();
        if BIAS {
            let known = min(column, vec4(N - 1u));
            add = vec4(bias[known.x], bias[known.y], bias[known.z], bias[known.w]);
        }
        for (var i = 0u; i < ROWS; i++) {
            if row + i < M && z < BATCH * SPLIT {
                put_quad(place(z, row + i) + column, column < vec4(N), sum[i][p] + add);
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
    put(i, with_bias(sum, i % N));
}
