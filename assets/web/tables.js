// Rows of tables and windows of series as wgrad's own preprocessing makes them, from what it
// learned of the training rows.

/** The features of a row, given as an object of values by the names of columns. */
export function featuresOf(row, input) {
  const out = [];
  const notes = [];
  for (const column of input.columns) {
    const cell = cellOf(row[column.name], input.missing, column.values);
    const missing = () => new Error(`"${column.name}" is missing; the model needs it`);
    if (column.required && cell === null) throw missing();
    if (!column.encoder) continue;
    const [[kind, rule]] = Object.entries(column.encoder);
    const encode = { number: ofNumber, category: ofCategory, date: ofDate, text: ofText }[kind];
    out.push(...encode(cell, rule, { name: column.name, missing, note: (text) => notes.push(`"${column.name}": ${text}`) }));
  }
  return { sample: Float32Array.from(out), notes };
}

/** A cell as text; `null` where there is nothing in it. */
function cellOf(value, missing, kept) {
  if (value === undefined || value === null) return null;
  const text = String(value).trim();
  return text === "" || (missing.includes(text) && !(kept ?? []).includes(text)) ? null : text;
}

/** What a gap is filled with; fails where there is nothing. */
function fillOf(gap, { missing }) {
  if (gap.fill) return gap.fill.value;
  throw missing();
}

function ofNumber(cell, { format, censored, gap, indicator, clip, offset }, cx) {
  const read = cell === null ? null : numberOf(cell, format, cx.name);
  const known = read !== null && Number.isFinite(read.value);
  let x = known ? read.value : fillOf(gap, cx);
  if (!known) cx.note(`missing, read as ${x}`);
  if (clip && (x < clip[0] || x > clip[1])) {
    x = Math.min(Math.max(x, clip[0]), clip[1]);
    cx.note(`beyond the training rows, read as ${x}`);
  }
  return [x - offset, ...(censored ? [read?.side ?? 0] : []), ...(indicator ? [known ? 0 : 1] : [])];
}

/** A number in a cell: digits with the column's decimal mark; durations as 1:48:07. */
export function numberOf(cell, format, name) {
  const bound = /^([<>])\s*/.exec(cell);
  const text = bound ? cell.slice(bound[0].length) : cell;
  const fail = (wanted) => new Error(`"${name}" is "${cell}"; expected ${wanted}`);
  if (format.durations) {
    const parts = /^(?:(\d+):)?(\d+):(\d{2}(?:\.\d+)?)$/.exec(text);
    if (!parts) throw fail("a duration such as 1:48:07");
    return { value: Number(parts[1] ?? 0) * 3600 + Number(parts[2]) * 60 + Number(parts[3]), side: 0 };
  }
  const plain = format.decimal === "comma" ? text.replace(",", ".") : text;
  const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) && !(format.decimal === "comma" && text.includes("."));
  if (!isNumber) throw fail(`a plain number such as ${format.decimal === "comma" ? "1234,5" : "1234.5"}`);
  const x = Number(plain);
  const value = Math.abs(x) > 3.4028234663852886e38 ? Math.sign(x) * Infinity : x;
  return { value, side: !bound ? 0 : bound[1] === "<" ? -1 : 1 };
}

/** One spelling of whole numbers: 1.0 is 1. */
function spelled(cell) {
  return /^[+-]?\d+\.0+$/.test(cell) ? cell.slice(0, cell.indexOf(".")) : cell;
}

/** The place of a category; -1 for nowhere. */
function placeOf(cell, { values, other, missing }) {
  const rest = other ? values.length : -1;
  if (cell === null) return missing ? values.length + (other ? 1 : 0) : rest;
  const at = values.indexOf(spelled(cell));
  return at >= 0 ? at : rest;
}

function oneOf(cell, slots) {
  const features = new Array(slots.values.length + (slots.other ? 1 : 0) + (slots.missing ? 1 : 0)).fill(0);
  const at = placeOf(cell, slots);
  if (at >= 0) features[at] = 1;
  return features;
}

function ofCategory(cell, { slots, ordinal, gap, indicator }, cx) {
  const value = cell === null && gap !== "slot" ? fillOf(gap, cx) : cell;
  if (cell === null) cx.note("missing");
  else if (!slots.values.includes(spelled(cell)) && !slots.rare.includes(spelled(cell))) cx.note(`"${cell}" was in no training row`);
  const order = placeOf(value, slots) + 1;
  const features = ordinal ? [order > slots.values.length ? 0 : order] : oneOf(value, slots);
  return [...features, ...(indicator ? [cell === null ? 1 : 0] : [])];
}

