// 2-D convolution, forward and both gradients.
// Formula: y[n,o,p,q] = bias[o] + sum of x[n, c, p STRIDE_H - PAD_H + r DILATION_H, ..] w[o,c,r,s].
// Shapes: x, d_x [N, C, H, W]; w [O, C/GROUPS, KH, KW]; y, d_y [N, O, OH, OW]; parts [O, columns, SLICES]; indices in elements.
// Launch: forward, backward_x: an invocation owns 4 positions (WG apart, so that loads of neighbours are contiguous) by CHANNELS
//         channels; positions along x and z, channel blocks along y. backward_w: an invocation owns CHANNELS by TAPS weights over
//         one slice of all positions; combine_w: one weight.
// Source: derived in src/ops/conv2d.rs.
// Numerics: f32, fixed order; a slice adds positions SLICES apart, combine_w adds the slices in order. No workgroup memory.
// include: lib/index
// include: lib/conv2d

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> d_y: array<f32>;
@group(0) @binding(4) var<storage, read> parts: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_bias: array<f32>;

override WG: u32 = 64u;
override C: u32;
override O: u32;
override KH: u32;
override KW: u32;
override PADDED: bool;
override BIAS: bool;
override SLICES: u32;
// From the kernel: const PIXELS (4, the lanes of a vec4), CHANNELS, TAPS, LANES (invocations that share loads of w), CHUNK (what they share
// at once: at most LANES, so that little runs past the end), lib/lanes or lib/no_lanes, and put, which stores y and d_x.

override C_GROUP: u32 = C / GROUPS;
override O_GROUP: u32 = O / GROUPS;
override COLUMNS: u32 = C_GROUP * KH * KW;

// x at an input position that may lie in the padding. Unsigned: a position
// before the image wraps to a huge number.
fn input_at(plane: u32, ih: u32, iw: u32) -> f32 {
    if PADDED {
        let inside = ih < H && iw < W;
        return select(0.0, x[select(0u, plane + ih * W + iw, inside)], inside);
    }
    return x[plane + ih * W + iw];
}

// No early return in `forward` and `backward_x`: every lane takes part in handing the weights around.
@compute @workgroup_size(WG)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>,
           @builtin(num_workgroups) groups: vec3<u32>) {
    let total = N * OH * OW;
    let first = (group.z * groups.x + group.x) * (WG * PIXELS) + local.x;
    let lane = local.x % LANES;
    let blocks = (O_GROUP + CHANNELS - 1u) / CHANNELS;
    let part = group.y / blocks;
    let first_o = part * O_GROUP + group.y % blocks * CHANNELS;
    let end_o = (part + 1u) * O_GROUP;

    var plane: vec4<u32>;
    var ih: vec4<u32>;
    var iw: vec4<u32>;
    for (var j = 0u; j < PIXELS; j++) {
        // Positions past the end repeat the last one and are not stored.
        let at = min(first + j * WG, total - 1u);
        plane[j] = (at / (OH * OW) * C + part * C_GROUP) * H * W;
        ih[j] = at % (OH * OW) / OW * STRIDE_H - PAD_H;
        iw[j] = at % OW * STRIDE_W - PAD_W;
    }
    var sum: array<vec4<f32>, CHANNELS>;
    for (var column0 = 0u; column0 < COLUMNS; column0 += CHUNK) {
        // Lane j holds the weights of column0 + j; past the end they count as 0.
        var weight = array<f32, CHANNELS>();
        for (var i = 0u; i < CHANNELS; i++) {
            let at = min(first_o + i, end_o - 1u) * COLUMNS + min(column0 + lane, COLUMNS - 1u);
            weight[i] = select(0.0, w[at], column0 + lane < COLUMNS);
        }
        for (var j = 0u; j < CHUNK; j++) {
            let column = min(column0 + j, COLUMNS - 1u);
            let u = ih + vec4<u32>(column / KW % KH * DILATION_H);
            let v = iw + vec4<u32>(column % KW * DILATION_W);
            let p = plane + vec4<u32>(column / (KH * KW) * (H * W));
            let seen = vec4<f32>(input_at(p.x, u.x, v.x), input_at(p.y, u.y, v.y),
                                 input_at(p.z, u.z, v.z), input_at(p.w, u.w, v.w));
            for (var i = 0u; i < CHANNELS; i++) {
                sum[i] = fma(vec4<f32>(lane_of(weight[i], j)), seen, sum[i]);
            }
        }
    }
    for (var j = 0u; j < PIXELS; j++) {
        let at = first + j * WG;
        if at < total {
            let base = at / (OH * OW) * O * OH * OW + at % (OH * OW);
            for (var i = 0u; i < CHANNELS; i++) {
                let o = first_o + i;
                if o < end_o {
                    put(base + o * OH * OW, sum[i][j] + offset(o));
                }
            }
        }
    }
}

fn offset(o: u32) -> f32 {
    if BIAS {
        return bias[o];
    }
    return 0.0;
}

