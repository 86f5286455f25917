// Samples planes at the places that a grid names, and its gradients.
// Formula: y[n, c, o] = sum over taps i, j of wy_i wx_j x[n, c, row_i, col_j]; along an axis of length S a place v stands at
//          (v + 1) (S - 1) / 2 (ALIGN) or ((v + 1) S - 1) / 2; MODE 0 bilinear, 1 nearest, 2 bicubic; PADDING 0 zeros, 1 border, 2 reflection.
// Shapes: x, d_x [N, C, H, W]; grid, d_grid [N, OUTPUTS, 2], the column first; y, d_y [N, C, OUTPUTS]; in elements.
// Launch: forward: one invocation per element of y; backward_x: one per element of d_x, for outputs from START to END, once per such
//         range, in order; backward_grid: one per place; all folded into two dimensions.
// Source: derived in src/ops/grid_sample.rs.
// Numerics: f32, without atomics; a place that is no number has no taps.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> grid: array<f32>;
@group(0) @binding(2) var<storage, read> d_y: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_x: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_grid: array<f32>;

override WG: u32 = 64u;
override N: u32;
override C: u32;
override H: u32;
override W: u32;
override OUTPUTS: u32;
override START: u32;
override END: u32;
override MODE: u32;
override PADDING: u32;
override ALIGN: bool;

// A tap that reads nothing.
const NONE: u32 = 0xffffffffu;
const CUBIC: f32 = -0.75;

// Elements along an axis, their weights, and the weights' derivatives by the place.
struct Taps {
    at: vec4<u32>,
    weight: vec4<f32>,
    slope: vec4<f32>,
}

// A coordinate that is brought into an axis of length `size`, and its slope.
fn bounded(c: vec2<f32>, size: f32) -> vec2<f32> {
    var at = c.x;
    var slope = c.y;
    if PADDING == 0u {
        return c;
    }
    if PADDING == 2u {
        let low = select(-0.5, 0.0, ALIGN);
        let span = select(size, size - 1.0, ALIGN);
        if span <= 0.0 {
            return vec2<f32>(0.0);
        }
        let distance = abs(at - low);
        let flips = floor(distance / span);
        let rest = distance - flips * span;
        let even = floor(0.5 * flips) == 0.5 * flips;
        slope = select(-slope, slope, (at >= low) == even);
        at = select(span - rest, rest, even) + low;
    }
    if at <= 0.0 {
        return vec2<f32>(0.0);
    }
    if at >= size - 1.0 {
        return vec2<f32>(size - 1.0, 0.0);
    }
    return vec2<f32>(at, slope);
}

fn inside(c: f32, size: f32) -> u32 {
    return select(NONE, u32(clamp(c, 0.0, size)), c >= 0.0 && c < size);
}

// Of a whole coordinate that padding may move.
fn moved(c: f32, size: f32) -> u32 {
    return inside(floor(bounded(vec2<f32>(c, 0.0), size).x + 0.5), size);
}

fn cubic_near(t: f32) -> f32 {
    return ((CUBIC + 2.0) * t - (CUBIC + 3.0)) * t * t + 1.0;
}

fn cubic_far(t: f32) -> f32 {
    return ((CUBIC * t - 5.0 * CUBIC) * t + 8.0 * CUBIC) * t - 4.0 * CUBIC;
}

fn cubic_near_slope(t: f32) -> f32 {
    return (3.0 * (CUBIC + 2.0) * t - 2.0 * (CUBIC + 3.0)) * t;
}

fn cubic_far_slope(t: f32) -> f32 {
    return (3.0 * CUBIC * t - 10.0 * CUBIC) * t + 8.0 * CUBIC;
}

