// --- one case, closely: samples in the order taken, evidence, environment, command ----------------
const dialog = $("#case");
let opened = null; // the place of the case that is looked at
const PLOT = { height: 250, left: 52, right: 10, top: 8, bottom: 26 };

const layouts = data.samples.layouts.map((layout) =>
  layout.split(" ").map((block) => [block[0] === "e" ? "eager" : "compiled", Number(block.slice(1))]));
const callsIn = (layout) => layout.reduce((sum, [, calls]) => sum + calls, 0);

/** Blocks in the order taken: [variant, samples in seconds]. */
function blocksOf(i) {
  const { cases } = data.samples;
  if (!cases[i]) return [];
  const [layout, low, high, most, eager, compiled] = cases[i];
  let start = cases.slice(0, i).reduce((sum, each) => sum + (each ? callsIn(layouts[each[0]]) : 0), 0);
  return layouts[layout].map(([variant, calls]) => {
    const end = start + calls;
    const middle = variant === "eager" ? eager : compiled;
    const samples = [...steps.slice(start, end)].map((left) =>
      low + (((middle + left) & 255) / most) * (high - low));
    start = end;
    return [variant, samples];
  });
}

function roundValues(low, high) {
  const raw = (high - low || high || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const error = raw / power;
  const step = power * (error >= Math.sqrt(50) ? 10 : error >= Math.sqrt(10) ? 5 : error >= Math.SQRT2 ? 2 : 1);
  const first = Math.floor(low / step), last = Math.max(Math.ceil(high / step), first + 1);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: last - first + 1 }, (_, n) => {
    const value = (first + n) * step;
    return [value, value.toFixed(decimals)];
  });
}

function samplesPlot(blocks, title) {
  const width = Math.min(714, innerWidth - 52); // of the dialog's inside, so that text keeps its size
  const values = blocks.flatMap(([, samples]) => samples);
  const ticks = roundValues(Math.min(...values) * 1000, Math.max(...values) * 1000);
  const [bottom, top] = [ticks[0][0], ticks.at(-1)[0]];
  const x = (n) => PLOT.left + ((n + 0.5) / values.length) * (width - PLOT.left - PLOT.right);
  const y = (ms) => PLOT.top + ((top - ms) / (top - bottom)) * (PLOT.height - PLOT.top - PLOT.bottom);
  const drawn = svg("svg", {
    class: "samples", role: "img", viewBox: `0 0 ${width} ${PLOT.height}`,
    "aria-label": `Milliseconds of every call of ${title}, in the order taken. The table below has the numbers.`,
  });
  for (const [ms, text] of ticks) {
    drawn.append(
      svg("line", { class: "grid", x1: PLOT.left, x2: width - PLOT.right, y1: y(ms), y2: y(ms) }),
      svg("text", { class: "scale", x: PLOT.left - 6, y: y(ms) + 4 }, text));
  }
  let taken = 0;
  for (const [variant, samples] of blocks) {
    const mean = samples.reduce((sum, sample) => sum + sample, 0) / samples.length * 1000;
    const [from, to] = [x(taken - 0.4), x(taken + samples.length - 0.6)];
    const dots = samples.map((sample, n) =>
      `M${x(taken + n).toFixed(1)} ${y(sample * 1000).toFixed(1)}h0`);
    drawn.append(
      svg("path", { class: `dots ${variant}`, d: dots.join("") }),
      svg("line", { class: `mean ${variant}`, x1: from, x2: to, y1: y(mean), y2: y(mean) }));
    taken += samples.length;
  }
  drawn.append(svg("text", { class: "axis", x: PLOT.left, y: PLOT.height - 6 }, "first call"),
    svg("text", { class: "axis end", x: width - PLOT.right, y: PLOT.height - 6 }, "last call"));
  return drawn;
}

function facts(pairs) {
  return html("dl", {}, ...pairs.map(([name, value]) =>
    html("div", {}, html("dt", {}, name), html("dd", {}, value))));
}

/** The value columns of a case, from the table or from the data behind it. */
function numbersOf(i) {
  const line = data.lines ? lineOf(i) : document.getElementById(`r${i}`);
  const headings = all(".results thead th");
  const from = headings.findIndex((heading) => heading.dataset.key === "verdict");
  return [...line.cells].map((cell, n) => [headings[n], cell]).slice(from + 1)
    .map(([heading, cell]) => {
      const hint = $("small", heading)?.textContent;
      const title = heading.textContent.slice(0, hint ? -hint.length : undefined);
      const [text, small] = [...cell.childNodes].map((node) => node.data?.trim()).filter((found) => found);
      return [hint ? `${title}, ${hint}` : title, small ? `${text} (${small})` : text];
    })
    .filter(([, text]) => text && text !== "–");
}

function evidenceOf(i) {
  const { names, rows } = data.evidence;
  return names.map((name, n) => [name, rows[i][n]]).filter(([, text]) => text !== "–");
}

function part(title, ...children) {
  return children.length ? [html("h3", {}, title), ...children] : [];
}

