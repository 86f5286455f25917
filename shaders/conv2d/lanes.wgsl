// 2-D convolution for software adapters: the lanes of a subgroup own channels and share a patch of the image. Forward, and the
// input gradient. Of every STEP rows and columns of d_x, those of one phase see the same taps, one in STEP: they are a
// convolution of d_y with these taps in reverse and with channels swapped, whose windows move by one.
// Formula: y[n,o,p,q] = bias[o] + sum of x[n, k, p STRIDE_H - pad + r DILATION_H, ..] g[o,k,r,s], g a filter of plane k.
// Shapes: x [N, GROUPS SUM, H, W]; w [GROUPS MADE, SUM, FH, FW], TURNED: [GROUPS SUM, MADE, FH, FW]; bias [GROUPS MADE];
//         y [N, GROUPS MADE, OH, OW]; filters [GROUPS, BLOCKS, STEP_H, STEP_W, SUM, KH, KW, LANES, EACH], 0 where channels or
//         taps end; indices in elements, of filters4 in quads.
// Launch: pack: an invocation owns an element of filters. multiply: LANES neighbours own TALL x BROAD positions of a phase of an
//         image by EACH channels per lane; tiles run along x and z, the first four axes of filters along y.
// Source: derived in src/ops/conv2d/lanes.rs.
// Numerics: f32, planes, rows and columns of windows in ascending order. No workgroup memory.
// include: lib/index
// include: lib/conv2d

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> packed: array<f32>;
@group(0) @binding(4) var<storage, read> filters: array<f32>;
@group(0) @binding(5) var<storage, read> filters4: array<vec4<f32>>;

override WG: u32 = 64u;
override SUM: u32; // planes of a group that are added up: its input channels, or its output channels for the input gradient
override MADE: u32; // planes of a group that are made of them
override FH: u32;
override FW: u32;
override KH: u32; // taps of a phase: FH and FW divided by STEP, rounded up
override STEP_H: u32; // 1 but for the gradient of windows that move further
override STEP_W: u32;
override TURNED: bool;
override BIAS: bool;
// From the kernel: const KW, EACH, TALL and BROAD, as above, SPAN, the columns that a row of the patch has, LOADS, the elements of it
// that a lane loads, and BLOCKS; LANES and lib/lanes; weights_of, which loads EACH elements of filters; put_quad, which stores
// four positions of y.

// Arrays are indexed by the counters of loops as these are, so that drivers unroll the loops.
const POSITIONS: u32 = TALL * BROAD;

// The phase in position y of the grid, which is that in filters.
fn phase_of(y: u32) -> vec2<u32> {
    return vec2(y / STEP_W % STEP_H, y % STEP_W);
}

// How far a window of the phase begins before its position; wraps around where it begins behind.
fn back(phase: vec2<u32>) -> vec2<u32> {
    let turned = vec2((KH - 1u) * DILATION_H, (KW - 1u) * DILATION_W) - (phase + vec2(PAD_H, PAD_W)) / vec2(STEP_H, STEP_W);
    return select(vec2(PAD_H, PAD_W), turned, TURNED);
}

@compute @workgroup_size(WG)
fn pack(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= GROUPS * BLOCKS * STEP_H * STEP_W * SUM * KH * KW * LANES * EACH { return; } // guard
    let s = i / (LANES * EACH) % KW;
    let r = i / (LANES * EACH * KW) % KH;
    let k = i / (LANES * EACH * KW * KH) % SUM;
    let y = i / (LANES * EACH * KW * KH * SUM);
    let block = y / (STEP_H * STEP_W);
    let group = block / BLOCKS;
    let made = block % BLOCKS * (LANES * EACH) + i % (LANES * EACH);
    let own = min(made, MADE - 1u);
    let first = (phase_of(y) + vec2(PAD_H, PAD_W)) % vec2(STEP_H, STEP_W);
    let turned = first + vec2(STEP_H, STEP_W) * vec2(KH - 1u - r, KW - 1u - s);
    let tap = select(vec2(r, s), turned, TURNED);
    let pair = select((group * MADE + own) * SUM + k, (group * SUM + k) * MADE + own, TURNED);
    let known = made < MADE && tap.x < FH && tap.y < FW;
    packed[i] = select(0.0, w[select(0u, (pair * FH + tap.x) * FW + tap.y, known)], known);
}

