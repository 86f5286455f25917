// Recurrent layers over time: plain RNN, LSTM, GRU.
// Formula: src/ops/recurrence.rs; gates a = gx[b, t] + w h[b, t - 1], then the cell.
// Shapes: gx [B, T, ALL * H], w [ALL * H, H], b_hh [ALL * H], initial and last [STATES, B, H] (h, then c), lengths [B],
//         y [B, T, H], saved [B, T, SLOTS * H]: LSTM i f g o c_before, GRU r z n (w h + b)_n h_before, GRU with
//         the reset before the product r z n r*h h_before. Indices in elements. Past a row's length y is 0.
// Launch: step_*: one step of time, whose number steps[0] holds. step_rows: LANES neighbours own ROWS rows of the batch
//         by LANES * UNITS units; x walks units, y rows. step_tiled: 16x16 invocations own 16 ROWS rows by 16 units.
//         sequence_*: all steps. sequence_rows: LANES neighbours own ROWS rows and walk all units. sequence_shared: a
//         workgroup owns ROWS rows, an invocation a unit, h lies in workgroup memory, w transposed to [H, ALL * H] by `turn_w`.
//         finish: one invocation per element of last.
// Source: Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014; one product for all gates after Appleyard 2016.
// Numerics: f32, sums over H in ascending order; no exponential of a positive number.
// include: lib/index
// include: lib/recurrence

@group(0) @binding(0) var<storage, read> gx: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b_hh: array<f32>;
@group(0) @binding(3) var<storage, read> initial: array<f32>;
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
@group(0) @binding(5) var<storage, read> steps: array<u32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(7) var<storage, read_write> saved: array<f32>;
@group(0) @binding(8) var<storage, read_write> last: array<f32>;
@group(0) @binding(9) var<storage, read_write> turned: array<f32>;
@group(0) @binding(10) var<storage, read> w4: array<vec4<f32>>;

override WG: u32 = 64u;
override B: u32;
override T: u32;
override H: u32;
override ALL: u32; // gates
override CELL: u32; // 0 RNN with tanh, 1 RNN with relu, 2 LSTM, 3 GRU, 4 GRU that resets before the product
override PHASE: u32; // of cell 4: 0 computes r and z, 1 computes n
override REVERSE: bool;
override BIAS: bool;
override INITIAL: bool;
override RAGGED: bool;
override MULTIPLY: bool; // false in the first step from a state of zeros
override FIRST: bool; // the first step
// From the kernel: const GATES, those of this dispatch; SLOTS; STATES; ROWS, UNITS, LANES as above; TURN, the elements of a sum
// that the rows forms take at once: 4, or 1 if LANES is 1; SHARED = ROWS * H; quad_w, four neighbours; lib/lanes or no_lanes.

const DEPTH: u32 = 16u; // elements of H per tile of step_tiled
const TILE: u32 = 16u * ROWS;

var<workgroup> sh_sum: array<f32, ROWS * GATES * UNITS * LANES>; // of the rows forms; each lane has its own
var<workgroup> sh_left: array<f32, DEPTH * TILE>; // [DEPTH, TILE]
var<workgroup> sh_right: array<f32, DEPTH * GATES * 16u>; // [DEPTH, GATES, 16]
var<workgroup> sh_h: array<f32, SHARED>; // [ROWS, H]

fn c_after(row: u32, unit: u32, t: u32) -> f32 {
    let at = (row * T + t) * SLOTS * H + unit;
    return saved[at + H] * saved[at + 4u * H] + saved[at] * saved[at + 2u * H];
}

// What a cell keeps of the past besides the product: c of an LSTM, h of a GRU.
fn state_before(row: u32, unit: u32, t: u32) -> f32 {
    if CELL < 2u { return 0.0; }
    if starts(row, t) { return initially(select(0u, 1u, CELL == 2u), row, unit); }
    if CELL == 2u { return c_after(row, unit, before(t)); }
    return y[(row * T + before(t)) * H + unit];
}

// Element k of what w multiplies. After a row's end y is 0, which is the state that a reversed row starts from unless
// it is given one.
fn left(row: u32, k: u32, t: u32) -> f32 {
    if PHASE == 1u { return saved[((row * T + t) * SLOTS + 3u) * H + k]; }
    if INITIAL && (FIRST || (REVERSE && RAGGED)) {
        if starts(row, t) { return initially(0u, row, k); }
    }
    return y[(row * T + before(t)) * H + k];
}

