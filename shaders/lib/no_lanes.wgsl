// `lane_of` of lib/lanes for LANES = 1, where an invocation has only its own values.
fn lane_of(value: f32, lane: u32) -> f32 {
    return value;
}
