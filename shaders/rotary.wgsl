// Rotary position embedding: turns pairs of elements by an angle that grows with the row's position.
// Formula: (a, b) -> (a cos t - b sin t, a sin t + b cos t), t = position * frequency; the inverse turns by -t.
// Shapes: x, y [ROWS, 2 HALF], row r at position START + r % T; frequency [HALF]: shares of a turn per position, in units of 2^-32
//         and 2^-64 turns. A pair is (i, i + HALF), or (2 i, 2 i + 1) where INTERLEAVED. In *4 a row counts vec4s of x.
// Launch: forward: one invocation per pair; halves4: per four pairs; interleaved4: per two. Folded into two dimensions.
// Source: derived in src/ops/rotary.rs.
// Numerics: angles modulo a turn in integers, without a rounding error below 2^-32 turns; f32 after that.
// include: lib/index
// include: lib/turn

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(0) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> frequency: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> start: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> y4: array<vec4<f32>>;

override WG: u32 = 64u;
override ROWS: u32;
override T: u32;
override HALF: u32;
override STARTED: bool;
override INTERLEAVED: bool;
override INVERSE: bool;

fn position(row: u32) -> u32 {
    if STARTED {
        return start[0] + row % T;
    }
    return row % T;
}

// Cosine and sine of position * frequency. Whole turns overflow and are gone;
// of the low word, 16 bits times a position leave what reaches the high word.
fn angle(at: u32, pair: u32) -> vec2<f32> {
    let f = frequency[pair];
    let low = f.y >> 16u;
    let share = at * f.x + (at >> 16u) * low + (((at & 0xffffu) * low) >> 16u);
    let turned = turn(f32(bitcast<i32>(share)) * (1.0 / 4294967296.0));
    return vec2<f32>(turned.x, select(turned.y, -turned.y, INVERSE));
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= ROWS * HALF { return; } // guard
    let row = i / HALF;
    let pair = i % HALF;
    let by = angle(position(row), pair);
    let first = 2u * row * HALF + select(pair, 2u * pair, INTERLEAVED);
    let second = first + select(HALF, 1u, INTERLEAVED);
    let a = x[first];
    let b = x[second];
    y[first] = a * by.x - b * by.y;
    y[second] = a * by.y + b * by.x;
}

@compute @workgroup_size(WG)
fn halves4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= ROWS * (HALF / 4u) { return; } // guard
    let row = i / (HALF / 4u);
    let four = i % (HALF / 4u);
    let at = position(row);
    let one = angle(at, 4u * four);
    let two = angle(at, 4u * four + 1u);
    let three = angle(at, 4u * four + 2u);
    let last = angle(at, 4u * four + 3u);
    let cosine = vec4<f32>(one.x, two.x, three.x, last.x);
    let sine = vec4<f32>(one.y, two.y, three.y, last.y);
    let first = row * (HALF / 2u) + four;
    let second = first + HALF / 4u;
    let a = x4[first];
    let b = x4[second];
    y4[first] = a * cosine - b * sine;
    y4[second] = a * sine + b * cosine;
}

@compute @workgroup_size(WG)
fn interleaved4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= ROWS * (HALF / 2u) { return; } // guard
    let at = position(i / (HALF / 2u));
    let pair = 2u * (i % (HALF / 2u));
    let one = angle(at, pair);
    let two = angle(at, pair + 1u);
    let v = x4[i];
    let turned = v * vec4<f32>(one.xx, two.xx);
    y4[i] = turned + v.yxwz * vec4<f32>(-one.y, one.y, -two.y, two.y);
}
