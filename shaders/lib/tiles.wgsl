// Products of tiles in workgroup memory, for GPUs: an invocation owns 4 or 8 rows by 4 or 8 columns in registers, as
// vec4s. The kernel gives ACROSS and DOWN, the invocations of a workgroup, QUADS_X and QUADS_Y (1 or 2), the quads of
// columns and rows of each, and DEPTH, the tiles' share of the sum.
// The including file says what is multiplied. Left and Right are what it wants to know of four rows of the left matrix and
// four columns of the right one; left_of and right_of find that out, once per quad; load_left and load_right give the four
// elements at one k, zeros outside; store_row stores four neighbours; LEFT_RUNS and RIGHT_RUNS say whether neighbours in memory have neighbouring k.

const WIDE: u32 = ACROSS * QUADS_X; // quads of columns of a tile
const TALL: u32 = DOWN * QUADS_Y; // quads of rows
const TILE_ROWS: u32 = 4u * TALL;
const TILE_COLUMNS: u32 = 4u * WIDE;
const WG: u32 = ACROSS * DOWN;
const LOADS_LEFT: u32 = DEPTH * TALL / WG; // quads that an invocation loads per tile
const LOADS_RIGHT: u32 = DEPTH * WIDE / WG;

// Two tiles each: one is multiplied while the next one is loaded.
var<workgroup> sh_left: array<vec4<f32>, 2u * DEPTH * TALL>;
var<workgroup> sh_right: array<vec4<f32>, 2u * DEPTH * WIDE>;

// 4 rows of 4 columns.
struct Block {
    r0: vec4<f32>,
    r1: vec4<f32>,
    r2: vec4<f32>,
    r3: vec4<f32>,
}

// What an invocation owns: block sYX lies Y * DOWN quads down and X * ACROSS quads across from its first.
struct Tile {
    s00: Block,
    s01: Block,
    s10: Block,
    s11: Block,
}

fn outer(sum: Block, a: vec4<f32>, b: vec4<f32>) -> Block {
    return Block(fma(a.xxxx, b, sum.r0), fma(a.yyyy, b, sum.r1), fma(a.zzzz, b, sum.r2), fma(a.wwww, b, sum.r3));
}

// Where quad number `quad` of a line of `quads` lies at depth k, from a multiple of them on. Where neighbours store at
// different depths (k_runs) it is turned by k, so that they meet different banks; elsewhere all depths of a quad are one
// address and a constant.
fn turned(quad: u32, k: u32, quads: u32, k_runs: bool) -> u32 {
    return select(quad, quad ^ (k % min(quads, 8u)), k_runs);
}

// Adds the product of one pair of tiles to what the invocation at (x, y) has summed up.
fn multiply_tiles(before: Tile, pair: u32, x: u32, y: u32) -> Tile {
    var sum = before;
    let left = pair * (DEPTH * TALL) + y;
    let right = pair * (DEPTH * WIDE) + x;
    for (var k = 0u; k < DEPTH; k++) {
        let a0 = sh_left[turned(left, k, TALL, LEFT_RUNS) + k * TALL];
        let b0 = sh_right[turned(right, k, WIDE, RIGHT_RUNS) + k * WIDE];
        sum.s00 = outer(sum.s00, a0, b0);
        if QUADS_X == 2u {
            sum.s01 = outer(sum.s01, a0, sh_right[turned(right + ACROSS, k, WIDE, RIGHT_RUNS) + k * WIDE]);
        }
        if QUADS_Y == 2u {
            let a1 = sh_left[turned(left + DOWN, k, TALL, LEFT_RUNS) + k * TALL];
            sum.s10 = outer(sum.s10, a1, b0);
            if QUADS_X == 2u {
                sum.s11 = outer(sum.s11, a1, sh_right[turned(right + ACROSS, k, WIDE, RIGHT_RUNS) + k * WIDE]);
            }
        }
    }
    return sum;
}

// Which k of a tile and which quad is load number t of invocation `id`: neighbours run along whichever lies contiguous.
fn k_of(t: u32, id: u32, quads: u32, k_runs: bool) -> u32 {
    return select(t * (WG / quads) + id / quads, id % DEPTH, k_runs);
}