// The taps of place `v` on an axis.
fn taps(v: f32, length: u32) -> Taps {
    let size = f32(length);
    var c = vec2<f32>(0.5 * ((v + 1.0) * size - 1.0), 0.5 * size);
    if ALIGN {
        c = vec2<f32>(0.5 * (v + 1.0) * (size - 1.0), 0.5 * (size - 1.0));
    }
    if MODE != 2u {
        c = bounded(c, size);
    }
    // Not a number, or so far out that no integer counts it.
    if (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u || (bitcast<u32>(c.x) & 0x7fffffffu) > 0x4e6e6b28u {
        return Taps(vec4<u32>(NONE), vec4<f32>(0.0), vec4<f32>(0.0));
    }
    if MODE == 1u {
        return Taps(vec4<u32>(inside(round(c.x), size), NONE, NONE, NONE), vec4<f32>(1.0, 0.0, 0.0, 0.0), vec4<f32>(0.0));
    }
    let base = floor(c.x);
    let t = c.x - base;
    if MODE == 0u {
        let at = vec4<u32>(inside(base, size), inside(base + 1.0, size), NONE, NONE);
        return Taps(at, vec4<f32>(1.0 - t, t, 0.0, 0.0), vec4<f32>(-c.y, c.y, 0.0, 0.0));
    }
    let at = vec4<u32>(moved(base - 1.0, size), moved(base, size), moved(base + 1.0, size), moved(base + 2.0, size));
    let weight = vec4<f32>(cubic_far(t + 1.0), cubic_near(t), cubic_near(1.0 - t), cubic_far(2.0 - t));
    let slope = vec4<f32>(cubic_far_slope(t + 1.0), cubic_near_slope(t), -cubic_near_slope(1.0 - t), -cubic_far_slope(2.0 - t));
    return Taps(at, weight, slope * c.y);
}

fn element(line: u32, col: u32) -> f32 {
    if col == NONE {
        return 0.0;
    }
    return x[line + col];
}

// A row by the weights of its columns, and by their slopes.
fn along(plane: u32, row: u32, cols: Taps) -> vec2<f32> {
    if row == NONE {
        return vec2<f32>(0.0);
    }
    let line = plane + row * W;
    let values = vec4<f32>(element(line, cols.at.x), element(line, cols.at.y), element(line, cols.at.z), element(line, cols.at.w));
    return vec2<f32>(dot(values, cols.weight), dot(values, cols.slope));
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N * C * OUTPUTS { return; } // guard
    let at = 2u * (i / (C * OUTPUTS) * OUTPUTS + i % OUTPUTS);
    let cols = taps(grid[at], W);
    let rows = taps(grid[at + 1u], H);
    let plane = i / OUTPUTS * (H * W);
    var sum = along(plane, rows.at.x, cols).x * rows.weight.x;
    sum += along(plane, rows.at.y, cols).x * rows.weight.y;
    sum += along(plane, rows.at.z, cols).x * rows.weight.z;
    sum += along(plane, rows.at.w, cols).x * rows.weight.w;
    y[i] = sum;
}

// The weight with which an element counts.
fn weight_of(own: u32, t: Taps) -> f32 {
    return dot(select(vec4<f32>(0.0), t.weight, t.at == vec4<u32>(own)), vec4<f32>(1.0));
}

@compute @workgroup_size(WG)
fn backward_x(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N * C * H * W { return; } // guard
    let col = i % W;
    let row = i / W % H;
    let plane = i / (H * W);
    let places = plane / C * OUTPUTS;
    var sum = 0.0;
    if START > 0u {
        sum = d_x[i];
    }
    for (var o = START; o < END; o++) {
        let at = 2u * (places + o);
        let down = weight_of(row, taps(grid[at + 1u], H));
        if down != 0.0 {
            sum += d_y[plane * OUTPUTS + o] * down * weight_of(col, taps(grid[at], W));
        }
    }
    d_x[i] = sum;
}

@compute @workgroup_size(WG)
fn backward_grid(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N * OUTPUTS { return; } // guard
    let cols = taps(grid[2u * i], W);
    let rows = taps(grid[2u * i + 1u], H);
    var sums = vec2<f32>(0.0);
    for (var c = 0u; c < C; c++) {
        let channel = i / OUTPUTS * C + c;
        let plane = channel * (H * W);
        let a = along(plane, rows.at.x, cols);
        let b = along(plane, rows.at.y, cols);
        let d = along(plane, rows.at.z, cols);
        let e = along(plane, rows.at.w, cols);
        let across = dot(vec4<f32>(a.y, b.y, d.y, e.y), rows.weight);
        let down = dot(vec4<f32>(a.x, b.x, d.x, e.x), rows.slope);
        sums += d_y[channel * OUTPUTS + i % OUTPUTS] * vec2<f32>(across, down);
    }
    d_grid[2u * i] = sums.x;
    d_grid[2u * i + 1u] = sums.y;
}
