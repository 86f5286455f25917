// Cosine and sine of an angle, to a unit or two in the last place: WGSL itself
// promises eleven bits. The angle is a share of a full turn, so that it reduces
// to an eighth of one without a rounding error; its size is below 2^20.
// Source: the polynomials of sinf and cosf in Moshier's Cephes library.
fn turn(angle: f32) -> vec2<f32> {
    let quarters = round(angle * 4.0);
    let a = (angle * 4.0 - quarters) * 1.5707963;
    let aa = a * a;
    let sine = a + a * aa * (-0.16666655 + aa * (0.008332161 - aa * 0.00019515296));
    let cosine = 1.0 - 0.5 * aa + aa * aa * (0.041666646 + aa * (-0.0013887316 + aa * 0.000024433157));
    let quarter = bitcast<u32>(i32(quarters)) & 3u;
    let at = select(vec2<f32>(cosine, sine), vec2<f32>(-sine, cosine), (quarter & 1u) == 1u);
    return select(at, -at, (quarter & 2u) == 2u);
}
