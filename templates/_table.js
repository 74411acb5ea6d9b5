// --- the table of results: sorted, filtered, and paged where it is long ---------------------------
const PAGE = 200;
const body = $(".results tbody");
let order = places.slice();
let page = 0;

function showLines(matches) {
  shown = order.filter((i) => matches[i]);
  const status = $(".shown");
  if (status) status.textContent = cases(shown.length);
  if (data.lines) {
    page = 0;
    showPage();
  } else {
    for (const line of body ? body.rows : []) line.hidden = !matches[line.id.slice(1)];
  }
}

function showPage() {
  const start = page * PAGE;
  body.replaceChildren(...shown.slice(start, start + PAGE).map(lineOf));
  const last = Math.min(start + PAGE, shown.length);
  const words = (number) => number.toLocaleString("en");
  $(".pages span").textContent = shown.length
    ? `${words(start + 1)} to ${words(last)} of ${words(shown.length)}` : "no case";
  $("[data-page='-1']").disabled = page === 0;
  $("[data-page='1']").disabled = last === shown.length;
}

/** The same line that the template writes for a shorter table. */
function lineOf(i) {
  const [label, caseWords, verdict, fields] = data.lines[i];
  const texts = caseWords.map((text) => html("td", {}, text));
  const values = fields.map(([text, small], n) =>
    html("td", n ? {} : { class: verdict }, text, ...(small ? [html("br"), small] : [])));
  return html("tr", { id: `r${i}` }, html("th", {}, label), ...texts, ...values);
}

function makePages() {
  if (!data.lines) return;
  $(".pages").hidden = false;
  for (const button of all("[data-page]")) {
    button.addEventListener("click", () => {
      page += Number(button.dataset.page);
      showPage();
      $("#results .scroll").scrollTop = 0;
    });
  }
}

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
  order.sort((x, y) => {
    const [a, b] = [field(x, key), field(y, key)];
    const found = compare(a, b);
    return down && a !== null && b !== null ? -found : found;
  });
  if (!data.lines) body.append(...order.map((i) => document.getElementById(`r${i}`)));
  apply();
}

function makeSortable() {
  for (const heading of all(".results th[data-key]")) {
    const button = html("button", { type: "button" }, ...heading.childNodes);
    button.addEventListener("click", () => sortBy(heading));
    heading.append(button);
  }
}

