// A batch of images out of a data set of packed bytes, each changed at random: moved, bent, recoloured, disturbed, partly erased; then normalised.
// Formula: x[slot, c, p] = v * scale[c] + shift[c], v = clamp(saturate(bilinear(image, M p + offset + bend(p)) * gain + bias) + noise, 0, 255); within a slot's rectangle a patch instead; 0 where index[slot] >= N.
// Shapes: data: N samples of SAMPLE bytes, four to a word, lowest first, no gaps; index [SLOTS]; sums [SLOTS, PARTS]; params [SLOTS, 4] in vec4s; x [SLOTS, CHANNELS, HEIGHT, WIDTH] in elements; SAMPLE = CHANNELS * HEIGHT * WIDTH.
// Launch: measure: one invocation per part of an image; draw: one per slot; resample: one per PER pixels of a slot, THREADS apart; folded into two dimensions.
// Source: derived in src/ops/augment_images.rs.
// Numerics: f32 in bytes, 0 to 255; a coordinate that is a whole number is a copy, exactly; random bits are the same on every device.
// include: lib/index
// include: lib/random
// include: lib/turn

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;
@group(0) @binding(2) var<storage, read> measured: array<u32>;
@group(0) @binding(3) var<storage, read> clock: array<u32>;
@group(0) @binding(4) var<storage, read> rectangles: array<u32>;
@group(0) @binding(5) var<storage, read_write> drawn: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> scale: array<f32>;
@group(0) @binding(7) var<storage, read> shift: array<f32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

override WG: u32 = 64u;
override N: u32;
override SLOTS: u32;
override CHANNELS: u32;
override HEIGHT: u32;
override WIDTH: u32;
override SAMPLE: u32;
override STREAM: u32;
override FLIP_X: f32;
override FLIP_Y: f32;
override CROP: u32;
override SHIFT_X: f32;
override SHIFT_Y: f32;
override ROTATION: f32;
override SHEAR: f32;
override SCALE_LOW: f32;
override SCALE_HIGH: f32;
override BRIGHTNESS: f32;
override CONTRAST: f32;
override SATURATION: f32;
override NOISE: f32;
override ERASE: f32;
override RECTANGLES: u32;
override BEND: f32;
override GRID: u32;
// What lies outside of an image: 0 black, 1 its edge, 2 its reflection.
override OUTSIDE: u32;
// What an erased rectangle holds: 0 black, 1 what normalises to 0, 2 noise.
override PATCH: u32;
override SMOOTH: bool;
override PARTS: u32;
override PER: u32;

const FAR = 4194304;

// Which numbers of the stream a slot uses for what.
const FLIP_AND_CROP = 0u;
const SHAPE = 1u;
const COLOUR = 2u;
const RECTANGLE = 3u;
const NODES = 4u;
const PIXEL_NOISE = 5u;
const PATCH_NOISE = 6u;

fn byte(address: u32) -> u32 {
    return (data[address / 4u] >> (address % 4u * 8u)) & 255u;
}

fn draw_bits(purpose: u32, item: u32) -> vec4<u32> {
    return random_bits(vec4<u32>(clock[3], STREAM + purpose, clock[0], item));
}

// A number in [-1, 1).
fn both_ways(bits: u32) -> f32 {
    return 2.0 * random_unit(bits) - 1.0;
}

// A factor around 1, at least 0.
fn factor(bits: u32, spread: f32) -> f32 {
    let low = max(1.0 - spread, 0.0);
    return low + (1.0 + spread - low) * random_unit(bits);
}

// Sums of bytes, for the mean of an image.
@compute @workgroup_size(WG)
fn measure(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SLOTS * PARTS { return; } // guard
    let row = index[i / PARTS];
    var sum = 0u;
    if row < N {
        for (var at = i % PARTS; at < SAMPLE; at += PARTS) {
            sum += byte(row * SAMPLE + at);
        }
    }
    sums[i] = sum;
}

