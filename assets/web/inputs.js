// What visitors give, by kind of model. Each makes `{ element, value() }` and calls `changed`
// when there is something new; `value()` is what `predict` takes, or null while there is nothing.

import { make } from "./charts.js";

/** The side of the drawing pad, in pixels of the screen. */
const SIDE = 280;

export function inputOf(kind, changed) {
  return { picture, row, text, series, numbers }[kind.kind](kind, changed);
}

/** A pad to draw on, or a picture that is chosen, dropped or pasted. */
function picture(kind, changed) {
  const scale = SIDE / Math.max(kind.width, kind.height);
  const [width, height] = [Math.round(kind.width * scale), Math.round(kind.height * scale)];
  const [paper, ink] = kind.dark ? ["black", "white"] : ["white", "black"];
  const canvas = make("canvas", { width, height, tabindex: "0", role: "img", "aria-label": "Drawing pad: arrow keys move the pen, the space bar sets it down or lifts it. A picture can be chosen, dropped or pasted, too." });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const centre = make("input", { type: "checkbox", onchange: changed });
  centre.checked = kind.channels === 1 && kind.dark;
  const invert = make("input", { type: "checkbox", onchange: changed });
  let [loaded, drawn, pen] = [null, false, null];

  const clear = () => {
    [loaded, drawn, pen] = [null, false, null];
    context.fillStyle = paper;
    context.fillRect(0, 0, width, height);
    changed();
  };
  const stroke = (from, to) => {
    Object.assign(context, { strokeStyle: ink, lineWidth: width / 14, lineCap: "round" });
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
    drawn = true;
    changed();
  };
  const begin = () => {
    if (loaded) clear();
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };
  canvas.onpointerdown = (event) => {
    begin();
    canvas.setPointerCapture(event.pointerId);
    pen = at(event);
    stroke(pen, pen);
  };
  canvas.onpointermove = (event) => {
    if (!pen || !canvas.hasPointerCapture(event.pointerId)) return;
    const next = at(event);
    stroke(pen, next);
    pen = next;
  };
  canvas.onpointerup = () => (pen = null);
  let keys = { at: [width / 2, height / 4], down: false };
  canvas.onkeydown = (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], " ": [0, 0] }[event.key];
    if (!move) return;
    event.preventDefault();
    begin();
    if (event.key === " ") keys.down = !keys.down;
    const to = keys.at.map((v, i) => Math.max(0, Math.min([width, height][i], v + (move[i] * width) / 28)));
    if (keys.down) stroke(keys.at, to);
    keys.at = to;
  };
  const take = async (file) => {
    if (!file) return;
    try {
      const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
      const own = make("canvas", { width: bitmap.width, height: bitmap.height }).getContext("2d");
      own.drawImage(bitmap, 0, 0);
      loaded = own.getImageData(0, 0, bitmap.width, bitmap.height);
      context.fillStyle = "white";
      context.fillRect(0, 0, width, height);
      context.drawImage(bitmap, 0, 0, width, height);
      changed();
    } catch {
      changed(new Error(`${file.name || "what was pasted"} is no picture that this browser reads; take a PNG, JPEG or WebP file`));
    }
  };
  const file = make("input", { type: "file", accept: "image/*", class: "hidden", onchange: () => take(file.files[0]) });
  const pad = make("div", { class: "pad" }, canvas);
  pad.ondragover = (event) => (event.preventDefault(), pad.classList.add("over"));
  pad.ondragleave = () => pad.classList.remove("over");
  pad.ondrop = (event) => (event.preventDefault(), pad.classList.remove("over"), take(event.dataTransfer.files[0]));
  document.addEventListener("paste", (event) => take([...event.clipboardData.files][0]));
  const element = make("div", {}, pad, make("p", { class: "soft" }, "Draw, or choose, drop or paste a picture."), make("div", { class: "row" },
    make("button", { type: "button", onclick: clear }, "Clear"),
    make("label", { class: "button" }, "Choose a picture", file),
    make("label", {}, invert, " invert"),
    make("label", {}, centre, " centre what is drawn")));
  const seen = make("canvas", { class: "seen", width: kind.width, height: kind.height, "aria-hidden": "true" });
  pad.append(make("figure", {}, seen, make("figcaption", {}, "what the model sees")));
  clear();
  return {
    element,
    value: () => {
      if (!loaded && !drawn) return null;
      const image = loaded ?? (centre.checked ? centred(canvas, paper) : context.getImageData(0, 0, width, height));
      return invert.checked ? inverted(image) : image;
    },
    show: (sample) => showPlanes(seen, sample, kind),
  };
}

function inverted(image) {
  return new ImageData(image.data.map((v, i) => (i % 4 === 3 ? v : 255 - v)), image.width, image.height);
}