// The cell at one row, unit and time, from its products. Gives the new h and the new state, both of no use after the
// row's end.
fn cell(row: u32, unit: u32, t: u32, product: array<f32, GATES>, state: f32) -> vec2<f32> {
    let at = (row * T + t) * H + unit;
    let input = (row * T + t) * ALL * H + unit;
    let keep = (row * T + t) * SLOTS * H + unit;
    if t >= valid_steps(row) {
        y[at] = 0.0;
        for (var slot = 0u; slot < select(0u, SLOTS, CELL > 1u); slot++) {
            saved[keep + slot * H] = 0.0;
        }
        return vec2<f32>(state);
    }
    var a = product;
    for (var g = 0u; g < GATES; g++) {
        if BIAS { a[g] += b_hh[g * H + unit]; }
        if !(CELL == 3u && g == 2u) { a[g] += gx[input + (g + 2u * PHASE) * H]; }
    }
    var h = 0.0;
    var next = 0.0;
    switch CELL {
        case 0u: { h = tanh_safe(a[0]); }
        case 1u: { h = select(a[0], 0.0, a[0] <= 0.0); }
        case 2u: {
            let i = sigmoid(a[0]);
            let f = sigmoid(a[1 % GATES]);
            let g = tanh_safe(a[2 % GATES]);
            let o = sigmoid(a[3 % GATES]);
            next = f * state + i * g;
            h = o * tanh_safe(next);
            saved[keep] = i;
            saved[keep + H] = f;
            saved[keep + 2u * H] = g;
            saved[keep + 3u * H] = o;
            saved[keep + 4u * H] = state;
        }
        case 3u: {
            let r = sigmoid(a[0]);
            let z = sigmoid(a[1 % GATES]);
            let n = tanh_safe(gx[input + 2u * H] + r * a[2 % GATES]);
            h = n + z * (state - n);
            next = h;
            saved[keep] = r;
            saved[keep + H] = z;
            saved[keep + 2u * H] = n;
            saved[keep + 3u * H] = a[2 % GATES];
            saved[keep + 4u * H] = state;
        }
        default: {
            if PHASE == 0u {
                let r = sigmoid(a[0]);
                saved[keep] = r;
                saved[keep + H] = sigmoid(a[1 % GATES]);
                saved[keep + 3u * H] = r * state;
                saved[keep + 4u * H] = state;
                return vec2<f32>(0.0);
            }
            let n = tanh_safe(a[0]);
            h = n + saved[keep + H] * (saved[keep + 4u * H] - n);
            saved[keep + 2u * H] = n;
        }
    }
    y[at] = h;
    return vec2<f32>(h, next);
}

