// Matrix product with few rows or few columns: the one operand that is not thin is read once, by whole workgroups.
// Formula: y = op(a) op(b) + bias; below, `thin` is the operand of at most 8 rows (op(a)) or columns (op(b)), `wide` the other.
// Shapes: a [M, K] or [K, M], b [K, N] or [N, K], y [M, N], bias [N], one after another per product;
//         STRIDE_A and STRIDE_B step from product to product, in elements, 0 where one matrix serves all.
// Launch: a workgroup owns LINES rows or columns of the wide operand in one product (z), KEYS invocations each, and all of the
//         thin one; blocks of lines run along x and, beyond the limit, y.
// Source: derived in src/ops/matmul.rs.
// Numerics: f32; each invocation adds every KEYS-th element of K, a fixed tree adds the invocations. 1 KiB of workgroup memory
//         per row of the thin operand.
// include: lib/index

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

override M: u32;
override N: u32;
override K: u32;
override STRIDE_A: u32;
override STRIDE_B: u32;
override TRANSPOSE_A: bool;
override TRANSPOSE_B: bool;
override BIAS: bool;
override THIN_A: bool; // a is the thin operand, else b
// From the kernel: const THIN, the rows of the thin operand, LINES and KEYS.

const WG: u32 = LINES * KEYS;

var<workgroup> sh_sum: array<f32, THIN * WG>;

fn of_a(product: u32, row: u32, k: u32) -> f32 {
    return a[product * STRIDE_A + select(row * K + k, k * M + row, TRANSPOSE_A)];
}

fn of_b(product: u32, col: u32, k: u32) -> f32 {
    return b[product * STRIDE_B + select(k * N + col, col * K + k, TRANSPOSE_B)];
}

@compute @workgroup_size(WG)
fn multiply(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_id) local: vec3<u32>) {
    let n_lines = select(M, N, THIN_A);
    // Neighbours run along whichever lies contiguous in the wide operand.
    let k_runs = select(!TRANSPOSE_A, TRANSPOSE_B, THIN_A);
    let key = select(local.x / LINES, local.x % KEYS, k_runs);
    let line = select(local.x % LINES, local.x / KEYS, k_runs);
    let at = flat_group(group, groups) * LINES + line;
    let known = min(at, n_lines - 1u);
    var sum: array<f32, THIN>;
    for (var k = key; k < K; k += KEYS) {
        if THIN_A {
            let wide = of_b(group.z, known, k);
            for (var t = 0u; t < THIN; t++) {
                sum[t] = fma(of_a(group.z, t, k), wide, sum[t]);
            }
        } else {
            let wide = of_a(group.z, known, k);
            for (var t = 0u; t < THIN; t++) {
                sum[t] = fma(of_b(group.z, t, k), wide, sum[t]);
            }
        }
    }
    for (var t = 0u; t < THIN; t++) {
        sh_sum[t * WG + line * KEYS + key] = sum[t];
    }
    workgroupBarrier();
    for (var span = KEYS / 2u; span > 0u; span >>= 1u) {
        if key < span {
            for (var t = 0u; t < THIN; t++) {
                let to = t * WG + line * KEYS + key;
                sh_sum[to] += sh_sum[to + span];
            }
        }
        workgroupBarrier();
    }
    // One invocation per element: THIN is at most 8, and KEYS at least that.
    if key < THIN && at < n_lines {
        let row = select(at, key, THIN_A);
        let col = select(key, at, THIN_A);
        var value = sh_sum[key * WG + line * KEYS];
        if BIAS {
            value += bias[col];
        }
        y[(group.z * M + row) * N + col] = value;
    }
}
