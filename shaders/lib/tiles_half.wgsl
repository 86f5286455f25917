enable f16;
enable wgpu_cooperative_matrix;
// As lib/tiles, with the same functions asked of the including file, for devices that multiply matrices of 16x16 by
// subgroups: factors are rounded to f16 as they are staged, sums are f32. A workgroup of 4 subgroups owns 64x64 elements, a
// subgroup 32x32 of them, as four cooperative matrices. The kernel gives ACROSS, the invocations of a workgroup (DOWN is
// 1), and DEPTH, a multiple of 16.
// No subgroup operation and no subgroup id may stand here: with them NVIDIA's compiler ends the process.

const SIDE: u32 = 64u;
const TILE_ROWS: u32 = SIDE;
const TILE_COLUMNS: u32 = SIDE;
const WG: u32 = ACROSS * DOWN;
const LANES: u32 = WG / 4u; // of a subgroup
const QUADS: u32 = SIDE / 4u;
const LOADS: u32 = DEPTH * QUADS / WG; // quads that an invocation loads per tile

alias Factor = coop_mat16x16<f16, A>;
alias Other = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

var<workgroup> sh_left: array<f16, SIDE * DEPTH>; // [row, k]
var<workgroup> sh_right: array<f16, DEPTH * SIDE>; // [k, column]
var<workgroup> sh_sum: array<f32, 4u * 256u>; // a cooperative matrix per subgroup

// Which k of a tile and which quad load number e is: neighbours run along whichever lies contiguous.
fn k_of(e: u32, k_runs: bool) -> u32 {
    return select(e / QUADS, e % DEPTH, k_runs);
}

fn quad_of(e: u32, k_runs: bool) -> u32 {
    return select(e % QUADS, e / DEPTH, k_runs);
}

// Sums over k from first_k up to end_k for matrix number z, and hands the rows of the tile to store_row.
fn compute_tile(z: u32, tile: vec2<u32>, local: vec2<u32>, first_k: u32, end_k: u32) {
    let id = local.x;
    let subgroup = id / LANES;
    let down = subgroup / 2u * 32u;
    let across = subgroup % 2u * 32u;
    var left: array<Left, LOADS>;
    var right: array<Right, LOADS>;
    for (var t = 0u; t < LOADS; t++) {
        left[t] = left_of(z, tile.y * QUADS + quad_of(t * WG + id, LEFT_RUNS));
        right[t] = right_of(z, tile.x * QUADS + quad_of(t * WG + id, RIGHT_RUNS));
    }
    var s00: Sum;
    var s01: Sum;
    var s10: Sum;
    var s11: Sum;
    for (var k0 = first_k; k0 < end_k; k0 += DEPTH) {
        workgroupBarrier();
        for (var t = 0u; t < LOADS; t++) {
            let k_left = k_of(t * WG + id, LEFT_RUNS);
            let row = 4u * quad_of(t * WG + id, LEFT_RUNS);
            let a = load_left(left[t], k0 + k_left, end_k);
            sh_left[row * DEPTH + k_left] = f16(a.x);
            sh_left[(row + 1u) * DEPTH + k_left] = f16(a.y);
            sh_left[(row + 2u) * DEPTH + k_left] = f16(a.z);
            sh_left[(row + 3u) * DEPTH + k_left] = f16(a.w);
            let k_right = k_of(t * WG + id, RIGHT_RUNS);
            let col = k_right * SIDE + 4u * quad_of(t * WG + id, RIGHT_RUNS);
            let b = load_right(right[t], k0 + k_right, end_k);
            sh_right[col] = f16(b.x);
            sh_right[col + 1u] = f16(b.y);
            sh_right[col + 2u] = f16(b.z);
            sh_right[col + 3u] = f16(b.w);
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k += 16u) {
            let a0 = coopLoadT<Factor>(&sh_left[down * DEPTH + k], DEPTH);
            let a1 = coopLoadT<Factor>(&sh_left[(down + 16u) * DEPTH + k], DEPTH);
            let b0 = coopLoadT<Other>(&sh_right[k * SIDE + across], SIDE);
            let b1 = coopLoadT<Other>(&sh_right[k * SIDE + across + 16u], SIDE);
            s00 = coopMultiplyAdd(a0, b0, s00);
            s01 = coopMultiplyAdd(a0, b1, s01);
            s10 = coopMultiplyAdd(a1, b0, s10);
            s11 = coopMultiplyAdd(a1, b1, s11);
        }
    }
    // One matrix of each subgroup at a time passes through workgroup memory, since edges are no whole matrices.
    let at = vec2(64u * tile.x + across, 64u * tile.y + down);
    coopStoreT(s00, &sh_sum[subgroup * 256u], 16u);
    store_part(z, at, subgroup, id % LANES);
    coopStoreT(s01, &sh_sum[subgroup * 256u], 16u);
    store_part(z, at + vec2(16u, 0u), subgroup, id % LANES);
    coopStoreT(s10, &sh_sum[subgroup * 256u], 16u);
    store_part(z, at + vec2(0u, 16u), subgroup, id % LANES);
    coopStoreT(s11, &sh_sum[subgroup * 256u], 16u);
    store_part(z, at + vec2(16u, 16u), subgroup, id % LANES);
}

fn store_part(z: u32, at: vec2<u32>, subgroup: u32, lane: u32) {
    workgroupBarrier();
    for (var i = lane; i < 64u; i += LANES) {
        let first = subgroup * 256u + 4u * i;
        let value = vec4(sh_sum[first], sh_sum[first + 1u], sh_sum[first + 2u], sh_sum[first + 3u]);
        store_row(z, at.y + i / 4u, at.x + 4u * (i % 4u), value);
    }
    workgroupBarrier();
}
