// Elements, bars and lines of the page.

/** An element with attributes, listeners (`onclick`) and children. */
export function make(tag, attributes = {}, ...children) {
  const isSvg = ["svg", "path", "line", "text"].includes(tag);
  const element = isSvg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A number for people: six digits that matter. */
export function shown(x) {
  if (!Number.isFinite(x)) return String(x);
  const size = Math.abs(x);
  return size !== 0 && (size < 1e-4 || size >= 1e9) ? x.toExponential(3) : String(Number(x.toPrecision(6)));
}

/** The most classes that are listed in their own order; of more, the likeliest. */
const LISTED = 12;

/** Probabilities as bars. */
export function bars(names, values) {
  let order = values.map((_, i) => i);
  if (order.length > LISTED) order = order.sort((a, b) => values[b] - values[a]).slice(0, 10);
  const item = (i) => {
    const share = `${(100 * values[i]).toFixed(1)} %`;
    const bar = make("i", { style: `width: ${Math.max(0, Math.min(100, 100 * values[i]))}%` });
    return make("li", {}, make("span", { class: "name" }, names[i]), make("span", { class: "track", "aria-hidden": "true" }, bar), make("span", { class: "share" }, share));
  };
  return make("ul", { class: "bars", "aria-label": "probabilities" }, ...order.map(item));
}

/** Names and numbers. */
export function list(names, values) {
  const row = (name, i) => make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "number" }, shown(values[i])));
  return make("div", { class: "scroll", tabindex: "0" }, make("table", {}, make("tbody", {}, ...names.map(row))));
}

/** Lines over their positions: `[{ points: [[x, y]], class }]`. `label` is for those who cannot see them. */
export function lines(all, label) {
  // Letters keep their size on a phone.
  const width = Math.max(260, Math.min(500, innerWidth - 70));
  const [height, left, bottom] = [Math.round(120 + width / 5), 62, 22];
  const points = all.flatMap((line) => line.points).filter((p) => p.every(Number.isFinite));
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  if (points.length === 0) return svg;
  const range = (i) => [Math.min(...points.map((p) => p[i])), Math.max(...points.map((p) => p[i]))];
  const [[x0, x1], [y0, y1]] = [range(0), range(1)];
  const x = (v) => left + ((v - x0) / (x1 - x0 || 1)) * (width - left - 8);
  const y = (v) => 8 + ((y1 - v) / (y1 - y0 || 1)) * (height - bottom - 16);
  for (const value of y1 > y0 ? [y0, (y0 + y1) / 2, y1] : [y0]) {
    svg.append(make("line", { class: "axis", x1: left, x2: width - 8, y1: y(value), y2: y(value) }));
    svg.append(make("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, shown(Number(value.toPrecision(4)))));
  }
  svg.append(make("text", { x: left, y: height - 4 }, shown(x0)), make("text", { x: width - 8, y: height - 4, "text-anchor": "end" }, shown(x1)));
  for (const line of all) {
    const path = line.points.filter((p) => p.every(Number.isFinite)).map(([a, b], i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`);
    svg.append(make("path", { class: line.class, d: path.join("") }));
  }
  return svg;
}

/** Offers bytes to be saved under a name. */
export function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
