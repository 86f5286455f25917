// The gradient of attention for GPUs: tiles of 32 queries by 32 keys in workgroup memory.
// Formula: as in attention_grad.wgsl, whose `prepare` fills row_state.
// Shapes: as in attention_grad.wgsl.
// Launch: a workgroup of 8 x 8 owns 32 rows of one head of q (queries_tile) or of k (keys_tile) and walks tiles of 32 of the
//         other side; folded into two dimensions.
// Source: derived in src/ops/attention.rs; Dao, arXiv:2307.08691.
// Numerics: f32; the other side in ascending order, a group's heads one after another. 8 KiB of workgroup memory.
// include: lib/index
// include: lib/random
// include: lib/attention
// include: lib/attention_tiles

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> d_o: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<f32>;
@group(0) @binding(5) var<storage, read> row_state: array<u32>;
@group(0) @binding(6) var<storage, read_write> d_q: array<f32>; // all three gradients, if packed
@group(0) @binding(6) var<storage, read_write> d_k: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_v: array<f32>;

override WG: u32 = 64u;
// From the kernel: const PARTS and PARTS_V, the parts of SIDE columns of a row of q and of v; the functions store_k(at, x) and
// store_v(at, x).

fn rows_in_all() -> u32 {
    return B * HQ * TQ;
}

fn length_of(batch: u32) -> u32 {
    return row_state[2u * rows_in_all() + batch];
}

fn clock_word(i: u32) -> u32 {
    return row_state[2u * rows_in_all() + B + i];
}

fn row_number(batch: u32, head: u32, row: u32) -> u32 {
    return (batch * HQ + head) * TQ + min(row, TQ - 1u);
}

fn d_o_quad(batch: u32, head: u32, row: u32, d: u32) -> vec4<f32> {
    let j = quad_of(o_at(batch, head, min(row, TQ - 1u)), d, DV);
    return within(vec4<f32>(d_o[j.x], d_o[j.y], d_o[j.z], d_o[j.w]), d, DV);
}

fn d_o_block(batch: u32, head: u32, row: u32, d: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        d_o_quad(batch, head, row, d),
        d_o_quad(batch, head, row + 1u, d),
        d_o_quad(batch, head, row + 2u, d),
        d_o_quad(batch, head, row + 3u, d),
    );
}

// What one invocation has of a tile of pairs: rows are queries 4 y + i, columns keys 4 x + j.
struct Pairs {
    p: mat4x4<f32>, // with dropout
    d_s: mat4x4<f32>,
}

fn pairs(batch: u32, head: u32, row0: u32, key0: u32, seen: u32, local: u32) -> Pairs {
    let kv = head / (HQ / HKV);
    let x = local % 8u;
    let y = local / 8u;
    multiply_keys(batch, head, kv, row0, key0, x, y);
    let open = is_open(row0, key0, seen);
    var p: array<vec4<f32>, 4>;
    for (var i = 0u; i < 4u; i++) {
        let row = row0 + 4u * y + i;
        let shift = bitcast<f32>(row_state[row_number(batch, head, row)]);
        p[i] = weights(scores(tile[i], batch, head, row, key0 + 4u * x, seen, open), shift);
        p[i] = select(p[i], vec4<f32>(0.0), row >= TQ);
    }
    clear_tile();
    for (var d0 = 0u; d0 < DV; d0 += SIDE) {
        workgroupBarrier();
        put_a(4u * x, y, transpose(d_o_block(batch, head, row0 + 4u * y, d0 + 4u * x)));
        put_b(4u * x, y, transpose(v_block(batch, kv, key0 + 4u * y, d0 + 4u * x)));
        workgroupBarrier();
        multiply(x, y, min(SIDE, DV - d0));
    }
    for (var i = 0u; i < 4u; i++) {
        let row = row0 + 4u * y + i;
        let delta = bitcast<f32>(row_state[rows_in_all() + row_number(batch, head, row)]);
        let kept = factors(batch, head, row, key0 / 4u + x);
        tile[i] = p[i] * (tile[i] * kept - delta) * SCALE;
        p[i] *= kept;
    }
    return Pairs(mat4x4<f32>(p[0], p[1], p[2], p[3]), mat4x4<f32>(tile[0], tile[1], tile[2], tile[3]));
}

