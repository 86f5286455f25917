// The weight gradient of a 2-D convolution for software adapters: the lanes of a subgroup own output channels and share patches
// of the image.
// Formula: d_w[o,c,r,s] = sum over n,p,q of d_y[n,o,p,q] x[n, c, p STRIDE_H - PAD_H + r DILATION_H, ..], d_bias[o] = sum of d_y.
// Shapes: x [N, C, H, W], d_y [N, O, OH, OW], y (the parts) [O, columns, SLICES]; columns: C/GROUPS KH KW, and 1 for the bias;
//         indices in elements, of d_y4 in quads.
// Launch: x = slice: LANES neighbours add up every SLICES-th tile of TALL x BROAD positions; y = block of LANES EACH output
//         channels, per group; z = block of PLANES input channels.
// Source: derived in src/ops/conv2d/lanes.rs.
// Numerics: f32, positions of a tile in ascending order, tile after tile. No workgroup memory.
// include: lib/conv2d

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;
@group(0) @binding(2) var<storage, read> d_y4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

override C: u32;
override O: u32;
override BIAS: bool;
override SLICES: u32;
// From the kernel: const KH, KW, EACH, TALL, BROAD and PLANES, as above, HIGH and SPAN, the rows and columns of a patch, LOADS, the
// elements of all patches that a lane loads, and BLOCKS, of output channels in a group; LANES and
// lib/lanes; quad_d_y, which loads four positions.

override C_GROUP: u32 = C / GROUPS;
override O_GROUP: u32 = O / GROUPS;

const POSITIONS: u32 = TALL * BROAD;
const QUADS: u32 = (POSITIONS + 3u) / 4u;

@compute @workgroup_size(LANES)
fn backward_w(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let lane = local.x;
    let group = workgroup.y / BLOCKS;
    let first = workgroup.y % BLOCKS * (LANES * EACH) + lane * EACH; // of the lane's output channels
    let first_c = workgroup.z * PLANES;
    let across = (OW + BROAD - 1u) / BROAD;
    let down = (OH + TALL - 1u) / TALL;

    var sum: array<array<array<array<f32, EACH>, KW>, KH>, PLANES>;
    var total: array<f32, EACH>; // for the bias
    for (var tile = workgroup.x; tile < N * down * across; tile += SLICES) {
        let row = tile / across % down * TALL;
        let col = tile % across * BROAD;
        let image = tile / (across * down);
        // Element e of the patches is in lane e % LANES of load e / LANES.
        var seen = array<f32, LOADS>();
        for (var t = 0u; t < LOADS; t++) {
            let e = t * LANES + lane;
            let c = first_c + e / (HIGH * SPAN);
            let h = row * STRIDE_H + e / SPAN % HIGH - PAD_H;
            let v = col * STRIDE_W + e % SPAN - PAD_W;
            let inside = e < PLANES * HIGH * SPAN && c < C_GROUP && h < H && v < W;
            seen[t] = select(0.0, x[select(0u, ((image * C + group * C_GROUP + c) * H + h) * W + v, inside)], inside);
        }
        // Positions past the edge, and channels past the last, count as 0. (Loops count by what they index: drivers unroll those.)
        var d = array<array<vec4<f32>, QUADS>, EACH>();
        for (var q = 0u; q < EACH; q++) {
            let o = first + q;
            let plane = (image * GROUPS + group) * O_GROUP + o;
            for (var u = 0u; u < QUADS; u++) {
                let f = 4u * u + vec4(0u, 1u, 2u, 3u);
                let p = row + f / BROAD;
                let v = col + f % BROAD;
                let known = (f < vec4(POSITIONS)) & (p < vec4(OH)) & (v < vec4(OW)) & vec4(o < O_GROUP);
                d[q][u] = select(vec4(0.0), quad_d_y(select(vec4(0u), (plane * OH + p) * OW + v, known)), known);
                total[q] += dot(d[q][u], vec4(1.0));
            }
        }
        for (var c = 0u; c < PLANES; c++) {
            for (var r = 0u; r < KH; r++) {
                for (var s = 0u; s < KW; s++) {
                    for (var u = 0u; u < QUADS; u++) {
                        for (var k = 0u; k < 4u; k++) {
                            let f = 4u * u + k;
                            let i = f / BROAD * STRIDE_H + r * DILATION_H;
                            let e = (c * HIGH + i) * SPAN + f % BROAD * STRIDE_W + s * DILATION_W;
                            if f < POSITIONS {
                                let value = lane_of(seen[e / LANES], e % LANES);
                                for (var q = 0u; q < EACH; q++) {
                                    sum[c][r][s][q] = fma(value, d[q][u][k], sum[c][r][s][q]);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    let columns = C_GROUP * KH * KW + u32(BIAS);
    for (var q = 0u; q < EACH; q++) {
        let row = (group * O_GROUP + first + q) * columns;
        for (var c = 0u; c < PLANES; c++) {
            for (var r = 0u; r < KH; r++) {
                for (var s = 0u; s < KW; s++) {
                    if first + q < O_GROUP && first_c + c < C_GROUP {
                        y[(row + ((first_c + c) * KH + r) * KW + s) * SLICES + workgroup.x] = sum[c][r][s][q];
                    }
                }
            }
        }
        if BIAS && workgroup.z == 0u && first + q < O_GROUP {
            y[(row + columns - 1u) * SLICES + workgroup.x] = total[q];
        }
    }
}
