// Activations and their derivatives.
// Source: formulas in src/ops/unary.rs; erf after Eigen's rational approximation.

const SQRT_HALF: f32 = 0.7071067811865476;
const INV_SQRT_TAU: f32 = 0.3989422804014327;
const GELU_C: f32 = 0.7978845608028654;
const GELU_CUBE: f32 = 0.044715;

fn erf(v: f32) -> f32 {
    let t = clamp(v, -4.0, 4.0);
    let q = t * t;
    var p = -2.72614225801306e-10;
    p = fma(p, q, 2.77068142495902e-08);
    p = fma(p, q, -2.10102402082508e-06);
    p = fma(p, q, -5.69250639462346e-05);
    p = fma(p, q, -7.34990630326855e-04);
    p = fma(p, q, -2.95459980854025e-03);
    p = fma(p, q, -1.60960333262415e-02);
    var d = -1.45660718464996e-05;
    d = fma(d, q, -2.13374055278905e-04);
    d = fma(d, q, -1.68282697438203e-03);
    d = fma(d, q, -7.37332916720468e-03);
    d = fma(d, q, -1.42647390514189e-02);
    return t * p / d;
}

fn sigmoid(v: f32) -> f32 {
    let e = exp(-abs(v));
    return select(1.0, e, v < 0.0) / (1.0 + e);
}

// The built-in may overflow inside for large arguments; at 10 tanh is 1 in f32.
fn tanh_safe(v: f32) -> f32 {
    return tanh(clamp(v, -10.0, 10.0));
}

// e^v - 1 for v <= 0, without cancellation near zero (Taylor, then the difference).
fn exp_m1(v: f32) -> f32 {
    let series = v * (1.0 + v * (0.5 + v * (0.16666667 + v * (0.041666668 + v * 0.008333334))));
    return select(exp(v) - 1.0, series, v > -0.1);
}

// ln(1 + v) for 0 <= v <= 1 (Taylor near zero).
fn ln_1p(v: f32) -> f32 {
    let series = v * (1.0 - v * (0.5 - v * (0.33333334 - v * 0.25)));
    return select(log(1.0 + v), series, v < 0.01);
}

fn gelu_inner(v: f32) -> f32 {
    return GELU_C * (v + GELU_CUBE * v * v * v);
}

// Function number `code` of src/ops/unary.rs, with its constants.
fn activation(code: u32, a: f32, b: f32, v: f32) -> f32 {
    switch code {
        case 0u: { return select(v, 0.0, v <= 0.0); }
        case 1u: { return select(v, a * v, v <= 0.0); }
        case 2u: { return select(v, a * exp_m1(min(v, 0.0)), v <= 0.0); }
        case 3u: { return 0.5 * v * (1.0 + erf(v * SQRT_HALF)); }
        case 4u: { return 0.5 * v * (1.0 + tanh_safe(gelu_inner(v))); }
        case 5u: { return v * sigmoid(v); }
        case 6u: { return sigmoid(v); }
        case 7u: { return tanh_safe(v); }
        case 8u: { return max(v, 0.0) + ln_1p(exp(-abs(v))); }
        case 9u: { return v * clamp(v + 3.0, 0.0, 6.0) / 6.0; }
        case 10u: { return exp(v); }
        case 11u: { return log(v); }
        case 12u: { return sqrt(v); }
        case 13u: { return v * v; }
        case 14u: { return abs(v); }
        default: { return a * v + b; }
    }
}

// Its derivative, at what the backward pass keeps.
fn activation_slope(code: u32, a: f32, b: f32, s: f32) -> f32 {
    switch code {
        case 0u: { return select(0.0, 1.0, s > 0.0); }
        case 1u: { return select(a, 1.0, s > 0.0); }
        case 2u: { return select(a * exp(min(s, 0.0)), 1.0, s > 0.0); }
        case 3u: { return 0.5 * (1.0 + erf(s * SQRT_HALF)) + s * exp(-0.5 * s * s) * INV_SQRT_TAU; }
        case 4u: {
            let t = tanh_safe(gelu_inner(s));
            let inner = GELU_C * (1.0 + 3.0 * GELU_CUBE * s * s);
            return 0.5 * (1.0 + t) + 0.5 * s * (1.0 - t * t) * inner;
        }
        case 5u: {
            let p = sigmoid(s);
            return p * (1.0 + s * (1.0 - p));
        }
        case 6u: { return s * (1.0 - s); }
        case 7u: { return 1.0 - s * s; }
        case 8u: { return sigmoid(s); }
        case 9u: { return select(s / 3.0 + 0.5, select(0.0, 1.0, s > 0.0), abs(s) >= 3.0); }
        case 10u: { return s; }
        case 11u: { return 1.0 / s; }
        case 12u: { return 0.5 / s; }
        case 13u: { return 2.0 * s; }
        case 14u: { return sign(s); }
        default: { return a; }
    }
}
