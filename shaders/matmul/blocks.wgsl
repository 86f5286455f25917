// Matrix product for GPUs: large tiles, batched, either operand transposed, with an optional bias.
// Formula: y = op(a) op(b) + bias.
// Shapes: a [M, K] or [K, M], b [K, N] or [N, K], y [M, N], bias [N], one after another per product; parts as y, SPLIT times;
//         STRIDE_A and STRIDE_B step from product to product, in elements, 0 where one matrix serves all.
// Launch: z = product * SPLIT + slice of K; a workgroup of ACROSS x DOWN owns 4 WIDE columns by 4 TALL rows of y, an
//         invocation 4 QUADS_X by 4 QUADS_Y of them.
// Source: derived in src/ops/matmul.rs; tiling and double buffering after Boehm 2022.
// Numerics: f32, K in ascending order within a slice. Workgroup memory: 32 DEPTH (TALL + WIDE) bytes, 16 KiB at most.
// include: lib/tiles

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
// The same by quads, where every row begins at a multiple of four.
@group(0) @binding(4) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> b4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y4: array<vec4<f32>>;

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
// From the kernel: the constants of lib/tiles; quad_a, quad_b and put_quad, which move four elements at once where they
// are neighbours, of a4, b4 and y4, or else of a, b and y.

const LOADS_A: u32 = DEPTH * TALL / WG; // quads that an invocation loads per tile of a
const LOADS_B: u32 = DEPTH * WIDE / WG;
const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);

// Four rows of op(a) at one k. Rows and k past the end give 0.
fn load_a(product: u32, quad: u32, k: u32, end_k: u32) -> vec4<f32> {
    let row = 4u * quad + FOUR;
    let inside = (row < vec4(M)) & vec4(k < end_k);
    let at = product * STRIDE_A + select(row * K + k, k * M + row, TRANSPOSE_A);
    return select(vec4(0.0), quad_a(select(vec4(0u), at, inside)), inside);
}

// Four columns of op(b) at one k.
fn load_b(product: u32, quad: u32, k: u32, end_k: u32) -> vec4<f32> {
    let col = 4u * quad + FOUR;
    let inside = (col < vec4(N)) & vec4(k < end_k);
    let at = product * STRIDE_B + select(k * N + col, col * K + k, TRANSPOSE_B);
    return select(vec4(0.0), quad_b(select(vec4(0u), at, inside)), inside);
}

// Which k and which quad of a tile load number e is: neighbours run along whichever lies contiguous.
fn k_of(e: u32, quads: u32, k_runs: bool) -> u32 {
    return select(e / quads, e % DEPTH, k_runs);
}

fn quad_of(e: u32, quads: u32, k_runs: bool) -> u32 {
    return select(e % quads, e / DEPTH, k_runs);
}

@compute @workgroup_size(ACROSS, DOWN)
fn multiply(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let id = local.y * ACROSS + local.x;
    let product = group.z / SPLIT;
    let first_k = group.z % SPLIT * SLICE;
    let end_k = min(first_k + SLICE, K);
    var next_a: array<vec4<f32>, LOADS_A>;
    var next_b: array<vec4<f32>, LOADS_B>;
    var sum: Tile;
    var which = 0u;
    // Tile by tile: load the next one into registers, multiply the one before, then store what was loaded. The first
    // turn multiplies nothing; the last one loads nothing but zeros, so that every invocation meets every barrier.
    for (var k0 = first_k; k0 < end_k + DEPTH; k0 += DEPTH) {
        for (var t = 0u; t < LOADS_A; t++) {
            let e = t * WG + id;
            let quad = group.y * TALL + quad_of(e, TALL, !TRANSPOSE_A);
            next_a[t] = load_a(product, quad, k0 + k_of(e, TALL, !TRANSPOSE_A), end_k);
        }
        for (var t = 0u; t < LOADS_B; t++) {
            let e = t * WG + id;
            let quad = group.x * WIDE + quad_of(e, WIDE, TRANSPOSE_B);
            next_b[t] = load_b(product, quad, k0 + k_of(e, WIDE, TRANSPOSE_B), end_k);
        }
        if k0 > first_k {
            sum = multiply_tiles(sum, 1u - which, local.x, local.y);
        }
        for (var t = 0u; t < LOADS_A; t++) {
            let e = t * WG + id;
            let k = k_of(e, TALL, !TRANSPOSE_A);
            sh_left[(which * DEPTH + k) * TALL + turned(quad_of(e, TALL, !TRANSPOSE_A), k)] = next_a[t];
        }
        for (var t = 0u; t < LOADS_B; t++) {
            let e = t * WG + id;
            let k = k_of(e, WIDE, TRANSPOSE_B);
            sh_right[(which * DEPTH + k) * WIDE + turned(quad_of(e, WIDE, TRANSPOSE_B), k)] = next_b[t];
        }
        workgroupBarrier();
        which = 1u - which;
    }
    let row = group.y * TALL + local.y;
    let col = group.x * WIDE + local.x;
    store_block(group.z, row, col, sum.s00);
    if QUADS_X == 2u {
        store_block(group.z, row, col + ACROSS, sum.s01);
    }
    if QUADS_Y == 2u {
        store_block(group.z, row + DOWN, col, sum.s10);
        if QUADS_X == 2u {
            store_block(group.z, row + DOWN, col + ACROSS, sum.s11);
        }
    }
}

// Stores 4x4 elements at quads of rows and columns.
fn store_block(z: u32, row: u32, col: u32, block: Block) {
    store_row(z, 4u * row, 4u * col, block.r0);
    store_row(z, 4u * row + 1u, 4u * col, block.r1);
    store_row(z, 4u * row + 2u, 4u * col, block.r2);
    store_row(z, 4u * row + 3u, 4u * col, block.r3);
}

// Slices lie behind each other: parts [SPLIT, BATCH, M, N].
fn store_row(z: u32, row: u32, first: u32, value: vec4<f32>) {
    let col = first + FOUR;
    var add = vec4<f32>();
    if BIAS {
        let known = min(col, vec4(N - 1u));
        add = vec4(bias[known.x], bias[known.y], bias[known.z], bias[known.w]);
    }
    let begins = ((z % SPLIT * BATCH + z / SPLIT) * M + row) * N;
    put_quad(begins + col, (col < vec4(N)) & vec4(row < M), value + add);
}
