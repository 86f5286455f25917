// Gradients of recurrent layers, backwards through time.
// Formula: src/ops/recurrence.rs; d_h[b, t] = d_y[b, t] + carry + d_a[b, t + 1] w, then the cell backwards.
// Shapes: d_y, y and h_before [B, T, H], d_gx and d_gh [B, T, ALL * H] (the gradients of gx and of w h, which differ for a
//         GRU), d_last, initial and carry [STATES, B, H] (h, then c), w [ALL * H, H], saved as in recurrence.wgsl (y itself
//         for a plain RNN). Indices in elements. Past a row's length all gradients are 0.
// Launch: as recurrence.wgsl, backwards: step s is at the s-th time from the end. The product runs over the ALL * H
//         elements of d_a. sequence_shared keeps them in workgroup memory. start: one invocation per element of carry,
//         shift: per element of h_before.
// Source: Werbos 1990 (backpropagation through time); derived in src/ops/recurrence.rs.
// Numerics: f32, sums in ascending order of gate and unit.
// include: lib/index
// include: lib/recurrence

@group(0) @binding(0) var<storage, read> d_y: array<f32>;
@group(0) @binding(1) var<storage, read> saved: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> lengths: array<u32>;
@group(0) @binding(4) var<storage, read> steps: array<u32>;
@group(0) @binding(5) var<storage, read_write> d_gx: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_gh: array<f32>;
@group(0) @binding(7) var<storage, read_write> carry: array<f32>;
@group(0) @binding(8) var<storage, read> d_last: array<f32>;
@group(0) @binding(9) var<storage, read> y: array<f32>;
@group(0) @binding(10) var<storage, read> initial: array<f32>;
@group(0) @binding(11) var<storage, read_write> h_before: array<f32>;
@group(0) @binding(12) var<storage, read> w4: array<vec4<f32>>;

override WG: u32 = 64u;
override B: u32;
override T: u32;
override H: u32;
override CELL: u32; // as in recurrence.wgsl
override PHASE: u32; // of cell 4: 0 takes d_h to z and n, 1 takes it through the product of n to r
override REVERSE: bool;
override INITIAL: bool;
override RAGGED: bool;
override MULTIPLY: bool; // false in the first step
override FINISH: bool; // behind the last step: what reaches the initial state
override D_Y: bool;
override D_LAST: bool;
// From the kernel: const ALL, the gates; SLOTS; STATES; ROWS, UNITS, LANES and quad_w as in recurrence.wgsl; SHARED =
// ROWS * ALL * H of sequence_shared; and lib/lanes or lib/no_lanes.

const DEPTH: u32 = 16u;
const TILE: u32 = 16u * ROWS;
const QUADS: u32 = (UNITS + 3u) / 4u; // UNITS is a multiple of 4 in the rows forms

var<workgroup> sh_sum: array<f32, ROWS * UNITS * LANES>; // of the rows forms; each lane has its own
var<workgroup> sh_left: array<f32, DEPTH * TILE>; // [DEPTH, TILE]
var<workgroup> sh_right: array<f32, DEPTH * 16u>; // [DEPTH, 16]
var<workgroup> sh_d: array<f32, SHARED>; // [ROWS, ALL * H]

// The elements of d_a that the product runs over: all, or for a GRU that resets first, r and z, then n.
fn first_k() -> u32 {
    return select(0u, 2u * H, PHASE == 1u);
}

fn end_k() -> u32 {
    return select(ALL * H, 2u * H, CELL == 4u && PHASE == 0u);
}

// Time runs back: step s is at the time at which the forward pass was T - 1 - s steps in.
fn time_back(s: u32) -> u32 {
    return time(T - 1u - s);
}

fn left(row: u32, k: u32, t: u32) -> f32 {
    var at = select(t + 1u, t - 1u, REVERSE);
    if PHASE == 1u { at = t; }
    if FINISH { at = time(0u); } // where the walk ended
    if CELL == 3u { return d_gh[(row * T + at) * ALL * H + k]; }
    return d_gx[(row * T + at) * ALL * H + k];
}

