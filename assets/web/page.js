// The page: an input, and what the model says of it. It knows nothing of WebGPU: `computer` is
// whoever answers, with `about`, `predict(input)`, for language models `generate(prompt)`, and
// where it can show what the model sees, `prepare(input)`.

import { bars, lines, list, make } from "./charts.js";
import { inputOf } from "./inputs.js";
import { trainerOf } from "./train.js";

/** Shows a model. `computer.adapter` says where it is computed. */
export function start(computer, root = document.getElementById("page")) {
  const { about } = computer;
  const state = root.querySelector("#state");
  state.textContent = `${about.made_by} · computed by ${computer.adapter}`;
  state.className = "soft";
  const alarm = make("div", { role: "alert" });
  const problem = (error) => alarm.replaceChildren(error ? make("p", { class: "problem" }, error.message ?? String(error)) : "");
  const grid = make("div", { class: "grid" });
  root.append(alarm, grid);
  if (about.input.kind === "corpus") grid.append(...writer(computer, problem));
  else asker(computer, grid, problem);
}

/** Asks for an input and shows the answer while it changes. */
function asker(computer, grid, problem) {
  const { about } = computer;
  const answer = make("div", {}, make("p", { class: "soft" }, "The answer stands here once there is an input."));
  const best = make("p", { class: "best", "aria-live": "polite" });
  const trouble = make("div", { role: "alert" });
  let [busy, again] = [false, false];
  const changed = async (error) => {
    if (error instanceof Error) return fail(error);
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      do {
        again = false;
        const value = input.value();
        if (value === null) {
          answer.replaceChildren();
          best.textContent = "";
        } else {
          if (input.show && computer.prepare) input.show(computer.prepare(value));
          show(await computer.predict(value));
        }
        trouble.replaceChildren();
      } while (again);
    } catch (error) {
      fail(error);
    } finally {
      busy = false;
    }
  };
  const fail = (error) => {
    best.textContent = "";
    answer.replaceChildren();
    trouble.replaceChildren(make("p", { class: "problem" }, error.message));
  };
  const show = (found) => {
    const { outputs, values, notes, class: name, probability, history } = found;
    if (values.some((v) => !Number.isFinite(v))) throw new Error("the model's answer is no number: its training has diverged");
    best.textContent = name === undefined ? "" : `${name}, ${(100 * probability).toFixed(1)} %`;
    const parts = (notes ?? []).map((note) => make("p", { class: "note" }, note));
    if (history) parts.push(...forecast(found, about.input));
    answer.replaceChildren(name === undefined ? list(outputs, values) : bars(outputs, values), ...parts);
  };
  const early = { value: () => null };
  let input = early;
  input = inputOf(about.input, (error) => (input === early ? undefined : changed(error)));
  grid.append(make("section", {}, make("h2", {}, titles[about.input.kind]), input.element));
  grid.append(make("section", {}, make("h2", {}, about.task === "classification" ? "What it is" : "What the model says"), best, trouble, answer));
  if (computer.trains) grid.append(trainerOf(computer, input, () => changed(), problem).element);
  if (about.input.kind === "series") addEventListener("resize", () => changed());
  changed();
}

const titles = { picture: "A picture", row: "A row", text: "A text", series: "A series", numbers: "A sample" };

/** A chart for each target: the latest rows and what is forecast to follow. */
function forecast({ values, history }, { targets }) {
  return history.map(({ name, values: past }, t) => {
    const ahead = values.filter((_, i) => i % targets.length === t).map((v, h) => [past.length + h, v]);
    const shown = past.slice(-4 * Math.max(ahead.length, 12)).map((v, i, all) => [past.length - all.length + i, v]);
    const line = shown.length > 0 ? [shown.at(-1), ...ahead] : ahead;
    const label = `${name}: the latest rows, and ${ahead.length} that are forecast`;
    return make("figure", {}, lines([{ points: shown, class: "before" }, { points: line, class: "line" }], label), make("figcaption", {}, label));
  });
}

/** A prompt, and what the model goes on with. */
function writer(computer, problem) {
  const prompt = make("textarea", { rows: "4" }, "");
  const number = (value, attributes) => make("input", { type: "number", value, ...attributes });
  const length = number(200, { min: 1, max: 100000 });
  const temperature = number(0.8, { min: 0, max: 10, step: 0.05 });
  const topK = number(0, { min: 0, max: 1000000 });
  const stop = make("input", { type: "text", placeholder: "none" });
  const out = make("p", { class: "text" });
  const state = make("p", { class: "soft", role: "status" });
  let abort = null;
  const write = async () => {
    problem(null);
    abort = new AbortController();
    [begin.disabled, end.disabled] = [true, false];
    const more = make("i", {});
    out.replaceChildren(make("b", {}, prompt.value), more);
    const began = performance.now();
    let pieces = 0;
    try {
      const seed = Math.floor(Math.random() * 2 ** 32);
      const options = { length: Math.max(1, Number(length.value) || 1), temperature: Number(temperature.value), topK: Number(topK.value), stop: stop.value, seed, signal: abort.signal };
      state.textContent = "reading the prompt …";
      for await (const piece of computer.generate(prompt.value, options)) {
        more.append(piece);
        pieces += 1;
        state.textContent = `${Math.round((1000 * pieces) / (performance.now() - began))} pieces of text per second`;
      }
    } catch (error) {
      problem(error);
    } finally {
      [begin.disabled, end.disabled] = [false, true];
    }
  };
  const begin = make("button", { type: "button", class: "main", onclick: write }, "Write");
  const end = make("button", { type: "button", onclick: () => abort?.abort(), disabled: true }, "Stop");
  prompt.value = computer.about.beginning ?? "";
  const field = (name, element) => make("label", {}, make("span", {}, name), element);
  return [
    make("section", {}, make("h2", {}, "A beginning"), make("label", { class: "field" }, make("span", {}, "The text to go on from"), prompt),
      make("div", { class: "fields" }, field("Tokens", length), field("Temperature (0: the likeliest)", temperature), field("Top-k (0: all)", topK), field("Stop behind", stop)),
      make("div", { class: "row" }, begin, end)),
    make("section", {}, make("h2", {}, "What follows"), out, state),
  ];
}
