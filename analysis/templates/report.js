for (const box of document.querySelectorAll(".scroll")) {
  const hint = () => box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  box.addEventListener("scroll", hint, { passive: true });
  new ResizeObserver(hint).observe(box);
}
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
for (const button of document.querySelectorAll("table:not(#explorer table) th button")) {
  button.addEventListener("click", () => {
    const heading = button.parentElement;
    const index = [...heading.parentElement.children].indexOf(heading);
    const body = heading.closest("table").tBodies[0];
    const descending = heading.getAttribute("aria-sort") === "ascending";
    const order = (row) => row.cells[index].dataset.order ?? row.cells[index].textContent;
    const compare = (a, b) => {
      const [x, y] = [order(a), order(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const numeric = x - y;
      return (descending ? -1 : 1) * (Number.isNaN(numeric) ? x.localeCompare(y) : numeric);
    };
    body.append(...[...body.rows].sort(compare));
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  });
}
