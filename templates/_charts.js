// --- charts on demand: of many cases, only what somebody opens is drawn ---------------------------
// The same elements as in _charts.svg.j2; the geometry was computed when the page was made.
function plot(chart, label) {
  const y2 = chart.height;
  const ticks = chart.ticks.flatMap(([x, text, minor]) => [
    svg("line", { class: "grid", x1: `${x}%`, x2: `${x}%`, y2 }),
    svg("text", { class: minor ? "tick minor" : "tick", x: `${x}%`, y: y2 + 15 }, text),
  ]);
  const zero = svg("line", { class: "zero", x1: `${chart.zero}%`, x2: `${chart.zero}%`, y2 });
  const drawn = svg("svg", { role: "img", "aria-label": label, width: "100%", height: y2 + 20 },
    ...ticks, ...chart.lines.map((line) => plotLine(line, chart.zero)), zero);
  return html("div", { class: "plot" }, drawn);
}

function plotLine([index, y, label, verdict, remark, bars], zero) {
  const line = svg("svg", { y, "data-i": index }, svg("text", {}, label));
  for (const [tone, x, width, low, high, marker, text, textX] of bars) {
    const bar = svg("g", { class: tone }, svg("rect", { x: `${x}%`, width: `${width}%` }));
    if (low !== null) bar.append(svg("line", { x1: `${low}%`, x2: `${high}%` }));
    if (marker !== null) bar.append(svg("circle", { cx: `${marker}%` }));
    bar.append(svg("text", { x: `${textX}%` }, text));
    line.append(bar);
  }
  if (remark) line.append(svg("text", { class: `remark ${verdict}`, x: `${zero}%` }, remark));
  return line;
}

function figure(kind, title, hint, chart) {
  const caption = html("figcaption", {}, `${title} `, html("span", { class: "quiet" }, hint));
  return html("figure", { "data-kind": kind }, caption, plot(chart, `${title}: ${hint}. The results have the numbers.`));
}

function draw(group) {
  for (const [batch, durations, savings] of data.charts[group.dataset.chart]) {
    group.append(html("section", { class: "panel", "data-batch": batch },
      html("h3", {}, `Batch ${batch}`),
      html("div", { class: "pair" },
        figure("duration", "Duration, ms", "shorter is better", durations),
        figure("time-saved", "Percentage improvement", "time saved; right is better", savings))));
  }
  delete group.dataset.chart;
  makeDownloadable(group);
}

function makeCharts() {
  for (const group of all(".group[data-chart]")) {
    group.addEventListener("toggle", () => {
      if (!group.dataset.chart) return;
      draw(group);
      apply();
    });
  }
}

