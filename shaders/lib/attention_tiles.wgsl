// Attention's tiles in workgroup memory. The including file includes lib/attention.

// One element of a row; 0 past the ends.
fn q_element(batch: u32, head: u32, row: u32, d: u32) -> f32 {
    if row < TQ && d < D {
        return q[q_at(batch, head, row) + d];
    }
    return 0.0;
}

fn k_element(batch: u32, head: u32, row: u32, d: u32) -> f32 {
    if row < TK && d < D {
        return k[k_at(batch, head, row) + d];
    }
    return 0.0;
}

fn v_element(batch: u32, head: u32, row: u32, d: u32) -> f32 {
    if row < TK && d < DV {
        return v[v_at(batch, head, row) + d];
    }
    return 0.0;
}

// A tile of 32 x 32: an invocation of 8 x 8 owns 4 x 4 of it, rows 4 y + i and columns 4 x + j. Operands lie in workgroup
// memory, line after line of 32, padded to 33 so that a column does not fall into one bank.
const SIDE = 32u;
const LINE = 33u;
var<workgroup> sh_a: array<f32, 1056>;
var<workgroup> sh_b: array<f32, 1056>;
var<private> tile: array<array<f32, 4>, 4>;

fn clear_tile() {
    tile = array<array<f32, 4>, 4>();
}

// tile += a^T b over the first n lines of both.
fn multiply(x: u32, y: u32, n: u32) {
    for (var line = 0u; line < n; line++) {
        var right = array<f32, 4>();
        for (var j = 0u; j < 4u; j++) {
            right[j] = sh_b[line * LINE + 4u * x + j];
        }
        for (var i = 0u; i < 4u; i++) {
            let left = sh_a[line * LINE + 4u * y + i];
            for (var j = 0u; j < 4u; j++) {
                tile[i][j] = fma(left, right[j], tile[i][j]);
            }
        }
    }
}
