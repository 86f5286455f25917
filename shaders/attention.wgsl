// Scaled dot-product attention with grouped queries.
// Formula: s = SCALE q k^T + mask, p = softmax(s) with dropout, o = p v; lse = ln sum e^s. A row that sees no key gives 0.
// Shapes: q, o: HQ heads of TQ rows of D and DV; k, v: HKV heads of TK rows of D and DV; strides of batch, head and row are
//         constants, in elements; lengths [B]; mask [.., TQ, TK]; clock [4]: step, batch, epoch, seed; lse [B, HQ, TQ].
// Launch: forward_rows: a workgroup owns WG * ROWS query rows of one head, an invocation every WG-th of them; the LANES of a
//         subgroup share their loads of keys and values. forward_tile: a workgroup of 8 x 8 owns 32 query rows of one head
//         and walks tiles of 32 keys. Groups are folded into two dimensions.
// Source: derived in src/ops/attention.rs; Dao, arXiv:2307.08691.
// Numerics: f32; keys in ascending order; sums are rescaled whenever the row's maximum grows. forward_tile: 9.5 KiB.
// include: lib/index
// include: lib/random
// include: lib/attention
// include: lib/attention_rows
// include: lib/attention_tiles

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> lengths: array<u32>;
@group(0) @binding(4) var<storage, read> mask: array<f32>;
@group(0) @binding(5) var<storage, read> clock: array<u32>;
@group(0) @binding(6) var<storage, read_write> o: array<f32>;
@group(0) @binding(7) var<storage, read_write> lse: array<f32>;

override WG: u32 = 64u;
// From the kernel: const ROWS, LANES, D4 and DV4, a row's vec4 (forward_rows); const PARTS_V, the parts of SIDE columns of a
// row of v (forward_tile).

// Partial maxima and sums: [SIDE, 8].
var<workgroup> sh_row: array<f32, 256>;

fn length_of(batch: u32) -> u32 {
    return lengths[batch];
}

fn clock_word(i: u32) -> u32 {
    return clock[i];
}

