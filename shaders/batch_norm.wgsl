// Batch normalisation, in training and in evaluation, and its gradient.
// Formula: y = (x - mean) rstd gamma + beta; d_x = gamma rstd (d_y - sum(d_y) / M - xhat sum(d_y xhat) / M).
// Shapes: x, y, d_y, d_x [N, C, S]; gamma, beta, mean, spread, running_* [C]; parts [2, PARTS, C]; coefficients [4, C];
//         valid [1]: how many of the N rows the statistics count. A channel has N * S elements, row after row; part p holds
//         LENGTH of them from p * LENGTH.
// Launch: *_serial: one invocation per (part, channel); *_group: one workgroup each; combine_*: one invocation per channel;
//         normalise, backward: one invocation per element (those ending in 4: per four of them).
// Source: derived in src/ops/batch_norm.rs; parts are joined after Chan, Golub and LeVeque 1979.
// Numerics: f32; variance in two passes per part; fixed order; 1 KiB workgroup memory.
// include: lib/index
// include: lib/reduce

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(0) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;
@group(0) @binding(1) var<storage, read> d_y4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> spread: array<f32>; // rstd, or the variance in evaluation
@group(0) @binding(6) var<storage, read> valid: array<u32>;
@group(0) @binding(7) var<storage, read> summands: array<f32>; // parts, complete
@group(0) @binding(8) var<storage, read> coefficients: array<f32>;
@group(0) @binding(9) var<storage, read_write> parts: array<f32>;
@group(0) @binding(11) var<storage, read_write> batch_mean: array<f32>;
@group(0) @binding(12) var<storage, read_write> batch_rstd: array<f32>;
@group(0) @binding(13) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(14) var<storage, read_write> running_var: array<f32>;
@group(0) @binding(15) var<storage, read_write> d_gamma: array<f32>;
@group(0) @binding(16) var<storage, read_write> d_beta: array<f32>;
@group(0) @binding(17) var<storage, read_write> factors: array<f32>; // coefficients, being made

override WG: u32 = 64u;
override N: u32;
override C: u32;
override S: u32;
override PARTS: u32;
override LENGTH: u32;
override EPS: f32;
override MOMENTUM: f32;
override MASKED: bool;
override EVALUATE: bool;

// From the kernel: lib/flush and its bounds.

var<workgroup> sh_reduce: array<f32, WG>;

// The elements of a channel that its statistics count.
fn valid_elements() -> u32 {
    if MASKED {
        return min(valid[0], N) * S;
    }
    return N * S;
}

// Element `e` of a channel.
fn place(channel: u32, e: u32) -> u32 {
    return (e / S * C + channel) * S + e % S;
}

fn rstd_of(channel: u32) -> f32 {
    if EVALUATE {
        return 1.0 / sqrt(spread[channel] + EPS);
    }
    return spread[channel];
}

// How many of the first `end` elements lie in a part.
fn part_count(part: u32, end: u32) -> u32 {
    let first = part * LENGTH;
    return min(max(end, first) - first, LENGTH);
}

// `left` is the sum of x - centre: what rounding took from the mean.
fn store_part(i: u32, count: u32, centre: f32, left: f32, square: f32) {
    let shift = left / f32(max(count, 1u));
    parts[i] = centre + shift;
    parts[PARTS * C + i] = square - left * shift;
}

@compute @workgroup_size(WG)
fn statistics_serial(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= PARTS * C { return; } // guard
    let channel = i % C;
    let first = i / C * LENGTH;
    let count = part_count(i / C, valid_elements());
    var sum = 0.0;
    for (var e = first; e < first + count; e++) {
        sum += x[place(channel, e)];
    }
    let centre = sum / f32(max(count, 1u));
    var left = 0.0;
    var square = 0.0;
    for (var e = first; e < first + count; e++) {
        let d = x[place(channel, e)] - centre;
        left += d;
        square += d * d;
    }
    store_part(i, count, centre, left, square);
}

@compute @workgroup_size(WG)
fn statistics_group(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Groups past the end repeat the last part and store nothing.
    let index = flat_group(group, groups);
    let i = min(index, PARTS * C - 1u);
    let channel = i % C;
    let first = i / C * LENGTH;
    let count = part_count(i / C, valid_elements());
    var sum = 0.0;
    for (var e = first + local; e < first + count; e += WG) {
        sum += x[place(channel, e)];
    }
    let centre = reduce_sum(local, sum) / f32(max(count, 1u));
    var left = 0.0;
    var square = 0.0;
    for (var e = first + local; e < first + count; e += WG) {
        let d = x[place(channel, e)] - centre;
        left += d;
        square += d * d;
    }
    left = reduce_sum(local, left);
    square = reduce_sum(local, square);
    if local == 0u && index < PARTS * C {
        store_part(i, count, centre, left, square);
    }
}