fn quad_of(t: u32, id: u32, quads: u32, k_runs: bool) -> u32 {
    return select(id % quads, t * (WG / DEPTH) + id / DEPTH, k_runs);
}

// The sum over k from first_k up to end_k of matrix number z, for the tile at (tile.x, tile.y) and the invocation `local`.
fn sum_tiles(z: u32, tile: vec2<u32>, local: vec2<u32>, first_k: u32, end_k: u32) -> Tile {
    let id = local.y * ACROSS + local.x;
    var left: array<Left, LOADS_LEFT>;
    var right: array<Right, LOADS_RIGHT>;
    for (var t = 0u; t < LOADS_LEFT; t++) {
        left[t] = left_of(z, tile.y * TALL + quad_of(t, id, TALL, LEFT_RUNS));
    }
    for (var t = 0u; t < LOADS_RIGHT; t++) {
        right[t] = right_of(z, tile.x * WIDE + quad_of(t, id, WIDE, RIGHT_RUNS));
    }
    var next_left: array<vec4<f32>, LOADS_LEFT>;
    var next_right: array<vec4<f32>, LOADS_RIGHT>;
    var sum: Tile;
    var pair = 0u;
    // Turn by turn: load the next tiles into registers, multiply those before, then store what was loaded. The first turn
    // multiplies nothing; the last one loads nothing, and nobody multiplies what it stores.
    for (var k0 = first_k; k0 < end_k + DEPTH; k0 += DEPTH) {
        if k0 < end_k {
            for (var t = 0u; t < LOADS_LEFT; t++) {
                next_left[t] = load_left(left[t], k0 + k_of(t, id, TALL, LEFT_RUNS), end_k);
            }
            for (var t = 0u; t < LOADS_RIGHT; t++) {
                next_right[t] = load_right(right[t], k0 + k_of(t, id, WIDE, RIGHT_RUNS), end_k);
            }
        }
        if k0 > first_k {
            sum = multiply_tiles(sum, 1u - pair, local.x, local.y);
        }
        for (var t = 0u; t < LOADS_LEFT; t++) {
            let k = k_of(t, id, TALL, LEFT_RUNS);
            let quad = quad_of(t, id, TALL, LEFT_RUNS);
            sh_left[pair * (DEPTH * TALL) + turned(quad, k, TALL, LEFT_RUNS) + k * TALL] = next_left[t];
        }
        for (var t = 0u; t < LOADS_RIGHT; t++) {
            let k = k_of(t, id, WIDE, RIGHT_RUNS);
            let quad = quad_of(t, id, WIDE, RIGHT_RUNS);
            sh_right[pair * (DEPTH * WIDE) + turned(quad, k, WIDE, RIGHT_RUNS) + k * WIDE] = next_right[t];
        }
        workgroupBarrier();
        pair = 1u - pair;
    }
    return sum;
}

// Sums over k from first_k up to end_k for matrix number z, and hands the rows of the tile to store_row.
fn compute_tile(z: u32, tile: vec2<u32>, local: vec2<u32>, first_k: u32, end_k: u32) {
    store_tile(z, tile, local, sum_tiles(z, tile, local, first_k, end_k));
}

fn store_tile(z: u32, tile: vec2<u32>, local: vec2<u32>, sum: Tile) {
    let row = tile.y * TILE_ROWS + 4u * local.y;
    let col = tile.x * TILE_COLUMNS + 4u * local.x;
    store_block(z, row, col, sum.s00);
    if QUADS_X == 2u {
        store_block(z, row, col + 4u * ACROSS, sum.s01);
    }
    if QUADS_Y == 2u {
        store_block(z, row + 4u * DOWN, col, sum.s10);
        if QUADS_X == 2u {
            store_block(z, row + 4u * DOWN, col + 4u * ACROSS, sum.s11);
        }
    }
}

fn store_block(z: u32, row: u32, col: u32, block: Block) {
    store_row(z, row, col, block.r0);
    store_row(z, row + 1u, col, block.r1);
    store_row(z, row + 2u, col, block.r2);
    store_row(z, row + 3u, col, block.r3);
}
