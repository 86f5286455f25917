// The global norm of the gradients and the factor that clips it.
// Formula: norm = sqrt(sum g^2); scale = min(1, MAX_NORM / (norm + 1e-6)), or 1 without CLIP.
//   Guarded: scale = NaN where the update is left out, and a record of it (lib/guard).
// Shapes: grads [4 * QUADS], read as vec4s; sums [2, PARTS]; norm [1]; scale [1]; loss [1]; clock [4]; record [138].
// Launch: parts: one workgroup of WG per part; total: one workgroup; parts_serial: one invocation per part; total_serial: one; the guarded ones alike.
// Source: derived in src/ops/grad_norm.rs; large elements apart: Blue, ACM TOMS 4(1), 1978.
// Numerics: f32, fixed order: invocation i adds vec4s i, i + stride, .., then a tree, then the parts. 1 KiB workgroup memory.
// include: lib/index
// include: lib/reduce
// include: lib/guard

@group(0) @binding(0) var<storage, read> grads4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(0) var<storage, read> parts_of_sum: array<f32>;
@group(0) @binding(1) var<storage, read_write> norm: array<f32>;
@group(0) @binding(2) var<storage, read_write> scale: array<f32>;
@group(0) @binding(3) var<storage, read> loss: array<f32>;
@group(0) @binding(4) var<storage, read> clock: array<u32>;
@group(0) @binding(5) var<storage, read_write> record: array<u32>;

override WG: u32 = 64u;
override QUADS: u32;
override PARTS: u32;
override CLIP: bool;
override MAX_NORM: f32;
override HOLDS: bool; // from the first update that is not finite on
override SPIKE: f32; // standard deviations; 0 for no spikes
override ACCUMULATE: u32; // batches per update
override BATCHES: u32; // per epoch

// From the kernel: lib/flush and its bounds.

// Above 2^48 elements are squared scaled by 2^-80: sums of 2^27 squares stay finite on both sides.
const LARGE: f32 = 2.81474976710656e14;
const DOWN: f32 = 8.271806125530277e-25;
const UP: f32 = 1.2089258196146292e24;

var<workgroup> sh_reduce: array<f32, WG>;

// The sums of squares of the vec4s first, first + stride, ..: medium elements, and large ones scaled down.
fn squares(first: u32, stride: u32) -> vec2<f32> {
    var medium = vec4<f32>(0.0);
    var large = vec4<f32>(0.0);
    for (var i = first; i < QUADS; i += stride) {
        let g = grads4[i];
        let small = select(vec4<f32>(0.0), g * DOWN, abs(g) > vec4<f32>(LARGE));
        // NaN is not large; infinity is, and is kept out of the medium sum.
        let plain = flush4(select(g, vec4<f32>(0.0), abs(g) > vec4<f32>(LARGE)), LEAST_SUMMED);
        medium += plain * plain;
        large += small * small;
    }
    return vec2<f32>((medium.x + medium.y) + (medium.z + medium.w), (large.x + large.y) + (large.z + large.w));
}

fn finish(medium: f32, large: f32) -> f32 {
    let rest = sqrt(medium) * DOWN;
    var length = sqrt(medium);
    if large > 0.0 {
        length = sqrt(large + rest * rest) * UP;
    }
    norm[0] = length;
    var factor = 1.0;
    if CLIP {
        factor = MAX_NORM / (length + 1e-6);
        // The bits decide: a comparison might take NaN for a number above 1.
        if (bitcast<u32>(length) & 0x7f800000u) != 0x7f800000u {
            factor = min(factor, 1.0);
        }
    }
    scale[0] = factor;
    return length;
}

fn finish_guarded(medium: f32, large: f32) {
    let length = finish(medium, large);
    if leaves_out(loss[0], length, clock[0], clock[1], clock[2]) {
        // NaN by its bits, and of a value that no compiler knows: as a constant it would be an error.
        scale[0] = bitcast<f32>(clock[0] | 0x7fc00000u);
    }
}

@compute @workgroup_size(WG)
fn parts(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(global_invocation_id) id: vec3<u32>,
) {
    let s = squares(id.x, PARTS * WG);
    let medium = reduce_sum(local, s.x);
    let large = reduce_sum(local, s.y);
    if local == 0u {
        sums[group.x] = medium;
        sums[PARTS + group.x] = large;
    }
}

// The sums of all parts, medium and large, in a tree.
fn sum_of_parts(local: u32) -> vec2<f32> {
    var s = vec2<f32>(0.0);
    for (var part = local; part < PARTS; part += WG) {
        s += vec2<f32>(parts_of_sum[part], parts_of_sum[PARTS + part]);
    }
    let medium = reduce_sum(local, s.x);
    let large = reduce_sum(local, s.y);
    return vec2<f32>(medium, large);
}

@compute @workgroup_size(WG)
fn total(@builtin(local_invocation_index) local: u32) {
    let s = sum_of_parts(local);
    if local == 0u {
        finish(s.x, s.y);
    }
}

@compute @workgroup_size(WG)
fn total_guarded(@builtin(local_invocation_index) local: u32) {
    let s = sum_of_parts(local);
    if local == 0u {
        finish_guarded(s.x, s.y);
    }
}

@compute @workgroup_size(WG)
fn parts_serial(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let part = flat_id(id, groups);
    if part >= PARTS { return; } // guard
    let s = squares(part, PARTS);
    sums[part] = s.x;
    sums[PARTS + part] = s.y;
}

// The sums of all parts, one after the other.
fn sum_of_parts_serial() -> vec2<f32> {
    var s = vec2<f32>(0.0);
    for (var part = 0u; part < PARTS; part++) {
        s += vec2<f32>(parts_of_sum[part], parts_of_sum[PARTS + part]);
    }
    return s;
}

@compute @workgroup_size(WG)
fn total_serial() {
    let s = sum_of_parts_serial();
    finish(s.x, s.y);
}

@compute @workgroup_size(WG)
fn total_serial_guarded() {
    let s = sum_of_parts_serial();
    finish_guarded(s.x, s.y);
}
