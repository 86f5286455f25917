// Functions beyond the activations of lib/activation, which is included with this fragment, and their derivatives.
// Source: formulas in src/ops/unary; ranges and polynomials of Moshier's Cephes library (sinf, asinf, atanf, sinhf,
// asinhf, acoshf, atanhf), since WGSL allows its own functions of an angle an absolute error of 2^-11.
// Numerics: an angle is reduced in three steps, exact to 10^4 turns; NaN and infinity are told by their bits.

const FULL_PI: f32 = 3.141592653589793;
const HALF_PI: f32 = 1.5707963267948966;
const LN_TWO: f32 = 0.6931471805599453;

fn bits_are_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn bits_are_infinite(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) == 0x7f800000u;
}

// NaN, whatever v is; from v, because WGSL has no such constant.
fn made_nan(v: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(v) | 0x7fc00000u);
}

// Infinity with the sign of v.
fn made_infinite(v: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(v) & 0x80000000u) | 0x7f800000u);
}

// sin(v + quarters pi / 2).
fn sine_ahead(v: f32, quarters: i32) -> f32 {
    if bits_are_infinite(v) {
        return made_nan(v);
    }
    let k = round(v * 0.6366197723675814);
    var r = v - k * 1.5703125;
    r = r - k * 4.837512969970703e-4;
    r = r - k * 7.549789948768648e-8;
    let z = r * r;
    let s = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
    let c = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
    let q = (i32(k) + quarters) & 3;
    let y = select(s, c, (q & 1) == 1);
    return select(y, -y, q >= 2);
}

fn arc_sine(v: f32) -> f32 {
    let a = abs(v);
    if a > 1.0 {
        return made_nan(v);
    }
    let far = a > 0.5;
    let z = select(a * a, 0.5 * (1.0 - a), far);
    let s = select(a, sqrt(z), far);
    var p = 4.5470025998e-2 + z * (2.4181311049e-2 + z * 4.2163199048e-2);
    p = s + s * z * (1.6666752422e-1 + z * (7.4953002686e-2 + z * p));
    let y = select(p, HALF_PI - 2.0 * p, far);
    return select(y, -y, v < 0.0);
}

fn arc_cosine(v: f32) -> f32 {
    let a = abs(v);
    if a > 1.0 {
        return made_nan(v);
    }
    if a > 0.5 {
        let p = 2.0 * arc_sine(sqrt(0.5 * (1.0 - a)));
        return select(p, FULL_PI - p, v < 0.0);
    }
    return HALF_PI - arc_sine(v);
}

fn arc_tangent(v: f32) -> f32 {
    let a = abs(v);
    var t = a;
    var start = 0.0;
    if a > 2.414213562373095 {
        t = -1.0 / a;
        start = HALF_PI;
    } else if a > 0.414213562373095 {
        t = (a - 1.0) / (a + 1.0);
        start = 0.5 * HALF_PI;
    }
    let z = t * t;
    let p = -3.33329491539e-1 + z * (1.99777106478e-1 + z * (-1.38776856032e-1 + z * 8.05374449538e-2));
    let y = start + (t + t * z * p);
    return select(y, -y, v < 0.0);
}

fn hyperbolic_sine(v: f32) -> f32 {
    let z = v * v;
    let near = v + v * z * (1.66667160211e-1 + z * (8.33028376239e-3 + z * 2.03721912945e-4));
    // The root of e^|v|, which is in f32 as long as the result is.
    let root = exp(0.5 * abs(v));
    let far = 0.5 * root * root - 0.5 / (root * root);
    return select(near, select(far, -far, v < 0.0), abs(v) >= 1.0);
}

fn hyperbolic_cosine(v: f32) -> f32 {
    let root = exp(0.5 * abs(v));
    return 0.5 * root * root + 0.5 / (root * root);
}

fn area_sine(v: f32) -> f32 {
    let a = abs(v);
    let z = v * v;
    if a < 0.5 {
        let p = -1.6666288134e-1 + z * (7.4847586088e-2 + z * (-4.2699340972e-2 + z * 2.0122003309e-2));
        return v + v * z * p;
    }
    // Far out the square may leave f32 and the 1 does not count.
    let y = select(log(a + sqrt(z + 1.0)), log(a) + LN_TWO, a > 4000.0);
    return select(y, -y, v < 0.0);
}

fn area_cosine(v: f32) -> f32 {
    let t = v - 1.0;
    if t < 0.0 {
        return made_nan(v);
    }
    if t < 0.5 {
        let p = 2.6454905019e-2 + t * (-7.5272886713e-3 + t * 1.7596881071e-3);
        return sqrt(t) * (1.4142135263 + t * (-1.1784741703e-1 + t * p));
    }
    return select(log(v + sqrt(t * (v + 1.0))), log(v) + LN_TWO, v > 4000.0);
}

