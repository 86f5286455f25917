// Moves the clock of training on by one step.
// Formula: step += 1; batch += 1; at BATCHES: batch = 0, epoch += 1.
// Shapes: clock [4] = step, batch, epoch, seed.
// Launch: one invocation.
// Source: derived in src/ops/clock.rs.
// Numerics: integers that wrap at 2^32.

@group(0) @binding(0) var<storage, read_write> clock: array<u32>;

override BATCHES: u32;

@compute @workgroup_size(1)
fn tick() {
    clock[0] += 1u;
    let next = clock[1] + 1u;
    let ended = next >= BATCHES;
    clock[1] = select(next, 0u, ended);
    clock[2] += select(0u, 1u, ended);
}