// The cell backwards at one row, unit and time, from the product. Gives what the next product takes.
fn cell(row: u32, unit: u32, t: u32, product: f32) -> array<f32, ALL> {
    var d: array<f32, ALL>;
    let i = row * H + unit;
    let out = (row * T + t) * ALL * H + unit;
    if FINISH || t >= valid_steps(row) {
        carry[i] += product;
        if !FINISH {
            for (var g = 0u; g < ALL; g++) {
                d_gx[out + g * H] = 0.0;
                if CELL == 3u { d_gh[out + g * H] = 0.0; }
            }
        }
        return d;
    }
    let at = (row * T + t) * SLOTS * H + unit;
    var d_h = carry[i] + product;
    if D_Y { d_h += d_y[(row * T + t) * H + unit]; }
    var kept = 0.0;
    switch CELL {
        case 0u: { d[0] = d_h * (1.0 - saved[at] * saved[at]); }
        case 1u: { d[0] = select(0.0, d_h, saved[at] > 0.0); }
        case 2u: {
            let i_gate = saved[at];
            let f = saved[at + H];
            let g = saved[at + 2u * H];
            let o = saved[at + 3u * H];
            let c = saved[at + 4u * H];
            let squashed = tanh_safe(f * c + i_gate * g);
            let d_c = carry[B * H + i] + d_h * o * (1.0 - squashed * squashed);
            d[0] = d_c * g * i_gate * (1.0 - i_gate);
            d[1 % ALL] = d_c * c * f * (1.0 - f);
            d[2 % ALL] = d_c * i_gate * (1.0 - g * g);
            d[3 % ALL] = d_h * squashed * o * (1.0 - o);
            carry[B * H + i] = d_c * f;
        }
        case 3u: {
            let r = saved[at];
            let z = saved[at + H];
            let n = saved[at + 2u * H];
            let d_n = d_h * (1.0 - z) * (1.0 - n * n);
            d[0] = d_n * saved[at + 3u * H] * r * (1.0 - r);
            d[1 % ALL] = d_h * (saved[at + 4u * H] - n) * z * (1.0 - z);
            d[2 % ALL] = d_n * r;
            kept = d_h * z;
            for (var g = 0u; g < ALL; g++) {
                d_gh[out + g * H] = d[g];
            }
            d_gx[out] = d[0];
            d_gx[out + H] = d[1 % ALL];
            d_gx[out + 2u * H] = d_n;
        }
        default: {
            let z = saved[at + H];
            let n = saved[at + 2u * H];
            if PHASE == 1u {
                let r = saved[at];
                d_gx[out] = product * saved[at + 4u * H] * r * (1.0 - r);
                carry[i] += product * r;
                return d;
            }
            d_gx[out + H] = d_h * (saved[at + 4u * H] - n) * z * (1.0 - z);
            d_gx[out + 2u * H] = d_h * (1.0 - z) * (1.0 - n * n);
            kept = d_h * z;
        }
    }
    if CELL < 3u {
        for (var g = 0u; g < ALL; g++) {
            d_gx[out + g * H] = d[g];
        }
    }
    carry[i] = kept;
    return d;
}

// ROWS rows by UNITS LANES units of one step; a lane owns quads of units, LANES quads apart. Every lane takes part in handing
// d_a around.
fn block(row: u32, first: u32, lane: u32, t: u32, multiply: bool) {
    let unit = first + 4u * lane;
    var sum: array<array<vec4<f32>, QUADS>, ROWS>;
    if multiply {
        for (var k0 = first_k(); k0 < end_k(); k0 += LANES) {
            var part = array<f32, ROWS>(); // element k0 + lane of each row
            for (var i = 0u; i < ROWS; i++) {
                part[i] = left(min(row + i, B - 1u), min(k0 + lane, end_k() - 1u), t);
            }
            // A bound that the compiler does not know: written out, the loop would not fit into the instruction cache.
            let lanes = min(LANES, end_k() - k0);
            for (var j = 0u; j < lanes; j++) {
                var right = array<vec4<f32>, QUADS>();
                for (var q = 0u; q < QUADS; q++) {
                    right[q] = quad_w((k0 + j) * H + min(unit + q * 4u * LANES + vec4(0u, 1u, 2u, 3u), vec4(H - 1u)));
                }
                for (var i = 0u; i < ROWS; i++) {
                    let value = lane_of(part[i], j);
                    for (var q = 0u; q < QUADS; q++) {
                        sum[i][q] = fma(vec4(value), right[q], sum[i][q]);
                    }
                }
            }
        }
    }
    // Through memory, so that the cell need not be written out for every row.
    for (var i = 0u; i < ROWS; i++) {
        for (var q = 0u; q < QUADS; q++) {
            for (var k = 0u; k < 4u; k++) {
                sh_sum[(i * UNITS + 4u * q + k) * LANES + lane] = sum[i][q][k];
            }
        }
    }
    let rows = min(ROWS, B - min(row, B));
    for (var i = 0u; i < rows; i++) {
        for (var u = 0u; u < UNITS; u++) {
            let own = unit + u / 4u * (4u * LANES) + u % 4u;
            if own < H { cell(row + i, own, t, sh_sum[(i * UNITS + u) * LANES + lane]); }
        }
    }
}