// No early return: every lane takes part in handing the patch around. Tiles past the end repeat the last and are not stored.
@compute @workgroup_size(WG)
fn multiply(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>,
            @builtin(num_workgroups) groups: vec3<u32>) {
    let lane = local.x % LANES;
    let team = (workgroup.z * groups.x + workgroup.x) * (WG / LANES) + local.x / LANES;
    let across = ((OW + STEP_W - 1u) / STEP_W + BROAD - 1u) / BROAD;
    let down = ((OH + STEP_H - 1u) / STEP_H + TALL - 1u) / TALL;
    let tile = min(team, N * down * across - 1u);
    let row = tile / across % down * TALL;
    let col = tile % across * BROAD;
    let image = tile / (across * down);
    let phase = phase_of(workgroup.y);
    let start = vec2(row * STRIDE_H, col * STRIDE_W) - back(phase);
    let block = workgroup.y / (STEP_H * STEP_W);
    let group = block / BLOCKS;
    let first = block % BLOCKS * (LANES * EACH) + lane * EACH; // of the lane's channels

    // Element e of the patch is in lane e % LANES of load e / LANES.
    var up: array<u32, LOADS>;
    var place: array<u32, LOADS>; // 0xffffffff left and right of the image
    for (var t = 0u; t < LOADS; t++) {
        let e = t * LANES + lane;
        up[t] = start.x + e / SPAN * STRIDE_H;
        let v = start.y + e % SPAN;
        place[t] = select(0xffffffffu, v, v < W && e < TALL * SPAN);
    }
    var sum: array<array<array<f32, EACH>, BROAD>, TALL>;
    for (var turn = 0u; turn < SUM * KH; turn++) {
        let plane = (image * GROUPS + group) * SUM + turn / KH;
        var seen = array<f32, LOADS>();
        for (var t = 0u; t < LOADS; t++) {
            let h = up[t] + turn % KH * DILATION_H;
            let inside = h < H && place[t] != 0xffffffffu;
            seen[t] = select(0.0, x[select(0u, (plane * H + h) * W + place[t], inside)], inside);
        }
        var weight = array<array<f32, EACH>, KW>();
        for (var s = 0u; s < KW; s++) {
            weight[s] = weights_of((((workgroup.y * SUM * KH + turn) * KW + s) * LANES + lane) * EACH);
        }
        for (var i = 0u; i < TALL; i++) {
            for (var j = 0u; j < BROAD; j++) {
                for (var s = 0u; s < KW; s++) {
                    let e = i * SPAN + j * STRIDE_W + s * DILATION_W;
                    let value = lane_of(seen[e / LANES], e % LANES);
                    for (var q = 0u; q < EACH; q++) {
                        sum[i][j][q] = fma(value, weight[s][q], sum[i][j][q]);
                    }
                }
            }
        }
    }
    for (var q = 0u; q < EACH; q++) {
        let made = first + q;
        let plane = (image * GROUPS + group) * MADE + made;
        let add = offset(group * MADE + min(made, MADE - 1u));
        var at = vec4<u32>();
        var inside = vec4<bool>();
        var value = vec4<f32>();
        for (var i = 0u; i < TALL; i++) {
            for (var j = 0u; j < BROAD; j++) {
                let f = i * BROAD + j;
                let p = (row + i) * STEP_H + phase.x;
                let o = (col + j) * STEP_W + phase.y;
                at[f % 4u] = (plane * OH + p) * OW + o;
                inside[f % 4u] = p < OH && o < OW && made < MADE && team == tile;
                value[f % 4u] = sum[i][j][q] + add;
                if f % 4u == 3u || f == POSITIONS - 1u {
                    put_quad(at, inside, value);
                    inside = vec4(false);
                }
            }
        }
    }
}

fn offset(channel: u32) -> f32 {
    if BIAS {
        return bias[channel];
    }
    return 0.0;
}
