// Rows of updates, merged into the rows of a tensor that an index names.
// Formula: y[r] = x[r], merged in order with updates[b] for all b with index[b] = r; MODE 0 replace, 1 add, 2 mul, 3 max, 4 min.
// Shapes: x, y [N, ROW]; index [B]; updates [B, ROW]; spans [N, 2]: the first and the last b of a row, which is 1 and 0 without any; in elements.
// Launch: find: one invocation per row; merge: one per element of y; both look at b from START to END, once per such range, in order.
// Source: derived in src/ops/scatter_rows.rs.
// Numerics: f32, merged in the order of b, without atomics; NaN wins a maximum and a minimum.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> updates: array<f32>;
@group(0) @binding(3) var<storage, read> spans: array<u32>;
@group(0) @binding(4) var<storage, read_write> found: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

override WG: u32 = 64u;
override N: u32;
override ROW: u32;
override START: u32;
override END: u32;
override MODE: u32;

fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn merged(a: f32, b: f32) -> f32 {
    switch MODE {
        case 0u: { return b; }
        case 1u: { return a + b; }
        case 2u: { return a * b; }
        case 3u: { return select(a, b, is_nan(b) || (b > a && !is_nan(a))); }
        default: { return select(a, b, is_nan(b) || (b < a && !is_nan(a))); }
    }
}

@compute @workgroup_size(WG)
fn find(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = flat_id(id, groups);
    if row >= N { return; } // guard
    var first = 1u;
    var last = 0u;
    if START > 0u {
        first = found[2u * row];
        last = found[2u * row + 1u];
    }
    for (var b = START; b < END; b++) {
        if index[b] == row {
            first = select(first, b, first > last);
            last = b;
        }
    }
    found[2u * row] = first;
    found[2u * row + 1u] = last;
}

@compute @workgroup_size(WG)
fn merge(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N * ROW { return; } // guard
    let row = i / ROW;
    var value = 0.0;
    if START == 0u {
        value = x[i];
    } else {
        value = y[i];
    }
    let last = spans[2u * row + 1u];
    var first = spans[2u * row];
    if MODE == 0u && first <= last {
        first = last;
    }
    let end = min(last + 1u, END);
    for (var b = max(first, START); b < end; b++) {
        if index[b] == row {
            value = merged(value, updates[b * ROW + i % ROW]);
        }
    }
    y[i] = value;
}