fn area_tangent(v: f32) -> f32 {
    let a = abs(v);
    if a > 1.0 {
        return made_nan(v);
    }
    if a == 1.0 {
        return made_infinite(v);
    }
    if a < 0.5 {
        let z = v * v;
        let p = 1.46691431730e-1 + z * (8.24370301058e-2 + z * 1.81740078349e-1);
        return v + v * z * (3.33337300303e-1 + z * (1.99782164500e-1 + z * p));
    }
    let y = 0.5 * log((1.0 + a) / (1.0 - a));
    return select(y, -y, v < 0.0);
}

// Mish's factor tanh(ln(1 + w)) for w = e^v, and its derivative by v; v at most 20.
fn mish_gate(v: f32) -> vec2<f32> {
    let w = exp(min(v, 20.0));
    let n = w * (w + 2.0);
    return vec2<f32>(n / (n + 2.0), 4.0 * w / (n + 2.0) * ((1.0 + w) / (n + 2.0)));
}

// Function number `code` of src/ops/unary, with its constants.
fn elementary(code: u32, a: f32, b: f32, v: f32) -> f32 {
    if code < 42u && bits_are_nan(v) {
        return v;
    }
    switch code {
        case 16u: { return 1.0 / v; }
        case 17u: { return sine_ahead(v, 0); }
        case 18u: { return sine_ahead(v, 1); }
        case 19u: { return sine_ahead(v, 0) / sine_ahead(v, 1); }
        case 20u: { return arc_sine(v); }
        case 21u: { return arc_cosine(v); }
        case 22u: { return arc_tangent(v); }
        case 23u: { return hyperbolic_sine(v); }
        case 24u: { return hyperbolic_cosine(v); }
        case 25u: { return area_sine(v); }
        case 26u: { return area_cosine(v); }
        case 27u: { return area_tangent(v); }
        case 28u: { return erf(v); }
        case 29u: { return ceil(v); }
        case 30u: { return floor(v); }
        case 31u: { return round(v); }
        case 32u: { return trunc(v); }
        case 33u: { return sign(v); }
        case 34u: {
            let y = a * v + b;
            return select(select(y, 1.0, y > 1.0), 0.0, y < 0.0);
        }
        case 35u: { return v / (1.0 + abs(v)); }
        case 36u: { return select(v * mish_gate(v).x, v, v > 20.0); }
        case 37u: {
            let t = v / a;
            return select(a * select(exp(t) - 1.0, exp_m1(t), t < 0.1), v, v > 0.0);
        }
        case 38u: {
            let y = select(v, a, v < a);
            return select(y, b, y > b);
        }
        case 39u: { return select(v, a, v < a); }
        case 40u: { return select(v, b, v > b); }
        case 41u: { return v; }
        case 42u: { return select(0.0, v, v > a); }
        case 43u: { return select(select(0.0, v - b, v > a), v + b, v < -a); }
        case 44u: { return select(0.0, 1.0, bits_are_nan(v)); }
        case 45u: { return select(0.0, select(b, a, bitcast<u32>(v) == 0xff800000u), bits_are_infinite(v)); }
        default: { return select(0.0, 1.0, v == 0.0); }
    }
}

// Its derivative, at what the backward pass keeps.
fn elementary_slope(code: u32, a: f32, b: f32, s: f32) -> f32 {
    switch code {
        case 16u: { return -s * s; }
        case 17u: { return sine_ahead(s, 1); }
        case 18u: { return -sine_ahead(s, 0); }
        case 19u: { return 1.0 + s * s; }
        case 20u: { return 1.0 / sqrt((1.0 - s) * (1.0 + s)); }
        case 21u: { return -1.0 / sqrt((1.0 - s) * (1.0 + s)); }
        case 22u: { return 1.0 / (1.0 + s * s); }
        case 23u: { return hyperbolic_cosine(s); }
        case 24u: { return hyperbolic_sine(s); }
        case 25u: { return 1.0 / sqrt(1.0 + s * s); }
        case 26u: { return 1.0 / sqrt((s - 1.0) * (s + 1.0)); }
        case 27u: { return 1.0 / ((1.0 - s) * (1.0 + s)); }
        case 28u: { return exp(-s * s) * 1.1283791670955126; }
        case 34u: {
            let y = a * s + b;
            return select(0.0, a, y > 0.0 && y < 1.0);
        }
        case 35u: {
            let y = 1.0 / (1.0 + abs(s));
            return y * y;
        }
        case 36u: {
            let gate = mish_gate(s);
            return select(gate.x + s * gate.y, 1.0, s > 20.0);
        }
        case 37u: { return select(exp(s / a), 1.0, s > 0.0); }
        case 38u: { return select(0.0, 1.0, s >= a && s <= b); }
        case 39u: { return select(0.0, 1.0, s >= a); }
        case 40u: { return select(0.0, 1.0, s <= b); }
        case 41u: { return 1.0; }
        case 42u: { return select(0.0, 1.0, s > a); }
        case 43u: { return select(0.0, 1.0, s < -a || s > a); }
        default: { return 0.0; }
    }
}
