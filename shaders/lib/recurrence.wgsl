// What the recurrent cells share, forward and backward. The including file declares lengths [B], initial [STATES, B, H],
// the overrides B, T, H, REVERSE, INITIAL and RAGGED.

fn sigmoid(v: f32) -> f32 {
    let e = exp(-abs(v));
    return select(1.0, e, v < 0.0) / (1.0 + e);
}

// The built-in may overflow inside for large arguments; at 10 tanh is 1 in f32.
fn tanh_safe(v: f32) -> f32 {
    return tanh(clamp(v, -10.0, 10.0));
}

fn valid_steps(row: u32) -> u32 {
    if RAGGED { return min(lengths[row], T); }
    return T;
}

// The time of step `s`, and the time whose state a step starts from.
fn time(s: u32) -> u32 {
    return select(s, T - 1u - s, REVERSE);
}

fn before(t: u32) -> u32 {
    return select(t - 1u, t + 1u, REVERSE);
}

fn starts(row: u32, t: u32) -> bool {
    if REVERSE { return t + 1u >= valid_steps(row); }
    return t == 0u;
}

fn initially(state: u32, row: u32, unit: u32) -> f32 {
    if INITIAL { return initial[(state * B + row) * H + unit]; }
    return 0.0;
}
