// A number below a bound is zero: state that decays ends there, and not among the subnormal numbers (src/ops/flush.rs).
// The bits decide, which are in the order of the magnitudes: NaN stays, whatever a compiler makes of comparisons.
fn flush(x: f32, least: f32) -> f32 {
    return select(x, 0.0, (bitcast<u32>(x) & 0x7fffffffu) < bitcast<u32>(least));
}

fn flush4(x: vec4<f32>, least: f32) -> vec4<f32> {
    let magnitude = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
    return select(x, vec4<f32>(0.0), magnitude < vec4<u32>(bitcast<u32>(least)));
}
