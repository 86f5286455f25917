// Matrix product for GPUs: large tiles, batched, either operand transposed, with an optional bias.
// Formula: y = op(a) op(b) + bias.
// Shapes: a [M, K] or [K, M], b [K, N] or [N, K], y [M, N], bias [N], one after another per product; parts as y, SPLIT times;
//         STRIDE_A and STRIDE_B step from product to product, in elements, 0 where one matrix serves all.
// Launch: z = product * SPLIT + slice of K; a workgroup of ACROSS x DOWN owns 4 WIDE columns by 4 TALL rows of y, an
//         invocation 4 QUADS_X by 4 QUADS_Y of them.
// Source: derived in src/ops/matmul.rs; tiling and double buffering after Boehm 2022.
// Numerics: f32, K in ascending order within a slice. Workgroup memory: 32 DEPTH (TALL + WIDE) bytes, 16 KiB at most.
// Multiplied by lib/tiles, or by lib/tiles_half, which rounds factors to f16: the kernel brings one of them.

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
// The same by quads, where every row begins at a multiple of four.
@group(0) @binding(4) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> b4: array<vec4<f32>>;

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
override LEFT_RUNS: bool = !TRANSPOSE_A;
override RIGHT_RUNS: bool = TRANSPOSE_B;
override BIAS: bool;
// From the kernel: lib/tiles or lib/tiles_half with its constants; quad_a, quad_b and put_quad, which move four elements at once where they
// are neighbours, of a4 and b4, or else of a and b; put and put4, which store y.

const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);

// Four rows of op(a): where they begin, and which there are.
struct Left {
    at: vec4<u32>,
    inside: vec4<bool>,
}

// Four columns of op(b).
struct Right {
    at: vec4<u32>,
    inside: vec4<bool>,
}

fn left_of(z: u32, quad: u32) -> Left {
    let row = 4u * quad + FOUR;
    return Left(z / SPLIT * STRIDE_A + select(row * K, row, TRANSPOSE_A), row < vec4(M));
}

fn right_of(z: u32, quad: u32) -> Right {
    let col = 4u * quad + FOUR;
    return Right(z / SPLIT * STRIDE_B + select(col, col * K, TRANSPOSE_B), col < vec4(N));
}

// Where tiles fill all of it there is nothing to guard.
override WHOLE_K: bool = K % DEPTH == 0u && SLICE % DEPTH == 0u;
override WHOLE_LEFT: bool = WHOLE_K && M % TILE_ROWS == 0u;
override WHOLE_RIGHT: bool = WHOLE_K && N % TILE_COLUMNS == 0u;

fn load_left(l: Left, k: u32, end_k: u32) -> vec4<f32> {
    let at = l.at + select(k, k * M, TRANSPOSE_A);
    if WHOLE_LEFT {
        return quad_a(at);
    }
    let inside = l.inside & vec4(k < end_k);
    return select(vec4(0.0), quad_a(select(vec4(0u), at, inside)), inside);
}

fn load_right(r: Right, k: u32, end_k: u32) -> vec4<f32> {
    let at = r.at + select(k * N, k, TRANSPOSE_B);
    if WHOLE_RIGHT {
        return quad_b(at);
    }
    let inside = r.inside & vec4(k < end_k);
    return select(vec4(0.0), quad_b(select(vec4(0u), at, inside)), inside);
}

@compute @workgroup_size(ACROSS, DOWN)
fn multiply(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let first_k = group.z % SPLIT * SLICE;
    compute_tile(group.z, group.xy, local.xy, first_k, min(first_k + SLICE, K));
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