function ofDate(cell, { format, parts, gap, indicator }, cx) {
  const read = cell === null ? null : dateOf(cell, format);
  if (cell !== null && read === null) {
    throw new Error(`"${cx.name}" is "${cell}"; expected a date such as 2024-01-31, or as in training (${format})`);
  }
  const used = read ?? dateOf(fillOf(gap, cx), format);
  if (used === null) throw cx.missing();
  return [...parts.map((part) => partOf(used, part)), ...(indicator ? [read === null ? 1 : 0] : [])];
}

function partOf(date, part) {
  const hours = (date.getUTCHours() * 3600 + date.getUTCMinutes() * 60 + date.getUTCSeconds()) / 3600;
  const days = Math.floor(date.getTime() / 86_400_000);
  return {
    year: () => date.getUTCFullYear(),
    month: () => date.getUTCMonth() + 1,
    day: () => date.getUTCDate(),
    weekday: () => (date.getUTCDay() + 6) % 7,
    hour: () => hours,
    days: () => days + hours / 24,
  }[part]();
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const FIELDS = {
  "%Y": ["(\\d{4})", "year"],
  "%y": ["(\\d{2})", "short"],
  "%m": ["(\\d{1,2})", "month"],
  "%d": ["(\\d{1,2})", "day"],
  "%B": ["([A-Za-z]{3,9})", "name"],
  "%H": ["(\\d{1,2})", "hour"],
  "%I": ["(\\d{1,2})", "hour"],
  "%p": ["([AaPp][Mm])", "half"],
  "%M": ["(\\d{2})", "minute"],
  "%S": ["(\\d{2})", "second"],
  "%.f": ["(\\.\\d+)?", "fraction"],
};

/** The date in a cell that is written as `format` says, or as 2024-01-31 or 2024-01-31 12:30. */
export function dateOf(cell, format = "") {
  const iso = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
  for (const way of [...format.split("|"), ...iso]) {
    const found = dateWritten(cell, way);
    if (found) return found;
  }
  return null;
}

function dateWritten(cell, way) {
  const names = [];
  const field = (mark) => (names.push(FIELDS[mark][1]), FIELDS[mark][0]);
  const parts = way.split(/(%\.f|%[A-Za-z])/).map((part) => (FIELDS[part] ? field(part) : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
  const found = names.length > 0 && new RegExp(`^${parts.join("")}$`).exec(cell);
  if (!found) return null;
  const of = Object.fromEntries(names.map((name, i) => [name, found[i + 1]]));
  const year = of.short ? Number(of.short) + (Number(of.short) < 70 ? 2000 : 1900) : Number(of.year);
  const month = of.name ? MONTHS.indexOf(of.name.slice(0, 3).toLowerCase()) : Number(of.month ?? 1) - 1;
  const half = of.half ? (Number(of.hour) % 12) + (/p/i.test(of.half) ? 12 : 0) : Number(of.hour ?? 0);
  const time = [half, Number(of.minute ?? 0), Number(of.second ?? 0)];
  const date = new Date(Date.UTC(year, month, Number(of.day ?? 1), ...time));
  const fits = date.getUTCMonth() === month && date.getUTCHours() === half && date.getUTCMinutes() === time[1];
  return fits && Number.isFinite(date.getTime()) ? date : null;
}

/** The words of a text: lower case, two or more characters, no numbers. */
function wordsOf(cell) {
  const all = cell.match(/[\p{Alphabetic}\p{N}]+/gu) ?? [];
  return new Set(all.filter((w) => [...w].length > 1 && /\p{Alphabetic}/u.test(w)).map((w) => w.toLowerCase()));
}

function ofText(cell, rule, cx) {
  if (cell === null) cx.note("missing");
  if (rule.prefix) {
    const letters = cell?.split(/[0-9]/)[0].match(/\p{Alphabetic}/gu) ?? [];
    return oneOf(cell === null ? null : letters.join("").toUpperCase(), rule.prefix);
  }
  const words = cell === null ? new Set() : wordsOf(cell);
  if (rule.words) return rule.words.map((word) => (words.has(word) ? 1 : 0));
  return oneOf(cell === null ? null : (rule.word.values.find((word) => words.has(word)) ?? ""), rule.word);
}

/** A CSV text as rows of objects; what separates cells is found out. */
export function parseCsv(text) {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/);
  const head = lines.find((line) => line.trim() !== "") ?? "";
  const counts = [",", ";", "\t", "|"].map((mark) => [head.split(mark).length, mark]);
  const delimiter = counts.reduce((best, next) => (next[0] > best[0] ? next : best))[1];
  const records = [[""]];
  let quoted = false;
  for (const c of text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n")) {
    const record = records.at(-1);
    if (c === '"') quoted = !quoted;
    else if (c === delimiter && !quoted) record.push("");
    else if (c === "\n" && !quoted) records.push([""]);
    else record[record.length - 1] += c;
  }
  const [names, ...rows] = records.filter((r) => r.length > 1 || r[0].trim() !== "").map((r) => r.map((c) => c.trim()));
  return { names: names ?? [], rows: rows.map((r) => Object.fromEntries(names.map((name, i) => [name, r[i] ?? ""]))) };
}

/** The last window of a series, given as text of CSV, and what its forecasts are changes from. */
export function windowOf(text, input) {
  const { names, rows } = parseCsv(text);
  const { window, horizon, inputs, targets, lag, difference, calendar, date, group, missing, reach } = input;
  const several = group.filter((name) => new Set(rows.map((row) => row[name])).size > 1);
  if (several.length > 0) throw new Error(`the file has several series, told apart by "${several.join('", "')}"; keep the rows of one`);
  const needed = difference || lag ? [...inputs, ...targets] : inputs;
  const lacking = needed.find(({ name }) => !names.includes(name));
  if (lacking) throw new Error(`there is no column "${lacking.name}"; the file has ${names.join(", ")}`);
  const dated = date && names.includes(date.name) && !date.time;
  if (calendar.length > 0 && !dated) throw new Error(`the dates of "${date?.name}" are needed, in one column of that name`);
  const dates = dated ? rows.map((row, i) => dateAt(row[date.name], date, i)) : null;
  const order = rows.map((_, i) => i);
  if (dates) order.sort((a, b) => dates[a] - dates[b]);
  const read = ({ name, format, centre }) => order.map((i) => {
    const cell = cellOf(rows[i][name], missing);
    if (cell === null) throw new Error(`row ${i + 1}: "${name}" is missing; a forecast needs a number in each row`);
    return numberOf(cell, format, name).value - centre;
  });
  const n = rows.length;
  if (n < reach) throw new Error(`the file has ${n} rows; expected at least ${reach}, what the model looks back on`);
  const columns = inputs.map(read);
  const own = targets.map(({ name }) => inputs.findIndex((c) => c.name === name)).filter((i) => i >= 0);
  const width = inputs.length + 2 * calendar.length;
  const sample = new Float32Array(window * width);
  for (let row = n - window, at = 0; row < n; row += 1) {
    columns.forEach((c, i) => (sample[at++] = lag && own.includes(i) ? c[row] - c[row - lag] : c[row]));
    for (const cycle of calendar) {
      const angle = 2 * Math.PI * phaseOf(dates[order[row]], cycle);
      [sample[at++], sample[at++]] = [Math.sin(angle), Math.cos(angle)];
    }
  }
  for (const column of difference ? own : []) {
    const last = sample[(window - 1) * width + column];
    for (let i = column; i < sample.length; i += width) sample[i] -= last;
  }
  const known = targets.map((t) => (difference || lag || names.includes(t.name) ? read(t) : null));
  const from = difference || lag ? Float32Array.from({ length: horizon * targets.length }, (_, i) => {
    const [h, column] = [Math.floor(i / targets.length) + 1, known[i % targets.length]];
    const back = lag ? lag * Math.ceil(h / lag) : 0;
    const season = lag ? column[n + h - 1 - back] : 0;
    if (!difference) return season;
    return lag ? column[n - 1] + season - column[n - 1 - back] : column[n - 1];
  }) : null;
  const history = targets.map((t, i) => ({ name: t.name, values: known[i]?.map((x) => x + t.centre) ?? [] }));
  return { sample, from, history, dates: dates && order.map((i) => dates[i]), notes: [] };
}

function dateAt(cell, { name, format }, row) {
  const found = dateOf(cell, format);
  if (!found) throw new Error(`row ${row + 1}: "${name}" is "${cell}"; expected a date such as 2024-01-31, or as in training (${format})`);
  return found;
}

/** Where a date stands in a cycle, from 0 to 1. */
function phaseOf(date, cycle) {
  const day = (date.getUTCHours() * 3600 + date.getUTCMinutes() * 60 + date.getUTCSeconds()) / 86_400;
  if (cycle === "hour") return day;
  if (cycle === "day_of_week") return (((date.getUTCDay() + 6) % 7) + day) / 7;
  const ofYear = Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000);
  return (ofYear + day) / 365.2425;
}
