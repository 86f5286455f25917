// The page of a model that is served: the same page, and the server computes.

import { prepare } from "./prepare.js";
import { make } from "./charts.js";
import { start } from "./page.js";

const { about, name, version, device, several } = JSON.parse(document.getElementById("package").textContent);
const kind = about.input;

/** Asks the server, and fails with what it says. */
async function ask(path, type, body, { signal, ...query } = {}) {
  const address = `${path}?${new URLSearchParams({ model: name, version, ...query })}`;
  let response;
  try {
    response = await fetch(address, { method: "POST", headers: { "Content-Type": type }, body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer; is it still running?");
  }
  if (response.ok) return response;
  const text = await response.text();
  let message = text;
  try {
    message = JSON.parse(text).error;
  } catch {
    // Something between the page and the server said it.
  }
  throw new Error(message || `the server answered ${response.status}`);
}

const json = (value) => ["application/json", JSON.stringify(value)];

/** A list of numbers as nested lists of a shape. */
function nested(values, [length, ...rest]) {
  if (rest.length === 0) return Array.from(values);
  const each = values.length / length;
  return Array.from({ length }, (_, i) => nested(values.slice(i * each, (i + 1) * each), rest));
}

/** What is sent of an input, by kind: the type and the body. */
const sent = {
  picture: async (image) => {
    const canvas = make("canvas", { width: image.width, height: image.height });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return ["image/png", await new Promise((resolve) => canvas.toBlob(resolve, "image/png"))];
  },
  row: (row) => json({ rows: [row] }),
  text: (text) => json({ texts: [text] }),
  series: (csv) => ["text/csv", csv],
  numbers: (values) => json({ inputs: [nested(prepare(values, about).sample, kind.shape)] }),
};

/** What the server says of an input, as the page shows it. */
async function predict(input) {
  const top = about.task === "classification" ? { top: about.outputs.length } : {};
  const response = await ask("/predict", ...(await sent[kind.kind](input)), top);
  const { predictions, notes } = await response.json();
  if (predictions.length === 0 || predictions.includes(null)) throw new Error(notes.join("; ") || "the model cannot use this input");
  const number = (x) => (typeof x === "number" ? x : NaN);
  if (about.task === "classification") {
    const [found] = predictions;
    const shares = new Map(found.top.map((one) => [one.class, number(one.probability)]));
    return { outputs: about.outputs, values: about.outputs.map((output) => shares.get(output) ?? NaN), notes, class: found.class, probability: found.probability };
  }
  const values = predictions.flatMap((found) => Object.values(found.values).map(number));
  if (kind.kind !== "series") return { outputs: Object.keys(predictions[0].values), values, notes };
  const outputs = predictions.flatMap(({ group, date, row, values: of }) =>
    Object.keys(of).map((target) => [group, date ?? `row ${row}`, target].filter(Boolean).join(", ")));
  return { outputs, values, notes, history: predictions.some((found) => found.group) ? undefined : past(input) };
}

/** The rows before a forecast, for the chart; the server reads more formats than the page does. */
function past(csv) {
  try {
    return prepare(csv, about).history;
  } catch {
    return undefined;
  }
}

/** A text, piece by piece. */
async function* generate(prompt, { length, temperature, topK, seed, stop, signal }) {
  const request = { prompt, max_tokens: length, temperature, seed, ...(topK > 0 && { top_k: topK }), ...(stop && { stop: [stop] }) };
  try {
    const response = await ask("/generate", ...json(request), { signal });
    let rest = "";
    for await (const piece of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
      const events = (rest + piece).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const { text, error } = JSON.parse(event.replace(/^data: /, ""));
        if (error) throw new Error(error);
        if (text) yield text;
      }
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

/** What a stream gives; not every browser iterates over one itself. */
async function* chunks(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

const computer = { about, adapter: `the server, on ${device}`, predict, generate };
// The page knows two ways to resize a picture; how the server does it otherwise cannot be shown.
if (["triangle", "nearest"].includes(kind.filter)) computer.prepare = (input) => prepare(input, about).sample;
// For scripts and tests.
globalThis.model = computer;
start(computer);
const link = (href, text) => make("a", { href }, text);
document.getElementById("page").append(make("p", { class: "soft", style: "margin-top: 1rem" },
  several ? link("/", "all models") : link("/pages", "addresses for programs"), " · ", link("/openapi.json", "OpenAPI"), " · ", link("/metrics", "metrics")));
