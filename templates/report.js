// Everything here is about choosing and looking closer; the page is complete without it. Texts of
// hosts only ever become text nodes and attribute values.

const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function make(namespace, name, attributes, children) {
  const made = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== ""));
  return made;
}
const html = (name, attributes = {}, ...children) =>
  make("http://www.w3.org/1999/xhtml", name, attributes, children);
const svg = (name, attributes = {}, ...children) =>
  make("http://www.w3.org/2000/svg", name, attributes, children);

// --- the data: JSON and the bytes of all samples, deflated, 13 bits to two characters --------------
const digit = (code) => code - 33 - (code > 38) - (code > 60) - (code > 92); // none is & or < or \

function unpacked(line) {
  const [size, text] = line.split(" ");
  const bytes = new Uint8Array(size);
  let held = 0, bits = 0, at = 0;
  for (let i = 0; i < text.length; i += 2) {
    held = (held << 13) | (digit(text.charCodeAt(i)) * 91 + digit(text.charCodeAt(i + 1)));
    for (bits += 13; bits >= 8; bits -= 8) bytes[at++] = held >> (bits - 8);
    held &= (1 << bits) - 1;
  }
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")));
}
const packed = $("#data").textContent.trim().split("\n").map(unpacked);
const data = await packed[0].json();
const steps = new Uint8Array(await packed[1].arrayBuffer());
const column = new Map(data.columns.map((name, n) => [name, data.values[n]]));
const field = (i, name) => column.get(name)[i];
const places = data.titles.map((_, i) => i); // of the cases, in the order of the run
const nameOf = (i) => // of a case in the address
  `${["host", "model", "mode", "precision"].map((name) => field(i, name)).join("/")}/b${field(i, "batch_size")}`;

// --- controls: a switch of radio buttons, or a list; "" means all ---------------------------------
const controls = new Map();
for (const group of all("fieldset[data-filter]")) {
  const buttons = all("input", group);
  controls.set(group.dataset.filter, {
    initial: buttons[0].value,
    knows: (value) => buttons.some((button) => button.value === value),
    get: () => buttons.find((button) => button.checked).value,
    set: (value) => { buttons.find((button) => button.value === value).checked = true; },
    listen: (act) => group.addEventListener("change", act),
  });
}
for (const select of all("select[data-filter]")) {
  controls.set(select.dataset.filter, {
    initial: "",
    knows: (value) => [...select.options].some((option) => option.value === value),
    get: () => select.value,
    set: (value) => { select.value = value; },
    listen: (act) => select.addEventListener("change", act),
  });
}
const chosen = () =>
  [...controls].map(([name, control]) => [name, control.get()]).filter(([, value]) => value);

// --- what is shown --------------------------------------------------------------------------------
let shown = []; // places of the cases that match, in the order of the table

function apply() {
  const choices = chosen();
  const state = Object.fromEntries(choices);
  const matches = places.map((i) =>
    choices.every(([name, value]) => String(field(i, name)) === value));
  const fits = (name, value) => !state[name] || value === undefined || state[name] === value;

  // The style sheet hides other modes and precisions, with or without this script.
  for (const part of all(".heat, .group, .panel, .heat [data-batch]")) {
    part.hidden = !fits("host", part.dataset.host) || !fits("batch_size", part.dataset.batch);
  }
  for (const map of all(".map")) map.classList.toggle("filtered", Boolean(state.host));
  for (const line of all(".heat tr[data-model]")) line.hidden = !fits("model", line.dataset.model);
  for (const cell of all(".heat td[data-i]")) {
    cell.hidden = !fits("batch_size", String(field(cell.dataset.i, "batch_size")));
    cell.classList.toggle("dim", !matches[cell.dataset.i]);
  }
  for (const heat of all(".heat:not([hidden])")) {
    const columns = all("thead th:not([hidden])", heat).length;
    heat.className = `heat n${columns}`;
  }
  for (const line of all(".plot [data-i]")) line.classList.toggle("dim", !matches[line.dataset.i]);
  for (const trouble of all(".trouble")) {
    trouble.hidden = !trouble.dataset.cases.split(" ").some((i) => matches[i]);
  }
  for (const section of all("#failed, #missing")) {
    const told = all(".trouble, .remarks", section);
    section.hidden = told.every((part) => part.hidden);
  }
  const first = all(".group").find((group) => group.checkVisibility());
  if (first && state.host) first.open = true;
  showLines(matches);
  say([...matches.keys()].filter((i) => matches[i]));
}

