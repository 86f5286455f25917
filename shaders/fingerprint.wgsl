// Sums of integers that are mixed from the bits of the elements of parts of a tensor, and from their places.
// Formula: sums[p, h] = sum over k < length of mix_h(bits(x[start + k]), first + k), modulo 2^32; parts[p] = (start, length, first).
// Shapes: x [LEN]; parts [PARTS, 3], lengths of at most PART; sums [PARTS, 2].
// Launch: one invocation per part, folded into two dimensions.
// Source: Wellons, lowbias32, 2018; src/ops/fingerprint.rs.
// Numerics: integers alone; the same on every device, whatever the order.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> parts: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;

override WG: u32 = 64u;
override PARTS: u32;
override LEN: u32;
override PART: u32;

fn scramble(n: u32) -> u32 {
    var m = (n ^ (n >> 16u)) * 0x7feb352du;
    m = (m ^ (m >> 15u)) * 0x846ca68bu;
    return m ^ (m >> 16u);
}

@compute @workgroup_size(WG)
fn sum(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let p = flat_id(id, groups);
    if p >= PARTS { return; } // guard
    let start = min(parts[3u * p], LEN);
    let length = min(min(parts[3u * p + 1u], PART), LEN - start);
    let first = parts[3u * p + 2u];
    var even = 0u;
    var odd = 0u;
    for (var k = 0u; k < length; k += 1u) {
        let bits = bitcast<u32>(x[start + k]);
        let place = first + k;
        even += scramble(bits ^ scramble(place));
        odd += scramble(bits + place * 0x9e3779b9u + 0x85ebca6bu);
    }
    sums[2u * p] = even;
    sums[2u * p + 1u] = odd;
}
