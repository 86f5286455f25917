// Counter-based random numbers, bit for bit those of `src/tensor/random.rs`.
// Source: pcg4d, Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.

fn random_bits(key: vec4<u32>) -> vec4<u32> {
    var v = key * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4<u32>(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

// Random bits to a float in [0, 1), a multiple of 2^-24.
fn random_unit(bits: u32) -> f32 {
    return f32(bits >> 8u) * (1.0 / 16777216.0);
}

// The place of row `i` of `n` (i < n) in the shuffled order of an epoch: a
// Feistel network over 4^half_bits >= n, walked until it falls inside, which it
// does because a bijection leads every row back below `n`.
fn permute(i: u32, n: u32, seed: u32, epoch: u32, half_bits: u32) -> u32 {
    const SHUFFLE_STREAM = 0x20000000u;
    let mask = (1u << half_bits) - 1u;
    var x = i;
    loop {
        var left = x >> half_bits;
        var right = x & mask;
        for (var round = 0u; round < 4u; round++) {
            let mixed = random_bits(vec4<u32>(seed, SHUFFLE_STREAM + round, epoch, right)).x;
            let next = (left ^ (mixed >> 7u)) & mask;
            left = right;
            right = next;
        }
        x = (left << half_bits) | right;
        if x < n { break; }
    }
    return x;
}