@compute @workgroup_size(WG)
fn queries_tile(
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
    let x = local % 8u;
    let y = local / 8u;
    let seen = seen_by(batch);
    let end = select(seen, min(seen, first + SIDE), CAUSAL);
    var sum: array<array<vec4<f32>, 4>, PARTS>;
    for (var key0 = 0u; key0 < end; key0 += SIDE) {
        let now = pairs(batch, head, first, key0, seen, local);
        workgroupBarrier();
        put_a(4u * x, y, transpose(now.d_s));
        for (var part = 0u; part < PARTS; part++) {
            workgroupBarrier();
            put_b(4u * y, x, k_block(batch, head / (HQ / HKV), key0 + 4u * y, part * SIDE + 4u * x));
            workgroupBarrier();
            tile = sum[part];
            multiply(x, y, SIDE);
            sum[part] = tile;
        }
    }
    for (var part = 0u; part < PARTS; part++) {
        for (var i = 0u; i < 4u; i++) {
            for (var j = 0u; j < 4u; j++) {
                let row = first + 4u * y + i;
                let col = part * SIDE + 4u * x + j;
                if row < TQ && col < D && item == at {
                    d_q[q_at(batch, head, row) + col] = sum[part][i][j];
                }
            }
        }
    }
}

@compute @workgroup_size(WG)
fn keys_tile(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let blocks = (TK + SIDE - 1u) / SIDE;
    let item = flat_group(group, groups);
    let at = min(item, B * HKV * blocks - 1u);
    let batch = at / blocks / HKV;
    let kv = at / blocks % HKV;
    let first = at % blocks * SIDE;
    let x = local % 8u;
    let y = local / 8u;
    let seen = seen_by(batch);
    // Rows above the first key see none of them, and nobody sees keys that the sample does not have.
    let start = select(0u, first, CAUSAL);
    let end = select(TQ, 0u, first >= seen);
    var sum_k: array<array<vec4<f32>, 4>, PARTS>;
    var sum_v: array<array<vec4<f32>, 4>, PARTS_V>;
    for (var head = kv * (HQ / HKV); head < (kv + 1u) * (HQ / HKV); head++) {
        for (var row0 = start; row0 < end; row0 += SIDE) {
            let now = pairs(batch, head, row0, first, seen, local);
            workgroupBarrier();
            put_a(4u * y, x, now.p);
            for (var part = 0u; part < PARTS_V; part++) {
                workgroupBarrier();
                put_b(4u * y, x, d_o_block(batch, head, row0 + 4u * y, part * SIDE + 4u * x));
                workgroupBarrier();
                tile = sum_v[part];
                multiply(x, y, SIDE);
                sum_v[part] = tile;
            }
            workgroupBarrier();
            put_a(4u * y, x, now.d_s);
            for (var part = 0u; part < PARTS; part++) {
                workgroupBarrier();
                put_b(4u * y, x, q_block(batch, head, row0 + 4u * y, part * SIDE + 4u * x));
                workgroupBarrier();
                tile = sum_k[part];
                multiply(x, y, SIDE);
                sum_k[part] = tile;
            }
        }
    }
    for (var i = 0u; i < 4u; i++) {
        let row = first + 4u * y + i;
        if row < TK && item == at {
            for (var part = 0u; part < PARTS; part++) {
                for (var j = 0u; j < 4u; j++) {
                    let col = part * SIDE + 4u * x + j;
                    if col < D { store_k(k_at(batch, kv, row) + col, sum_k[part][i][j]); }
                }
            }
            for (var part = 0u; part < PARTS_V; part++) {
                for (var j = 0u; j < 4u; j++) {
                    let col = part * SIDE + 4u * x + j;
                    if col < DV { store_v(v_at(batch, kv, row) + col, sum_v[part][i][j]); }
                }
            }
        }
    }
}