@compute @workgroup_size(LANES)
fn step_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>,
             @builtin(num_workgroups) groups: vec3<u32>) {
    block((group.z * groups.y + group.y) * ROWS, group.x * (LANES * UNITS), local.x, time_back(steps[0]), MULTIPLY);
}

@compute @workgroup_size(LANES)
fn sequence_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>,
                 @builtin(num_workgroups) groups: vec3<u32>) {
    for (var s = 0u; s < T; s++) {
        for (var unit = 0u; unit < H; unit += LANES * UNITS) {
            block(flat_group(group, groups) * ROWS, unit, local.x, time_back(s), s > 0u);
        }
        storageBarrier();
    }
}

@compute @workgroup_size(16, 16)
fn step_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let t = time_back(steps[0]);
    let id = local.y * 16u + local.x;
    let unit = group.x * 16u + local.x;
    var sum: array<f32, ROWS>;
    for (var k0 = first_k(); k0 < select(0u, end_k(), MULTIPLY); k0 += DEPTH) {
        workgroupBarrier();
        for (var e = id; e < DEPTH * TILE; e += 256u) {
            let k = k0 + e % DEPTH;
            let value = left(min(group.y * TILE + e / DEPTH, B - 1u), min(k, end_k() - 1u), t);
            sh_left[e % DEPTH * TILE + e / DEPTH] = select(0.0, value, k < end_k());
        }
        sh_right[local.y * 16u + local.x] = w[min(k0 + local.y, end_k() - 1u) * H + min(unit, H - 1u)];
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            for (var i = 0u; i < ROWS; i++) {
                sum[i] = fma(sh_left[k * TILE + i * 16u + local.y], sh_right[k * 16u + local.x], sum[i]);
            }
        }
    }
    for (var i = 0u; i < ROWS; i++) {
        let row = group.y * TILE + i * 16u + local.y;
        if row < B && unit < H { cell(row, unit, t, sum[i]); }
    }
}

@compute @workgroup_size(WG)
fn sequence_shared(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>,
                   @builtin(num_workgroups) groups: vec3<u32>) {
    let row = flat_group(group, groups) * ROWS;
    let unit = min(local.x, H - 1u);
    var fresh: array<array<f32, ALL>, ROWS>;
    for (var s = 0u; s < T; s++) {
        workgroupBarrier();
        for (var i = 0u; i < ROWS; i++) {
            for (var g = 0u; g < ALL; g++) {
                if local.x < H { sh_d[(i * ALL + g) * H + local.x] = fresh[i][g]; }
            }
        }
        workgroupBarrier();
        var sum = array<f32, ROWS>();
        for (var k = 0u; k < ALL * H; k++) {
            let right = w[k * H + unit];
            for (var i = 0u; i < ROWS; i++) {
                sum[i] = fma(sh_d[i * ALL * H + k], right, sum[i]);
            }
        }
        for (var i = 0u; i < ROWS; i++) {
            if row + i < B && local.x < H { fresh[i] = cell(row + i, unit, time_back(s), sum[i]); }
        }
    }
}

@compute @workgroup_size(WG)
fn start(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= STATES * B * H { return; } // guard
    carry[i] = 0.0;
    if D_LAST { carry[i] = d_last[i]; }
}

@compute @workgroup_size(WG)
fn shift(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= B * T * H { return; } // guard
    let t = i / H % T;
    let row = i / (H * T);
    var h = 0.0;
    if t < valid_steps(row) {
        if starts(row, t) { h = initially(0u, row, i % H); } else { h = y[(row * T + before(t)) * H + i % H]; }
    }
    h_before[i] = h;
}