// Each input element gathers from the outputs that saw it through tap (r, s): p STRIDE = ih + PAD - r DILATION.
// d_x is stored.
@compute @workgroup_size(WG)
fn backward_x(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>,
              @builtin(num_workgroups) groups: vec3<u32>) {
    let total = N * H * W;
    let first = (group.z * groups.x + group.x) * (WG * PIXELS) + local.x;
    let lane = local.x % LANES;
    let blocks = (C_GROUP + CHANNELS - 1u) / CHANNELS;
    let part = group.y / blocks;
    let first_c = group.y % blocks * CHANNELS;

    var plane: vec4<u32>;
    var up: vec4<u32>;
    var left: vec4<u32>;
    for (var j = 0u; j < PIXELS; j++) {
        let at = min(first + j * WG, total - 1u);
        plane[j] = (at / (H * W) * O + part * O_GROUP) * OH * OW;
        up[j] = at % (H * W) / W + PAD_H;
        left[j] = at % W + PAD_W;
    }
    var sum: array<vec4<f32>, CHANNELS>;
    for (var r = 0u; r < KH; r++) {
        for (var s = 0u; s < KW; s++) {
            let u = up - vec4<u32>(r * DILATION_H);
            let v = left - vec4<u32>(s * DILATION_W);
            let p = u / STRIDE_H;
            let q = v / STRIDE_W;
            let seen = (p * STRIDE_H == u) & (q * STRIDE_W == v) & (p < vec4<u32>(OH)) & (q < vec4<u32>(OW));
            let at = plane + select(vec4<u32>(0u), p * OW + q, seen);
            for (var o0 = 0u; o0 < O_GROUP; o0 += CHUNK) {
                // Lane j holds the weights of output channel o0 + j; past the end they count as 0.
                let row = (part * O_GROUP + min(o0 + lane, O_GROUP - 1u)) * COLUMNS + r * KW + s;
                var weight = array<f32, CHANNELS>();
                for (var i = 0u; i < CHANNELS; i++) {
                    weight[i] = select(0.0, w[row + min(first_c + i, C_GROUP - 1u) * KH * KW], o0 + lane < O_GROUP);
                }
                for (var j = 0u; j < CHUNK; j++) {
                    let spot = at + vec4<u32>(min(o0 + j, O_GROUP - 1u) * OH * OW);
                    let d = vec4<f32>(d_y[spot.x], d_y[spot.y], d_y[spot.z], d_y[spot.w]);
                    let masked = select(vec4<f32>(0.0), d, seen);
                    for (var i = 0u; i < CHANNELS; i++) {
                        sum[i] = fma(vec4<f32>(lane_of(weight[i], j)), masked, sum[i]);
                    }
                }
            }
        }
    }
    for (var j = 0u; j < PIXELS; j++) {
        let at = first + j * WG;
        if at < total {
            let base = (at / (H * W) * C + part * C_GROUP) * H * W + at % (H * W);
            for (var i = 0u; i < CHANNELS; i++) {
                let c = first_c + i;
                if c < C_GROUP {
                    put(base + c * H * W, sum[i][j]);
                }
            }
        }
    }
}

// The weight gradient, with the bias as one more column whose input is 1. `y` receives the parts.
@compute @workgroup_size(WG)
fn backward_w(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let columns = COLUMNS + u32(BIAS);
    let tap_blocks = (columns + TAPS - 1u) / TAPS;
    let channel_blocks = (O_GROUP + CHANNELS - 1u) / CHANNELS;
    let i = flat_id(id, groups);
    let slice = i % SLICES;
    let block = i / SLICES;
    if block >= GROUPS * channel_blocks * tap_blocks { return; } // guard
    let first_tap = block % tap_blocks * TAPS;
    let part = block / (tap_blocks * channel_blocks);
    let first_o = part * O_GROUP + block / tap_blocks % channel_blocks * CHANNELS;
    let end_o = (part + 1u) * O_GROUP;

    // Where each tap reads, relative to the window's first element.
    var plane: array<u32, TAPS>;
    var down: array<u32, TAPS>;
    var across: array<u32, TAPS>;
    for (var t = 0u; t < TAPS; t++) {
        let column = min(first_tap + t, COLUMNS - 1u);
        plane[t] = (part * C_GROUP + column / (KH * KW)) * H * W;
        down[t] = column / KW % KH * DILATION_H - PAD_H;
        across[t] = column % KW * DILATION_W - PAD_W;
    }
    var sum: array<array<f32, TAPS>, CHANNELS>;
    for (var at = slice; at < N * OH * OW; at += SLICES) {
        let n = at / (OH * OW);
        let p = at % (OH * OW) / OW * STRIDE_H;
        let q = at % OW * STRIDE_W;
        var seen = array<f32, TAPS>();
        for (var t = 0u; t < TAPS; t++) {
            let value = input_at(n * C * H * W + plane[t], p + down[t], q + across[t]);
            seen[t] = select(value, 1.0, first_tap + t >= COLUMNS);
        }
        let base = n * O * OH * OW + at % (OH * OW);
        for (var o = 0u; o < CHANNELS; o++) {
            let d = d_y[base + min(first_o + o, end_o - 1u) * OH * OW];
            for (var t = 0u; t < TAPS; t++) {
                sum[o][t] = fma(d, seen[t], sum[o][t]);
            }
        }
    }
    for (var o = 0u; o < CHANNELS; o++) {
        for (var t = 0u; t < TAPS; t++) {
            if first_o + o < end_o && first_tap + t < columns {
                y[((first_o + o) * columns + first_tap + t) * SLICES + slice] = sum[o][t];
            }
        }
    }
}

// `y` receives d_w.
@compute @workgroup_size(WG)
fn combine_w(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let columns = COLUMNS + u32(BIAS);
    let i = flat_id(id, groups);
    if i >= O * columns { return; } // guard
    var sum = parts[i * SLICES];
    for (var slice = 1u; slice < SLICES; slice++) {
        sum += parts[i * SLICES + slice];
    }
    let column = i % columns;
    if column < COLUMNS {
        y[i / columns * COLUMNS + column] = sum;
    } else {
        d_bias[i / columns] = sum;
    }
}
