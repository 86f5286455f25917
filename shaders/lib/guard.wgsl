// Which updates are left out, and the record of it: src/ops/guard.rs. Finiteness is decided on bits.
// From the file: record, u32 [10 + 128]; HOLDS, SPIKE, ACCUMULATE, BATCHES.
const LOSSES_KEPT: u32 = 128u;

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

// Whether a loss is far above the latest ones.
fn is_spike(x: f32) -> bool {
    if record[9] < LOSSES_KEPT { return false; }
    var sum = 0.0;
    for (var i = 0u; i < LOSSES_KEPT; i++) { sum += bitcast<f32>(record[10u + i]); }
    let mean = sum / f32(LOSSES_KEPT);
    var squares = 0.0;
    for (var i = 0u; i < LOSSES_KEPT; i++) {
        let d = bitcast<f32>(record[10u + i]) - mean;
        squares += d * d;
    }
    let above = x - mean;
    return above > 0.0 && above * above > SPIKE * SPIKE * (squares / f32(LOSSES_KEPT));
}

// Whether the update of the batch at step, batch and epoch is to be left out.
fn leaves_out(x: f32, length: f32, step: u32, batch: u32, epoch: u32) -> bool {
    if HOLDS && record[0] != 0u { return true; }
    var wrong = select(1u, 0u, is_finite(x)) | select(2u, 0u, is_finite(length));
    if wrong != 0u {
        record[0] = wrong;
        record[1] = step;
        record[2] = batch;
        record[3] = epoch;
        record[4] = bitcast<u32>(x);
    } else if SPIKE > 0.0 {
        if is_spike(x) {
            wrong = 4u;
            record[8] = step;
        }
        record[10u + record[9] % LOSSES_KEPT] = bitcast<u32>(x);
        record[9] += 1u;
    }
    let all = record[5] | wrong;
    record[5] = all;
    if (batch + 1u) % ACCUMULATE == 0u || batch + 1u >= BATCHES {
        record[5] = 0u;
        if (all & 3u) != 0u { record[6] += 1u; }
        if all == 4u { record[7] += 1u; }
    }
    return all != 0u;
}
