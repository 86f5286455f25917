// The largest or smallest elements of an axis, in order, and the gradient of their values.
// Formula: rank of k = how many elements stand before it: a larger (LARGEST; else smaller) one, or an equal one of lower index;
//          values[o, rank, i] = x[o, k, i] and index[o, rank, i] = k for ranks below K; d_x[o, index, i] = d_values, else 0.
// Shapes: x, d_x [ELEMENTS / INNER / LEN, LEN, INNER]; values, index, d_values the same with K for LEN, PICKED in all; ranks [PARTS, ELEMENTS].
// Launch: rank: one invocation per (part, element), each counts among PART elements; place and zero: one per element of x;
//         spread: one per picked value; all folded into two dimensions.
// Source: derived in src/ops/top_k.rs.
// Numerics: compares integers of the same order and copies bits; NaN is the largest.
// include: lib/index
// include: lib/order

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> counted: array<u32>;
@group(0) @binding(2) var<storage, read_write> ranks: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> index: array<u32>;
@group(0) @binding(5) var<storage, read> picked: array<u32>;
@group(0) @binding(6) var<storage, read> d_values: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_x: array<f32>;

override WG: u32 = 64u;
override ELEMENTS: u32;
override PICKED: u32;
override INNER: u32;
override LEN: u32;
override K: u32;
override PART: u32;
override PARTS: u32;
override LARGEST: bool;

// The larger key stands first.
fn key_of(v: f32) -> u32 {
    let key = order_key(v);
    return select(~key, key, LARGEST);
}

@compute @workgroup_size(WG)
fn rank(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= PARTS * ELEMENTS { return; } // guard
    let element = i % ELEMENTS;
    let part = i / ELEMENTS;
    let own = element / INNER % LEN;
    let line = element - own * INNER;
    let key = key_of(x[element]);
    let end = min(LEN, (part + 1u) * PART);
    var before = 0u;
    for (var k = part * PART; k < end; k++) {
        let other = key_of(x[line + k * INNER]);
        before += select(0u, 1u, other > key || (other == key && k < own));
    }
    ranks[i] = before;
}

@compute @workgroup_size(WG)
fn place(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let element = flat_id(id, groups);
    if element >= ELEMENTS { return; } // guard
    var before = 0u;
    for (var part = 0u; part < PARTS; part++) {
        before += counted[part * ELEMENTS + element];
    }
    if before < K {
        let at = (element / (INNER * LEN) * K + before) * INNER + element % INNER;
        values[at] = x[element];
        index[at] = element / INNER % LEN;
    }
}

@compute @workgroup_size(WG)
fn zero(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= ELEMENTS { return; } // guard
    d_x[i] = 0.0;
}

// No two picked values come from one element.
@compute @workgroup_size(WG)
fn spread(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= PICKED { return; } // guard
    let k = picked[i];
    if k < LEN {
        d_x[(i / (INNER * K) * LEN + k) * INNER + i % INNER] = d_values[i];
    }
}
