// Attention's tiles in workgroup memory. The including file includes lib/attention.
//
// A tile of 32 x 32: an invocation of 8 x 8 owns 4 x 4 of it, rows 4 y + i and columns 4 x + j. Operands lie in workgroup
// memory, line after line of 8 quads, read and written by quads; the quads of a line are turned by its number, so that
// neighbours that store to different lines meet different banks.

const SIDE = 32u;
const QUADS = 8u;
var<workgroup> sh_a: array<vec4<f32>, 256>;
var<workgroup> sh_b: array<vec4<f32>, 256>;
var<private> tile: array<vec4<f32>, 4>;

fn place(line: u32, quad: u32) -> u32 {
    return line * QUADS + (quad ^ (line / 4u));
}

// Where elements d to d + 3 of a row of that width lie which begins at `at`; past its end where its last one is.
fn quad_of(at: u32, d: u32, width: u32) -> vec4<u32> {
    if width % SIDE == 0u {
        return vec4<u32>(at + d, at + d + 1u, at + d + 2u, at + d + 3u);
    }
    return min(vec4<u32>(d, d + 1u, d + 2u, d + 3u), vec4<u32>(width - 1u)) + at;
}

// Elements d to d + 3 of a row; 0 past the row's end.
fn within(quad: vec4<f32>, d: u32, width: u32) -> vec4<f32> {
    if width % SIDE == 0u {
        return quad;
    }
    return select(vec4<f32>(0.0), quad, vec4<u32>(d, d + 1u, d + 2u, d + 3u) < vec4<u32>(width));
}

// Past the last row it is the last one, which nobody keeps or sees.
fn q_quad(batch: u32, head: u32, row: u32, d: u32) -> vec4<f32> {
    let j = quad_of(q_at(batch, head, min(row, TQ - 1u)), d, D);
    return within(vec4<f32>(q[j.x], q[j.y], q[j.z], q[j.w]), d, D);
}

fn k_quad(batch: u32, head: u32, row: u32, d: u32) -> vec4<f32> {
    let j = quad_of(k_at(batch, head, min(row, TK - 1u)), d, D);
    return within(vec4<f32>(k[j.x], k[j.y], k[j.z], k[j.w]), d, D);
}

fn v_quad(batch: u32, head: u32, row: u32, d: u32) -> vec4<f32> {
    let j = quad_of(v_at(batch, head, min(row, TK - 1u)), d, DV);
    return within(vec4<f32>(v[j.x], v[j.y], v[j.z], v[j.w]), d, DV);
}

// Four quads of four neighbouring rows.
fn q_block(batch: u32, head: u32, row: u32, d: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        q_quad(batch, head, row, d),
        q_quad(batch, head, row + 1u, d),
        q_quad(batch, head, row + 2u, d),
        q_quad(batch, head, row + 3u, d),
    );
}

fn k_block(batch: u32, head: u32, row: u32, d: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        k_quad(batch, head, row, d),
        k_quad(batch, head, row + 1u, d),
        k_quad(batch, head, row + 2u, d),
        k_quad(batch, head, row + 3u, d),
    );
}

fn v_block(batch: u32, head: u32, row: u32, d: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        v_quad(batch, head, row, d),
        v_quad(batch, head, row + 1u, d),
        v_quad(batch, head, row + 2u, d),
        v_quad(batch, head, row + 3u, d),
    );
}

// Puts four quads, of lines `line` to `line + 3`, where multiply finds them.
fn put_a(line: u32, quad: u32, quads: mat4x4<f32>) {
    let at = place(line, quad);
    sh_a[at] = quads[0];
    sh_a[at + QUADS] = quads[1];
    sh_a[at + 2u * QUADS] = quads[2];
    sh_a[at + 3u * QUADS] = quads[3];
}

fn put_b(line: u32, quad: u32, quads: mat4x4<f32>) {
    let at = place(line, quad);
    sh_b[at] = quads[0];
    sh_b[at + QUADS] = quads[1];
    sh_b[at + 2u * QUADS] = quads[2];
    sh_b[at + 3u * QUADS] = quads[3];
}

fn clear_tile() {
    tile = array<vec4<f32>, 4>();
}

// tile += a^T b over the first n lines of both, and the rest of the last four, which are 0.
fn multiply(x: u32, y: u32, n: u32) {
    for (var line = 0u; line < n; line += 4u) {
        let a = place(line, y);
        let b = place(line, x);
        for (var i = 0u; i < 4u; i++) {
            let left = sh_a[a + i * QUADS];
            let right = sh_b[b + i * QUADS];
            tile[0] = fma(left.xxxx, right, tile[0]);
            tile[1] = fma(left.yyyy, right, tile[1]);
            tile[2] = fma(left.zzzz, right, tile[2]);
            tile[3] = fma(left.wwww, right, tile[3]);
        }
    }
}

// The products of the queries of a head from `row` on with the keys of a head from `key` on.
fn multiply_keys(batch: u32, head: u32, kv: u32, row: u32, key: u32, x: u32, y: u32) {
    clear_tile();
    for (var d0 = 0u; d0 < D; d0 += SIDE) {
        workgroupBarrier();
        put_a(4u * x, y, transpose(q_block(batch, head, row + 4u * y, d0 + 4u * x)));
        put_b(4u * x, y, transpose(k_block(batch, kv, key + 4u * y, d0 + 4u * x)));
        workgroupBarrier();
        multiply(x, y, min(SIDE, D - d0));
    }
}

// Whether each of the rows from `row` on sees each of the keys from `key` on, with nothing added to their scores.
fn is_open(row: u32, key: u32, seen: u32) -> bool {
    return !MASK && key + SIDE <= seen && (!CAUSAL || key + SIDE <= row + 1u);
}

// The scores of a row and four keys from their products.
fn scores(products: vec4<f32>, batch: u32, head: u32, row: u32, key: u32, seen: u32, open: bool) -> vec4<f32> {
    if open {
        let s = products * SCALE;
        return select(s, vec4<f32>(LEAST), s < vec4<f32>(LEAST));
    }
    return vec4<f32>(
        score(products.x, batch, head, row, key, seen),
        score(products.y, batch, head, row, key + 1u, seen),
        score(products.z, batch, head, row, key + 2u, seen),
        score(products.w, batch, head, row, key + 3u, seen),
    );
}

// `weight` of four keys.
fn weights(scores: vec4<f32>, shift: f32) -> vec4<f32> {
    return select(exp(scores - shift), vec4<f32>(0.0), scores < vec4<f32>(-3.2e38));
}
