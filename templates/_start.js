// --- start ----------------------------------------------------------------------------------------
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
if (places.length) {
  for (const part of all(".live")) part.hidden = false;
  for (const part of all(".static")) part.hidden = true;
  $("#filters").hidden = controls.size === 0;
  makeSortable();
  makePages();
  makeCharts();
  makeDownloadable(document);
  makeCases();
  for (const control of controls.values()) {
    control.listen(() => { apply(); remember(); });
  }
  $("[data-reset]").addEventListener("click", () => {
    for (const control of controls.values()) control.set(control.initial);
    apply();
    remember();
  });
  addEventListener("hashchange", recall);
  recall();
  if (location.hash.includes("=")) $("#filters").scrollIntoView();
}
document.documentElement.dataset.ready = "yes";
