// Hands values around between the LANES invocations of a subgroup. Every invocation must call this, in uniform control flow.
fn lane_of(value: f32, lane: u32) -> f32 {
    return subgroupShuffle(value, lane);
}
