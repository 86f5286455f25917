// Maximum over windows of each plane, and its gradient.
// Formula: y[o] = max of x over window o, index[o] = where in the plane; d_x[i] = sum of d_y[o] over the windows o that contain i and name it.
// Shapes: x, d_x [PLANES, H, W]; y, d_y, index [PLANES, OH, OW]; index in elements from the start of its plane.
// Launch: forward, forward_pairs: one invocation per window; backward: one per element of d_x; backward_windows, backward_pairs:
//         one per KH x KW tile; all folded into two dimensions. Pairs: windows of two columns side by side, planes of even width.
// Source: derived in src/ops/max_pool2d.rs.
// Numerics: copies bits; the first maximum wins, NaN wins; backward adds in scan order.
// include: lib/index
// From the kernel: put, which stores y of forward.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(0) var<storage, read> picked: array<u32>;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> index: array<u32>;
@group(0) @binding(4) var<storage, read> x2: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> y2: array<vec2<f32>>;

override WG: u32 = 64u;
override PLANES: u32;
override H: u32;
override W: u32;
override OH: u32;
override OW: u32;
override KH: u32;
override KW: u32;
override SH: u32;
override SW: u32;
override PH: u32;
override PW: u32;
override DH: u32;
override DW: u32;
// Every window lies inside the plane.
override INSIDE: bool;

// The index of a window that contains no element.
const NONE: u32 = 0xffffffffu;

fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = flat_id(id, groups);
    if o >= PLANES * OH * OW { return; } // guard
    let col = o % OW;
    let row = o / OW % OH;
    let plane = o / (OW * OH) * (H * W);
    var best = 0.0;
    var at = NONE;
    for (var j = 0u; j < KH; j++) {
        // Coordinates in the padding wrap to large numbers.
        let h = row * SH + j * DH - PH;
        for (var k = 0u; k < KW; k++) {
            let w = col * SW + k * DW - PW;
            if INSIDE || (h < H && w < W) {
                let v = x[plane + h * W + w];
                if at == NONE || v > best || is_nan(v) {
                    best = v;
                    at = h * W + w;
                }
            }
        }
    }
    if at == NONE {
        best = bitcast<f32>(at & 0xff800000u); // minus infinity
    }
    put(o, best);
    index[o] = at;
}

@compute @workgroup_size(WG)
fn forward_pairs(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = flat_id(id, groups);
    if o >= PLANES * OH * OW { return; } // guard
    let plane = o / (OW * OH) * (H * W);
    let first = o / OW % OH * KH * W + o % OW * 2u;
    var best = 0.0;
    var at = NONE;
    for (var j = 0u; j < KH; j++) {
        if INSIDE || first + j * W < H * W {
            let two = x2[(plane + first + j * W) / 2u];
            for (var k = 0u; k < 2u; k++) {
                if at == NONE || two[k] > best || is_nan(two[k]) {
                    best = two[k];
                    at = first + j * W + k;
                }
            }
        }
    }
    put(o, best);
    index[o] = at;
}

// The first window that reaches `at`, a coordinate counted from the padding on.
fn first_window(at: u32, reach: u32, stride: u32) -> u32 {
    return (max(at, reach) - reach + stride - 1u) / stride;
}

// `y` receives d_x.
@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= PLANES * H * W { return; } // guard
    let own = i % (H * W);
    let plane = i / (H * W) * (OH * OW);
    let h = own / W + PH;
    let w = own % W + PW;
    let row_end = min(h / SH + 1u, OH);
    let col_start = first_window(w, (KW - 1u) * DW, SW);
    let col_end = min(w / SW + 1u, OW);
    var sum = 0.0;
    for (var row = first_window(h, (KH - 1u) * DH, SH); row < row_end; row++) {
        for (var col = col_start; col < col_end; col++) {
            let o = plane + row * OW + col;
            if picked[o] == own {
                sum += d_y[o];
            }
        }
    }
    y[i] = sum;
}

// Windows side by side: each writes its own elements of d_x, which `y` receives.
@compute @workgroup_size(WG)
fn backward_windows(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    let n_rows = (H + KH - 1u) / KH;
    let n_cols = (W + KW - 1u) / KW;
    if i >= PLANES * n_rows * n_cols { return; } // guard
    let col = i % n_cols;
    let row = i / n_cols % n_rows;
    let plane = i / (n_cols * n_rows);
    // Tiles at the edge may belong to no window.
    var at = NONE;
    var d = 0.0;
    if row < OH && col < OW {
        let o = (plane * OH + row) * OW + col;
        at = picked[o];
        d = d_y[o];
    }
    for (var j = 0u; j < KH; j++) {
        let h = row * KH + j;
        for (var k = 0u; k < KW; k++) {
            let w = col * KW + k;
            if h < H && w < W {
                y[plane * (H * W) + h * W + w] = select(0.0, d, at == h * W + w);
            }
        }
    }
}

// The same for pairs; `y2` receives d_x.
@compute @workgroup_size(WG)
fn backward_pairs(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    let n_rows = (H + KH - 1u) / KH;
    if i >= PLANES * n_rows * OW { return; } // guard
    let row = i / OW % n_rows;
    let plane = i / (OW * n_rows);
    let first = row * KH * W + i % OW * 2u;
    // Tiles at the edge may belong to no window.
    var at = NONE;
    var d = 0.0;
    if row < OH {
        let o = (plane * OH + row) * OW + i % OW;
        at = picked[o];
        d = d_y[o];
    }
    for (var j = 0u; j < KH; j++) {
        let own = first + j * W;
        if own < H * W {
            y2[(plane * (H * W) + own) / 2u] = select(vec2(0.0), vec2(d), vec2(at) == vec2(own, own + 1u));
        }
    }
}
