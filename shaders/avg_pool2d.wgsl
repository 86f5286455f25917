// Mean over windows of each plane, and its gradient.
// Formula: y[o] = sum of x over window o / n[o]; d_x[i] = sum of d_y[o] / n[o] over the windows o that contain i.
// Shapes: x, d_x [PLANES, H, W]; y, d_y [PLANES, OH, OW]; indices in elements.
// Launch: forward: one invocation per window; backward: one per element of d_x; both folded into two dimensions.
// Source: derived in src/ops/avg_pool2d.rs.
// Numerics: f32, sums in scan order, a sum per row of the window; n counts the padding if COUNT_PAD.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

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
// The plane with its padding, which may be uneven: PH and PW lie before it.
override PADDED_H: u32;
override PADDED_W: u32;
override DH: u32;
override DW: u32;
override COUNT_PAD: bool;

// The elements of window `o` of an axis that lie in the plane: the first coordinate and the end, counted from the
// padding on, in steps of the dilation. Dilation can step over a short plane: then there are none.
fn span(o: u32, stride: u32, window: u32, dilation: u32, padding: u32, len: u32) -> vec2<u32> {
    let start = o * stride;
    let skipped = (max(start, padding) - start + dilation - 1u) / dilation;
    return vec2<u32>(start + skipped * dilation, min(start + window * dilation, padding + len));
}

// How many elements window `o` of an axis counts.
fn count(o: u32, stride: u32, window: u32, dilation: u32, padding: u32, len: u32, padded: u32) -> u32 {
    var inside = span(o, stride, window, dilation, padding, len);
    if COUNT_PAD {
        inside = vec2<u32>(o * stride, min(o * stride + window * dilation, padded));
    }
    return (max(inside.y, inside.x) - inside.x + dilation - 1u) / dilation;
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = flat_id(id, groups);
    if o >= PLANES * OH * OW { return; } // guard
    let col = o % OW;
    let row = o / OW % OH;
    let plane = o / (OW * OH) * (H * W);
    let rows = span(row, SH, KH, DH, PH, H);
    let cols = span(col, SW, KW, DW, PW, W);
    var sum = 0.0;
    for (var h = rows.x; h < rows.y; h += DH) {
        let line = plane + (h - PH) * W;
        var part = 0.0;
        for (var w = cols.x; w < cols.y; w += DW) {
            part += x[line + w - PW];
        }
        sum += part;
    }
    let n = count(row, SH, KH, DH, PH, H, PADDED_H) * count(col, SW, KW, DW, PW, W, PADDED_W);
    y[o] = sum / f32(max(n, 1u));
}

// The first window that reaches `at`, a coordinate counted from the padding on.
fn first_window(at: u32, reach: u32, stride: u32) -> u32 {
    return (max(at, reach) - reach + stride - 1u) / stride;
}

// `x` holds d_y; `y` receives d_x.
@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= PLANES * H * W { return; } // guard
    let w = i % W + PW;
    let h = i / W % H + PH;
    let plane = i / (W * H) * (OH * OW);
    let row_end = min(h / SH + 1u, OH);
    let col_start = first_window(w, (KW - 1u) * DW, SW);
    let col_end = min(w / SW + 1u, OW);
    var sum = 0.0;
    for (var row = first_window(h, (KH - 1u) * DH, SH); row < row_end; row++) {
        if (h - row * SH) % DH != 0u { continue; }
        let n = count(row, SH, KH, DH, PH, H, PADDED_H);
        for (var col = col_start; col < col_end; col++) {
            if (w - col * SW) % DW != 0u { continue; }
            sum += x[plane + row * OW + col] / f32(n * count(col, SW, KW, DW, PW, W, PADDED_W));
        }
    }
    y[i] = sum;
}
