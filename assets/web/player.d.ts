/** Why there is no device; the message says what to enable. */
export class Unsupported extends Error {}

/** What a visitor gives: a picture, a row by the names of its columns, a text or the CSV of a
 *  series, or a sample of the model's own elements. */
export type Input = ImageData | Record<string, string | number | null> | string | Uint8Array | Float32Array | Uint32Array;

/** A sample as the device takes it: pixels, numbers or tokens. */
export type Sample = Uint8Array | Float32Array | Uint32Array;

export interface Answer {
  /** The names of the classes, or of the targets. */
  outputs: string[];
  /** A probability for each class, or a value for each target in its own units. */
  values: number[];
  /** The likeliest class; only of models of classes. */
  class?: string;
  /** Its probability. */
  probability?: number;
  /** What was odd about the input. */
  notes?: string[];
  /** Of a series: the known values of each target. */
  history?: { name: string; values: number[] }[];
}

export interface GenerateOptions {
  /** Tokens to write; 200. */
  length?: number;
  /** 0 takes the likeliest token; 0.8. */
  temperature?: number;
  /** Only so many of the likeliest tokens; 0 for all. */
  topK?: number;
  /** Only the likeliest tokens that together have this share; 1. */
  topP?: number;
  /** What draws are made from. */
  seed?: number;
  /** Ends behind this text. */
  stop?: string;
  signal?: AbortSignal;
}

export interface About {
  format: "wgrad-web";
  version: number;
  made_by: string;
  name: string;
  task: "classification" | "regression" | "language";
  outputs: string[];
  sample: { shape: number[]; elements: "bytes" | "floats" | "tokens" };
  input: { kind: "picture" | "row" | "text" | "corpus" | "series" | "numbers"; [key: string]: unknown };
  [key: string]: unknown;
}

export class Model {
  /** Opens a page or a package of `wgrad export --format web`. Fails with `Unsupported` without WebGPU. */
  static open(source: string | URL | ArrayBuffer | Uint8Array, options?: { onlost?: (message: string) => void; software?: boolean | null }): Promise<Model>;
  readonly about: About;
  /** The adapter, in words. */
  readonly adapter: string;
  /** Whether it was exported with --train. */
  readonly trains: boolean;
  /** Samples of a training step. */
  readonly batch: number;
  prepare(input: Input): Sample;
  predict(input: Input): Promise<Answer>;
  generate(prompt: string, options?: GenerateOptions): AsyncGenerator<string, void, void>;
  /** A training step; the mean loss before it. */
  trainStep(samples: Sample[], labels: number[]): Promise<number>;
  /** Keeps the weights, should the device go away. */
  keep(): Promise<void>;
  /** The weights as they were exported. */
  reset(): Promise<void>;
  weights(): Promise<{ name: string; shape: number[]; values: Float32Array }[]>;
  /** A file for `wgrad train --init`. */
  safetensors(): Promise<Blob>;
  close(): void;
}
