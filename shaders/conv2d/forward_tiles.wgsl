// 2-D convolution as a matrix product whose right matrix is never written down (implicit GEMM), for GPUs.
// Formula: y[o, (n,p,q)] = bias[o] + sum over k = (c,r,s) of w[o, k] x[n, c, p STRIDE_H - PAD_H + r DILATION_H, ..].
// Shapes: x [N, C, H, W]; w [O, C/GROUPS, KH, KW]; bias [O]; y [N, O, OH, OW]; indices in elements.
// Launch: z = group of channels; a workgroup of ACROSS x DOWN owns 4 WIDE positions by 4 TALL output channels, an invocation
//         4 QUADS_X by 4 QUADS_Y of them.
// Source: derived in src/ops/conv2d.rs; implicit GEMM after Chetlur et al., "cuDNN", arXiv:1410.0759.
// Numerics: f32, k in ascending order. Workgroup memory: 32 DEPTH (TALL + WIDE) bytes, 16 KiB at most.
// Multiplied by lib/tiles, or by lib/tiles_half, which rounds factors to f16: the kernel brings one of them.
// include: lib/conv2d

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;

override PLANES: u32; // C; that name is a role of cooperative matrices
override O: u32;
override KH: u32;
override KW: u32;
override BIAS: bool;
// From the kernel: lib/tiles or lib/tiles_half with its constants; put_quad, which stores four neighbours through
// put4, where images have a multiple of four positions, or else through put; these two, which store y.

override C_GROUP: u32 = PLANES / GROUPS;
override O_GROUP: u32 = O / GROUPS;
override COLUMNS: u32 = C_GROUP * KH * KW;
const LEFT_RUNS: bool = true;
const RIGHT_RUNS: bool = false;
const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);

// Four output channels: where their weights begin, and which there are.
struct Left {
    at: vec4<u32>,
    inside: vec4<bool>,
}

// Four positions: the corner of their windows in the group's first channel of their images, as a place and down and across
// (it may lie before the image: it wraps to a huge number), and which there are.
struct Right {
    corner: vec4<u32>,
    down: vec4<u32>,
    across: vec4<u32>,
    inside: vec4<bool>,
}

fn left_of(z: u32, quad: u32) -> Left {
    let o = 4u * quad + FOUR;
    return Left((z * O_GROUP + o) * COLUMNS, o < vec4(O_GROUP));
}

fn right_of(z: u32, quad: u32) -> Right {
    let at = 4u * quad + FOUR;
    let plane = (at / (OH * OW) * PLANES + z * C_GROUP) * (H * W);
    let down = at % (OH * OW) / OW * STRIDE_H - PAD_H;
    let across = at % OW * STRIDE_W - PAD_W;
    return Right(plane + down * W + across, down, across, at < vec4(N * OH * OW));
}

// Where tiles fill all of the left matrix there is nothing to guard.
override WHOLE_LEFT: bool = O_GROUP % TILE_ROWS == 0u && COLUMNS % DEPTH == 0u;

fn load_left(l: Left, k: u32, end_k: u32) -> vec4<f32> {
    let place = l.at + k;
    if WHOLE_LEFT {
        return vec4(w[place.x], w[place.y], w[place.z], w[place.w]);
    }
    let inside = l.inside & vec4(k < end_k);
    let at = select(vec4(0u), place, inside);
    return select(vec4(0.0), vec4(w[at.x], w[at.y], w[at.z], w[at.w]), inside);
}

// Where tiles fill all positions, and where no window reaches into padding.
override WHOLE_RIGHT: bool = (N * OH * OW) % TILE_COLUMNS == 0u && COLUMNS % DEPTH == 0u;
override WITHIN: bool = PAD_H == 0u && PAD_W == 0u && (OH - 1u) * STRIDE_H + (KH - 1u) * DILATION_H < H
    && (OW - 1u) * STRIDE_W + (KW - 1u) * DILATION_W < W;

fn load_right(p: Right, k: u32, end_k: u32) -> vec4<f32> {
    let c = quotient(k, KH * KW, COLUMNS + DEPTH);
    let tap = k - c * (KH * KW);
    let r = quotient(tap, KW, KH * KW);
    let s = tap - r * KW;
    let place = p.corner + (c * (H * W) + r * (DILATION_H * W) + s * DILATION_W);
    var inside = vec4(true);
    if !WHOLE_RIGHT {
        inside = p.inside & vec4(k < end_k);
    }
    if !WITHIN {
        inside &= (p.down + r * DILATION_H < vec4(H)) & (p.across + s * DILATION_W < vec4(W));
    }
    let at = select(vec4(0u), place, inside);
    return select(vec4(0.0), vec4(x[at.x], x[at.y], x[at.z], x[at.w]), inside);
}

@compute @workgroup_size(ACROSS, DOWN)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    compute_tile(group.z, group.xy, local.xy, 0u, COLUMNS);
}

fn store_row(z: u32, row: u32, first: u32, value: vec4<f32>) {
    let o = z * O_GROUP + row;
    var add = 0.0;
    if BIAS {
        add = bias[min(o, O - 1u)];
    }
    let at = first + FOUR;
    let place = (at / (OH * OW) * O + o) * (OH * OW) + at % (OH * OW);
    put_quad(place, (at < vec4(N * OH * OW)) & vec4(row < O_GROUP), value + add);
}
