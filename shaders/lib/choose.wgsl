// One of two numbers, by a condition that is not 0 or is; -0 is 0 and NaN is not.
fn chosen(condition: f32, a: f32, b: f32) -> f32 {
    return select(b, a, (bitcast<u32>(condition) & 0x7fffffffu) != 0u);
}

fn chosen4(condition: vec4<f32>, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return select(b, a, (bitcast<vec4<u32>>(condition) & vec4<u32>(0x7fffffffu)) != vec4<u32>(0u));
}
