// Sum, mean, maximum, minimum and product over any axes.
// Formula: y[o] = SCALE * sum over the folded axes of x, or their maximum, minimum or product, as FOLD says.
// Shapes: kept and folded axes with their lengths and their strides in x, in elements; y [OUTPUTS]; parts [OUTPUTS, SPLIT].
// Launch: parts: one invocation per (output, part), OUTPUTS * SPLIT in all; total: one per output.
// Source: derived in src/ops/reduce.rs.
// Numerics: f32, a fixed order: part p adds elements p, p + SPLIT, ..; total adds the parts in order. NaN wins a maximum and a minimum.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

override WG: u32 = 64u;
override OUTPUTS: u32;
override FOLDED: u32;
override SPLIT: u32;
override SCALE: f32;
// 0 sum, 1 maximum, 2 minimum, 3 product.
override FOLD: u32;
override PARTS_INNER: bool;
// From the kernel: const KEPT_RANK, FOLDED_RANK and the arrays KEPT_LEN, KEPT_STRIDE, FOLDED_LEN, FOLDED_STRIDE.

fn kept_offset(output: u32) -> u32 {
    var len = KEPT_LEN;
    var stride = KEPT_STRIDE;
    var rest = output;
    var offset = 0u;
    // The last entry pads the arrays for scalars.
    for (var k = 1u; k < KEPT_RANK; k++) {
        let axis = KEPT_RANK - 1u - k;
        offset += rest % len[axis] * stride[axis];
        rest /= len[axis];
    }
    return offset;
}

fn folded_offset(element: u32) -> u32 {
    var len = FOLDED_LEN;
    var stride = FOLDED_STRIDE;
    var rest = element;
    var offset = 0u;
    for (var k = 1u; k < FOLDED_RANK; k++) {
        let axis = FOLDED_RANK - 1u - k;
        offset += rest % len[axis] * stride[axis];
        rest /= len[axis];
    }
    return offset;
}

fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn fold(a: f32, b: f32) -> f32 {
    switch FOLD {
        case 0u: { return a + b; }
        case 1u: { return select(a, b, (b > a && !is_nan(a)) || is_nan(b)); }
        case 2u: { return select(a, b, (b < a && !is_nan(a)) || is_nan(b)); }
        default: { return a * b; }
    }
}

@compute @workgroup_size(WG)
fn parts(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= OUTPUTS * SPLIT { return; } // guard
    var output = i / SPLIT;
    var part = i % SPLIT;
    if !PARTS_INNER {
        output = i % OUTPUTS;
        part = i / OUTPUTS;
    }
    let base = kept_offset(output);
    var sum = x[base + folded_offset(part)];
    for (var element = part + SPLIT; element < FOLDED; element += SPLIT) {
        sum = fold(sum, x[base + folded_offset(element)]);
    }
    y[output * SPLIT + part] = sum * SCALE;
}

// `x` holds the parts.
@compute @workgroup_size(WG)
fn total(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let output = flat_id(id, groups);
    if output >= OUTPUTS { return; } // guard
    var sum = x[output * SPLIT];
    for (var part = 1u; part < SPLIT; part++) {
        sum = fold(sum, x[output * SPLIT + part]);
    }
    y[output] = sum * SCALE;
}