// No early return: every lane takes part in handing keys and values around. Rows past the end repeat the last one.
@compute @workgroup_size(WG)
fn forward_rows(
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
    let lane = local % LANES;
    let seen = seen_by(batch);
    let end = select(seen, min(seen, first + WG * ROWS), CAUSAL);
    var query: array<array<vec4<f32>, D4>, ROWS>;
    var out: array<array<vec4<f32>, DV4>, ROWS>;
    var largest: array<f32, ROWS>;
    var sum: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
        let row = q_at(batch, head, min(first + r * WG + local, TQ - 1u));
        for (var c = 0u; c < D4; c++) {
            query[r][c] = q_part(row, c);
        }
        largest[r] = HIDDEN;
    }
    for (var key0 = 0u; key0 < end; key0 += LANES) {
        // Lane j holds key and value j.
        let own = min(key0 + lane, TK - 1u);
        var s = array<array<f32, LANES>, ROWS>();
        let k_row = k_at(batch, kv, own);
        for (var c = 0u; c < D4; c++) {
            let part = k_part(k_row, c);
            for (var j = 0u; j < LANES; j++) {
                let key = lane_of4(part, j);
                for (var r = 0u; r < ROWS; r++) {
                    s[r][j] += dot(query[r][c], key);
                }
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            let row = min(first + r * WG + local, TQ - 1u);
            var top = largest[r];
            for (var j = 0u; j < LANES; j++) {
                s[r][j] = score(s[r][j], batch, head, row, key0 + j, seen);
                top = max(top, s[r][j]);
            }
            let shrink = exp(largest[r] - top);
            largest[r] = top;
            sum[r] *= shrink;
            for (var c = 0u; c < DV4; c++) {
                out[r][c] *= shrink;
            }
            var kept = vec4<f32>();
            for (var j = 0u; j < LANES; j++) {
                if j % 4u == 0u {
                    kept = factors(batch, head, row, (key0 + j) / 4u);
                }
                let p = weight(s[r][j], top);
                sum[r] += p;
                s[r][j] = p * kept[(key0 + j) % 4u];
            }
        }
        let v_row = v_at(batch, kv, own);
        for (var c = 0u; c < DV4; c++) {
            let part = v_part(v_row, c);
            for (var j = 0u; j < LANES; j++) {
                let value = lane_of4(part, j);
                for (var r = 0u; r < ROWS; r++) {
                    out[r][c] = fma(vec4<f32>(s[r][j]), value, out[r][c]);
                }
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        let row = first + r * WG + local;
        if row < TQ && item == at {
            let start = o_at(batch, head, row);
            let share = select(1.0 / sum[r], 0.0, sum[r] == 0.0);
            for (var c = 0u; c < DV4; c++) {
                let values = out[r][c] * share;
                for (var i = 0u; i < 4u; i++) {
                    if 4u * c + i < DV {
                        o[start + 4u * c + i] = values[i];
                    }
                }
            }
            lse[(batch * HQ + head) * TQ + row] = select(largest[r] + log(sum[r]), 0.0, sum[r] == 0.0);
        }
    }
}

@compute @workgroup_size(WG)
fn forward_tile(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let blocks = (TQ + SIDE - 1u) / SIDE;
    let item = flat_group(group, groups);
    let at = min(item, B * HQ * blocks - 1u);
    let batch = at / blocks / HQ;
    let head = at / blocks % HQ;
    let first = at % blocks * SIDE;
    let kv = head / (HQ / HKV);
    let x = local % 8u;
    let y = local / 8u;
    let seen = seen_by(batch);
    let end = select(seen, min(seen, first + SIDE), CAUSAL);
    var out: array<array<array<f32, 4>, 4>, PARTS_V>;
    var sum: array<f32, 4>; // of this invocation's columns
    var shrink: array<f32, 4>;
    var largest = array<f32, 4>(HIDDEN, HIDDEN, HIDDEN, HIDDEN);
    for (var key0 = 0u; key0 < end; key0 += SIDE) {
        clear_tile();
        for (var d0 = 0u; d0 < D; d0 += SIDE) {
            workgroupBarrier();
            for (var e = local; e < SIDE * SIDE; e += 64u) {
                let line = e % SIDE * LINE + e / SIDE;
                sh_a[line] = q_element(batch, head, first + e / SIDE, d0 + e % SIDE);
                sh_b[line] = k_element(batch, kv, key0 + e / SIDE, d0 + e % SIDE);
            }
            workgroupBarrier();
            multiply(x, y, min(SIDE, D - d0));
        }
        for (var i = 0u; i < 4u; i++) {
            var top = HIDDEN;
            for (var j = 0u; j < 4u; j++) {
                tile[i][j] = score(tile[i][j], batch, head, first + 4u * y + i, key0 + 4u * x + j, seen);
                top = max(top, tile[i][j]);
            }
            sh_row[(4u * y + i) * 8u + x] = top;
        }
        workgroupBarrier();
        for (var i = 0u; i < 4u; i++) {
            var top = largest[i];
            for (var t = 0u; t < 8u; t++) {
                top = max(top, sh_row[(4u * y + i) * 8u + t]);
            }
            shrink[i] = exp(largest[i] - top);
            largest[i] = top;
            sum[i] *= shrink[i];
            let kept = factors(batch, head, first + 4u * y + i, key0 / 4u + x);
            for (var j = 0u; j < 4u; j++) {
                let p = weight(tile[i][j], top);
                sum[i] += p;
                sh_a[(4u * x + j) * LINE + 4u * y + i] = p * kept[j];
            }
        }
        for (var part = 0u; part < PARTS_V; part++) {
            workgroupBarrier();
            for (var e = local; e < SIDE * SIDE; e += 64u) {
                sh_b[e / SIDE * LINE + e % SIDE] = v_element(batch, kv, key0 + e / SIDE, part * SIDE + e % SIDE);
            }
            workgroupBarrier();
            clear_tile();
            multiply(x, y, SIDE);
            for (var i = 0u; i < 4u; i++) {
                for (var j = 0u; j < 4u; j++) {
                    out[part][i][j] = fma(out[part][i][j], shrink[i], tile[i][j]);
                }
            }
        }
    }
    workgroupBarrier();
    for (var i = 0u; i < 4u; i++) {
        sh_row[(4u * y + i) * 8u + x] = sum[i];
    }
    workgroupBarrier();
    for (var i = 0u; i < 4u; i++) {
        let row = first + 4u * y + i;
        var all = 0.0;
        for (var t = 0u; t < 8u; t++) {
            all += sh_row[(4u * y + i) * 8u + t];
        }
        if row < TQ && item == at {
            let share = select(1.0 / all, 0.0, all == 0.0);
            for (var part = 0u; part < PARTS_V; part++) {
                for (var j = 0u; j < 4u; j++) {
                    let col = part * SIDE + 4u * x + j;
                    if col < DV {
                        o[o_at(batch, head, row) + col] = out[part][i][j] * share;
                    }
                }
            }
            if x == 0u {
                lse[(batch * HQ + head) * TQ + row] = select(largest[i] + log(all), 0.0, all == 0.0);
            }
        }
    }
}
