// The gradient of attention: d_q, d_k and d_v, without storing scores.
// Formula: p = e^(s - lse), with dropout's factors m and delta = sum d_o o: d_v = (m p)^T d_o, d_s = p (m d_o v^T - delta),
//          d_q = SCALE d_s k, d_k = SCALE d_s^T q; d_k and d_v sum over the queries of all heads of their group.
// Shapes: as in attention.wgsl; gradients as their tensors; row_state [2 R + B + 4] with R = B HQ TQ: the bits of lse and delta,
//         lengths, clock, in one tensor, because eight bindings are all that WebGPU guarantees.
// Launch: prepare: an invocation per query row. queries_rows and keys_rows: a workgroup owns WG * ROWS rows of one head of q or
//         of k, an invocation every WG-th of them; LANES share their loads of the other side. Folded into two dimensions.
//         Tiles for GPUs: attention_grad_tiles.wgsl.
// Source: derived in src/ops/attention.rs; Dao, arXiv:2307.08691.
// Numerics: f32; the other side in ascending order, a group's heads one after another.
// include: lib/index
// include: lib/random
// include: lib/attention
// include: lib/attention_rows

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> d_o: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<f32>;
@group(0) @binding(5) var<storage, read> row_state: array<u32>;
@group(0) @binding(6) var<storage, read_write> d_q: array<f32>; // all three gradients, if packed
@group(0) @binding(6) var<storage, read_write> d_k: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_v: array<f32>;
@group(0) @binding(0) var<storage, read> o: array<f32>;
@group(0) @binding(1) var<storage, read> lse: array<f32>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;
@group(0) @binding(4) var<storage, read> clock: array<u32>;
@group(0) @binding(7) var<storage, read_write> state: array<u32>;

override WG: u32 = 64u;
// From the kernel: const ROWS, LANES, D4 and DV4, a row's vec4; the functions store_k(at, x) and store_v(at, x).

fn rows_in_all() -> u32 {
    return B * HQ * TQ;
}

fn length_of(batch: u32) -> u32 {
    return row_state[2u * rows_in_all() + batch];
}

fn clock_word(i: u32) -> u32 {
    return row_state[2u * rows_in_all() + B + i];
}

fn lse_of(row: u32) -> f32 {
    return bitcast<f32>(row_state[row]);
}

fn delta_of(row: u32) -> f32 {
    return bitcast<f32>(row_state[rows_in_all() + row]);
}

fn row_number(batch: u32, head: u32, row: u32) -> u32 {
    return (batch * HQ + head) * TQ + min(row, TQ - 1u);
}

fn d_o_part(at: u32, c: u32) -> vec4<f32> {
    let i = min(vec4<u32>(4u * c) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(DV - 1u));
    let x = vec4<f32>(d_o[at + i.x], d_o[at + i.y], d_o[at + i.z], d_o[at + i.w]);
    return select(vec4<f32>(0.0), x, vec4<u32>(4u * c) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(DV));
}

@compute @workgroup_size(WG)
fn prepare(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = flat_id(id, groups);
    if row < B {
        state[2u * rows_in_all() + row] = TK;
        if LENGTHS {
            state[2u * rows_in_all() + row] = lengths[row];
        }
    }
    if DROPOUT && row < 4u {
        state[2u * rows_in_all() + B + row] = clock[row];
    }
    if row >= rows_in_all() { return; } // guard
    let at = o_at(row / TQ / HQ, row / TQ % HQ, row % TQ);
    var delta = 0.0;
    for (var d = 0u; d < DV; d++) {
        delta = fma(o[at + d], d_o[at + d], delta);
    }
    state[row] = bitcast<u32>(lse[row]);
    state[rows_in_all() + row] = bitcast<u32>(delta);
}

