// Training in the page: visitors give examples of the classes and watch the loss fall.

import { lines, make, save } from "./charts.js";

/** The steps of one press of the button. */
const STEPS = 100;

/** The card for a model that trains here. `asked` is the visitor's input; `changed` hears when the model has learned. */
export function trainerOf(model, asked, changed, problem) {
  const { outputs, name } = model.about;
  const examples = outputs.map(() => []);
  const losses = [];
  let running = false;
  const choice = make("select", { "aria-label": "class of the example" }, ...outputs.map((output, i) => make("option", { value: i }, output)));
  const counts = make("ul", { class: "examples", "aria-label": "examples of each class" });
  const chart = make("div", {});
  const state = make("p", { class: "soft", role: "status" });
  const steps = make("input", { type: "number", min: 1, max: 10000, value: STEPS, "aria-label": "steps" });
  steps.style.width = "6em";

  const show = () => {
    const item = (all, i) => make("li", {}, `${outputs[i]}: ${all.length}`);
    counts.replaceChildren(...examples.map(item).filter((_, i) => examples[i].length > 0));
    const points = losses.map((loss, i) => [i + 1, loss]);
    const last = losses.at(-1);
    chart.replaceChildren(points.length > 1 ? lines([{ points, class: "line" }], `loss by step, ${last.toFixed(4)} at the end`) : "");
    const total = examples.reduce((sum, all) => sum + all.length, 0);
    start.disabled = running || total === 0;
    stop.disabled = !running;
    [add, again, weights].forEach((button) => (button.disabled = running));
    state.textContent = losses.length > 0 ? `step ${losses.length}, loss ${last.toFixed(4)}` : total === 0 ? "Add examples of two classes or more, then train." : `${total} examples`;
  };
  const guarded = (task) => async () => {
    try {
      problem(null);
      await task();
    } catch (error) {
      problem(error);
    } finally {
      show();
    }
  };
  const add = make("button", { type: "button", onclick: guarded(() => {
    const value = asked.value();
    if (value === null) throw new Error("there is nothing to add yet: give an example first");
    examples[choice.value].push(model.prepare(value));
  }) }, "Add as an example");
  const start = make("button", { type: "button", class: "main", onclick: guarded(run) }, "Train");
  const stop = make("button", { type: "button", onclick: () => (running = false) }, "Stop");
  const again = make("button", { type: "button", onclick: guarded(async () => {
    await model.reset();
    losses.length = 0;
    changed();
  }) }, "Forget what was learned");
  const weights = make("button", { type: "button", onclick: guarded(async () => save(await model.safetensors(), `${name}.safetensors`)) }, "Download the weights");

  /** Steps on batches that take the examples in turn, in a new order each time. */
  async function run() {
    const all = examples.flatMap((of, label) => of.map((sample) => ({ sample, label })));
    const wanted = Math.max(1, Math.min(10000, Math.round(Number(steps.value)) || STEPS));
    running = true;
    show();
    let left = [];
    for (let i = 0; i < wanted && running; i += 1) {
      const batch = [];
      while (batch.length < model.batch) {
        if (left.length === 0) left = shuffled(all);
        batch.push(left.pop());
      }
      const loss = await model.trainStep(batch.map((e) => e.sample), batch.map((e) => e.label));
      if (!Number.isFinite(loss)) {
        running = false;
        throw new Error("the loss is no number any more: the training has diverged; forget what was learned and add more examples");
      }
      losses.push(loss);
      if (i % 5 === 0) show();
    }
    running = false;
    await model.keep();
    changed();
  }

  show();
  addEventListener("resize", show);
  const element = make("section", { class: "wide" }, make("h2", {}, "Train it"),
    make("p", { class: "soft" }, "Everything stays in this browser. Give examples in the form above, say what they are, and train."),
    make("div", { class: "row" }, make("label", {}, "Class ", choice), add), counts,
    make("div", { class: "row" }, make("label", {}, "Steps ", steps), start, stop, again, weights), state, chart);
  return { element, add };
}

function shuffled(all) {
  const order = [...all];
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
