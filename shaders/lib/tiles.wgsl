// Products of two tiles in workgroup memory: an invocation owns 4 or 8 rows by
// 4 or 8 columns in registers, as vec4s. The kernel gives ACROSS and DOWN, the
// invocations of a workgroup, QUADS_X and QUADS_Y (1 or 2), the quads of columns
// and rows of each, and DEPTH, the tiles' share of the sum.

const WIDE: u32 = ACROSS * QUADS_X; // quads of columns of a tile
const TALL: u32 = DOWN * QUADS_Y; // quads of rows
const WG: u32 = ACROSS * DOWN;

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

// Where quad number `quad` of depth k lies in a row of the tile: turned by k, so that neighbours that store at
// different depths meet different banks.
fn turned(quad: u32, k: u32) -> u32 {
    return quad ^ (k % 8u);
}

// Adds the product of the tiles of pair `which` (0 or 1) to what an invocation at (x, y) has summed up.
fn multiply_tiles(before: Tile, which: u32, x: u32, y: u32) -> Tile {
    var sum = before;
    for (var k = 0u; k < DEPTH; k++) {
        let left = (which * DEPTH + k) * TALL;
        let right = (which * DEPTH + k) * WIDE;
        let a0 = sh_left[left + turned(y, k)];
        let b0 = sh_right[right + turned(x, k)];
        sum.s00 = outer(sum.s00, a0, b0);
        if QUADS_X == 2u {
            sum.s01 = outer(sum.s01, a0, sh_right[right + turned(x + ACROSS, k)]);
        }
        if QUADS_Y == 2u {
            let a1 = sh_left[left + turned(y + DOWN, k)];
            sum.s10 = outer(sum.s10, a1, b0);
            if QUADS_X == 2u {
                sum.s11 = outer(sum.s11, a1, sh_right[right + turned(x + ACROSS, k)]);
            }
        }
    }
    return sum;
}