// No early return: every lane takes part in handing rows around. Rows past the end repeat the last one.
@compute @workgroup_size(WG)
fn queries_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let blocks = (TQ + WG * ROWS - 1u) / (WG * ROWS);
    let item = flat_group(group, groups);
    let at = min(item, B * HQ * blocks - 1u);
    let batch = at / blocks / HQ;
    let head = at / blocks % HQ;
    let first = at % blocks * (WG * ROWS);
    let kv = head / (HQ / HKV);
    let seen = seen_by(batch);
    let end = select(seen, min(seen, first + WG * ROWS), CAUSAL);
    var query: array<array<vec4<f32>, D4>, ROWS>;
    var cotangent: array<array<vec4<f32>, DV4>, ROWS>;
    var sum: array<array<vec4<f32>, D4>, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
        let row = min(first + r * WG + local, TQ - 1u);
        for (var c = 0u; c < D4; c++) {
            query[r][c] = q_part(q_at(batch, head, row), c);
        }
        for (var c = 0u; c < DV4; c++) {
            cotangent[r][c] = d_o_part(o_at(batch, head, row), c);
        }
    }
    for (var key0 = 0u; key0 < end; key0 += LANES) {
        // Lane j holds key and value j.
        let own = min(key0 + local % LANES, TK - 1u);
        var keys = array<vec4<f32>, D4>();
        var s = array<array<f32, LANES>, ROWS>();
        var d_p = array<array<f32, LANES>, ROWS>();
        for (var c = 0u; c < D4; c++) {
            keys[c] = k_part(k_at(batch, kv, own), c);
            for (var j = 0u; j < LANES; j++) {
                let key = lane_of4(keys[c], j);
                for (var r = 0u; r < ROWS; r++) {
                    s[r][j] += dot(query[r][c], key);
                }
            }
        }
        for (var c = 0u; c < DV4; c++) {
            let part = v_part(v_at(batch, kv, own), c);
            for (var j = 0u; j < LANES; j++) {
                let value = lane_of4(part, j);
                for (var r = 0u; r < ROWS; r++) {
                    d_p[r][j] += dot(cotangent[r][c], value);
                }
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            let row = min(first + r * WG + local, TQ - 1u);
            let number = row_number(batch, head, row);
            let shift = lse_of(number);
            let delta = delta_of(number);
            var kept = vec4<f32>();
            for (var j = 0u; j < LANES; j++) {
                if j % 4u == 0u {
                    kept = factors(batch, head, row, (key0 + j) / 4u);
                }
                let p = weight(score(s[r][j], batch, head, row, key0 + j, seen), shift);
                s[r][j] = p * (d_p[r][j] * kept[(key0 + j) % 4u] - delta) * SCALE;
            }
        }
        for (var c = 0u; c < D4; c++) {
            for (var j = 0u; j < LANES; j++) {
                let key = lane_of4(keys[c], j);
                for (var r = 0u; r < ROWS; r++) {
                    sum[r][c] = fma(vec4<f32>(s[r][j]), key, sum[r][c]);
                }
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        let row = first + r * WG + local;
        if row < TQ && item == at {
            for (var c = 0u; c < D4; c++) {
                for (var i = 0u; i < 4u; i++) {
                    if 4u * c + i < D { d_q[q_at(batch, head, row) + 4u * c + i] = sum[r][c][i]; }
                }
            }
        }
    }
}

@compute @workgroup_size(WG)
fn keys_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let blocks = (TK + WG * ROWS - 1u) / (WG * ROWS);
    let item = flat_group(group, groups);
    let at = min(item, B * HKV * blocks - 1u);
    let batch = at / blocks / HKV;
    let kv = at / blocks % HKV;
    let first = at % blocks * (WG * ROWS);
    let seen = seen_by(batch);
    // Rows above the first key see none of them, and nobody sees keys that the sample does not have.
    let start = select(0u, first / LANES * LANES, CAUSAL);
    let end = select(TQ, 0u, first >= seen);
    var key: array<array<vec4<f32>, D4>, ROWS>;
    var value: array<array<vec4<f32>, DV4>, ROWS>;
    var sum_k: array<array<vec4<f32>, D4>, ROWS>;
    var sum_v: array<array<vec4<f32>, DV4>, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
        let row = min(first + r * WG + local, TK - 1u);
        for (var c = 0u; c < D4; c++) {
            key[r][c] = k_part(k_at(batch, kv, row), c);
        }
        for (var c = 0u; c < DV4; c++) {
            value[r][c] = v_part(v_at(batch, kv, row), c);
        }
    }
    for (var head = kv * (HQ / HKV); head < (kv + 1u) * (HQ / HKV); head++) {
        for (var row0 = start; row0 < end; row0 += LANES) {
            // Lane j holds query j.
            let own = min(row0 + local % LANES, TQ - 1u);
            var query = array<vec4<f32>, D4>();
            var cotangent = array<vec4<f32>, DV4>();
            var s = array<array<f32, LANES>, ROWS>();
            var d_p = array<array<f32, LANES>, ROWS>();
            for (var c = 0u; c < D4; c++) {
                query[c] = q_part(q_at(batch, head, own), c);
                for (var j = 0u; j < LANES; j++) {
                    let part = lane_of4(query[c], j);
                    for (var r = 0u; r < ROWS; r++) {
                        s[r][j] += dot(key[r][c], part);
                    }
                }
            }
            for (var c = 0u; c < DV4; c++) {
                cotangent[c] = d_o_part(o_at(batch, head, own), c);
                for (var j = 0u; j < LANES; j++) {
                    let part = lane_of4(cotangent[c], j);
                    for (var r = 0u; r < ROWS; r++) {
                        d_p[r][j] += dot(value[r][c], part);
                    }
                }
            }
            let own_shift = lse_of(row_number(batch, head, own));
            let own_delta = delta_of(row_number(batch, head, own));
            for (var j = 0u; j < LANES; j++) {
                let row = row0 + j;
                let shift = lane_of(own_shift, j);
                let delta = lane_of(own_delta, j);
                for (var r = 0u; r < ROWS; r++) {
                    let number = first + r * WG + local;
                    let all = weight(score(s[r][j], batch, head, row, number, seen), shift);
                    let p = select(all, 0.0, row >= TQ);
                    let kept = factors(batch, head, row, number / 4u)[number % 4u];
                    s[r][j] = p * kept;
                    d_p[r][j] = p * (d_p[r][j] * kept - delta) * SCALE;
                }
            }
            for (var j = 0u; j < LANES; j++) {
                for (var c = 0u; c < DV4; c++) {
                    let part = lane_of4(cotangent[c], j);
                    for (var r = 0u; r < ROWS; r++) {
                        sum_v[r][c] = fma(vec4<f32>(s[r][j]), part, sum_v[r][c]);
                    }
                }
                for (var c = 0u; c < D4; c++) {
                    let part = lane_of4(query[c], j);
                    for (var r = 0u; r < ROWS; r++) {
                        sum_k[r][c] = fma(vec4<f32>(d_p[r][j]), part, sum_k[r][c]);
                    }
                }
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        let row = first + r * WG + local;
        if row < TK && item == at {
            // Loops of at most 32 turns, which drivers unroll, so that sums stay in registers.
            for (var c = 0u; c < D4; c++) {
                for (var i = 0u; i < 4u; i++) {
                    if 4u * c + i < D { store_k(k_at(batch, kv, row) + 4u * c + i, sum_k[r][c][i]); }
                }
            }
            for (var c = 0u; c < DV4; c++) {
                for (var i = 0u; i < 4u; i++) {
                    if 4u * c + i < DV { store_v(v_at(batch, kv, row) + 4u * c + i, sum_v[r][c][i]); }
                }
            }
        }
    }
}