// --- the sentences that answer for the selection --------------------------------------------------
const VERDICTS = ["faster", "slower", "same", "unclear", "failed", "missing", "published"];
const LISTED = 6; // more cases than this are summed up instead of told one by one

function say(found) {
  const target = $(".selection");
  target.replaceChildren();
  if (found.length === places.length && found.length > 1) return; // the answer has said it
  if (!found.length) {
    target.append(html("p", {}, "No case matches this selection."));
  } else if (found.length <= LISTED) {
    target.append(html("ul", {}, ...found.map((i) =>
      html("li", {}, `${data.sentences[i]}. `,
        html("button", { type: "button", "data-case": i },
          field(i, "failure_reason") === null ? "Samples and command" : "Reason and command")))));
  } else {
    target.append(html("p", {}, summed(found)));
  }
}

function median(values) {
  const sorted = values.sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function summed(found) {
  const counts = new Map();
  for (const i of found) counts.set(field(i, "verdict"), (counts.get(field(i, "verdict")) || 0) + 1);
  const ratios = found.map((i) => field(i, "speed_up")).filter((ratio) => ratio !== null);
  const faster = found.filter((i) => field(i, "verdict") === "faster");
  const paid = faster.map((i) => field(i, "break_even_inferences")).filter((n) => n !== null);
  const told = VERDICTS.filter((verdict) => counts.has(verdict));
  const parts = [told.map((verdict) => `${counts.get(verdict)} ${verdict}`).join(", ")];
  if (ratios.length) {
    const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
    parts.push(`geometric mean of the ratios ${mean.toFixed(2)}×`);
  }
  if (paid.length) {
    const inferences = Math.round(median(paid)).toLocaleString("en");
    parts.push(`where it is faster, compiling pays for itself after a median of ${inferences} inferences`);
  }
  return `${cases(found.length)}: ${parts.join("; ")}.`;
}

function cases(number) {
  const total = places.length;
  const noun = total === 1 ? "case" : "cases";
  const words = (count) => count.toLocaleString("en");
  return number === total ? `All ${words(total)} ${noun}` : `${words(number)} of ${words(total)} ${noun}`;
}

// --- state in the URL: what is shown can be sent to somebody --------------------------------------
function remember() {
  const state = new URLSearchParams();
  for (const [name, control] of controls) {
    if (control.get() !== control.initial) state.set(name, control.get() || "all");
  }
  if (opened !== null) state.set("case", nameOf(opened));
  const text = state.toString().replaceAll("%2F", "/");
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

const isPlainAnchor = () => location.hash.length > 1 && !location.hash.includes("=");

function recall() {
  if (isPlainAnchor()) return apply();
  const state = new URLSearchParams(location.hash.slice(1));
  for (const [name, control] of controls) {
    const value = state.has(name) ? state.get(name).replace(/^all$/, "") : control.initial;
    control.set(control.knows(value) ? value : control.initial);
  }
  apply();
  const asked = state.has("case") ? places.find((i) => nameOf(i) === state.get("case")) : undefined;
  if (asked !== undefined) show(asked);
  else if (opened !== null) dialog.close();
}

// --- theme ----------------------------------------------------------------------------------------
const THEMES = ["auto", "light", "dark"];
const stored = { // storage may be forbidden for a page opened from a file
  get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
  set: (theme) => { try { localStorage.setItem("theme", theme); } catch { /* not kept */ } },
};
function wear(theme) {
  document.documentElement.dataset.theme = theme;
  const button = $("[data-theme-switch]");
  button.textContent = `◐ ${theme}`;
  button.setAttribute("aria-label", `Theme: ${theme}`);
}

