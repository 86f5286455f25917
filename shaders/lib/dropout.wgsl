// The factors of elements 4 quad to 4 quad + 3 of a dropout: `scale` where the element is kept, else 0. Needs lib/random.
fn dropout_mask(seed: u32, stream: u32, step: u32, quad: u32, p: f32, scale: f32) -> vec4<f32> {
    let bits = random_bits(vec4<u32>(seed, stream, step, quad));
    let drawn = vec4<f32>(random_unit(bits.x), random_unit(bits.y), random_unit(bits.z), random_unit(bits.w));
    return select(vec4<f32>(0.0), vec4<f32>(scale), drawn >= vec4<f32>(p));
}
