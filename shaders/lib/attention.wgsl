// What the kernels of attention share: sizes, places, scores and dropout. The
// including file declares the bindings q, k, v and mask, and the functions
// length_of(batch) and clock_word(i).

override B: u32;
override HQ: u32; // query heads
override HKV: u32; // key and value heads
override TQ: u32;
override TK: u32;
override D: u32;
override DV: u32;
// Strides of batch, head and row, in elements.
override Q_BATCH: u32;
override Q_HEAD: u32;
override Q_ROW: u32;
override K_BASE: u32;
override K_BATCH: u32;
override K_HEAD: u32;
override K_ROW: u32;
override V_BASE: u32;
override V_BATCH: u32;
override V_HEAD: u32;
override V_ROW: u32;
override O_BATCH: u32;
override O_HEAD: u32;
override O_ROW: u32;
override MASK_BATCH: u32;
override MASK_HEAD: u32;
override CAUSAL: bool;
override LENGTHS: bool;
override MASK: bool;
override DROPOUT: bool;
override SCALE: f32;
override P: f32; // the probability of dropping
override KEEP: f32; // the factor of what is kept
override STREAM: u32;

// The score of a key that a row does not see, and the least score of one that
// it does: finite, because WGSL may assume that there is no infinity.
const HIDDEN = -3.4e38;
const LEAST = -3.0e38;

fn q_at(batch: u32, head: u32, row: u32) -> u32 {
    return batch * Q_BATCH + head * Q_HEAD + row * Q_ROW;
}

fn k_at(batch: u32, head: u32, row: u32) -> u32 {
    return K_BASE + batch * K_BATCH + head * K_HEAD + row * K_ROW;
}

fn v_at(batch: u32, head: u32, row: u32) -> u32 {
    return V_BASE + batch * V_BATCH + head * V_HEAD + row * V_ROW;
}

fn o_at(batch: u32, head: u32, row: u32) -> u32 {
    return batch * O_BATCH + head * O_HEAD + row * O_ROW;
}

// Keys that a sample has.
fn seen_by(batch: u32) -> u32 {
    if LENGTHS {
        return min(length_of(batch), TK);
    }
    return TK;
}

// The score of a query and a key from their product.
fn score(product: f32, batch: u32, head: u32, row: u32, key: u32, seen: u32) -> f32 {
    var s = product * SCALE;
    var hidden = key >= seen || (CAUSAL && key > row);
    if MASK {
        let added = mask[batch * MASK_BATCH + head * MASK_HEAD + min(row, TQ - 1u) * TK + min(key, TK - 1u)];
        hidden = hidden || bitcast<u32>(added) == 0xff800000u;
        s += select(added, 0.0, hidden);
    }
    // Not `max`, which would hide a NaN.
    s = select(s, LEAST, s < LEAST);
    return select(s, HIDDEN, hidden);
}

// e^(score - shift), 0 for hidden keys.
fn weight(score: f32, shift: f32) -> f32 {
    return select(exp(score - shift), 0.0, score < -3.2e38);
}

// Dropout's factors of keys 4 quad to 4 quad + 3 in a row of probabilities.
fn factors(batch: u32, head: u32, row: u32, quad: u32) -> vec4<f32> {
    if !DROPOUT {
        return vec4<f32>(1.0);
    }
    let counter = ((batch * HQ + head) * TQ + row) * ((TK + 3u) / 4u) + quad;
    let bits = random_bits(vec4<u32>(clock_word(3u), STREAM, clock_word(0u), counter));
    let drawn = vec4<f32>(random_unit(bits.x), random_unit(bits.y), random_unit(bits.z), random_unit(bits.w));
    return select(vec4<f32>(0.0), vec4<f32>(KEEP), drawn >= vec4<f32>(P));
}
