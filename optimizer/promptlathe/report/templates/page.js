"use strict";
(() => {
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) {
      one.open = true;
      opened.push(one);
    }
  });
  addEventListener("afterprint", () => {
    for (const one of opened.splice(0)) one.open = false;
  });
  // Where a frame allows scripts only, some browsers refuse links within the page.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const aim = link && document.getElementById(link.hash.slice(1));
    if (!aim) return;
    event.preventDefault();
    aim.tabIndex = -1;
    aim.focus({ preventScroll: true });
    aim.scrollIntoView();
  });
  const filter = document.getElementById("filter");
  if (!filter) return;
  const rows = [...document.querySelectorAll("#rows > details")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const [search, label] = ["search", "label"].map((id) => document.getElementById(id));
  const told = document.getElementById("told");
  const more = document.getElementById("more");
  const step = 50;
  let most = step;
  const show = () => {
    const kind = filter.querySelector("input[name=kind]:checked").value;
    const wanted = search.value.toLowerCase();
    let found = 0;
    rows.forEach((row, i) => {
      const fits = (kind === "all" || row.classList.contains(kind)) &&
        (!label || !label.value || row.dataset.label === label.value) &&
        (!wanted || texts[i].includes(wanted));
      if (fits) found += 1;
      row.hidden = !fits || found > most;
    });
    told.textContent = told.dataset.said
      .replace("⟨1⟩", Math.min(found, most)).replace("⟨2⟩", found).replace("⟨3⟩", rows.length);
    more.hidden = found <= most;
  };
  const anew = () => { most = step; show(); };
  filter.addEventListener("input", anew);
  filter.addEventListener("change", anew);
  more.addEventListener("click", () => { most += step; show(); });
  filter.hidden = false;
  show();
})();