function samplesPart(i) {
  const blocks = blocksOf(i);
  if (!blocks.length) return [];
  const legend = html("p", { class: "legend" },
    html("span", {}, html("i", { class: "key eager" }), " eager"),
    html("span", {}, html("i", { class: "key compiled" }), " compiled"),
    html("span", { class: "quiet" }, data.samples.means_only
      ? "a dot is the mean of a block in milliseconds; the records hold every call"
      : "a dot is a call in milliseconds, a line the mean of its block; the scale does not start at zero"));
  const drawn = samplesPlot(blocks, data.titles[i]);
  const get = html("button", { type: "button", class: "get", "aria-label": "Download as SVG: samples" }, "SVG");
  get.addEventListener("click", () =>
    save(`${slug(data.titles[i])}-samples.svg`, "image/svg+xml", samplesFile(drawn, data.titles[i])));
  legend.append(get);
  return part("Samples in the order taken", legend, drawn);
}

/** The plot as a file: what the style sheet gives it in the light theme becomes its attributes. */
function samplesFile(drawn, title) {
  const { colours, font } = data.drawing;
  const root = document.documentElement, { theme } = root.dataset;
  root.dataset.theme = "light"; // and back below, before anything is painted
  const looks = all("*", drawn).map((element) => getComputedStyle(element)).map((look) =>
    ["fill", "stroke", "stroke-width", "stroke-linecap", "opacity", "font-size", "text-anchor"]
      .map((name) => [name, literal(look.getPropertyValue(name))]));
  root.dataset.theme = theme;
  const file = drawn.cloneNode(true);
  all("*", file).forEach((element, n) => {
    element.removeAttribute("class");
    for (const [name, value] of looks[n]) element.setAttribute(name, value);
  });
  const [, , width, height] = file.getAttribute("viewBox").split(" ").map(Number);
  file.removeAttribute("class");
  for (const [name, value] of Object.entries({ width, height, "font-family": font })) file.setAttribute(name, value);
  file.prepend(svg("title", {}, title), svg("rect", { width, height, fill: colours.paper }));
  return new XMLSerializer().serializeToString(file) + "\n";
}

/** "rgb(27, 102, 201)" as "#1b66c9": not every program that reads SVG knows the one. */
function literal(value) {
  const rgb = /^rgb\((\d+), (\d+), (\d+)\)$/.exec(value);
  return rgb ? `#${rgb.slice(1).map((part) => Number(part).toString(16).padStart(2, "0")).join("")}` : value;
}

function failurePart(i) {
  const message = field(i, "failure_message");
  if (field(i, "failure_reason") === null) return [];
  const anchor = all(".trouble").find((each) => each.dataset.cases.split(" ").includes(String(i)));
  const link = html("a", { href: `#${anchor.id}`, "data-close": "" }, "All that is known about it");
  return part("Why it has no times", ...(message ? [html("pre", {}, message)] : []), html("p", {}, link));
}

function commandPart(i) {
  const command = data.commands[i];
  if (!command) return [];
  const copy = html("button", { type: "button", "data-copy": command }, "Copy");
  const words = command.split(" ").flatMap((word, n) => [n ? " " : "", html("span", {}, word)]);
  return part("Measure this case again",
    html("div", { class: "command" }, html("pre", { tabindex: 0 }, ...words), copy));
}

function show(i) {
  const numbers = numbersOf(i), found = evidenceOf(i);
  const environment = data.environments[field(i, "host")] || [];
  $("#case-title").textContent = data.titles[i];
  $(".case").replaceChildren(
    html("p", { class: "sentence" }, `${data.sentences[i].slice(data.titles[i].length + 2)}.`),
    ...failurePart(i), ...samplesPart(i), ...commandPart(i),
    ...part("Numbers", ...(numbers.length ? [facts(numbers)] : [])),
    ...part("Evidence", ...(found.length ? [facts(found)] : [])),
    ...part("Environment", ...(environment.length ? [facts(environment)] : [])));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  opened = i;
}

async function copyOf(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch { // forbidden here: select it, so that a key does it
    getSelection().selectAllChildren($("pre", button.parentElement));
    button.textContent = "Selected: press Ctrl+C";
  }
}

/** Tab goes round inside the dialog instead of out to the browser. */
function keepInside(event) {
  if (event.key !== "Tab") return;
  const stops = all("button, a[href], [tabindex]", dialog);
  const edge = event.shiftKey ? stops[0] : stops.at(-1);
  if (document.activeElement !== edge && dialog.contains(document.activeElement)) return;
  event.preventDefault();
  (event.shiftKey ? stops.at(-1) : stops[0]).focus();
}

function makeCases() {
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || getSelection().toString()) return;
    const target = event.target.closest("[data-case], .heat td[data-i], .plot [data-i], .results tbody tr");
    if (!target) return;
    event.preventDefault();
    show(Number(target.dataset.case ?? target.dataset.i ?? target.id.slice(1)));
    remember();
  });
  dialog.addEventListener("close", () => {
    opened = null;
    if (!isPlainAnchor()) remember(); // else a link in it led there
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
    const copy = event.target.closest("[data-copy]");
    if (copy) copyOf(copy);
  });
  dialog.addEventListener("keydown", keepInside);
}