// Where a slot's output pixel p comes from, M p + offset; its gain and bias; its rectangle; its saturation.
@compute @workgroup_size(WG)
fn draw(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let slot = flat_id(id, groups);
    if slot >= SLOTS { return; } // guard
    let first = draw_bits(FLIP_AND_CROP, slot);
    let second = draw_bits(SHAPE, slot);
    let third = draw_bits(COLOUR, slot);
    let fourth = draw_bits(RECTANGLE, slot);

    let mirror_x = select(1.0, -1.0, random_unit(first.x) < FLIP_X);
    let mirror_y = select(1.0, -1.0, random_unit(first.y) < FLIP_Y);
    let cropped = vec2<f32>(first.zw % vec2<u32>(2u * CROP + 1u)) - f32(CROP);
    let moved = cropped + vec2<f32>(both_ways(second.x) * SHIFT_X, both_ways(second.y) * SHIFT_Y);
    let angle = turn(both_ways(second.z) * ROTATION);
    let lean = turn(both_ways(second.w) * SHEAR);
    let slope = lean.y / lean.x;
    var zoom = 1.0;
    if SCALE_LOW != 1.0 || SCALE_HIGH != 1.0 {
        zoom = 1.0 / (SCALE_LOW + (SCALE_HIGH - SCALE_LOW) * random_unit(third.w));
    }
    let m = vec4<f32>(
        mirror_x * zoom * (angle.x - slope * angle.y),
        mirror_x * zoom * (angle.y + slope * angle.x),
        mirror_y * zoom * -angle.y,
        mirror_y * zoom * angle.x,
    );
    let centre = vec2<f32>(f32(WIDTH - 1u), f32(HEIGHT - 1u)) * 0.5;
    let pivot = centre + moved;
    let offset = centre - vec2<f32>(m.x * pivot.x + m.y * pivot.y, m.z * pivot.x + m.w * pivot.y);

    let bright = factor(third.x, BRIGHTNESS);
    let contrast = factor(third.y, CONTRAST);
    var bias = 0.0;
    if CONTRAST > 0.0 {
        var sum = 0u;
        for (var part = 0u; part < PARTS; part++) {
            sum += measured[slot * PARTS + part];
        }
        bias = bright * (f32(sum) / f32(SAMPLE)) * (1.0 - contrast);
    }

    var corners = vec4<f32>(0.0);
    if random_unit(fourth.x) < ERASE {
        let size = rectangles[fourth.y % RECTANGLES];
        let wide = size & 0xffffu;
        let high = size >> 16u;
        let left = fourth.z % (WIDTH - wide + 1u);
        let top = fourth.w % (HEIGHT - high + 1u);
        corners = vec4<f32>(vec4<u32>(left, top, left + wide, top + high));
    }
    drawn[slot * 4u] = m;
    drawn[slot * 4u + 1u] = vec4<f32>(offset, bright * contrast, bias);
    drawn[slot * 4u + 2u] = corners;
    drawn[slot * 4u + 3u] = vec4<f32>(factor(third.z, SATURATION), 0.0, 0.0, 0.0);
}

// How far a node of the coarse grid is pushed, in shares of BEND.
fn node(slot: u32, row: u32, col: u32) -> vec2<f32> {
    let bits = draw_bits(NODES, (slot * (GRID + 1u) + row) * (GRID + 1u) + col);
    return vec2<f32>(both_ways(bits.x), both_ways(bits.y));
}

fn bend(slot: u32, col: u32, row: u32) -> vec2<f32> {
    let at = (vec2<f32>(f32(col), f32(row)) + 0.5) * f32(GRID) / vec2<f32>(f32(WIDTH), f32(HEIGHT));
    let cell = floor(at);
    let f = at - cell;
    let s = f * f * (3.0 - 2.0 * f);
    let c = u32(cell.x);
    let r = u32(cell.y);
    let above = mix(node(slot, r, c), node(slot, r, c + 1u), s.x);
    let below = mix(node(slot, r + 1u, c), node(slot, r + 1u, c + 1u), s.x);
    return mix(above, below, s.y) * BEND;
}

// Which of n pixels stands at i; -1 for none.
fn tap(i: i32, n: u32) -> i32 {
    if OUTSIDE == 0u {
        return select(-1, i, i >= 0 && i < i32(n));
    }
    if OUTSIDE == 1u {
        return clamp(i, 0, i32(n) - 1);
    }
    let period = 2u * n;
    let at = (bitcast<u32>(i) + (u32(FAR) / period + 1u) * period) % period;
    return i32(min(at, period - 1u - at));
}

// Four pixels around a place, and how far between them it lies.
struct Place {
    at: vec4<u32>,
    there: vec4<f32>,
    part: vec2<f32>,
}

