// The input gradient of a 2-D convolution as a matrix product whose right matrix is never written down, for GPUs.
// Formula: d_x[c, (n,h,w)] = sum over k = (o,r,s) of w[o,c,r,s] d_y[n, o, (h + PAD_H - r DILATION_H) / STRIDE_H, ..], where
//          that is a position.
// Shapes: d_x (here y) [N, C, H, W]; w [O, C/GROUPS, KH, KW]; d_y [N, O, OH, OW]; indices in elements.
// Launch: z = group of channels; a workgroup of ACROSS x DOWN owns 4 WIDE elements of the plane by 4 TALL input channels, an
//         invocation 4 QUADS_X by 4 QUADS_Y of them.
// Source: derived in src/ops/conv2d.rs; implicit GEMM after Chetlur et al., "cuDNN", arXiv:1410.0759.
// Numerics: f32, k in ascending order. Workgroup memory: 32 DEPTH (TALL + WIDE) bytes, 16 KiB at most.
// Multiplied by lib/tiles, or by lib/tiles_half, which rounds factors to f16: the kernel brings one of them.
// include: lib/conv2d

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;

override PLANES: u32; // C; that name is a role of cooperative matrices
override O: u32;
override KH: u32;
override KW: u32;
// From the kernel: lib/tiles or lib/tiles_half with its constants; put_quad, which stores four neighbours through
// put4, where planes have a multiple of four elements, or else through put; these two, which store d_x.

override C_GROUP: u32 = PLANES / GROUPS;
override O_GROUP: u32 = O / GROUPS;
override TAPS: u32 = KH * KW;
const LEFT_RUNS: bool = true;
const RIGHT_RUNS: bool = false;
const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);

// Four input channels: where their weights begin, and which there are.
struct Left {
    at: vec4<u32>,
    inside: vec4<bool>,
}

// Four elements of the input's plane: their places counted from the padding's corner, down and across, the same as a place
// of d_y in the group's first channel of their images (which is one where STRIDE is 1), and which there are.
struct Right {
    plane: vec4<u32>,
    corner: vec4<u32>,
    down: vec4<u32>,
    across: vec4<u32>,
    inside: vec4<bool>,
}

fn left_of(z: u32, quad: u32) -> Left {
    let c = 4u * quad + FOUR;
    return Left((z * O_GROUP * C_GROUP + c) * TAPS, c < vec4(C_GROUP));
}

fn right_of(z: u32, quad: u32) -> Right {
    let at = 4u * quad + FOUR;
    let plane = (at / (H * W) * O + z * O_GROUP) * (OH * OW);
    let down = at % (H * W) / W + PAD_H;
    let across = at % W + PAD_W;
    return Right(plane, plane + down * OW + across, down, across, at < vec4(N * H * W));
}

// Where tiles fill all of the left matrix there is nothing to guard.
override WHOLE_LEFT: bool = C_GROUP % TILE_ROWS == 0u && (O_GROUP * TAPS) % DEPTH == 0u;

fn load_left(l: Left, k: u32, end_k: u32) -> vec4<f32> {
    let o = quotient(k, TAPS, O_GROUP * TAPS + DEPTH);
    let place = l.at + (k + o * ((C_GROUP - 1u) * TAPS));
    if WHOLE_LEFT {
        return vec4(w[place.x], w[place.y], w[place.z], w[place.w]);
    }
    let inside = l.inside & vec4(k < end_k);
    let at = select(vec4(0u), place, inside);
    return select(vec4(0.0), vec4(w[at.x], w[at.y], w[at.z], w[at.w]), inside);
}

// Where tiles fill all elements.
override WHOLE_RIGHT: bool = (N * H * W) % TILE_COLUMNS == 0u && (O_GROUP * TAPS) % DEPTH == 0u;

fn load_right(e: Right, k: u32, end_k: u32) -> vec4<f32> {
    let o = quotient(k, TAPS, O_GROUP * TAPS + DEPTH);
    let tap = k - o * TAPS;
    let r = quotient(tap, KW, TAPS);
    let s = tap - r * KW;
    let u = e.down - r * DILATION_H;
    let v = e.across - s * DILATION_W;
    var inside = vec4(true);
    if !WHOLE_RIGHT {
        inside = e.inside & vec4(k < end_k);
    }
    var place = e.corner + (o * (OH * OW) - r * (DILATION_H * OW) - s * DILATION_W);
    if STRIDE_H == 1u && STRIDE_W == 1u {
        inside &= (u < vec4(OH)) & (v < vec4(OW));
    } else {
        let p = u / STRIDE_H;
        let q = v / STRIDE_W;
        inside &= (p * STRIDE_H == u) & (q * STRIDE_W == v) & (p < vec4(OH)) & (q < vec4(OW));
        place = e.plane + o * (OH * OW) + p * OW + q;
    }
    let at = select(vec4(0u), place, inside);
    return select(vec4(0.0), vec4(d_y[at.x], d_y[at.y], d_y[at.z], d_y[at.w]), inside);
}

@compute @workgroup_size(ACROSS, DOWN)
fn backward_x(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    compute_tile(group.z, group.xy, local.xy, 0u, O_GROUP * TAPS);
}

fn store_row(z: u32, row: u32, first: u32, value: vec4<f32>) {
    let at = first + FOUR;
    let place = (at / (H * W) * PLANES + z * C_GROUP + row) * (H * W) + at % (H * W);
    put_quad(place, (at < vec4(N * H * W)) & vec4(row < C_GROUP), value);
}
