// Texts as tokens and back: characters, bytes, or byte-level pairs as GPT-2 has them.

const PADDING = 0;
const UNKNOWN = 1;
/** How GPT-2 cuts a text into words; blanks are those of Unicode. */
const BLANK = "\\t-\\r\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const WORD = new RegExp(`'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${BLANK}\\p{L}\\p{N}]+|[${BLANK}]+(?![^${BLANK}])|[${BLANK}]+`, "gu");

/** Turns text into the numbers of tokens and back. */
export class Vocabulary {
  constructor({ kind, characters, padded, tokenizer }) {
    this.kind = kind;
    this.padded = padded;
    this.shift = padded ? 2 : 0;
    this.characters = [...(characters ?? "")];
    this.numbers = new Map(this.characters.map((c, i) => [c, i]));
    if (tokenizer) this.#readPairs(tokenizer);
  }

  #readPairs({ tokens, merges }) {
    this.ids = new Map(Object.entries(tokens));
    this.ranks = new Map(merges.map((pair, rank) => [pair, rank]));
    // A printable byte of Latin-1 is its own character; the others are those from U+0100 on.
    this.byteCharacters = [];
    let next = 256;
    for (let b = 0; b < 256; b += 1) {
      const printable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      this.byteCharacters.push(String.fromCodePoint(printable ? b : next++));
    }
    const byte = new Map(this.byteCharacters.map((c, b) => [c, b]));
    this.bytes = new Map([...this.ids].map(([token, id]) => [id, [...token].map((c) => byte.get(c))]));
  }

  /** The numbers of a text's tokens. */
  encode(text) {
    if (this.kind === "byte") return Array.from(new TextEncoder().encode(text), (b) => b + this.shift);
    if (this.kind === "bpe") return (text.match(WORD) ?? []).flatMap((word) => this.#pairs(word)).map((id) => id + this.shift);
    return Array.from(text, (c) => {
      const own = this.numbers.get(c);
      if (own === undefined && !this.padded) throw new Error(`the model knows no ${JSON.stringify(c)}: it was in none of its training texts; leave it out`);
      return own === undefined ? UNKNOWN : own + this.shift;
    });
  }

  /** A word's tokens: again and again the pair that was learned first is merged. */
  #pairs(word) {
    let parts = Array.from(new TextEncoder().encode(word), (b) => this.byteCharacters[b]);
    for (;;) {
      const ranks = parts.slice(1).map((part, i) => this.ranks.get(`${parts[i]} ${part}`) ?? Infinity);
      const best = Math.min(...ranks, Infinity);
      if (best === Infinity) break;
      const at = ranks.indexOf(best);
      parts = [...parts.slice(0, at), parts[at] + parts[at + 1], ...parts.slice(at + 2)];
    }
    return parts.map((part) => this.ids.get(part)).filter((id) => id !== undefined);
  }

  /** A text as a row of `length` tokens: filled up, or cut. */
  sample(text, length) {
    const ids = this.encode(text);
    const notes = [];
    if (ids.length === 0) ids.push(UNKNOWN);
    if (ids.length > length) notes.push(`the text has ${ids.length} tokens and the model reads ${length}: its end is left out`);
    const sample = new Uint32Array(length).fill(PADDING);
    sample.set(ids.slice(0, length));
    return { sample, notes };
  }

  /** The bytes of a token. */
  bytesOf(id) {
    const own = id - this.shift;
    if (own < 0) return [];
    if (this.kind === "byte") return [own];
    if (this.kind === "bpe") return this.bytes.get(own) ?? [];
    return [...new TextEncoder().encode(this.characters[own] ?? "")];
  }

  /** Decodes tokens one by one: `push(id)` gives the text that is whole now. */
  decoder() {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return {
      push: (id) => (this.padded && id === UNKNOWN ? "\ufffd" : decoder.decode(Uint8Array.from(this.bytesOf(id)), { stream: true })),
      finish: () => decoder.decode(),
    };
  }
}

/** Reads tokens one by one; what was read is on the device. */
export class Reader {
  constructor(about) {
    Object.assign(this, { about, tokens: [] });
  }

  /** Reads a token; gives the scores of those that may follow, if they are asked for. */
  async read(gpu, id, asked) {
    const { program } = await gpu.program("decode");
    // Another text was read meanwhile, or the device is another.
    if (gpu.reader !== this) this.#again(gpu, program, this.tokens);
    const read = this.tokens.length;
    if (read >= (this.about.room ?? Infinity)) this.#again(gpu, program, this.tokens.slice(read - Math.floor(read / 2)));
    this.#step(gpu, program, id);
    return asked ? program.read() : null;
  }

  #again(gpu, program, tokens) {
    this.tokens = [];
    gpu.reader = this;
    gpu.reset(this.about.kept);
    tokens.forEach((token) => this.#step(gpu, program, token));
  }

  #step(gpu, program, id) {
    const position = this.tokens.length;
    gpu.write(this.about.token, Uint32Array.of(id));
    gpu.write(this.about.position, Uint32Array.of(position));
    gpu.write(this.about.length, Uint32Array.of(position + 1));
    program.run();
    this.tokens.push(id);
  }
}

/** Draws tokens by their scores, as wgrad's `generate` does (from other random numbers). */
export function sampler({ temperature, topK, topP, seed }) {
  if (!(temperature >= 0)) throw new Error(`temperature ${temperature}: expected a number of at least 0`);
  if (!(topP > 0 && topP <= 1)) throw new Error(`top-p ${topP}: expected a share above 0 and at most 1`);
  let state = seed >>> 0;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return (scores) => {
    if (scores.some((s) => Number.isNaN(s) || s === Infinity)) {
      throw new Error("the model's scores are no numbers: its training has diverged");
    }
    const order = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
    if (temperature === 0) return order[0];
    if (topK > 0) order.length = Math.min(order.length, topK);
    let shares = order.map((t) => Math.exp((scores[t] - scores[order[0]]) / temperature));
    const total = shares.reduce((a, b) => a + b, 0);
    let sum = 0;
    const reached = shares.findIndex((s) => (sum += s) >= topP * total);
    if (reached >= 0) shares = shares.slice(0, reached + 1);
    let left = random() * shares.reduce((a, b) => a + b, 0);
    const drawn = shares.findIndex((s) => (left -= s) < 0);
    return order[drawn >= 0 ? drawn : shares.length - 1];
  };
}

