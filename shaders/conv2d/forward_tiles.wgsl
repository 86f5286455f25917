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

// Four positions: the group's first channel of their images, the corner of their windows (which may lie before the
// image: it wraps to a huge number), and which there are.
struct Right {
    plane: vec4<u32>,
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
    return Right(plane, at % (OH * OW) / OW * STRIDE_H - PAD_H, at % OW * STRIDE_W - PAD_W, at < vec4(N * OH * OW));
}

fn load_left(l: Left, k: u32, end_k: u32) -> vec4<f32> {
    let inside = l.inside & vec4(k < end_k);
    let at = select(vec4(0u), l.at + k, inside);
    return select(vec4(0.0), vec4(w[at.x], w[at.y], w[at.z], w[at.w]), inside);
}

fn load_right(r: Right, k: u32, end_k: u32) -> vec4<f32> {
    let u = r.down + k / KW % KH * DILATION_H;
    let v = r.across + k % KW * DILATION_W;
    let inside = r.inside & vec4(k < end_k) & (u < vec4(H)) & (v < vec4(W));
    let at = select(vec4(0u), r.plane + k / (KH * KW) * (H * W) + u * W + v, inside);
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
