// From what a visitor gives to a sample, and from a model's numbers to an answer.

import { planesOf } from "./pictures.js";
import { featuresOf, windowOf } from "./tables.js";

/** A sample of one input: `{ sample, notes }`, and for a series what forecasts are changes from. */
export function prepare(input, { input: kind, sample }, vocabulary) {
  const elements = sample.shape.reduce((a, b) => a * b, 1);
  const type = { bytes: Uint8Array, floats: Float32Array, tokens: Uint32Array }[sample.elements];
  const prepared = preparedOf(input, kind, vocabulary, type);
  if (!(prepared.sample instanceof type) || prepared.sample.length !== elements) {
    throw new Error(`a sample of ${prepared.sample.length} ${prepared.sample.constructor.name} elements; expected ${elements} of ${type.name}`);
  }
  return prepared;
}

function preparedOf(input, kind, vocabulary, type) {
  if (input instanceof type || kind.kind === "numbers") return { sample: input instanceof type ? input : type.from(input), notes: [] };
  if (kind.kind === "picture") return { sample: planesOf(input, kind), notes: [] };
  if (kind.kind === "row") return featuresOf(input, kind);
  if (kind.kind === "series") return windowOf(input, kind);
  return vocabulary.sample(input, kind.length);
}

/** A model's numbers, in words: a probability for each class, or values in their units. */
export function answer(numbers, { task, outputs, target }, { from, notes, history, dates }) {
  const values = Array.from(numbers, (v, i) => {
    if (task !== "regression") return v;
    const scaled = Math.fround(Math.fround(v * target.scale[i]) + target.shift[i]);
    return Math.fround(scaled + (from ? from[i] : 0)) + target.centre[i];
  });
  if (task !== "classification") return { outputs, values, notes, history, dates };
  const best = values.reduce((best, v, i) => (v > values[best] ? i : best), 0);
  return { outputs, values, notes, class: outputs[best], probability: values[best] };
}

