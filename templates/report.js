"use strict";
(() => {
  const $ = (selector) => document.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const data = JSON.parse($("#data").textContent);
  const place = new Map(data.columns.map((name, i) => [name, i]));
  const field = (i, name) => data.rows[i][place.get(name)];
  const selects = all("select[data-filter]");
  const LISTED = 6; // more cases than this are summed up instead of told one by one

  // --- filters -----------------------------------------------------------------------------
  const chosen = () =>
    selects.filter((select) => select.value).map((select) => [select.dataset.filter, select.value]);

  function matching() {
    const choices = chosen();
    return data.rows.map((_, i) =>
      choices.every(([name, value]) => String(field(i, name)) === value));
  }

  function apply() {
    const state = Object.fromEntries(chosen());
    const matches = matching();
    const fits = (name, value) => !state[name] || value === undefined || state[name] === value;
    const fitsPlace = ({ host, mode, precision, batch }) =>
      fits("host", host) && fits("mode", mode) && fits("precision", precision) &&
      fits("batch_size", batch);

    for (const part of all(".map, .group, .panel, .heat [data-host]")) {
      part.hidden = !fitsPlace(part.dataset);
    }
    for (const line of all(".heat tr[data-model]")) line.hidden = !fits("model", line.dataset.model);
    for (const span of all(".heat th[colspan]")) {
      const below = all("th[data-batch]", span.closest("thead"))
        .filter((th) => th.dataset.host === span.dataset.host && !th.hidden);
      span.hidden = below.length === 0;
      span.colSpan = Math.max(1, below.length);
    }
    for (const table of all(".heat")) {
      table.classList.toggle("few", all("th[data-batch]:not([hidden])", table).length < 6);
    }
    for (const mark of all("td[data-i], g[data-i]")) {
      mark.classList.toggle("dim", !matches[mark.dataset.i]);
    }
    for (const line of all(".results tr[data-i]")) line.hidden = !matches[line.dataset.i];
    for (const trouble of all(".trouble")) {
      trouble.hidden = !trouble.dataset.cases.split(" ").some((i) => matches[i]);
    }
    const first = all(".group").find((group) => !group.hidden);
    if (first && chosen().length) first.open = true;
    say(matches);
  }

  // --- the sentence that answers for the selection ---------------------------------------------
  function say(matches) {
    const target = $(".selection");
    const found = [...matches.keys()].filter((i) => matches[i]);
    target.replaceChildren();
    if (!chosen().length) return;
    if (found.length > 0 && found.length <= LISTED) {
      const list = document.createElement("ul");
      for (const i of found) {
        const item = document.createElement("li");
        item.textContent = data.sentences[i] + ".";
        list.append(item);
      }
      target.append(list);
      return;
    }
    const sentence = document.createElement("p");
    sentence.textContent = found.length ? summed(found) : "No case matches this selection.";
    target.append(sentence);
  }

  function summed(found) {
    const counts = new Map();
    for (const i of found) counts.set(field(i, "verdict"), (counts.get(field(i, "verdict")) || 0) + 1);
    const parts = [...counts].map(([verdict, number]) => `${number} ${verdict}`);
    const ratios = found.map((i) => field(i, "speed_up")).filter((ratio) => ratio !== null);
    const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
    const size = ratios.length ? `; geometric mean of the ratios ${mean.toFixed(2)}×` : "";
    return `${found.length} of ${data.rows.length} cases: ${parts.join(", ")}${size}.`;
  }

  // --- state in the URL: what is shown can be sent to somebody ----------------------------------
  function remember() {
    const state = new URLSearchParams(chosen()).toString();
    history.replaceState(null, "", state ? `#${state}` : location.pathname + location.search);
  }

  function recall() {
    if (location.hash.length > 1 && !location.hash.includes("=")) return; // a plain anchor
    const state = new URLSearchParams(location.hash.slice(1));
    for (const select of selects) {
      const value = state.get(select.dataset.filter) || "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
    apply();
  }

  // --- sorting ----------------------------------------------------------------------------------
  function compare(a, b) {
    if (a === b) return 0;
    if (a === null) return 1; // what a case lacks comes last, either way
    if (b === null) return -1;
    return typeof a === "number" ? a - b : String(a).localeCompare(String(b));
  }

  function sortBy(heading) {
    const down = heading.getAttribute("aria-sort") === "ascending";
    const key = heading.dataset.key;
    for (const th of all(".results th[aria-sort]")) th.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (line) => field(line.dataset.i, key);
    const body = $(".results tbody");
    const lines = all("tr", body).sort((x, y) => {
      const [a, b] = [value(x), value(y)];
      const order = compare(a, b);
      return down && a !== null && b !== null ? -order : order;
    });
    body.append(...lines);
  }

  function makeSortable() {
    for (const heading of all(".results th[data-key]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sortBy(heading));
      heading.append(button);
    }
    all(".sorts").forEach((part) => { part.hidden = false; });
  }

  // --- downloads --------------------------------------------------------------------------------
  function csv() {
    const cell = (value) => {
      if (value === null) return "";
      const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return [data.columns, ...data.rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
  }

  function json() {
    const named = (row) => Object.fromEntries(data.columns.map((name, i) => [name, row[i]]));
    return JSON.stringify({ ...data.header, rows: data.rows.map(named) }, null, 1) + "\n";
  }

  function download(kind) {
    const [text, type] = kind === "csv" ? [csv(), "text/csv"] : [json(), "application/json"];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = `${data.header.run.run_id.replace(/[^\w.-]+/g, "-")}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // --- theme ------------------------------------------------------------------------------------
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

  // --- start ------------------------------------------------------------------------------------
  wear(THEMES.includes(stored.get()) ? stored.get() : "auto");
  $("[data-theme-switch]").addEventListener("click", () => {
    const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % 3];
    stored.set(theme);
    wear(theme);
  });
  for (const button of all("[data-download]")) {
    button.addEventListener("click", () => download(button.dataset.download));
  }
  $(".tools").hidden = false;
  addEventListener("beforeprint", () => all(".trouble details").forEach((part) => { part.open = true; }));
  if (!data.rows.length) return;
  $("#filters").hidden = false;
  makeSortable();
  for (const select of selects) select.addEventListener("change", () => { apply(); remember(); });
  $("[data-reset]").addEventListener("click", () => {
    for (const select of selects) select.value = "";
    apply();
    remember();
  });
  addEventListener("hashchange", recall);
  recall();
})();