fn place(source: vec2<f32>) -> Place {
    let s = clamp(source, vec2<f32>(-f32(FAR)), vec2<f32>(f32(FAR)));
    let base = floor(select(s + 0.5, s, SMOOTH));
    let i = vec2<i32>(base);
    let left = tap(i.x, WIDTH);
    let top = tap(i.y, HEIGHT);
    let right = tap(i.x + 1, WIDTH);
    let bottom = tap(i.y + 1, HEIGHT);
    let cols = vec4<i32>(left, right, left, right);
    let rows = vec4<i32>(top, top, bottom, bottom);
    let there = (cols >= vec4<i32>(0)) & (rows >= vec4<i32>(0));
    let at = select(vec4<i32>(0), rows * i32(WIDTH) + cols, there);
    return Place(vec4<u32>(at), select(vec4<f32>(0.0), vec4<f32>(1.0), there), s - base);
}

fn look(plane: u32, p: Place) -> f32 {
    let first = f32(byte(plane + p.at.x)) * p.there.x;
    if !SMOOTH {
        return first;
    }
    let second = f32(byte(plane + p.at.y)) * p.there.y;
    let third = f32(byte(plane + p.at.z)) * p.there.z;
    let fourth = f32(byte(plane + p.at.w)) * p.there.w;
    let upper = first + p.part.x * (second - first);
    let lower = third + p.part.x * (fourth - third);
    return upper + p.part.y * (lower - upper);
}

// The number of the four words that element `at` of a slot shares with its neighbours.
fn quad(slot: u32, at: u32) -> u32 {
    return slot * ((SAMPLE + 3u) / 4u) + at / 4u;
}

// Box and Muller: two words make a cosine and a sine.
fn normal(slot: u32, at: u32) -> f32 {
    let bits = draw_bits(PIXEL_NOISE, quad(slot, at));
    let pair = select(bits.xy, bits.zw, (at & 2u) == 2u);
    let radius = sqrt(max(-2.0 * log(1.0 - random_unit(pair.x)), 0.0));
    let direction = turn(random_unit(pair.y));
    return radius * select(direction.x, direction.y, (at & 1u) == 1u);
}

fn patch_value(slot: u32, at: u32, channel: u32) -> f32 {
    if PATCH == 1u {
        return 0.0;
    }
    var value = 0.0;
    if PATCH == 2u {
        let bits = draw_bits(PATCH_NOISE, quad(slot, at));
        value = 255.0 * random_unit(bits[at % 4u]);
    }
    return value * scale[channel] + shift[channel];
}

@compute @workgroup_size(WG)
fn resample(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    let pixels = HEIGHT * WIDTH;
    let threads = (pixels + PER - 1u) / PER;
    if i >= SLOTS * threads { return; } // guard
    let slot = i / threads;
    let row = index[slot];
    let m = params[slot * 4u];
    let more = params[slot * 4u + 1u];
    let corners = params[slot * 4u + 2u];
    let saturation = params[slot * 4u + 3u].x;
    let image = row * SAMPLE;
    for (var p = i % threads; p < pixels; p += threads) {
        let to = vec2<f32>(f32(p % WIDTH), f32(p / WIDTH));
        let erased = all(to >= corners.xy) && all(to < corners.zw);
        var source = vec2<f32>(m.x * to.x + m.y * to.y, m.z * to.x + m.w * to.y) + more.xy;
        if BEND > 0.0 {
            source += bend(slot, p % WIDTH, p / WIDTH);
        }
        let spot = place(source);
        var grey = 0.0;
        if SATURATION > 0.0 && row < N {
            let r = look(image, spot);
            let g = look(image + pixels, spot);
            let b = look(image + 2u * pixels, spot);
            grey = (0.299 * r + 0.587 * g + 0.114 * b) * more.z + more.w;
        }
        for (var channel = 0u; channel < CHANNELS; channel++) {
            let at = channel * pixels + p;
            var value = 0.0;
            if row < N {
                if erased {
                    value = patch_value(slot, at, channel);
                } else {
                    var v = look(image + channel * pixels, spot) * more.z + more.w;
                    if SATURATION > 0.0 {
                        v = grey + saturation * (v - grey);
                    }
                    if NOISE > 0.0 {
                        v += NOISE * normal(slot, at);
                    }
                    value = clamp(v, 0.0, 255.0) * scale[channel] + shift[channel];
                }
            }
            x[slot * SAMPLE + at] = value;
        }
    }
}
