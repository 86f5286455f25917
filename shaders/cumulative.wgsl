// Sums and products of an axis up to each element, and the scan that a product's gradient takes.
// Formula: in scan order r' = A r + B, from 0 (products: 1); MODE 0 sum: A = 1, B = x; 1 product: A = x, B = 0;
//          2 gradient: A = x, B = x d_y (EXCLUSIVE: d_y). y = r' (EXCLUSIVE: r); MODE 2: y = r + d_y (EXCLUSIVE: r).
// Shapes: x, d_y, y [LINES / INNER, LEN, INNER]; totals [PARTS, LINES, 2]: A and B of a part of PART elements; in elements.
// Launch: totals_of_parts, scan, scan_whole: one invocation per (line, part), lines fastest, folded into two dimensions.
// Source: derived in src/ops/cumulative.rs.
// Numerics: f32, a fixed order: within a part in scan order, parts in order.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;
@group(0) @binding(2) var<storage, read> totals: array<f32>;
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

override WG: u32 = 64u;
override LINES: u32;
override INNER: u32;
override LEN: u32;
override PART: u32;
override PARTS: u32;
override MODE: u32;
override EXCLUSIVE: bool;
override REVERSE: bool;

// Where step t of a line stands.
fn place(line: u32, t: u32) -> u32 {
    let k = select(t, LEN - 1u - t, REVERSE);
    return (line / INNER * LEN + k) * INNER + line % INNER;
}

// A r + B of one element; x is not multiplied where that could change a sum.
fn next(r: f32, i: u32) -> f32 {
    switch MODE {
        case 0u: { return r + x[i]; }
        case 1u: { return r * x[i]; }
        default: {
            if EXCLUSIVE {
                return x[i] * r + d_y[i];
            }
            return x[i] * (r + d_y[i]);
        }
    }
}

fn walk(line: u32, part: u32, start: f32) {
    var r = start;
    let end = min(LEN, (part + 1u) * PART);
    for (var t = part * PART; t < end; t++) {
        let i = place(line, t);
        let after = next(r, i);
        var value = after;
        if EXCLUSIVE {
            value = r;
        } else if MODE == 2u {
            value = r + d_y[i];
        }
        y[i] = value;
        r = after;
    }
}

@compute @workgroup_size(WG)
fn totals_of_parts(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let own = flat_id(id, groups);
    if own >= LINES * PARTS { return; } // guard
    let line = own % LINES;
    let part = own / LINES;
    var a = 1.0;
    var b = select(0.0, 1.0, MODE == 1u);
    let end = min(LEN, (part + 1u) * PART);
    for (var t = part * PART; t < end; t++) {
        let i = place(line, t);
        if MODE == 2u {
            a *= x[i];
        }
        b = next(b, i);
    }
    parts[2u * own] = a;
    parts[2u * own + 1u] = b;
}

@compute @workgroup_size(WG)
fn scan(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let own = flat_id(id, groups);
    if own >= LINES * PARTS { return; } // guard
    let line = own % LINES;
    let part = own / LINES;
    var r = select(0.0, 1.0, MODE == 1u);
    for (var before = 0u; before < part; before++) {
        let at = 2u * (before * LINES + line);
        switch MODE {
            case 0u: { r += totals[at + 1u]; }
            case 1u: { r *= totals[at + 1u]; }
            default: { r = totals[at] * r + totals[at + 1u]; }
        }
    }
    walk(line, part, r);
}

@compute @workgroup_size(WG)
fn scan_whole(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let line = flat_id(id, groups);
    if line >= LINES { return; } // guard
    walk(line, 0u, select(0.0, 1.0, MODE == 1u));
}