@compute @workgroup_size(WG)
fn combine_statistics(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let channel = flat_id(id, groups);
    if channel >= C { return; } // guard
    let end = valid_elements();
    let total = f32(max(end, 1u));
    var centre = 0.0;
    for (var part = 0u; part < PARTS; part++) {
        centre += f32(part_count(part, end)) / total * summands[part * C + channel];
    }
    var square = 0.0;
    for (var part = 0u; part < PARTS; part++) {
        let d = summands[part * C + channel] - centre;
        square += summands[(PARTS + part) * C + channel] + f32(part_count(part, end)) * d * d;
    }
    batch_mean[channel] = centre;
    batch_rstd[channel] = 1.0 / sqrt(square / total + EPS);
    let variance = square / f32(max(end, 2u) - 1u);
    // One value has no variance to learn from, and of a batch that is not finite nothing is learned: the bits decide.
    let exponents = max(bitcast<u32>(centre) & 0x7f800000u, bitcast<u32>(variance) & 0x7f800000u);
    if end > 1u && exponents != 0x7f800000u {
        running_mean[channel] = flush((1.0 - MOMENTUM) * running_mean[channel] + MOMENTUM * centre, LEAST);
        running_var[channel] = flush((1.0 - MOMENTUM) * running_var[channel] + MOMENTUM * variance, LEAST_SQUARE);
    }
}

@compute @workgroup_size(WG)
fn normalise(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N * C * S { return; } // guard
    let channel = i / S % C;
    put(i, (x[i] - mean[channel]) * (rstd_of(channel) * gamma[channel]) + beta[channel]);
}

@compute @workgroup_size(WG)
fn normalise4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N * C * (S / 4u) { return; } // guard
    let channel = i / (S / 4u) % C;
    put4(i, (x4[i] - mean[channel]) * (rstd_of(channel) * gamma[channel]) + beta[channel]);
}

// Sums of d_y and of d_y (x - mean) over a part.
@compute @workgroup_size(WG)
fn sums_serial(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= PARTS * C { return; } // guard
    let channel = i % C;
    let first = i / C * LENGTH;
    let count = part_count(i / C, N * S);
    var sum = 0.0;
    var moment = 0.0;
    for (var e = first; e < first + count; e++) {
        let at = place(channel, e);
        sum += d_y[at];
        moment += d_y[at] * (x[at] - mean[channel]);
    }
    parts[i] = sum;
    parts[PARTS * C + i] = moment;
}

@compute @workgroup_size(WG)
fn sums_group(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = flat_group(group, groups);
    let i = min(index, PARTS * C - 1u);
    let channel = i % C;
    let first = i / C * LENGTH;
    let count = part_count(i / C, N * S);
    var sum = 0.0;
    var moment = 0.0;
    for (var e = first + local; e < first + count; e += WG) {
        let at = place(channel, e);
        sum += d_y[at];
        moment += d_y[at] * (x[at] - mean[channel]);
    }
    sum = reduce_sum(local, sum);
    moment = reduce_sum(local, moment);
    if local == 0u && index < PARTS * C {
        parts[i] = sum;
        parts[PARTS * C + i] = moment;
    }
}

@compute @workgroup_size(WG)
fn combine_sums(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let channel = flat_id(id, groups);
    if channel >= C { return; } // guard
    var sum = 0.0;
    var moment = 0.0;
    for (var part = 0u; part < PARTS; part++) {
        sum += summands[part * C + channel];
        moment += summands[(PARTS + part) * C + channel];
    }
    let rstd = rstd_of(channel);
    d_gamma[channel] = moment * rstd;
    d_beta[channel] = sum;
    let scale = gamma[channel] * rstd;
    // Given statistics do not depend on x.
    let share = select(scale / f32(max(valid_elements(), 1u)), 0.0, EVALUATE);
    factors[channel] = scale;
    factors[C + channel] = share * sum;
    factors[2u * C + channel] = share * moment * rstd * rstd;
    factors[3u * C + channel] = mean[channel];
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N * C * S { return; } // guard
    let channel = i / S % C;
    var d = coefficients[channel] * d_y[i];
    if i < valid_elements() * C {
        let centred = x[i] - coefficients[3u * C + channel];
        d -= coefficients[C + channel] + coefficients[2u * C + channel] * centred;
    }
    put(i, d);
}

@compute @workgroup_size(WG)
fn backward4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N * C * (S / 4u) { return; } // guard
    let channel = i / (S / 4u) % C;
    var d = coefficients[channel] * d_y4[i];
    if i < valid_elements() / 4u * C {
        let centred = x4[i] - coefficients[3u * C + channel];
        d -= coefficients[C + channel] + coefficients[2u * C + channel] * centred;
    }
    put4(i, d);
}