// ROWS rows by UNITS units, LANES apart, of one step. Every lane takes part in handing h around.
fn block(row: u32, unit: u32, lane: u32, t: u32, multiply: bool) {
    var sum: array<array<f32, GATES * UNITS>, ROWS>;
    if multiply {
        for (var k0 = 0u; k0 < H; k0 += LANES) {
            var part = array<f32, ROWS>(); // element k0 + lane of each row
            for (var i = 0u; i < ROWS; i++) {
                part[i] = select(0.0, left(min(row + i, B - 1u), min(k0 + lane, H - 1u), t), k0 + lane < H);
            }
            // A bound that the compiler does not know: written out, the loop would leave the instruction cache.
            for (var j = 0u; j < min(LANES, H - k0); j += TURN) {
                var right = array<vec4<f32>, GATES * UNITS>();
                for (var c = 0u; c < GATES * UNITS; c++) {
                    let own = (c / UNITS + 2u * PHASE) * H + min(unit + c % UNITS * LANES, H - 1u);
                    right[c] = quad_w(own * H + min(k0 + j + vec4(0u, 1u, 2u, 3u), vec4(H - 1u)));
                }
                for (var i = 0u; i < ROWS; i++) {
                    for (var k = 0u; k < TURN; k++) {
                        let value = lane_of(part[i], j + k);
                        for (var c = 0u; c < GATES * UNITS; c++) {
                            sum[i][c] = fma(value, right[c][k], sum[i][c]);
                        }
                    }
                }
            }
        }
    }
    // Through memory, so that the cell need not be written out for every row.
    for (var i = 0u; i < ROWS; i++) {
        for (var c = 0u; c < GATES * UNITS; c++) {
            sh_sum[(i * (GATES * UNITS) + c) * LANES + lane] = sum[i][c];
        }
    }
    let rows = min(ROWS, B - min(row, B));
    for (var i = 0u; i < rows; i++) {
        for (var u = 0u; u < UNITS; u++) {
            var mine = array<f32, GATES>();
            for (var g = 0u; g < GATES; g++) {
                mine[g] = sh_sum[((i * GATES + g) * UNITS + u) * LANES + lane];
            }
            if unit + u * LANES < H {
                cell(row + i, unit + u * LANES, t, mine, state_before(row + i, unit + u * LANES, t));
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn step_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>,
             @builtin(num_workgroups) groups: vec3<u32>) {
    let unit = group.x * (LANES * UNITS) + local.x;
    block((group.z * groups.y + group.y) * ROWS, unit, local.x, time(steps[0]), MULTIPLY);
}

@compute @workgroup_size(LANES)
fn sequence_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>,
                 @builtin(num_workgroups) groups: vec3<u32>) {
    for (var s = 0u; s < T; s++) {
        for (var unit = 0u; unit < H; unit += LANES * UNITS) {
            block(flat_group(group, groups) * ROWS, unit + local.x, local.x, time(s), s > 0u);
        }
        storageBarrier();
    }
}

@compute @workgroup_size(16, 16)
fn step_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let t = time(steps[0]);
    let id = local.y * 16u + local.x;
    var sum: array<array<f32, GATES>, ROWS>;
    for (var k0 = 0u; k0 < select(0u, H, MULTIPLY); k0 += DEPTH) {
        workgroupBarrier();
        for (var e = id; e < DEPTH * TILE; e += 256u) {
            let k = k0 + e % DEPTH;
            let value = left(min(group.y * TILE + e / DEPTH, B - 1u), min(k, H - 1u), t);
            sh_left[e % DEPTH * TILE + e / DEPTH] = select(0.0, value, k < H);
        }
        for (var e = id; e < DEPTH * GATES * 16u; e += 256u) {
            let column = e / DEPTH;
            let row = (column / 16u + 2u * PHASE) * H + min(group.x * 16u + column % 16u, H - 1u);
            sh_right[e % DEPTH * GATES * 16u + column] = w[row * H + min(k0 + e % DEPTH, H - 1u)];
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            for (var i = 0u; i < ROWS; i++) {
                let value = sh_left[k * TILE + i * 16u + local.y];
                for (var g = 0u; g < GATES; g++) {
                    sum[i][g] = fma(value, sh_right[(k * GATES + g) * 16u + local.x], sum[i][g]);
                }
            }
        }
    }
    let unit = group.x * 16u + local.x;
    for (var i = 0u; i < ROWS; i++) {
        let row = group.y * TILE + i * 16u + local.y;
        if row < B && unit < H {
            cell(row, unit, t, sum[i], state_before(row, unit, t));
        }
    }
}

@compute @workgroup_size(WG)
fn sequence_shared(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>,
                   @builtin(num_workgroups) groups: vec3<u32>) {
    let row = flat_group(group, groups) * ROWS;
    let unit = min(local.x, H - 1u);
    var fresh: array<f32, ROWS>;
    var state: array<f32, ROWS>;
    for (var i = 0u; i < ROWS; i++) {
        fresh[i] = initially(0u, min(row + i, B - 1u), unit);
        state[i] = initially(STATES - 1u, min(row + i, B - 1u), unit);
    }
    for (var s = 0u; s < T; s++) {
        workgroupBarrier();
        for (var i = 0u; i < ROWS; i++) {
            if local.x < H { sh_h[i * H + local.x] = fresh[i]; }
        }
        workgroupBarrier();
        var sum = array<array<f32, GATES>, ROWS>();
        for (var k = 0u; k < H; k++) {
            for (var g = 0u; g < GATES; g++) {
                let right = w[k * ALL * H + g * H + unit];
                for (var i = 0u; i < ROWS; i++) {
                    sum[i][g] = fma(sh_h[i * H + k], right, sum[i][g]);
                }
            }
        }
        for (var i = 0u; i < ROWS; i++) {
            if row + i < B && local.x < H {
                let now = cell(row + i, unit, time(s), sum[i], state[i]);
                if time(s) < valid_steps(row + i) {
                    fresh[i] = now.x;
                    state[i] = now.y;
                }
            }
        }
    }
}

@compute @workgroup_size(WG)
fn turn_w(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= ALL * H * H { return; } // guard
    turned[i] = w[i % (ALL * H) * H + i / (ALL * H)];
}

@compute @workgroup_size(WG)
fn finish(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= STATES * B * H { return; } // guard
    let state = i / (B * H);
    let row = i / H % B;
    let end = valid_steps(row);
    last[i] = initially(state, row, i % H);
    if end > 0u {
        let t = select(end - 1u, 0u, REVERSE);
        if state == 0u { last[i] = y[(row * T + t) * H + i % H]; }
        if state == 1u { last[i] = c_after(row, i % H, t); }
    }
}
