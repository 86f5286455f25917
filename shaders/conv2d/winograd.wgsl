// 2-D convolution with windows of 3x3 that move by one, after Winograd, for GPUs: 16 products instead of 36 for 2x2 outputs, or
// 36 instead of 144 for 4x4, for more sums and more memory. Forward, and the input gradient, which is a convolution of d_y
// with the filters turned by half a turn and their channels swapped.
// Formula: y = A^T [sum over k of (G g G^T) * (B^T d B)] A + bias, per tile of MADE x MADE outputs; * goes element by element,
//          g is a filter of plane k, d the SIDE x SIDE elements of plane k that the tile sees; POINTS = SIDE SIDE.
// Shapes: image [N, SUM, H, W]; w [ROWS, SUM, 3, 3], TURNED: [SUM, ROWS, 3, 3]; bias [ROWS]; y [N, ROWS, OH, OW];
//         filters [POINTS, SUM, 4 ROW_QUADS], windows [POINTS, SUM, 4 TILE_QUADS], products [POINTS, ROWS, 4 TILE_QUADS];
//         indices in elements, and in quads where a name ends in 4. What fills the last quads up is never looked at.
// Launch: transform_filter: an invocation owns a filter; transform_window, transform_output: a tile of a plane; WG of them per
//         workgroup, as lib/index says. multiply: z = point; a workgroup of ACROSS x DOWN owns 4 WIDE tiles by 4 TALL rows, an
//         invocation 4 QUADS_X by 4 QUADS_Y of them.
// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, algorithm 1.
// Numerics: f32, k in ascending order. Errors are a few times those of the sum itself: see src/ops/conv2d/winograd.rs.
//         Workgroup memory: 32 DEPTH (TALL + WIDE) bytes, 16 KiB at most.
// include: lib/index

@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> filters: array<f32>;
@group(0) @binding(4) var<storage, read_write> windows: array<f32>;
@group(0) @binding(5) var<storage, read> filters4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> windows4: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> products4: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read> products: array<f32>;

override N: u32;
override SUM: u32; // planes of an image that are added up: C, or O for the input gradient
override ROWS: u32; // planes that are made of them
override H: u32;
override W: u32;
override OH: u32;
override OW: u32;
// A window begins AHEAD - BACK elements after its first output.
override AHEAD_H: u32;
override AHEAD_W: u32;
override BACK_H: u32;
override BACK_W: u32;
override TURNED: bool;
override BIAS: bool;
// From the kernel: lib/winograd_2 or lib/winograd_4, which give MADE, SIDE and the transforms; lib/tiles with its constants;
// put_row, which stores the first `n` elements of a tile's row, through put4 where rows are whole quads, or else through put;
// these two, which store y.

override TILES_H: u32 = (OH + MADE - 1u) / MADE;
override TILES_W: u32 = (OW + MADE - 1u) / MADE;
override TILES: u32 = N * TILES_H * TILES_W;
override TILE_QUADS: u32 = (TILES + 3u) / 4u;
override ROW_QUADS: u32 = (ROWS + 3u) / 4u;
const LEFT_RUNS: bool = false;
const RIGHT_RUNS: bool = false;

@compute @workgroup_size(WG)
fn transform_filter(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= ROWS * SUM { return; } // guard
    let row = i % ROWS;
    let k = i / ROWS;
    let first = 9u * select(row * SUM + k, k * ROWS + row, TURNED);
    var lines: array<Line, 3>;
    for (var r = 0u; r < 3u; r++) {
        var g = vec3<f32>();
        for (var s = 0u; s < 3u; s++) {
            let tap = 3u * r + s;
            g[s] = w[first + select(tap, 8u - tap, TURNED)];
        }
        lines[r] = filter_line(g);
    }
    for (var s = 0u; s < SIDE; s++) {
        let line = filter_line(vec3(lines[0][s], lines[1][s], lines[2][s]));
        for (var r = 0u; r < SIDE; r++) {
            filters[((r * SIDE + s) * SUM + k) * (4u * ROW_QUADS) + row] = line[r];
        }
    }
}

