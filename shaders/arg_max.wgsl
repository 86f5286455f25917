// Where the largest or smallest element of an axis stands.
// Formula: y[o, i] = the k for which x[o, k, i] is largest (LARGEST) or smallest; of ties the first k, or the last (LAST).
// Shapes: x [OUTPUTS / INNER, LEN, INNER]; y [OUTPUTS], with INNER running fastest; picked, parts [OUTPUTS, SPLIT]; positions along the axis.
// Launch: parts: one invocation per (output, part), OUTPUTS * SPLIT in all; total: one per output; both folded into two dimensions.
// Source: derived in src/ops/arg_max.rs.
// Numerics: compares integers of the same order; NaN wins, whether the largest or the smallest is asked for.
// include: lib/index
// include: lib/order

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> picked: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

override WG: u32 = 64u;
override OUTPUTS: u32;
override INNER: u32;
override LEN: u32;
override SPLIT: u32;
override LARGEST: bool;
override LAST: bool;

fn key_at(output: u32, k: u32) -> u32 {
    let key = order_key(x[(output / INNER * LEN + k) * INNER + output % INNER]);
    return select(~key, key, LARGEST || key == 0xffffffffu);
}

// Whether (key, k) wins over (best, at).
fn wins(key: u32, k: u32, best: u32, at: u32) -> bool {
    return key > best || (key == best && (k > at) == LAST);
}

// Part p looks at elements p, p + SPLIT, ..; neighbours read neighbours.
@compute @workgroup_size(WG)
fn parts(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= OUTPUTS * SPLIT { return; } // guard
    var output = i / SPLIT;
    var part = i % SPLIT;
    if INNER > 1u {
        output = i % OUTPUTS;
        part = i / OUTPUTS;
    }
    var at = part;
    var best = key_at(output, at);
    for (var k = part + SPLIT; k < LEN; k += SPLIT) {
        let key = key_at(output, k);
        if wins(key, k, best, at) {
            best = key;
            at = k;
        }
    }
    y[output * SPLIT + part] = at;
}

@compute @workgroup_size(WG)
fn total(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let output = flat_id(id, groups);
    if output >= OUTPUTS { return; } // guard
    var at = picked[output * SPLIT];
    var best = key_at(output, at);
    for (var part = 1u; part < SPLIT; part++) {
        let k = picked[output * SPLIT + part];
        let key = key_at(output, k);
        if wins(key, k, best, at) {
            best = key;
            at = k;
        }
    }
    y[output] = at;
}
