// Opens the model in the page.

import { fromBase64 } from "./unpack.js";
import { Model } from "./player.js";
import { start } from "./page.js";

const say = (message, kind) => {
  const state = document.getElementById("state");
  state.textContent = message;
  state.className = kind;
};

try {
  const bytes = fromBase64(document.getElementById("package").textContent);
  const model = await Model.open(bytes, { onlost: (message) => say(message, "note") });
  // For scripts and tests: the model of the page.
  globalThis.model = model;
  start(model);
} catch (error) {
  say(error.message, "problem");
}
