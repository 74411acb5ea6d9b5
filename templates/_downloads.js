// --- downloads: the same files that the command line writes ---------------------------------------
const rowsOf = () => places.map((i) => data.values.map((values) => values[i]));

function csv() {
  const cell = (value) => {
    if (value === null) return "";
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [data.columns, ...rowsOf()].map((row) => row.map(cell).join(",") + "\r\n").join("");
}

function json() {
  const named = (row) => Object.fromEntries(data.columns.map((name, n) => [name, row[n]]));
  return JSON.stringify({ ...data.header, rows: rowsOf().map(named) }, null, 1) + "\n";
}

const WRITERS = {
  csv: { type: "text/csv", write: csv },
  json: { type: "application/json", write: json },
  md: { type: "text/markdown", write: () => data.markdown },
};

function save(name, type, text) {
  const link = html("a", { href: URL.createObjectURL(new Blob([text], { type })) });
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function download(kind) {
  const { type, write } = WRITERS[kind];
  save(`${data.name.replace(/[^\w.-]+/g, "-")}.${kind}`, type, write());
}

// --- a chart as a file: drawn again from the one on the page, in literal colours and pixels --------
const slug = (text) =>
  text.replace(/[^A-Za-z0-9.]+/g, "-").replace(/^[-.]+|[-.]+$/g, "").slice(0, 120).toLowerCase() || "chart";
const rounded = (value) => Number(value.toFixed(2));

/** Attributes of a text: where it stands, and what differs from the figure's own font. */
const words = (x, y, attributes, text) => svg("text", { x, y, ...attributes }, text);

function figureFile(figure) {
  const { width, top, bottom, colours, titles, font, source } = data.drawing;
  const drawn = $(".plot > svg", figure);
  const inner = Number(drawn.getAttribute("height")) - 20;
  const height = top + inner + bottom;
  const title = titles[figure.dataset.kind], where = whereOf(figure);
  const lines = all("svg[data-i]", drawn);
  const file = svg("svg", {
    role: "img", width, height, viewBox: `0 0 ${width} ${height}`,
    "font-family": font, "font-size": 12, fill: colours.ink,
  },
    svg("title", {}, `${title}: ${where}`),
    svg("rect", { width, height, fill: colours.paper }),
    words(16, 24, { "font-size": 15, "font-weight": "bold" }, title),
    words(16, 43, { fill: colours.quiet }, where),
    ...keysOf(lines),
    svg("g", { transform: `translate(0 ${top})` },
      ...all("line.grid", drawn).flatMap((grid) => tickOf(grid, inner)),
      ...lines.flatMap((line) => lineParts(line, drawn)),
      vertical($(".zero", drawn).getAttribute("x1"), inner, colours.quiet)),
    words(16, height - 10, { "font-size": 10, fill: colours.quiet }, source));
  return new XMLSerializer().serializeToString(file) + "\n";
}

function whereOf(figure) {
  const { name, mode, precision } = figure.closest(".group").dataset;
  const { batch } = figure.closest(".panel").dataset;
  return `${name}, mode ${mode}, ${precision}, batch ${batch}`;
}

function span(percent) {
  const { width, left, right } = data.drawing;
  return rounded((width - left - right) * parseFloat(percent || 0) / 100);
}
const px = (percent) => rounded(data.drawing.left + span(percent));

function vertical(percent, y2, stroke) {
  return svg("line", { x1: px(percent), x2: px(percent), y1: 0, y2, stroke });
}

function tickOf(grid, inner) {
  const { colours } = data.drawing;
  const at = grid.getAttribute("x1");
  const look = { "text-anchor": "middle", "font-size": 11, fill: colours.quiet };
  const text = grid.nextElementSibling.textContent;
  return [vertical(at, inner, colours.grid), words(px(at), inner + 15, look, text)];
}

/** What the colours of a chart stand for, in the order of appearance. */
function keysOf(lines) {
  const { colours, tones, marker } = data.drawing;
  const meanings = new Map();
  for (const tone of new Set(lines.flatMap((line) => all("g", line).map((bar) => bar.getAttribute("class"))))) {
    const colour = colours[tones[tone]];
    meanings.set(colour, [...(meanings.get(colour) || []), tone.replace(" negative", ", slower")]);
  }
  const keys = [...meanings].map(([colour, tonesOf]) => [colour, tonesOf.join(" or ")]);
  if (lines.some((line) => $("circle", line))) keys.push(["", marker]);
  let x = 16;
  return keys.flatMap(([colour, text]) => {
    const mark = colour
      ? svg("rect", { x, y: 54, width: 14, height: 10, rx: 2, fill: colour })
      : dot(x + 7, 59);
    const drawn = [mark, words(x + 20, 63, { "font-size": 11 }, text)];
    x += 44 + 7 * text.length;
    return drawn;
  });
}

function dot(cx, cy) {
  const { colours } = data.drawing;
  return svg("circle", { cx, cy, r: 3.5, fill: colours.paper, stroke: colours.seen, "stroke-width": 2 });
}

function lineParts(line, drawn) {
  const { left, colours } = data.drawing;
  const y = Number(line.getAttribute("y"));
  const label = $(":scope > text:not([class])", line).lastChild.textContent;
  const remark = $(".remark", line);
  const zero = $(".zero", drawn).getAttribute("x1");
  const look = { "font-size": 11, fill: remark?.classList.contains("failed") ? colours.fail : colours.quiet };
  return [
    words(left - 8, y + 20, { "text-anchor": "end" }, label),
    ...all("g", line).flatMap((bar) => barParts(bar, y)),
    ...(remark ? [words(px(zero) + 6, y + 20, look, remark.textContent)] : []),
  ];
}

function barParts(bar, lineY) {
  const { bands, colours, tones } = data.drawing;
  const tone = bar.getAttribute("class");
  const [below, height] = bands[tone] || bands.single;
  const y = lineY + below, middle = y + height / 2;
  const [rect, whisker, circle, text] = ["rect", "line", "circle", "text"].map((name) => $(name, bar));
  const title = $("title", rect);
  const parts = [svg("rect", {
    x: px(rect.getAttribute("x")), y, width: span(rect.getAttribute("width")), height, fill: colours[tones[tone]],
  }, ...(title ? [svg("title", {}, title.textContent)] : []))];
  if (whisker) {
    const [low, high] = ["x1", "x2"].map((name) => px(whisker.getAttribute(name)));
    const d = `M${low} ${middle}H${high}M${low} ${middle - 4}v8M${high} ${middle - 4}v8`;
    parts.push(svg("path", { d, stroke: colours.ink, "stroke-width": 1.5, fill: "none" }));
  }
  if (circle) parts.push(dot(px(circle.getAttribute("cx")), middle));
  parts.push(words(px(text.getAttribute("x")) + 7, middle + 4, { "font-size": 11 }, text.textContent));
  return parts;
}

/** A button per chart: without this script there would be nothing behind it. */
function makeDownloadable(root) {
  for (const figure of all("figure[data-kind]", root)) {
    const { name, mode, precision } = figure.closest(".group").dataset;
    const { batch } = figure.closest(".panel").dataset;
    const label = `Download as SVG: ${figure.dataset.kind.replace("-", " ")}, ${whereOf(figure)}`;
    const button = html("button", { type: "button", class: "get", "aria-label": label }, "SVG");
    button.addEventListener("click", () =>
      save(`${slug(`${name}-${mode}-${precision}-b${batch}`)}-${figure.dataset.kind}.svg`, "image/svg+xml", figureFile(figure)));
    $("figcaption", figure).append(button);
  }
}

