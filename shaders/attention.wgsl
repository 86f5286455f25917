// Scaled dot-product attention with grouped queries.
// Formula: s = SCALE q k^T + mask, p = softmax(s) with dropout, o = p v; lse = ln sum e^s. A row that sees no key gives 0.
// Shapes: q, o: HQ heads of TQ rows of D and DV; k, v: HKV heads of TK rows of D and DV; strides of batch, head and row are
//         constants, in elements; lengths [B]; mask [.., TQ, TK]; clock [4]: step, batch, epoch, seed; lse [B, HQ, TQ].
// Launch: forward_rows: a workgroup owns WG * ROWS query rows of one head, an invocation every WG-th of them; the LANES of a
//         subgroup share their loads of keys and values. forward_tile: a workgroup of 8 x 8 owns 32 query rows of one head
//         and walks tiles of 32 keys. Groups are folded into two dimensions.
// Source: derived in src/ops/attention.rs; Dao, arXiv:2307.08691.
// Numerics: f32; keys in ascending order; sums are rescaled whenever the row's maximum grows. forward_tile: 9 KiB.
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

// Partial maxima and sums of four rows: [SIDE / 4, 8].
var<workgroup> sh_row: array<vec4<f32>, 64>;

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
    var out: array<array<vec4<f32>, 4>, PARTS_V>;
    var sum = vec4<f32>(); // of this invocation's columns
    var largest = vec4<f32>(HIDDEN);
    for (var key0 = 0u; key0 < end; key0 += SIDE) {
        multiply_keys(batch, head, kv, first, key0, x, y);
        let open = is_open(first, key0, seen);
        var top = vec4<f32>();
        for (var i = 0u; i < 4u; i++) {
            tile[i] = scores(tile[i], batch, head, first + 4u * y + i, key0 + 4u * x, seen, open);
            top[i] = max(max(tile[i].x, tile[i].y), max(tile[i].z, tile[i].w));
        }
        sh_row[8u * y + x] = top;
        workgroupBarrier();
        top = largest;
        for (var t = 0u; t < 8u; t++) {
            top = max(top, sh_row[8u * y + t]);
        }
        let shrink = exp(largest - top);
        largest = top;
        sum *= shrink;
        for (var i = 0u; i < 4u; i++) {
            let p = weights(tile[i], top[i]);
            sum[i] += p.x + p.y + p.z + p.w;
            tile[i] = p * factors(batch, head, first + 4u * y + i, key0 / 4u + x);
        }
        put_a(4u * x, y, transpose(mat4x4<f32>(tile[0], tile[1], tile[2], tile[3])));
        for (var part = 0u; part < PARTS_V; part++) {
            workgroupBarrier();
            put_b(4u * y, x, v_block(batch, kv, key0 + 4u * y, part * SIDE + 4u * x));
            workgroupBarrier();
            clear_tile();
            multiply(x, y, SIDE);
            for (var i = 0u; i < 4u; i++) {
                out[part][i] = fma(out[part][i], vec4<f32>(shrink[i]), tile[i]);
            }
        }
    }
    workgroupBarrier();
    sh_row[8u * y + x] = sum;
    workgroupBarrier();
    var all = vec4<f32>();
    for (var t = 0u; t < 8u; t++) {
        all += sh_row[8u * y + t];
    }
    for (var i = 0u; i < 4u; i++) {
        let row = first + 4u * y + i;
        if row < TQ && item == at {
            let share = select(1.0 / all[i], 0.0, all[i] == 0.0);
            for (var part = 0u; part < PARTS_V; part++) {
                for (var j = 0u; j < 4u; j++) {
                    let col = part * SIDE + 4u * x + j;
                    if col < DV {
                        o[o_at(batch, head, row) + col] = out[part][i][j] * share;
                    }
                }
            }
            if x == 0u {
                lse[(batch * HQ + head) * TQ + row] = select(largest[i] + log(all[i]), 0.0, all[i] == 0.0);
            }
        }
    }
}
