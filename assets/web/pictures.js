// Pictures as wgrad's own preprocessing makes them, to the bit: on white paper, grey by luma,
// resized with the same filter in the same order of single-precision operations.

const f32 = Math.fround;
const UNIT = f32(1 / 255);

/** The planes `[channels, height, width]` of an ImageData: bytes of the model's own size. */
export function planesOf({ data, width, height }, { channels, height: h, width: w, filter, levels, luma }) {
  const spread = spreadOf(levels);
  const pixels = width * height;
  const all = Array.from({ length: channels }, () => new Uint8Array(pixels));
  const on = (value, alpha) => spread(alpha === 255 ? value : Math.floor((value * alpha + 255 * (255 - alpha) + 127) / 255));
  for (let i = 0, at = 0; i < pixels; i += 1, at += 4) {
    const alpha = data[at + 3];
    const r = on(data[at], alpha);
    const g = on(data[at + 1], alpha);
    const b = on(data[at + 2], alpha);
    if (channels === 1) {
      all[0][i] = greyOf(r, g, b, luma);
    } else {
      all[0][i] = r;
      all[1][i] = g;
      all[2][i] = b;
    }
  }
  const planes = new Uint8Array(channels * h * w);
  all.forEach((plane, c) => planes.set(resized(plane, [height, width], [h, w], filter), c * h * w));
  return planes;
}

/** The grey of a colour: bytes as shares of 255, weighed, and back. */
function greyOf(r, g, b, [red, green, blue]) {
  let sum = f32(f32(r * UNIT) * f32(red));
  sum = f32(sum + f32(f32(g * UNIT) * f32(green)));
  sum = f32(sum + f32(f32(b * UNIT) * f32(blue)));
  return Math.min(255, Math.floor(f32(sum * 255) + 0.5));
}

/** Of pictures of 16 bits these values become 0 and 255; a byte b is 257 b of them. */
function spreadOf(levels) {
  if (!levels || (levels[0] === 0 && levels[1] === 65535)) return (byte) => byte;
  const [low, high] = levels;
  const range = Math.max(high - low, 1);
  const value = (v) => Math.min(Math.max(v, low), Math.max(high, low)) - low;
  return (byte) => Math.min(255, Math.floor((value(byte * 257) * 255 + Math.floor(range / 2)) / range));
}

/** A plane in another size: first its columns, then its rows. */
function resized(plane, [height, width], [h, w], filter) {
  if (height === h && width === w) return plane;
  const tall = new Float32Array(h * width);
  for (let y = 0; y < h; y += 1) {
    const { first, weights } = covered(y, height, h, filter);
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      weights.forEach((weight, i) => (sum = f32(sum + f32(plane[(first + i) * width + x] * weight))));
      tall[y * width + x] = sum;
    }
  }
  const out = new Uint8Array(h * w);
  for (let x = 0; x < w; x += 1) {
    const { first, weights } = covered(x, width, w, filter);
    for (let y = 0; y < h; y += 1) {
      let sum = 0;
      weights.forEach((weight, i) => (sum = f32(sum + f32(tall[y * width + first + i] * weight))));
      out[y * w + x] = Math.floor(f32(Math.min(Math.max(sum, 0), 255)) + 0.5);
    }
  }
  return out;
}

/** The pixels that one of the new size covers, and their weights. */
function covered(at, from, to, filter) {
  const ratio = f32(from / to);
  const scale = ratio < 1 ? 1 : ratio;
  const support = filter === "nearest" ? 0 : scale;
  const centre = f32(f32(at + 0.5) * ratio);
  const first = Math.min(Math.max(Math.floor(f32(centre - support)), 0), from - 1);
  const end = Math.min(Math.max(Math.ceil(f32(centre + support)), first + 1), from);
  const middle = f32(centre - 0.5);
  const kernel = (x) => (filter === "nearest" ? 1 : Math.abs(x) < 1 ? f32(1 - Math.abs(x)) : 0);
  const weights = Array.from({ length: end - first }, (_, i) => kernel(f32(f32(first + i - middle) / scale)));
  const sum = weights.reduce((a, b) => f32(a + b), 0);
  return { first, weights: weights.map((weight) => f32(weight / sum)) };
}
