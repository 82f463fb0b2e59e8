// Cells and points of figures: what is behind them on hover or focus, their trials on a click.
(() => {
  const MOST = 12;
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  document.body.append(tip);
  function place(event) {
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
    const below = event.clientY + 16;
    tip.style.top = `${below + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : below}px`;
  }
  for (const mark of document.querySelectorAll(".mark")) {
    const title = mark.querySelector("title"), text = title.textContent;
    title.remove();
    const rows = mark.dataset.trials.split(" ").filter(Boolean).map(Number);
    mark.addEventListener("pointerenter", (event) => {
      const seeds = trials && rows.length <= MOST ? trials.seeds(rows) : [`${rows.length} trials`];
      tip.replaceChildren(...[text, ...seeds].map((line) => Object.assign(document.createElement("p"), { textContent: line })));
      tip.hidden = false;
      place(event);
    });
    mark.addEventListener("pointermove", place);
    mark.addEventListener("pointerleave", () => { tip.hidden = true; });
    if (trials && rows.length) {
      mark.classList.add("leads");
      mark.addEventListener("click", () => { tip.hidden = true; trials.only(rows, text); });
    }
  }
})();
