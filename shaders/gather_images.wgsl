// A batch of images out of a data set of packed bytes, normalised on the way.
// Formula: x[slot, c, p] = byte(index[slot], c, p) * scale[c] + shift[c]; 0 where index[slot] >= N.
// Shapes: data: N samples of SAMPLE bytes, four to a word, lowest first, no gaps; index [SLOTS]; x [SLOTS, C, PLANE] with C * PLANE = SAMPLE, in elements.
// Launch: one invocation per element of x (forward4: per word, SAMPLE a multiple of 4); ceil(n / WG) workgroups, folded into two dimensions.
// Source: derived in src/ops/gather_images.rs.
// Numerics: f32; byte numbers stay below 2^32.
// include: lib/index

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read> shift: array<f32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> x4: array<vec4<f32>>;

override WG: u32 = 64u;
override N: u32;
override SLOTS: u32;
override SAMPLE: u32;
override PLANE: u32;

fn normalised(value: u32, channel: u32) -> f32 {
    return f32(value) * scale[channel] + shift[channel];
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SLOTS * SAMPLE { return; } // guard
    let at = i % SAMPLE;
    let row = index[i / SAMPLE];
    var value = 0.0;
    if row < N {
        let address = row * SAMPLE + at;
        value = normalised((data[address / 4u] >> (address % 4u * 8u)) & 255u, at / PLANE);
    }
    x[i] = value;
}

@compute @workgroup_size(WG)
fn forward4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    let words = SAMPLE / 4u;
    if i >= SLOTS * words { return; } // guard
    let word = i % words;
    let row = index[i / words];
    var values = vec4<f32>(0.0);
    if row < N {
        let bytes = (vec4<u32>(data[row * words + word]) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
        let at = word * 4u;
        if PLANE % 4u == 0u {
            let channel = at / PLANE;
            values = vec4<f32>(bytes) * scale[channel] + shift[channel];
        } else {
            values = vec4<f32>(
                normalised(bytes.x, at / PLANE),
                normalised(bytes.y, (at + 1u) / PLANE),
                normalised(bytes.z, (at + 2u) / PLANE),
                normalised(bytes.w, (at + 3u) / PLANE),
            );
        }
    }
    x4[i] = values;
}
