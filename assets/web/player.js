// Carries out a package of `wgrad export --format web` with WebGPU. A package holds plans as
// data (buffers, pipelines, dispatches), the shaders' text and the weights; docs/web.md
// describes it. The player knows nothing of layers or models.

import { answer, prepare } from "./prepare.js";
import { Reader, Vocabulary, sampler } from "./tokens.js";
import { halfToFloat, unpack } from "./unpack.js";

/** Dispatches per submit: no browser should take a long one for a hang. */
const PER_SUBMIT = 256;

/** Why there is no device: `message` says what to enable. */
export class Unsupported extends Error {}

/** A trained model that answers in the page. */
export class Model {
  /**
   * Opens a page or a package: its address, or its bytes.
   * `onlost(message)` hears of a device that went away; it is opened again when next needed.
   * `software` asks for the kernels of software adapters, or of none; by default the adapter says.
   */
  static async open(source, { onlost = () => {}, software = null } = {}) {
    const model = new Model(await unpack(source), { onlost, software });
    // The first answer need not wait for shaders to be compiled.
    await model.#alone((gpu) => gpu.program(model.about.programs.decode ? "decode" : "predict"));
    return model;
  }

  #blob;
  #gpu = null;
  #options;
  #last = Promise.resolve();
  #trained = null;

  constructor({ header, blob }, options) {
    /** What the model is: name, task, outputs, input, sample. */
    this.about = header;
    this.#blob = blob;
    this.#options = options;
    const vocabulary = header.input.vocabulary;
    this.vocabulary = vocabulary ? new Vocabulary(vocabulary) : null;
  }

  /** Whether it can be trained here. */
  get trains() {
    return "train" in this.about.programs;
  }

  /** The adapter, in words. */
  get adapter() {
    return this.#gpu?.name ?? "none";
  }

  /** What one input becomes before the device has it: a typed array of one sample. */
  prepare(input) {
    return prepare(input, this.about, this.vocabulary).sample;
  }