/** The drawing in the middle, five sevenths of the side large, as digits in data sets are. */
function centred(canvas, paper) {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let [left, right, top, bottom] = [width, 0, height, 0];
  for (let i = 0; i < width * height; i += 1) {
    if ((data[4 * i] > 127) === (paper === "white")) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x + 1), Math.min(top, y), Math.max(bottom, y + 1)];
  }
  const out = make("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
  out.fillStyle = paper;
  out.fillRect(0, 0, width, height);
  if (right > left) {
    const factor = ((5 / 7) * Math.min(width, height)) / Math.max(right - left, bottom - top);
    const [w, h] = [(right - left) * factor, (bottom - top) * factor];
    out.drawImage(canvas, left, top, right - left, bottom - top, (width - w) / 2, (height - h) / 2, w, h);
  }
  return out.getImageData(0, 0, width, height);
}

function showPlanes(canvas, planes, { channels, height, width }) {
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i += 1) {
    for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = planes[(channels === 3 ? c : 0) * width * height + i];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** A form of the columns that the model reads. */
function row(kind, changed) {
  const fields = kind.columns.map((column) => ({ column, field: fieldOf(column, changed) }));
  const labelled = ({ column, field }) => make("label", {}, make("span", {}, column.name + unitOf(column)), field);
  return {
    element: make("form", { class: "fields", onsubmit: (event) => event.preventDefault() }, ...fields.map(labelled)),
    value: () => Object.fromEntries(fields.map(({ column, field }) => [column.name, field.value])),
  };
}

function unitOf({ encoder }) {
  const { unit, durations } = encoder?.number?.format ?? {};
  return unit ? ` (${unit})` : durations ? " (h:mm:ss)" : "";
}

function fieldOf({ encoder, kind }, changed) {
  const attributes = { type: "text", oninput: () => changed(), autocomplete: "off" };
  if (encoder?.category) {
    const { slots, gap } = encoder.category;
    const choices = slots.values.map((value) => make("option", { value }, value));
    if (slots.missing || gap !== "drop") choices.push(make("option", { value: "" }, "(missing)"));
    return make("select", { onchange: () => changed() }, ...choices);
  }
  if (encoder?.date) {
    const type = encoder.date.parts.includes("hour") ? "datetime-local" : "date";
    const now = new Date().toISOString();
    return make("input", { ...attributes, type, value: type === "date" ? now.slice(0, 10) : now.slice(0, 16) });
  }
  const number = encoder?.number;
  if (!number) return make("input", { ...attributes, placeholder: kind });
  const [low, high] = number.range;
  const usual = number.gap.fill?.value ?? (low + high) / 2;
  const written = (x) => String(Number(x.toPrecision(6))).replace(".", number.format.decimal === "comma" ? "," : ".");
  const value = number.format.durations ? "" : written(usual);
  return make("input", { ...attributes, inputmode: "decimal", value, title: `${written(low)} to ${written(high)} in training` });
}

function text(kind, changed) {
  const area = make("textarea", { rows: "6", oninput: () => changed() });
  return { element: make("label", { class: "field" }, make("span", {}, "A text"), area), value: () => (area.value === "" ? null : area.value) };
}

function numbers(kind, changed) {
  const area = make("textarea", { rows: "6", oninput: () => changed() });
  const label = `Numbers of a sample of shape ${kind.shape.join(" x ")}, separated by blanks or commas`;
  return {
    element: make("label", { class: "field" }, make("span", {}, label), area),
    value: () => {
      const cells = area.value.split(/[\s,;[\]]+/).filter((cell) => cell !== "");
      const bad = cells.find((cell) => !Number.isFinite(Number(cell)));
      if (bad !== undefined) throw new Error(`"${bad}" is no number`);
      return cells.length === 0 ? null : Float32Array.from(cells, Number);
    },
  };
}

/** A file of CSV, or its text. */
function series(kind, changed) {
  const area = make("textarea", { rows: "8", spellcheck: "false", oninput: () => changed() });
  const read = async (file) => {
    if (!file) return;
    area.value = await file.text();
    changed();
  };
  const file = make("input", { type: "file", accept: ".csv,.tsv,text/*", class: "hidden", onchange: () => read(file.files[0]) });
  const names = [kind.date?.name, ...kind.inputs.map((c) => c.name)].filter(Boolean).join(", ");
  const label = `CSV with a header and the columns ${names}; at least ${kind.reach} rows, the latest of them decide`;
  const element = make("div", {}, make("label", { class: "field" }, make("span", {}, label), area),
    make("div", { class: "row" }, make("label", { class: "button" }, "Choose a CSV file", file)));
  element.ondragover = (event) => event.preventDefault();
  element.ondrop = (event) => (event.preventDefault(), read(event.dataTransfer.files[0]));
  return { element, value: () => (area.value.trim() === "" ? null : area.value) };
}
