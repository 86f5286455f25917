// The weight gradient of a 2-D convolution as a matrix product whose right matrix is never written down, for GPUs.
// Formula: d_w[o, (c,r,s)] = sum over k = (n,p,q) of d_y[n,o,p,q] x[n, c, p STRIDE_H - PAD_H + r DILATION_H, ..]; with a bias,
//          one more column whose input is 1.
// Shapes: x [N, C, H, W]; d_y [N, O, OH, OW]; parts (here y) [O, columns, SLICES]; indices in elements.
// Launch: z = group of channels * SLICES + slice of k; a workgroup of ACROSS x DOWN owns 4 WIDE columns by 4 TALL output
//         channels, an invocation 4 QUADS_X by 4 QUADS_Y of them. combine_w of conv2d.wgsl adds the slices.
// Source: derived in src/ops/conv2d.rs; implicit GEMM after Chetlur et al., "cuDNN", arXiv:1410.0759.
// Numerics: f32, k in ascending order within a slice. Workgroup memory: 32 DEPTH (TALL + WIDE) bytes, 16 KiB at most.
// Multiplied by lib/tiles, or by lib/tiles_half, which rounds factors to f16: the kernel brings one of them.
// include: lib/conv2d

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

override PLANES: u32; // C; that name is a role of cooperative matrices
override O: u32;
override KH: u32;
override KW: u32;
override BIAS: bool;
override SLICES: u32;
override SLICE: u32; // positions per slice
// From the kernel: lib/tiles or lib/tiles_half with its constants.

override C_GROUP: u32 = PLANES / GROUPS;
override O_GROUP: u32 = O / GROUPS;
override COLUMNS: u32 = C_GROUP * KH * KW;
const LEFT_RUNS: bool = true;
const RIGHT_RUNS: bool = true;
const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);

// Four output channels: where they lie in an image of d_y, and which there are.
struct Left {
    at: vec4<u32>,
    inside: vec4<bool>,
}

// Four columns: their taps in the first window of an image of x, as a place and down and across (which may wrap to huge
// numbers), which there are, and which of those is the bias.
struct Right {
    place: vec4<u32>,
    down: vec4<u32>,
    across: vec4<u32>,
    inside: vec4<bool>,
    one: vec4<bool>,
}

fn left_of(z: u32, quad: u32) -> Left {
    let o = 4u * quad + FOUR;
    return Left((z / SLICES * O_GROUP + o) * (OH * OW), o < vec4(O_GROUP));
}

fn right_of(z: u32, quad: u32) -> Right {
    let column = 4u * quad + FOUR;
    let plane = (z / SLICES * C_GROUP + column / (KH * KW)) * (H * W);
    let down = column / KW % KH * DILATION_H - PAD_H;
    let across = column % KW * DILATION_W - PAD_W;
    let one = vec4(BIAS) & (column == vec4(COLUMNS));
    return Right(plane + down * W + across, down, across, column < vec4(COLUMNS), one);
}

// Where tiles fill all of the left matrix there is nothing to guard.
override WHOLE_LEFT: bool = O_GROUP % TILE_ROWS == 0u && (N * OH * OW) % DEPTH == 0u && SLICE % DEPTH == 0u;

fn load_left(l: Left, k: u32, end_k: u32) -> vec4<f32> {
    let place = l.at + k / (OH * OW) * (O * OH * OW) + k % (OH * OW);
    if WHOLE_LEFT {
        return vec4(d_y[place.x], d_y[place.y], d_y[place.z], d_y[place.w]);
    }
    let inside = l.inside & vec4(k < end_k);
    let at = select(vec4(0u), place, inside);
    return select(vec4(0.0), vec4(d_y[at.x], d_y[at.y], d_y[at.z], d_y[at.w]), inside);
}

// Where tiles fill all columns, and where no window reaches into padding.
override WHOLE_RIGHT: bool = !BIAS && COLUMNS % TILE_COLUMNS == 0u && (N * OH * OW) % DEPTH == 0u && SLICE % DEPTH == 0u;
override WITHIN: bool = PAD_H == 0u && PAD_W == 0u && (OH - 1u) * STRIDE_H + (KH - 1u) * DILATION_H < H
    && (OW - 1u) * STRIDE_W + (KW - 1u) * DILATION_W < W;

fn load_right(t: Right, k: u32, end_k: u32) -> vec4<f32> {
    let image = k / (OH * OW);
    let p = k % (OH * OW) / OW * STRIDE_H;
    let q = k % OW * STRIDE_W;
    let place = t.place + (image * (PLANES * H * W) + p * W + q);
    var inside = vec4(true);
    if !WHOLE_RIGHT {
        inside = t.inside & vec4(k < end_k);
    }
    if !WITHIN {
        inside &= (t.down + p < vec4(H)) & (t.across + q < vec4(W));
    }
    let at = select(vec4(0u), place, inside);
    let seen = select(vec4(0.0), vec4(x[at.x], x[at.y], x[at.z], x[at.w]), inside);
    return select(seen, vec4(1.0), t.one);
}

@compute @workgroup_size(ACROSS, DOWN)
fn backward_w(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let first = group.z % SLICES * SLICE;
    compute_tile(group.z, group.xy, local.xy, first, min(first + SLICE, N * OH * OW));
}

fn store_row(z: u32, row: u32, first: u32, value: vec4<f32>) {
    let columns = COLUMNS + u32(BIAS);
    if row < O_GROUP {
        for (var i = 0u; i < 4u; i++) {
            if first + i < columns {
                y[((z / SLICES * O_GROUP + row) * columns + first + i) * SLICES + z % SLICES] = value[i];
            }
        }
    }
}