  /**
   * The answer for an input of the model's kind: an ImageData, an object of a row's values, a
   * text, a series as text of CSV; or a sample as a typed array.
   */
  async predict(input) {
    if (!this.about.programs.predict) throw new Error("this is a language model: it has generate(), not predict()");
    const prepared = prepare(input, this.about, this.vocabulary);
    const values = await this.#alone(async (gpu) => {
      const { about, program } = await gpu.program("predict");
      gpu.write(about.samples, words(prepared.sample));
      gpu.write(about.clock, new Uint32Array(4));
      program.run();
      return program.read();
    });
    return answer(values, this.about, prepared);
  }

  /**
   * Goes on with a text, token by token: yields pieces of text. A temperature of 0 takes the
   * likeliest token each time. Ends after `length` tokens, behind the text `stop`, or when
   * `signal` is aborted.
   */
  async *generate(prompt, { length = 200, temperature = 0.8, topK = 0, topP = 1, seed = 0, stop = "", signal } = {}) {
    if (!this.about.programs.decode) throw new Error("this model answers: it has predict(), not generate()");
    const ids = this.vocabulary.encode(prompt);
    if (ids.length === 0) throw new Error("the prompt has no token; write some text to go on from");
    const draw = sampler({ temperature, topK, topP, seed });
    const decoder = this.vocabulary.decoder();
    const reader = new Reader(this.about.programs.decode);
    let text = "";
    let scores;
    for (let i = 0; i < ids.length + length; i += 1) {
      if (signal?.aborted) return;
      let id = ids[i];
      if (i >= ids.length) {
        id = draw(scores);
        const piece = decoder.push(id);
        text += piece;
        const end = stop ? text.indexOf(stop) : -1;
        if (end >= 0) {
          const keep = piece.length - (text.length - end - stop.length);
          if (keep > 0) yield piece.slice(0, keep);
          return;
        }
        if (piece) yield piece;
      }
      // Nobody asks what follows the last one, nor within the prompt.
      const asked = i + 1 >= ids.length;
      if (i + 1 < ids.length + length) scores = await this.#alone((gpu) => reader.read(gpu, id, asked));
    }
    const rest = decoder.finish();
    if (rest) yield rest;
  }

  /**
   * A training step: prepared samples, and the number of the class of each. Fewer than the
   * batch are repeated. Returns the mean loss before the step.
   */
  async trainStep(samples, labels) {
    if (!this.trains) throw new Error("this page was exported without --train");
    return this.#alone(async (gpu) => {
      const { about, program } = await gpu.program("train");
      const rows = Array.from({ length: about.batch }, (_, i) => i % samples.length);
      const width = samples[0].length;
      const all = new samples[0].constructor(width * rows.length);
      rows.forEach((row, i) => all.set(samples[row], i * width));
      gpu.write(about.samples, words(all));
      gpu.write(about.targets, Uint32Array.from(rows, (row) => labels[row]));
      program.run();
      const [loss] = await program.read();
      this.#trained = true;
      return loss;
    });
  }

  /** Samples of a training step. */
  get batch() {
    return this.about.programs.train?.batch ?? 0;
  }

  /** Keeps the weights as they are, should the device go away. */
  async keep() {
    this.#trained = await this.weights();
  }

  /** The weights as they were exported. */
  async reset() {
    this.#trained = null;
    await this.#alone(async (gpu) => gpu.reset());
  }

  /** The weights by name: `[{ name, shape, values }]`. */
  async weights() {
    return this.#alone(async (gpu) => {
      await gpu.program("train");
      const all = [];
      for (const { name, shape, buffer, offset } of this.about.weights) {
        const elements = shape.reduce((a, b) => a * b, 1);
        all.push({ name, shape, values: await gpu.readNamed(buffer, offset, elements), buffer, offset });
      }
      return all;
    });
  }

  /** The weights as a file of safetensors, which `wgrad train --init` takes. */
  async safetensors() {
    const weights = await this.weights();
    let at = 0;
    const header = {};
    for (const { name, shape, values } of weights) {
      header[name] = { dtype: "F32", shape, data_offsets: [at, (at += values.byteLength)] };
    }
    let text = JSON.stringify(header);
    text += " ".repeat((8 - (text.length % 8)) % 8);
    const head = new TextEncoder().encode(text);
    const length = new BigUint64Array([BigInt(head.length)]);
    return new Blob([length, head, ...weights.map((w) => w.values)], { type: "application/octet-stream" });
  }

  /** Gives the device back. */
  close() {
    this.#gpu?.device.destroy();
    this.#gpu = null;
  }

  /** Runs one thing at a time, since programs share buffers; again if the device went away. */
  #alone(task) {
    const next = this.#last.then(async () => {
      for (let isAgain = false; ; isAgain = true) {
        const gpu = await this.#device();
        try {
          const result = await task(gpu);
          if (gpu.fault) throw new Error(gpu.fault);
          return result;
        } catch (error) {
          if (isAgain || !(await gpu.isLost())) throw error;
        }
      }
    });
    this.#last = next.catch(() => {});
    return next;
  }

  async #device() {
    if (this.#gpu) return this.#gpu;
    const gpu = await Gpu.open(this.about, this.#blob, this.#options.software);
    this.#gpu = gpu;
    gpu.device.lost.then(({ reason, message }) => {
      if (reason === "destroyed" || this.#gpu !== gpu) return;
      this.#gpu = null;
      const lost = this.#trained === true ? "; what was learned since the last pause is gone" : "";
      this.#options.onlost(`The graphics device went away (${message || reason})${lost}. It is opened again.`);
    });
    if (Array.isArray(this.#trained)) {
      await gpu.program("train");
      for (const { values, buffer, offset } of this.#trained) gpu.write(buffer, values, offset * 4);
    }
    return gpu;
  }
}

/** The device with everything that lies on it. */
class Gpu {
  static async open(header, blob, software) {
    const gpu = globalThis.navigator?.gpu;
    if (!gpu) throw new Unsupported(`This browser has no WebGPU. ${toEnable()}`);
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) throw new Unsupported(`This browser has WebGPU but gives no graphics adapter. ${toEnable()}`);
    const device = await adapter.requestDevice();
    return new Gpu(adapter, device, header, blob, software);
  }

  constructor(adapter, device, header, blob, software) {
    const { isFallbackAdapter, description, device: model, vendor, architecture } = adapter.info ?? {};
    Object.assign(this, { device, header, blob, named: new Map(), programs: new Map(), fault: null });
    /** On software, kernels that suit software. */
    this.isSoftware = software ?? isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
    this.name = description || model || [vendor, architecture].filter(Boolean).join(" ") || "WebGPU";
    this.modules = header.modules.map(() => null);
    device.onuncapturederror = ({ error }) => (this.fault ??= `The graphics device refused a command: ${error.message}`);
  }

  /** Whether it went away, of which it may tell a little after a command has failed. */
  isLost() {
    const wait = new Promise((done) => setTimeout(() => done(false), 200));
    return Promise.race([this.device.lost.then(() => true), wait]);
  }

  /** A program by name, loaded when it is first asked for. */
  async program(name) {
    const about = this.header.programs[name];
    if (!this.programs.has(name)) {
      const plan = about[this.isSoftware ? "software" : "gpu"];
      this.programs.set(name, { about, program: await Program.load(this, plan) });
    }
    return this.programs.get(name);
  }

  module(number) {
    const code = this.header.modules[number];
    return (this.modules[number] ??= this.device.createShaderModule({ code }));
  }

  /** What a buffer holds in the beginning; `null` for zeros. */
  content(number) {
    if (number === null) return null;
    const { offset, elements, stored } = this.header.contents[number];
    if (stored !== "f16") return new Uint8Array(this.blob, offset, elements * 4);
    return Float32Array.from(new Uint16Array(this.blob, offset, elements), halfToFloat);
  }

  /** A buffer of a program; those with names are shared. */
  buffer({ name, bytes, content }) {
    if (name !== null && this.named.has(name)) return this.named.get(name).buffer;
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const buffer = this.device.createBuffer({ label: name ?? "", size: bytes, usage: STORAGE | COPY_SRC | COPY_DST });
    const first = this.content(content);
    if (first) this.device.queue.writeBuffer(buffer, 0, first);
    if (name !== null) this.named.set(name, { buffer, bytes, content });
    return buffer;
  }

  write(name, values, at = 0) {
    // A program that does not read a buffer has none of that name.
    if (this.named.has(name)) this.device.queue.writeBuffer(this.named.get(name).buffer, at, values);
  }

  /** Sets the named buffers that begin with `prefix` to what they held in the beginning. */
  reset(prefix = "") {
    for (const [name, { buffer, bytes, content }] of this.named) {
      if (name.startsWith(prefix)) this.device.queue.writeBuffer(buffer, 0, this.content(content) ?? new Uint8Array(bytes));
    }
  }

  async readNamed(name, first, elements) {
    return this.read(this.named.get(name).buffer, first * 4, elements * 4);
  }

  async read(source, offset, bytes) {
    const { MAP_READ, COPY_DST } = GPUBufferUsage;
    const staging = this.device.createBuffer({ size: bytes, usage: MAP_READ | COPY_DST });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, offset, staging, 0, bytes);
    this.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const values = new Float32Array(staging.getMappedRange().slice(0));
    staging.destroy();
    return values;
  }
}

/** A plan whose pipelines, buffers and bind groups are there. */
class Program {
  static async load(gpu, plan) {
    const pipelines = await Promise.all(
      plan.pipelines.map(({ module, entry, constants }) =>
        gpu.device.createComputePipelineAsync({
          layout: "auto",
          compute: { module: gpu.module(module), entryPoint: entry, constants },
        }),
      ),
    );
    const buffers = plan.buffers.map((b) => gpu.buffer(b));
    const commands = plan.dispatches.map(({ pipeline, groups, bindings, label }) => {
      const entries = bindings.map(([binding, buffer, offset, size]) => ({
        binding,
        resource: { buffer: buffers[buffer], offset, size },
      }));
      const layout = pipelines[pipeline].getBindGroupLayout(0);
      return { pipeline: pipelines[pipeline], groups, bindGroup: gpu.device.createBindGroup({ label, layout, entries }) };
    });
    return new Program(gpu, plan, buffers, commands);
  }

  constructor(gpu, plan, buffers, commands) {
    Object.assign(this, { gpu, plan, buffers, commands });
  }

  /** Hands its dispatches over; does not wait. */
  run() {
    for (let first = 0; first < this.commands.length; first += PER_SUBMIT) {
      const encoder = this.gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const { pipeline, bindGroup, groups } of this.commands.slice(first, first + PER_SUBMIT)) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(...groups);
      }
      pass.end();
      this.gpu.device.queue.submit([encoder.finish()]);
    }
  }

  /** The program's output. */
  async read() {
    const { buffer, offset, bytes, elements } = this.plan.output;
    return (await this.gpu.read(this.buffers[buffer], offset, bytes)).subarray(0, elements);
  }
}

/** A sample as the device has it: bytes fill whole words. */
function words(sample) {
  if (!(sample instanceof Uint8Array)) return sample;
  const padded = new Uint8Array(Math.ceil(sample.length / 4) * 4);
  padded.set(sample);
  return padded;
}

/** What a visitor can do to have WebGPU. */
function toEnable() {
  const agent = globalThis.navigator?.userAgent ?? "";
  if (/firefox/i.test(agent)) return "In Firefox, set dom.webgpu.enabled to true in about:config, or take Chrome or Edge.";
  if (/edg|chrom/i.test(agent)) {
    return "Turn on graphics acceleration in the settings (System). On Linux also enable chrome://flags/#enable-unsafe-webgpu and #enable-vulkan, then restart.";
  }
  return "Chrome, Edge, Firefox and Safari (from version 26 on) have it in their latest versions.";
}