@compute @workgroup_size(WG)
fn transform_window(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SUM * TILES { return; } // guard
    let tile = i % TILES;
    let k = i / TILES;
    let plane = (tile / (TILES_H * TILES_W) * SUM + k) * (H * W);
    // A window may begin before the image: such a position wraps to a huge number.
    let down = tile / TILES_W % TILES_H * MADE + AHEAD_H - BACK_H;
    let across = tile % TILES_W * MADE + AHEAD_W - BACK_W;
    var lines: array<Line, SIDE>;
    for (var r = 0u; r < SIDE; r++) {
        var d = Line();
        for (var s = 0u; s < SIDE; s++) {
            let inside = down + r < H && across + s < W;
            d[s] = select(0.0, image[select(0u, plane + (down + r) * W + across + s, inside)], inside);
        }
        lines[r] = window_line(d);
    }
    for (var s = 0u; s < SIDE; s++) {
        var d = Line();
        for (var r = 0u; r < SIDE; r++) {
            d[r] = lines[r][s];
        }
        let line = window_line(d);
        for (var r = 0u; r < SIDE; r++) {
            windows[((r * SIDE + s) * SUM + k) * (4u * TILE_QUADS) + tile] = line[r];
        }
    }
}

// Four rows of a point's matrix: where their elements of plane 0 lie, and whether there is one of them.
struct Left {
    at: u32,
    inside: bool,
}

// Four tiles likewise.
struct Right {
    at: u32,
    inside: bool,
}

fn left_of(z: u32, quad: u32) -> Left {
    return Left(z * (SUM * ROW_QUADS) + quad, quad < ROW_QUADS);
}

fn right_of(z: u32, quad: u32) -> Right {
    return Right(z * (SUM * TILE_QUADS) + quad, quad < TILE_QUADS);
}

fn load_left(l: Left, k: u32, end_k: u32) -> vec4<f32> {
    let inside = l.inside && k < end_k;
    return select(vec4(0.0), filters4[select(0u, l.at + k * ROW_QUADS, inside)], inside);
}

fn load_right(r: Right, k: u32, end_k: u32) -> vec4<f32> {
    let inside = r.inside && k < end_k;
    return select(vec4(0.0), windows4[select(0u, r.at + k * TILE_QUADS, inside)], inside);
}

@compute @workgroup_size(ACROSS, DOWN)
fn multiply(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    compute_tile(group.z, group.xy, local.xy, 0u, SUM);
}

fn store_row(z: u32, row: u32, first: u32, value: vec4<f32>) {
    if row < ROWS && first < TILES {
        products4[(z * ROWS + row) * TILE_QUADS + first / 4u] = value;
    }
}

@compute @workgroup_size(WG)
fn transform_output(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= ROWS * TILES { return; } // guard
    let tile = i % TILES;
    let row = i / TILES;
    var lines: array<Made, SIDE>;
    for (var r = 0u; r < SIDE; r++) {
        var m = Line();
        for (var s = 0u; s < SIDE; s++) {
            m[s] = products[((r * SIDE + s) * ROWS + row) * (4u * TILE_QUADS) + tile];
        }
        lines[r] = output_line(m);
    }
    var add = 0.0;
    if BIAS {
        add = bias[row];
    }
    var y: array<Made, MADE>;
    for (var s = 0u; s < MADE; s++) {
        var m = Line();
        for (var r = 0u; r < SIDE; r++) {
            m[r] = lines[r][s];
        }
        let line = output_line(m);
        for (var r = 0u; r < MADE; r++) {
            y[r][s] = line[r] + add;
        }
    }
    let down = tile / TILES_W % TILES_H * MADE;
    let across = tile % TILES_W * MADE;
    let plane = (tile / (TILES_H * TILES_W) * ROWS + row) * (OH * OW);
    for (var r = 0u; r < min(MADE, OH - down); r++) {
        put_row(plane + (down + r) * OW + across, min(MADE, OW - across), y[r]);
    }
}
